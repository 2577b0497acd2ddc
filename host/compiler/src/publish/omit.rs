//! What is not published: resources left out, and resources that become parameters.
//!
//! `publish = false` leaves a resource out; whatever is published must not refer to it.
//! `publish = "connection-string"` turns a resource and what lives in it into parameters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aspire_model::annotation::Parameter;
use aspire_model::diagnostic::{Diagnostic, Diagnostics};
use aspire_model::fact::{Assignment, Fact};
use aspire_model::provenance::Author;
use aspire_model::{
    AppModel, Expression, FactKey, FactValue, Field, Form, Resource, ResourceName, Shape,
};

use crate::run::map_image;

/// Runs the pass.
pub(super) fn run(
    model: &AppModel,
    images: &BTreeMap<String, String>,
    diagnostics: &mut Diagnostics,
) -> AppModel {
    let mut published = model.clone();
    if !images.is_empty() {
        map_images(&mut published, images);
    }
    let external: Vec<&Resource> = model
        .iter()
        .filter(|resource| becomes_parameters(model, resource))
        .collect();
    for resource in &external {
        replace(&mut published, resource, diagnostics);
    }
    let omitted: BTreeSet<&str> = model
        .iter()
        .filter(|resource| is_omitted(model, resource))
        .map(|resource| resource.name.as_str())
        .collect();
    for resource in published
        .iter()
        .filter(|resource| !omitted.contains(resource.name.as_str()))
    {
        check(resource, &omitted, diagnostics);
    }
    let names: Vec<ResourceName> = omitted
        .iter()
        .filter_map(|name| ResourceName::new(*name).ok())
        .collect();
    for name in names {
        set_text(&mut published, &name, Field::Publish, "no");
    }
    drop_waits(&mut published, &external, &omitted);
    drop_orphaned_parameters(&mut published);
    published
}

/// Names the images that are used instead.
fn map_images(model: &mut AppModel, images: &BTreeMap<String, String>) {
    let mapped: Vec<(ResourceName, String)> = model
        .iter()
        .filter_map(|resource| {
            let image = resource.text(Field::Image, Form::Container)?;
            let other = map_image(image, images);
            (other != image).then(|| (resource.name.clone(), other))
        })
        .collect();
    for (name, image) in mapped {
        set_text(model, &name, Field::Image, &image);
    }
}

/// Its own setting, or that of the nearest ancestor that has one.
fn setting<'a>(model: &'a AppModel, resource: &'a Resource) -> Option<&'a str> {
    let mut at = resource;
    for _ in 0..=model.resources.len() {
        if let Some(text) = at.text(Field::Publish, Form::Any) {
            return Some(text);
        }
        at = model.get(at.parent()?)?;
    }
    None
}

fn becomes_parameters(model: &AppModel, resource: &Resource) -> bool {
    resource.shape != Shape::Parameter && setting(model, resource) == Some("connection-string")
}

fn is_omitted(model: &AppModel, resource: &Resource) -> bool {
    setting(model, resource) == Some("no")
}

fn set_text(model: &mut AppModel, name: &ResourceName, field: Field, text: &str) {
    let Some(resource) = model.get_mut(name.as_str()) else {
        return;
    };
    let author = host(resource);
    let fact = Fact {
        value: FactValue::Text(text.to_owned()),
        authors: vec![author],
        overruled: Vec::new(),
    };
    resource.facts.insert(FactKey::single(field), fact);
}

fn host(resource: &Resource) -> Author {
    Author::Host {
        pass: Arc::from("omit"),
        cause: resource.origin.span().cloned(),
    }
}

/// Turns a resource into a value whose connection string and properties are parameters.
fn replace(model: &mut AppModel, resource: &Resource, diagnostics: &mut Diagnostics) {
    if resource.fact(Field::ConnectionString, Form::Any).is_none() {
        diagnostics.push(
            Diagnostic::error(
                "no-connection-string",
                format!(
                    "`{}` has no connection string that could be published",
                    resource.name
                ),
            )
            .by(&resource.origin)
            .about(resource.name.as_str())
            .help("write publish = false, or publish it"),
        );
        return;
    }
    let author = host(resource);
    let mut value = resource.clone();
    value.shape = Shape::Value;
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    value.facts = resource
        .facts
        .iter()
        .filter(|(key, _)| {
            matches!(
                key.field,
                Field::ConnectionString
                    | Field::Properties
                    | Field::Parent
                    | Field::ConnectionVariable
            )
        })
        .map(|(key, fact)| {
            let (suffix, what) = match key.field {
                Field::ConnectionString => (
                    "connection-string".to_owned(),
                    "connection string".to_owned(),
                ),
                Field::Properties => (key.key.to_lowercase(), format!("property {}", key.key)),
                _ => return (key.clone(), fact.clone()),
            };
            let parameter = format!("{}-{suffix}", resource.name);
            parameters.insert(
                parameter.clone(),
                format!("The {what} of {}.", resource.name),
            );
            let mut fact = fact.clone();
            let before = std::mem::replace(
                &mut fact.value,
                FactValue::Value(Expression::parameter(parameter)),
            );
            let authors = std::mem::replace(&mut fact.authors, vec![author.clone()]);
            fact.overruled
                .extend(authors.into_iter().map(|author| Assignment {
                    author,
                    value: Some(before.clone()),
                }));
            (key.clone(), fact)
        })
        .collect();
    model.insert(value);
    for (name, description) in parameters {
        let Ok(name) = ResourceName::new(name) else {
            continue;
        };
        let mut parameter = Resource::new(name, "parameter", Shape::Parameter, author.clone());
        let value = Parameter {
            secret: true,
            description,
            ..Parameter::default()
        };
        let fact = Fact {
            value: FactValue::Parameter(value),
            authors: vec![author.clone()],
            overruled: Vec::new(),
        };
        parameter
            .facts
            .insert(FactKey::single(Field::Parameter), fact);
        model.insert(parameter);
    }
}

/// What is published must not need what isn't.
fn check(resource: &Resource, omitted: &BTreeSet<&str>, diagnostics: &mut Diagnostics) {
    let form = resource.main_form();
    for (key, fact) in &resource.facts {
        if key.form != Form::Any && key.form != form {
            continue;
        }
        let needed = fact
            .value
            .expressions()
            .into_iter()
            .flat_map(Expression::subjects)
            .find(|subject| omitted.contains(subject));
        if let Some(needed) = needed {
            let diagnostic = Diagnostic::error(
                "not-published",
                format!(
                    "`{key}` of `{}` needs `{needed}`, which is not published",
                    resource.name
                ),
            )
            .about(resource.name.as_str())
            .help(format!(
                "publish `{needed}` too, as itself or with publish = \"connection-string\""
            ));
            diagnostics.push(match fact.authors.first() {
                Some(author) => diagnostic.by(author),
                None => diagnostic,
            });
        }
    }
}

/// Nothing waits for what is not there.
fn drop_waits(model: &mut AppModel, external: &[&Resource], omitted: &BTreeSet<&str>) {
    let gone =
        |name: &str| omitted.contains(name) || external.iter().any(|r| r.name.as_str() == name);
    let names: Vec<ResourceName> = model.resources.keys().cloned().collect();
    for name in names {
        let waits = model.get(name.as_str()).is_some_and(|r| {
            r.facts
                .keys()
                .any(|key| key.field == Field::Waits && gone(&key.key))
        });
        if waits && let Some(resource) = model.get_mut(name.as_str()) {
            resource
                .facts
                .retain(|key, _| key.field != Field::Waits || !gone(&key.key));
        }
    }
}

/// A parameter that only unpublished things use is nobody's to supply.
fn drop_orphaned_parameters(model: &mut AppModel) {
    let mut used: BTreeSet<String> = BTreeSet::new();
    for resource in model.iter() {
        if resource.text(Field::Publish, Form::Any) == Some("no")
            || resource.shape == Shape::Parameter
        {
            continue;
        }
        let form = resource.main_form();
        for (key, fact) in &resource.facts {
            if key.form == Form::Any || key.form == form {
                for expression in fact.value.expressions() {
                    used.extend(expression.subjects().map(str::to_owned));
                }
            }
        }
    }
    let orphans: Vec<ResourceName> = model
        .iter()
        .filter(|r| r.shape == Shape::Parameter && !used.contains(r.name.as_str()))
        .map(|r| r.name.clone())
        .collect();
    for name in orphans {
        model.resources.remove(&name);
    }
}
