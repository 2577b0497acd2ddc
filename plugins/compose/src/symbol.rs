//! What stands in a construct's properties for something that is not text yet.
//!
//! Every other string there is text that means itself: the publisher escapes it. Doesn't know
//! Compose's syntax.

use aspire_sdk::Expression;
use aspire_sdk::serde::{self, Deserialize, Serialize};
use aspire_sdk::serde_json::{self, Value as Json, json};

/// Types of constructs.
pub(crate) const SERVICE: &str = "compose:service";
pub(crate) const VOLUME: &str = "compose:volume";
pub(crate) const PARAMETER: &str = "compose:parameter";
pub(crate) const FILE: &str = "compose:file";

/// A symbol.
pub(crate) enum Symbol {
    /// `{"$expr": [segment…]}`
    Expression(Expression),
    /// `{"$path": "web"}`: a path as written in `aspire.toml`.
    Path(String),
    /// `{"$port": {…}}`
    Port(Port),
}

/// A port of the machine that leads to a port of the container, to be chosen in `.env`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "self::serde")]
pub(crate) struct Port {
    /// A wish: the variable's name.
    pub(crate) variable: String,
    /// One line for `.env.example`.
    pub(crate) description: String,
    /// A port or `FIRST-LAST`.
    pub(crate) published: String,
    pub(crate) target: u16,
    pub(crate) protocol: String,
}

impl Symbol {
    /// The symbol that a value is, if it is one.
    pub(crate) fn of(value: &Json) -> Option<Self> {
        let object = value.as_object().filter(|object| object.len() == 1)?;
        if object.contains_key("$expr") {
            return Expression::from_json(value).map(Self::Expression);
        }
        if let Some(path) = object.get("$path") {
            return path.as_str().map(|path| Self::Path(path.to_owned()));
        }
        let port = object.get("$port")?.clone();
        serde_json::from_value(port).ok().map(Self::Port)
    }
}

/// An expression, or the text that it is.
pub(crate) fn value(value: Expression) -> Json {
    value
        .into_text()
        .map_or_else(|value| value.to_json(), Json::from)
}

/// A path as written in `aspire.toml`.
pub(crate) fn path(path: &str) -> Json {
    json!({ "$path": path })
}

/// A port of the machine.
pub(crate) fn port(port: &Port) -> Json {
    json!({ "$port": port })
}

/// Percent-encodes everything but RFC 3986's unreserved characters, as the host does.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// An app's name as Compose has names of projects: small letters, digits, `-` and `_`.
pub(crate) fn project_name(app: &str) -> String {
    let legal = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() || c == '_' => c,
        _ => '-',
    };
    let name: String = app.chars().map(legal).collect();
    let name = name.trim_matches(['-', '_']);
    if name.is_empty() {
        "app".into()
    } else {
        name.to_owned()
    }
}
