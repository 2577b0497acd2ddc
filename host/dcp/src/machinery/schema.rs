//! The part of an OpenAPI schema that decides how values are merged and who can own what.
//!
//! Knows `properties`, `items`, `additionalProperties` and the `x-kubernetes-*` keywords. Doesn't
//! validate: types and ranges are somebody else's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fields_v1::{Path, PathElement, display_path};

/// Finds what a `$ref` names.
pub type Lookup<'a> = dyn Fn(&str) -> Option<&'a Value> + 'a;

/// References that are followed in a row; more than this is a circle.
const MAX_REFERENCES: usize = 32;

/// How a value is merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A scalar, or a list or map that has one owner as a whole.
    Atomic,
    /// A map whose fields have their own owners.
    Map,
    /// A list of distinct scalars, each with its own owners.
    SetList,
    /// A list of maps that are told apart by these fields.
    MapList(Vec<String>),
}

/// A schema, at some place of an object. Where nothing is known, lists are atomic and maps are
/// not, as in custom resources.
#[derive(Clone, Copy)]
pub struct Schema<'a> {
    node: Option<&'a Value>,
    lookup: Option<&'a Lookup<'a>>,
    place: Place,
}

/// `metadata` is the same for every kind, whatever its schema says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Metadata,
    Finalizers,
    OwnerReferences,
    OwnerReference,
    Elsewhere,
}

impl std::fmt::Debug for Schema<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Schema").field(&self.node).finish()
    }
}

impl<'a> Schema<'a> {
    /// The schema of whole objects of a kind; references are inlined.
    pub fn of_object(schema: &'a Value) -> Self {
        Self {
            node: Some(schema),
            lookup: None,
            place: Place::Root,
        }
    }

    /// The same for a schema with `$ref`s.
    pub fn with_references(schema: &'a Value, lookup: &'a Lookup<'a>) -> Self {
        Self {
            node: Some(schema),
            lookup: Some(lookup),
            place: Place::Root,
        }
    }

    /// Objects of which nothing is known.
    pub fn unknown() -> Self {
        Self {
            node: None,
            lookup: None,
            place: Place::Root,
        }
    }

    fn at(self, node: Option<&'a Value>, place: Place) -> Self {
        Self {
            node,
            place,
            ..self
        }
    }

    /// The schema without references. Looks into an `allOf` or `anyOf` whose only useful part is
    /// a reference: that is how a description is put next to one, or how null is allowed.
    fn resolved(&self) -> Option<&'a Value> {
        let mut node = self.node?;
        for _ in 0..MAX_REFERENCES {
            if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
                node = self.lookup?(reference)?;
                continue;
            }
            if node.get("properties").is_some() || node.get("items").is_some() {
                return Some(node);
            }
            let part = ["allOf", "anyOf", "oneOf"].into_iter().find_map(|key| {
                let parts = node.get(key)?.as_array()?;
                let mut useful = parts.iter().filter(|part| {
                    part.get("$ref").is_some()
                        || part.get("properties").is_some()
                        || part.get("items").is_some()
                });
                match (useful.next(), useful.next()) {
                    (Some(part), None) => Some(part),
                    _ => None,
                }
            });
            match part {
                Some(part) => node = part,
                None => return Some(node),
            }
        }
        None
    }

    /// A keyword, of the place of use before that of what is referenced.
    pub(super) fn keyword(&self, key: &str) -> Option<&'a Value> {
        self.node
            .and_then(|node| node.get(key))
            .or_else(|| self.resolved()?.get(key))
    }

    /// How a value here is merged.
    pub fn shape(&self, value: &Value) -> Shape {
        match value {
            Value::Object(_) => match self.keyword("x-kubernetes-map-type") {
                _ if self.place == Place::OwnerReference => Shape::Atomic,
                Some(Value::String(kind)) if kind == "atomic" => Shape::Atomic,
                _ => Shape::Map,
            },
            Value::Array(_) => self.list_shape(),
            _ => Shape::Atomic,
        }
    }

    fn list_shape(&self) -> Shape {
        match self.place {
            Place::Finalizers => return Shape::SetList,
            Place::OwnerReferences => return Shape::MapList(vec!["uid".to_owned()]),
            _ => {}
        }
        match self
            .keyword("x-kubernetes-list-type")
            .and_then(Value::as_str)
        {
            Some("set") => Shape::SetList,
            Some("map") => {
                let keys: Vec<String> = self
                    .keyword("x-kubernetes-list-map-keys")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(|key| key.as_str().map(ToOwned::to_owned))
                    .collect();
                if keys.is_empty() {
                    Shape::Atomic
                } else {
                    Shape::MapList(keys)
                }
            }
            _ => Shape::Atomic,
        }
    }

    /// The schema of a field, and whether the field is a named property rather than any key of a
    /// map.
    pub fn field(&self, name: &str) -> (Self, bool) {
        match (self.place, name) {
            (Place::Root, "metadata") => return (self.at(None, Place::Metadata), true),
            (Place::Root, "apiVersion" | "kind") => return (self.at(None, Place::Elsewhere), true),
            (Place::Metadata, _) => {
                let place = match name {
                    "finalizers" => Place::Finalizers,
                    "ownerReferences" => Place::OwnerReferences,
                    _ => Place::Elsewhere,
                };
                return (self.at(None, place), true);
            }
            (Place::OwnerReference, _) => return (self.at(None, Place::Elsewhere), true),
            _ => {}
        }
        let node = self.resolved();
        if let Some(property) = node.and_then(|n| n.get("properties")?.get(name)) {
            return (self.at(Some(property), Place::Elsewhere), true);
        }
        let rest = node.and_then(|n| n.get("additionalProperties"));
        let rest = rest.filter(|schema| schema.is_object());
        (self.at(rest, Place::Elsewhere), false)
    }

    /// The schema of a list's items.
    pub fn item(&self) -> Self {
        if self.place == Place::OwnerReferences {
            return self.at(None, Place::OwnerReference);
        }
        let items = self.resolved().and_then(|node| node.get("items"));
        self.at(items, Place::Elsewhere)
    }

    /// Whether the field is declared, or may be anything.
    fn allows(&self, name: &str) -> bool {
        let (_, named) = self.field(name);
        if named {
            return true;
        }
        let Some(node) = self.resolved() else {
            return true;
        };
        let preserves =
            node.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
        match node.get("additionalProperties") {
            Some(Value::Bool(false)) => false,
            Some(_) => true,
            None => preserves || node.get("properties").is_none(),
        }
    }

    /// The step to an item of a list of this shape.
    ///
    /// # Errors
    /// The item has no key, or isn't a scalar where it must be.
    pub(crate) fn element(shape: &Shape, item: &Value) -> Result<PathElement, String> {
        match shape {
            Shape::MapList(keys) => {
                let Value::Object(fields) = item else {
                    return Err("associative list with keys may not have non-map elements".into());
                };
                let mut found = BTreeMap::new();
                for key in keys {
                    match fields.get(key) {
                        Some(value) if !value.is_null() => {
                            found.insert(key.as_str(), value);
                        }
                        // A key that is left out is a key too, as long as there is another one.
                        _ => {}
                    }
                }
                if found.is_empty() {
                    return Err(format!(
                        "associative list with keys has an element that omits key field {:?}",
                        keys[0]
                    ));
                }
                Ok(PathElement::key(&found))
            }
            _ => match item {
                Value::Object(_) | Value::Array(_) | Value::Null => {
                    Err("associative list without keys has an element that's not a scalar".into())
                }
                scalar => Ok(PathElement::value(scalar)),
            },
        }
    }
}

/// Paths of fields that the schema doesn't declare, as strict decoding tells them: `spec.foo`,
/// `spec.ports[0].bar`.
pub fn unknown_fields(schema: &Schema<'_>, object: &Value) -> Vec<String> {
    fn walk(schema: &Schema<'_>, value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let dot = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{dot}{name}");
                    if schema.allows(name) {
                        walk(&schema.field(name).0, value, &path, found);
                    } else {
                        found.push(path);
                    }
                }
            }
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    walk(&schema.item(), item, &format!("{path}[{place}]"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(schema, object, "", &mut found);
    found
}

/// Errors of lists that are sets or maps: items without keys, and items that are there twice.
/// Their paths are written as server-side apply writes them.
pub fn check_lists(schema: &Schema<'_>, object: &Value) -> Vec<String> {
    fn walk(schema: &Schema<'_>, value: &Value, path: &mut Path, errors: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    path.push(PathElement::field(name.as_str()));
                    walk(&schema.field(name).0, value, path, errors);
                    path.pop();
                }
            }
            Value::Array(items) => {
                let shape = schema.shape(value);
                let mut seen = BTreeSet::new();
                for (place, item) in items.iter().enumerate() {
                    let mut element = PathElement::Index(place as u64);
                    if shape != Shape::Atomic {
                        match Schema::element(&shape, item) {
                            Ok(found) => {
                                if !seen.insert(found.clone()) {
                                    let path = display_path(path);
                                    errors
                                        .push(format!("{path}: duplicate entries for key {found}"));
                                }
                                element = found;
                            }
                            Err(why) => {
                                errors.push(format!(
                                    "{}: element {place}: {why}",
                                    display_path(path)
                                ));
                            }
                        }
                    }
                    path.push(element);
                    walk(&schema.item(), item, path, errors);
                    path.pop();
                }
            }
            _ => {}
        }
    }
    let mut errors = Vec::new();
    walk(schema, object, &mut Vec::new(), &mut errors);
    errors
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shapes() {
        let schema = json!({"type": "object", "properties": {"spec": {"properties": {
            "args": {"type": "array", "items": {"type": "string"}},
            "names": {"type": "array", "x-kubernetes-list-type": "set"},
            "ports": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
                      "items": {"properties": {"port": {}, "tags": {"x-kubernetes-list-type": "set"}}}},
            "limits": {"x-kubernetes-map-type": "atomic"},
            "env": {"additionalProperties": {"type": "string"}},
        }}}});
        let root = Schema::of_object(&schema);
        let (spec, named) = root.field("spec");
        assert!(named);
        let list = json!([]);
        let map = json!({});
        assert_eq!(spec.field("args").0.shape(&list), Shape::Atomic);
        assert_eq!(spec.field("names").0.shape(&list), Shape::SetList);
        let ports = spec.field("ports").0;
        assert_eq!(ports.shape(&list), Shape::MapList(vec!["port".to_owned()]));
        assert_eq!(ports.item().field("tags").0.shape(&list), Shape::SetList);
        assert_eq!(spec.field("limits").0.shape(&map), Shape::Atomic);
        assert_eq!(spec.field("env").0.shape(&map), Shape::Map);
        assert!(!spec.field("env").0.field("A").1);
        assert_eq!(spec.field("other").0.shape(&map), Shape::Map);
        let (metadata, _) = root.field("metadata");
        assert_eq!(metadata.field("finalizers").0.shape(&list), Shape::SetList);
        assert!(!metadata.field("labels").0.field("app").1);
        assert!(Schema::unknown().field("spec").0.resolved().is_none());
    }

    #[test]
    fn references() {
        let parts = json!({"Ports": {"type": "array", "x-kubernetes-list-type": "set"}});
        let schema = json!({"properties": {
            "plain": {"$ref": "#/components/schemas/Ports"},
            "described": {"description": "x", "allOf": [{"$ref": "#/components/schemas/Ports"}]},
            "nullable": {"anyOf": [{"$ref": "#/components/schemas/Ports"}, {"type": "null"}]},
            "missing": {"$ref": "#/components/schemas/Nothing"},
            "circle": {"$ref": "#/components/schemas/Circle"},
        }});
        let circle = json!({"$ref": "#/components/schemas/Circle"});
        let lookup = |name: &str| match name.rsplit('/').next()? {
            "Circle" => Some(&circle),
            name => parts.get(name),
        };
        let root = Schema::with_references(&schema, &lookup);
        for (name, shape) in [
            ("plain", Shape::SetList),
            ("described", Shape::SetList),
            ("nullable", Shape::SetList),
            ("missing", Shape::Atomic),
            ("circle", Shape::Atomic),
        ] {
            assert_eq!(root.field(name).0.shape(&json!([])), shape, "{name}");
        }
    }

    #[test]
    fn unknown_and_malformed() {
        let schema = json!({"properties": {
            "spec": {"properties": {
                "ports": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
                          "items": {"properties": {"port": {}}}},
                "any": {"x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {}}},
                "env": {"additionalProperties": {"type": "string"}},
                "free": {"type": "object"},
            }},
        }});
        let schema = Schema::of_object(&schema);
        let object = json!({"apiVersion": "v1", "metadata": {"name": "a", "labels": {"x": "y"}},
            "spec": {"bad": 1, "ports": [{"port": 1, "bar": 2}], "any": {"b": 1}, "env": {"A": "b"},
                     "free": {"x": 1}}, "extra": 1});
        let mut found = unknown_fields(&schema, &object);
        found.sort();
        assert_eq!(found, ["extra", "spec.bad", "spec.ports[0].bar"]);
        assert_eq!(check_lists(&schema, &object), Vec::<String>::new());
        let object = json!({"spec": {"ports": [{"port": 1}, {"port": 1}, {"bar": 2}, 3]}});
        assert_eq!(
            check_lists(&schema, &object),
            [
                ".spec.ports: duplicate entries for key [port=1]",
                ".spec.ports: element 2: associative list with keys has an element that omits key \
                 field \"port\"",
                ".spec.ports: element 3: associative list with keys may not have non-map elements",
            ]
        );
    }
}
