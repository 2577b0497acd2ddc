//! One kind of quoting for each language that a database's name ends up in.

use aspire_sdk::{Expression, expr};

/// An SQL identifier: `"orders"`.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An SQL string: `'orders'`.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What psql takes for the name of a database. It takes a text that looks like settings for
/// those, and then it has to be some.
pub(crate) fn conninfo(name: &str) -> String {
    if name.contains('=') || name.contains("://") {
        let escaped = name.replace('\\', "\\\\").replace('\'', "\\'");
        format!("dbname='{escaped}'")
    } else {
        name.to_owned()
    }
}

/// A value in a connection string, by the rules of ADO.NET's `DbConnectionStringBuilder`: bare
/// where nobody can misread it, else in the quotes that it doesn't contain, else in doubled ones.
pub(crate) fn connection_value(text: &str) -> String {
    let special =
        |c: char| matches!(c, '"' | '\'' | '=' | ';') || c.is_whitespace() || c.is_control();
    if !text.contains(special) {
        text.to_owned()
    } else if text.contains('"') && !text.contains('\'') {
        format!("'{text}'")
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
    }
}

/// A part of a URI. The host encodes; a text that stays as it is needs no mark for that.
pub(crate) fn uri(text: &str) -> Expression {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    let part = expr![text];
    if text.chars().all(plain) {
        part
    } else {
        part.uri()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language() {
        for (name, as_identifier, as_literal, as_value, as_uri) in [
            ("orders", "\"orders\"", "'orders'", "orders", "orders"),
            ("a b", "\"a b\"", "'a b'", "\"a b\"", "{\"a b\":uri}"),
            ("it's", "\"it's\"", "'it''s'", "\"it's\"", "{\"it's\":uri}"),
            ("a\"b", "\"a\"\"b\"", "'a\"b'", "'a\"b'", "{\"a\"b\":uri}"),
            (
                "a\"'b",
                "\"a\"\"'b\"",
                "'a\"''b'",
                "\"a\"\"'b\"",
                "{\"a\"'b\":uri}",
            ),
            (
                "a=b;c",
                "\"a=b;c\"",
                "'a=b;c'",
                "\"a=b;c\"",
                "{\"a=b;c\":uri}",
            ),
        ] {
            assert_eq!(identifier(name), as_identifier);
            assert_eq!(literal(name), as_literal);
            assert_eq!(connection_value(name), as_value);
            assert_eq!(uri(name).to_string(), as_uri);
        }
        assert_eq!(conninfo("it's"), "it's");
        assert_eq!(conninfo("a='b\\c"), r"dbname='a=\'b\\c'");
    }
}
