//! JSON Schema as generators write it, in the words of OpenAPI 3.0 that Kubernetes' clients know.
//!
//! `null` among the types becomes `nullable`, a choice between constants an `enum`, a reference to
//! `$defs` one to `components`. What cannot be said is left as it is: clients ignore it.

use serde_json::{Map, Value, json};

/// The schema, and all below it, normalised.
pub(crate) fn normalised(schema: &Value) -> Value {
    let from = match schema {
        Value::Object(from) => from,
        // `true`: anything.
        Value::Bool(true) => return json!({"x-kubernetes-preserve-unknown-fields": true}),
        other => return other.clone(),
    };
    let mut to = Map::new();
    for (key, value) in from {
        match key.as_str() {
            "$schema" | "$defs" | "$id" | "definitions" => {}
            "$ref" => {
                let name = value.as_str().and_then(|text| text.rsplit('/').next());
                let name = name.unwrap_or_default();
                to.insert(key.clone(), json!(format!("#/components/schemas/{name}")));
            }
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                let properties: Map<String, Value> = properties
                    .map(|(name, schema)| (name.clone(), normalised(schema)))
                    .collect();
                to.insert(key.clone(), Value::Object(properties));
            }
            "items" | "not" => {
                to.insert(key.clone(), normalised(value));
            }
            "additionalProperties" if value.is_object() => {
                to.insert(key.clone(), normalised(value));
            }
            "allOf" | "anyOf" | "oneOf" => {
                let parts = value.as_array().into_iter().flatten();
                let parts: Vec<Value> = parts.map(normalised).collect();
                to.insert(key.clone(), Value::Array(parts));
            }
            "const" => {
                to.insert("enum".to_owned(), json!([value]));
            }
            _ => {
                to.insert(key.clone(), value.clone());
            }
        }
    }
    simple_type(&mut to);
    numeric_bounds(&mut to);
    simple_choice(&mut to);
    if let Some(reference) = to.remove("$ref") {
        if to.is_empty() {
            return json!({"$ref": reference});
        }
        // What is next to a reference is ignored; next to an `allOf` it isn't.
        to.insert("allOf".to_owned(), json!([{"$ref": reference}]));
    }
    Value::Object(to)
}

/// `["string", "null"]` is a nullable string.
fn simple_type(schema: &mut Map<String, Value>) {
    let Some(Value::Array(kinds)) = schema.get("type") else {
        return;
    };
    let rest: Vec<Value> = kinds
        .iter()
        .filter(|kind| *kind != "null")
        .cloned()
        .collect();
    let nullable = rest.len() < kinds.len();
    match &rest[..] {
        [one] => {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
        _ => {
            schema.remove("type");
        }
    }
    if nullable {
        schema.insert("nullable".to_owned(), json!(true));
    }
}

/// `exclusiveMinimum: 0` is `minimum: 0` and `exclusiveMinimum: true`.
fn numeric_bounds(schema: &mut Map<String, Value>) {
    for (exclusive, bound) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        if let Some(value @ Value::Number(_)) = schema.get(exclusive).cloned() {
            schema.insert(bound.to_owned(), value);
            schema.insert(exclusive.to_owned(), json!(true));
        }
    }
}

/// A choice between one schema and null is that schema, nullable; one between constants is an
/// enum of them.
fn simple_choice(schema: &mut Map<String, Value>) {
    if schema.get("x-kubernetes-int-or-string") == Some(&json!(true)) {
        return;
    }
    for key in ["anyOf", "oneOf"] {
        let Some(Value::Array(parts)) = schema.get(key) else {
            continue;
        };
        let is_null = |part: &Value| part["type"] == "null";
        let rest: Vec<Value> = parts
            .iter()
            .filter(|part| !is_null(part))
            .cloned()
            .collect();
        let nullable = rest.len() < parts.len();
        if let [one] = &rest[..] {
            let mut one = one.as_object().cloned().unwrap_or_default();
            schema.remove(key);
            if let Some(reference) = one.remove("$ref") {
                schema.insert("allOf".to_owned(), json!([{"$ref": reference}]));
            }
            for (key, value) in one {
                schema.entry(key).or_insert(value);
            }
        } else if let Some(values) = constants(&rest) {
            schema.remove(key);
            schema.insert("enum".to_owned(), Value::Array(values));
            schema.insert("type".to_owned(), json!("string"));
        } else {
            continue;
        }
        if nullable {
            schema.insert("nullable".to_owned(), json!(true));
        }
    }
}

fn constants(parts: &[Value]) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    for part in parts {
        let some = part.get("enum")?.as_array()?;
        if !some.iter().all(Value::is_string) {
            return None;
        }
        values.extend(some.iter().cloned());
    }
    (!values.is_empty()).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        for (from, to) in [
            (
                json!({"type": ["string", "null"]}),
                json!({"type": "string", "nullable": true}),
            ),
            (json!({"type": ["string", "integer"]}), json!({})),
            (
                json!({"$ref": "#/$defs/A"}),
                json!({"$ref": "#/components/schemas/A"}),
            ),
            (
                json!({"description": "x", "$ref": "#/$defs/A"}),
                json!({"description": "x", "allOf": [{"$ref": "#/components/schemas/A"}]}),
            ),
            (
                json!({"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}], "description": "x"}),
                json!({"allOf": [{"$ref": "#/components/schemas/A"}], "description": "x", "nullable": true}),
            ),
            (
                json!({"oneOf": [{"const": "A", "description": "a"}, {"enum": ["B", "C"]}]}),
                json!({"type": "string", "enum": ["A", "B", "C"]}),
            ),
            (
                json!({"type": "integer", "exclusiveMinimum": 0}),
                json!({"type": "integer", "minimum": 0, "exclusiveMinimum": true}),
            ),
            (
                json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
                json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
            ),
            (
                json!({"$schema": "s", "$defs": {"A": {}}, "properties": {"a": true, "$ref": {"type": "string"}}}),
                json!({"properties": {"a": {"x-kubernetes-preserve-unknown-fields": true}, "$ref": {"type": "string"}}}),
            ),
            (
                json!({"type": "array", "items": {"type": ["object", "null"], "additionalProperties": {"$ref": "#/$defs/A"}}}),
                json!({"type": "array", "items": {"type": "object", "nullable": true,
                    "additionalProperties": {"$ref": "#/components/schemas/A"}}}),
            ),
        ] {
            assert_eq!(normalised(&from), to, "{from}");
            assert_eq!(normalised(&to), to, "{to}");
        }
    }
}
