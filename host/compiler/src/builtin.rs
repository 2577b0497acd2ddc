//! The host's own kinds, through the same trait, transaction and merge as everybody else's.
//!
//! `container`, `executable`, `parameter`, `connection-string`, `external-service`.

use std::sync::Arc;

use aspire_model::annotation::{Generate, Parameter};
use aspire_model::construct::{ConstructGraph, ConstructTransaction, Publication};
use aspire_model::expression::WireSegment;
use aspire_model::grant::Grants;
use aspire_model::hook::{
    Descriptor, ExpandContext, FailureKind, GuestError, HookFailure, KindInfo, Plugin, Snapshot,
};
use aspire_model::provenance::Author;
use aspire_model::{Declaration, Expression, FactKey, FactValue, Field, Shape, Transaction};
use serde_json::{Value as Json, json};

/// Id of the host among the plugins.
pub const ID: &str = "host";

/// The host's own kinds.
pub struct Builtin {
    descriptor: Descriptor,
    grants: Grants,
}

impl Default for Builtin {
    fn default() -> Self {
        Self::new()
    }
}

impl Builtin {
    /// All of them.
    pub fn new() -> Self {
        let kind = |name: &str, description: &str, properties: Json, required: Json| KindInfo {
            name: name.to_owned(),
            description: description.to_owned(),
            schema: json!({
                "type": "object", "additionalProperties": false,
                "properties": properties, "required": required,
            }),
        };
        let kinds = vec![
            kind(
                "container",
                "A container from an image or a Dockerfile.",
                json!({}),
                json!([]),
            ),
            kind(
                "executable",
                "A process of this machine.",
                json!({}),
                json!([]),
            ),
            kind(
                "parameter",
                "A value that is supplied from outside.",
                json!({
                    "secret": { "type": "boolean", "description": "Never shown." },
                    "description": { "type": "string" },
                    "default": { "type": ["string", "number", "boolean"], "description": "Used when nothing else supplies a value." },
                    "generate": { "description": "Made up once per instance.", "oneOf": [ { "type": "boolean" }, {
                        "type": "object", "additionalProperties": false, "properties": {
                            "length": { "type": "integer", "minimum": crate::source::MIN_GENERATED },
                            "special": { "type": "boolean", "description": "With punctuation." },
                        } } ] },
                }),
                json!([]),
            ),
            kind(
                "connection-string",
                "A connection string put together from other values.",
                json!({ "value": { "type": "string", "format": "expression", "description": "Such as \"Host={db-host};Password={db-password}\"." } }),
                json!(["value"]),
            ),
            kind(
                "external-service",
                "Something that runs elsewhere.",
                json!({ "url": { "type": "string", "format": "expression", "description": "Its URL, or a parameter that has it." } }),
                json!(["url"]),
            ),
        ];
        let descriptor = Descriptor {
            id: ID.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kinds,
            ..Descriptor::default()
        };
        Self {
            descriptor,
            grants: Grants::all(),
        }
    }

    fn refuse(&self, call: String, message: String, pointer: &str, name: &str) -> HookFailure {
        HookFailure {
            kind: FailureKind::Guest(GuestError {
                code: "wrong-value".into(),
                message,
                location: Some((name.to_owned(), pointer.to_owned())),
                help: None,
            }),
            plugin: ID.into(),
            version: self.descriptor.version.clone(),
            digest: String::new(),
            call,
            backtrace: Vec::new(),
            stderr: Vec::new(),
        }
    }
}

/// The expression inside an option of format `expression`.
fn expression(options: &Json, key: &str) -> Option<Expression> {
    let segments = options.get(key)?.get("$expr")?.clone();
    let segments: Vec<WireSegment> = serde_json::from_value(segments).ok()?;
    Expression::from_wire(segments).ok()
}

fn parameter(options: &Json) -> Parameter {
    let flag = |key: &str| options.get(key).and_then(Json::as_bool);
    let generate = match options.get("generate") {
        Some(Json::Bool(true)) => Some(Generate {
            length: 22,
            special: false,
        }),
        Some(Json::Object(table)) => Some(Generate {
            length: table
                .get("length")
                .and_then(Json::as_u64)
                .and_then(|length| u32::try_from(length).ok())
                .unwrap_or(22),
            special: table
                .get("special")
                .and_then(Json::as_bool)
                .unwrap_or(false),
        }),
        _ => None,
    };
    let default = options.get("default").map(|value| match value {
        Json::String(text) => Expression::literal(text.clone()),
        other => Expression::literal(other.to_string()),
    });
    Parameter {
        secret: flag("secret").unwrap_or(false),
        description: options
            .get("description")
            .and_then(Json::as_str)
            .unwrap_or_default()
            .to_owned(),
        generate,
        default,
    }
}

impl Plugin for Builtin {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn grants(&self) -> &Grants {
        &self.grants
    }

    fn expand(
        &self,
        declaration: &Arc<Declaration>,
        _context: &ExpandContext,
    ) -> Result<Transaction, HookFailure> {
        let Declaration {
            name,
            kind,
            options,
            author,
            ..
        } = declaration.as_ref();
        let mut edits = Transaction::new(Author::Host {
            pass: Arc::from("expand"),
            cause: author.span().cloned(),
        });
        let shape = match kind.as_ref() {
            "container" => Shape::Container,
            "executable" => Shape::Executable,
            "parameter" => Shape::Parameter,
            "connection-string" => Shape::Value,
            _ => Shape::External,
        };
        edits.add(name.clone(), kind.to_string(), shape);
        match shape {
            Shape::Parameter => {
                let parameter = parameter(options);
                if parameter.secret && parameter.default.is_some() {
                    return Err(self.refuse(
                        format!("expand({name})"),
                        "a secret with a default is no secret: its value stands in the file".into(),
                        "/default",
                        name.as_str(),
                    ));
                }
                edits.set(
                    name,
                    FactKey::single(Field::Parameter),
                    FactValue::Parameter(parameter),
                );
            }
            Shape::Value => {
                let value = expression(options, "value").unwrap_or_default();
                edits.set(
                    name,
                    FactKey::single(Field::ConnectionString),
                    FactValue::Value(value),
                );
            }
            Shape::External => {
                let value = expression(options, "url").unwrap_or_default();
                edits.set(
                    name,
                    FactKey::single(Field::Url),
                    FactValue::Value(value.clone()),
                );
                edits.set(
                    name,
                    FactKey::entry(Field::Properties, "Url"),
                    FactValue::Value(value),
                );
            }
            _ => {}
        }
        Ok(edits)
    }

    fn run(&self, _pass: &str, _snapshot: &Snapshot) -> Result<Transaction, HookFailure> {
        Ok(Transaction::new(Author::Host {
            pass: Arc::from("none"),
            cause: None,
        }))
    }

    fn lower(&self, _: &str, _: &Snapshot) -> Result<ConstructTransaction, HookFailure> {
        Ok(no_constructs())
    }

    fn refine(
        &self,
        _: &str,
        _: &Snapshot,
        _: &Arc<ConstructGraph>,
    ) -> Result<ConstructTransaction, HookFailure> {
        Ok(no_constructs())
    }

    fn publish(
        &self,
        _: &str,
        _: &Snapshot,
        _: &Arc<ConstructGraph>,
    ) -> Result<Publication, HookFailure> {
        Ok(Publication::default())
    }
}

fn no_constructs() -> ConstructTransaction {
    ConstructTransaction {
        author: Author::Host {
            pass: Arc::from("none"),
            cause: None,
        },
        edits: Vec::new(),
    }
}
