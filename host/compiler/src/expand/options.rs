//! The options of a kind: checked against its JSON Schema, host formats understood.
//!
//! Formats: `expression` (becomes `{"$expr": […]}`), `reference` and `parameter` (names), `path`,
//! `duration` (milliseconds), `bytes`, `child-name`.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use aspire_model::ResourceName;
use aspire_model::diagnostic::{Diagnostic, Diagnostics};
use aspire_model::provenance::Span;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value as Json};

use crate::document::ResourceEntry;
use crate::registry::KindOwner;
use crate::reserved;
use crate::reserved::Reader;
use crate::tree::{Node, Value};

/// The place of every option, looked for only when one is asked for: mostly nothing is wrong.
struct Places<'a> {
    body: &'a Node,
    all: OnceCell<BTreeMap<String, Span>>,
}

impl Places<'_> {
    fn get(&self, pointer: &str) -> Option<&Span> {
        self.all.get_or_init(|| self.body.pointers()).get(pointer)
    }
}

/// Reads the options of a declaration: every key that is not reserved.
pub(super) fn read(entry: &ResourceEntry, owner: &KindOwner, found: &mut Diagnostics) -> Json {
    let spans = Places {
        body: &entry.body,
        all: OnceCell::new(),
    };
    let is_host = owner.plugin.descriptor().id == crate::builtin::ID;
    let mut options: Map<String, Json> = Map::new();
    for option in entry.body.entries() {
        if option.key == "kind" || reserved::is_reserved(&option.key) {
            continue;
        }
        options.insert(option.key.clone(), option.node.to_json());
    }
    let mut value = Json::Object(options);
    validate(entry, owner, &value, &spans, is_host, found);
    formats(&owner.info.schema, &mut value, "", &spans, entry, found);
    value
}

fn validate(
    entry: &ResourceEntry,
    owner: &KindOwner,
    value: &Json,
    spans: &Places<'_>,
    is_host: bool,
    found: &mut Diagnostics,
) {
    let Some(validator) = owner.validator() else {
        return;
    };
    if validator.is_valid(value) {
        return;
    }
    for error in validator.iter_errors(value) {
        let pointer = error.instance_path().to_string();
        let span = spans.get(&pointer).unwrap_or(&entry.span).clone();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                for key in unexpected {
                    let known = known_keys(&owner.info.schema, &pointer);
                    let place = entry
                        .body
                        .entries()
                        .iter()
                        .find(|option| pointer.is_empty() && option.key == *key)
                        .map(|option| option.span.clone())
                        .or_else(|| spans.get(&format!("{pointer}/{key}")).cloned())
                        .unwrap_or_else(|| span.clone());
                    let mut all: Vec<&str> = known.iter().map(String::as_str).collect();
                    let what = if is_host {
                        "a resource of kind"
                    } else {
                        "the kind"
                    };
                    let listed = if all.is_empty() {
                        "none of its own".to_owned()
                    } else {
                        all.join(", ")
                    };
                    if pointer.is_empty() {
                        all.extend(reserved::KEYS.iter().map(|reserved| reserved.name));
                    }
                    found.push(
                        Diagnostic::error("unknown-key", format!("`{key}` is no option of {what} `{}`", entry.kind))
                            .at(place)
                            .help(format!("its options are: {listed}; docs/aspire-toml.md has those of every resource"))
                            .suggest(key, all.iter().copied()),
                    );
                }
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                found.push(
                    Diagnostic::error(
                        "missing-option",
                        format!("`{}` needs the option `{name}`", entry.name),
                    )
                    .at(span)
                    .help(describe(&owner.info.schema, name)),
                );
            }
            ValidationErrorKind::Type { .. } => found.push(
                Diagnostic::error("wrong-type", format!("{error}"))
                    .at(span)
                    .help(describe(
                        &owner.info.schema,
                        pointer.trim_start_matches('/'),
                    )),
            ),
            _ => found.push(
                Diagnostic::error("wrong-value", format!("{error}"))
                    .at(span)
                    .help(describe(
                        &owner.info.schema,
                        pointer.trim_start_matches('/'),
                    )),
            ),
        }
    }
}

/// What a schema says about an option.
fn describe(schema: &Json, path: &str) -> String {
    let first = path.split('/').next().unwrap_or_default();
    schema
        .pointer(&format!("/properties/{first}/description"))
        .and_then(Json::as_str)
        .map_or_else(
            || "`aspire-host schema` shows what it takes".to_owned(),
            |text| format!("`{first}`: {text}"),
        )
}

/// The property names that a schema has at a place, as far as plain nesting goes.
fn known_keys(schema: &Json, pointer: &str) -> Vec<String> {
    let mut at = schema;
    for part in pointer.split('/').skip(1) {
        at = at
            .pointer(&format!("/properties/{part}"))
            .or_else(|| at.get("items"))
            .or_else(|| at.get("additionalProperties"))
            .unwrap_or(&Json::Null);
    }
    let direct = at.get("properties").and_then(Json::as_object);
    let alternatives = ["oneOf", "anyOf"]
        .into_iter()
        .filter_map(|key| at.get(key).and_then(Json::as_array))
        .flatten()
        .filter_map(|one| one.get("properties").and_then(Json::as_object));
    direct
        .into_iter()
        .chain(alternatives)
        .flat_map(Map::keys)
        .cloned()
        .collect()
}

/// Replaces the texts of host formats by what they mean.
fn formats(
    schema: &Json,
    value: &mut Json,
    pointer: &str,
    spans: &Places<'_>,
    entry: &ResourceEntry,
    found: &mut Diagnostics,
) {
    for alternative in ["oneOf", "anyOf", "allOf"] {
        for one in schema
            .get(alternative)
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
        {
            if may_be(one, value) {
                formats(one, value, pointer, spans, entry, found);
            }
        }
    }
    match value {
        Json::Object(table) => {
            for (key, inner) in table.iter_mut() {
                let schema = schema
                    .get("properties")
                    .and_then(|properties| properties.get(key))
                    .or_else(|| schema.get("additionalProperties"));
                if let Some(schema) = schema {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    formats(
                        schema,
                        inner,
                        &format!("{pointer}/{key}"),
                        spans,
                        entry,
                        found,
                    );
                }
            }
        }
        Json::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (index, inner) in items.iter_mut().enumerate() {
                    formats(
                        schema,
                        inner,
                        &format!("{pointer}/{index}"),
                        spans,
                        entry,
                        found,
                    );
                }
            }
        }
        Json::String(text) => {
            if let Some(format) = schema.get("format").and_then(Json::as_str) {
                let span = spans.get(pointer).unwrap_or(&entry.span).clone();
                if let Some(new) = understand(format, text, span, found) {
                    *value = new;
                }
            }
        }
        _ => {}
    }
}

/// Whether an alternative of a schema is meant for a value, by its type alone.
fn may_be(schema: &Json, value: &Json) -> bool {
    let matches = |name: &str| match value {
        Json::String(_) => name == "string",
        Json::Number(_) => name == "number" || name == "integer",
        Json::Bool(_) => name == "boolean",
        Json::Array(_) => name == "array",
        Json::Object(_) => name == "object",
        Json::Null => name == "null",
    };
    match schema.get("type") {
        Some(Json::String(name)) => matches(name),
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).any(matches),
        _ => true,
    }
}

/// The meaning of a text of a host format; none: the text stays.
fn understand(format: &str, text: &str, span: Span, found: &mut Diagnostics) -> Option<Json> {
    let node = Node {
        value: Value::String(text.to_owned()),
        span,
    };
    let mut reader = Reader::new(found);
    match format {
        "expression" => {
            let expression = reader.get_expression(&node)?;
            Some(serde_json::json!({ "$expr": expression.to_wire() }))
        }
        "duration" => reader.get_duration(&node).map(Json::from),
        "bytes" => match reserved::parse_bytes(text) {
            Some(bytes) => Some(Json::from(bytes)),
            None => {
                reader.wrong_value(
                    &node,
                    format!("`{text}` is no size"),
                    "write it like 512MiB or 1GB",
                );
                None
            }
        },
        "reference" | "parameter" | "child-name" => {
            if let Err(error) = ResourceName::new(text) {
                reader.wrong_value(&node, error.to_string(), "write a name");
            }
            None
        }
        _ => None,
    }
}
