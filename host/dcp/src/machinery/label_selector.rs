//! Label selectors: parsed, written, matched.
//!
//! Knows the grammar. Doesn't know objects: labels are given.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::names::{check_label_value, check_qualified_name};
use super::selector::SelectorError;

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

#[cfg(test)]
mod tests {
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
}
