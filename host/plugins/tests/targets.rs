//! Passes, lowering and publishing with plugins built with the SDK, when they are there: every
//! getter over a model that has a bit of everything.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use aspire_model::annotation::{
    Build, Endpoint, File, Limits, Mount, MountKind, Parameter, Probe, ProbeAction, Wait,
    WaitCondition,
};
use aspire_model::construct::{Artifact, ConstructEdit};
use aspire_model::hook::Snapshot;
use aspire_model::selector::Selector;
use aspire_model::{
    AppModel, Author, Edit, Expression, Fact, FactKey, FactValue, Field, Form, Mode, Resource,
    ResourceName, Shape,
};
use support::{built, granted, graph, host};

fn author() -> Author {
    Author::Option {
        text: "test".into(),
    }
}

fn resource(name: &str, shape: Shape, facts: Vec<(FactKey, FactValue)>) -> Resource {
    let name = ResourceName::new(name).expect("a name");
    let mut resource = Resource::new(name, shape.as_str(), shape, author());
    for (key, value) in facts {
        let fact = Fact {
            value,
            authors: vec![author()],
            overruled: Vec::new(),
        };
        resource.facts.insert(key, fact);
    }
    resource
}

/// A bit of everything.
fn model() -> AppModel {
    use FactKey as Key;
    let text = |text: &str| FactValue::Text(text.into());
    let literal = |text: &str| FactValue::Value(Expression::literal(text));
    let wait = |condition| {
        FactValue::Wait(Wait {
            condition,
            exit_code: 0,
        })
    };
    let mut probe = Probe::new(ProbeAction::Tcp {
        endpoint: "tcp".into(),
    });
    probe.retries = 5;
    let database = vec![
        (
            Key::single(Field::Image),
            text("docker.io/library/redis:7.2"),
        ),
        (
            Key::single(Field::Args),
            FactValue::Values(vec![
                "redis-server".into(),
                Expression::parameter("password"),
            ]),
        ),
        (
            Key::single(Field::Args).in_form(Form::Process),
            FactValue::Values(vec!["never seen by a publisher".into()]),
        ),
        (
            Key::entry(Field::Endpoints, "tcp"),
            FactValue::Endpoint(Endpoint::tcp("redis", Some(6379))),
        ),
        (
            Key::entry(Field::Mounts, "data"),
            FactValue::Mount(Mount {
                kind: MountKind::Volume,
                source: String::new(),
                target: "/data".into(),
                read_only: false,
            }),
        ),
        (
            Key::entry(Field::Files, "config"),
            FactValue::File(File {
                target: "/etc/redis.conf".into(),
                contents: "save 60 1\n".into(),
                source: String::new(),
                mode: 0o644,
            }),
        ),
        (Key::single(Field::Health), FactValue::Probe(probe)),
        (
            Key::single(Field::Limits),
            FactValue::Limits(Limits {
                cpu_millis: Some(500),
                memory: Some(64 << 20),
            }),
        ),
        (Key::entry(Field::Properties, "Host"), literal("db")),
    ];
    let api = vec![
        (
            Key::single(Field::Build),
            FactValue::Build(Build {
                context: "./api".into(),
                dockerfile: "Containerfile".into(),
                target: "final".into(),
                args: BTreeMap::from([("FEATURE".to_owned(), "on".into())]),
            }),
        ),
        (Key::entry(Field::Env, "MODE"), literal("fast")),
        (Key::entry(Field::Waits, "db"), wait(WaitCondition::Healthy)),
        (Key::entry(Field::Labels, "tier"), literal("web")),
        (Key::single(Field::Restart), text("always")),
    ];
    let password = Parameter {
        secret: true,
        description: "For db.".into(),
        ..Parameter::default()
    };
    let password = vec![(
        Key::single(Field::Parameter),
        FactValue::Parameter(password),
    )];
    let mut model = AppModel::new("shop");
    model.insert(resource("db", Shape::Container, database));
    model.insert(resource("api", Shape::Container, api));
    model.insert(resource("password", Shape::Parameter, password));
    model
}

fn snapshot(mode: Mode) -> Snapshot {
    Snapshot::new(Arc::new(model()), mode, Selector::default())
}

#[test]
fn a_policy() {
    let Some(source) = built("policy-example").or_else(|| built("policy_example")) else {
        return;
    };
    let loaded = host()
        .load_one(&source)
        .unwrap_or_else(|error| panic!("{error}"));
    let plugin = granted(&loaded);
    let mut edits = 0;
    for pass in &loaded.descriptor().passes {
        let mut snapshot = snapshot(Mode::Run);
        snapshot.selector = Arc::new(Selector::parse(&pass.selector).expect("checked at load"));
        let transaction = plugin
            .run(&pass.name, &snapshot)
            .unwrap_or_else(|failure| panic!("{failure:#?}"));
        edits += transaction.edits.len();
        for edit in &transaction.edits {
            if let Edit::Set { resource, .. } = edit {
                assert_ne!(
                    resource.as_str(),
                    "password",
                    "the selector has left it out"
                );
            }
        }
        assert!(!snapshot.reads().0.is_empty());
    }
    assert!(edits >= 3, "{edits}");
}

#[test]
fn a_target() {
    let Some(source) = built("compose") else {
        return;
    };
    let loaded = host()
        .load_one(&source)
        .unwrap_or_else(|error| panic!("{error}"));
    let plugin = granted(&loaded);
    let snapshot = snapshot(Mode::Publish {
        target: "compose".into(),
    });
    let mut graph = graph("compose");
    let passes = &loaded.descriptor().passes;
    let transaction = plugin
        .lower(&passes[0].name, &snapshot)
        .unwrap_or_else(|failure| panic!("{failure:#?}"));
    for edit in transaction.edits {
        if let ConstructEdit::Add(node) = edit {
            graph.nodes.insert(node.id.clone(), node);
        }
    }
    assert!(graph.nodes.len() >= 2, "{graph:#?}");
    let graph = Arc::new(graph);
    let publication = plugin
        .publish("compose", &snapshot, &graph)
        .unwrap_or_else(|failure| panic!("{failure:#?}"));
    let text = |name: &str| match publication.files.get(name) {
        Some(Artifact::Contents(contents)) => String::from_utf8_lossy(contents).into_owned(),
        other => panic!("{name}: {other:?} in {:?}", publication.files.keys()),
    };
    let compose = text("docker-compose.yaml");
    for expected in [
        "docker.io/library/redis:7.2",
        "Containerfile",
        "FEATURE",
        "/data",
        "fast",
    ] {
        assert!(
            compose.contains(expected),
            "{expected} is missing in\n{compose}"
        );
    }
    assert!(!compose.contains("never seen by a publisher"), "{compose}");
    let again = plugin.publish("compose", &snapshot, &graph);
    assert_eq!(
        again.as_ref(),
        Ok(&publication),
        "equal inputs, equal bytes"
    );
}

/// The whole way of a target for models of growing size.
#[test]
fn large_models() {
    let Some(source) = built("compose") else {
        return;
    };
    let loaded = host()
        .load_one(&source)
        .unwrap_or_else(|error| panic!("{error}"));
    let plugin = granted(&loaded);
    for count in [10, 1_000] {
        let mut large = model();
        let template = large.get("db").cloned().expect("it is there");
        for index in 0..count {
            let name = ResourceName::new(format!("db-{index}")).expect("a name");
            large.insert(Resource {
                name,
                ..template.clone()
            });
        }
        let mode = Mode::Publish {
            target: "compose".into(),
        };
        let snapshot = Snapshot::new(Arc::new(large), mode, Selector::default());
        let pass = &loaded.descriptor().passes[0].name;
        let edits = plugin
            .lower(pass, &snapshot)
            .unwrap_or_else(|f| panic!("{count}: {f:#?}"));
        let edit_count = edits.edits.len();
        let mut graph = graph("compose");
        for edit in edits.edits {
            if let ConstructEdit::Add(node) = edit {
                graph.nodes.insert(node.id.clone(), node);
            }
        }
        let files = plugin
            .publish("compose", &snapshot, &Arc::new(graph))
            .unwrap_or_else(|f| panic!("{count}: {f:#?}"));
        assert!(
            edit_count > count && files.files.len() > count,
            "{count}: {edit_count} edits"
        );
    }
}
