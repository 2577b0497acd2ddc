//! Options as types: JSON in, a plugin's own struct out, and an error that points at the place.

use serde::de::DeserializeOwned;

use crate::error::Error;

/// Reads the options of a resource. `kind` is asked for in case of an error only.
pub(crate) fn read<T: DeserializeOwned>(
    text: &str,
    name: &str,
    kind: impl FnOnce() -> String,
) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| {
        // serde says where in the text; the text has one line.
        let pointer = pointer_at(text, error.column());
        let message = error.to_string();
        // Behind it stands that place, which means nothing to somebody who wrote TOML.
        let message = message
            .rsplit_once(" at line ")
            .map_or(&*message, |(sentence, _)| sentence);
        Error::new(format!("{}:bad-options", kind()), message).at(name, pointer)
    })
}

/// The RFC 6901 pointer of the value that ends at or contains a position of a JSON text.
///
/// Only called with a text that came from a JSON writer, so a look at brackets, commas and quotes
/// is enough.
fn pointer_at(text: &str, column: usize) -> String {
    /// A container that is open at the position.
    enum Open<'t> {
        Object(&'t str),
        Array(usize),
    }
    let head = text.get(..column).unwrap_or(text);
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut last = "";
    let mut after_string = false;
    let mut rest = head;
    while let Some(at) = rest.find(['{', '}', '[', ']', '"', ':', ',']) {
        let found = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        after_string = found == b'"';
        match found {
            b'{' => open.push(Open::Object("")),
            b'[' => open.push(Open::Array(0)),
            // What ends exactly here is the value in question; stay in it only if it is inside.
            b'}' | b']' => {
                open.pop();
            }
            b'"' => {
                let end = end_of_string(rest);
                last = &rest[..end];
                rest = rest.get(end + 1..).unwrap_or("");
            }
            b':' => {
                if let Some(Open::Object(key)) = open.last_mut() {
                    *key = last;
                }
            }
            // An error told at a comma is about the value before it.
            _ if rest.is_empty() => {}
            _ => match open.last_mut() {
                Some(Open::Object(key)) => *key = "",
                Some(Open::Array(index)) => *index += 1,
                None => {}
            },
        }
    }
    // An unknown key is told before its colon.
    if let (true, Some(Open::Object(key @ ""))) = (after_string, open.last_mut()) {
        *key = last;
    }
    let mut pointer = String::new();
    for one in &open {
        match one {
            Open::Object("") => {}
            Open::Object(key) => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Open::Array(index) => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
        }
    }
    pointer
}

/// Length of a string's contents, up to its closing quote.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Outer {
        port: Option<u16>,
        inner: Option<Inner>,
        list: Option<Vec<Inner>>,
        either: Option<Either>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Inner {
        number: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only read by serde")]
    enum Either {
        Flag(bool),
        Number(u8),
    }

    fn refused(options: serde_json::Value) -> String {
        read::<Outer>(&options.to_string(), "one", || "kind".into())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn errors_point_at_the_value() {
        assert_eq!(
            refused(json!({ "port": "x" })),
            "kind:bad-options: invalid type: string \"x\", expected u16 (at one/port)"
        );
        assert!(refused(json!({ "port": 70000 })).ends_with("(at one/port)"));
        assert!(refused(json!({ "inner": { "number": true } })).ends_with("(at one/inner/number)"));
        assert!(
            refused(json!({ "list": [{ "number": 1 }, { "number": 300 }] }))
                .ends_with("(at one/list/1/number)")
        );
        assert!(refused(json!({ "either": "x", "port": 1 })).ends_with("(at one/either)"));
        assert!(refused(json!({ "a/b": "\"{[,", "port": 1 })).ends_with("(at one/a~1b)"));
    }
}
