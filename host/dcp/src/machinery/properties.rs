//! Laws that hold for whatever is put in.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::apply::{ApplyError, Writer, apply, track_update};
use super::fields_v1::{FieldSet, PathElement};
use super::managed_fields::ManagedFields;
use super::merge::{compare, field_set, merge, remove};
use super::patch::{json_patch, merge_patch};
use super::schema::Schema;
use super::selector::{FieldSelector, LabelRequirement, LabelSelector};

// Selectors

fn label_requirement() -> impl Strategy<Value = LabelRequirement> {
    let key = "([a-z]{1,3}\\.io/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,5}[A-Za-z0-9])?";
    let value = "([A-Za-z0-9]([A-Za-z0-9._-]{0,5}[A-Za-z0-9])?)?";
    let values = || proptest::collection::btree_set(value, 1..4);
    prop_oneof![
        (key, value).prop_map(|(k, v)| LabelRequirement::Equals(k, v)),
        (key, value).prop_map(|(k, v)| LabelRequirement::NotEquals(k, v)),
        (key, values()).prop_map(|(k, v)| LabelRequirement::In(k, v)),
        (key, values()).prop_map(|(k, v)| LabelRequirement::NotIn(k, v)),
        key.prop_map(LabelRequirement::Exists),
        key.prop_map(LabelRequirement::NotExists),
    ]
}

proptest! {
    #[test]
    fn label_selectors_are_read_back(requirements in vec(label_requirement(), 0..5)) {
        let selector = LabelSelector { requirements };
        let read: LabelSelector = selector.to_string().parse().unwrap();
        prop_assert_eq!(read, selector);
    }

    #[test]
    fn opposite_requirements(
        labels in btree_map("[ab]", "[xy]?", 0..3),
        key in "[ab]",
        values in proptest::collection::btree_set("[xy]?", 1..3),
    ) {
        let is_in = LabelRequirement::In(key.clone(), values.clone()).matches(&labels);
        prop_assert_ne!(is_in, LabelRequirement::NotIn(key, values).matches(&labels));
    }

    #[test]
    fn selectors_take_any_text(text in "\\PC{0,40}", like in "[a-c!=<>() ,./\\\\intoN]{0,30}") {
        for text in [text, like] {
            if let Ok(selector) = text.parse::<LabelSelector>() {
                prop_assert_eq!(&selector.to_string().parse::<LabelSelector>().unwrap(), &selector);
                selector.matches(&BTreeMap::new());
            }
            if let Ok(selector) = FieldSelector::parse(&text, &["a", "b.c", "i"]) {
                let read = FieldSelector::parse(&selector.to_string(), &["a", "b.c", "i"]);
                prop_assert_eq!(read.unwrap(), selector);
            }
        }
    }
}

// Sets of fields

fn element() -> impl Strategy<Value = PathElement> {
    prop_oneof![
        "[ab]".prop_map(PathElement::Field),
        (0..2i32).prop_map(|n| PathElement::value(&json!(n))),
        (0..2i32).prop_map(|n| PathElement::key(&[("k", &json!(n))].into_iter().collect())),
        (0..2u64).prop_map(PathElement::Index),
    ]
}

fn fields() -> impl Strategy<Value = FieldSet> {
    vec(vec(element(), 1..4), 0..8).prop_map(|paths| {
        let mut set = FieldSet::default();
        for path in paths {
            set.insert(&path);
        }
        set
    })
}

fn members(set: &FieldSet) -> BTreeSet<Vec<PathElement>> {
    set.paths().into_iter().collect()
}

proptest! {
    #[test]
    fn algebra_of_sets(a in fields(), b in fields(), c in fields()) {
        let (x, y) = (members(&a), members(&b));
        prop_assert_eq!(members(&a.union(&b)), x.union(&y).cloned().collect());
        prop_assert_eq!(members(&a.intersection(&b)), x.intersection(&y).cloned().collect());
        prop_assert_eq!(members(&a.difference(&b)), x.difference(&y).cloned().collect());
        // Equal sets are equal trees, however they came about.
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.intersection(&b).union(&a.difference(&b)), a.clone());
        prop_assert_eq!(a.difference(&b.union(&c)), a.difference(&b).intersection(&a.difference(&c)));
        prop_assert!(a.difference(&a).is_empty());
        prop_assert_eq!(a.len(), x.len());
        let below: BTreeSet<_> = x.iter()
            .filter(|path| !(0..=path.len()).any(|n| b.contains(&path[..n])))
            .cloned().collect();
        prop_assert_eq!(members(&a.recursive_difference(&b)), below);
        prop_assert_eq!(FieldSet::from_value(&a.to_value()).unwrap(), a);
    }
}

// Patches

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3i32).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[abc]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn json_object() -> impl Strategy<Value = Value> {
    btree_map("[abc]", json(), 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// The algorithm of RFC 7386, word by word.
fn rfc_7386(target: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut result = match target {
        Value::Object(target) => target.clone(),
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            result.remove(name);
        } else {
            let merged = rfc_7386(result.get(name).unwrap_or(&Value::Null), value);
            result.insert(name.clone(), merged);
        }
    }
    Value::Object(result)
}

fn operation() -> impl Strategy<Value = Value> {
    let path = || "(/[abc]|/0|/1|/-|/~1|/~){0,4}";
    let name = prop_oneof!["(add|remove|replace|move|copy|test)", "[a-z]{0,3}"];
    (name, path(), path(), json()).prop_map(
        |(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}),
    )
}

proptest! {
    #[test]
    fn merge_patches(object in json_object(), patch in json_object()) {
        let body = patch.to_string();
        let once = merge_patch(&object, body.as_bytes()).unwrap();
        prop_assert_eq!(&once, &rfc_7386(&object, &patch));
        prop_assert_eq!(&merge_patch(&once, body.as_bytes()).unwrap(), &once);
        prop_assert_eq!(merge_patch(&object, b"{}").unwrap(), object);
    }

    #[test]
    fn patches_never_panic(object in json(), operations in vec(operation(), 0..6), bytes in vec(any::<u8>(), 0..40)) {
        let _ = json_patch(&object, Value::Array(operations).to_string().as_bytes());
        let _ = json_patch(&object, &bytes);
        let _ = merge_patch(&object, &bytes);
    }

    #[test]
    fn a_test_of_what_is_there(object in json_object()) {
        let patch = json!([{"op": "test", "path": "", "value": object}]).to_string();
        prop_assert_eq!(json_patch(&object, patch.as_bytes()).unwrap(), object);
    }
}

// Ownership

fn schema() -> Value {
    json!({"properties": {"spec": {"properties": {
        "a": {}, "b": {}, "free": {},
        "args": {"items": {}},
        "names": {"x-kubernetes-list-type": "set"},
        "ports": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
                  "items": {"properties": {"port": {}, "name": {}, "tags": {"x-kubernetes-list-type": "set"}}}},
        "limits": {"x-kubernetes-map-type": "atomic"},
        "env": {"additionalProperties": {}},
        "deep": {"properties": {"x": {"properties": {"y": {}, "z": {}}}}},
    }}}})
}

fn set_list() -> impl Strategy<Value = Value> {
    proptest::collection::btree_set(0..3i32, 0..3)
        .prop_map(|set| set.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
        .prop_map(Value::from)
}

fn ports(most: i32) -> impl Strategy<Value = Value> {
    let port = (option::of(0..2i32), option::of(set_list()));
    btree_map(0..most, port, 0..3)
        .prop_map(|ports| {
            let ports = ports.into_iter().map(|(port, (name, tags))| {
                let mut item = json!({"port": port});
                for (key, value) in [("name", name.map(Value::from)), ("tags", tags)] {
                    if let Some(value) = value {
                        item[key] = value;
                    }
                }
                item
            });
            ports.collect::<Vec<Value>>()
        })
        .prop_shuffle()
        .prop_map(Value::from)
}

fn present(pairs: Vec<(&str, Option<Value>)>) -> Value {
    let pairs = pairs
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(pairs.collect())
}

fn spec() -> impl Strategy<Value = Value> {
    let small = || option::of((0..2i32).prop_map(Value::from));
    let map = || {
        option::of(
            btree_map("[ab]", (0..2i32).prop_map(Value::from), 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        )
    };
    let args = option::of(vec(0..2i32, 0..3).prop_map(Value::from));
    let deep =
        (small(), small()).prop_map(|(y, z)| json!({"x": present(vec![("y", y), ("z", z)])}));
    (
        (small(), small(), option::of(json()), args),
        (
            option::of(set_list()),
            option::of(ports(3)),
            map(),
            map(),
            option::of(deep),
        ),
    )
        .prop_map(|((a, b, free, args), (names, ports, limits, env, deep))| {
            present(vec![
                ("a", a),
                ("b", b),
                ("free", free),
                ("args", args),
                ("names", names),
                ("ports", ports),
                ("limits", limits),
                ("env", env),
                ("deep", deep),
            ])
        })
}

/// A configuration; without a spec, sometimes.
fn config() -> impl Strategy<Value = Value> {
    let labels = option::of(btree_map("[ab]", "[xy]", 0..2));
    (option::weighted(0.9, spec()), labels).prop_map(|(spec, labels)| {
        let mut config = json!({"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "n"}});
        if let Some(spec) = spec {
            config["spec"] = spec;
        }
        if let Some(labels) = labels {
            config["metadata"]["labels"] = json!(labels);
        }
        config
    })
}

#[derive(Debug, Clone)]
enum Write {
    Apply {
        force: bool,
        config: Value,
    },
    /// Replaces the object, or only what the configuration says, or breaks the rules of a list.
    Update {
        whole: bool,
        config: Value,
        broken: bool,
    },
}

fn write() -> impl Strategy<Value = (usize, Write)> {
    let write = prop_oneof![
        3 => (any::<bool>(), config()).prop_map(|(force, config)| Write::Apply { force, config }),
        2 => (any::<bool>(), config(), proptest::bool::weighted(0.2))
            .prop_map(|(whole, config, broken)| Write::Update { whole, config, broken }),
    ];
    (0..3usize, write)
}

fn without_owners(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

fn owned(object: &Value, mine: impl Fn(&str) -> bool) -> FieldSet {
    let owners = ManagedFields::of_object(object).unwrap();
    let owners = owners.entries.iter().filter(|entry| mine(&entry.manager));
    owners.fold(FieldSet::default(), |set, entry| set.union(&entry.fields))
}

fn all_changes(schema: &Schema<'_>, before: &Value, after: &Value) -> FieldSet {
    let changes = compare(
        schema,
        Some(&without_owners(before)),
        Some(&without_owners(after)),
    );
    changes
        .added
        .union(&changes.modified)
        .union(&changes.removed)
        .union(&changes.replaced)
}

fn check_owners(schema: &Schema<'_>, object: &Value) -> Result<(), TestCaseError> {
    let there = compare(schema, None, Some(&without_owners(object))).added;
    let owners = ManagedFields::of_object(object).unwrap();
    for entry in &owners.entries {
        let missing = entry.fields.difference(&there);
        prop_assert!(
            missing.is_empty(),
            "{} owns {}",
            entry.manager,
            missing.to_value()
        );
        prop_assert!(!entry.fields.is_empty());
    }
    let mut again = object.clone();
    owners.write(&mut again);
    prop_assert_eq!(&again, object);
    Ok(())
}

proptest! {
    #[test]
    fn three_managers(writes in vec(write(), 1..8), known in any::<bool>()) {
        let schema = schema();
        let schema = if known { Schema::of_object(&schema) } else { Schema::unknown() };
        let mut live: Option<Value> = None;
        for (step, (who, write)) in writes.into_iter().enumerate() {
            let (now, later) = (format!("t{step}"), format!("t{step}+"));
            let manager = ["ann", "bob", "cat"][who];
            let by = |now| Writer { manager, api_version: "g/v1", subresource: "", now };
            let before = live.clone().unwrap_or_else(|| json!({"metadata": {}}));
            match write {
                Write::Apply { force, config } => {
                    let after = match apply(&schema, live.as_ref(), &config, &by(&now), force) {
                        Ok(after) => after,
                        Err(ApplyError::Conflicts(conflicts)) => {
                            prop_assert!(!force);
                            // Every conflict is about a field of somebody else.
                            let entries = ManagedFields::of_object(&before).unwrap().entries;
                            for conflict in conflicts {
                                let is_owned = entries.iter().any(|entry| {
                                    entry.describe() == conflict.owner
                                        && entry.fields.contains(&conflict.path)
                                });
                                prop_assert!(is_owned);
                            }
                            continue;
                        }
                        Err(other) => return Err(TestCaseError::fail(other.to_string())),
                    };
                    let again = apply(&schema, Some(&after), &config, &by(&later), false);
                    prop_assert_eq!(again.as_ref(), Ok(&after), "not even the time");
                    if !force {
                        let changed = all_changes(&schema, &before, &after);
                        let entries = ManagedFields::of_object(&before).unwrap().entries;
                        for entry in entries {
                            let is_mine = entry.manager == manager && entry.describe() == format!("{manager:?}");
                            let touched = changed.intersection(&entry.fields);
                            prop_assert!(is_mine || touched.is_empty(),
                                "{manager} changed {} of {}", touched.to_value(), entry.describe());
                        }
                    }
                    let mut wanted = field_set(&schema, &config);
                    for path in [&["apiVersion"][..], &["kind"], &["metadata"], &["metadata", "name"]] {
                        wanted = wanted.difference(&FieldSet::of([path]));
                    }
                    let nulls_say_nothing = config.to_string().contains("null");
                    let missing = wanted.difference(&owned(&after, |m| m == manager));
                    prop_assert!(nulls_say_nothing || missing.is_empty(), "{}", missing.to_value());
                    let applied = without_owners(&after);
                    prop_assert!(nulls_say_nothing || merge(&schema, &applied, &config) == applied);
                    live = Some(after);
                }
                Write::Update { whole, config, broken } => {
                    let mut new = if whole {
                        config
                    } else {
                        merge(&schema, &without_owners(&before), &config)
                    };
                    if broken && new["spec"].is_object() {
                        new["spec"]["ports"] = json!([{"port": 1}, {"port": 1}]);
                    }
                    let after = track_update(&schema, live.as_ref(), &new, &by(&now));
                    prop_assert_eq!(without_owners(&after), new);
                    let base = live.as_ref().map(without_owners);
                    let changes = compare(&schema, base.as_ref(), Some(&without_owners(&after)));
                    let mut taken = changes.added.union(&changes.modified);
                    for path in [&[][..], &["apiVersion"], &["kind"], &["metadata"], &["metadata", "name"]] {
                        taken = taken.difference(&FieldSet::of([path]));
                    }
                    prop_assert!(taken.difference(&owned(&after, |m| m == manager)).is_empty());
                    prop_assert!(taken.intersection(&owned(&after, |m| m != manager)).is_empty());
                    let again = track_update(&schema, Some(&after), &after, &by(&later));
                    prop_assert_eq!(&again, &after);
                    live = Some(after);
                }
            }
            if let Some(object) = &live {
                check_owners(&schema, object)?;
            }
        }
    }

    #[test]
    fn comparing_and_merging(a in spec(), b in spec(), known in any::<bool>()) {
        let schema = schema();
        let schema = if known { Schema::of_object(&schema) } else { Schema::unknown() };
        let (a, b) = (json!({"spec": a}), json!({"spec": b}));
        let merged = merge(&schema, &a, &b);
        prop_assert_eq!(&merge(&schema, &merged, &b), &merged);
        // The configuration is all there, and nothing else has changed.
        let changes = compare(&schema, Some(&a), Some(&merged));
        let said = compare(&schema, None, Some(&b)).added;
        prop_assert!(changes.added.union(&changes.modified).difference(&said).is_empty());
        prop_assert!(changes.removed.is_empty());
        prop_assert!(field_set(&schema, &b).difference(&compare(&schema, None, Some(&merged)).added).is_empty());
        // Taking away all of it leaves nothing; taking away nothing leaves all of it.
        let nothing = FieldSet::default();
        prop_assert_eq!(remove(&schema, &a, &nothing, &nothing), Some(a.clone()));
        let all = compare(&schema, None, Some(&a)).added;
        prop_assert_eq!(remove(&schema, &a, &all, &nothing), None);
        prop_assert_eq!(remove(&schema, &a, &all, &all), Some(a));
    }

    #[test]
    fn any_json_can_be_applied_or_refused(live in json_object(), config in json(), force in any::<bool>()) {
        let schema = schema();
        let writer = Writer { manager: "m", api_version: "g/v1", subresource: "", now: "t" };
        for schema in [Schema::of_object(&schema), Schema::unknown()] {
            let _ = apply(&schema, Some(&live), &config, &writer, force);
            let _ = track_update(&schema, Some(&live), &config, &writer);
        }
    }
}
