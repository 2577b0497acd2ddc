//! The resolve pass: every name that a fact mentions exists, and waits are acyclic.
//!
//! Runs after every barrier that may have added something. Doesn't evaluate anything.

use std::collections::BTreeMap;

use aspire_model::annotation::{Endpoint, ProbeAction, Protocol, Watch, WatchAction};
use aspire_model::diagnostic::{Blame, Diagnostic, Diagnostics};
use aspire_model::evaluate::{self, EvaluateError, Sink};
use aspire_model::expression::{EndpointProperty, Expression, Op};
use aspire_model::fact::Fact;
use aspire_model::{AppModel, FactKey, FactValue, Field, Form, Resource, Severity, Shape, graph};

use crate::pipeline::Context;

/// Runs the pass.
pub fn run(context: &mut Context<'_>, model: AppModel) -> AppModel {
    let mut found = Diagnostics::new();
    let model = default_probe_endpoints(model);
    for resource in model.iter() {
        check_resource(&model, resource, &mut found);
    }
    one_owner_of_each_port(&model, &mut found);
    if !found.has_errors() {
        found.extend(graph::check_waits(&model));
    }
    context.diagnostics.extend(found);
    model
}

/// A health path without an endpoint means the one that can only be meant.
fn default_probe_endpoints(mut model: AppModel) -> AppModel {
    let unset = |fact: &Fact| {
        matches!(&fact.value, FactValue::Probe(probe)
            if matches!(&probe.action, ProbeAction::Http { endpoint, .. } if endpoint.is_empty()))
    };
    let names: Vec<_> = model
        .iter()
        .filter(|resource| resource.facts.values().any(unset))
        .map(|resource| resource.name.clone())
        .collect();
    for name in names {
        let Some(resource) = model.get_mut(name.as_str()) else {
            continue;
        };
        let form = resource.main_form();
        let named: Vec<String> = resource
            .endpoints(form)
            .map(|(key, _)| key.to_owned())
            .collect();
        let http: Vec<&String> = named
            .iter()
            .filter(|key| {
                evaluate::find_endpoint(resource, key, form)
                    .is_some_and(|endpoint| endpoint.scheme.starts_with("http"))
            })
            .collect();
        let chosen = named
            .iter()
            .find(|key| *key == "http")
            .or_else(|| {
                if http.len() == 1 {
                    http.first().copied()
                } else {
                    None
                }
            })
            .or_else(|| {
                if named.len() == 1 {
                    named.first()
                } else {
                    None
                }
            })
            .cloned();
        let Some(chosen) = chosen else { continue };
        for fact in resource.facts.values_mut().filter(|fact| unset(fact)) {
            if let FactValue::Probe(probe) = &mut fact.value
                && let ProbeAction::Http { endpoint, .. } = &mut probe.action
            {
                endpoint.clone_from(&chosen);
            }
        }
    }
    model
}

/// Two resources cannot have one fixed port of this machine.
fn one_owner_of_each_port(model: &AppModel, found: &mut Diagnostics) {
    let mut owners: BTreeMap<(u16, Protocol), (&Resource, &Fact)> = BTreeMap::new();
    for resource in model.iter() {
        for (_, fact) in resource.entries(Field::Endpoints, resource.main_form()) {
            let FactValue::Endpoint(endpoint) = &fact.value else {
                continue;
            };
            let Some(port) = endpoint.port else { continue };
            let Some((other, theirs)) = owners.insert((port, endpoint.protocol), (resource, fact))
            else {
                continue;
            };
            let place = theirs
                .authors
                .first()
                .and_then(|author| author.span().cloned());
            let message = format!(
                "`{}` and `{}` both want port {port}",
                other.name, resource.name
            );
            found.push(
                finding(resource, fact, "duplicate-port", message)
                    .related(place, "the other one")
                    .help("give one of them another `port`, or none: then the host picks one"),
            );
        }
    }
}

fn check_resource(model: &AppModel, resource: &Resource, found: &mut Diagnostics) {
    for (key, fact) in &resource.facts {
        for expression in fact.value.expressions() {
            if let Err(error) = check_expression(model, key, expression) {
                found.push(dangling(model, resource, key, fact, &error));
            }
        }
        match (&fact.value, key.field) {
            (FactValue::Text(parent), Field::Parent) if model.get(parent).is_none() => {
                found.push(unknown(model, resource, fact, parent, "its parent"));
            }
            (FactValue::Wait(_), _) if model.get(&key.key).is_none() => {
                found.push(unknown(model, resource, fact, &key.key, "a wait"));
            }
            (FactValue::Reference(_), _) if model.get(&key.key).is_none() => {
                found.push(unknown(model, resource, fact, &key.key, "a reference"));
            }
            (FactValue::Probe(probe), _) => {
                let endpoint = match &probe.action {
                    ProbeAction::Http { endpoint, .. } | ProbeAction::Tcp { endpoint } => endpoint,
                    ProbeAction::Command { .. } => continue,
                };
                check_probe(resource, key, fact, endpoint, found);
            }
            (FactValue::Watch(watch), _) => check_watch(resource, fact, watch, found),
            (FactValue::Endpoint(_), _)
                if evaluate::find_property(resource, &key.key).is_some() =>
            {
                found.push(
                    finding(
                        resource,
                        fact,
                        "ambiguous-name",
                        format!(
                            "`{}` has an endpoint and a property named `{}`",
                            resource.name, key.key
                        ),
                    )
                    .help("rename one of them"),
                );
            }
            _ => {}
        }
    }
}

/// What follows has to be possible: on a process nothing can be copied into, and only what has a
/// build can be built.
fn check_watch(resource: &Resource, fact: &Fact, watch: &Watch, found: &mut Diagnostics) {
    let name = &resource.name;
    let is_container = resource.shape == Shape::Container;
    let build = if is_container {
        Field::Build
    } else {
        Field::BuildCommand
    };
    let has_build = resource.fact(build, resource.main_form()).is_some();
    let mut wrong = |message: String, help: &str| {
        found.push(finding(resource, fact, "wrong-value", message).help(help));
    };
    match watch.action {
        Some(WatchAction::Sync) if !is_container => wrong(
            format!("`{name}` is a process: there is no container to copy files into"),
            "write do = \"restart\"",
        ),
        Some(WatchAction::Rebuild) if !has_build => wrong(
            format!("`{name}` has no `build` that could be made again"),
            "write do = \"restart\", or say how it is built",
        ),
        _ if is_container && !has_build && watch.paths.is_empty() => wrong(
            format!("`{name}` has no folder of its own to watch"),
            "write paths = [\"…\"]",
        ),
        _ => {}
    }
}

fn check_probe(
    resource: &Resource,
    key: &FactKey,
    fact: &Fact,
    endpoint: &str,
    found: &mut Diagnostics,
) {
    let form = if key.form == Form::Any {
        resource.main_form()
    } else {
        key.form
    };
    if evaluate::find_endpoint(resource, endpoint, form).is_some() {
        return;
    }
    let names: Vec<&str> = resource.endpoints(form).map(|(name, _)| name).collect();
    let message = if endpoint.is_empty() {
        format!(
            "the health check of `{}` does not say which endpoint it looks at",
            resource.name
        )
    } else {
        format!("`{}` has no endpoint `{endpoint}`", resource.name)
    };
    let help = if names.is_empty() {
        "add an endpoint, such as endpoints.http = { env = \"PORT\" }".to_owned()
    } else {
        format!("write endpoint = \"…\"; there are {}", names.join(", "))
    };
    found.push(
        finding(resource, fact, "unknown-endpoint", message)
            .help(help)
            .suggest(endpoint, names.iter().copied()),
    );
}

fn check_expression(
    model: &AppModel,
    key: &FactKey,
    expression: &Expression,
) -> Result<(), EvaluateError> {
    struct Nowhere;
    impl Sink for Nowhere {
        fn literal(&mut self, _: &str) {}
        fn parameter(&mut self, _: &str, _: bool) {}
        fn endpoint(&mut self, _: &Resource, _: &str, _: &Endpoint, _: EndpointProperty, _: bool) {}
        fn path(&mut self, _: &Resource, _: &str, _: bool) {}
        fn port(&mut self, _: &Resource, _: &str, _: &Endpoint, _: bool) {}
        fn output(&mut self, _: &str, _: &str, _: bool) {}
        fn decide(&mut self, _: &str, _: &str) -> Option<bool> {
            None
        }
        fn branch(&mut self, _: &Op) {}
    }
    if expression.as_literal().is_some() {
        return Ok(());
    }
    let form_of = |resource: &Resource| match key.form {
        Form::Any => resource.main_form(),
        form if resource.has_form(form) => form,
        _ => resource.main_form(),
    };
    evaluate::expand(model, expression, &form_of, &mut Nowhere)
}

fn finding(resource: &Resource, fact: &Fact, code: &str, message: String) -> Diagnostic {
    let diagnostic = Diagnostic::new(Severity::Error, code, message).about(resource.name.as_str());
    match fact.authors.first() {
        // Only a plugin can have written a name that the app never saw.
        Some(author) if author.plugin().is_some() => diagnostic.by(author).blame(Blame::Plugin),
        Some(author) => diagnostic.by(author),
        None => diagnostic,
    }
}

fn unknown(
    model: &AppModel,
    resource: &Resource,
    fact: &Fact,
    name: &str,
    what: &str,
) -> Diagnostic {
    finding(
        resource,
        fact,
        "unknown-resource",
        format!(
            "{what} of `{}` names `{name}`, and there is no such resource",
            resource.name
        ),
    )
    .help(listed(model.iter().map(|r| r.name.as_str()), "there are"))
    .suggest(name, model.iter().map(|r| r.name.as_str()))
}

/// A list for a help text, cut where it grows long.
fn listed<'a>(names: impl Iterator<Item = &'a str>, before: &str) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return "there are none".to_owned();
    }
    let shown = names
        .iter()
        .take(12)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    let rest = if names.len() > 12 {
        format!(" and {} more", names.len() - 12)
    } else {
        String::new()
    };
    format!("{before} {shown}{rest}")
}

fn dangling(
    model: &AppModel,
    resource: &Resource,
    key: &FactKey,
    fact: &Fact,
    error: &EvaluateError,
) -> Diagnostic {
    let code = match error {
        EvaluateError::UnknownResource(_) => "unknown-resource",
        EvaluateError::UnknownEndpoint { .. } => "unknown-endpoint",
        EvaluateError::UnknownProperty { .. } => "unknown-property",
        EvaluateError::NoConnectionString(_) => "no-connection-string",
        EvaluateError::NoParameter(_) => "no-parameter",
        EvaluateError::UnknownPath { .. } => "unknown-path",
        EvaluateError::Circular(_) => "circular-value",
        EvaluateError::TooLarge => "large-value",
    };
    let diagnostic = finding(
        resource,
        fact,
        code,
        format!("`{key}` of `{}`: {error}", resource.name),
    );
    match error {
        EvaluateError::UnknownResource(name) | EvaluateError::NoParameter(name) => diagnostic
            .help(listed(model.iter().map(|r| r.name.as_str()), "there are"))
            .suggest(name, model.iter().map(|r| r.name.as_str())),
        EvaluateError::UnknownEndpoint {
            resource: target,
            endpoint,
        } => {
            let names: Vec<&str> = model
                .get(target)
                .map(|found| {
                    found
                        .endpoints(found.main_form())
                        .map(|(name, _)| name)
                        .collect()
                })
                .unwrap_or_default();
            diagnostic
                .help(listed(names.iter().copied(), "its endpoints are"))
                .suggest(endpoint, names.iter().copied())
        }
        EvaluateError::UnknownProperty {
            resource: target,
            name,
        } => {
            let found = model.get(target);
            if found.is_some_and(|f| evaluate::find_endpoint(f, name, f.main_form()).is_some()) {
                return diagnostic.help(format!(
                    "`{name}` is an endpoint; write {{{target}.{name}.url}}, or another of its properties"
                ));
            }
            let names: Vec<String> = found
                .map(|f| {
                    f.properties(Form::Any)
                        .map(|(name, _)| name.to_lowercase())
                        .collect()
                })
                .unwrap_or_default();
            diagnostic
                .help(listed(
                    names.iter().map(String::as_str),
                    "its properties are",
                ))
                .suggest(name, names.iter().map(String::as_str))
        }
        EvaluateError::NoConnectionString(name) => diagnostic.help(format!(
            "write one of its endpoints, such as {{{name}.http.url}}, or put it into `references`"
        )),
        EvaluateError::UnknownPath { .. }
        | EvaluateError::Circular(_)
        | EvaluateError::TooLarge => diagnostic,
    }
}
