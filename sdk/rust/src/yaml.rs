//! YAML for publishers: deterministic, and safe for every reader.
//!
//! The order of keys is the caller's. Whatever some reader of YAML 1.1 or 1.2 could take for
//! something other than the text that it is (`no`, `1e3`, `12:30`, `a: b`, `#`) is quoted; text of
//! several lines becomes a literal block where that can express it. Doesn't know any target.

#[cfg(test)]
mod tests;

use std::fmt;

/// A YAML value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Yaml {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text, quoted where that is needed.
    Str(String),
    /// A sequence.
    List(Vec<Self>),
    /// A mapping, in this order.
    Map(Vec<(String, Self)>),
}

impl Yaml {
    /// An empty mapping, to be filled with [`Yaml::set`].
    pub fn map() -> Self {
        Self::Map(Vec::new())
    }

    /// A sequence.
    pub fn list<Y: Into<Self>>(items: impl IntoIterator<Item = Y>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }

    /// Adds a key to a mapping, or replaces its value in place. On anything else it does nothing.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<Self>) -> &mut Self {
        if let Self::Map(entries) = self {
            let (key, value) = (key.into(), value.into());
            match entries.iter_mut().find(|(existing, _)| *existing == key) {
                Some(entry) => entry.1 = value,
                None => entries.push((key, value)),
            }
        }
        self
    }

    /// The same, by value.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Self>) -> Self {
        self.set(key, value);
        self
    }

    /// The same, only if there is something to say: null, `""`, `[]` and `{}` are left out.
    #[must_use]
    pub fn with_some(self, key: impl Into<String>, value: impl Into<Self>) -> Self {
        let value = value.into();
        if value.is_empty() {
            self
        } else {
            self.with(key, value)
        }
    }

    /// Null, or nothing in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Str(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
            Self::Bool(_) | Self::Int(_) => false,
        }
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find_map(|(existing, value)| (existing == key).then_some(value)),
            _ => None,
        }
    }
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<bool> for Yaml {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Yaml {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u16> for Yaml {
    fn from(value: u16) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for Yaml {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<Vec<Self>> for Yaml {
    fn from(items: Vec<Self>) -> Self {
        Self::List(items)
    }
}

impl<Y: Into<Self>> From<Option<Y>> for Yaml {
    fn from(value: Option<Y>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// From JSON; numbers with a fraction become text.
impl From<&serde_json::Value> for Yaml {
    fn from(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(number) => Self::Int(number),
                None => Self::Str(number.to_string()),
            },
            serde_json::Value::String(text) => Self::Str(text.clone()),
            serde_json::Value::Array(items) => Self::list(items),
            serde_json::Value::Object(map) => Self::Map(
                map.iter()
                    .map(|(key, value)| (key.clone(), value.into()))
                    .collect(),
            ),
        }
    }
}

/// The whole document, ending with a newline.
impl fmt::Display for Yaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Put together as a text first: a formatter takes longer for every piece of it.
        let mut out = String::new();
        match self {
            Self::List(items) if !items.is_empty() => list(&mut out, items, 0),
            Self::Map(entries) if !entries.is_empty() => map(&mut out, entries, 0, false),
            other => {
                scalar(&mut out, other, 0);
                out.push('\n');
            }
        }
        f.write_str(&out)
    }
}

fn indent(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// `inline`: the first entry stands behind the dash of a list.
fn map(out: &mut String, entries: &[(String, Yaml)], depth: usize, inline: bool) {
    for (index, (key, value)) in entries.iter().enumerate() {
        if index > 0 || !inline {
            indent(out, depth);
        }
        if is_plain(key) {
            out.push_str(key);
        } else {
            quoted(out, key);
        }
        out.push(':');
        match value {
            Yaml::Map(inner) if !inner.is_empty() => {
                out.push('\n');
                map(out, inner, depth + 1, false);
            }
            Yaml::List(inner) if !inner.is_empty() => {
                out.push('\n');
                list(out, inner, depth + 1);
            }
            other => {
                out.push(' ');
                scalar(out, other, depth + 1);
                out.push('\n');
            }
        }
    }
}

fn list(out: &mut String, items: &[Yaml], depth: usize) {
    for item in items {
        indent(out, depth);
        match item {
            Yaml::Map(inner) if !inner.is_empty() => {
                out.push_str("- ");
                map(out, inner, depth + 1, true);
            }
            Yaml::List(inner) if !inner.is_empty() => {
                out.push_str("-\n");
                list(out, inner, depth + 1);
            }
            other => {
                out.push_str("- ");
                scalar(out, other, depth + 1);
                out.push('\n');
            }
        }
    }
}

/// Everything that fits behind a key; `depth` is that of a literal block's lines.
fn scalar(out: &mut String, value: &Yaml, depth: usize) {
    match value {
        Yaml::Null => out.push_str("null"),
        Yaml::Bool(value) => out.push_str(&value.to_string()),
        Yaml::Int(value) => out.push_str(&value.to_string()),
        Yaml::List(_) => out.push_str("[]"),
        Yaml::Map(_) => out.push_str("{}"),
        Yaml::Str(text) if is_plain(text) => out.push_str(text),
        Yaml::Str(text) if is_block(text) => block(out, text, depth.max(1)),
        Yaml::Str(text) => quoted(out, text),
    }
}

/// Whether nobody can take it for anything but this text.
fn is_plain(text: &str) -> bool {
    const SPECIAL: [&str; 12] = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "inf", "nan",
    ];
    let Some(first) = text.chars().next() else {
        return false;
    };
    let starts = first.is_ascii_alphabetic()
        || matches!(first, '_' | '/')
        || text.strip_prefix("./").is_some_and(|rest| !rest.is_empty());
    starts
        && text.chars().all(|c| {
            c.is_ascii_alphanumeric()
                || matches!(c, '_' | '-' | '.' | '/' | '+' | '@' | '=' | ' ' | ',')
        })
        && !text.ends_with(' ')
        && !SPECIAL.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a literal block can say it: several lines, none of which needs escaping.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.ends_with("\n\n")
        && text.lines().all(|line| !line.ends_with([' ', '\t']))
        && text
            .chars()
            .all(|c| c == '\n' || c == '\t' || is_printable(c))
}

/// Printable in YAML 1.1 and no line break of either version.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

fn block(out: &mut String, text: &str, depth: usize) {
    let (body, indicator) = match text.strip_suffix('\n') {
        Some(body) => (body, "|"),
        None => (text, "|-"),
    };
    out.push_str(indicator);
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, depth);
            out.push_str(line);
        }
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) <= 0xff => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    out.push('"');
}
