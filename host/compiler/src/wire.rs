//! The wire pass: references become environment variables, and endpoints tell their workload which
//! port to listen on.
//!
//! The contract is that of the .NET Aspire ecosystem, to the letter (reference/aspire.md 1.5).
//! What the app or a plugin set under the same name stays. Doesn't evaluate anything.

use std::sync::Arc;

use aspire_model::annotation::Reference;
use aspire_model::diagnostic::Diagnostic;
use aspire_model::expression::{EndpointProperty, Expression, Op};
use aspire_model::fact::Fact;
use aspire_model::name::variable_name;
use aspire_model::provenance::Author;
use aspire_model::{
    AppModel, FactKey, FactValue, Field, Form, Mode, Resource, ResourceName, Shape, Transaction,
    merge,
};

use crate::pipeline::Context;

/// Runs the pass.
pub fn run(context: &mut Context<'_>, model: AppModel) -> AppModel {
    let mut transactions = Vec::new();
    for resource in model.iter().filter(|resource| resource.shape.is_workload()) {
        let form = resource.main_form();
        for (name, fact) in resource.entries(Field::References, form) {
            let FactValue::Reference(reference) = &fact.value else {
                continue;
            };
            let Some(target) = model.get(name) else {
                continue;
            };
            let variables = inject(context, target, reference, resource, fact);
            transactions.push(edits(&resource.name, variables, fact));
        }
        for form in [Form::Container, Form::Process] {
            for (name, fact) in resource.entries(Field::Endpoints, form) {
                if let FactValue::Endpoint(endpoint) = &fact.value
                    && let Some(variable) = &endpoint.env
                {
                    let op = Op::Port {
                        resource: resource.name.to_string(),
                        endpoint: name.to_owned(),
                    };
                    let variables = vec![(variable.clone(), Expression::of(op))];
                    transactions.push(edits(&resource.name, variables, fact));
                }
            }
        }
    }
    let (model, found) = merge::apply(model, transactions, &context.options.forced);
    context.diagnostics.extend(found);
    model
}

fn edits(
    resource: &ResourceName,
    variables: Vec<(String, Expression)>,
    fact: &Fact,
) -> Transaction {
    let cause = fact
        .authors
        .first()
        .and_then(|author| author.span().cloned());
    let mut edits = Transaction::new(Author::Host {
        pass: Arc::from("wire"),
        cause,
    });
    for (name, value) in variables {
        edits.set(
            resource,
            FactKey::entry(Field::Env, name),
            FactValue::Value(value),
        );
    }
    edits
}

/// The variables that a reference injects.
fn inject(
    context: &mut Context<'_>,
    target: &Resource,
    reference: &Reference,
    referrer: &Resource,
    fact: &Fact,
) -> Vec<(String, Expression)> {
    let name = if reference.alias.is_empty() {
        target.name.as_str()
    } else {
        &reference.alias
    };
    if target.fact(Field::ConnectionString, Form::Any).is_some() {
        return connection(target, name);
    }
    let discovered = match target.shape {
        Shape::External => external(context, target, name),
        _ => endpoints(target, name),
    };
    if discovered.is_empty() && !reference.optional {
        let mut diagnostic = Diagnostic::error(
            "empty-reference",
            format!(
                "`{}` has nothing that a reference could inject",
                target.name
            ),
        )
        .about(referrer.name.as_str());
        diagnostic = diagnostic.help(if target.shape == Shape::Parameter {
            format!(
                "a parameter is used by its value: env.NAME = \"{{{}}}\"",
                target.name
            )
        } else {
            "give it an endpoint, or remove the reference".to_owned()
        });
        if let Some(author) = fact.authors.first() {
            diagnostic = diagnostic.by(author);
        }
        context.diagnostics.push(diagnostic);
    }
    discovered
}

/// `ConnectionStrings__NAME`, and `NAME_PROPERTY` for every property.
fn connection(target: &Resource, name: &str) -> Vec<(String, Expression)> {
    let variable = target
        .text(Field::ConnectionVariable, Form::Any)
        .map_or_else(|| format!("ConnectionStrings__{name}"), str::to_owned);
    let mut variables = vec![(
        variable,
        Expression::of(Op::Connection(target.name.to_string())),
    )];
    for (property, _) in target.properties(Form::Any) {
        let op = Op::Property {
            resource: target.name.to_string(),
            name: property.to_owned(),
        };
        let variable = format!("{}_{}", variable_name(name), variable_name(property));
        variables.push((variable, Expression::of(op)));
    }
    variables
}

/// `services__NAME__ENDPOINT__INDEX` and `NAME_ENDPOINT` for every endpoint. Endpoints named http
/// or https go by their scheme, so that the key stays right when TLS is switched on.
fn endpoints(target: &Resource, name: &str) -> Vec<(String, Expression)> {
    let mut variables: Vec<(String, Expression)> = Vec::new();
    for (endpoint, value) in target.endpoints(target.main_form()) {
        let key = if matches!(endpoint, "http" | "https") {
            &value.scheme
        } else {
            endpoint
        };
        let url = Expression::of(Op::Endpoint {
            resource: target.name.to_string(),
            endpoint: endpoint.to_owned(),
            property: EndpointProperty::Url,
        });
        let index = (0..)
            .find(|index| {
                let wanted = format!("services__{name}__{key}__{index}");
                variables.iter().all(|(taken, _)| *taken != wanted)
            })
            .unwrap_or(0);
        variables.push((format!("services__{name}__{key}__{index}"), url.clone()));
        variables.push((
            format!("{}_{}", variable_name(name), variable_name(endpoint)),
            url,
        ));
    }
    variables
}

/// `services__NAME__SCHEME__0` and `NAME`; the scheme is `default` where it is not known.
fn external(context: &Context<'_>, target: &Resource, name: &str) -> Vec<(String, Expression)> {
    let Some(url) = target.value(Field::Url, Form::Any) else {
        return Vec::new();
    };
    let known = match url.segments() {
        [one] => match &one.op {
            Op::Parameter(parameter) | Op::Connection(parameter)
                if context.options.mode == Mode::Run =>
            {
                context
                    .options
                    .parameters
                    .get(parameter)
                    .map(String::as_str)
            }
            Op::Literal(text) => Some(text.as_str()),
            _ => None,
        },
        [first, ..] => match &first.op {
            Op::Literal(text) => Some(text.as_str()),
            _ => None,
        },
        [] => None,
    };
    let scheme = known
        .and_then(|url| url.split_once("://"))
        .map_or("default", |(scheme, _)| scheme);
    vec![
        (format!("services__{name}__{scheme}__0"), url.clone()),
        (variable_name(name), url.clone()),
    ]
}
