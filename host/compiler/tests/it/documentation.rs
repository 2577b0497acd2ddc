//! `docs/aspire-toml.md` says everything that the schema allows, and nothing else.

use std::collections::BTreeSet;

use serde_json::Value;

use aspire_compiler::{reserved, schema};

const TEXT: &str = include_str!("../../../../docs/aspire-toml.md");

/// The sections `### \`key\`` of the page: key and text.
fn sections() -> Vec<(String, String)> {
    TEXT.split("\n### `")
        .skip(1)
        .map(|section| {
            let (key, text) = section.split_once('`').unwrap();
            (key.to_owned(), text.to_owned())
        })
        .collect()
}

#[test]
fn every_key_has_a_section() {
    let documented: BTreeSet<String> = sections().into_iter().map(|(key, _)| key).collect();
    let known: BTreeSet<String> = reserved::KEYS
        .iter()
        .map(|key| key.name)
        .chain(aspire_compiler::source::TOP_LEVEL)
        .map(str::to_owned)
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn every_nested_key_is_named_in_its_section() {
    fn nested(schema: &Value, all: &mut BTreeSet<String>) {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            all.extend(properties.keys().cloned());
        }
        for key in ["oneOf", "anyOf"] {
            for one in schema
                .get(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                nested(one, all);
            }
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(key) {
                nested(inner, all);
            }
        }
    }
    let sections = sections();
    for key in reserved::KEYS {
        let mut all = BTreeSet::new();
        nested(&(key.schema)(), &mut all);
        let (_, text) = sections.iter().find(|(name, _)| name == key.name).unwrap();
        for inner in all {
            assert!(
                text.contains(&format!("`{inner}"))
                    || text.contains(&format!(" {inner}"))
                    || text.contains(&format!(".{inner}")),
                "`{inner}` is not named in the section of `{}`",
                key.name
            );
        }
    }
}

#[test]
fn the_schema_accepts_the_example_and_refuses_a_typo() {
    let schema = schema::schema(&[super::support::cache_plugin()]);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let example = TEXT
        .split("```toml\n")
        .nth(1)
        .and_then(|t| t.split("```").next())
        .unwrap();
    let example = example.replace("kind = \"redis\"", "kind = \"cache\"");
    let read = |text: &str| {
        let source = aspire_compiler::document::Source {
            file: "x".into(),
            text: text.into(),
        };
        aspire_compiler::tree::read(&source).unwrap().to_json()
    };
    assert!(
        validator.is_valid(&read(&example)),
        "{:?}",
        validator
            .iter_errors(&read(&example))
            .map(|e| e.to_string())
            .collect::<Vec<_>>()
    );
    assert!(!validator.is_valid(&read(&example.replace("command", "comand"))));
    assert!(!validator.is_valid(&read(
        &example.replace("kind = \"cache\"", "kind = \"csche\"")
    )));
}
