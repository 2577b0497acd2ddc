//! `plan`: what `run` would create, change, replace or stop now, and the fields that cause it.

use anyhow::Result;
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
use crate::running::shown;
use aspire_dcp::answers::{LOWERED, Step, diff, wishes};

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
        show(host, &diff(&wishes(&present), &choice.plan.objects), runs);
        Ok(Exit::Fine)
    })
}

fn show(host: &Host, steps: &[Step], runs: bool) {
    if host.ui.json() {
        let steps: Vec<Json> = steps.iter().map(shown::to_json).collect();
        host.ui
            .out_json(&json!({ "running": runs, "steps": steps }));
        return;
    }
    if steps.is_empty() {
        host.ui.out(shown::NOTHING);
        return;
    }
    for line in shown::lines(steps) {
        host.ui.out(line);
    }
    host.ui.note(shown::summary(steps));
}
