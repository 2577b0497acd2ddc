//! Expressions as text for people: parameters filled in as far as they may be shown, addresses as
//! far as they are known.
//!
//! Knows leaves. Doesn't know where a parameter's value came from or who dials an address.

use std::collections::BTreeMap;

use aspire_model::annotation::Endpoint;
use aspire_model::evaluate::{self, EvaluateError, Sink, percent_encode};
use aspire_model::expression::{EndpointProperty, Expression, Op, Segment};
use aspire_model::{AppModel, Form, Resource};

/// Address and port of an endpoint, by resource and endpoint.
pub(crate) type AddressOf<'a> = dyn Fn(&str, &str) -> Option<(String, u16)> + 'a;

/// What is known of a model's values.
pub(crate) struct Known<'a> {
    /// The model.
    pub(crate) model: &'a AppModel,
    /// The form of every workload.
    pub(crate) form_of: &'a dyn Fn(&Resource) -> Form,
    /// Values of parameters.
    pub(crate) parameters: &'a BTreeMap<String, String>,
    /// Show secret ones.
    pub(crate) reveal: bool,
    /// Address and port of an endpoint, by resource and endpoint.
    pub(crate) addresses: &'a AddressOf<'a>,
}

impl Known<'_> {
    /// The text of an expression; what is not known stays in braces.
    ///
    /// # Errors
    /// It refers to something that is not in the model.
    pub(crate) fn text(&self, value: &Expression) -> Result<String, EvaluateError> {
        let mut sink = Text {
            known: self,
            text: String::new(),
        };
        evaluate::expand(self.model, value, self.form_of, &mut sink)?;
        Ok(sink.text)
    }
}

struct Text<'a> {
    known: &'a Known<'a>,
    text: String,
}

impl Text<'_> {
    fn push(&mut self, text: &str, uri: bool) {
        if uri {
            self.text.push_str(&percent_encode(text));
        } else {
            self.text.push_str(text);
        }
    }

    fn symbol(&mut self, op: Op, uri: bool) {
        let symbol = Expression::new([Segment { op, uri }]).unwrap_or_default();
        self.text.push_str(&symbol.to_string());
    }
}

impl Sink for Text<'_> {
    fn literal(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn parameter(&mut self, name: &str, uri: bool) {
        let secret = self
            .known
            .model
            .get(name)
            .and_then(Resource::parameter)
            .is_some_and(|p| p.secret);
        match self.known.parameters.get(name) {
            _ if secret && !self.known.reveal => self.text.push_str("***"),
            Some(value) => self.push(value, uri),
            None => self.symbol(Op::Parameter(name.to_owned()), uri),
        }
    }

    fn endpoint(
        &mut self,
        resource: &Resource,
        name: &str,
        endpoint: &Endpoint,
        property: EndpointProperty,
        uri: bool,
    ) {
        let address = (self.known.addresses)(resource.name.as_str(), name);
        let text = match (property, address) {
            (EndpointProperty::Scheme, _) => endpoint.scheme.clone(),
            (EndpointProperty::Host, Some((host, _))) => host,
            (EndpointProperty::Port | EndpointProperty::TargetPort, Some((_, port))) => {
                port.to_string()
            }
            (EndpointProperty::HostAndPort, Some((host, port))) => format!("{host}:{port}"),
            (EndpointProperty::Url, Some((host, port))) => {
                format!("{}://{host}:{port}", endpoint.scheme)
            }
            (_, None) => {
                let resource = resource.name.to_string();
                let op = Op::Endpoint {
                    resource,
                    endpoint: name.to_owned(),
                    property,
                };
                return self.symbol(op, uri);
            }
        };
        self.push(&text, uri);
    }

    fn path(&mut self, resource: &Resource, name: &str, uri: bool) {
        let resource = resource.name.to_string();
        self.symbol(
            Op::Path {
                resource,
                name: name.to_owned(),
            },
            uri,
        );
    }

    fn port(&mut self, resource: &Resource, name: &str, endpoint: &Endpoint, uri: bool) {
        match endpoint.target_port {
            Some(port) => self.push(&port.to_string(), uri),
            None => {
                let resource = resource.name.to_string();
                self.symbol(
                    Op::Port {
                        resource,
                        endpoint: name.to_owned(),
                    },
                    uri,
                );
            }
        }
    }

    fn output(&mut self, construct: &str, name: &str, uri: bool) {
        let construct = construct.to_owned();
        self.symbol(
            Op::Output {
                construct,
                name: name.to_owned(),
            },
            uri,
        );
    }

    fn decide(&mut self, parameter: &str, equals: &str) -> Option<bool> {
        let value = self.known.parameters.get(parameter)?;
        Some(value.eq_ignore_ascii_case(equals))
    }

    fn branch(&mut self, op: &Op) {
        self.text.push_str(match op {
            Op::If(_) => "{if …}",
            Op::Else => "{else}",
            _ => "{end}",
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aspire_model::annotation::Parameter;
    use aspire_model::{Author, FactKey, FactValue, Field, ResourceName, Shape, fact::Fact};

    #[test]
    fn secrets_are_starred_unless_revealed() {
        let author = Author::Host {
            pass: "test".into(),
            cause: None,
        };
        let name = ResourceName::new("pw").unwrap();
        let mut resource = Resource::new(name, "parameter", Shape::Parameter, author.clone());
        let value = FactValue::Parameter(Parameter {
            secret: true,
            ..Parameter::default()
        });
        let fact = Fact {
            value,
            authors: vec![author],
            overruled: Vec::new(),
        };
        resource
            .facts
            .insert(FactKey::single(Field::Parameter), fact);
        let mut model = AppModel::new("app");
        model.insert(resource);
        let expression = Expression::new([
            Op::Literal("redis://:".into()).into(),
            Segment {
                op: Op::Parameter("pw".into()),
                uri: true,
            },
        ])
        .unwrap();
        let text = |reveal: bool, parameters: &BTreeMap<String, String>| {
            let known = Known {
                model: &model,
                form_of: &Resource::main_form,
                parameters,
                reveal,
                addresses: &|_, _| None,
            };
            known.text(&expression).unwrap()
        };
        let values = BTreeMap::from([("pw".to_owned(), "a/b".to_owned())]);
        assert_eq!(text(false, &values), "redis://:***");
        assert_eq!(text(true, &values), "redis://:a%2Fb");
        assert_eq!(text(true, &BTreeMap::new()), "redis://:{pw:uri}");
    }
}
