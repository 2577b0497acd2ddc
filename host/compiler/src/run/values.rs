//! Expressions as templates: what is known is written out, the rest becomes placeholders.
//!
//! The address of an endpoint depends on who asks: a container reaches another by its name on
//! their network, everybody else goes through the service's public port.

use std::collections::BTreeSet;

use aspire_api::template::{self, Placeholder};
use aspire_model::annotation::{Endpoint, MountKind};
use aspire_model::diagnostic::Diagnostic;
use aspire_model::evaluate::{self, Sink};
use aspire_model::expression::{EndpointProperty, Expression, Op};
use aspire_model::{Form, Resource};

use super::{Lowering, RunInput, service_name};

/// What one expression became.
#[derive(Default)]
pub(super) struct Rendered {
    /// The template.
    pub text: String,
    /// Secrets in it.
    pub secrets: BTreeSet<String>,
}

struct Templates<'a> {
    input: &'a RunInput<'a>,
    model: &'a aspire_model::AppModel,
    caller: &'a Resource,
    rendered: Rendered,
    parameters: BTreeSet<String>,
    undecided: Option<String>,
}

impl Lowering<'_> {
    /// The template of an expression, as a workload sees it.
    pub(super) fn render(&mut self, caller: &Resource, value: &Expression) -> Rendered {
        let forms = self.input.forms;
        let mut sink = Templates {
            input: self.input,
            model: self.model,
            caller,
            rendered: Rendered::default(),
            parameters: BTreeSet::new(),
            undecided: None,
        };
        let outcome = evaluate::expand(self.model, value, &|r| forms.of(r), &mut sink);
        let Templates {
            rendered,
            parameters,
            undecided,
            ..
        } = sink;
        self.parameters.extend(parameters);
        if let Err(error) = outcome {
            self.error(caller, "unresolved", format!("`{}`: {error}", caller.name));
        }
        if let Some(parameter) = undecided {
            self.diagnostics.push(
                Diagnostic::error(
                    "undecided",
                    format!("a value of `{}` depends on `{parameter}`, which is secret or has no value", caller.name),
                )
                .by(&caller.origin)
                .help(format!("set it with `aspire-host param set {parameter}`; a secret cannot decide a branch")),
            );
        }
        rendered
    }
}

impl Templates<'_> {
    fn text(&mut self, text: &str, uri: bool) {
        if uri {
            self.rendered
                .text
                .push_str(&template::escape(&evaluate::percent_encode(text)));
        } else {
            self.rendered.text.push_str(&template::escape(text));
        }
    }

    fn placeholder(&mut self, placeholder: &Placeholder) {
        self.rendered.text.push_str(&placeholder.write());
    }

    /// Both run in containers: they meet on their network.
    fn on_network(&self, target: &Resource) -> bool {
        self.input.forms.of(self.caller) == Form::Container
            && self.input.forms.of(target) == Form::Container
            && self.caller.shape.is_workload()
    }

    fn host(&mut self, target: &Resource, endpoint: &str, uri: bool) {
        if self.on_network(target) {
            self.text(target.name.as_str(), uri);
        } else {
            let service = service_name(target.name.as_str(), endpoint);
            self.placeholder(&Placeholder::AddressFor(service));
        }
    }

    fn dialled_port(&mut self, target: &Resource, endpoint: &str) {
        if self.on_network(target) {
            let port = container_port(target, endpoint);
            self.text(&port, false);
        } else {
            let service = service_name(target.name.as_str(), endpoint);
            self.placeholder(&Placeholder::PortFor(service));
        }
    }

    fn own_port(&mut self, target: &Resource, name: &str) {
        let form = self.input.forms.of(target);
        match (form, target.fixed_target_port(name, form)) {
            (Form::Container, _) => {
                let port = container_port(target, name);
                self.text(&port, false);
            }
            (_, Some(port)) => self.text(&port.to_string(), false),
            (_, None) => {
                let service = service_name(target.name.as_str(), name);
                if target.name == self.caller.name || target.name.as_str() == self.home() {
                    self.placeholder(&Placeholder::PortForServing(service));
                } else {
                    self.placeholder(&Placeholder::PortFor(service));
                }
            }
        }
    }

    /// The workload that the caller lives in.
    fn home(&self) -> &str {
        self.model
            .workload_of(self.caller.name.as_str())
            .map_or(self.caller.name.as_str(), |workload| workload.name.as_str())
    }
}

/// The port that a container listens on.
pub(super) fn container_port(resource: &Resource, endpoint: &str) -> String {
    evaluate::find_endpoint(resource, endpoint, Form::Container)
        .and_then(|found| found.target_port)
        .or_else(|| evaluate::published_port(resource, endpoint))
        .map(|port| port.to_string())
        .unwrap_or_default()
}

impl Sink for Templates<'_> {
    fn literal(&mut self, text: &str) {
        self.text(text, false);
    }

    fn parameter(&mut self, name: &str, uri: bool) {
        self.parameters.insert(name.to_owned());
        let secret = self
            .model
            .get(name)
            .and_then(Resource::parameter)
            .is_some_and(|p| p.secret);
        match self.input.parameters.get(name) {
            Some(value) if !secret => {
                let value = value.clone();
                self.text(&value, uri);
            }
            _ => {
                self.rendered.secrets.insert(name.to_owned());
                self.placeholder(&Placeholder::Secret {
                    name: name.to_owned(),
                    uri,
                });
            }
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
        match property {
            EndpointProperty::Scheme => self.text(&endpoint.scheme, uri),
            EndpointProperty::Host => self.host(resource, name, uri),
            EndpointProperty::Port => self.dialled_port(resource, name),
            EndpointProperty::TargetPort => self.own_port(resource, name),
            EndpointProperty::HostAndPort | EndpointProperty::Url => {
                if property == EndpointProperty::Url {
                    self.text(&format!("{}://", endpoint.scheme), uri);
                }
                self.host(resource, name, uri);
                self.text(":", uri);
                self.dialled_port(resource, name);
            }
        }
    }

    fn path(&mut self, resource: &Resource, name: &str, uri: bool) {
        let form = self.input.forms.of(resource);
        let mount = resource
            .mounts(form)
            .find(|(key, _)| *key == name)
            .map(|(_, mount)| mount);
        let file = resource
            .files(form)
            .find(|(key, _)| *key == name)
            .map(|(_, file)| file);
        match (form, mount, file) {
            (Form::Container, Some(mount), _) => self.text(&mount.target, uri),
            (Form::Container, None, Some(file)) => self.text(&file.target, uri),
            (_, Some(mount), _) if mount.kind == MountKind::Bind => {
                let path = self.input.folder.join(&mount.source).display().to_string();
                self.text(&path, uri);
            }
            (_, Some(_), _) => self.placeholder(&Placeholder::DataFolder(name.to_owned())),
            (_, None, _) => self.placeholder(&Placeholder::File(name.to_owned())),
        }
    }

    fn port(&mut self, resource: &Resource, name: &str, _: &Endpoint, _: bool) {
        self.own_port(resource, name);
    }

    fn output(&mut self, construct: &str, _: &str, _: bool) {
        self.undecided = Some(construct.to_owned());
    }

    fn decide(&mut self, parameter: &str, equals: &str) -> Option<bool> {
        self.parameters.insert(parameter.to_owned());
        match self.input.parameters.get(parameter) {
            Some(value) => Some(value.eq_ignore_ascii_case(equals)),
            None => {
                self.undecided = Some(parameter.to_owned());
                Some(false)
            }
        }
    }

    fn branch(&mut self, _: &Op) {}
}
