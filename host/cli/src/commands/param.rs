//! `param set|list|unset`: values that are kept outside the project.

use std::io::Read as _;

use anyhow::{Context as _, Result, bail};
use aspire_model::name::nearest;
use aspire_model::{AppModel, Mode};
use serde_json::json;

use crate::args::ParamCommand;
use crate::error::{Exit, Problem};
use crate::host::Host;
use crate::instance::Instance;
use crate::params::store::{Store, Values};
use crate::params::{self, Given};
use crate::project::{self, Project};
use crate::ui::visible;

/// Does one of them.
pub(super) fn run(host: &Host, command: &ParamCommand) -> Result<Exit> {
    match command {
        ParamCommand::Set { name, value } => set(host, name, value.as_deref()),
        ParamCommand::Unset { name } => unset(host, name),
        ParamCommand::List { reveal } => list(host, *reveal),
    }
}

/// The model, as far as it can be made: parameters of plugins count too.
fn model(host: &Host) -> Result<(Project, std::sync::Arc<AppModel>)> {
    let project = project::open(host)?;
    let model = project.model(host, Mode::Run)?.model;
    Ok((project, model))
}

fn names(model: &AppModel) -> Vec<&str> {
    model
        .iter()
        .filter(|r| r.parameter().is_some())
        .map(|r| r.name.as_str())
        .collect()
}

fn known(model: &AppModel, name: &str) -> Result<bool> {
    if let Some(parameter) = model.get(name).and_then(|resource| resource.parameter()) {
        return Ok(parameter.secret);
    }
    let names = names(model);
    let help = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "this app has no parameters".to_owned(),
        None => format!("its parameters are: {}", names.join(", ")),
    };
    bail!(Problem::app(format!("there is no parameter `{name}`")).help(help))
}

fn store(host: &Host, project: &Project) -> Result<Store> {
    let wanted = host.options.instance.as_deref();
    let instance = Instance::settle(project.folder(), &project.app.document.name, wanted)?;
    Ok(Store::new(instance.data))
}

fn set(host: &Host, name: &str, value: Option<&str>) -> Result<Exit> {
    let (project, model) = model(host)?;
    let secret = known(&model, name)?;
    let value = match value {
        Some(value) => params::literal_or_file(value)?,
        None if host.ui.interactive && secret => host.ui.hidden_line(&format!("{name}: "))?,
        None if host.ui.interactive => host.ui.line(&format!("{name}: "))?,
        None => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .context("cannot read standard input")?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    store(host, &project)?.change(|values| values.set.insert(name.to_owned(), value))?;
    if host.ui.json() {
        host.ui.out_json(&json!({ "set": name }));
    } else {
        host.ui.note(format!("`{name}` is set for this instance"));
    }
    Ok(Exit::Fine)
}

fn unset(host: &Host, name: &str) -> Result<Exit> {
    let (project, model) = model(host)?;
    let wanted = host.options.instance.as_deref();
    let instance = Instance::find(project.folder(), &project.app.document.name, wanted)?;
    let forgotten = match instance {
        // A generated value may be the password of data that is kept: `clean --data` removes both.
        Some(instance) if instance.data.is_dir() => Store::new(instance.data)
            .change(|values| values.set.remove(name))?
            .is_some(),
        _ => false,
    };
    if !forgotten {
        known(&model, name)?;
    }
    if host.ui.json() {
        host.ui
            .out_json(&json!({ "unset": name, "wasSet": forgotten }));
    } else if forgotten {
        host.ui.note(format!("`{name}` is forgotten"));
    } else {
        host.ui.note(format!(
            "`{name}` was not set with `param set` (a generated value goes with its data: `aspire-host clean --data`)"
        ));
    }
    Ok(Exit::Fine)
}

fn list(host: &Host, reveal: bool) -> Result<Exit> {
    let (project, model) = model(host)?;
    let values = match Instance::find(
        project.folder(),
        &project.app.document.name,
        host.options.instance.as_deref(),
    )? {
        Some(instance) => Store::new(instance.data).load()?,
        None => Values::default(),
    };
    let given = Given::read(&host.options.params, project.folder(), &names(&model))?;
    let resolved = params::resolve(&model, &given, &values);
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for resource in model.iter() {
        let Some(parameter) = resource.parameter() else {
            continue;
        };
        let name = resource.name.as_str();
        let value = resolved.values.get(name);
        let source = match value {
            Some(value) => value.origin.to_string(),
            None if resolved.generate.contains_key(name) => "generated at the first run".to_owned(),
            None => "not set".to_owned(),
        };
        let shown = value.filter(|_| reveal).map(|value| value.text.clone());
        objects.push(json!({
            "name": name,
            "secret": parameter.secret,
            "set": value.is_some(),
            "source": source,
            "description": parameter.description,
            "value": shown,
        }));
        rows.push([
            name.to_owned(),
            if parameter.secret { "secret" } else { "plain" }.to_owned(),
            source,
            visible(
                &if reveal {
                    shown.unwrap_or_default()
                } else {
                    parameter.description.clone()
                },
                false,
            ),
        ]);
    }
    if host.ui.json() {
        host.ui.out_json(&json!(objects));
        return Ok(Exit::Fine);
    }
    if rows.is_empty() {
        host.ui.note("this app has no parameters");
        return Ok(Exit::Fine);
    }
    let last = if reveal { "VALUE" } else { "DESCRIPTION" };
    host.ui.out(crate::columns::table(
        &["NAME", "TYPE", "SOURCE", last],
        &rows,
    ));
    Ok(Exit::Fine)
}
