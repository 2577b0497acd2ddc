//! Whether values have the types that a schema says, in the words of apiextensions.
//!
//! Knows `type`, `required` and structure. Doesn't know formats, ranges or what fields mean:
//! that is the kinds' own validation, which comes after this one.

use serde_json::Value;

use super::field_error::{FieldError, FieldErrorKind};
use super::schema::Schema;

/// An object without the fields that are null: Go's encoder writes those of empty lists and times,
/// and nothing here may be null.
pub fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// Fields whose values are of another type than the schema says, or are missing; sorted by path.
pub fn check_types(schema: &Schema<'_>, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(schema, object, "", &mut errors);
    errors.sort_by(|a, b| a.field.cmp(&b.field));
    errors
}

fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn walk(schema: &Schema<'_>, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let found = name(value);
    if let Some(wanted) = schema.keyword("type").and_then(Value::as_str)
        && wanted != found
        && (wanted, found) != ("number", "integer")
    {
        let detail = format!("{path} in body must be of type {wanted}: {found:?}");
        let kind = FieldErrorKind::TypeInvalid;
        errors.push(FieldError::new(path, kind, found, detail));
        return;
    }
    match value {
        Value::Object(fields) => {
            let dot = if path.is_empty() { "" } else { "." };
            for (name, value) in fields {
                walk(
                    &schema.field(name).0,
                    value,
                    &format!("{path}{dot}{name}"),
                    errors,
                );
            }
            let required = schema.keyword("required").and_then(Value::as_array);
            let required = required.into_iter().flatten().filter_map(Value::as_str);
            for missing in required.filter(|name| !fields.contains_key(*name)) {
                errors.push(FieldError::required(format!("{path}{dot}{missing}"), ""));
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                walk(&schema.item(), item, &format!("{path}[{place}]"), errors);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_and_required_fields() {
        let schema = json!({"type": "object", "properties": {"spec": {
        "type": "object", "required": ["path"], "properties": {
            "path": {"type": "string"}, "scale": {"type": "number"},
            "args": {"type": "array", "items": {"type": "string"}},
        }}}});
        let schema = Schema::of_object(&schema);
        let errors = |object: Value| -> Vec<String> {
            let errors = check_types(&schema, &object);
            errors.iter().map(ToString::to_string).collect()
        };
        assert!(
            errors(json!({"metadata": {"name": 1}, "spec": {"path": "", "scale": 1}})).is_empty()
        );
        assert_eq!(
            errors(json!({"spec": {"args": ["a", null, 1.5]}})),
            [
                "spec.args[1]: Invalid value: \"null\": spec.args[1] in body must be of type \
                 string: \"null\"",
                "spec.args[2]: Invalid value: \"number\": spec.args[2] in body must be of type \
                 string: \"number\"",
                "spec.path: Required value",
            ]
        );
        assert_eq!(
            errors(json!({"spec": []})),
            ["spec: Invalid value: \"array\": spec in body must be of type object: \"array\""]
        );
    }

    #[test]
    fn nulls() {
        let mut object = json!({"a": null, "b": {"c": null, "d": [null, {"e": null}]}});
        without_nulls(&mut object);
        assert_eq!(object, json!({"b": {"d": [null, {}]}}));
    }
}
