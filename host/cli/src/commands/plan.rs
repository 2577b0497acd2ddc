//! `plan`: what `run` would create, change, replace or stop now, and the fields that cause it.

use std::collections::BTreeSet;

use anyhow::Result;
use aspire_api::Kind;
use aspire_model::Mode;
use serde_json::{Value as Json, json};

use super::run::{How, select};
use crate::args::RunArgs;
use crate::error::Exit;
use crate::host::Host;
use crate::instance::Instance;
use crate::project;
use crate::run::inputs::{self, Inputs};
use crate::running;
use crate::running::diff::{Action, LOWERED, Step, diff};
use crate::running::environment::MASK;
use crate::ui::visible;

/// Longest value that is shown.
const LONGEST: usize = 60;

/// Shows it. Nothing is started or changed.
pub(super) fn run(host: &Host, args: &RunArgs) -> Result<Exit> {
    let project = project::open(host)?;
    let compilation = project.model(host, Mode::Run)?;
    let model = compilation.model.as_ref();
    let selection = select(model, &args.resources)?;
    let instance = Instance::settle(
        project.folder(),
        &project.app.document.name,
        host.options.instance.as_deref(),
    )?;
    let images = inputs::image_map(host)?;
    let (mut inputs, found) = Inputs::gather(host, model, project.folder(), &instance)?;
    project.tell(host, &found)?;
    running::block_on(async {
        let how = How {
            project: &project,
            model,
            instance: &instance.id,
            images: &images,
            selection,
            runtime: args.flags.runtime.unwrap_or_default(),
        };
        let choice = how.lowered(host, &mut inputs).await?;
        let mut found = choice.about_forms.clone();
        found.extend(choice.lowered.clone());
        project.tell(host, &found)?;
        let present = match instance.owner() {
            Some(owner) => running::connect(owner).await?.plane.list(&LOWERED).await?,
            None => Vec::new(),
        };
        let runs = instance.owner().is_some();
        show(host, &diff(&present, &choice.plan.objects), runs);
        Ok(Exit::Fine)
    })
}

fn show(host: &Host, steps: &[Step], runs: bool) {
    if host.ui.json() {
        let steps: Vec<Json> = steps.iter().map(to_json).collect();
        host.ui
            .out_json(&json!({ "running": runs, "steps": steps }));
        return;
    }
    if steps.is_empty() {
        host.ui.out("nothing to do: what runs is what the app says");
        return;
    }
    for step in steps {
        host.ui.out(visible(&line(step), false));
        for difference in &step.because {
            let text = format!(
                "  {}: {} -> {}",
                difference.field,
                value(difference.old.as_ref()),
                value(difference.new.as_ref())
            );
            host.ui.out(visible(&text, false));
        }
    }
    let count = |action: Action| steps.iter().filter(|step| step.action == action).count();
    let counts: Vec<String> = [
        Action::Create,
        Action::Change,
        Action::Replace,
        Action::Stop,
    ]
    .into_iter()
    .filter(|action| count(*action) > 0)
    .map(|action| format!("{} to {}", count(action), action.word()))
    .collect();
    let resources: BTreeSet<&str> = steps.iter().map(|step| step.resource.as_str()).collect();
    host.ui.note(format!(
        "{} ({} resources)",
        counts.join(", "),
        resources.len()
    ));
}

fn line(step: &Step) -> String {
    let what = match step.key.kind {
        Kind::Container => "container",
        Kind::Executable => "process",
        Kind::Service => "service",
        Kind::ContainerNetwork => "network",
        Kind::ContainerVolume => "volume",
        _ => "object",
    };
    format!("{} {what} {}", step.action.word(), step.key.name)
}

fn to_json(step: &Step) -> Json {
    let because: Vec<Json> = step
        .because
        .iter()
        .map(|it| json!({ "field": it.field, "old": it.old, "new": it.new }))
        .collect();
    json!({
        "action": step.action.word(),
        "object": step.key.to_string(),
        "resource": step.resource,
        "because": because,
    })
}

/// A value of a field; placeholders of secrets say only that there is one.
fn value(value: Option<&Json>) -> String {
    let Some(value) = value else {
        return "(none)".to_owned();
    };
    let text = match value {
        Json::String(text) => match aspire_api::template::parse(text) {
            Ok(pieces) => pieces.iter().map(piece).collect(),
            Err(_) => text.clone(),
        },
        other => other.to_string(),
    };
    crate::columns::cut(&text.replace('\n', " "), LONGEST)
}

fn piece(piece: &aspire_api::template::Piece) -> String {
    use aspire_api::template::{Piece, Placeholder};
    match piece {
        Piece::Text(text) => text.clone(),
        Piece::Placeholder(Placeholder::Secret { .. }) => MASK.to_owned(),
        Piece::Placeholder(Placeholder::PortFor(service)) => format!("{{port of {service}}}"),
        Piece::Placeholder(Placeholder::PortForServing(service)) => {
            format!("{{own port for {service}}}")
        }
        Piece::Placeholder(Placeholder::AddressFor(service)) => {
            format!("{{address of {service}}}")
        }
        Piece::Placeholder(Placeholder::DataFolder(key)) => format!("{{data folder {key}}}"),
        Piece::Placeholder(Placeholder::File(key)) => format!("{{file {key}}}"),
    }
}
