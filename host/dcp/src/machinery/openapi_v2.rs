//! The document `/openapi/v2` (Swagger 2.0), as JSON and as protobuf.
//!
//! The protobuf form is the message `openapi.v2.Document` of the gnostic project
//! (`openapiv2/OpenAPIv2.proto`), whose field numbers are below; the writer is this file's own.
//! kubectl reads only that form, validates against the definitions before it sends anything, and
//! looks for the parameter `dryRun` at a kind's patch.

use serde_json::{Map, Value, json};

use super::openapi::{ACTION_EXTENSION, ApiPath, Definition, KIND_EXTENSION, Verb, prepared};

/// The `Content-Type` of the protobuf form. Not with an `@`, as in the `Accept` header that asks
/// for it: newer Go clients cannot parse that.
pub const PROTOBUF_CONTENT_TYPE: &str =
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Keywords that both forms have, and that need no translation.
const PLAIN_KEYWORDS: [&str; 18] = [
    "format",
    "title",
    "description",
    "default",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "required",
    "enum",
    "readOnly",
];

/// The document as JSON; `title` and `version` are those of the API server.
pub fn document(
    title: &str,
    version: &str,
    definitions: &[Definition<'_>],
    paths: &[ApiPath],
) -> Value {
    let definitions: Map<String, Value> = prepared(definitions)
        .into_iter()
        .map(|(name, schema)| (name, schema_v2(&schema)))
        .collect();
    let paths: Map<String, Value> = paths
        .iter()
        .map(|path| (path.path.clone(), path_item(path)))
        .collect();
    json!({
        "swagger": "2.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "definitions": definitions,
    })
}

/// An OpenAPI v3 schema in the words of v2. What v2 cannot say is left out: clients then don't
/// check it, and the server still does.
fn schema_v2(schema: &Value) -> Value {
    let Value::Object(from) = schema else {
        return json!({});
    };
    if let Some(reference) = reference(from) {
        // Nothing but a description may be next to a reference.
        let mut to = json!({"$ref": reference});
        if let Some(description) = from.get("description") {
            to["description"] = description.clone();
        }
        return to;
    }
    let mut to = Map::new();
    for key in PLAIN_KEYWORDS {
        if let Some(value) = from.get(key) {
            to.insert(key.to_owned(), value.clone());
        }
    }
    for (key, value) in from {
        if key.starts_with("x-kubernetes-") {
            to.insert(key.clone(), value.clone());
        }
    }
    // Both bounds are numbers in newer JSON Schema; here they qualify the other ones.
    for key in ["exclusiveMaximum", "exclusiveMinimum"] {
        if to.get(key).is_some_and(|value| !value.is_boolean()) {
            to.remove(key);
        }
    }
    if from.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        return Value::Object(to);
    }
    if let Some(kind) = single_type(from) {
        to.insert("type".to_owned(), json!(kind));
    }
    if let Some(items) = from.get("items") {
        to.insert("items".to_owned(), schema_v2(items));
    }
    let free = from.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if free {
        // Clients would refuse everything that isn't among the properties.
        to.remove("required");
        return Value::Object(to);
    }
    if let Some(Value::Object(properties)) = from.get("properties") {
        let properties: Map<String, Value> = properties
            .iter()
            .map(|(name, schema)| (name.clone(), schema_v2(schema)))
            .collect();
        to.insert("properties".to_owned(), Value::Object(properties));
    }
    match from.get("additionalProperties") {
        Some(schema @ Value::Object(_)) => {
            to.insert("additionalProperties".to_owned(), schema_v2(schema));
        }
        Some(Value::Bool(true)) => {
            to.insert("additionalProperties".to_owned(), json!({}));
        }
        _ => {}
    }
    Value::Object(to)
}

/// The only reference of a schema, even if it is wrapped to be described or nullable.
fn reference(schema: &Map<String, Value>) -> Option<String> {
    let target = |schema: &Value| {
        let name = schema.get("$ref")?.as_str()?.rsplit('/').next()?;
        Some(format!("#/definitions/{name}"))
    };
    if let Some(reference) = schema
        .get("$ref")
        .and(target(&Value::Object(schema.clone())))
    {
        return Some(reference);
    }
    let parts = ["allOf", "anyOf", "oneOf"]
        .into_iter()
        .find_map(|key| schema.get(key)?.as_array())?;
    let mut useful = parts
        .iter()
        .filter(|part| part.get("type") != Some(&json!("null")));
    match (useful.next(), useful.next()) {
        (Some(part), None) => target(part),
        _ => None,
    }
}

/// The type, without null; nothing if there are several.
fn single_type(schema: &Map<String, Value>) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => {
            let mut kinds = kinds
                .iter()
                .filter_map(Value::as_str)
                .filter(|k| *k != "null");
            match (kinds.next(), kinds.next()) {
                (Some(kind), None) => Some(kind),
                _ => None,
            }
        }
        _ => None,
    }
}

fn path_item(path: &ApiPath) -> Value {
    let mut item: Map<String, Value> = path
        .operations()
        .into_iter()
        .map(|(method, verb)| (method.to_owned(), operation(path, verb)))
        .collect();
    if path.has_name() {
        item.insert(
            "parameters".to_owned(),
            json!([{
                "name": "name", "in": "path", "required": true, "type": "string",
                "uniqueItems": true, "description": "The object's name.",
            }]),
        );
    }
    Value::Object(item)
}

fn operation(path: &ApiPath, verb: Verb) -> Value {
    let mut parameters: Vec<Value> = verb
        .parameters()
        .iter()
        .map(|(name, kind, description)| {
            json!({
                "name": name, "in": "query", "type": kind, "uniqueItems": true,
                "description": description,
            })
        })
        .collect();
    let object = json!({"$ref": format!("#/definitions/{}", path.schema)});
    let body = match verb {
        Verb::Patch => Some(json!({"type": "object"})),
        Verb::Create | Verb::Update => Some(object.clone()),
        _ => None,
    };
    if let Some(schema) = body {
        parameters.insert(
            0,
            json!({"name": "body", "in": "body", "required": true, "schema": schema}),
        );
    }
    let answer = match verb {
        Verb::Delete | Verb::DeleteCollection | Verb::List => json!({"type": "object"}),
        _ => object,
    };
    let mut operation = json!({
        "operationId": path.operation_id(verb),
        "produces": ["application/json", "application/yaml"],
        "schemes": ["https"],
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "schema": answer}},
        ACTION_EXTENSION: verb.action(),
        KIND_EXTENSION: path.kind.to_value(),
    });
    if !verb.consumes().is_empty() {
        operation["consumes"] = json!(verb.consumes());
    }
    operation
}

/// The protobuf form of what [`document`] gives.
pub fn to_protobuf(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, &document["swagger"]);
    out.message(2, |info| {
        info.text(1, &document["info"]["title"]);
        info.text(2, &document["info"]["version"]);
    });
    out.message(8, |paths| {
        for (path, item) in fields(&document["paths"]) {
            paths.named(2, path, |out| write_path_item(out, item));
        }
    });
    out.message(9, |definitions| {
        for (name, schema) in fields(&document["definitions"]) {
            definitions.named(1, name, |out| write_schema(out, schema));
        }
    });
    out.bytes
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn write_path_item(out: &mut Message, item: &Value) {
    for (number, method) in [
        (2, "get"),
        (3, "put"),
        (4, "post"),
        (5, "delete"),
        (8, "patch"),
    ] {
        if let Some(operation) = item.get(method) {
            out.message(number, |out| write_operation(out, operation));
        }
    }
    for parameter in elements(&item["parameters"]) {
        out.message(9, |out| write_parameter(out, parameter));
    }
}

fn write_operation(out: &mut Message, operation: &Value) {
    out.text(5, &operation["operationId"]);
    for (number, key) in [(6, "produces"), (7, "consumes")] {
        for media_type in elements(&operation[key]) {
            out.text(number, media_type);
        }
    }
    for parameter in elements(&operation["parameters"]) {
        out.message(8, |out| write_parameter(out, parameter));
    }
    out.message(9, |responses| {
        for (code, response) in fields(&operation["responses"]) {
            // NamedResponseValue → ResponseValue.response → Response
            responses.named(1, code, |value| {
                value.message(1, |out| {
                    out.text(1, &response["description"]);
                    out.message(2, |item| {
                        item.message(1, |out| write_schema(out, &response["schema"]));
                    });
                });
            });
        }
    });
    for scheme in elements(&operation["schemes"]) {
        out.text(10, scheme);
    }
    write_extensions(out, 13, operation);
}

/// A ParametersItem: in it a Parameter, in it a body parameter or another one.
fn write_parameter(out: &mut Message, parameter: &Value) {
    out.message(1, |out| {
        if parameter["in"] == "body" {
            out.message(1, |body| {
                body.text(1, &parameter["description"]);
                body.text(2, &parameter["name"]);
                body.text(3, &parameter["in"]);
                body.flag(4, &parameter["required"]);
                body.message(5, |out| write_schema(out, &parameter["schema"]));
            });
            return;
        }
        // The schema of a query parameter has one field more than that of a path parameter, so
        // what follows has other numbers.
        let in_query = parameter["in"] == "query";
        let (place, shift) = if in_query { (3, 1) } else { (4, 0) };
        out.message(2, |out| {
            out.message(place, |out| {
                out.flag(1, &parameter["required"]);
                out.text(2, &parameter["in"]);
                out.text(3, &parameter["description"]);
                out.text(4, &parameter["name"]);
                out.text(5 + shift, &parameter["type"]);
                out.flag(19 + shift, &parameter["uniqueItems"]);
            });
        });
    });
}

fn write_schema(out: &mut Message, schema: &Value) {
    for (number, key) in [(1, "$ref"), (2, "format"), (3, "title"), (4, "description")] {
        out.text(number, &schema[key]);
    }
    if let Some(default) = schema.get("default") {
        out.message(5, |out| write_any(out, default));
    }
    out.double(6, &schema["multipleOf"]);
    out.double(7, &schema["maximum"]);
    out.flag(8, &schema["exclusiveMaximum"]);
    out.double(9, &schema["minimum"]);
    out.flag(10, &schema["exclusiveMinimum"]);
    out.integer(11, &schema["maxLength"]);
    out.integer(12, &schema["minLength"]);
    out.text(13, &schema["pattern"]);
    out.integer(14, &schema["maxItems"]);
    out.integer(15, &schema["minItems"]);
    out.flag(16, &schema["uniqueItems"]);
    for name in elements(&schema["required"]) {
        out.text(19, name);
    }
    for value in elements(&schema["enum"]) {
        out.message(20, |out| write_any(out, value));
    }
    if let Some(rest) = schema.get("additionalProperties") {
        out.message(21, |item| item.message(1, |out| write_schema(out, rest)));
    }
    if schema.get("type").is_some() {
        out.message(22, |item| item.text(1, &schema["type"]));
    }
    if let Some(items) = schema.get("items") {
        out.message(23, |item| item.message(1, |out| write_schema(out, items)));
    }
    if let Some(properties) = schema.get("properties") {
        out.message(25, |out| {
            for (name, property) in fields(properties) {
                out.named(1, name, |out| write_schema(out, property));
            }
        });
    }
    out.flag(27, &schema["readOnly"]);
    write_extensions(out, 31, schema);
}

fn write_extensions(out: &mut Message, number: u32, of: &Value) {
    for (name, value) in fields(of).filter(|(name, _)| name.starts_with("x-")) {
        out.named(number, name, |out| write_any(out, value));
    }
}

/// An Any with its YAML; JSON is YAML.
fn write_any(out: &mut Message, value: &Value) {
    out.bytes_field(2, value.to_string().as_bytes());
}

/// A protobuf message under construction. Absent, empty and false values are left out.
#[derive(Default)]
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes
                .push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
            value >>= 7;
        }
        self.bytes.push(u8::try_from(value).unwrap_or_default());
    }

    fn tag(&mut self, number: u32, wire_type: u64) {
        self.varint(u64::from(number) << 3 | wire_type);
    }

    fn bytes_field(&mut self, number: u32, bytes: &[u8]) {
        self.tag(number, 2);
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn text(&mut self, number: u32, value: &Value) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            self.bytes_field(number, text.as_bytes());
        }
    }

    fn flag(&mut self, number: u32, value: &Value) {
        if value == &Value::Bool(true) {
            self.tag(number, 0);
            self.varint(1);
        }
    }

    fn integer(&mut self, number: u32, value: &Value) {
        if let Some(value) = value.as_u64().filter(|value| *value > 0) {
            self.tag(number, 0);
            self.varint(value);
        }
    }

    fn double(&mut self, number: u32, value: &Value) {
        if let Some(value) = value.as_f64().filter(|value| *value != 0.0) {
            self.tag(number, 1);
            self.bytes.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn message(&mut self, number: u32, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes_field(number, &inner.bytes);
    }

    /// One of the messages that gnostic writes maps with: 1 is the name, 2 the value.
    fn named(&mut self, number: u32, name: &str, write: impl FnOnce(&mut Self)) {
        self.message(number, |entry| {
            entry.bytes_field(1, name.as_bytes());
            entry.message(2, write);
        });
    }
}

#[cfg(test)]
#[path = "openapi_v2_tests.rs"]
mod tests;
