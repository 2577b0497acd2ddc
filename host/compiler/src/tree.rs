//! A TOML document as a tree of values, each with its place.
//!
//! Knows syntax and spans. Doesn't know what any key means.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use aspire_model::diagnostic::Diagnostic;
use aspire_model::provenance::Span;
use serde_json::Value as Json;
use toml_edit::{Item, Value as TomlValue};

use crate::document::Source;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    String(String),
    /// Whole number.
    Integer(i64),
    /// Number.
    Float(f64),
    /// Yes or no.
    Boolean(bool),
    /// A date or time, as written.
    Datetime(String),
    /// List.
    Array(Vec<Node>),
    /// Keys in the order of the file.
    Table(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub span: Span,
    /// The value.
    pub node: Node,
}

impl Node {
    /// An empty table at a place.
    pub fn empty_table(span: Span) -> Self {
        Self {
            value: Value::Table(Vec::new()),
            span,
        }
    }

    /// What it is, for messages.
    pub fn type_name(&self) -> &'static str {
        match self.value {
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
        }
    }

    /// Entries of a table.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// A value of a table.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
    }

    /// As JSON; dates become text.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::String(text) | Value::Datetime(text) => Json::from(text.as_str()),
            Value::Integer(number) => Json::from(*number),
            Value::Float(number) => Json::from(*number),
            Value::Boolean(flag) => Json::from(*flag),
            Value::Array(items) => items.iter().map(Self::to_json).collect(),
            Value::Table(entries) => Json::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.node.to_json()))
                    .collect(),
            ),
        }
    }

    /// The place of every value below, by RFC 6901 pointer.
    pub fn pointers(&self) -> BTreeMap<String, Span> {
        fn walk(node: &Node, at: &str, all: &mut BTreeMap<String, Span>) {
            all.insert(at.to_owned(), node.span.clone());
            match &node.value {
                Value::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        walk(item, &format!("{at}/{index}"), all);
                    }
                }
                Value::Table(entries) => {
                    for entry in entries {
                        let key = entry.key.replace('~', "~0").replace('/', "~1");
                        walk(&entry.node, &format!("{at}/{key}"), all);
                    }
                }
                _ => {}
            }
        }
        let mut all = BTreeMap::new();
        walk(self, "", &mut all);
        all
    }
}

/// Reads a text.
///
/// # Errors
/// The first violation of TOML's syntax, which includes a key given twice.
pub fn read(source: &Source) -> Result<Node, Box<Diagnostic>> {
    let lines = Lines::new(source);
    let document = toml_edit::Document::parse(source.text.as_ref()).map_err(|error| {
        let message = error
            .message()
            .lines()
            .next()
            .unwrap_or("cannot be read")
            .to_owned();
        let duplicate = message.contains("duplicate");
        Box::new(
            Diagnostic::error(
                if duplicate {
                    "duplicate-name"
                } else {
                    "syntax"
                },
                if duplicate {
                    "this name is used twice".to_owned()
                } else {
                    message
                },
            )
            .at(error.span().map(|range| lines.span(range)))
            .help(if duplicate {
                "rename or remove one of them"
            } else {
                "see docs/aspire-toml.md for the syntax"
            }),
        )
    })?;
    Ok(table(
        document.as_table().iter(),
        document.as_table(),
        lines.span(0..0),
        &lines,
    ))
}

struct Lines<'a> {
    source: &'a Source,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(source: &'a Source) -> Self {
        let starts = std::iter::once(0)
            .chain(source.text.match_indices('\n').map(|(index, _)| index + 1))
            .collect();
        Self { source, starts }
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span {
            file: Arc::clone(&self.source.file),
            line: self.starts.partition_point(|start| *start <= range.start),
            start: range.start,
            end: range.end,
        }
    }
}

fn table<'a>(
    items: impl Iterator<Item = (&'a str, &'a Item)>,
    keys: &'a dyn toml_edit::TableLike,
    span: Span,
    lines: &Lines<'_>,
) -> Node {
    let entries = items
        .map(|(key, item)| {
            let key_span = keys
                .key(key)
                .and_then(toml_edit::Key::span)
                .map_or_else(|| span.clone(), |range| lines.span(range));
            let node = item_node(item, &key_span, lines);
            Entry {
                key: key.to_owned(),
                span: key_span,
                node,
            }
        })
        .collect();
    Node {
        value: Value::Table(entries),
        span,
    }
}

fn item_node(item: &Item, key_span: &Span, lines: &Lines<'_>) -> Node {
    let span = item
        .span()
        .map_or_else(|| key_span.clone(), |range| lines.span(range));
    match item {
        Item::None => Node::empty_table(span),
        Item::Value(value) => value_node(value, span, lines),
        // A table's own span is its header; the key is the better place to point at.
        Item::Table(inner) => table(inner.iter(), inner, key_span.clone(), lines),
        Item::ArrayOfTables(tables) => {
            let items = tables
                .iter()
                .map(|inner| {
                    let span = inner
                        .span()
                        .map_or_else(|| key_span.clone(), |r| lines.span(r));
                    table(inner.iter(), inner, span, lines)
                })
                .collect();
            Node {
                value: Value::Array(items),
                span,
            }
        }
    }
}

fn value_node(value: &TomlValue, span: Span, lines: &Lines<'_>) -> Node {
    let value = match value {
        TomlValue::String(text) => Value::String(text.value().clone()),
        TomlValue::Integer(number) => Value::Integer(*number.value()),
        TomlValue::Float(number) => Value::Float(*number.value()),
        TomlValue::Boolean(flag) => Value::Boolean(*flag.value()),
        TomlValue::Datetime(date) => Value::Datetime(date.value().to_string()),
        TomlValue::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| {
                    let inner = item.span().map_or_else(|| span.clone(), |r| lines.span(r));
                    value_node(item, inner, lines)
                })
                .collect(),
        ),
        TomlValue::InlineTable(inner) => {
            let entries = inner
                .iter()
                .map(|(key, item)| {
                    let key_span = inner
                        .key(key)
                        .and_then(toml_edit::Key::span)
                        .map_or_else(|| span.clone(), |range| lines.span(range));
                    let item_span = item
                        .span()
                        .map_or_else(|| key_span.clone(), |r| lines.span(r));
                    Entry {
                        key: key.to_owned(),
                        span: key_span,
                        node: value_node(item, item_span, lines),
                    }
                })
                .collect();
            Value::Table(entries)
        }
    };
    Node { value, span }
}
