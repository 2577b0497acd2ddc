//! `run`: the app in the foreground, until it ends or is asked to; or in the background.

mod again;
pub(super) mod detach;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use aspire_compiler::forms::Forms;
use aspire_compiler::run::{self as lowering, RunInput, RunPlan};
use aspire_model::expression::{Expression, Op};
use aspire_model::name::nearest;
use aspire_model::{AppModel, Diagnostics, Field, Form, Mode, ResourceName};

use again::Again;

use crate::app;
use crate::args::{RunArgs, Runtime};
use crate::error::{Exit, Problem};
use crate::host::Host;
use crate::instance::Instance;
use crate::project::{self, Project};
use crate::run::choose::{self, Choice};
use crate::run::inputs::{self, Inputs};
use crate::run::live::{Live, Saves};
use crate::run::preflight;
use crate::run::session::{self, End, Setup};
use crate::run::view::View;
use crate::values::Known;

/// Runs it.
pub(super) fn run(host: &Host, args: &RunArgs) -> Result<Exit> {
    if args.detach {
        return detach::run(host, args);
    }
    if args.apart {
        detach::leave_terminal();
    }
    let since = Instant::now();
    // Before it is read, so that no save is missed.
    let saves = if args.watch { Some(saves(host)?) } else { None };
    let project = project::open(host)?;
    let compilation = project.model(host, Mode::Run)?;
    let model = compilation.model.as_ref();
    let selection = select(model, &args.resources)?;
    let instance = Instance::settle(
        project.folder(),
        &project.app.document.name,
        host.options.instance.as_deref(),
    )?;
    let _lock = instance.lock()?;
    if project.app.file.is_some() {
        project.set.save_lock(project.folder())?;
    }
    let images = inputs::image_map(host)?;
    let (mut inputs, found) = Inputs::gather(host, model, project.folder(), &instance)?;
    project.tell(host, &found)?;
    // One thread is enough: what blocks has its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime could not be started")?;
    runtime.block_on(async {
        let how = How {
            project: &project,
            model,
            instance: &instance.id,
            images: &images,
            selection,
            runtime: args.flags.runtime.unwrap_or_default(),
        };
        let choice = how.lowered(host, &mut inputs).await?;
        let run = Run {
            host,
            args,
            project: &project,
            model,
            instance: &instance,
            since,
        };
        run.checked(choice, &inputs, saves).await
    })
}

/// What happens to the app file from now on.
fn saves(host: &Host) -> Result<Saves> {
    let Some(file) = app::find(host)? else {
        bail!(
            Problem::usage("--watch needs an app file to follow")
                .help("write a first one with `aspire-host init`")
        );
    };
    Saves::of(&file)
}

/// How a model is lowered for this machine.
pub(super) struct How<'a> {
    pub(super) project: &'a Project,
    pub(super) model: &'a AppModel,
    /// Id of the instance.
    pub(super) instance: &'a str,
    pub(super) images: &'a BTreeMap<String, String>,
    pub(super) selection: Option<Vec<ResourceName>>,
    pub(super) runtime: Runtime,
}

impl How<'_> {
    /// Chooses forms and lowers; values that are missing are made up or asked for.
    ///
    /// # Errors
    /// An engine that refuses, or values that nobody has.
    pub(super) async fn lowered(&self, host: &Host, inputs: &mut Inputs<'_>) -> Result<Choice> {
        let (choice, missing) = self.settled(host, inputs).await?;
        self.project.tell(host, &missing)?;
        Ok(choice)
    }

    /// The same; values that nobody has are told to the caller, and what was lowered is no good
    /// then.
    ///
    /// # Errors
    /// An engine that refuses, a terminal or a store that fails.
    async fn settled(&self, host: &Host, inputs: &mut Inputs<'_>) -> Result<(Choice, Diagnostics)> {
        let lower_with = |inputs: &Inputs<'_>, forms: &Forms| {
            lowering::lower(
                self.model,
                &RunInput {
                    forms,
                    folder: self.project.folder().to_owned(),
                    instance: self.instance,
                    parameters: &inputs.plain(),
                    images: self.images,
                    selection: self.selection.clone(),
                },
            )
        };
        let lower = |forms: &Forms| lower_with(inputs, forms);
        let mut choice = choose::choose(host, self.model, self.runtime, &lower).await?;
        if !inputs.has_all(&choice.plan.parameters) {
            let missing = inputs.complete(&choice.plan.parameters)?;
            if missing.has_errors() {
                return Ok((choice, missing));
            }
            let (plan, found) = lower_with(inputs, &choice.forms);
            (choice.plan, choice.lowered) = (plan, found);
            return Ok((choice, missing));
        }
        Ok((choice, Diagnostics::new()))
    }
}

/// Everything that a run knows once its model is lowered.
struct Run<'a> {
    host: &'a Host,
    args: &'a RunArgs,
    project: &'a Project,
    model: &'a AppModel,
    instance: &'a Instance,
    since: Instant,
}

impl Run<'_> {
    /// Looks at everything that can be known, then starts.
    async fn checked(
        &self,
        mut choice: Choice,
        inputs: &Inputs<'_>,
        saves: Option<Saves>,
    ) -> Result<Exit> {
        let mut runtime = self.args.flags.runtime.unwrap_or_default();
        if saves.is_some() {
            runtime = choose::for_later(self.model, runtime, &mut choice).await;
        }
        let (forms, plan, engine) = (&choice.forms, &choice.plan, &choice.engine);
        let mut found = choice.about_forms.clone();
        found.extend(choice.lowered.clone());
        let folders = [
            self.instance.state.as_path(),
            self.instance.native.as_path(),
        ];
        found.extend(preflight::check(self.model, plan, &folders));
        // A dead run of this instance may still hold a port; the control plane removes it first.
        let look = || preflight::check_ports(self.model, plan);
        let later = self.instance.has_records();
        if !later {
            found.extend(look());
        }
        if !found.has_errors() {
            found.extend(choose::fetch_images(self.host, &choice).await);
        }
        self.project.tell(self.host, &found)?;
        if engine.is_some() {
            self.instance.remember_engine()?;
        }
        self.tell_forms(forms, plan);
        let secrets = inputs.secrets();
        let welcome = |view: &View| match self.project.app.file {
            Some(_) => Vec::new(),
            None => connection_strings(self.model, forms, inputs, plan, view),
        };
        let setup = Setup {
            app: &self.project.app.document.name,
            instance: self.instance,
            folder: self.project.folder().to_owned(),
            plan,
            engine: engine.clone(),
            secrets,
            fail_fast: self.args.flags.fail_fast,
            since: self.since,
            ports: if later { Some(&look) } else { None },
            no_watch: self.args.flags.no_watch,
            welcome: &welcome,
        };
        let live = saves.map(|saves| {
            let again = Again::new(self.host, self.args, self.instance, runtime, inputs.known());
            Live {
                saves,
                lower: Arc::new(move || again.edit()),
            }
        });
        match session::run(self.host, setup, live).await? {
            End::Exit(exit) => Ok(exit),
            End::Refused(found) => {
                self.project.tell(self.host, &found)?;
                Ok(Exit::of(&found))
            }
        }
    }

    fn tell_forms(&self, forms: &Forms, plan: &RunPlan) {
        if !self.host.ui.verbose {
            return;
        }
        for (name, form) in forms
            .iter()
            .filter(|(name, _)| plan.workloads.contains_key(name.as_str()))
        {
            let word = if form == Form::Container {
                "a container"
            } else {
                "a process"
            };
            self.host.ui.detail(format!("{name} runs as {word}"));
        }
    }
}

/// The resources that were named.
pub(super) fn select(model: &AppModel, names: &[String]) -> Result<Option<Vec<ResourceName>>> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut selection = Vec::new();
    for name in names {
        let Some(resource) = model.get(name) else {
            let help = match nearest(name, model.iter().map(|resource| resource.name.as_str())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`aspire-host explain` lists them all".to_owned(),
            };
            bail!(Problem::app(format!("there is no resource `{name}`")).help(help));
        };
        selection.push(resource.name.clone());
    }
    Ok(Some(selection))
}

/// What a run of plugins alone is for: how to reach them. The only place where a secret is printed.
fn connection_strings(
    model: &AppModel,
    forms: &Forms,
    inputs: &Inputs<'_>,
    plan: &RunPlan,
    view: &View,
) -> Vec<String> {
    let parameters = inputs.all();
    let known = Known {
        model,
        form_of: &|resource| forms.of(resource),
        parameters: &parameters,
        reveal: true,
        addresses: &|resource, endpoint| view.service(&lowering::service_name(resource, endpoint)),
    };
    let mut lines = Vec::new();
    for name in plan.workloads.keys() {
        let Some(resource) = model
            .get(name)
            .filter(|resource| resource.parent().is_none())
        else {
            continue;
        };
        let has_connection = resource.fact(Field::ConnectionString, Form::Any).is_some();
        if has_connection
            && let Ok(text) = known.text(&Expression::of(Op::Connection(name.clone())))
        {
            lines.push(format!("{name}: {text}"));
        }
        for (property, value) in resource.properties(Form::Any) {
            if property.eq_ignore_ascii_case("uri")
                && let Ok(text) = known.text(value)
            {
                lines.push(format!("{name}: {text}"));
            }
        }
    }
    lines
}
