//! Values that are not known yet.
//!
//! An expression is a flat list of segments; conditionals nest by position (`if … else … end`).
//! Its written form, used in printed models, is the one of `aspire.toml`: `{cache.uri:uri}`.
//! Doesn't know what any segment evaluates to: that is [`crate::evaluate`].

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A property of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndpointProperty {
    /// `scheme://host:port`
    Url,
    /// Host name or address.
    Host,
    /// The port that the caller dials.
    Port,
    /// URI scheme.
    Scheme,
    /// The port that the workload listens on.
    TargetPort,
    /// `host:port`
    HostAndPort,
}

impl EndpointProperty {
    /// All of them, in the order of their documentation.
    pub const ALL: [Self; 6] = [
        Self::Url,
        Self::Host,
        Self::Port,
        Self::Scheme,
        Self::TargetPort,
        Self::HostAndPort,
    ];

    /// The name used in expressions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Host => "host",
            Self::Port => "port",
            Self::Scheme => "scheme",
            Self::TargetPort => "targetPort",
            Self::HostAndPort => "hostAndPort",
        }
    }

    /// The property of a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|property| property.as_str() == text)
    }
}

/// What a branch looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Condition {
    /// The parameter has this value, compared without regard to case.
    Parameter {
        /// Its name.
        name: String,
        /// The value.
        equals: String,
    },
    /// The endpoint speaks TLS.
    Tls {
        /// Resource.
        resource: String,
        /// Endpoint.
        endpoint: String,
    },
}

/// What one segment stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Op {
    /// The text itself.
    Literal(String),
    /// A parameter's value.
    Parameter(String),
    /// A property of an endpoint.
    Endpoint {
        /// Resource.
        resource: String,
        /// Endpoint.
        endpoint: String,
        /// Which property.
        property: EndpointProperty,
    },
    /// A named connection property.
    Property {
        /// Resource.
        resource: String,
        /// Property.
        name: String,
    },
    /// A connection string.
    Connection(String),
    /// An output of a target's construct.
    Output {
        /// Construct id.
        construct: String,
        /// Output.
        name: String,
    },
    /// A mount, file or data folder as the workload sees it.
    Path {
        /// Resource.
        resource: String,
        /// Key of the mount or file.
        name: String,
    },
    /// The port that the workload has to listen on.
    Port {
        /// Resource.
        resource: String,
        /// Endpoint.
        endpoint: String,
    },
    /// Begins a branch.
    If(Condition),
    /// The other branch.
    Else,
    /// Ends a branch.
    End,
}

/// One piece of an expression.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Segment {
    /// What it stands for.
    pub op: Op,
    /// Percent-encode its value for use inside a URI.
    pub uri: bool,
}

impl From<Op> for Segment {
    fn from(op: Op) -> Self {
        Self { op, uri: false }
    }
}

/// The concatenation of its segments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expression(Vec<Segment>);

/// Why a list of segments is no expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpressionError {
    /// The op does not exist in this version of the interface.
    #[error(
        "unknown op `{op}`; interface {} has lit, param, endpoint, prop, conn, output, path, port, if, else, end",
        crate::hook::INTERFACE_VERSION
    )]
    UnknownOp {
        /// As given.
        op: String,
    },
    /// Not a property of endpoints.
    #[error(
        "`{0}` is no endpoint property; there are url, host, port, scheme, targetPort, hostAndPort"
    )]
    UnknownProperty(String),
    /// An op that needs a subject or a name has none.
    #[error("op `{op}` needs a {field}")]
    Missing {
        /// The op.
        op: String,
        /// What is missing.
        field: &'static str,
    },
    /// `else` or `end` without `if`, two `else`, or an `if` that never ends.
    #[error("if, else and end are not properly nested")]
    Nesting,
}

/// A segment as it crosses the plugin boundary: `record segment` of `wit/types.wit`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WireSegment {
    /// See the table in `wit/types.wit`.
    pub op: String,
    /// See there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// See there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// See there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arg: String,
    /// Bit 0: percent-encode.
    #[serde(skip_serializing_if = "is_zero")]
    pub flags: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(flags: &u32) -> bool {
    *flags == 0
}

impl Expression {
    /// From segments, checking that branches nest and joining neighbouring literals.
    ///
    /// # Errors
    /// [`ExpressionError::Nesting`].
    pub fn new(segments: impl IntoIterator<Item = Segment>) -> Result<Self, ExpressionError> {
        let mut joined: Vec<Segment> = Vec::new();
        let mut open: Vec<bool> = Vec::new();
        for segment in segments {
            match &segment.op {
                Op::Literal(text) if text.is_empty() => continue,
                Op::Literal(text) => {
                    if let Some(Segment {
                        op: Op::Literal(last),
                        uri,
                    }) = joined.last_mut()
                        && *uri == segment.uri
                    {
                        last.push_str(text);
                        continue;
                    }
                }
                Op::If(_) => open.push(false),
                Op::Else => match open.last_mut() {
                    Some(seen) if !*seen => *seen = true,
                    _ => return Err(ExpressionError::Nesting),
                },
                Op::End => {
                    open.pop().ok_or(ExpressionError::Nesting)?;
                }
                _ => {}
            }
            joined.push(segment);
        }
        if open.is_empty() {
            Ok(Self(joined))
        } else {
            Err(ExpressionError::Nesting)
        }
    }

    /// A text that means itself.
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() {
            Self::default()
        } else {
            Self(vec![Op::Literal(text).into()])
        }
    }

    /// A single op.
    pub fn of(op: Op) -> Self {
        debug_assert!(
            !matches!(op, Op::If(_) | Op::Else | Op::End),
            "a branch is no single op"
        );
        Self(vec![op.into()])
    }

    /// A parameter's value.
    pub fn parameter(name: impl Into<String>) -> Self {
        Self::of(Op::Parameter(name.into()))
    }

    /// Its segments.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, if it is nothing but text.
    pub fn as_literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [
                Segment {
                    op: Op::Literal(text),
                    uri: false,
                },
            ] => Some(text),
            _ => None,
        }
    }

    /// From the wire form.
    ///
    /// # Errors
    /// An op, property or nesting that this version does not know.
    pub fn from_wire(
        segments: impl IntoIterator<Item = WireSegment>,
    ) -> Result<Self, ExpressionError> {
        let parsed: Result<Vec<Segment>, _> = segments.into_iter().map(parse_wire).collect();
        Self::new(parsed?)
    }

    /// To the wire form.
    pub fn to_wire(&self) -> Vec<WireSegment> {
        self.0.iter().map(write_wire).collect()
    }

    /// Every resource and parameter that it names, in order of appearance.
    pub fn subjects(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|segment| match &segment.op {
            Op::Parameter(name) | Op::Connection(name) => Some(name.as_str()),
            Op::Endpoint { resource, .. }
            | Op::Property { resource, .. }
            | Op::Path { resource, .. }
            | Op::Port { resource, .. } => Some(resource),
            Op::If(Condition::Parameter { name, .. }) => Some(name),
            Op::If(Condition::Tls { resource, .. }) => Some(resource),
            Op::Literal(_) | Op::Output { .. } | Op::Else | Op::End => None,
        })
    }
}

impl From<&str> for Expression {
    fn from(text: &str) -> Self {
        Self::literal(text)
    }
}

fn parse_wire(segment: WireSegment) -> Result<Segment, ExpressionError> {
    let WireSegment {
        op,
        subject,
        name,
        arg,
        flags,
    } = segment;
    let need = |value: &str, field: &'static str| {
        if value.is_empty() {
            Err(ExpressionError::Missing {
                op: op.clone(),
                field,
            })
        } else {
            Ok(())
        }
    };
    let parsed = match op.as_str() {
        "lit" => Op::Literal(subject),
        "param" => {
            need(&subject, "subject")?;
            Op::Parameter(subject)
        }
        "endpoint" => {
            need(&subject, "subject")?;
            need(&name, "name")?;
            let property =
                EndpointProperty::parse(&arg).ok_or(ExpressionError::UnknownProperty(arg))?;
            Op::Endpoint {
                resource: subject,
                endpoint: name,
                property,
            }
        }
        "prop" => {
            need(&subject, "subject")?;
            need(&name, "name")?;
            Op::Property {
                resource: subject,
                name,
            }
        }
        "conn" => {
            need(&subject, "subject")?;
            Op::Connection(subject)
        }
        "output" => {
            need(&subject, "subject")?;
            need(&name, "name")?;
            Op::Output {
                construct: subject,
                name,
            }
        }
        "path" => {
            need(&subject, "subject")?;
            need(&name, "name")?;
            Op::Path {
                resource: subject,
                name,
            }
        }
        "port" => {
            need(&subject, "subject")?;
            need(&name, "name")?;
            Op::Port {
                resource: subject,
                endpoint: name,
            }
        }
        "if" => {
            need(&subject, "subject")?;
            Op::If(if name.is_empty() {
                Condition::Parameter {
                    name: subject,
                    equals: arg,
                }
            } else {
                Condition::Tls {
                    resource: subject,
                    endpoint: name,
                }
            })
        }
        "else" => Op::Else,
        "end" => Op::End,
        _ => return Err(ExpressionError::UnknownOp { op }),
    };
    Ok(Segment {
        op: parsed,
        uri: flags & 1 == 1,
    })
}

fn write_wire(segment: &Segment) -> WireSegment {
    let (op, subject, name, arg) = match &segment.op {
        Op::Literal(text) => ("lit", text.clone(), String::new(), String::new()),
        Op::Parameter(name) => ("param", name.clone(), String::new(), String::new()),
        Op::Endpoint {
            resource,
            endpoint,
            property,
        } => (
            "endpoint",
            resource.clone(),
            endpoint.clone(),
            property.as_str().to_owned(),
        ),
        Op::Property { resource, name } => ("prop", resource.clone(), name.clone(), String::new()),
        Op::Connection(resource) => ("conn", resource.clone(), String::new(), String::new()),
        Op::Output { construct, name } => {
            ("output", construct.clone(), name.clone(), String::new())
        }
        Op::Path { resource, name } => ("path", resource.clone(), name.clone(), String::new()),
        Op::Port { resource, endpoint } => {
            ("port", resource.clone(), endpoint.clone(), String::new())
        }
        Op::If(Condition::Parameter { name, equals }) => {
            ("if", name.clone(), String::new(), equals.clone())
        }
        Op::If(Condition::Tls { resource, endpoint }) => {
            ("if", resource.clone(), endpoint.clone(), String::new())
        }
        Op::Else => ("else", String::new(), String::new(), String::new()),
        Op::End => ("end", String::new(), String::new(), String::new()),
    };
    WireSegment {
        op: op.to_owned(),
        subject,
        name,
        arg,
        flags: u32::from(segment.uri),
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Segment { op, uri } in &self.0 {
            let suffix = if *uri { ":uri" } else { "" };
            match op {
                Op::Literal(text) if *uri => write!(f, "{{\"{text}\":uri}}")?,
                Op::Literal(text) => f.write_str(&text.replace('{', "{{"))?,
                Op::Parameter(name) | Op::Connection(name) => write!(f, "{{{name}{suffix}}}")?,
                Op::Endpoint {
                    resource,
                    endpoint,
                    property,
                } => {
                    write!(f, "{{{resource}.{endpoint}.{}{suffix}}}", property.as_str())?;
                }
                Op::Property { resource, name } => write!(f, "{{{resource}.{name}{suffix}}}")?,
                Op::Output { construct, name } => {
                    write!(f, "{{output {construct}.{name}{suffix}}}")?;
                }
                Op::Path { resource, name } => write!(f, "{{path {resource}.{name}{suffix}}}")?,
                Op::Port { resource, endpoint } => {
                    write!(f, "{{port {resource}.{endpoint}{suffix}}}")?;
                }
                Op::If(Condition::Parameter { name, equals }) => {
                    write!(f, "{{if {name} = {equals}}}")?;
                }
                Op::If(Condition::Tls { resource, endpoint }) => {
                    write!(f, "{{if {resource}.{endpoint} tls}}")?;
                }
                Op::Else => f.write_str("{else}")?,
                Op::End => f.write_str("{end}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(op: &str, subject: &str, name: &str, arg: &str) -> WireSegment {
        WireSegment {
            op: op.into(),
            subject: subject.into(),
            name: name.into(),
            arg: arg.into(),
            flags: 0,
        }
    }

    #[test]
    fn written_form_of_every_op() {
        let mut password = wire("param", "cache-password", "", "");
        password.flags = 1;
        let expression = Expression::from_wire([
            wire("lit", "redis{", "", ""),
            wire("lit", "://:", "", ""),
            password,
            wire("endpoint", "cache", "tcp", "hostAndPort"),
            wire("prop", "cache", "uri", ""),
            wire("conn", "cache", "", ""),
            wire("path", "cache", "data", ""),
            wire("port", "cache", "tcp", ""),
            wire("output", "c", "address", ""),
            wire("if", "cache", "tcp", ""),
            wire("lit", ",ssl=true", "", ""),
            wire("else", "", "", ""),
            wire("end", "", "", ""),
        ])
        .unwrap();
        insta::assert_snapshot!(expression.to_string(), @"redis{{://:{cache-password:uri}{cache.tcp.hostAndPort}{cache.uri}{cache}{path cache.data}{port cache.tcp}{output c.address}{if cache.tcp tls},ssl=true{else}{end}");
        assert_eq!(
            Expression::from_wire(expression.to_wire()).unwrap(),
            expression
        );
    }

    #[test]
    fn refusals() {
        for (segments, message) in [
            (
                vec![wire("frob", "", "", "")],
                "unknown op `frob`; interface 0.1.0 has lit, param, endpoint, prop, conn, output, path, port, if, else, end",
            ),
            (
                vec![wire("param", "", "", "")],
                "op `param` needs a subject",
            ),
            (
                vec![wire("endpoint", "a", "b", "colour")],
                "`colour` is no endpoint property; there are url, host, port, scheme, targetPort, hostAndPort",
            ),
            (
                vec![wire("end", "", "", "")],
                "if, else and end are not properly nested",
            ),
            (
                vec![wire("if", "p", "", "x")],
                "if, else and end are not properly nested",
            ),
            (
                vec![
                    wire("if", "p", "", "x"),
                    wire("else", "", "", ""),
                    wire("else", "", "", ""),
                    wire("end", "", "", ""),
                ],
                "if, else and end are not properly nested",
            ),
        ] {
            assert_eq!(
                Expression::from_wire(segments).unwrap_err().to_string(),
                message
            );
        }
    }
}
