//! The parse pass: text → [`Document`].
//!
//! Knows the tables of `aspire.toml` and the rules for names. Doesn't know kinds: a resource's body
//! stays a tree until the plugins are loaded.

use std::collections::BTreeMap;
use std::sync::Arc;

use aspire_model::annotation::{Generate, Parameter};
use aspire_model::diagnostic::{Diagnostic, Diagnostics};
use aspire_model::provenance::Span;
use aspire_model::{Expression, ResourceName};

use crate::document::{ParameterEntry, PluginEntry, ResourceEntry};
use crate::reserved::Reader;
use crate::tree::{self, Entry, Node, Value};

pub use crate::document::{Document, Source};

/// Keys of the top level.
pub const TOP_LEVEL: [&str; 4] = ["name", "plugins", "parameters", "resources"];
/// Keys of a parameter.
pub const PARAMETER_KEYS: [&str; 4] = ["secret", "description", "default", "generate"];
/// Keys of a plugin.
pub const PLUGIN_KEYS: [&str; 3] = ["source", "allow", "operator"];
/// Shortest generated value.
pub const MIN_GENERATED: i64 = 22;

/// Reads a text. The document holds whatever could be read; with errors it must not be used further
/// than to load plugins and tell more.
pub fn parse(source: &Source) -> (Document, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let root = match tree::read(source) {
        Ok(root) => root,
        Err(diagnostic) => {
            diagnostics.push(*diagnostic);
            Node::empty_table(start_of(source))
        }
    };
    let mut document = Document {
        name: Arc::from("app"),
        name_span: None,
        plugins: Vec::new(),
        parameters: Vec::new(),
        resources: Vec::new(),
    };
    let mut reader = Reader::new(&mut diagnostics);
    let entries = match root.value {
        Value::Table(entries) => entries,
        _ => Vec::new(),
    };
    for entry in entries {
        match entry.key.as_str() {
            "name" => {
                if let Some(text) = reader.get_text(&entry.node)
                    && let Some(name) = name(&mut reader, &text, &entry.node.span)
                {
                    document.name = Arc::from(name.as_str());
                    document.name_span = Some(entry.node.span.clone());
                }
            }
            "plugins" => {
                let entries = reader.get_open_table(&entry.node).unwrap_or_default();
                document.plugins = entries
                    .iter()
                    .filter_map(|one| plugin(&mut reader, one))
                    .collect();
            }
            "parameters" => {
                let entries = reader.get_open_table(&entry.node).unwrap_or_default();
                document.parameters = entries
                    .iter()
                    .filter_map(|one| parameter(&mut reader, one))
                    .collect();
            }
            "resources" => {
                if reader.get_open_table(&entry.node).is_some()
                    && let Value::Table(entries) = entry.node.value
                {
                    document.resources = entries
                        .into_iter()
                        .filter_map(|one| resource(&mut reader, one))
                        .collect();
                }
            }
            key if key.starts_with("x-") => {}
            _ => reader.unknown_key(&entry, &TOP_LEVEL),
        }
    }
    one_name_each(&mut document, &mut diagnostics);
    if document.name_span.is_none() && !diagnostics.has_errors() {
        diagnostics.push(
            Diagnostic::error("no-name", "the app has no name")
                .at(start_of(source))
                .help("write name = \"…\" at the top"),
        );
    }
    (document, diagnostics)
}

/// Takes out what has the name of something before it, without regard to case.
fn one_name_each(document: &mut Document, diagnostics: &mut Diagnostics) {
    let mut seen: BTreeMap<String, (ResourceName, Span)> = BTreeMap::new();
    let mut first = |name: &ResourceName, span: &Span| {
        let folded = name.as_str().to_ascii_lowercase();
        if let Some((other, place)) = seen.get(&folded) {
            diagnostics.push(
                Diagnostic::error(
                    "duplicate-name",
                    format!("`{name}` and `{other}` are one name"),
                )
                .at(span.clone())
                .related(place.clone(), "the other one")
                .help("names are compared without regard to case; rename one of them"),
            );
            return false;
        }
        seen.insert(folded, (name.clone(), span.clone()));
        true
    };
    document
        .parameters
        .retain(|entry| first(&entry.name, &entry.span));
    document
        .resources
        .retain(|entry| first(&entry.name, &entry.span));
}

/// The document of a run without an app file: one resource of a kind.
pub fn single(app: &str, name: &str, kind: &str, because: &str) -> Option<Document> {
    let span = Span {
        file: Arc::from(because),
        start: 0,
        end: 0,
        line: 1,
    };
    Some(Document {
        name: Arc::from(app),
        name_span: None,
        plugins: Vec::new(),
        parameters: Vec::new(),
        resources: vec![ResourceEntry {
            name: ResourceName::new(name).ok()?,
            kind: kind.to_owned(),
            kind_span: span.clone(),
            body: Node::empty_table(span.clone()),
            span,
        }],
    })
}

fn start_of(source: &Source) -> Span {
    Span {
        file: Arc::clone(&source.file),
        start: 0,
        end: 0,
        line: 1,
    }
}

fn name(reader: &mut Reader<'_>, text: &str, span: &Span) -> Option<ResourceName> {
    match ResourceName::new(text) {
        Ok(name) => Some(name),
        Err(error) => {
            reader.diagnostics.push(
                Diagnostic::error("bad-name", error.to_string()).at(span.clone()).help(
                    "a name begins with a letter and has at most 64 letters, digits and single hyphens",
                ),
            );
            None
        }
    }
}

fn plugin(reader: &mut Reader<'_>, entry: &Entry) -> Option<PluginEntry> {
    let mut plugin = PluginEntry {
        alias: entry.key.clone(),
        source: String::new(),
        allow: Vec::new(),
        operator: false,
        span: entry.span.clone(),
    };
    if let Value::String(source) = &entry.node.value {
        plugin.source.clone_from(source);
    } else {
        for option in reader.get_table(&entry.node, &PLUGIN_KEYS)? {
            match option.key.as_str() {
                "source" => plugin.source = reader.get_text(&option.node)?,
                "operator" => plugin.operator = reader.get_flag(&option.node)?,
                "allow" => {
                    let texts = reader.get_texts(&option.node)?;
                    let Value::Array(items) = &option.node.value else {
                        return None;
                    };
                    plugin.allow = texts
                        .into_iter()
                        .zip(items.iter().map(|item| item.span.clone()))
                        .collect();
                }
                _ => {}
            }
        }
    }
    if plugin.source.is_empty() {
        reader.wrong_value(
            &entry.node,
            "a plugin needs a source",
            "write a name or a path to a .wasm file",
        );
        return None;
    }
    for (text, span) in &plugin.allow {
        if let Err(error) = aspire_model::grant::Permission::parse(text) {
            reader
                .diagnostics
                .push(Diagnostic::error("unknown-permission", error.to_string()).at(span.clone()));
        }
    }
    Some(plugin)
}

fn parameter(reader: &mut Reader<'_>, entry: &Entry) -> Option<ParameterEntry> {
    let name = name(reader, &entry.key, &entry.span)?;
    let parameter = parameter_options(reader, &entry.node, &PARAMETER_KEYS)?;
    Some(ParameterEntry {
        name,
        parameter,
        span: entry.span.clone(),
    })
}

/// Reads the options of a parameter out of a table; keys that are not `known` are told.
pub fn parameter_options(
    reader: &mut Reader<'_>,
    node: &Node,
    known: &[&str],
) -> Option<Parameter> {
    let mut parameter = Parameter::default();
    for option in reader.get_table(node, known)? {
        let value = &option.node;
        match option.key.as_str() {
            "secret" => parameter.secret = reader.get_flag(value)?,
            "description" => parameter.description = reader.get_text(value)?,
            "default" => {
                let text = match &value.value {
                    Value::Integer(number) => number.to_string(),
                    Value::Boolean(flag) => flag.to_string(),
                    Value::Float(number) => number.to_string(),
                    _ => reader.get_text(value)?,
                };
                parameter.default = Some(Expression::literal(text));
            }
            "generate" => parameter.generate = generate(reader, value)?,
            _ => {}
        }
    }
    if parameter.secret && parameter.default.is_some() {
        reader.wrong_value(
            node,
            "a secret with a default is no secret: its value stands in the file",
            "remove `default`; set it with `aspire-host param set`, or let it be generated",
        );
    }
    Some(parameter)
}

fn generate(reader: &mut Reader<'_>, node: &Node) -> Option<Option<Generate>> {
    let mut generate = Generate {
        length: 22,
        special: false,
    };
    match &node.value {
        Value::Boolean(false) => return Some(None),
        Value::Boolean(true) => {}
        _ => {
            for option in reader.get_table(node, &["length", "special"])? {
                match option.key.as_str() {
                    "length" => {
                        let length = reader.get_number(&option.node, MIN_GENERATED..=1024)?;
                        generate.length = u32::try_from(length).ok()?;
                    }
                    "special" => generate.special = reader.get_flag(&option.node)?,
                    _ => {}
                }
            }
        }
    }
    Some(Some(generate))
}

fn resource(reader: &mut Reader<'_>, entry: Entry) -> Option<ResourceEntry> {
    let name = name(reader, &entry.key, &entry.span)?;
    let entries = reader.get_open_table(&entry.node)?;
    let Some(kind) = entries.iter().find(|option| option.key == "kind") else {
        reader.diagnostics.push(
            Diagnostic::error("no-kind", format!("`{name}` has no kind"))
                .at(entry.span.clone())
                .about(name.as_str())
                .help("write kind = \"…\"; `aspire-host schema` lists the kinds"),
        );
        return None;
    };
    let text = reader.get_text(&kind.node)?;
    Some(ResourceEntry {
        name,
        kind: text,
        kind_span: kind.node.span.clone(),
        span: entry.span,
        body: entry.node,
    })
}
