//! JSON Schemas of options, written down as they are built.
//!
//! Covers what options need; any other schema comes from [`From<Json>`](Schema). The host reads the
//! formats `expression`, `reference`, `parameter`, `path`, `duration`, `bytes` and `child-name`.

use std::fmt::{self, Write as _};

use serde_json::Value as Json;

/// The schema of a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// Its JSON, without the outer braces.
    members: String,
}

impl Schema {
    fn of_type(name: &str) -> Self {
        Self::default().member("type", &quoted(name))
    }

    fn member(mut self, key: &str, json: &str) -> Self {
        if !self.members.is_empty() {
            self.members.push(',');
        }
        self.members.push_str(&quoted(key));
        self.members.push(':');
        self.members.push_str(json);
        self
    }

    /// A text.
    pub fn string() -> Self {
        Self::of_type("string")
    }

    /// Yes or no.
    pub fn boolean() -> Self {
        Self::of_type("boolean")
    }

    /// A whole number within bounds.
    pub fn integer(bounds: std::ops::RangeInclusive<i64>) -> Self {
        Self::of_type("integer")
            .member("minimum", &bounds.start().to_string())
            .member("maximum", &bounds.end().to_string())
    }

    /// A TCP or UDP port.
    pub fn port() -> Self {
        Self::integer(1..=65535)
    }

    /// The name of a parameter.
    pub fn parameter() -> Self {
        Self::string().format("parameter")
    }

    /// The name of another resource.
    pub fn reference() -> Self {
        Self::string().format("reference")
    }

    /// A text with placeholders, which the plugin gets as an [`Expression`](crate::Expression).
    pub fn expression() -> Self {
        Self::string().format("expression")
    }

    /// A list.
    pub fn list(item: impl Into<Self>) -> Self {
        Self::of_type("array").member("items", &item.into().to_string())
    }

    /// An object with these members and no others; see [`Schema::required`].
    pub fn object<N: Into<String>, S: Into<Self>>(
        members: impl IntoIterator<Item = (N, S)>,
    ) -> Self {
        let mut properties = String::new();
        for (name, schema) in members {
            let comma = if properties.is_empty() { "" } else { "," };
            let (name, schema) = (quoted(&name.into()), schema.into().to_string());
            properties.push_str(&[comma, &name, ":", &schema].concat());
        }
        Self::of_type("object")
            .member("properties", &["{", &properties, "}"].concat())
            .member("additionalProperties", "false")
    }

    /// An object with any members of one schema.
    pub fn map(values: impl Into<Self>) -> Self {
        Self::of_type("object").member("additionalProperties", &values.into().to_string())
    }

    /// One of several.
    pub fn one_of(schemas: impl IntoIterator<Item = Self>) -> Self {
        let all: Vec<String> = schemas
            .into_iter()
            .map(|schema| schema.to_string())
            .collect();
        Self::default().member("oneOf", &["[", &all.join(","), "]"].concat())
    }

    /// One of several texts.
    pub fn choice<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let all: Vec<String> = texts.into_iter().map(quoted).collect();
        Self::default().member("enum", &["[", &all.join(","), "]"].concat())
    }

    /// `false` and nothing else: how an option is turned off.
    pub fn off() -> Self {
        Self::default().member("const", "false")
    }

    /// With what it means, for people: editors show it.
    #[must_use]
    pub fn describe(self, text: &str) -> Self {
        self.member("description", &quoted(text))
    }

    /// With a format, of the host's or of JSON Schema.
    #[must_use]
    pub fn format(self, name: &str) -> Self {
        self.member("format", &quoted(name))
    }

    /// With a regular expression that a text has to match.
    #[must_use]
    pub fn pattern(self, expression: &str) -> Self {
        self.member("pattern", &quoted(expression))
    }

    /// With no two equal items.
    #[must_use]
    pub fn unique(self) -> Self {
        self.member("uniqueItems", "true")
    }

    /// With at least one character.
    #[must_use]
    pub fn not_empty(self) -> Self {
        self.member("minLength", "1")
    }

    /// With members (of an object) that have to be there.
    #[must_use]
    pub fn required<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let all: Vec<String> = names.into_iter().map(quoted).collect();
        self.member("required", &["[", &all.join(","), "]"].concat())
    }
}

/// A schema written by hand. It has to be an object.
impl From<Json> for Schema {
    fn from(schema: Json) -> Self {
        let text = schema.to_string();
        let members = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        Self {
            members: members.unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        f.write_str(&self.members)?;
        f.write_str("}")
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(schema: Schema) -> Json {
        serde_json::from_str(&schema.to_string()).unwrap()
    }

    #[test]
    fn schemas_are_json() {
        let schema = Schema::object([
            ("port", Schema::port().describe("a \"port\"\n")),
            (
                "modules",
                Schema::list(Schema::string().pattern("^a\\.b$")).unique(),
            ),
            (
                "password",
                Schema::one_of([Schema::parameter(), Schema::off()]),
            ),
            ("by-hand", json!({ "type": "number" }).into()),
        ])
        .required(["port"]);
        assert_eq!(
            parsed(schema),
            json!({
                "type": "object",
                "properties": {
                    "port": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": 65535,
                        "description": "a \"port\"\n",
                    },
                    "modules": {
                        "type": "array",
                        "items": { "type": "string", "pattern": "^a\\.b$" },
                        "uniqueItems": true,
                    },
                    "password": {
                        "oneOf": [{ "type": "string", "format": "parameter" }, { "const": false }],
                    },
                    "by-hand": { "type": "number" },
                },
                "additionalProperties": false,
                "required": ["port"],
            })
        );
        assert_eq!(parsed(Schema::default()), json!({}));
    }
}
