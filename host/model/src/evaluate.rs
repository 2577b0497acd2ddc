//! Taking expressions apart against a model.
//!
//! [`expand`] follows properties and connection strings until only leaves are left and hands those
//! to a [`Sink`]; what an address or a port *is* depends on who asks and is the sink's business.
//! Sensitivity is derived here. Doesn't know runtime state, values of parameters, or any target.

use crate::annotation::Endpoint;
use crate::expression::{Condition, EndpointProperty, Expression, Op, Segment};
use crate::fact::{FactValue, Field, Form};
use crate::model::{AppModel, Resource};

use thiserror::Error;

/// How deep properties may refer to properties.
const MAX_DEPTH: usize = 32;
/// How many segments one expression may come to. Properties that name each other twice grow by
/// powers of two; no fuel stops the host.
const MAX_SEGMENTS: usize = 100_000;

/// An expression that refers to something that is not in the model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvaluateError {
    /// No such resource.
    #[error("there is no resource `{0}`")]
    UnknownResource(String),
    /// No such endpoint.
    #[error("`{resource}` has no endpoint `{endpoint}`")]
    UnknownEndpoint {
        /// The resource.
        resource: String,
        /// The endpoint.
        endpoint: String,
    },
    /// No such property.
    #[error("`{resource}` has no property `{name}`")]
    UnknownProperty {
        /// The resource.
        resource: String,
        /// The property.
        name: String,
    },
    /// It has none.
    #[error("`{0}` has no connection string")]
    NoConnectionString(String),
    /// A parameter was meant.
    #[error("`{0}` is no parameter")]
    NoParameter(String),
    /// No such mount or file.
    #[error("`{resource}` has no mount or file `{name}`")]
    UnknownPath {
        /// The resource.
        resource: String,
        /// The key.
        name: String,
    },
    /// More than anybody needs.
    #[error("the value grows beyond {MAX_SEGMENTS} parts")]
    TooLarge,
    /// Properties that refer to each other in a circle.
    #[error("the value of `{0}` refers to itself")]
    Circular(String),
}

/// Where the leaves of an expression go.
pub trait Sink {
    /// Text, already encoded where it has to be.
    fn literal(&mut self, text: &str);
    /// A parameter.
    fn parameter(&mut self, name: &str, uri: bool);
    /// A property of an endpoint.
    fn endpoint(
        &mut self,
        resource: &Resource,
        name: &str,
        endpoint: &Endpoint,
        property: EndpointProperty,
        uri: bool,
    );
    /// A mount, file or data folder as the workload sees it.
    fn path(&mut self, resource: &Resource, name: &str, uri: bool);
    /// The port that the workload listens on.
    fn port(&mut self, resource: &Resource, name: &str, endpoint: &Endpoint, uri: bool);
    /// An output of a construct.
    fn output(&mut self, construct: &str, name: &str, uri: bool);
    /// Which branch to take; none: keep the branches, they follow through [`Sink::branch`].
    fn decide(&mut self, parameter: &str, equals: &str) -> Option<bool>;
    /// An undecided `if`, `else` or `end`.
    fn branch(&mut self, op: &Op);
}

/// Hands the leaves of an expression to a sink, in order.
///
/// # Errors
/// The first reference to something that is not there.
pub fn expand(
    model: &AppModel,
    value: &Expression,
    form_of: &dyn Fn(&Resource) -> Form,
    sink: &mut dyn Sink,
) -> Result<(), EvaluateError> {
    let mut walk = Walk {
        model,
        form_of,
        left: MAX_SEGMENTS,
    };
    walk.through(value, false, sink, 0)
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(byte as char);
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            encoded.push('%');
            encoded.push(HEX[usize::from(byte >> 4)] as char);
            encoded.push(HEX[usize::from(byte & 15)] as char);
        }
    }
    encoded
}

/// A property by name, without regard to case.
pub fn find_property<'a>(resource: &'a Resource, name: &str) -> Option<&'a Expression> {
    // Properties belong to no form, so there is one list of them.
    resource
        .written(Field::Properties, Form::Any)
        .find_map(|(key, fact)| match &fact.value {
            FactValue::Value(value) if key.eq_ignore_ascii_case(name) => Some(value),
            _ => None,
        })
}

/// An endpoint by name.
pub fn find_endpoint<'a>(resource: &'a Resource, name: &str, form: Form) -> Option<&'a Endpoint> {
    resource.endpoint(name, form)
}

/// What the branch scanner is doing.
enum Branch {
    /// The `if` was decided: whether this side is taken, and whether the other would be.
    Decided { taken: bool },
    /// Both sides are handed on.
    Kept,
}

/// One expansion.
struct Walk<'a> {
    model: &'a AppModel,
    form_of: &'a dyn Fn(&Resource) -> Form,
    /// Segments that may still come.
    left: usize,
}

impl Walk<'_> {
    fn through(
        &mut self,
        value: &Expression,
        outer_uri: bool,
        sink: &mut dyn Sink,
        depth: usize,
    ) -> Result<(), EvaluateError> {
        let (model, form_of) = (self.model, self.form_of);
        let mut branches: Vec<Branch> = Vec::new();
        for Segment { op, uri } in value.segments() {
            self.left = self.left.checked_sub(1).ok_or(EvaluateError::TooLarge)?;
            let uri = *uri || outer_uri;
            match op {
                Op::Else => match branches.last_mut() {
                    Some(Branch::Decided { taken }) => *taken = !*taken,
                    _ => sink.branch(op),
                },
                Op::End => {
                    if let Some(Branch::Kept) = branches.pop() {
                        sink.branch(op);
                    }
                }
                Op::If(_) if skipped(&branches) => branches.push(Branch::Decided { taken: false }),
                Op::If(condition) => {
                    let decided = match condition {
                        Condition::Tls { resource, endpoint } => {
                            Some(lookup_endpoint(model, resource, endpoint, form_of)?.1.tls)
                        }
                        Condition::Parameter { name, equals } => sink.decide(name, equals),
                    };
                    match decided {
                        Some(taken) => branches.push(Branch::Decided { taken }),
                        None => {
                            sink.branch(op);
                            branches.push(Branch::Kept);
                        }
                    }
                }
                _ if skipped(&branches) => {}
                Op::Literal(text) if uri => sink.literal(&percent_encode(text)),
                Op::Literal(text) => sink.literal(text),
                Op::Parameter(name) => {
                    lookup(model, name)?
                        .parameter()
                        .ok_or_else(|| EvaluateError::NoParameter(name.clone()))?;
                    sink.parameter(name, uri);
                }
                Op::Endpoint {
                    resource,
                    endpoint,
                    property,
                } => {
                    let (found, value) = lookup_endpoint(model, resource, endpoint, form_of)?;
                    sink.endpoint(found, endpoint, value, *property, uri);
                }
                Op::Port { resource, endpoint } => {
                    let (found, value) = lookup_endpoint(model, resource, endpoint, form_of)?;
                    sink.port(found, endpoint, value, uri);
                }
                Op::Path { resource, name } => {
                    let found = lookup(model, resource)?;
                    let form = form_of(found);
                    let known = found.mounts(form).any(|(key, _)| key == name)
                        || found.files(form).any(|(key, _)| key == name);
                    if !known {
                        return Err(EvaluateError::UnknownPath {
                            resource: resource.clone(),
                            name: name.clone(),
                        });
                    }
                    sink.path(found, name, uri);
                }
                Op::Output { construct, name } => sink.output(construct, name, uri),
                Op::Property { resource, name } => {
                    let inner = find_property(lookup(model, resource)?, name).ok_or_else(|| {
                        EvaluateError::UnknownProperty {
                            resource: resource.clone(),
                            name: name.clone(),
                        }
                    })?;
                    self.descend(inner, uri, sink, depth, resource)?;
                }
                Op::Connection(name) => {
                    let found = lookup(model, name)?;
                    // The written form `{name}` is the value of a name, whichever of the two it is.
                    if found.parameter().is_some() {
                        sink.parameter(name, uri);
                        continue;
                    }
                    let inner = found
                        .value(Field::ConnectionString, Form::Any)
                        .ok_or_else(|| EvaluateError::NoConnectionString(name.clone()))?;
                    self.descend(inner, uri, sink, depth, name)?;
                }
            }
        }
        Ok(())
    }

    fn descend(
        &mut self,
        value: &Expression,
        uri: bool,
        sink: &mut dyn Sink,
        depth: usize,
        name: &str,
    ) -> Result<(), EvaluateError> {
        if depth == MAX_DEPTH {
            return Err(EvaluateError::Circular(name.to_owned()));
        }
        self.through(value, uri, sink, depth + 1)
    }
}

fn skipped(branches: &[Branch]) -> bool {
    branches
        .iter()
        .any(|branch| matches!(branch, Branch::Decided { taken: false }))
}

fn lookup<'a>(model: &'a AppModel, name: &str) -> Result<&'a Resource, EvaluateError> {
    model
        .get(name)
        .ok_or_else(|| EvaluateError::UnknownResource(name.to_owned()))
}

fn lookup_endpoint<'a>(
    model: &'a AppModel,
    resource: &str,
    endpoint: &str,
    form_of: &dyn Fn(&Resource) -> Form,
) -> Result<(&'a Resource, &'a Endpoint), EvaluateError> {
    let found = lookup(model, resource)?;
    let value = find_endpoint(found, endpoint, form_of(found)).ok_or_else(|| {
        EvaluateError::UnknownEndpoint {
            resource: resource.to_owned(),
            endpoint: endpoint.to_owned(),
        }
    })?;
    Ok((found, value))
}

/// The secret parameters that an expression reaches, in order of appearance. A dangling reference
/// is reported by the resolve pass; here it ends the search.
pub fn secrets(model: &AppModel, value: &Expression) -> Vec<String> {
    struct Secrets<'a>(&'a AppModel, Vec<String>);
    impl Sink for Secrets<'_> {
        fn literal(&mut self, _: &str) {}
        fn parameter(&mut self, name: &str, _: bool) {
            let secret = self
                .0
                .get(name)
                .and_then(Resource::parameter)
                .is_some_and(|p| p.secret);
            if secret && !self.1.iter().any(|known| known == name) {
                self.1.push(name.to_owned());
            }
        }
        fn endpoint(&mut self, _: &Resource, _: &str, _: &Endpoint, _: EndpointProperty, _: bool) {}
        fn path(&mut self, _: &Resource, _: &str, _: bool) {}
        fn port(&mut self, _: &Resource, _: &str, _: &Endpoint, _: bool) {}
        fn output(&mut self, _: &str, _: &str, _: bool) {}
        fn decide(&mut self, parameter: &str, _: &str) -> Option<bool> {
            self.parameter(parameter, false);
            None
        }
        fn branch(&mut self, _: &Op) {}
    }
    if value.as_literal().is_some() {
        return Vec::new();
    }
    let mut sink = Secrets(model, Vec::new());
    let _ = expand(model, value, &Resource::main_form, &mut sink);
    sink.1
}

/// Whether an expression reaches a secret parameter.
pub fn is_secret(model: &AppModel, value: &Expression) -> bool {
    !secrets(model, value).is_empty()
}

/// The port that a workload listens on when it is published: its own, the public one, or one made
/// up from 8080 upwards in order of endpoint name.
pub fn published_port(resource: &Resource, name: &str) -> Option<u16> {
    let form = resource.main_form();
    let endpoint = find_endpoint(resource, name, form)?;
    endpoint.target_port.or(endpoint.port).or_else(|| {
        let unset = resource
            .endpoints(form)
            .filter(|(_, e)| e.target_port.is_none() && e.port.is_none())
            .position(|(key, _)| key == name)?;
        u16::try_from(8080 + unset).ok()
    })
}

/// What a publisher's target can already be told: endpoints, properties and connection strings
/// become literals, parameters, outputs and branches. Every workload is a container that others
/// reach by its name on the port that it listens on. Dangling references are left as they are.
pub fn resolve_static(model: &AppModel, _caller: &str, value: &Expression) -> Expression {
    let mut sink = Static(Vec::new());
    if expand(model, value, &Resource::main_form, &mut sink).is_err() {
        return value.clone();
    }
    Expression::new(sink.0).unwrap_or_else(|_| value.clone())
}

struct Static(Vec<Segment>);

impl Static {
    fn text(&mut self, text: &str, uri: bool) {
        let text = if uri {
            percent_encode(text)
        } else {
            text.to_owned()
        };
        self.0.push(Op::Literal(text).into());
    }
}

impl Sink for Static {
    fn literal(&mut self, text: &str) {
        self.text(text, false);
    }
    fn parameter(&mut self, name: &str, uri: bool) {
        self.0.push(Segment {
            op: Op::Parameter(name.to_owned()),
            uri,
        });
    }
    fn endpoint(
        &mut self,
        resource: &Resource,
        name: &str,
        endpoint: &Endpoint,
        property: EndpointProperty,
        uri: bool,
    ) {
        let host = resource.name.as_str();
        let port = published_port(resource, name)
            .map(|port| port.to_string())
            .unwrap_or_default();
        let text = match property {
            EndpointProperty::Url => format!("{}://{host}:{port}", endpoint.scheme),
            EndpointProperty::Host => host.to_owned(),
            EndpointProperty::Port | EndpointProperty::TargetPort => port,
            EndpointProperty::Scheme => endpoint.scheme.clone(),
            EndpointProperty::HostAndPort => format!("{host}:{port}"),
        };
        self.text(&text, uri);
    }
    fn path(&mut self, resource: &Resource, name: &str, uri: bool) {
        let form = resource.main_form();
        let target = resource
            .mounts(form)
            .find(|(key, _)| *key == name)
            .map(|(_, mount)| mount.target.as_str())
            .or_else(|| {
                resource
                    .files(form)
                    .find(|(key, _)| *key == name)
                    .map(|(_, file)| file.target.as_str())
            });
        self.text(target.unwrap_or_default(), uri);
    }
    fn port(&mut self, resource: &Resource, name: &str, _: &Endpoint, uri: bool) {
        let port = published_port(resource, name)
            .map(|port| port.to_string())
            .unwrap_or_default();
        self.text(&port, uri);
    }
    fn output(&mut self, construct: &str, name: &str, uri: bool) {
        let op = Op::Output {
            construct: construct.to_owned(),
            name: name.to_owned(),
        };
        self.0.push(Segment { op, uri });
    }
    fn decide(&mut self, _: &str, _: &str) -> Option<bool> {
        None
    }
    fn branch(&mut self, op: &Op) {
        self.0.push(op.clone().into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fact::{Fact, FactKey, FactValue};
    use crate::model::Shape;
    use crate::name::ResourceName;
    use crate::provenance::Author;

    fn model(properties: &[(&str, &[&str])]) -> AppModel {
        let author = Author::Host {
            pass: Arc::from("test"),
            cause: None,
        };
        let name = ResourceName::new("x").unwrap();
        let mut resource = Resource::new(name, "x", Shape::Value, author.clone());
        for (key, names) in properties {
            let value = Expression::new(names.iter().map(|name| {
                Op::Property {
                    resource: "x".into(),
                    name: (*name).to_owned(),
                }
                .into()
            }));
            let fact = Fact {
                value: FactValue::Value(value.unwrap()),
                authors: vec![author.clone()],
                overruled: Vec::new(),
            };
            resource
                .facts
                .insert(FactKey::entry(Field::Properties, *key), fact);
        }
        let mut model = AppModel::new("app");
        model.insert(resource);
        model
    }

    #[test]
    fn circles_and_bombs_end() {
        let first = Expression::of(Op::Property {
            resource: "x".into(),
            name: "p0".into(),
        });
        let circle = model(&[("p0", &["p1"]), ("p1", &["p0"])]);
        let mut sink = Static(Vec::new());
        assert_eq!(
            expand(&circle, &first, &Resource::main_form, &mut sink),
            Err(EvaluateError::Circular("x".into()))
        );
        let names: Vec<String> = (0..30).map(|index| format!("p{index}")).collect();
        let twice: Vec<[&str; 2]> = names
            .iter()
            .skip(1)
            .map(|n| [n.as_str(), n.as_str()])
            .collect();
        let mut bomb: Vec<(&str, &[&str])> = names
            .iter()
            .zip(&twice)
            .map(|(n, two)| (n.as_str(), two.as_slice()))
            .collect();
        bomb.push(("p29", &[]));
        assert_eq!(
            expand(&model(&bomb), &first, &Resource::main_form, &mut sink),
            Err(EvaluateError::TooLarge)
        );
    }
}
