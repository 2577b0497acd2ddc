//! Loading: what is refused and why, and what the cache survives.

mod support;

use aspire_plugins::{Config, Limits, LoadError, LoadResult, PluginHost, Source};
use support::{Guest, expand, granted, host, snapshot, write};

fn bytes(contents: Vec<u8>) -> Source {
    Source::Bytes {
        name: "given.wasm".into(),
        contents,
    }
}

fn refused(contents: Vec<u8>) -> LoadError {
    let host = host();
    let error = host
        .load_one(&bytes(contents))
        .expect_err("it should be refused");
    host.load_one(&Guest::default().source())
        .expect("another plugin loads");
    assert_eq!(error.to_diagnostic().code, error.code());
    error
}

fn with_manifest(manifest: &str) -> LoadError {
    refused(
        Guest {
            manifest: Some(manifest.into()),
            ..Guest::default()
        }
        .component_unchecked(),
    )
}

impl Guest {
    /// As `component`, but without the checks of `plugin build`.
    fn component_unchecked(&self) -> Vec<u8> {
        wit_component::ComponentEncoder::default()
            .module(&self.module())
            .and_then(|encoder| encoder.encode())
            .expect("a component")
    }
}

#[test]
fn not_wasm() {
    let error = refused(b"#!/bin/sh\nrm -rf /\n".to_vec());
    assert_eq!(error.code(), "plugin-not-wasm");
    assert_eq!(
        error.to_string(),
        "given.wasm is no WebAssembly component: it does not begin as one"
    );
    assert_eq!(refused(Vec::new()).code(), "plugin-not-wasm");
    // Truncated and damaged components.
    let component = Guest::default().component();
    for length in [9, 100, component.len() / 2, component.len() - 1] {
        let error = refused(component[..length].to_vec());
        assert!(
            matches!(
                error,
                LoadError::NotWasm { .. } | LoadError::NoManifest { .. }
            ),
            "{length}: {error:?}"
        );
    }
    let mut damaged = component.clone();
    for at in (200..damaged.len()).step_by(97) {
        damaged[at] ^= 0x55;
    }
    let _ = refused(damaged);
}

#[test]
fn core_module() {
    let error = refused(Guest::default().module());
    assert_eq!(error.code(), "plugin-core-module");
    assert_eq!(
        error.help().as_deref(),
        Some("make it one with `aspire-host plugin build given.wasm`")
    );
}

#[test]
fn manifests() {
    let none = wat::parse_str("(component)").expect("valid");
    assert_eq!(refused(none).code(), "plugin-no-manifest");
    let error = with_manifest("{");
    assert_eq!(error.code(), "plugin-bad-manifest");
    let error =
        with_manifest(r#"{"id":"hostile","version":"0.1.0","interface":"0.7.0","wishes":[]}"#);
    assert_eq!(
        error.to_string(),
        "given.wasm was built for version 0.7.0 of the plugin interface, and this host serves 0.1.0"
    );
    let error = with_manifest(
        r#"{"id":"hostile","version":"0.1.0","interface":"0.1.0","wishes":["root"]}"#,
    );
    assert!(
        error.to_string().contains("`root` is no permission"),
        "{error}"
    );
    let error = with_manifest(r#"{"id":"other","version":"0.1.0","interface":"0.1.0"}"#);
    assert_eq!(
        error.to_string(),
        "the plugin other in given.wasm describes itself wrongly: its id is `hostile`, and its manifest says `other`"
    );
    let error = with_manifest(
        r#"{"id":"hostile","version":"0.1.0","interface":"0.1.0","wishes":["host-path"]}"#,
    );
    assert!(
        error
            .to_string()
            .contains("lists `host-path`, for which it gives no reason"),
        "{error}"
    );
    let silent = Guest {
        describe: r#"(call $registry.request (local.get $r) "privileged" "because")"#,
        ..Guest::default()
    };
    let error = refused(silent.component());
    assert!(
        error
            .to_string()
            .contains("asks for `privileged`, which its manifest"),
        "{error}"
    );
}

#[test]
fn permissions_that_are_not_served_are_told() {
    let guest = Guest {
        manifest: Some(
            r#"{"id":"hostile","version":"0.1.0","interface":"0.1.0","wishes":["dial","host-path"]}"#
                .into(),
        ),
        describe: r#"(call $registry.request (local.get $r) "dial" "to look at it")
                     (call $registry.request (local.get $r) "host-path" "to mount it")"#,
        ..Guest::default()
    };
    let inspection = guest.load(&host()).inspection();
    let served: Vec<_> = inspection
        .permissions
        .iter()
        .map(|one| (one.permission.to_string(), one.served))
        .collect();
    assert_eq!(served, [("dial".into(), false), ("host-path".into(), true)]);
    assert_eq!(inspection.kinds, [("thing".into(), "A thing.".into())]);
    assert!(inspection.provably_pure);
}

#[test]
fn descriptors() {
    let describe = |describe: &'static str| {
        refused(
            Guest {
                describe,
                ..Guest::default()
            }
            .component(),
        )
    };
    let error = describe(r#"(call $registry.add-kind (local.get $r) "thing" "Again." "{}")"#);
    assert_eq!(error.code(), "invalid-descriptor");
    assert!(
        error
            .to_string()
            .ends_with("add-kind: `thing` is there twice"),
        "{error}"
    );
    let error = describe(r#"(call $registry.add-kind (local.get $r) "other" "Bad." "{{")"#);
    assert!(
        error
            .to_string()
            .contains("the schema of `other` is no JSON"),
        "{error}"
    );
    let error = describe("unreachable");
    assert_eq!(error.code(), "plugin-crashed");
}

#[test]
fn imports() {
    let manifest = r#"{"id":"x","version":"0.1.0","interface":"0.1.0","wishes":[]}"#;
    let import = |name: &str| {
        let escaped: String = manifest
            .bytes()
            .map(|byte| format!("\\{byte:02x}"))
            .collect();
        let text = format!(
            r#"(component (import "{name}" (instance)) (@custom "aspire:manifest" "{escaped}"))"#
        );
        refused(wat::parse_str(text).expect("valid"))
    };
    let error = import("acme:cloud/api@1.0.0");
    assert_eq!(
        error.to_string(),
        "given.wasm imports `acme:cloud/api@1.0.0`, which this host does not offer"
    );
    assert_eq!(
        import("aspire:host/exec@0.1.0").code(),
        "plugin-unknown-import"
    );
    let error = import("aspire:host/log@0.2.0");
    assert!(
        error.to_string().contains("0.2.0") && error.to_string().contains("0.1.0"),
        "{error}"
    );
    assert_eq!(
        import("wasi:io/streams@0.2.3").code(),
        "plugin-no-descriptor"
    );
}

#[test]
fn size() {
    let limits = Limits {
        component_bytes: 1_000,
        ..Limits::default()
    };
    let host = PluginHost::new(Config {
        limits,
        ..Config::default()
    })
    .expect("a host");
    let error = host
        .load_one(&Guest::default().source())
        .expect_err("too large");
    assert_eq!(error.code(), "plugin-too-large");
    assert!(
        error
            .to_string()
            .contains("more than its limit of 1000 bytes"),
        "{error}"
    );
}

#[test]
fn wasi_is_inert_and_told() {
    let guest = Guest {
        imports: r#"
          (import "wasi:clocks/wall-clock@0.2.3" "now" (func $now (param i32)))
          (import "wasi:random/random@0.2.3" "get-random-u64" (func $random (result i64)))
          (import "wasi:random/insecure-seed@0.2.3" "insecure-seed" (func $seed (param i32)))"#,
        world: "import wasi:clocks/wall-clock@0.2.3; import wasi:random/random@0.2.3; import wasi:random/insecure-seed@0.2.3;",
        expand: "(call $seed (i32.const 1024))",
        run: r#"(call $now (i32.const 1024)) (drop (call $random))
                (if (i64.ne (i64.load (i32.const 1024)) (i64.const 0)) (then unreachable))"#,
        ..Guest::default()
    };
    let host = host();
    let plugin = guest.load(&host);
    assert!(!plugin.is_provably_pure());
    assert!(
        expand(&plugin)
            .expect("a seed is nothing to tell")
            .edits
            .is_empty()
    );
    let edits = granted(&plugin)
        .run("sweep", &snapshot(0))
        .expect("it works")
        .edits;
    let texts: Vec<String> = edits.iter().map(|edit| format!("{edit:?}")).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        texts[0].contains("random bytes") && texts[1].contains("the time"),
        "{texts:?}"
    );
}

#[test]
fn wasi_that_is_not_there_traps() {
    let guest = Guest {
        imports: r#"
          (import "wasi:sockets/instance-network@0.2.3" "instance-network" (func $network (result i32)))"#,
        world: "import wasi:sockets/instance-network@0.2.3;",
        expand: "(drop (call $network))",
        ..Guest::default()
    };
    let host = host();
    let plugin = guest.load(&host);
    let failure = expand(&plugin).expect_err("there is no network");
    assert!(
        failure.to_string().ends_with(
            "it crashed: `wasi:sockets/instance-network instance-network` is not available to build-time hooks"
        ),
        "{failure}"
    );
}

#[test]
fn several_at_once_and_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    for id in ["a", "b", "c"] {
        write(
            folder.path(),
            &format!("{id}.wasm"),
            &Guest {
                id,
                ..Guest::default()
            }
            .component(),
        );
    }
    let other = Guest {
        id: "a",
        expand: "(nop)",
        ..Guest::default()
    }
    .component();
    write(folder.path(), "other.wasm", &other);
    write(folder.path(), "bad.wasm", b"bad");
    let host = host();
    let load = |names: &[&str]| -> LoadResult {
        let sources: Vec<_> = names
            .iter()
            .map(|name| Source::named(*name, folder.path()))
            .collect();
        host.load(&sources)
    };
    let ids = |result: &LoadResult| -> Vec<String> {
        result
            .plugins
            .iter()
            .map(|plugin| plugin.id().to_owned())
            .collect()
    };
    let all = load(&["c", "a", "./b.wasm", "a.wasm", "bad", "missing"]);
    assert_eq!(ids(&all), ["a", "b", "c"]);
    let codes: Vec<_> = all.errors.iter().map(|error| error.code()).collect();
    assert_eq!(codes, ["plugin-not-wasm", "plugin-not-found"]);
    let sources: Vec<_> = all
        .sources
        .iter()
        .map(|one| one.as_ref().map(|plugin| plugin.id().to_owned()))
        .collect();
    let some = |id: &str| Some(id.to_owned());
    assert_eq!(
        sources,
        [some("c"), some("a"), some("b"), some("a"), None, None]
    );

    let conflict = |names: &[&str]| match load(names).errors.as_slice() {
        [error @ LoadError::Twice { .. }] => error.to_string(),
        other => panic!("{other:?}"),
    };
    let message = conflict(&["a", "other"]);
    assert_eq!(
        message,
        conflict(&["other", "a"]),
        "the order does not matter"
    );
    assert!(
        message.contains("a (sha256 ") && message.contains("other (sha256 "),
        "{message}"
    );
}

#[test]
fn building() {
    let guest = Guest::default();
    let component = aspire_plugins::build("guest.wasm", &guest.module()).expect("a component");
    assert_eq!(
        aspire_plugins::build("guest.wasm", &component).as_ref(),
        Ok(&component)
    );
    let bare = wat::parse_str("(module)").expect("valid");
    let error = aspire_plugins::build("bare.wasm", &bare).expect_err("it is no plugin");
    assert_eq!(error.code(), "plugin-no-manifest");
    let preview1 = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))"#;
    let preview1 = wat::parse_str(preview1).expect("valid");
    let error = aspire_plugins::build("old.wasm", &preview1).expect_err("it is of another time");
    assert_eq!(error.code(), "plugin-build");
    assert!(
        error
            .help()
            .is_some_and(|help| help.contains("wasm32-wasip2")),
        "{error}"
    );
    let error = aspire_plugins::build("x.wasm", b"nonsense").expect_err("it is no wasm");
    assert_eq!(error.code(), "plugin-not-wasm");
}
