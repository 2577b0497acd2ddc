//! YAML for publishers: deterministic, and safe for every reader.
//!
//! The order of keys is the caller's. Whatever some reader of YAML 1.1 or 1.2 could take for
//! something other than the text that it is (`no`, `1e3`, `12:30`, `a: b`, `#`) is quoted; text of
//! several lines becomes a literal block where that can express it. Texts are borrowed where they
//! can be: a file is made of thousands. Doesn't know any target.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

/// A YAML value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Yaml<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text, quoted where that is needed.
    Str(Cow<'a, str>),
    /// A sequence.
    List(Vec<Self>),
    /// A mapping, in this order.
    Map(Vec<(Cow<'a, str>, Self)>),
}

impl<'a> Yaml<'a> {
    /// An empty mapping, to be filled with [`Yaml::set`].
    pub fn map() -> Self {
        Self::Map(Vec::new())
    }

    /// A sequence.
    pub fn list<Y: Into<Self>>(items: impl IntoIterator<Item = Y>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }

    /// Adds a key to a mapping, or replaces its value in place. On anything else it does nothing.
    pub fn set(&mut self, key: impl Into<Cow<'a, str>>, value: impl Into<Self>) -> &mut Self {
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
    pub fn with(mut self, key: impl Into<Cow<'a, str>>, value: impl Into<Self>) -> Self {
        self.set(key, value);
        self
    }

    /// The same, only if there is something to say: null, `""`, `[]` and `{}` are left out.
    #[must_use]
    pub fn with_some(self, key: impl Into<Cow<'a, str>>, value: impl Into<Self>) -> Self {
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

    /// Puts the whole document, ending with a newline, behind a text.
    pub fn append_to(&self, out: &mut String) {
        match self {
            Self::List(items) if !items.is_empty() => list(out, items, 0),
            Self::Map(entries) if !entries.is_empty() => map(out, entries, 0, false),
            other => {
                scalar(out, other, 0);
                out.push('\n');
            }
        }
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find_map(|(existing, value)| (*existing == key).then_some(value)),
            _ => None,
        }
    }
}

impl<'a> From<&'a str> for Yaml<'a> {
    fn from(text: &'a str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Yaml<'_> {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}

impl From<bool> for Yaml<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Yaml<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u16> for Yaml<'_> {
    fn from(value: u16) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for Yaml<'_> {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<Vec<Self>> for Yaml<'_> {
    fn from(items: Vec<Self>) -> Self {
        Self::List(items)
    }
}

impl<Y: Into<Self>> From<Option<Y>> for Yaml<'_> {
    fn from(value: Option<Y>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// From JSON; numbers with a fraction become text.
impl<'a> From<&'a serde_json::Value> for Yaml<'a> {
    fn from(value: &'a serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(number) => Self::Int(number),
                None => Self::Str(number.to_string().into()),
            },
            serde_json::Value::String(text) => Self::Str(text.into()),
            serde_json::Value::Array(items) => Self::list(items),
            serde_json::Value::Object(map) => Self::Map(
                map.iter()
                    .map(|(key, value)| (key.into(), value.into()))
                    .collect(),
            ),
        }
    }
}

/// The whole document, ending with a newline.
impl fmt::Display for Yaml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Put together as a text first: a formatter takes longer for every piece of it.
        let mut out = String::new();
        self.append_to(&mut out);
        f.write_str(&out)
    }
}

fn indent(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// `inline`: the first entry stands behind the dash of a list.
fn map(out: &mut String, entries: &[(Cow<'_, str>, Yaml<'_>)], depth: usize, inline: bool) {
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

fn list(out: &mut String, items: &[Yaml<'_>], depth: usize) {
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
fn scalar(out: &mut String, value: &Yaml<'_>, depth: usize) {
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
    const LONGEST: usize = 5;
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    let starts = first.is_ascii_alphabetic()
        || matches!(first, b'_' | b'/')
        || text.strip_prefix("./").is_some_and(|rest| !rest.is_empty());
    starts
        && *last != b' '
        && bytes.iter().all(|byte| HARMLESS[usize::from(*byte)])
        && (bytes.len() > LONGEST || !SPECIAL.iter().any(|word| text.eq_ignore_ascii_case(word)))
}

/// What stands in plain text: letters, digits and `_-./+@=`, blank and comma. A table, since every
/// character of a file is looked up.
const HARMLESS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'_' | b'-' | b'.' | b'/' | b'+' | b'@' | b'=' | b' ' | b','
            );
        byte += 1;
    }
    table
};

/// Whether a literal block can say it: several lines, none of which needs escaping.
fn is_block(text: &str) -> bool {
    if !text.contains('\n') || text.starts_with([' ', '\n', '\t']) || text.ends_with("\n\n") {
        return false;
    }
    let mut before = '\n';
    for c in text.chars() {
        // A blank at the end of a line would be lost to whoever tidies the file.
        let trailing = c == '\n' && matches!(before, ' ' | '\t');
        if trailing || !(matches!(c, '\n' | '\t') || is_printable(c)) {
            return false;
        }
        before = c;
    }
    !matches!(before, ' ' | '\t')
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
    let mut rest = text;
    // Piece by piece: what needs no escaping is taken over as it is.
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '\\') || !is_printable(c)) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let mut behind = from.chars();
        match behind.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(c) if u32::from(c) <= 0xff => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            Some(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            None => {}
        }
        rest = behind.as_str();
    }
    out.push_str(rest);
    out.push('"');
}
