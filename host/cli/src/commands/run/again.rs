//! The app file compiled again while its app runs.
//!
//! Runs on a thread of its own and never prints or asks: what was found is handed back as text.
//! Doesn't know what becomes of the result.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use aspire_model::{Diagnostics, Mode};
use serde_json::json;

use super::{How, select};
use crate::args::{Global, RunArgs, Runtime};
use crate::error::{self, Problem};
use crate::host::Host;
use crate::instance::Instance;
use crate::params::Value;
use crate::project::{self, Project};
use crate::render;
use crate::run::choose;
use crate::run::inputs::{self, Inputs};
use crate::run::live::{Edit, Wanted};
use crate::run::preflight;
use crate::running;
use crate::ui::Ui;

/// What stays as it was when the run began.
pub(super) struct Again {
    options: Global,
    here: PathBuf,
    args: RunArgs,
    instance: Instance,
    runtime: Runtime,
    known: BTreeMap<String, Value>,
}

impl Again {
    pub(super) fn new(
        host: &Host,
        args: &RunArgs,
        instance: &Instance,
        runtime: Runtime,
        known: BTreeMap<String, Value>,
    ) -> Self {
        Self {
            options: host.options.clone(),
            here: host.here.clone(),
            args: args.clone(),
            instance: instance.clone(),
            runtime,
            known,
        }
    }

    /// Compiles what the file says now.
    pub(super) fn edit(&self) -> Edit {
        self.compiled().unwrap_or_else(|error| {
            let found = if self.ui().json() {
                json!({ "type": "error", "error": error::to_json(&error) }).to_string()
            } else {
                error::describe(&error)
            };
            Edit::Refused {
                found,
                why: "1 error".to_owned(),
            }
        })
    }

    fn ui(&self) -> Ui {
        let Global {
            output,
            quiet,
            verbose,
            ..
        } = self.options;
        Ui::new(output, quiet, verbose)
    }

    fn compiled(&self) -> Result<Edit> {
        // The screen is the session's: nothing may be printed or asked for here.
        let mut ui = Ui::new(self.options.output, true, false);
        ui.interactive = false;
        let host = &Host {
            options: self.options.clone(),
            ui,
            here: self.here.clone(),
        };
        let project = project::open(host)?;
        if project.diagnostics.has_errors() {
            return Ok(self.refused(&project, &project.diagnostics));
        }
        let mut found = project.diagnostics.clone();
        let compilation = project.compile(host, Mode::Run, false)?;
        found.extend(compilation.diagnostics.clone());
        if found.has_errors() {
            return Ok(self.refused(&project, &found));
        }
        if project.app.document.name.to_string() != self.instance.app {
            let problem = Problem::app(format!(
                "the app runs as `{}` and cannot get another name meanwhile",
                self.instance.app
            ));
            return Err(problem.help("end it and run it again").into());
        }
        let model = compilation.model.as_ref();
        let images = inputs::image_map(host)?;
        let (mut inputs, more) = Inputs::gather(host, model, project.folder(), &self.instance)?;
        found.extend(more);
        inputs.keep(&self.known);
        let how = How {
            project: &project,
            model,
            instance: &self.instance.id,
            images: &images,
            selection: select(model, &self.args.resources)?,
            runtime: self.runtime,
        };
        let plan = running::block_on(async {
            let (choice, missing) = how.settled(host, &mut inputs).await?;
            if missing.has_errors() {
                // What was lowered without them says nothing.
                found.extend(missing);
                return Ok(choice.plan);
            }
            found.extend(choice.about_forms.clone());
            found.extend(choice.lowered.clone());
            let (state, native) = (&self.instance.state, &self.instance.native);
            found.extend(preflight::check(model, &choice.plan, &[state, native]));
            if !found.has_errors() {
                found.extend(choose::fetch_images(host, &choice).await);
            }
            Ok(choice.plan)
        })?;
        if found.has_errors() {
            return Ok(self.refused(&project, &found));
        }
        project.set.save_lock(project.folder())?;
        Ok(Edit::Wanted(Wanted {
            found: self.text(&project, &found),
            objects: plan.objects,
            secrets: inputs.secrets(),
            watches: plan.watches,
        }))
    }

    fn refused(&self, project: &Project, found: &Diagnostics) -> Edit {
        Edit::Refused {
            found: self.text(project, found),
            why: render::count(found),
        }
    }

    /// What was found, for the screen; nothing worth telling: empty.
    fn text(&self, project: &Project, found: &Diagnostics) -> String {
        let ui = self.ui();
        if ui.json() {
            if !found.has_errors() {
                return String::new();
            }
            let mut whole = render::to_json(found);
            whole["type"] = json!("diagnostics");
            return whole.to_string();
        }
        render::texts(&ui, &project.app.sources, found).join("\n\n")
    }
}
