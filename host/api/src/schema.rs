//! The schemas of the kinds, as Kubernetes wants them: from the types themselves, so that what is
//! served and what is described can't differ.
//!
//! "Structural" as apiextensions calls it: no alternatives, no `null` types, integers with the
//! formats `int32` and `int64`; parts that have a name of their own are definitions that the others
//! refer to. Descriptions are the types' documentation.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::object::Kind;
use crate::{GROUP, VERSION};

/// Where references lead, before the part's name.
pub const REFERENCE: &str = "#/components/schemas/";

/// A time with microseconds, as text (RFC 3339).
pub(crate) fn micro_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// For serialisation: zero is left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// For serialisation: what says nothing is left out.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// All schemas by name: the kinds and their parts.
pub fn definitions() -> BTreeMap<String, Value> {
    let mut settings = SchemaSettings::openapi3();
    settings.definitions_path = REFERENCE
        .trim_start_matches('#')
        .trim_end_matches('/')
        .into();
    let mut generator = settings.into_generator();
    let mut all = BTreeMap::new();
    for kind in Kind::ALL {
        let mut schema = kind.schema(&mut generator).to_value();
        simplify(&mut schema);
        let properties = schema["properties"].as_object_mut();
        let properties = properties.expect("every kind is a structure");
        let text = |text: &str| json!({"type": "string", "description": text});
        properties.insert("apiVersion".into(), text("Group and version."));
        properties.insert("kind".into(), text("The kind."));
        schema["x-kubernetes-group-version-kind"] =
            json!([{"group": GROUP, "version": VERSION, "kind": kind.name()}]);
        all.insert(kind.name().to_owned(), schema);
    }
    for (name, mut schema) in generator.take_definitions(true) {
        simplify(&mut schema);
        all.insert(name, schema);
    }
    all
}

/// Fields of a written object that its schema doesn't know, by path.
pub fn unknown_fields(
    definitions: &BTreeMap<String, Value>,
    kind: Kind,
    object: &Value,
) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(schema) = definitions.get(kind.name()) {
        find_unknown(definitions, schema, object, "", &mut found);
    }
    found
}

fn find_unknown(
    definitions: &BTreeMap<String, Value>,
    schema: &Value,
    value: &Value,
    path: &str,
    found: &mut Vec<String>,
) {
    let schema = resolve(definitions, schema);
    match value {
        Value::Object(fields) => {
            let known = schema.get("properties").and_then(Value::as_object);
            let others = schema.get("additionalProperties");
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                match (known.and_then(|known| known.get(name)), others) {
                    (Some(schema), _) => find_unknown(definitions, schema, value, &path, found),
                    (None, Some(schema)) => find_unknown(definitions, schema, value, &path, found),
                    // Free-form, such as a set of managed fields.
                    (None, None) if known.is_none() => {}
                    (None, None) => found.push(path),
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else {
                return;
            };
            for (index, value) in items.iter().enumerate() {
                find_unknown(
                    definitions,
                    schema,
                    value,
                    &format!("{path}[{index}]"),
                    found,
                );
            }
        }
        _ => {}
    }
}

/// Follows a reference.
pub fn resolve<'a>(definitions: &'a BTreeMap<String, Value>, schema: &'a Value) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str);
    let part = name.and_then(|name| definitions.get(name.trim_start_matches(REFERENCE)));
    part.unwrap_or(schema)
}

/// Rewrites what the generator says into what Kubernetes understands.
fn simplify(schema: &mut Value) {
    let Value::Object(fields) = schema else {
        return;
    };
    for keyword in [
        "$schema", "title", "default", "nullable", "minimum", "maximum",
    ] {
        fields.remove(keyword);
    }
    lift_reference(fields);
    merge_alternatives(fields);
    let integer = match fields.get("format").and_then(Value::as_str) {
        Some("uint8" | "uint16" | "int8" | "int16") => Some("int32"),
        Some("uint32" | "uint64" | "uint" | "int") => Some("int64"),
        _ => None,
    };
    if let Some(format) = integer {
        fields.insert("format".into(), json!(format));
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(keyword) {
            simplify(inner);
        }
    }
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        // What is required although the types have a default for it is marked.
        let mut required = Vec::new();
        for (name, property) in properties {
            let marks = property.as_object_mut();
            if marks.is_some_and(|marks| marks.remove("x-required").is_some()) {
                required.push(json!(name));
            }
            simplify(property);
        }
        let others = fields.get("required").and_then(Value::as_array);
        required.extend(others.into_iter().flatten().cloned());
        if !required.is_empty() {
            fields.insert("required".into(), Value::Array(required));
        }
    }
    // Anything goes: said in the way of Kubernetes.
    let open = fields.get("additionalProperties") == Some(&json!(true));
    if open || !fields.keys().any(|name| matches!(&**name, "type" | "$ref")) {
        fields.remove("additionalProperties");
        fields.insert("type".into(), json!("object"));
        fields.insert("x-kubernetes-preserve-unknown-fields".into(), json!(true));
    }
}

/// `allOf` and `anyOf` of one reference (with a description, or nullable) become the reference.
fn lift_reference(fields: &mut Map<String, Value>) {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let Some(Value::Array(parts)) = fields.get(keyword) else {
            continue;
        };
        let is_null = |part: &&Value| {
            part.get("const") == Some(&Value::Null)
                || part.get("type") == Some(&json!("null"))
                || part.get("enum") == Some(&json!([null]))
        };
        let real: Vec<&Value> = parts.iter().filter(|part| !is_null(part)).collect();
        if let [Value::Object(only)] = real[..] {
            let only = only.clone();
            fields.remove(keyword);
            for (name, value) in only {
                fields.entry(name).or_insert(value);
            }
        }
    }
}

/// The documented values of an enumeration become one `enum`, their documentation one text.
fn merge_alternatives(fields: &mut Map<String, Value>) {
    let Some(Value::Array(parts)) = fields.get("oneOf") else {
        return;
    };
    let mut values = Vec::new();
    let mut text = fields
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    for part in parts {
        let several = part.get("enum").and_then(Value::as_array).cloned();
        let one = several.or_else(|| part.get("const").map(|value| vec![value.clone()]));
        let one = one.unwrap_or_default();
        if let (Some(words), [value]) = (part.get("description").and_then(Value::as_str), &one[..])
        {
            text += &format!("\n{value}: {words}");
        }
        values.extend(one);
    }
    fields.remove("oneOf");
    fields.insert("type".into(), json!("string"));
    fields.insert("enum".into(), Value::Array(values));
    fields.insert("description".into(), Value::String(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of `fields.txt`: `[Type]`, then `field = type required`.
    fn facts() -> Vec<(String, String, String, bool)> {
        let mut facts = Vec::new();
        let mut current = String::new();
        for line in include_str!("fields.txt").lines() {
            if let Some(name) = line.strip_prefix('[') {
                name.trim_end_matches(']').clone_into(&mut current);
            } else if let Some((field, kind)) = line.split_once(" = ")
                && current != "kinds"
                && !line.starts_with('#')
            {
                let bare = kind.trim_end_matches(" required");
                facts.push((current.clone(), field.into(), bare.into(), kind != bare));
            }
        }
        facts
    }

    fn type_of(schema: &Value) -> String {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            return name.trim_start_matches(REFERENCE).to_owned();
        }
        let kind = schema["type"].as_str().unwrap_or_default();
        match (kind, schema.get("format").and_then(Value::as_str)) {
            ("array", _) => format!("[{}]", type_of(&schema["items"])),
            ("object", _) if schema.get("additionalProperties").is_some() => {
                format!("{{{}}}", type_of(&schema["additionalProperties"]))
            }
            ("integer", Some(format)) => format!("integer:{format}"),
            ("string", Some("date-time")) => "MicroTime".to_owned(),
            _ => kind.to_owned(),
        }
    }

    #[test]
    fn every_field_of_dcp_with_its_type() {
        let all = definitions();
        let mut wrong = Vec::new();
        for (owner, field, expected, required) in facts() {
            let Some(schema) = all.get(&owner) else {
                wrong.push(format!("{owner}: no such type"));
                continue;
            };
            let served = &schema["properties"][&field];
            let kind = type_of(served);
            let inner = if kind.starts_with('[') {
                &served["items"]
            } else {
                served
            };
            let is_enumeration = expected.trim_matches(['[', ']']) == "string"
                && resolve(&all, inner)["type"] == json!("string");
            let is_duration = expected == "Duration" && kind == "string";
            if kind != expected && !is_enumeration && !is_duration {
                wrong.push(format!("{owner}.{field}: {kind} instead of {expected}"));
            }
            let is_required = schema["required"]
                .as_array()
                .is_some_and(|names| names.contains(&json!(field)));
            if is_required != required {
                wrong.push(format!("{owner}.{field}: required is {is_required}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn structural() {
        fn walk(schema: &Value, path: &str, wrong: &mut Vec<String>) {
            match schema {
                Value::Object(fields) => {
                    for (name, value) in fields {
                        if matches!(&**name, "oneOf" | "anyOf" | "allOf" | "nullable" | "const") {
                            wrong.push(format!("{path}.{name}"));
                        }
                        walk(value, &format!("{path}.{name}"), wrong);
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| walk(item, path, wrong)),
                _ => {}
            }
        }
        let mut wrong = Vec::new();
        for (name, schema) in definitions() {
            walk(&schema, &name, &mut wrong);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn fields_that_nobody_knows() {
        let object = json!({
            "kind": "Executable",
            "metadata": {"name": "a", "labels": {"x": "y"}, "managedFields": [{"fieldsV1": {"f:x": {}}}]},
            "spec": {"executablePath": "/bin/true", "env": [{"name": "A", "valu": "1"}], "frob": 1,
                "aspire": {"probes": {"ready": {"type": "tcp", "port": 1}}}},
        });
        assert_eq!(
            unknown_fields(&definitions(), Kind::Executable, &object),
            [
                "spec.aspire.probes.ready.port",
                "spec.env[0].valu",
                "spec.frob"
            ]
        );
    }
}
