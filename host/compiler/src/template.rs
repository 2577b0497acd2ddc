//! The written form of expressions: `{stripe-key}`, `{cache.uri}`, `{api.http.url}`, `:uri` for
//! encoding, `{{` a literal brace.
//!
//! Knows the syntax. Which names exist is checked by [`crate::resolve`].

use aspire_model::expression::{EndpointProperty, Expression, Op, Segment};
use thiserror::Error;

/// A text that is no expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// `{` without `}`.
    #[error("`{{` is never closed; write `{{{{` for a literal brace")]
    Open,
    /// `{}`.
    #[error("`{{}}` names nothing; write `{{{{}}` for literal braces")]
    Empty,
    /// More than three parts, or an empty one.
    #[error(
        "`{{{0}}}` has no such form; there are {{parameter}}, {{resource.property}} and {{resource.endpoint.property}}"
    )]
    Form(String),
    /// A suffix other than `:uri`.
    #[error("`:{0}` is no format; there is `:uri`")]
    Format(String),
    /// Not a property of endpoints.
    #[error(
        "`{property}` is no property of an endpoint; there are url, host, port, scheme, targetPort and hostAndPort"
    )]
    Property {
        /// As written.
        property: String,
    },
}

/// Reads a text.
///
/// # Errors
/// The first placeholder that is none.
pub fn parse(text: &str) -> Result<Expression, TemplateError> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        literal.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            literal.push('{');
            rest = after;
            continue;
        }
        let (inside, after) = rest.split_once('}').ok_or(TemplateError::Open)?;
        rest = after;
        if !literal.is_empty() {
            segments.push(Op::Literal(std::mem::take(&mut literal)).into());
        }
        segments.push(placeholder(inside.trim())?);
    }
    literal.push_str(rest);
    segments.push(Op::Literal(literal).into());
    Ok(Expression::new(segments).expect("no placeholder begins or ends a branch"))
}

fn placeholder(inside: &str) -> Result<Segment, TemplateError> {
    let (path, uri) = match inside.split_once(':') {
        None => (inside, false),
        Some((path, "uri")) => (path, true),
        Some((_, format)) => return Err(TemplateError::Format(format.to_owned())),
    };
    if path.is_empty() {
        return Err(TemplateError::Empty);
    }
    let parts: Vec<&str> = path.split('.').collect();
    if parts
        .iter()
        .any(|part| part.is_empty() || part.contains(char::is_whitespace))
    {
        return Err(TemplateError::Form(inside.to_owned()));
    }
    let op = match parts.as_slice() {
        // A parameter or a connection string: the value of the name. Resolving tells them apart.
        [name] => Op::Connection((*name).to_owned()),
        [resource, name] => Op::Property {
            resource: (*resource).to_owned(),
            name: (*name).to_owned(),
        },
        [resource, endpoint, property] => Op::Endpoint {
            resource: (*resource).to_owned(),
            endpoint: (*endpoint).to_owned(),
            property: EndpointProperty::parse(property).ok_or_else(|| TemplateError::Property {
                property: (*property).to_owned(),
            })?,
        },
        _ => return Err(TemplateError::Form(inside.to_owned())),
    };
    Ok(Segment { op, uri })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, printed) in [
            ("plain", "plain"),
            ("a {{b}", "a {{b}"),
            ("{key}", "{key}"),
            (
                "redis://:{pw:uri}@{cache.tcp.hostAndPort}/0",
                "redis://:{pw:uri}@{cache.tcp.hostAndPort}/0",
            ),
            ("{cache.uri}", "{cache.uri}"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), printed);
        }
    }

    #[test]
    fn refusals() {
        for (text, message) in [
            ("{x", "`{` is never closed; write `{{` for a literal brace"),
            ("{}", "`{}` names nothing; write `{{}` for literal braces"),
            (
                "{a.b.c.d}",
                "`{a.b.c.d}` has no such form; there are {parameter}, {resource.property} and {resource.endpoint.property}",
            ),
            ("{a:hex}", "`:hex` is no format; there is `:uri`"),
            (
                "{a.b.colour}",
                "`colour` is no property of an endpoint; there are url, host, port, scheme, targetPort and hostAndPort",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
    }
}
