//! Reading single values: types checked, expressions parsed, units understood.

use aspire_model::diagnostic::{Diagnostic, Diagnostics};
use aspire_model::provenance::{Author, Span};
use aspire_model::{Expression, FactKey, FactValue, Field};

use super::Explicit;
use crate::template;
use crate::tree::{Entry, Node, Value};

/// Collects facts and findings.
pub struct Reader<'a> {
    /// Findings.
    pub diagnostics: &'a mut Diagnostics,
    /// Facts.
    pub facts: Vec<Explicit>,
    /// Where the reserved key stands that is being read.
    pub at: Option<Span>,
}

impl<'a> Reader<'a> {
    /// An empty one.
    pub fn new(diagnostics: &'a mut Diagnostics) -> Self {
        Self {
            diagnostics,
            facts: Vec::new(),
            at: None,
        }
    }

    /// Adds a fact at a place.
    pub fn push(&mut self, key: FactKey, value: FactValue, span: &Span) {
        if self.facts.iter().any(|(known, _, _)| *known == key) {
            self.diagnostics.push(
                Diagnostic::error(
                    "duplicate-name",
                    format!("`{}` is named twice here", key.key),
                )
                .at(span.clone())
                .help("remove one of them"),
            );
            return;
        }
        self.facts
            .push((key, value, Author::App { span: span.clone() }));
    }

    /// Says that a value has the wrong type.
    pub fn wrong_type(&mut self, node: &Node, wanted: &str) {
        self.diagnostics.push(
            Diagnostic::error(
                "wrong-type",
                format!("this is {}, not {wanted}", node.type_name()),
            )
            .at(node.span.clone())
            .help(format!("write {wanted}")),
        );
    }

    /// Says that a value is wrong.
    pub fn wrong_value(
        &mut self,
        node: &Node,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.diagnostics.push(
            Diagnostic::error("wrong-value", message)
                .at(node.span.clone())
                .help(help),
        );
    }

    /// A text.
    pub fn get_text(&mut self, node: &Node) -> Option<String> {
        match &node.value {
            Value::String(text) => Some(text.clone()),
            _ => {
                self.wrong_type(node, "a string");
                None
            }
        }
    }

    /// Yes or no.
    pub fn get_flag(&mut self, node: &Node) -> Option<bool> {
        match node.value {
            Value::Boolean(flag) => Some(flag),
            _ => {
                self.wrong_type(node, "true or false");
                None
            }
        }
    }

    /// A whole number in a range.
    pub fn get_number(&mut self, node: &Node, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        match node.value {
            Value::Integer(number) if range.contains(&number) => Some(number),
            Value::Integer(number) => {
                self.wrong_value(
                    node,
                    format!("{number} is out of range"),
                    format!("write a number from {} to {}", range.start(), range.end()),
                );
                None
            }
            _ => {
                self.wrong_type(node, "an integer");
                None
            }
        }
    }

    /// A port.
    pub fn get_port(&mut self, node: &Node) -> Option<u16> {
        self.get_number(node, 1..=65535)
            .and_then(|port| u16::try_from(port).ok())
    }

    /// An expression: text with placeholders, or a number or boolean as text.
    pub fn get_expression(&mut self, node: &Node) -> Option<Expression> {
        match &node.value {
            Value::String(text) => match template::parse(text) {
                Ok(expression) => Some(expression),
                Err(error) => {
                    self.diagnostics.push(
                        Diagnostic::error("placeholder", error.to_string()).at(node.span.clone()),
                    );
                    None
                }
            },
            Value::Integer(number) => Some(Expression::literal(number.to_string())),
            Value::Float(number) => Some(Expression::literal(number.to_string())),
            Value::Boolean(flag) => Some(Expression::literal(flag.to_string())),
            _ => {
                self.wrong_type(node, "a string");
                None
            }
        }
    }

    /// A list of texts.
    pub fn get_texts(&mut self, node: &Node) -> Option<Vec<String>> {
        let Value::Array(items) = &node.value else {
            self.wrong_type(node, "an array of strings");
            return None;
        };
        items.iter().map(|item| self.get_text(item)).collect()
    }

    /// A list of expressions.
    pub fn get_expressions(&mut self, node: &Node) -> Option<Vec<Expression>> {
        let Value::Array(items) = &node.value else {
            self.wrong_type(node, "an array of strings");
            return None;
        };
        items.iter().map(|item| self.get_expression(item)).collect()
    }

    /// A time: `500ms`, `5s`, `2m`, in milliseconds.
    pub fn get_duration(&mut self, node: &Node) -> Option<u32> {
        let text = self.get_text(node)?;
        let parsed = parse_duration(&text);
        if parsed.is_none() {
            self.wrong_value(
                node,
                format!("`{text}` is no duration"),
                "write it like 500ms, 5s or 2m",
            );
        }
        parsed
    }

    /// The entries of a table; an unknown key is told, with the nearest known one.
    pub fn get_table<'n>(&mut self, node: &'n Node, known: &[&str]) -> Option<&'n [Entry]> {
        let entries = self.get_open_table(node)?;
        for entry in entries {
            if !known.contains(&entry.key.as_str()) {
                self.unknown_key(entry, known);
            }
        }
        Some(entries)
    }

    /// The entries of a table with any keys.
    pub fn get_open_table<'n>(&mut self, node: &'n Node) -> Option<&'n [Entry]> {
        if let Value::Table(entries) = &node.value {
            return Some(entries);
        }
        self.wrong_type(node, "a table");
        None
    }

    /// Says that a key is unknown.
    pub fn unknown_key(&mut self, entry: &Entry, known: &[&str]) {
        let diagnostic =
            Diagnostic::error("unknown-key", format!("`{}` is no key here", entry.key))
                .at(entry.span.clone())
                .help(format!("there are {}", known.join(", ")))
                .suggest(&entry.key, known.iter().copied());
        self.diagnostics.push(diagnostic);
    }

    /// A text fact.
    pub fn text(&mut self, field: Field, node: &Node) {
        if let Some(text) = self.get_text(node) {
            if text.is_empty() {
                self.wrong_value(
                    node,
                    "this must not be empty",
                    "write a value, or remove the key",
                );
                return;
            }
            self.push(FactKey::single(field), FactValue::Text(text), &node.span);
        }
    }

    /// A text fact out of a few.
    pub fn choice(&mut self, field: Field, node: &Node, choices: &[&str]) {
        let Some(text) = self.get_text(node) else {
            return;
        };
        if choices.contains(&text.as_str()) {
            self.push(FactKey::single(field), FactValue::Text(text), &node.span);
        } else {
            let diagnostic = Diagnostic::error(
                "wrong-value",
                format!("`{text}` is no choice that this version serves here"),
            )
            .at(node.span.clone())
            .help(format!("write one of: {}", choices.join(", ")))
            .suggest(&text, choices.iter().copied());
            self.diagnostics.push(diagnostic);
        }
    }

    /// A list of texts.
    pub fn texts(&mut self, field: Field, node: &Node) {
        if let Some(texts) = self.get_texts(node) {
            self.push(FactKey::single(field), FactValue::Texts(texts), &node.span);
        }
    }

    /// A list of expressions.
    pub fn expressions(&mut self, field: Field, node: &Node) {
        if let Some(values) = self.get_expressions(node) {
            self.push(
                FactKey::single(field),
                FactValue::Values(values),
                &node.span,
            );
        }
    }

    /// A table of expressions.
    pub fn expression_table(&mut self, field: Field, node: &Node) {
        let Some(entries) = self.get_open_table(node) else {
            return;
        };
        for entry in entries {
            if field == Field::Env && (entry.key.is_empty() || entry.key.contains(['=', '\0'])) {
                self.diagnostics.push(
                    Diagnostic::error(
                        "wrong-value",
                        format!("`{}` is no variable name", entry.key),
                    )
                    .at(entry.span.clone())
                    .help("a variable's name is not empty and has no `=`"),
                );
                continue;
            }
            if let Some(value) = self.get_expression(&entry.node) {
                let key = FactKey::entry(field, entry.key.clone());
                self.push(key, FactValue::Value(value), &entry.node.span);
            }
        }
    }
}

/// A time in milliseconds.
pub(super) fn parse_duration(text: &str) -> Option<u32> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u32 = text[..split].parse().ok()?;
    let factor = match &text[split..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// A size in bytes.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text[..split].parse().ok()?;
    let factor: u64 = match text[split..].trim() {
        "" | "B" => 1,
        "k" | "kB" | "KB" => 1_000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "Ki" | "KiB" => 1 << 10,
        "Mi" | "MiB" => 1 << 20,
        "Gi" | "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, value) in [
            ("500ms", Some(500)),
            ("5s", Some(5_000)),
            ("2m", Some(120_000)),
            ("5", None),
            ("s", None),
            ("5 s", None),
            ("99999999h", None),
        ] {
            assert_eq!(parse_duration(text), value, "{text}");
        }
        for (text, value) in [
            ("512MiB", Some(536_870_912)),
            ("1GB", Some(1_000_000_000)),
            ("7", Some(7)),
            ("x", None),
        ] {
            assert_eq!(parse_bytes(text), value, "{text}");
        }
    }
}
