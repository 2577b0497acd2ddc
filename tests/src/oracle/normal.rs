//! What differs from run to run, replaced by what doesn't: uids by their order of appearance,
//! moments by `<time>`, revisions by their order among the revisions of objects.
//!
//! A list's revision or a bookmark's need not be one that an object got: it stands for the latest
//! object revision that it includes, since a server may write what nobody asked it to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// The names that a topic's answers brought up.
#[derive(Debug, Default)]
pub struct Names {
    /// Uids and made-up names, with what they are replaced by.
    words: BTreeMap<String, String>,
    /// Revisions of objects.
    revisions: BTreeSet<u64>,
}

impl Names {
    /// Everything that answers in this order bring up.
    pub fn of<'a>(answers: impl Iterator<Item = &'a Value>) -> Self {
        let mut names = Self::default();
        for answer in answers {
            names.collect(answer);
        }
        names
    }

    fn collect(&mut self, value: &Value) {
        match value {
            Value::Array(items) => {
                for item in items {
                    self.collect(item);
                }
            }
            Value::Object(fields) => {
                // The order in which answers spell their fields must not matter.
                let sorted: BTreeMap<_, _> = fields.iter().collect();
                let text = |name: &str| fields.get(name).and_then(Value::as_str);
                if let Some(uid) = text("uid").filter(|uid| uid.len() > 8) {
                    self.word(uid, "uid");
                    if let Some(revision) = text("resourceVersion").and_then(|r| r.parse().ok()) {
                        self.revisions.insert(revision);
                    }
                }
                if let (Some(prefix), Some(name)) = (text("generateName"), text("name"))
                    && name.strip_prefix(prefix).is_some_and(|s| s.len() == 5)
                {
                    self.word(name, "made-up-name");
                }
                for value in sorted.values() {
                    self.collect(value);
                }
            }
            _ => {}
        }
    }

    fn word(&mut self, word: &str, kind: &str) {
        if !self.words.contains_key(word) {
            let start = format!("<{kind}:");
            let count = self.words.values().filter(|v| v.starts_with(&start));
            let made = format!("{start}{}>", count.count() + 1);
            self.words.insert(word.to_owned(), made);
        }
    }

    /// The same answer, in words that don't change.
    pub fn replace(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| self.replace(item)).collect(),
            Value::Object(fields) => {
                let mut made: Map<String, Value> = fields
                    .iter()
                    .map(|(name, value)| (name.clone(), self.field(name, value)))
                    .collect();
                if made.get("kind").is_some_and(|kind| kind == "Table") {
                    hide_ages(&mut made);
                }
                Value::Object(made)
            }
            Value::String(text) => Value::String(self.text(text)),
            other => other.clone(),
        }
    }

    fn field(&self, name: &str, value: &Value) -> Value {
        let Some(text) = value.as_str() else {
            let mut value = self.replace(value);
            if name == "managedFields"
                && let Value::Array(entries) = &mut value
            {
                // The server orders them by time, in seconds.
                entries.sort_by_key(|entry| {
                    ["operation", "manager", "subresource"].map(|key| entry[key].to_string())
                });
            }
            return value;
        };
        match name {
            "resourceVersion" => Value::String(self.revision(text)),
            "continue" if !text.is_empty() => "<continue>".into(),
            "storageVersionHash" => "<hash>".into(),
            "hash" | "serverAddress" => format!("<{name}>").into(),
            "message" => Value::String(self.text(&self.told(text))),
            _ => Value::String(self.text(text)),
        }
    }

    fn revision(&self, text: &str) -> String {
        match text.parse::<u64>() {
            Ok(0) | Err(_) => text.to_owned(),
            Ok(revision) => format!("<rv:{}>", self.revisions.range(..=revision).count()),
        }
    }

    /// Revisions within a sentence.
    fn told(&self, text: &str) -> String {
        const BEFORE: [&str; 6] = [
            "resource version: ",
            "current: ",
            "(",
            "precondition: ",
            "object meta: ",
            r#"resourceVersion\":\""#,
        ];
        let mut made = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, number) = rest.split_at(start);
            let end = number.find(|c: char| !c.is_ascii_digit());
            let (number, after) = number.split_at(end.unwrap_or(number.len()));
            made.push_str(before);
            let alone = !after.starts_with(|c: char| c.is_alphanumeric() || c == '-');
            if alone && BEFORE.iter().any(|word| made.ends_with(word)) {
                made.push_str("<revision>");
            } else {
                made.push_str(number);
            }
            rest = after;
        }
        made + rest
    }

    fn text(&self, text: &str) -> String {
        let mut text = hide_times(text);
        for (word, made) in &self.words {
            if text.contains(word.as_str()) {
                text = text.replace(word.as_str(), made);
            }
        }
        text
    }
}

/// Every `2026-01-02T03:04:05Z`, with or without fractions, becomes `<time>`.
fn hide_times(text: &str) -> String {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let mut made = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let fits = rest.len() > SHAPE.len()
            && rest.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                other => byte == *other,
            });
        if fits {
            let tail = &rest[SHAPE.len()..];
            let tail = tail.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
            if let Some(tail) = tail.strip_prefix('Z') {
                made.push_str("<time>");
                rest = tail;
                continue;
            }
        }
        made.push(first);
        rest = &rest[first.len_utf8()..];
    }
    made
}

/// Cells of columns that tell how long ago something was.
fn hide_ages(table: &mut Map<String, Value>) {
    let columns = table["columnDefinitions"].as_array();
    let ages: Vec<usize> = columns
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(_, column)| column["type"] == "date" || column["name"] == "Age")
        .map(|(place, _)| place)
        .collect();
    if let Some(Value::Array(rows)) = table.get_mut("rows") {
        for row in rows {
            // Rows without column definitions (later events of a watch) have their age last.
            let cells = row["cells"].as_array().map_or(0, Vec::len);
            let places = if ages.is_empty() && cells > 1 {
                vec![cells - 1]
            } else {
                ages.clone()
            };
            for place in places {
                if place < cells {
                    row["cells"][place] = "<age>".into();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn order_and_sameness_survive() {
        let object = |name: &str, uid: &str, revision: &str| json!({"metadata": {"name": name, "uid": uid, "resourceVersion": revision, "creationTimestamp": "2026-11-24T01:02:03Z"}});
        let answers = [
            object("a", "uid-of-a-xxxxx", "17"),
            object("b", "uid-of-b-xxxxx", "30"),
            json!({"metadata": {"resourceVersion": "29"}, "message": "too old resource version: 3 (30), uid-of-b-xxxxx"}),
        ];
        let names = Names::of(answers.iter());
        let made: Vec<Value> = answers.iter().map(|answer| names.replace(answer)).collect();
        assert_eq!(made[0]["metadata"]["resourceVersion"], "<rv:1>");
        assert_eq!(made[1]["metadata"]["resourceVersion"], "<rv:2>");
        assert_eq!(made[1]["metadata"]["creationTimestamp"], "<time>");
        assert_eq!(made[2]["metadata"]["resourceVersion"], "<rv:1>");
        assert_eq!(
            made[2]["message"],
            "too old resource version: <revision> (<revision>), <uid:2>"
        );
    }
}
