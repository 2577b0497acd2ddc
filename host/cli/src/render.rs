//! Diagnostics for people: the offending line shown, related places, authors, help.
//!
//! Knows how a finding looks. Doesn't know what any code means or who found it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use aspire_model::diagnostic::{Diagnostic, Diagnostics, Severity};
use aspire_model::provenance::{Author, Span};
use serde_json::{Value as Json, json};

use crate::error::Exit;
use crate::ui::{Ui, visible};

/// Code of the note that a permission was not granted: it is what the user has to read when a
/// plugin failed for want of it.
pub(crate) const NOT_GRANTED: &str = "not-granted";

/// The texts that spans point into, by the name that spans have for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources(BTreeMap<Arc<str>, Arc<str>>);

impl Sources {
    /// One more text.
    pub(crate) fn add(&mut self, file: Arc<str>, text: Arc<str>) {
        self.0.insert(file, text);
    }

    /// The text that a span points into.
    pub(crate) fn get(&self, span: &Span) -> Option<&str> {
        self.0.get(&span.file).map(AsRef::as_ref)
    }
}

/// Prints everything that was found and says how the command has to end.
pub(crate) fn report(ui: &Ui, sources: &Sources, diagnostics: &Diagnostics) -> Exit {
    let exit = Exit::of(diagnostics);
    if ui.json() {
        if exit != Exit::Fine {
            ui.out_json(&to_json(diagnostics));
        }
        return exit;
    }
    for text in texts(ui, sources, diagnostics) {
        ui.err(text);
        ui.err("");
    }
    if exit != Exit::Fine {
        ui.err(count(diagnostics));
    }
    exit
}

/// Everything that the user wants to know of what was found.
pub(crate) fn texts(ui: &Ui, sources: &Sources, diagnostics: &Diagnostics) -> Vec<String> {
    let exit = Exit::of(diagnostics);
    let renderer = if ui.colour && ui.err_is_terminal {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = renderer.term_width(width(ui));
    let is_wanted = |diagnostic: &&Diagnostic| match diagnostic.severity {
        Severity::Error => true,
        Severity::Warning => !ui.quiet,
        Severity::Note => {
            let helps = exit == Exit::Plugin && diagnostic.code == NOT_GRANTED;
            !ui.quiet && (ui.verbose || helps)
        }
    };
    diagnostics
        .iter()
        .filter(is_wanted)
        .map(|diagnostic| render(&renderer, sources, diagnostic))
        .collect()
}

/// Columns to break lines at: the terminal's, or what a reader of a file is used to.
fn width(ui: &Ui) -> usize {
    let terminal = || {
        terminal_size::terminal_size_of(std::io::stderr())
            .map(|(columns, _)| usize::from(columns.0))
            .filter(|columns| *columns > 0)
    };
    let columns = if ui.err_is_terminal {
        terminal()
    } else {
        crate::env::columns()
    };
    columns.unwrap_or(120).clamp(60, 200)
}

/// `2 errors, 1 warning`
pub(crate) fn count(diagnostics: &Diagnostics) -> String {
    let number = |severity| {
        diagnostics
            .iter()
            .filter(|d| d.severity == severity)
            .count()
    };
    let say = |number: usize, word: &str| {
        format!("{number} {word}{}", if number == 1 { "" } else { "s" })
    };
    let errors = say(number(Severity::Error), "error");
    match number(Severity::Warning) {
        0 => errors,
        warnings => format!("{errors}, {}", say(warnings, "warning")),
    }
}

/// For programs.
pub(crate) fn to_json(diagnostics: &Diagnostics) -> Json {
    let number = |severity| {
        diagnostics
            .iter()
            .filter(|d| d.severity == severity)
            .count()
    };
    json!({
        "diagnostics": diagnostics,
        "errors": number(Severity::Error),
        "warnings": number(Severity::Warning),
    })
}

/// One finding.
pub(crate) fn render(renderer: &Renderer, sources: &Sources, diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = visible(&diagnostic.message, false);
    let mut group = level
        .primary_title(title)
        .id(diagnostic.code.as_str())
        .elements(Vec::<Element<'_>>::new());
    let mut related: Vec<&(Span, String)> = diagnostic.related.iter().collect();
    if let Some(span) = &diagnostic.span {
        let same_file = |other: &&(Span, String)| other.0.file == span.file;
        match sources.get(span) {
            Some(text) => {
                let mut snippet = Snippet::source(text)
                    .path(span.file.as_ref())
                    .annotation(AnnotationKind::Primary.span(clip(text, span)));
                for (place, words) in related.iter().filter(|other| same_file(other)) {
                    snippet = snippet.annotation(
                        AnnotationKind::Context
                            .span(clip(text, place))
                            .label(words.as_str()),
                    );
                }
                related.retain(|other| !same_file(other));
                group = group.element(snippet);
            }
            None => group = group.element(origin(span)),
        }
    }
    if let Some(author) = &diagnostic.author
        && !matches!(author, Author::App { .. })
    {
        group = group.element(Level::NOTE.message(format!("from {}", describe_author(author))));
    }
    let mut groups = Vec::new();
    for detail in &diagnostic.details {
        group = group.element(Level::NOTE.message(visible_lines(detail)));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(visible_lines(help)));
    }
    groups.push(group);
    for (place, words) in related {
        let note = Group::with_title(Level::NOTE.secondary_title(visible(words, false)));
        groups.push(match sources.get(place) {
            Some(text) => note.element(
                Snippet::source(text)
                    .path(place.file.as_ref())
                    .annotation(AnnotationKind::Primary.span(clip(text, place))),
            ),
            None => note.element(origin(place)),
        });
    }
    renderer.render(&groups)
}

fn origin(span: &Span) -> Origin<'_> {
    let origin = Origin::path(span.file.as_ref());
    // A place in no text is a name alone.
    if span.line == 0 || span.end == 0 {
        origin
    } else {
        origin.line(span.line)
    }
}

fn visible_lines(text: &str) -> String {
    text.lines()
        .map(|line| visible(line, false))
        .collect::<Vec<_>>()
        .join("\n")
}

/// An author without the place that the snippet shows anyway.
fn describe_author(author: &Author) -> String {
    match author {
        Author::Host { pass, .. } => format!("the host, pass {pass}"),
        Author::Plugin {
            plugin,
            version,
            pass,
            ..
        } => {
            format!("plugin {plugin} {version}, pass {pass}")
        }
        Author::App { span } => span.to_string(),
        Author::Option { text } => text.to_string(),
    }
}

/// The part of a span that lies on its first line, within the text.
fn clip(text: &str, span: &Span) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    let end = floor(span.end.max(span.start));
    let line_end = text[start..]
        .find('\n')
        .map_or(text.len(), |length| start + length);
    start..end.min(line_end).max(start)
}

#[cfg(test)]
mod tests;
