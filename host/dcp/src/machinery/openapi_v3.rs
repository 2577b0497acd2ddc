//! The documents below `/openapi/v3`: an index, and one document per group and version.
//!
//! What clients rely on: kubectl explain finds the kind of a resource by the extension of the
//! operations of its path, and the schema by the extension of the schemas; before it uses
//! `fieldValidation` or `dryRun`, kubectl looks for these parameters at the kind's patch.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::openapi::{ACTION_EXTENSION, ApiPath, Definition, KIND_EXTENSION, Verb, prepared};

/// The document of a group and version; `title` and `version` are those of the API server.
pub fn group_document(
    title: &str,
    version: &str,
    definitions: &[Definition<'_>],
    paths: &[ApiPath],
) -> Value {
    let schemas: Map<String, Value> = prepared(definitions).into_iter().collect();
    let paths: Map<String, Value> = paths
        .iter()
        .map(|path| (path.path.clone(), path_item(path)))
        .collect();
    json!({
        "openapi": "3.0.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

/// The index `/openapi/v3`. `documents` are pairs of a path (`apis/GROUP/v1`, `api/v1`) and its
/// document. Clients keep a document for as long as its address is the same.
pub fn index<'a>(documents: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Value {
    let paths: Map<String, Value> = documents
        .into_iter()
        .map(|(path, document)| {
            let address = format!("/openapi/v3/{path}?hash={}", hash(document));
            (path.to_owned(), json!({"serverRelativeURL": address}))
        })
        .collect();
    json!({"paths": paths})
}

/// Upper-case hexadecimal SHA-256 of a document.
pub fn hash(document: &Value) -> String {
    let digest = Sha256::digest(document.to_string().as_bytes());
    digest.iter().map(|byte| format!("{byte:02X}")).collect()
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
                "name": "name", "in": "path", "required": true,
                "description": "The object's name.",
                "schema": {"type": "string", "uniqueItems": true},
            }]),
        );
    }
    Value::Object(item)
}

fn operation(path: &ApiPath, verb: Verb) -> Value {
    let parameters: Vec<Value> = verb
        .parameters()
        .iter()
        .map(|(name, kind, description)| {
            json!({
                "name": name, "in": "query", "description": description,
                "schema": {"type": kind, "uniqueItems": true},
            })
        })
        .collect();
    let object = json!({"$ref": format!("#/components/schemas/{}", path.schema)});
    let answer = match verb {
        Verb::Delete | Verb::DeleteCollection | Verb::List => json!({"type": "object"}),
        _ => object.clone(),
    };
    let mut operation = json!({
        "operationId": path.operation_id(verb),
        "parameters": parameters,
        "responses": {"200": {
            "description": "OK",
            "content": {"application/json": {"schema": answer}},
        }},
        ACTION_EXTENSION: verb.action(),
        KIND_EXTENSION: path.kind.to_value(),
    });
    let body = match verb {
        Verb::Patch => json!({"type": "object"}),
        _ => object,
    };
    let content: Map<String, Value> = verb
        .consumes()
        .iter()
        .map(|media_type| ((*media_type).to_owned(), json!({"schema": body})))
        .collect();
    if !content.is_empty() {
        operation["requestBody"] = json!({"required": true, "content": content});
    }
    operation
}

#[cfg(test)]
mod tests {
    use super::super::openapi::tests::{GROUP, executable, kind, paths, port};
    use super::*;

    #[test]
    fn documents() {
        let (executable, port) = (executable(), port());
        let definitions = [
            Definition {
                name: "Executable".to_owned(),
                schema: &executable,
                kinds: vec![kind()],
            },
            Definition {
                name: "Port".to_owned(),
                schema: &port,
                kinds: Vec::new(),
            },
        ];
        let document = group_document("aspire-host", "v0", &definitions, &paths());
        let item = &document["paths"][format!("/apis/{GROUP}/v1/executables/{{name}}")];
        assert_eq!(item["get"][KIND_EXTENSION], kind().to_value());
        assert_eq!(item["patch"][ACTION_EXTENSION], "patch");
        let parameters = item["patch"]["parameters"].as_array().unwrap();
        for name in ["dryRun", "fieldValidation", "fieldManager", "force"] {
            assert!(
                parameters
                    .iter()
                    .any(|p| p["name"] == name && p["in"] == "query")
            );
        }
        let content = item["patch"]["requestBody"]["content"].as_object().unwrap();
        assert!(content.contains_key("application/apply-patch+yaml"));
        let schemas = document["components"]["schemas"].as_object().unwrap();
        assert_eq!(
            schemas["Executable"][KIND_EXTENSION],
            json!([kind().to_value()])
        );
        assert_eq!(schemas["Port"].get(KIND_EXTENSION), None);

        let index = index([("apis/g/v1", &document)]);
        let address = index["paths"]["apis/g/v1"]["serverRelativeURL"]
            .as_str()
            .unwrap();
        assert_eq!(
            address,
            format!("/openapi/v3/apis/g/v1?hash={}", hash(&document))
        );
        assert_ne!(hash(&document), hash(&json!({})));
    }
}
