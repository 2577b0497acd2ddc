//! Sets of fields as `managedFields` writes them (FieldsV1), and their algebra.
//!
//! Knows paths and sets. Doesn't know schemas or managers.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// Levels that a written set may have; what is deeper is refused instead of exhausting the stack.
const MAX_DEPTH: usize = 512;

/// One step of a path. Keys and values are kept as compact JSON with sorted keys, so that equal
/// ones are equal texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathElement {
    /// `f:name`: a field of a map.
    Field(String),
    /// `k:{…}`: the item of a list of maps that has these keys.
    Key(String),
    /// `v:…`: the item of a set that is this value.
    Value(String),
    /// `i:1`: the item of a list by position.
    Index(u64),
}

impl PathElement {
    /// A field of a map.
    pub fn field(name: impl Into<String>) -> Self {
        Self::Field(name.into())
    }

    /// An item with these keys.
    pub fn key(keys: &BTreeMap<&str, &Value>) -> Self {
        let parts: Vec<String> = keys
            .iter()
            .map(|(key, value)| format!("{}:{}", Value::from(*key), canonical(value)))
            .collect();
        Self::Key(format!("{{{}}}", parts.join(",")))
    }

    /// An item that is this value.
    pub fn value(value: &Value) -> Self {
        Self::Value(canonical(value))
    }

    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::field(rest)),
            "k" => match serde_json::from_str(rest).ok()? {
                Value::Object(keys) => Some(Self::key(
                    &keys.iter().map(|(k, v)| (k.as_str(), v)).collect(),
                )),
                _ => None,
            },
            "v" => Some(Self::value(&serde_json::from_str(rest).ok()?)),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{keys}"),
            Self::Value(value) => format!("v:{value}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }
}

/// Compact JSON whose objects have sorted keys, whatever order they were read in.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            let parts: Vec<String> = sorted
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => {
            let parts: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", parts.join(","))
        }
        scalar => scalar.to_string(),
    }
}

/// As conflicts show it: `.spec`, `[name="x",port=80]`, `[="a"]`, `[1]`.
impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let keys: BTreeMap<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let parts: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
                write!(f, "[{}]", parts.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// The steps from an object's root to a field.
pub type Path = Vec<PathElement>;

/// A path as conflicts show it: `.spec.ports[port=80].name`.
pub fn display_path(path: &[PathElement]) -> String {
    path.iter().map(ToString::to_string).collect()
}

/// A `fieldsV1` that isn't one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid fieldsV1: {0}")]
pub struct FieldsError(String);

/// A set of paths. The root can be a member too.
///
/// A tree: a node is a member itself, has members below it, or both. There are no nodes that are
/// neither, other than the root of the empty set, so equal sets are equal trees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSet {
    member: bool,
    children: BTreeMap<PathElement, Self>,
}

impl FieldSet {
    /// The set of only the root.
    pub fn root() -> Self {
        Self {
            member: true,
            children: BTreeMap::new(),
        }
    }

    /// The set of these paths.
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a [&'a str]>) -> Self {
        let mut set = Self::default();
        for path in paths {
            let path: Path = path.iter().map(|name| PathElement::field(*name)).collect();
            set.insert(&path);
        }
        set
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        usize::from(self.member) + self.children.values().map(Self::len).sum::<usize>()
    }

    /// Whether the root is a member.
    pub fn is_member(&self) -> bool {
        self.member
    }

    /// What is below a step, if anything; its root is the path of that step.
    pub fn child(&self, element: &PathElement) -> Option<&Self> {
        self.children.get(element)
    }

    /// The first steps of all members other than the root.
    pub fn children(&self) -> impl Iterator<Item = (&PathElement, &Self)> {
        self.children.iter()
    }

    /// Whether exactly this path is a member.
    pub fn contains(&self, path: &[PathElement]) -> bool {
        match path {
            [] => self.member,
            [first, rest @ ..] => self.child(first).is_some_and(|c| c.contains(rest)),
        }
    }

    /// Adds a path.
    pub fn insert(&mut self, path: &[PathElement]) {
        let mut node = self;
        for element in path {
            node = node.children.entry(element.clone()).or_default();
        }
        node.member = true;
    }

    /// Adds what is below a step.
    pub(crate) fn insert_child(&mut self, element: PathElement, child: Self) {
        if !child.is_empty() {
            let merged = match self.children.remove(&element) {
                Some(known) => known.union(&child),
                None => child,
            };
            self.children.insert(element, merged);
        }
    }

    /// The same with the root as a member, or not.
    #[must_use]
    pub(crate) fn with_member(mut self, member: bool) -> Self {
        self.member = member;
        self
    }

    /// All members, parents before children, in order.
    pub fn paths(&self) -> Vec<Path> {
        fn walk(set: &FieldSet, path: &mut Path, found: &mut Vec<Path>) {
            if set.member {
                found.push(path.clone());
            }
            for (element, child) in &set.children {
                path.push(element.clone());
                walk(child, path, found);
                path.pop();
            }
        }
        let mut found = Vec::new();
        walk(self, &mut Vec::new(), &mut found);
        found
    }

    /// Members of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut result = self.clone();
        result.member |= other.member;
        for (element, child) in &other.children {
            let merged = match self.children.get(element) {
                Some(mine) => mine.union(child),
                None => child.clone(),
            };
            result.children.insert(element.clone(), merged);
        }
        result
    }

    /// Members of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a && b, false)
    }

    /// Members of this set that aren't in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a && !b, true)
    }

    fn combine(&self, other: &Self, keep: fn(bool, bool) -> bool, keep_alone: bool) -> Self {
        let mut result = Self {
            member: keep(self.member, other.member),
            children: BTreeMap::new(),
        };
        for (element, mine) in &self.children {
            let child = match other.children.get(element) {
                Some(theirs) => mine.combine(theirs, keep, keep_alone),
                None if keep_alone => mine.clone(),
                None => continue,
            };
            if !child.is_empty() {
                result.children.insert(element.clone(), child);
            }
        }
        result
    }

    /// Members of this set that are neither in the other nor below one of its members.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        if other.member {
            return Self::default();
        }
        let mut result = Self {
            member: self.member,
            children: BTreeMap::new(),
        };
        for (element, mine) in &self.children {
            let child = match other.children.get(element) {
                Some(theirs) => mine.recursive_difference(theirs),
                None => mine.clone(),
            };
            if !child.is_empty() {
                result.children.insert(element.clone(), child);
            }
        }
        result
    }

    /// Reads `fieldsV1`.
    ///
    /// # Errors
    /// It isn't one, or is nested too deeply.
    pub fn from_value(value: &Value) -> Result<Self, FieldsError> {
        Self::read(value, true, MAX_DEPTH)
    }

    fn read(value: &Value, root: bool, levels: usize) -> Result<Self, FieldsError> {
        let Value::Object(fields) = value else {
            return Err(FieldsError(format!("not an object: {value}")));
        };
        let Some(levels) = levels.checked_sub(1) else {
            return Err(FieldsError("nested too deeply".to_owned()));
        };
        let mut set = Self {
            member: !root && fields.is_empty(),
            children: BTreeMap::new(),
        };
        for (key, value) in fields {
            if key == "." {
                set.member = true;
            } else {
                let element = PathElement::parse(key)
                    .ok_or_else(|| FieldsError(format!("unrecognized path element {key:?}")))?;
                set.insert_child(element, Self::read(value, false, levels)?);
            }
        }
        Ok(set)
    }

    /// Writes `fieldsV1`.
    pub fn to_value(&self) -> Value {
        let mut fields = Map::new();
        // A leaf is a member without saying so; it is said of the root, which may be no member.
        if self.member && !self.children.is_empty() {
            fields.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (element, child) in &self.children {
            fields.insert(element.written(), child.to_value());
        }
        Value::Object(fields)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(value: Value) -> FieldSet {
        FieldSet::from_value(&value).unwrap()
    }

    #[test]
    fn written_and_read() {
        for value in [
            json!({}),
            json!({"f:spec": {"f:args": {}}}),
            json!({"f:metadata": {"f:labels": {".": {}, "f:app": {}}}}),
            json!({"f:spec": {"f:ports": {"k:{\"name\":\"a\",\"port\":80}": {".": {}, "f:name": {}}}}}),
            json!({"f:metadata": {"f:finalizers": {"v:\"x.io/a\"": {}, "i:3": {}}}}),
        ] {
            assert_eq!(set(value.clone()).to_value(), value);
        }
        assert_eq!(
            set(json!({"k:{\"b\":1, \"a\":2}": {}})).to_value(),
            json!({"k:{\"a\":2,\"b\":1}": {}})
        );
        for value in [
            json!(1),
            json!({"x": {}}),
            json!({"k:3": {}}),
            json!({"v:{": {}}),
            json!({"i:a": {}}),
            json!({"f:a": 1}),
        ] {
            assert!(FieldSet::from_value(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn displayed() {
        let paths = set(json!({"f:spec": {"f:args": {}, "f:ports": {
            "k:{\"port\":80,\"name\":\"a\"}": {"f:x": {}}, "v:\"q\"": {}, "i:1": {}}}}))
        .paths();
        let texts: Vec<String> = paths.iter().map(|p| display_path(p)).collect();
        assert_eq!(
            texts,
            [
                ".spec.args",
                ".spec.ports[name=\"a\",port=80].x",
                ".spec.ports[=\"q\"]",
                ".spec.ports[1]",
            ]
        );
    }

    #[test]
    fn algebra() {
        let a = set(json!({"f:a": {".": {}, "f:x": {}}, "f:b": {}}));
        let b = set(json!({"f:a": {"f:x": {}, "f:y": {}}}));
        assert_eq!(
            a.union(&b),
            set(json!({"f:a": {".": {}, "f:x": {}, "f:y": {}}, "f:b": {}}))
        );
        assert_eq!(a.intersection(&b), set(json!({"f:a": {"f:x": {}}})));
        assert_eq!(a.difference(&b), set(json!({"f:a": {}, "f:b": {}})));
        assert_eq!(b.difference(&b), FieldSet::default());
        let whole = set(json!({"f:a": {}}));
        assert_eq!(a.recursive_difference(&whole), set(json!({"f:b": {}})));
        assert_eq!(
            a.difference(&whole),
            set(json!({"f:a": {"f:x": {}}, "f:b": {}}))
        );
        assert_eq!(a.len(), 3);
    }
}
