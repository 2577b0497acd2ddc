//! `explain`: the model after any pass, and where each fact comes from.

mod facts;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, bail};
use aspire_compiler::Compilation;
use aspire_compiler::pipeline::passes;
use aspire_model::fact::{Fact, Form};
use aspire_model::name::nearest;
use aspire_model::{AppModel, FactKey, Field, Mode, Resource, print};
use serde_json::{Value as Json, json};

use crate::args::ExplainArgs;
use crate::error::{Exit, Problem};
use crate::host::Host;
use crate::instance::Instance;
use crate::params::store::{Store, Values};
use crate::params::{self, Given};
use crate::project::{self, Project};
use crate::render;
use crate::ui::visible;
use facts::author_json;

/// Explains the model, a resource or a fact.
pub(super) fn run(host: &Host, args: &ExplainArgs) -> Result<Exit> {
    let names: Vec<&str> = passes().map(|(name, _)| name).to_vec();
    if let Some(after) = &args.after
        && !names.contains(&after.as_str())
    {
        bail!(
            Problem::usage(format!("there is no pass `{after}`"))
                .help(format!("the passes are: {}", names.join(", ")))
        );
    }
    let project = project::open(host)?;
    if project.diagnostics.has_errors() {
        return Ok(render::report(
            &host.ui,
            &project.app.sources,
            &project.diagnostics,
        ));
    }
    let compilation = project.compile(host, Mode::Run, true)?;
    let mut diagnostics = project.diagnostics.clone();
    diagnostics.extend(compilation.diagnostics.clone());
    let wanted = match &args.after {
        Some(after) => compilation.stages.iter().find(|stage| stage.pass == after),
        None if diagnostics.has_errors() => None,
        None => compilation.stages.last(),
    };
    // A pass before the one that found errors can be looked at.
    let exit = Exit::of(&diagnostics);
    let json_taken = host.ui.json() && wanted.is_some();
    if !json_taken && (exit != Exit::Fine || args.resource.is_none()) {
        render::report(&host.ui, &project.app.sources, &diagnostics);
    }
    let Some(stage) = wanted else { return Ok(exit) };
    if args.diff {
        diff(host, args, &compilation)?;
    } else {
        let shown = Shown::new(host, args, &project, Arc::clone(&stage.model))?;
        shown.explain(args)?;
    }
    Ok(exit)
}

/// The model with only one resource.
fn only(model: &AppModel, resource: Option<&str>) -> AppModel {
    let mut part = AppModel::new(Arc::clone(&model.name));
    for one in model
        .iter()
        .filter(|one| resource.is_none_or(|name| one.name.as_str() == name))
    {
        part.insert(one.clone());
    }
    part
}

fn diff(host: &Host, args: &ExplainArgs, compilation: &Compilation) -> Result<()> {
    if let (Some(name), Some(last)) = (&args.resource, compilation.stages.last()) {
        find(&last.model, name)?;
    }
    let resource = args.resource.as_deref();
    let mut before = AppModel::new(Arc::clone(&compilation.model.name));
    let mut objects = Vec::new();
    for stage in &compilation.stages {
        let after = only(&stage.model, resource);
        if args.after.as_deref().is_none_or(|pass| pass == stage.pass) {
            let text = print::diff(&before, &after);
            objects.push(json!({ "pass": stage.pass, "diff": text }));
            if !host.ui.json() {
                let body = if text.is_empty() {
                    "(nothing)\n"
                } else {
                    &text
                };
                host.ui
                    .out(format!("after {}:\n{}", stage.pass, visible_lines(body)));
            }
        }
        before = after;
    }
    if host.ui.json() {
        host.ui.out_json(&json!(objects));
    }
    Ok(())
}

fn visible_lines(text: &str) -> String {
    text.lines()
        .map(|line| visible(line, false) + "\n")
        .collect()
}

fn find<'a>(model: &'a AppModel, name: &str) -> Result<&'a Resource> {
    if let Some(resource) = model.get(name) {
        return Ok(resource);
    }
    let help = match nearest(name, model.iter().map(|resource| resource.name.as_str())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`aspire-host explain` lists them all".to_owned(),
    };
    bail!(Problem::app(format!("there is no resource `{name}`")).help(help))
}

/// A model that is being explained, with what is known of its parameters.
struct Shown<'a> {
    host: &'a Host,
    project: &'a Project,
    model: Arc<AppModel>,
    parameters: BTreeMap<String, String>,
    origins: BTreeMap<String, String>,
    reveal: bool,
}

impl<'a> Shown<'a> {
    fn new(
        host: &'a Host,
        args: &ExplainArgs,
        project: &'a Project,
        model: Arc<AppModel>,
    ) -> Result<Self> {
        let wanted = host.options.instance.as_deref();
        let app = &project.app.document.name;
        let kept = match Instance::find(project.folder(), app, wanted)? {
            Some(instance) => Store::new(instance.data).load()?,
            None => Values::default(),
        };
        let names: Vec<&str> = model
            .iter()
            .map(|resource| resource.name.as_str())
            .collect();
        let given = Given::read(&host.options.params, project.folder(), &names)?;
        let resolved = params::resolve(&model, &given, &kept).values;
        let origins = resolved
            .iter()
            .map(|(name, value)| (name.clone(), value.origin.to_string()))
            .collect();
        let parameters = resolved
            .into_iter()
            .map(|(name, value)| (name, value.text))
            .collect();
        Ok(Self {
            host,
            project,
            model,
            parameters,
            origins,
            reveal: args.reveal,
        })
    }

    fn explain(&self, args: &ExplainArgs) -> Result<()> {
        let Some(name) = &args.resource else {
            if self.host.ui.json() {
                let all: Vec<Json> = self
                    .model
                    .iter()
                    .map(|one| self.resource_json(one))
                    .collect();
                self.host
                    .ui
                    .out_json(&json!({ "app": &*self.model.name, "resources": all }));
            } else {
                self.host.ui.out(visible_lines(&print::model(&self.model)));
            }
            return Ok(());
        };
        let resource = find(&self.model, name)?;
        if args.fact.is_empty() {
            if self.host.ui.json() {
                self.host.ui.out_json(&self.resource_json(resource));
            } else {
                self.host.ui.out(self.resource_text(resource));
            }
            return Ok(());
        }
        let facts = select(resource, &args.fact.join("."))?;
        if self.host.ui.json() {
            let all: Vec<Json> = facts
                .iter()
                .map(|(key, fact)| self.fact_json(resource, key, fact))
                .collect();
            self.host.ui.out_json(&json!(all));
        } else {
            let texts: Vec<String> = facts
                .iter()
                .map(|(key, fact)| self.fact_text(resource, key, fact))
                .collect();
            self.host.ui.out(texts.join("\n"));
        }
        Ok(())
    }

    fn resource_text(&self, resource: &Resource) -> String {
        let mut text = format!(
            "{} ({}, {})\n  from {}\n",
            resource.name, resource.kind, resource.shape, resource.origin
        );
        for (key, fact) in &resource.facts {
            text.push_str(&format!("  {key} = {}\n", print::value(&fact.value)));
            for author in &fact.authors {
                text.push_str(&format!("      from {author}\n"));
            }
        }
        for child in self.model.children(resource.name.as_str()) {
            text.push_str(&format!(
                "  child {} ({}, {})\n",
                child.name, child.kind, child.shape
            ));
        }
        visible_lines(&text)
    }

    fn resource_json(&self, resource: &Resource) -> Json {
        let facts: Vec<Json> = resource
            .facts
            .iter()
            .map(|(key, fact)| self.fact_json(resource, key, fact))
            .collect();
        json!({
            "name": resource.name,
            "kind": &*resource.kind,
            "shape": resource.shape,
            "owner": resource.owner.as_deref(),
            "parent": resource.parent(),
            "origin": author_json(&resource.origin),
            "facts": facts,
        })
    }
}

/// The facts of a name: `image`, `env`, `env.PORT`, `process:args`.
fn select<'a>(resource: &'a Resource, name: &str) -> Result<Vec<(&'a FactKey, &'a Fact)>> {
    let (form, rest) = match name.split_once(':') {
        Some(("container", rest)) => (Some(Form::Container), rest),
        Some(("process", rest)) => (Some(Form::Process), rest),
        _ => (None, name),
    };
    let (field, key) = rest.split_once('.').unwrap_or((rest, ""));
    let matching = |field: Field, wanted: &str| -> Vec<(&'a FactKey, &'a Fact)> {
        resource
            .facts
            .iter()
            .filter(|(at, _)| {
                at.field == field
                    && form.is_none_or(|form| at.form == form)
                    && (wanted.is_empty() || at.key == wanted)
            })
            .collect()
    };
    let found = match Field::parse(field) {
        Some(field) => matching(field, key),
        // The name of a variable alone is clear enough.
        None => matching(Field::Env, rest),
    };
    if !found.is_empty() {
        return Ok(found);
    }
    let all: Vec<String> = resource.facts.keys().map(ToString::to_string).collect();
    let help = match nearest(name, all.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has: {}", all.join(", ")),
    };
    bail!(Problem::app(format!("`{}` has no fact `{name}`", resource.name)).help(help))
}
