//! Tests of `render`.

use super::*;
use insta::assert_snapshot;

const TEXT: &str = "name = \"shop\"\n\n[resources.cache]\nkind = \"rediss\"\nmode = 1\n";

fn span(part: &str) -> Span {
    let start = TEXT.find(part).unwrap();
    let line = TEXT[..start].lines().count().max(1);
    Span {
        file: "aspire.toml".into(),
        start,
        end: start + part.len(),
        line,
    }
}

fn show(diagnostic: &Diagnostic) -> String {
    let mut sources = Sources::default();
    sources.add("aspire.toml".into(), TEXT.into());
    render(&Renderer::plain(), &sources, diagnostic)
}

#[test]
fn with_line_and_help() {
    let diagnostic = Diagnostic::error("unknown-kind", "there is no kind `rediss`")
        .at(span("\"rediss\""))
        .help("did you mean `redis`?");
    assert_snapshot!(show(&diagnostic), @r#"
    error[unknown-kind]: there is no kind `rediss`
     --> aspire.toml:4:8
      |
    4 | kind = "rediss"
      |        ^^^^^^^^
      |
      = help: did you mean `redis`?
    "#);
}

#[test]
fn with_relations_authors_and_details() {
    let author = Author::Plugin {
        plugin: "acme/policy".into(),
        version: "1.0.0".into(),
        pass: "label".into(),
        cause: Some(span("[resources.cache]")),
        operator: false,
    };
    let elsewhere = Span {
        file: "other.toml".into(),
        start: 0,
        end: 1,
        line: 7,
    };
    let diagnostic = Diagnostic::warning("conflict", "two \u{1b}[31mvalues")
        .at(span("mode = 1"))
        .by(&author)
        .related(span("\"rediss\""), "the other one")
        .related(elsewhere, "and there")
        .detail("guest backtrace:\n  0: frame");
    assert_snapshot!(show(&diagnostic), @r#"
    warning[conflict]: two values
     --> aspire.toml:5:1
      |
    4 | kind = "rediss"
      |        -------- the other one
    5 | mode = 1
      | ^^^^^^^^
      |
      = note: from plugin acme/policy 1.0.0, pass label
      = note: guest backtrace:
                0: frame
    note: and there
     --> other.toml:7
    "#);
}

#[test]
fn without_a_place() {
    let diagnostic = Diagnostic::error("no-engine", "nothing answers").help("start it");
    assert_snapshot!(show(&diagnostic), @r"
    error[no-engine]: nothing answers
     |
     = help: start it
    ");
}

#[test]
fn spans_are_clipped() {
    let broken = Span {
        file: "f".into(),
        start: 1,
        end: 99,
        line: 1,
    };
    assert_eq!(clip("äb\nc", &broken), 0..3);
    let behind = Span {
        file: "f".into(),
        start: 50,
        end: 60,
        line: 1,
    };
    assert_eq!(clip("ab", &behind), 2..2);
}

#[test]
fn counts() {
    let list: Diagnostics = [
        Diagnostic::error("a", "a"),
        Diagnostic::error("b", "b"),
        Diagnostic::warning("c", "c"),
    ]
    .into_iter()
    .collect();
    assert_eq!(count(&list), "2 errors, 1 warning");
}
