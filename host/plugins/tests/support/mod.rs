//! Guests in WebAssembly text: a template with every import that a test may want, in which the test
//! writes the bodies of the hooks.

#![allow(
    dead_code,
    clippy::print_stderr,
    reason = "each test file uses some of it"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aspire_model::grant::Grants;
use aspire_model::hook::{ExpandContext, FailureKind, HookFailure, Plugin, Snapshot};
use aspire_model::selector::Selector;
use aspire_model::{AppModel, Author, Declaration, Mode, ResourceName, Shape};
use aspire_plugins::{Config, Loaded, PluginHost, Source};
use wit_component::StringEncoding;
use wit_parser::Resolve;

/// A guest's parts.
pub(crate) struct Guest {
    pub(crate) id: &'static str,
    pub(crate) manifest: Option<String>,
    /// Additional statements of `describe`, after identity, kind and pass.
    pub(crate) describe: &'static str,
    /// Body of `expand`, with the handle of a transaction in `$t`.
    pub(crate) expand: &'static str,
    /// Body of `run`, with a snapshot in `$s`.
    pub(crate) run: &'static str,
    /// Body of `publish`, with an output in `$o`.
    pub(crate) publish: &'static str,
    /// Additional imports of the module.
    pub(crate) imports: &'static str,
    /// Additional items of the module.
    pub(crate) items: String,
    pub(crate) world: &'static str,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            id: "hostile",
            manifest: None,
            describe: "",
            expand: "",
            run: "",
            publish: "",
            imports: "",
            items: String::new(),
            world: "",
        }
    }
}

/// Writes `(i32.const offset) (i32.const length)` of a text into the data section.
struct Texts {
    data: Vec<u8>,
}

impl Texts {
    const BASE: usize = 4_096;

    fn add(&mut self, text: &str) -> String {
        let at = Self::BASE + self.data.len();
        self.data.extend_from_slice(text.as_bytes());
        format!("(i32.const {at}) (i32.const {})", text.len())
    }

    /// Replaces every `"text"` in code by its place.
    fn place(&mut self, code: &str) -> String {
        let mut placed = String::new();
        for (index, part) in code.split('"').enumerate() {
            let place = if index % 2 == 0 {
                part.to_owned()
            } else {
                self.add(part)
            };
            placed.push_str(&place);
        }
        placed
    }
}

impl Guest {
    pub(crate) fn manifest_text(&self) -> String {
        self.manifest.clone().unwrap_or_else(|| {
            format!(
                r#"{{"id":"{}","version":"0.1.0","interface":"0.1.0","wishes":[]}}"#,
                self.id
            )
        })
    }

    /// The core module, with the world's description in a custom section.
    pub(crate) fn module(&self) -> Vec<u8> {
        let mut texts = Texts { data: Vec::new() };
        let describe = texts.place(&format!(
            r#"(call $registry.begin) (local.set $r)
               (call $registry.identity (local.get $r) "{}" "0.1.0")
               (call $registry.add-kind (local.get $r) "thing" "A thing." "{{}}")
               (call $registry.add-pass (local.get $r) "sweep" "enrich" ""
                 (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
               (call $registry.add-target (local.get $r) "files" "Files.")
               {}"#,
            self.id, self.describe
        ));
        let (expand, run) = (texts.place(self.expand), texts.place(self.run));
        let publish = texts.place(self.publish);
        let data: String = texts
            .data
            .iter()
            .map(|byte| format!("\\{byte:02x}"))
            .collect();
        let manifest: String = self
            .manifest_text()
            .bytes()
            .map(|byte| format!("\\{byte:02x}"))
            .collect();
        let (imports, items) = (self.imports, &self.items);
        let text = format!(
            r#"(module
  (import "aspire:host/registration@0.1.0" "begin" (func $registry.begin (result i32)))
  (import "aspire:host/registration@0.1.0" "[method]registry.identity" (func $registry.identity (param i32 i32 i32 i32 i32)))
  (import "aspire:host/registration@0.1.0" "[method]registry.add-kind" (func $registry.add-kind (param i32 i32 i32 i32 i32 i32 i32)))
  (import "aspire:host/registration@0.1.0" "[method]registry.add-pass" (func $registry.add-pass (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "aspire:host/registration@0.1.0" "[method]registry.add-target" (func $registry.add-target (param i32 i32 i32 i32 i32)))
  (import "aspire:host/registration@0.1.0" "[method]registry.request" (func $registry.request (param i32 i32 i32 i32 i32)))
  (import "aspire:host/edits@0.1.0" "begin" (func $edits.begin (result i32)))
  (import "aspire:host/edits@0.1.0" "[method]transaction.add-resource" (func $add (param i32 i32 i32 i32 i32 i32 i32)))
  (import "aspire:host/edits@0.1.0" "[method]transaction.set-text" (func $set-text (param i32 i32 i32 i32 i32 i32 i32)))
  (import "aspire:host/edits@0.1.0" "[method]transaction.set-value" (func $set-value (param i32 i32 i32 i32 i32 i32 i32)))
  (import "aspire:host/edits@0.1.0" "[method]transaction.set-number" (func $set-number (param i32 i32 i32 i32 i32 i64)))
  (import "aspire:host/model@0.1.0" "current" (func $model.current (result i32)))
  (import "aspire:host/model@0.1.0" "[method]snapshot.select" (func $select (param i32 i32 i32 i32)))
  (import "aspire:host/model@0.1.0" "[method]snapshot.text" (func $text (param i32 i32 i32 i32 i32 i32)))
  (import "aspire:host/artifacts@0.1.0" "begin" (func $artifacts.begin (result i32)))
  (import "aspire:host/artifacts@0.1.0" "[method]output.write" (func $write (param i32 i32 i32 i32 i32)))
  (import "aspire:host/artifacts@0.1.0" "[method]output.copy" (func $copy (param i32 i32 i32 i32 i32)))
  (import "aspire:host/log@0.1.0" "write" (func $log (param i32 i32 i32 i32)))
  {imports}
  (memory (export "memory") 4)
  (global $heap (mut i32) (i32.const 131072))
  (data (i32.const 4096) "{data}")
  (@custom "aspire:manifest" "{manifest}")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  {items}
  (func $describe (export "aspire:host/descriptor@0.1.0#describe") (result i32) (local $r i32)
    {describe} (i32.const 0))
  (func $expand (export "aspire:host/integration@0.1.0#expand") (param $name i32) (param $len i32) (result i32) (local $t i32) (local $i i32)
    (local.set $t (call $edits.begin)) {expand} (i32.const 0))
  (func $run (export "aspire:host/pass@0.1.0#run") (param $name i32) (param $len i32) (result i32) (local $s i32) (local $i i32)
    (local.set $s (call $model.current)) {run} (i32.const 0))
  (func $publish (export "aspire:host/publisher@0.1.0#publish") (param $name i32) (param $len i32) (result i32) (local $o i32)
    (local.set $o (call $artifacts.begin)) {publish} (i32.const 0))
)"#
        );
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut resolve = Resolve::default();
        resolve.push_dir("../../wit").expect("wit/ is valid");
        for (name, wit) in WASI {
            resolve.push_str(name, wit).expect("valid");
        }
        let world = format!(
            "package test:guest;
             world guest {{
               import aspire:host/registration@0.1.0;
               import aspire:host/declarations@0.1.0;
               import aspire:host/edits@0.1.0;
               import aspire:host/model@0.1.0;
               import aspire:host/constructs@0.1.0;
               import aspire:host/artifacts@0.1.0;
               import aspire:host/log@0.1.0;
               export aspire:host/descriptor@0.1.0;
               export aspire:host/integration@0.1.0;
               export aspire:host/pass@0.1.0;
               export aspire:host/publisher@0.1.0;
               {}
             }}",
            self.world
        );
        let package = resolve
            .push_str("guest.wit", &world)
            .expect("the world is valid");
        let world = resolve
            .select_world(&[package], None)
            .expect("there is one world");
        wit_component::embed_component_metadata(
            &mut module,
            &resolve,
            world,
            StringEncoding::UTF8,
            false,
        )
        .expect("the module takes a section");
        module
    }

    /// The component, made by what `plugin build` uses.
    pub(crate) fn component(&self) -> Vec<u8> {
        aspire_plugins::build("guest.wasm", &self.module()).expect("a component")
    }

    /// Loaded by a host.
    pub(crate) fn load(&self, host: &PluginHost) -> Arc<Loaded> {
        host.load_one(&self.source())
            .unwrap_or_else(|error| panic!("{error} {error:?}"))
    }

    pub(crate) fn source(&self) -> Source {
        Source::Bytes {
            name: format!("{}.wasm", self.id),
            contents: self.component(),
        }
    }
}

/// As much of WASI as the tests import.
const WASI: [(&str, &str); 3] = [
    (
        "clocks.wit",
        "package wasi:clocks@0.2.3; interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }",
    ),
    (
        "random.wit",
        "package wasi:random@0.2.3; interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; } interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }",
    ),
    (
        "sockets.wit",
        "package wasi:sockets@0.2.3; interface instance-network { resource network; instance-network: func() -> network; } interface exit { exit: func(status: result); }",
    ),
];

/// A host without cache.
pub(crate) fn host() -> PluginHost {
    PluginHost::new(Config::default()).expect("this machine runs WebAssembly")
}

/// A host with a cache folder.
pub(crate) fn caching(folder: &Path) -> PluginHost {
    let config = Config {
        cache_dir: Some(folder.to_owned()),
        ..Config::default()
    };
    PluginHost::new(config).expect("this machine runs WebAssembly")
}

pub(crate) fn declaration(name: &str) -> Arc<Declaration> {
    Arc::new(Declaration {
        name: ResourceName::new(name).expect("a name"),
        kind: "thing".into(),
        options: Arc::new(serde_json::json!({})),
        explicit: Vec::new(),
        author: Author::Option {
            text: "test".into(),
        },
    })
}

pub(crate) fn context() -> ExpandContext {
    ExpandContext {
        app: "app".into(),
        mode: Mode::Run,
    }
}

/// A model with `count` containers.
pub(crate) fn snapshot(count: usize) -> Snapshot {
    let mut model = AppModel::new("app");
    for index in 0..count {
        let name = ResourceName::new(format!("r{index}")).expect("a name");
        let author = Author::Option {
            text: "test".into(),
        };
        model.insert(aspire_model::Resource::new(
            name,
            "thing",
            Shape::Container,
            author,
        ));
    }
    Snapshot::new(Arc::new(model), Mode::Run, Selector::default())
}

/// Calls `expand(one)`.
pub(crate) fn expand(plugin: &Arc<Loaded>) -> Result<aspire_model::Transaction, HookFailure> {
    granted(plugin).expand(&declaration("one"), &context())
}

pub(crate) fn granted(plugin: &Arc<Loaded>) -> Arc<dyn Plugin> {
    plugin.with_grants(Grants::default(), false)
}

/// The message of a guest error with its code.
pub(crate) fn guest_error(failure: &HookFailure) -> (String, String) {
    match &failure.kind {
        FailureKind::Guest(error) => (error.code.clone(), error.message.clone()),
        other => panic!("expected a guest error, not {other:?}"),
    }
}

pub(crate) fn write(folder: &Path, name: &str, contents: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, contents).expect("a file");
    path
}

/// The built plugin, or a line that says that there is none.
pub(crate) fn built(name: &str) -> Option<Source> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("../../target".into(), PathBuf::from);
    let folders = ["plugins", "wasm32-wasip2/plugin", "wasm32-wasip2/release"];
    let found = folders
        .iter()
        .map(|folder| target.join(folder).join(format!("{name}.wasm")))
        .find(|file| file.is_file());
    if found.is_none() {
        eprintln!("skipped: {name}.wasm is not built");
    }
    found.map(Source::File)
}

/// A construct graph without constructs.
pub(crate) fn graph(target: &str) -> aspire_model::construct::ConstructGraph {
    aspire_model::construct::ConstructGraph {
        app: "app".into(),
        target: target.into(),
        app_folder: "../".into(),
        nodes: std::collections::BTreeMap::new(),
        authors: std::collections::BTreeMap::new(),
    }
}
