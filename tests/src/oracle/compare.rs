//! Where two answers differ, and whether that is listed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::script;

/// One place where answers differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The topic.
    pub topic: String,
    /// The request.
    pub request: String,
    /// JSON pointer into the answer; objects of arrays go by their name where they have one.
    pub path: String,
    /// What the real server says; none: nothing.
    pub real: Option<Value>,
    /// What ours says.
    pub ours: Option<Value>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let show = |value: &Option<Value>| {
            value.as_ref().map_or_else(
                || "-".to_owned(),
                |value| {
                    let text = value.to_string();
                    match text.char_indices().nth(600) {
                        Some((end, _)) => format!("{} …", &text[..end]),
                        None => text,
                    }
                },
            )
        };
        write!(
            f,
            "{} / {} / {}\n    real: {}\n    ours: {}",
            self.topic,
            self.request,
            self.path,
            show(&self.real),
            show(&self.ours)
        )
    }
}

/// A difference that is meant. `*` stands for any topic, request or segment of the path; what lies
/// below the path is included.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Topic.
    pub topic: String,
    /// Request.
    pub request: String,
    /// JSON pointer.
    pub path: String,
    /// Why.
    pub reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    #[serde(default)]
    difference: Vec<Listed>,
}

/// The list of the repository.
///
/// # Panics
/// It cannot be read, or an entry has no reason.
pub fn listed() -> Vec<Listed> {
    let text = std::fs::read_to_string(script::place("differences.toml")).expect("the list");
    let listing: Listing = toml_edit::de::from_str(&text).expect("differences.toml");
    for entry in &listing.difference {
        assert!(entry.reason.len() > 10, "no reason: {entry:?}");
    }
    listing.difference
}

impl Listed {
    /// Whether this is what was meant.
    pub fn covers(&self, found: &Difference) -> bool {
        let same = |ours: &str, theirs: &str| ours == "*" || ours == theirs;
        let mut segments = found.path.split('/');
        same(&self.topic, &found.topic)
            && same(&self.request, &found.request)
            && self
                .path
                .split('/')
                .all(|wanted| segments.next().is_some_and(|got| same(wanted, got)))
    }
}

/// Everything that differs between the answers of a topic.
pub fn topic(
    topic: &str,
    real: &serde_json::Map<String, Value>,
    ours: &serde_json::Map<String, Value>,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut counted = Counted::default();
    let names: std::collections::BTreeSet<&String> = real.keys().chain(ours.keys()).collect();
    for name in names {
        let mut here = Vec::new();
        let (real, ours) = (real.get(name), ours.get(name));
        walk(String::new(), real, ours, &mut counted, &mut here);
        found.extend(here.into_iter().map(|(path, real, ours)| Difference {
            topic: topic.to_owned(),
            request: name.clone(),
            path,
            real,
            ours,
        }));
    }
    found
}

type Found = Vec<(String, Option<Value>, Option<Value>)>;

/// Which counted names (`<uid:3>`, `<rv:7>`) stand for each other. Where ours refuses what the
/// real server stores, everything after it is counted differently: what has to be the same is
/// which names are the same.
#[derive(Debug, Default)]
struct Counted {
    ours_of: BTreeMap<String, String>,
    real_of: BTreeMap<String, String>,
}

impl Counted {
    /// Whether two texts are the same but for the counting.
    fn same(&mut self, real: &str, ours: &str) -> bool {
        let (real, ours) = (tokens(real), tokens(ours));
        real.len() == ours.len()
            && real.iter().zip(&ours).all(|(a, b)| {
                let counted = a.split_once(':').zip(b.split_once(':'));
                match counted.filter(|_| a.starts_with('<') && b.starts_with('<')) {
                    Some(((kind, _), (other, _))) if kind == other => self.stands_for(a, b),
                    _ => a == b,
                }
            })
    }

    fn stands_for(&mut self, real: &str, ours: &str) -> bool {
        match (self.ours_of.get(real), self.real_of.get(ours)) {
            (None, None) => {
                self.ours_of.insert(real.to_owned(), ours.to_owned());
                self.real_of.insert(ours.to_owned(), real.to_owned());
                true
            }
            (Some(known), _) => known == ours,
            (None, Some(_)) => false,
        }
    }
}

/// The counted names of a text, and what is between them.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['<']) {
        let (before, name) = rest.split_at(start);
        found.push(before);
        let end = name.find('>').map_or(name.len(), |end| end + 1);
        found.push(&name[..end]);
        rest = &name[end..];
    }
    found.push(rest);
    found
}

fn walk(
    path: String,
    real: Option<&Value>,
    ours: Option<&Value>,
    counted: &mut Counted,
    found: &mut Found,
) {
    if let (Some(Value::String(real)), Some(Value::String(ours))) = (real, ours)
        && counted.same(real, ours)
    {
        return;
    }
    let parts = real.zip(ours).and_then(|(a, b)| parts(a).zip(parts(b)));
    let Some((real_parts, our_parts)) = parts else {
        if real == ours {
            return;
        }
        found.push((path, real.cloned(), ours.cloned()));
        return;
    };
    let keys: std::collections::BTreeSet<&String> =
        real_parts.keys().chain(our_parts.keys()).collect();
    let before = found.len();
    for key in keys {
        let escaped = key.replace('~', "~0").replace('/', "~1");
        walk(
            format!("{path}/{escaped}"),
            real_parts.get(key).copied(),
            our_parts.get(key).copied(),
            counted,
            found,
        );
    }
    if found.len() == before && real.map(order) != ours.map(order) {
        found.push((format!("{path}/order"), real.cloned(), ours.cloned()));
    }
}

/// The names of items in their order.
fn order(value: &Value) -> Vec<&str> {
    let items = value.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.get("name")?.as_str())
        .collect()
}

/// Fields, or items by name or place.
fn parts(value: &Value) -> Option<BTreeMap<String, &Value>> {
    match value {
        Value::Object(fields) => Some(fields.iter().map(|(k, v)| (k.clone(), v)).collect()),
        Value::Array(items) => {
            let named: BTreeMap<String, &Value> = items
                .iter()
                .filter_map(|item| Some((item.get("name")?.as_str()?.to_owned(), item)))
                .collect();
            if named.len() == items.len() {
                return Some(named);
            }
            let numbered = items.iter().enumerate();
            Some(numbered.map(|(n, item)| (n.to_string(), item)).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answers(value: Value) -> serde_json::Map<String, Value> {
        serde_json::Map::from_iter([("get".to_owned(), value)])
    }

    #[test]
    fn the_smallest_part_is_named() {
        let real = answers(json!({"status": 200, "body": {"items": [{"name": "a/b", "x": 1}]}}));
        let ours = answers(json!({"status": 200, "body": {"items": [{"name": "a/b", "x": 2}]}}));
        let found = topic("list", &real, &ours);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "/body/items/a~1b/x");
        let listed = |path: &str| Listed {
            topic: "*".to_owned(),
            request: "get".to_owned(),
            path: path.to_owned(),
            reason: String::new(),
        };
        assert!(listed("/body/items/*/x").covers(&found[0]));
        assert!(listed("/body").covers(&found[0]));
        assert!(!listed("/body/items/*/y").covers(&found[0]));
        assert!(topic("list", &real, &real).is_empty());
    }

    #[test]
    fn what_is_counted_may_be_counted_differently() {
        let real = answers(json!({"a": "<uid:2>", "b": "<rv:2>", "c": "of <uid:2>"}));
        let ours = answers(json!({"a": "<uid:1>", "b": "<rv:5>", "c": "of <uid:1>"}));
        assert!(topic("t", &real, &ours).is_empty());
        let other = answers(json!({"a": "<uid:1>", "b": "<rv:5>", "c": "of <uid:3>"}));
        assert_eq!(topic("t", &real, &other)[0].path, "/c");
        let merged = answers(json!({"a": "<uid:1>", "b": "<uid:1>", "c": "of <uid:1>"}));
        assert_eq!(topic("t", &real, &merged)[0].path, "/b");
    }

    #[test]
    fn order_alone_is_a_difference() {
        let real = answers(json!({"body": [{"name": "a"}, {"name": "b"}]}));
        let ours = answers(json!({"body": [{"name": "b"}, {"name": "a"}]}));
        assert_eq!(topic("t", &real, &ours)[0].path, "/body/order");
    }
}
