//! A compiler to poke: text in, printed model or rendered findings out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use aspire_compiler::document::Source;
use aspire_compiler::forms::{self, Preference};
use aspire_compiler::{Compilation, Options, pipeline, run, source};
use aspire_model::annotation::{Endpoint, Generate, Mount, MountKind, Parameter};
use aspire_model::construct::{Artifact, ConstructGraph, ConstructTransaction, Publication};
use aspire_model::expression::{EndpointProperty, Op};
use aspire_model::grant::{Grants, Permission};
use aspire_model::hook::{
    Claim, Descriptor, ExpandContext, HookFailure, KindInfo, PassInfo, Phase, Plugin, Snapshot,
    TargetInfo,
};
use aspire_model::provenance::Author;
use aspire_model::{
    Declaration, Diagnostic, Diagnostics, Expression, FactKey, FactValue, Field, Form, Mode,
    ResourceName, Segment, Shape, Transaction,
};
use serde_json::json;

/// What a scripted plugin does with a snapshot.
pub(crate) type Script = fn(&Snapshot, &mut Transaction);

/// A plugin in Rust, with one cache-like kind and scripted passes.
pub(crate) struct Scripted {
    descriptor: Descriptor,
    grants: Grants,
    operator: bool,
    scripts: BTreeMap<String, Script>,
}

impl Scripted {
    pub(crate) fn new(id: &str) -> Self {
        let descriptor = Descriptor {
            id: id.into(),
            version: "1.0.0".into(),
            ..Descriptor::default()
        };
        Self {
            descriptor,
            grants: Grants::default(),
            operator: false,
            scripts: BTreeMap::new(),
        }
    }

    /// With a kind that behaves like a cache.
    pub(crate) fn cache(mut self) -> Self {
        self.descriptor.kinds.push(KindInfo {
            name: "cache".into(),
            description: "A cache.".into(),
            schema: json!({
                "type": "object", "additionalProperties": false,
                "properties": {
                    "persistence": { "type": "boolean", "description": "Keep data." },
                    "greeting": { "type": "string", "format": "expression" },
                    "ttl": { "type": "string", "format": "duration" },
                    "databases": { "type": "array", "items": { "type": "string", "format": "child-name" } },
                },
            }),
        });
        self
    }

    pub(crate) fn pass(mut self, name: &str, phase: Phase, script: Script) -> Self {
        self.descriptor.passes.push(PassInfo {
            name: name.into(),
            phase,
            selector: String::new(),
            provides: vec![name.into()],
            before: Vec::new(),
            after: Vec::new(),
        });
        self.scripts.insert(name.into(), script);
        self
    }

    /// With a target that writes down the model that it was given.
    pub(crate) fn paper(mut self) -> Self {
        self.descriptor.targets.push(TargetInfo {
            name: "paper".into(),
            description: "The model.".into(),
        });
        self = self.pass("lower", Phase::Lower, |_, _| {});
        for shape in Shape::ALL {
            self.descriptor.claims.push(Claim {
                pass: "lower".into(),
                shape,
                target: "paper".into(),
                kind: String::new(),
                variant: String::new(),
            });
        }
        self
    }

    pub(crate) fn asks(mut self, permission: &str, reason: &str) -> Self {
        self.descriptor
            .requests
            .push((Permission::parse(permission).unwrap(), reason.into()));
        self
    }

    pub(crate) fn granted(mut self, permission: &str) -> Self {
        self.grants.0.insert(Permission::parse(permission).unwrap());
        self
    }

    pub(crate) fn operator(mut self) -> Self {
        self.operator = true;
        self
    }

    pub(crate) fn arc(self) -> Arc<dyn Plugin> {
        Arc::new(self)
    }

    fn author(&self) -> Author {
        Author::Host {
            pass: Arc::from("unsigned"),
            cause: None,
        }
    }
}

/// A name that is one.
pub(crate) fn name(text: &str) -> ResourceName {
    ResourceName::new(text).unwrap()
}

fn expression(segments: Vec<Segment>) -> Expression {
    Expression::new(segments).unwrap()
}

impl Plugin for Scripted {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }
    fn grants(&self) -> &Grants {
        &self.grants
    }
    fn is_operator(&self) -> bool {
        self.operator
    }
    fn expand(
        &self,
        declaration: &Arc<Declaration>,
        _: &ExpandContext,
    ) -> Result<Transaction, HookFailure> {
        let mut edits = Transaction::new(self.author());
        let own = &declaration.name;
        let password = format!("{own}-password");
        edits.add(own.clone(), "cache", Shape::Container);
        edits.add_parameter(
            name(&password),
            Parameter {
                secret: true,
                generate: Some(Generate {
                    length: 22,
                    special: false,
                }),
                ..Parameter::default()
            },
        );
        let mut set = |key: FactKey, value: FactValue| edits.set(own, key, value);
        set(
            FactKey::single(Field::Image),
            FactValue::Text("docker.io/library/redis:8.6".into()),
        );
        set(
            FactKey::entry(Field::Endpoints, "tcp"),
            FactValue::Endpoint(Endpoint::tcp("redis", Some(6379))),
        );
        set(
            FactKey::entry(Field::Env, "REDIS_PASSWORD"),
            FactValue::Value(Expression::parameter(password.clone())),
        );
        set(
            FactKey::entry(Field::Mounts, "data"),
            FactValue::Mount(Mount {
                kind: MountKind::Volume,
                source: String::new(),
                target: "/data".into(),
                read_only: false,
            }),
        );
        let end = |property| Op::Endpoint {
            resource: own.to_string(),
            endpoint: "tcp".into(),
            property,
        };
        for (key, value) in [
            ("Host", expression(vec![end(EndpointProperty::Host).into()])),
            ("Port", expression(vec![end(EndpointProperty::Port).into()])),
            ("Password", Expression::parameter(password.clone())),
            (
                "Uri",
                expression(vec![
                    Op::Literal("redis://:".into()).into(),
                    Segment {
                        op: Op::Parameter(password.clone()),
                        uri: true,
                    },
                    Op::Literal("@".into()).into(),
                    end(EndpointProperty::HostAndPort).into(),
                ]),
            ),
        ] {
            set(
                FactKey::entry(Field::Properties, key),
                FactValue::Value(value),
            );
        }
        set(
            FactKey::single(Field::ConnectionString),
            FactValue::Value(expression(vec![
                end(EndpointProperty::HostAndPort).into(),
                Op::Literal(",password=".into()).into(),
                Op::Parameter(password.clone()).into(),
            ])),
        );
        set(
            FactKey::single(Field::Command),
            FactValue::Value(Expression::literal("redis-server")),
        );
        set(
            FactKey::single(Field::Args).in_form(Form::Process),
            FactValue::Values(vec![
                Expression::literal("--port"),
                Expression::of(Op::Port {
                    resource: own.to_string(),
                    endpoint: "tcp".into(),
                }),
                Expression::literal("--dir"),
                Expression::of(Op::Path {
                    resource: own.to_string(),
                    name: "data".into(),
                }),
            ]),
        );
        Ok(edits)
    }
    fn run(&self, pass: &str, snapshot: &Snapshot) -> Result<Transaction, HookFailure> {
        let mut edits = Transaction::new(self.author());
        self.scripts[pass](snapshot, &mut edits);
        Ok(edits)
    }
    fn lower(&self, _: &str, _: &Snapshot) -> Result<ConstructTransaction, HookFailure> {
        Ok(ConstructTransaction {
            author: self.author(),
            edits: Vec::new(),
        })
    }
    fn refine(
        &self,
        _: &str,
        _: &Snapshot,
        _: &Arc<ConstructGraph>,
    ) -> Result<ConstructTransaction, HookFailure> {
        Ok(ConstructTransaction {
            author: self.author(),
            edits: Vec::new(),
        })
    }
    fn publish(
        &self,
        _: &str,
        snapshot: &Snapshot,
        _: &Arc<ConstructGraph>,
    ) -> Result<Publication, HookFailure> {
        let text = aspire_model::print::model(&snapshot.model);
        let files = BTreeMap::from([("model".to_owned(), Artifact::Contents(text.into_bytes()))]);
        Ok(Publication {
            files,
            diagnostics: Vec::new(),
        })
    }
}

/// The cache plugin, allowed to run its server.
pub(crate) fn cache_plugin() -> Arc<dyn Plugin> {
    Scripted::new("cache")
        .cache()
        .granted("run-process:redis-server")
        .arc()
}

/// Compiles a text in run mode. `name = "shop"` is put in front.
pub(crate) fn compile(text: &str, plugins: &[Arc<dyn Plugin>]) -> Compilation {
    let text = format!("name = \"shop\"\n{text}");
    let (document, found) = source::parse(&Source {
        file: Arc::from("aspire.toml"),
        text: Arc::from(text.as_str()),
    });
    let options = Options {
        mode: Mode::Run,
        forced: BTreeMap::new(),
        parameters: BTreeMap::new(),
        keep_stages: true,
    };
    let mut compilation = pipeline::compile(&document, plugins, &options);
    let mut all = found;
    all.extend(compilation.diagnostics);
    compilation.diagnostics = all.sorted();
    compilation
}

/// Compiles a text that must be fine.
pub(crate) fn good(text: &str, plugins: &[Arc<dyn Plugin>]) -> Compilation {
    let compilation = compile(text, plugins);
    assert!(
        compilation.diagnostics.is_empty(),
        "{}",
        render(&compilation.diagnostics)
    );
    compilation
}

/// Findings, a line each, with their help below.
pub(crate) fn render(diagnostics: &Diagnostics) -> String {
    diagnostics.iter().map(render_one).collect()
}

fn render_one(diagnostic: &Diagnostic) -> String {
    let mut text = format!("{diagnostic}\n");
    for (span, words) in &diagnostic.related {
        text.push_str(&format!("  {span}: {words}\n"));
    }
    for line in &diagnostic.details {
        text.push_str(&format!("  {line}\n"));
    }
    if let Some(help) = &diagnostic.help {
        text.push_str(&format!("  help: {help}\n"));
    }
    text
}

/// What a wrong text is told.
pub(crate) fn findings(text: &str) -> String {
    render(&compile(text, &[cache_plugin()]).diagnostics)
}

/// Lowers a text for run mode.
pub(crate) fn plan(text: &str, preference: Preference) -> run::RunPlan {
    let compilation = good(text, &[cache_plugin()]);
    let (forms, found) = forms::choose(&compilation.model, preference);
    assert!(found.is_empty(), "{}", render(&found));
    let parameters = BTreeMap::from([("greeting".to_owned(), "hello {{ world".to_owned())]);
    let input = run::RunInput {
        forms: &forms,
        folder: PathBuf::from("/app"),
        instance: "i1",
        parameters: &parameters,
        images: &BTreeMap::new(),
        selection: None,
    };
    let (plan, found) = run::lower(&compilation.model, &input);
    assert!(found.is_empty(), "{}", render(&found));
    plan
}

/// Lowers a text for run mode; the objects as JSON.
pub(crate) fn objects(text: &str, preference: Preference) -> Vec<serde_json::Value> {
    let plan = plan(text, preference);
    for object in &plan.objects {
        assert_eq!(aspire_api::validate::validate(object), []);
    }
    plan.objects
        .iter()
        .map(|object| serde_json::to_value(object).unwrap())
        .collect()
}
