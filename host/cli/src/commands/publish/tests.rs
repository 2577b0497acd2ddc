//! Tests of `publish`.

use super::*;
use insta::assert_snapshot;

#[test]
fn excerpts_show_what_differs() {
    assert_snapshot!(excerpt(b"a\nb\nc\nd\n", b"a\nx\ny\nd\n"), @r"
    line 2:
    - b
    - c
    + x
    + y
    ");
    assert_eq!(excerpt(&[0xff], b"a"), "  (not text)");
}

#[test]
fn only_what_the_model_names_is_copied() {
    use aspire_model::fact::Fact;
    use aspire_model::{Author, FactKey, Field, Resource, ResourceName, Shape};
    let author = Author::Host {
        pass: "test".into(),
        cause: None,
    };
    let name = ResourceName::new("db").unwrap();
    let mut resource = Resource::new(name, "container", Shape::Container, author.clone());
    let value = FactValue::Texts(vec!["./conf/a.env".into(), "scripts".into()]);
    let fact = Fact {
        value,
        authors: vec![author],
        overruled: Vec::new(),
    };
    resource
        .facts
        .insert(FactKey::single(Field::EnvFiles), fact);
    let mut model = AppModel::new("app");
    model.insert(resource);
    for (source, named) in [
        ("conf/a.env", true),
        ("./conf/./a.env", true),
        ("scripts/x/y.sql", true),
        ("scripts/../secret", false),
        ("conf/b.env", false),
        ("/etc/passwd", false),
        ("", false),
    ] {
        assert_eq!(is_named(&model, source), named, "{source}");
    }
}

#[test]
fn strict_refuses_losses_only() {
    let row = |grade| Fidelity {
        resource: "api".into(),
        fact: "health".into(),
        grade,
        reason: "no probes".into(),
    };
    let rows = [
        row(Grade::Exact),
        row(Grade::Adapted),
        row(Grade::Weakened),
        row(Grade::Dropped),
    ];
    let found = refusals(&rows);
    assert_eq!(
        found.iter().map(|d| d.message.as_str()).collect::<Vec<_>>(),
        [
            "`health` of `api` is weakened: no probes",
            "`health` of `api` is dropped: no probes"
        ]
    );
}

#[test]
fn unchanged_files_are_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/out");
    let wanted = BTreeMap::from([(
        "a/b.txt".to_owned(),
        Wanted {
            path: out.join("a/b.txt"),
            contents: b"x".to_vec(),
            mode: 0o644,
        },
    )]);
    assert_eq!(write(&out, &wanted).unwrap(), ["a/b.txt"]);
    assert!(write(&out, &wanted).unwrap().is_empty());
}
