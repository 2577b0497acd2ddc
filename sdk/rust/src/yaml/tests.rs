//! What is quoted, and how nested values look.

use serde_json::json;

use super::*;

fn value(text: &str) -> String {
    let document = Yaml::map().with("k", text).to_string();
    document.strip_prefix("k: ").unwrap().trim_end().to_owned()
}

#[test]
fn harmless_text_is_plain() {
    for text in [
        "redis",
        "docker.io/library/redis",
        "/data",
        "./init",
        "a=b",
        "service_healthy",
        "a b, c",
        "x-1.2.3",
        "user@example.com",
    ] {
        assert_eq!(value(text), text);
    }
}

#[test]
fn ambiguous_text_is_quoted() {
    for text in [
        "",
        " ",
        "yes",
        "No",
        "ON",
        "off",
        "y",
        "N",
        "true",
        "False",
        "null",
        "NULL",
        "~",
        "None",
        "1",
        "1.5",
        "1e3",
        "0x10",
        "0o17",
        "017",
        "+1",
        "-1",
        ".5",
        ".inf",
        ".NaN",
        "nan",
        "12:30",
        "5432:5432",
        "2024-01-01",
        "=",
        "<<",
        "-",
        "- a",
        "a: b",
        "a:",
        "a #b",
        "#a",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a",
        "|",
        ">",
        "?",
        "{a",
        "[a",
        "]",
        ",a",
        "\u{e4}",
        " a",
        "a ",
        ".",
        "..",
        "...",
        "---",
        "a'b",
        "${A}",
        "redis:8.6",
    ] {
        assert_eq!(value(text), format!("\"{text}\""));
    }
}

#[test]
fn escapes() {
    assert_eq!(value("a\"b\\c"), r#""a\"b\\c""#);
    assert_eq!(value("a\tb\r"), r#""a\tb\r""#);
    assert_eq!(
        value("\u{7f}\u{85}\u{2028}\u{feff}\u{1f600}"),
        "\"\\x7f\\x85\\u2028\\ufeff\u{1f600}\""
    );
}

#[test]
fn several_lines_become_a_block() {
    let document = Yaml::map()
        .with("kept", "#!/bin/sh\n\nexec a: b\n")
        .with("stripped", "one\n  two")
        .with("list", Yaml::list(["x\ny\n"]));
    assert_eq!(
        document.to_string(),
        "kept: |\n  #!/bin/sh\n\n  exec a: b\nstripped: |-\n  one\n    two\nlist:\n  - |\n    x\n    y\n"
    );
    // What a block cannot say.
    for text in [
        " first\nsecond",
        "\nfirst",
        "trailing \nx",
        "two\n\n",
        "bell\u{7}\n",
        "a\r\nb",
    ] {
        assert!(value(text).starts_with('"'), "{text:?}");
    }
}

#[test]
fn nesting() {
    let document = Yaml::map().with(
        "services",
        Yaml::map().with(
            "api",
            Yaml::map()
                .with("command", Yaml::list(["a", "no"]))
                .with(
                    "ports",
                    Yaml::List(vec![
                        Yaml::map().with("target", 80_u16).with("mode", "host"),
                        Yaml::list(["x"]),
                        Yaml::List(Vec::new()),
                    ]),
                )
                .with("no", true)
                .with("empty", Yaml::map())
                .with("nothing", Yaml::Null)
                .with_some("left-out", "")
                .with_some("zero", 0_i64),
        ),
    );
    assert_eq!(
        document.to_string(),
        "\
services:
  api:
    command:
      - a
      - \"no\"
    ports:
      - target: 80
        mode: host
      -
        - x
      - []
    \"no\": true
    empty: {}
    nothing: null
    zero: 0
"
    );
    assert_eq!(Yaml::map().to_string(), "{}\n");
    assert_eq!(
        document
            .get("services")
            .and_then(|s| s.get("api"))
            .map(Yaml::is_empty),
        Some(false)
    );
}

#[test]
fn set_replaces_in_place() {
    let mut map = Yaml::map().with("a", "1st").with("b", "x");
    map.set("a", "2nd").set("c", Some("z"));
    assert_eq!(map.to_string(), "a: \"2nd\"\nb: x\nc: z\n");
}

#[test]
fn from_json() {
    let json = json!({ "b": [1, 1.5, null, true], "a": { "x": "z" } });
    // Keys of a JSON object are sorted.
    assert_eq!(
        Yaml::from(&json).to_string(),
        "a:\n  x: z\nb:\n  - 1\n  - \"1.5\"\n  - null\n  - true\n"
    );
}
