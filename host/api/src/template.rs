//! Placeholders in the strings of a workload, replaced by the driver when it starts it.
//!
//! Written as in DCP, `{{- NAME "ARGUMENT" -}}`; literal braces that would be read as a placeholder
//! are escaped by [`escape`]. The compiler writes them, the control plane replaces them; nobody
//! else has to know how they look.

use std::fmt::Write;

use thiserror::Error;

/// What stands between the braces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placeholder {
    /// `portForServing SERVICE`: the port that this workload itself listens on for a service.
    PortForServing(String),
    /// `addressForServing SERVICE`: the address that this workload itself listens on for a service.
    AddressForServing(String),
    /// `portFor SERVICE`: the service's public port.
    PortFor(String),
    /// `addressFor SERVICE`: the service's public address, as this workload can reach it.
    AddressFor(String),
    /// `secret NAME`: a secret value.
    Secret {
        /// Its name.
        name: String,
        /// Percent-encoded.
        uri: bool,
    },
    /// `dataFolder KEY`: a data folder of this process.
    DataFolder(String),
    /// `file KEY`: a private file of this process, by relative path.
    File(String),
}

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text.
    Text(String),
    /// Something to replace.
    Placeholder(Placeholder),
}

/// A template that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error("`{{{{` at byte {0} is never closed")]
    Open(usize),
    /// Not one of [`Placeholder`].
    #[error("`{0}` is no placeholder")]
    Unknown(String),
}

/// The text, so that [`parse`] reads it as text.
pub fn escape(text: &str) -> String {
    text.replace("{{", "{{- lit \"{{\" -}}")
}

impl Placeholder {
    /// Its written form.
    pub fn write(&self) -> String {
        let (name, argument) = match self {
            Self::PortForServing(argument) => ("portForServing", argument),
            Self::AddressForServing(argument) => ("addressForServing", argument),
            Self::PortFor(argument) => ("portFor", argument),
            Self::AddressFor(argument) => ("addressFor", argument),
            Self::Secret { name, uri: false } => ("secret", name),
            Self::Secret { name, uri: true } => ("secretUri", name),
            Self::DataFolder(argument) => ("dataFolder", argument),
            Self::File(argument) => ("file", argument),
        };
        let mut text = String::new();
        let _ = write!(text, "{{{{- {name} \"{argument}\" -}}}}");
        text
    }
}

/// Takes a template apart.
///
/// # Errors
/// Braces that are never closed, and anything between them that is no placeholder.
pub fn parse(template: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let offset = template.len() - rest.len() + start;
        text.push_str(&rest[..start]);
        let (inside, after) = rest[start + 2..]
            .split_once("}}")
            .ok_or(TemplateError::Open(offset))?;
        rest = after;
        // DCP's users write `{{portFor "x"}}` as well.
        let inside = inside.trim_start_matches('-').trim_end_matches('-').trim();
        let unknown = || TemplateError::Unknown(inside.to_owned());
        let (name, argument) = inside.split_once(' ').ok_or_else(unknown)?;
        let argument = argument
            .trim()
            .strip_prefix('"')
            .and_then(|quoted| quoted.strip_suffix('"'))
            .ok_or_else(unknown)?
            .to_owned();
        let placeholder = match name {
            "lit" => {
                text.push_str(&argument);
                continue;
            }
            "portForServing" => Placeholder::PortForServing(argument),
            "addressForServing" => Placeholder::AddressForServing(argument),
            "portFor" => Placeholder::PortFor(argument),
            "addressFor" => Placeholder::AddressFor(argument),
            "secret" => Placeholder::Secret {
                name: argument,
                uri: false,
            },
            "secretUri" => Placeholder::Secret {
                name: argument,
                uri: true,
            },
            "dataFolder" => Placeholder::DataFolder(argument),
            "file" => Placeholder::File(argument),
            _ => return Err(unknown()),
        };
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(Piece::Placeholder(placeholder));
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let secret = Placeholder::Secret {
            name: "pw".into(),
            uri: true,
        };
        let template = format!(
            "{}{}@localhost:{}",
            escape("a {{ b }} "),
            secret.write(),
            Placeholder::PortFor("cache-tcp".into()).write()
        );
        assert_eq!(
            parse(&template).unwrap(),
            [
                Piece::Text("a {{ b }} ".into()),
                Piece::Placeholder(secret),
                Piece::Text("@localhost:".into()),
                Piece::Placeholder(Placeholder::PortFor("cache-tcp".into())),
            ]
        );
    }

    #[test]
    fn all_spellings() {
        let port = [Piece::Placeholder(Placeholder::PortFor("a".into()))];
        for text in [
            r#"{{- portFor "a" -}}"#,
            r#"{{portFor "a"}}"#,
            r#"{{ portFor "a" }}"#,
            r#"{{- portFor "a"}}"#,
        ] {
            assert_eq!(parse(text).unwrap(), port, "{text}");
        }
    }

    #[test]
    fn refusals() {
        assert_eq!(parse("x {{ y").unwrap_err(), TemplateError::Open(2));
        assert_eq!(
            parse("{{- frob \"x\" -}}").unwrap_err(),
            TemplateError::Unknown("frob \"x\"".into())
        );
    }
}
