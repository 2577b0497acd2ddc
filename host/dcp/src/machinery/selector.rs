//! Label and field selectors: parsed, written, matched.
//!
//! Knows the two grammars. Doesn't know which fields a kind offers: the caller lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::names::{check_label_value, check_qualified_name};
use super::status::Status;

/// A selector that cannot be used; displays as kube-apiserver says it. Answered with 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// A label selector that isn't well formed.
    #[error("unable to parse requirement: {0}")]
    Label(String),
    /// A label selector that isn't well formed, outside any requirement.
    #[error("{0}")]
    Syntax(String),
    /// A field selector that isn't well formed.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    Field {
        /// The whole text.
        selector: String,
        /// The part that isn't understood.
        term: String,
    },
    /// A field that cannot be selected by.
    #[error("field label not supported: {0}")]
    FieldNotSupported(String),
}

impl From<SelectorError> for Status {
    fn from(error: SelectorError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// One condition on labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelRequirement {
    /// `key=value`
    Equals(String, String),
    /// `key!=value`; an absent label matches.
    NotEquals(String, String),
    /// `key in (a,b)`
    In(String, BTreeSet<String>),
    /// `key notin (a,b)`; an absent label matches.
    NotIn(String, BTreeSet<String>),
    /// `key`
    Exists(String),
    /// `!key`
    NotExists(String),
}

impl LabelRequirement {
    /// Whether labels satisfy it.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Equals(key, value) => labels.get(key) == Some(value),
            Self::NotEquals(key, value) => labels.get(key) != Some(value),
            Self::In(key, values) => labels.get(key).is_some_and(|v| values.contains(v)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|v| !values.contains(v)),
            Self::Exists(key) => labels.contains_key(key),
            Self::NotExists(key) => !labels.contains_key(key),
        }
    }
}

impl fmt::Display for LabelRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |f: &mut fmt::Formatter<'_>, key: &str, word: &str, values: &BTreeSet<String>| {
            // `()` would be no value at all; `(,)` is the empty one.
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let text = match values[..] {
                [""] => ",".to_owned(),
                _ => values.join(","),
            };
            write!(f, "{key} {word} ({text})")
        };
        match self {
            Self::Equals(key, value) => write!(f, "{key}={value}"),
            Self::NotEquals(key, value) => write!(f, "{key}!={value}"),
            Self::In(key, values) => set(f, key, "in", values),
            Self::NotIn(key, values) => set(f, key, "notin", values),
            Self::Exists(key) => f.write_str(key),
            Self::NotExists(key) => write!(f, "!{key}"),
        }
    }
}

/// Conditions on labels, all of which must hold. The default matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelSelector {
    /// The conditions, in the order in which they were written.
    pub requirements: Vec<LabelRequirement>,
}

impl LabelSelector {
    /// Whether labels satisfy every condition.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|r| r.matches(labels))
    }

    /// Whether it matches everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, requirement) in self.requirements.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Symbol(&'a str),
    End,
}

impl<'a> Token<'a> {
    fn text(self) -> &'a str {
        match self {
            Token::Word(text) | Token::Symbol(text) => text,
            Token::End => "",
        }
    }
}

const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

fn tokens(mut text: &str) -> Vec<Token<'_>> {
    let is_symbol = |c: char| matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<');
    let mut tokens = Vec::new();
    loop {
        text = text.trim_start_matches([' ', '\t', '\r', '\n']);
        if text.is_empty() {
            return tokens;
        }
        let symbol = SYMBOLS.iter().find_map(|s| text.strip_prefix(s));
        let length = match symbol {
            Some(rest) => text.len() - rest.len(),
            None => text
                .find(|c: char| is_symbol(c) || matches!(c, ' ' | '\t' | '\r' | '\n'))
                .unwrap_or(text.len()),
        };
        let (token, rest) = text.split_at(length);
        tokens.push(if symbol.is_some() {
            Token::Symbol(token)
        } else {
            Token::Word(token)
        });
        text = rest;
    }
}

struct LabelParser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
}

impl<'a> LabelParser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens.get(self.next).copied().unwrap_or(Token::End)
    }

    fn take(&mut self) -> Token<'a> {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn requirement(&mut self) -> Result<LabelRequirement, String> {
        let negated = self.peek() == Token::Symbol("!");
        if negated {
            self.take();
        }
        let Token::Word(key) = self.take() else {
            let found = self.tokens.get(self.next - 1).map_or("", |t| t.text());
            return Err(format!("found '{found}', expected: identifier"));
        };
        let wrong = check_qualified_name(key);
        if let Some(wrong) = wrong.first() {
            return Err(format!("key: Invalid value: {key:?}: {wrong}"));
        }
        let key = key.to_owned();
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok(if negated {
                LabelRequirement::NotExists(key)
            } else {
                LabelRequirement::Exists(key)
            });
        }
        let operator = self.take();
        if negated {
            let found = operator.text();
            return Err(format!("found '{found}', expected: ',' or 'end of string'"));
        }
        match operator {
            Token::Symbol("=" | "==") => Ok(LabelRequirement::Equals(key, self.value()?)),
            Token::Symbol("!=") => Ok(LabelRequirement::NotEquals(key, self.value()?)),
            Token::Word("in") => Ok(LabelRequirement::In(key, self.values()?)),
            Token::Word("notin") => Ok(LabelRequirement::NotIn(key, self.values()?)),
            Token::Symbol(symbol @ (">" | "<")) => Err(format!(
                "operator '{symbol}' is not supported here; labels are compared as texts only, \
                 with: in, notin, =, ==, !="
            )),
            other => Err(format!(
                "found '{}', expected: in, notin, =, ==, !=",
                other.text()
            )),
        }
    }

    /// What follows `=`: nothing is the empty value.
    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            Token::End | Token::Symbol(",") => Ok(String::new()),
            Token::Word(value) => {
                self.take();
                checked_value(value)
            }
            Token::Symbol(found) => Err(format!("found '{found}', expected: identifier")),
        }
    }

    /// What follows `in`. Two commas, or one at either end, enclose the empty value.
    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        let open = self.take();
        if open != Token::Symbol("(") {
            return Err(format!("found '{}' expected: '('", open.text()));
        }
        let mut values = BTreeSet::new();
        if self.peek() == Token::Symbol(")") {
            return Err(
                "values: Invalid value: []: for 'in', 'notin' operators, values set \
                        can't be empty"
                    .to_owned(),
            );
        }
        loop {
            match self.peek() {
                Token::Word(value) => {
                    self.take();
                    values.insert(checked_value(value)?);
                }
                Token::Symbol("," | ")") => {
                    values.insert(String::new());
                }
                other => {
                    let found = other.text();
                    return Err(format!("found '{found}', expected: ',', ')' or identifier"));
                }
            }
            match self.take() {
                Token::Symbol(",") => {}
                Token::Symbol(")") => return Ok(values),
                other => return Err(format!("found '{}', expected: ',' or ')'", other.text())),
            }
        }
    }
}

fn checked_value(value: &str) -> Result<String, String> {
    match check_label_value(value).first() {
        None => Ok(value.to_owned()),
        Some(wrong) => Err(format!("values[0]: Invalid value: {value:?}: {wrong}")),
    }
}

impl FromStr for LabelSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let mut parser = LabelParser {
            tokens: tokens(text),
            next: 0,
        };
        let mut requirements = Vec::new();
        loop {
            match parser.peek() {
                Token::End if requirements.is_empty() => return Ok(Self { requirements }),
                Token::Word(_) | Token::Symbol("!") => {
                    requirements.push(parser.requirement().map_err(SelectorError::Label)?);
                }
                other if requirements.is_empty() => {
                    return Err(SelectorError::Syntax(format!(
                        "found '{}', expected: !, identifier, or 'end of string'",
                        other.text()
                    )));
                }
                other => {
                    return Err(SelectorError::Syntax(format!(
                        "found '{}', expected: identifier after ','",
                        other.text()
                    )));
                }
            }
            match parser.take() {
                Token::End => return Ok(Self { requirements }),
                Token::Symbol(",") => {}
                other => {
                    return Err(SelectorError::Syntax(format!(
                        "found '{}', expected: ',' or 'end of string'",
                        other.text()
                    )));
                }
            }
        }
    }
}

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
    /// Reads a selector. `metadata.name` and `metadata.namespace` are always supported.
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
            if !matches!(field, "metadata.name" | "metadata.namespace")
                && !supported.contains(&field)
            {
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

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn label_matches() {
        let web = labels(&[("app", "web"), ("tier", "")]);
        for (text, written, matches) in [
            ("", "", true),
            ("app=web", "app=web", true),
            ("app == web", "app=web", true),
            ("app!=web", "app!=web", false),
            ("other!=web", "other!=web", true),
            ("app in (db, web)", "app in (db,web)", true),
            ("app in (db)", "app in (db)", false),
            ("app notin (db)", "app notin (db)", true),
            ("other notin (db)", "other notin (db)", true),
            ("app notin (web)", "app notin (web)", false),
            ("app", "app", true),
            ("!app", "!app", false),
            ("! other", "!other", true),
            ("tier=", "tier=", true),
            ("tier=,app=web", "tier=,app=web", true),
            ("tier in (,x)", "tier in (,x)", true),
            ("tier in (,)", "tier in (,)", true),
            ("in in (in)", "in in (in)", false),
            ("a.io/b=c,app", "a.io/b=c,app", false),
        ] {
            let selector: LabelSelector = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(selector.to_string(), written);
            assert_eq!(selector.matches(&web), matches, "{text}");
        }
    }

    #[test]
    fn label_errors() {
        for (text, part) in [
            ("app=web,", "found '', expected: identifier after ','"),
            (
                ",app",
                "found ',', expected: !, identifier, or 'end of string'",
            ),
            (
                "app web",
                "unable to parse requirement: found 'web', expected: in, notin, =, ==, !=",
            ),
            ("app in web", "expected: '('"),
            ("app in ()", "values set can't be empty"),
            ("app in (a", "expected: ',' or ')'"),
            ("app in (a b)", "expected: ',' or ')'"),
            ("!app=web", "expected: ',' or 'end of string'"),
            ("a>1", "operator '>' is not supported"),
            ("a<1", "operator '<' is not supported"),
            ("a=b=c", "found '=', expected: ',' or 'end of string'"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            ("-a=b", "Invalid value: \"-a\""),
            ("a=b$", "Invalid value: \"b$\""),
            ("!", "expected: identifier"),
            ("a=(", "expected: identifier"),
        ] {
            let error = text.parse::<LabelSelector>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

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
            ("metadata.namespace=", true, None),
            ("metadata.name=a\\,b", false, Some("a,b")),
        ] {
            let selector = FieldSelector::parse(text, &supported).expect(text);
            assert_eq!(selector.matches(&object), matches, "{text}");
            assert_eq!(selector.name(), name, "{text}");
        }
        for (text, error) in [
            ("spec.x=1", "field label not supported: spec.x"),
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
