//! The JSON Schema of `aspire.toml`, with the kinds of the loaded plugins, so that editors complete
//! and check.

use aspire_model::hook::Plugin;
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

use crate::registry::Registry;
use crate::reserved;

/// The schema.
pub fn schema(plugins: &[Arc<dyn Plugin>]) -> Json {
    let (registry, _) = Registry::new(plugins);
    let kinds: Vec<&str> = registry.kind_names().collect();
    let reserved: Map<String, Json> = reserved::KEYS
        .iter()
        .map(|key| {
            let mut schema = (key.schema)();
            if let Some(table) = schema.as_object_mut() {
                table.insert("description".into(), Json::from(key.documentation));
            }
            (key.name.to_owned(), schema)
        })
        .collect();
    let by_kind: Vec<Json> = kinds
        .iter()
        .filter_map(|name| {
            let info = &registry.kind(name).ok()?.info;
            let mut properties = reserved.clone();
            properties.insert(
                "kind".into(),
                json!({ "const": name, "description": info.description }),
            );
            let options = info.schema.get("properties").and_then(Json::as_object);
            properties.extend(
                options
                    .into_iter()
                    .flatten()
                    .map(|(k, v)| (k.clone(), v.clone())),
            );
            let mut then = json!({
                "properties": properties,
                "patternProperties": { "^x-": true },
                "additionalProperties": false,
            });
            for key in ["required", "$defs", "definitions"] {
                if let (Some(value), Some(table)) = (info.schema.get(key), then.as_object_mut()) {
                    table.insert(key.to_owned(), value.clone());
                }
            }
            Some(json!({
                "if": { "properties": { "kind": { "const": name } }, "required": ["kind"] },
                "then": then,
            }))
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "aspire.toml",
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "patternProperties": { "^x-": true },
        "properties": {
            "name": { "type": "string", "description": "Name of the app." },
            "plugins": { "type": "object", "description": "Plugins, by alias: a name, a path, or a table.", "additionalProperties": { "oneOf": [
                { "type": "string" },
                { "type": "object", "additionalProperties": false, "required": ["source"], "properties": {
                    "source": { "type": "string", "description": "A name, or a path with a slash." },
                    "allow": { "type": "array", "items": { "type": "string" }, "description": "Permissions granted to it." },
                    "operator": { "type": "boolean", "description": "It speaks for the operator: its edits beat the app's own settings." },
                } },
            ] } },
            "parameters": { "type": "object", "description": "Values that are supplied from outside.", "additionalProperties": {
                "type": "object", "additionalProperties": false,
                "properties": parameter_properties(&registry),
            } },
            "resources": { "type": "object", "description": "What the app is made of.", "additionalProperties": {
                "type": "object", "required": ["kind"],
                "properties": { "kind": { "enum": kinds } },
                "allOf": by_kind,
            } },
        },
    })
}

fn parameter_properties(registry: &Registry) -> Json {
    registry
        .kind("parameter")
        .ok()
        .and_then(|owner| owner.info.schema.get("properties").cloned())
        .unwrap_or_else(|| json!({}))
}
