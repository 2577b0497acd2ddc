//! Values under a schema: which fields they have, how two differ, how they are merged, and what
//! is left when fields are taken away.
//!
//! Total functions: a list that breaks its own rules (an item without its key, or twice) is
//! treated as one value.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields_v1::{FieldSet, PathElement};
use super::schema::{Schema, Shape};

/// A list's items by the steps that lead to them, in the list's order.
type Items<'a> = Vec<(PathElement, &'a Value)>;

/// The items of a list with identities; nothing if it is one value.
fn items<'a>(schema: &Schema<'_>, value: &'a Value) -> Option<Items<'a>> {
    let shape = schema.shape(value);
    if shape == Shape::Atomic {
        return None;
    }
    let mut found: Items<'a> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for item in value.as_array()? {
        let element = Schema::element(&shape, item).ok()?;
        if !seen.insert(element.clone()) {
            return None;
        }
        found.push((element, item));
    }
    Some(found)
}

/// A value as its parts, if they can have owners of their own.
enum Parts<'a> {
    Whole,
    Map(&'a Map<String, Value>),
    List(Items<'a>),
}

fn parts<'a>(schema: &Schema<'_>, value: &'a Value) -> Parts<'a> {
    match value {
        Value::Object(fields) if schema.shape(value) == Shape::Map => Parts::Map(fields),
        Value::Array(_) => items(schema, value).map_or(Parts::Whole, Parts::List),
        _ => Parts::Whole,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null => true,
        _ => false,
    }
}

/// The fields that a value has, as an applier owns them. Maps with known fields aren't members
/// themselves unless they are empty; items of lists and of other maps are.
pub fn field_set(schema: &Schema<'_>, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    match parts(schema, value) {
        Parts::Whole => return FieldSet::root(),
        Parts::Map(fields) => {
            for (name, value) in fields {
                let (schema, named) = schema.field(name);
                let mut child = field_set(&schema, value);
                if !named || is_empty(value) {
                    child = child.with_member(true);
                }
                set.insert_child(PathElement::field(name.as_str()), child);
            }
        }
        Parts::List(items) => {
            for (element, item) in items {
                let child = field_set(&schema.item(), item).with_member(true);
                set.insert_child(element, child);
            }
        }
    }
    set
}

/// How one value differs from another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Only in the new value; maps and lists count as members too.
    pub added: FieldSet,
    /// In both, with different values.
    pub modified: FieldSet,
    /// Only in the old value.
    pub removed: FieldSet,
    /// Was below something that isn't a map or list any more.
    pub replaced: FieldSet,
}

impl Changes {
    fn put(&mut self, element: &PathElement, child: Self) {
        self.added.insert_child(element.clone(), child.added);
        self.modified.insert_child(element.clone(), child.modified);
        self.removed.insert_child(element.clone(), child.removed);
        self.replaced.insert_child(element.clone(), child.replaced);
    }
}

/// Compares two values. The order of lists whose items have identities doesn't matter.
pub fn compare(schema: &Schema<'_>, old: Option<&Value>, new: Option<&Value>) -> Changes {
    let mut changes = Changes::default();
    match (old, new) {
        (None, None) => {}
        (Some(value), None) => changes.removed = everything(schema, value),
        (None, Some(value)) => changes.added = everything(schema, value),
        (Some(old), Some(new)) if old == new => {}
        (Some(old), Some(new)) => match (parts(schema, old), parts(schema, new)) {
            (Parts::Map(before), Parts::Map(after)) => {
                for name in before.keys().chain(after.keys()) {
                    let (old, new) = (before.get(name), after.get(name));
                    if old != new {
                        let child = compare(&schema.field(name).0, old, new);
                        changes.put(&PathElement::field(name.as_str()), child);
                    }
                }
            }
            (Parts::List(before), Parts::List(after)) => {
                let item = schema.item();
                let before: BTreeMap<_, _> = before.into_iter().collect();
                let after: BTreeMap<_, _> = after.into_iter().collect();
                for element in before.keys().chain(after.keys()) {
                    let (old, new) = (before.get(element), after.get(element));
                    if old != new {
                        changes.put(element, compare(&item, old.copied(), new.copied()));
                    }
                }
            }
            _ => {
                changes.modified = FieldSet::root();
                changes.replaced = everything(schema, old).with_member(false);
                changes.added = everything(schema, new).with_member(false);
            }
        },
    }
    changes
}

/// All fields of a value, maps and lists included.
fn everything(schema: &Schema<'_>, value: &Value) -> FieldSet {
    let mut set = FieldSet::root();
    match parts(schema, value) {
        Parts::Whole => {}
        Parts::Map(fields) => {
            for (name, value) in fields {
                let child = everything(&schema.field(name).0, value);
                set.insert_child(PathElement::field(name.as_str()), child);
            }
        }
        Parts::List(items) => {
            for (element, item) in items {
                set.insert_child(element, everything(&schema.item(), item));
            }
        }
    }
    set
}

/// Puts a configuration over a value: the configuration wins wherever it says something.
pub fn merge(schema: &Schema<'_>, live: &Value, config: &Value) -> Value {
    match (parts(schema, live), parts(schema, config)) {
        (Parts::Map(before), Parts::Map(over)) => {
            let mut merged = before.clone();
            for (name, value) in over {
                let value = match before.get(name) {
                    Some(live) => merge(&schema.field(name).0, live, value),
                    None => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Parts::List(before), Parts::List(over)) => {
            Value::Array(merge_lists(&schema.item(), &before, &over))
        }
        _ => config.clone(),
    }
}

/// The configuration's order holds; what only the live list has stays before what it was before.
fn merge_lists(item: &Schema<'_>, live: &Items<'_>, config: &Items<'_>) -> Vec<Value> {
    let places: BTreeMap<&PathElement, usize> = live
        .iter()
        .enumerate()
        .map(|(place, (element, _))| (element, place))
        .collect();
    let configured: BTreeMap<&PathElement, &Value> = config
        .iter()
        .map(|(element, value)| (element, *value))
        .collect();
    let mut merged = Vec::new();
    let mut next = 0;
    let live_until = |until: usize, next: &mut usize, merged: &mut Vec<Value>| {
        while *next < until {
            let (element, value) = &live[*next];
            if !configured.contains_key(element) {
                merged.push((*value).clone());
            }
            *next += 1;
        }
    };
    for (element, value) in config {
        match places.get(element) {
            Some(&place) => {
                live_until(place, &mut next, &mut merged);
                merged.push(merge(item, live[place].1, value));
            }
            None => merged.push((*value).clone()),
        }
    }
    live_until(live.len(), &mut next, &mut merged);
    merged
}

/// Takes fields away. What is in `keep`, or has something below it that is, stays; so do the keys
/// of items that stay. A map or list that becomes empty goes too. Nothing: nothing is left.
pub fn remove(
    schema: &Schema<'_>,
    value: &Value,
    fields: &FieldSet,
    keep: &FieldSet,
) -> Option<Value> {
    if keep.is_empty() && fields.is_member() {
        return None;
    }
    let nothing = FieldSet::default();
    let keep_below = |element: &PathElement| keep.child(element).unwrap_or(&nothing);
    let left = match parts(schema, value) {
        Parts::Whole => return Some(value.clone()),
        Parts::Map(before) => {
            let mut left = before.clone();
            for (name, value) in before {
                let element = PathElement::field(name.as_str());
                let Some(fields) = fields.child(&element) else {
                    continue;
                };
                match remove(&schema.field(name).0, value, fields, keep_below(&element)) {
                    Some(value) => left.insert(name.clone(), value),
                    None => left.remove(name),
                };
            }
            Value::Object(left)
        }
        Parts::List(before) => {
            let keys = match schema.shape(value) {
                Shape::MapList(keys) => keys,
                _ => Vec::new(),
            };
            let mut left = Vec::new();
            for (element, item) in before {
                let Some(fields) = fields.child(&element) else {
                    left.push(item.clone());
                    continue;
                };
                if let Some(mut rest) = remove(&schema.item(), item, fields, keep_below(&element)) {
                    if let Value::Object(rest) = &mut rest {
                        for key in &keys {
                            if let Some(value) = item.get(key) {
                                rest.insert(key.clone(), value.clone());
                            }
                        }
                    }
                    left.push(rest);
                }
            }
            Value::Array(left)
        }
    };
    let emptied = is_empty(&left) && !is_empty(value);
    (!emptied || keep.is_member()).then_some(left)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({"properties": {"spec": {"properties": {
            "args": {"items": {"type": "string"}},
            "names": {"x-kubernetes-list-type": "set"},
            "ports": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
                      "items": {"properties": {"port": {}, "name": {}}}},
            "limits": {"x-kubernetes-map-type": "atomic"},
            "env": {"additionalProperties": {"type": "string"}},
            "a": {}, "b": {},
        }}}})
    }

    fn set(value: Value) -> FieldSet {
        FieldSet::from_value(&value).unwrap()
    }

    #[test]
    fn sets_of_fields() {
        let schema = schema();
        let schema = Schema::of_object(&schema);
        for (value, expected) in [
            (json!({}), json!({})),
            (json!({"spec": {}}), json!({"f:spec": {}})),
            (
                json!({"spec": {"args": ["a"], "names": ["x"], "limits": {"a": 1}, "env": {"A": "1"}}}),
                json!({"f:spec": {"f:args": {}, "f:names": {"v:\"x\"": {}}, "f:limits": {},
                                  "f:env": {"f:A": {}}}}),
            ),
            (
                json!({"spec": {"ports": [{"port": 80, "name": "a"}]}}),
                json!({"f:spec": {"f:ports": {"k:{\"port\":80}":
                    {".": {}, "f:port": {}, "f:name": {}}}}}),
            ),
            (
                // A list that breaks its rules is one value.
                json!({"spec": {"ports": [{"port": 80}, {"port": 80}]}}),
                json!({"f:spec": {"f:ports": {}}}),
            ),
        ] {
            assert_eq!(field_set(&schema, &value).to_value(), expected, "{value}");
        }
    }

    #[test]
    fn differences() {
        let schema = schema();
        let schema = Schema::of_object(&schema);
        let old = json!({"spec": {"a": 1, "b": 2, "names": ["x", "y"], "ports": [{"port": 80}], "env": {"A": "1"}}});
        let new = json!({"spec": {"a": 1, "b": 3, "names": ["y", "z"], "env": "text",
                                  "ports": [{"port": 81}, {"port": 80, "name": "n"}]}});
        let changes = compare(&schema, Some(&old), Some(&new));
        assert_eq!(
            changes.added.to_value(),
            json!({"f:spec": {"f:names": {"v:\"z\"": {}}, "f:ports": {
                "k:{\"port\":80}": {"f:name": {}}, "k:{\"port\":81}": {".": {}, "f:port": {}}}}})
        );
        assert_eq!(
            changes.modified.to_value(),
            json!({"f:spec": {"f:b": {}, "f:env": {}}})
        );
        assert_eq!(
            changes.removed.to_value(),
            json!({"f:spec": {"f:names": {"v:\"x\"": {}}}})
        );
        assert_eq!(
            changes.replaced.to_value(),
            json!({"f:spec": {"f:env": {"f:A": {}}}})
        );
        assert_eq!(compare(&schema, Some(&old), Some(&old)), Changes::default());
        let created = compare(&schema, None, Some(&json!({"spec": {"env": {"A": "1"}}})));
        assert_eq!(
            created.added.to_value(),
            json!({".": {}, "f:spec": {".": {}, "f:env": {".": {}, "f:A": {}}}})
        );
    }

    #[test]
    fn merged() {
        let schema = schema();
        let schema = Schema::of_object(&schema);
        let live = json!({"spec": {"args": ["a", "b"], "names": ["x", "y"], "limits": {"a": 1},
            "env": {"A": "1"}, "ports": [{"port": 1, "name": "one"}, {"port": 2}, {"port": 3}]}});
        let config = json!({"spec": {"args": ["c"], "names": ["z", "y"], "limits": {"b": 1},
            "env": {"B": "2"}, "ports": [{"port": 4}, {"port": 3}, {"port": 1, "name": "uno"}]}});
        let merged = merge(&schema, &live, &config);
        assert_eq!(
            merged,
            json!({"spec": {"args": ["c"], "names": ["z", "x", "y"], "limits": {"b": 1},
                "env": {"A": "1", "B": "2"},
                "ports": [{"port": 4}, {"port": 2}, {"port": 3}, {"port": 1, "name": "uno"}]}})
        );
        assert_eq!(merge(&schema, &merged, &config), merged);
    }

    #[test]
    fn removed() {
        let schema = schema();
        let schema = Schema::of_object(&schema);
        let value = json!({"spec": {"a": 1, "b": 2, "env": {"A": "1"},
            "ports": [{"port": 1, "name": "one"}, {"port": 2, "name": "two"}]}});
        let fields = set(
            json!({"f:spec": {"f:a": {}, "f:env": {"f:A": {}}, "f:ports": {
            "k:{\"port\":1}": {".": {}, "f:port": {}, "f:name": {}},
            "k:{\"port\":2}": {".": {}, "f:port": {}}}}}),
        );
        let keep = set(json!({"f:spec": {"f:ports": {"k:{\"port\":2}": {"f:name": {}}}}}));
        assert_eq!(
            remove(&schema, &value, &fields, &keep),
            Some(json!({"spec": {"b": 2, "ports": [{"port": 2, "name": "two"}]}}))
        );
        let keep = set(json!({"f:spec": {"f:env": {}}}));
        let left = remove(&schema, &value, &fields, &keep).unwrap();
        assert_eq!(left["spec"]["env"], json!({}));
        let all = field_set(&schema, &value);
        assert_eq!(remove(&schema, &value, &all, &FieldSet::default()), None);
    }
}
