//! Field selectors: parsed, written, matched.
//!
//! Knows the grammar. Doesn't know which fields a kind offers: the caller lists them.

use std::fmt;

use serde_json::Value;

use super::selector::SelectorError;

/// One condition on a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRequirement {
    /// The field's path, with dots.
    pub field: String,
    /// Whether the value must be, or must not be, this one.
    pub equal: bool,
    /// The value.
    pub value: String,
}

/// Conditions on fields, all of which must hold. The default matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector {
    /// The conditions, in the order in which they were written.
    pub requirements: Vec<FieldRequirement>,
}

impl FieldSelector {
    /// Reads a selector. `metadata.name` is always supported.
    ///
    /// # Errors
    /// It isn't well formed, or names a field that isn't supported.
    pub fn parse(text: &str, supported: &[&str]) -> Result<Self, SelectorError> {
        let mut requirements = Vec::new();
        for term in split_unescaped(text) {
            if term.is_empty() {
                continue;
            }
            let bad = || SelectorError::Field {
                selector: text.to_owned(),
                term: term.to_owned(),
            };
            let (field, equal, value) = split_term(term).ok_or_else(bad)?;
            let value = unescape(value).ok_or_else(bad)?;
            if field != "metadata.name" && !supported.contains(&field) {
                return Err(SelectorError::FieldNotSupported(field.to_owned()));
            }
            requirements.push(FieldRequirement {
                field: field.to_owned(),
                equal,
                value,
            });
        }
        Ok(Self { requirements })
    }

    /// Whether an object satisfies every condition. An absent field counts as the empty text.
    pub fn matches(&self, object: &Value) -> bool {
        self.requirements.iter().all(|requirement| {
            let mut value = Some(object);
            for part in requirement.field.split('.') {
                value = value.and_then(|v| v.get(part));
            }
            let found = match value {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            (found == requirement.value) == requirement.equal
        })
    }

    /// The only name that can match, if there is one.
    pub fn name(&self) -> Option<&str> {
        self.requirements
            .iter()
            .find(|r| r.equal && r.field == "metadata.name")
            .map(|r| r.value.as_str())
    }

    /// Whether it matches everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, requirement) in self.requirements.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let operator = if requirement.equal { "=" } else { "!=" };
            write!(f, "{comma}{}{operator}", requirement.field)?;
            for c in requirement.value.chars() {
                if matches!(c, '\\' | ',' | '=') {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

/// The parts between commas that have no backslash before them.
fn split_unescaped(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (place, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    let place = term.find(['=', '!'])?;
    let (field, rest) = term.split_at(place);
    let (equal, value) = if let Some(value) = rest.strip_prefix("!=") {
        (false, value)
    } else if let Some(value) = rest.strip_prefix("==") {
        (true, value)
    } else {
        (true, rest.strip_prefix('=')?)
    };
    Some((field, equal, value))
}

/// Only a backslash, a comma and an equals sign can be escaped; the latter two must be.
fn unescape(text: &str) -> Option<String> {
    let mut result = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                c @ ('\\' | ',' | '=') => result.push(c),
                _ => return None,
            },
            ',' | '=' => return None,
            c => result.push(c),
        }
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::status::Status;
    use super::*;

    #[test]
    fn fields() {
        let object = json!({"metadata": {"name": "web"}, "status": {"state": "Running", "n": 3}});
        let supported = ["status.state", "status.n", "spec.stop"];
        for (text, matches, name) in [
            ("", true, None),
            ("metadata.name=web", true, Some("web")),
            ("metadata.name==web,", true, Some("web")),
            ("metadata.name!=web", false, None),
            ("metadata.name=web,status.state=Running", true, Some("web")),
            ("status.state!=Running", false, None),
            ("status.n=3", true, None),
            ("spec.stop=", true, None),
            ("metadata.name=a\\,b", false, Some("a,b")),
        ] {
            let selector = FieldSelector::parse(text, &supported).expect(text);
            assert_eq!(selector.matches(&object), matches, "{text}");
            assert_eq!(selector.name(), name, "{text}");
        }
        for (text, error) in [
            ("spec.x=1", "field label not supported: spec.x"),
            (
                "metadata.namespace=",
                "field label not supported: metadata.namespace",
            ),
            (
                "nonsense",
                "invalid selector: 'nonsense'; can't understand 'nonsense'",
            ),
            (
                "status.state!Running",
                "invalid selector: 'status.state!Running'; can't understand 'status.state!Running'",
            ),
            (
                "status.n=3\\",
                "invalid selector: 'status.n=3\\'; can't understand 'status.n=3\\'",
            ),
        ] {
            let found = FieldSelector::parse(text, &supported).expect_err(text);
            assert_eq!(found.to_string(), error);
            assert_eq!(Status::from(found).code, 400);
        }
    }
}
