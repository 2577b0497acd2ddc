//! What containers run on: an engine, or native programs instead; and the model lowered for it.
//!
//! Knows engines and forms. Doesn't know parameters or checks of this machine.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Result, bail};
use aspire_api::container::PullPolicy;
use aspire_api::object::Object;
use aspire_compiler::forms::{self, Forms, Preference};
use aspire_compiler::run::RunPlan;
use aspire_dcp::runtime::docker::{DockerEngine, EngineEnvironment};
use aspire_dcp::runtime::{ContainerEngine, EngineError};
use aspire_model::diagnostic::{Blame, Diagnostic, Diagnostics};
use aspire_model::{AppModel, Severity, Shape};

use crate::args::Runtime;
use crate::error::Problem;
use crate::host::Host;

/// Lowers the model with these forms.
pub(crate) type Lower<'a> = &'a dyn Fn(&Forms) -> (RunPlan, Diagnostics);

/// What the run is made of.
pub(crate) struct Choice {
    /// The form of every workload.
    pub(crate) forms: Forms,
    /// What runs containers; none: nothing is a container.
    pub(crate) engine: Option<Arc<dyn ContainerEngine>>,
    /// The lowered model.
    pub(crate) plan: RunPlan,
    /// What was found about forms.
    pub(crate) about_forms: Diagnostics,
    /// What lowering found.
    pub(crate) lowered: Diagnostics,
    /// Images that can't be had, with the reason; none: nobody has looked.
    lacking: Option<Vec<(String, String)>>,
    /// Why native programs could not take their place.
    no_native: Vec<String>,
}

/// Chooses.
///
/// # Errors
/// There is an engine and it refuses, or one was asked for and none answers.
pub(crate) async fn choose(
    host: &Host,
    model: &AppModel,
    runtime: Runtime,
    lower: Lower<'_>,
) -> Result<Choice> {
    let as_containers = with(model, Preference::Container, lower);
    let containers: BTreeSet<&str> = as_containers
        .plan
        .workloads
        .keys()
        .filter_map(|name| model.get(name))
        .filter(|resource| resource.shape == Shape::Container)
        .map(|resource| resource.name.as_str())
        .collect();
    if containers.is_empty() {
        return Ok(as_containers);
    }
    if runtime == Runtime::Native {
        return Ok(with(model, Preference::Process, lower));
    }
    match DockerEngine::connect(&EngineEnvironment::from_process()).await {
        Ok(engine) => {
            let engine: Arc<dyn ContainerEngine> = Arc::new(engine);
            let (mut known, mut no_native) = (None, Vec::new());
            if runtime == Runtime::Auto {
                let lacking = lacking_images(host, engine.as_ref(), &as_containers.plan).await;
                if !lacking.is_empty() {
                    let native = with(model, Preference::Process, lower);
                    no_native = why_not(&native);
                    if no_native.is_empty() {
                        for (image, problem) in &lacking {
                            host.ui.note(format!("no image {image}: {problem}"));
                        }
                        host.ui.note("running natively instead");
                        return Ok(native);
                    }
                }
                known = Some(lacking);
            }
            Ok(Choice { engine: Some(engine), lacking: known, no_native, ..as_containers })
        }
        // Never passed over quietly: the user has an engine and believes that it is used.
        Err(error @ EngineError::Refused { .. }) => bail!(Problem::environment(error.to_string()).help(
            "allow it (often: `sudo usermod -aG docker $USER`, then log in again; or correct DOCKER_HOST or `docker context`), \
             or go without containers: `aspire-host run --runtime native`"
        )),
        Err(error) if runtime == Runtime::Docker => bail!(Problem::environment(error.to_string()).help(
            "start Docker or Podman (`aspire-host doctor` says more), or go without containers: `aspire-host run --runtime native`"
        )),
        Err(error) => {
            host.ui.note(format!("{error}; running natively"));
            let mut native = with(model, Preference::Process, lower);
            native.about_forms = native
                .about_forms
                .into_iter()
                .map(|diagnostic| match diagnostic.code.as_str() {
                    "no-native-form" => diagnostic.detail(error.to_string()),
                    _ => diagnostic,
                })
                .collect();
            Ok(native)
        }
    }
}

/// The runtime that a run stays with while its app is edited. Where nothing is a container yet, an
/// engine that answers is kept for those that may come.
pub(crate) async fn for_later(model: &AppModel, runtime: Runtime, choice: &mut Choice) -> Runtime {
    if choice.engine.is_some() {
        return Runtime::Docker;
    }
    let was_chosen = choice.plan.workloads.keys().any(|name| {
        let resource = model.get(name);
        resource.is_some_and(|resource| resource.shape == Shape::Container)
    });
    if was_chosen || runtime == Runtime::Native {
        return Runtime::Native;
    }
    match DockerEngine::connect(&EngineEnvironment::from_process()).await {
        Ok(engine) => {
            choice.engine = Some(Arc::new(engine));
            Runtime::Docker
        }
        Err(_) => Runtime::Native,
    }
}

/// Lowers with a preference; what is said about resources that don't take part is left out.
fn with(model: &AppModel, preference: Preference, lower: Lower<'_>) -> Choice {
    let (forms, found) = forms::choose(model, preference);
    let (plan, lowered) = lower(&forms);
    let takes_part = |diagnostic: &Diagnostic| {
        diagnostic
            .resource
            .as_ref()
            .is_none_or(|name| plan.workloads.contains_key(name))
    };
    let about_forms: Diagnostics = found.into_iter().filter(takes_part).collect();
    Choice {
        forms,
        engine: None,
        plan,
        about_forms,
        lowered,
        lacking: None,
        no_native: Vec::new(),
    }
}

/// Images that the plan's containers need and that are not built: name and whether they may be
/// pulled.
fn images(plan: &RunPlan) -> BTreeSet<(String, bool)> {
    plan.objects
        .iter()
        .filter_map(|object| match object {
            Object::Container(container) if container.spec.build.is_none() => {
                let may_pull = container.spec.pull_policy != Some(PullPolicy::Never);
                Some((container.spec.image.clone(), may_pull))
            }
            _ => None,
        })
        .collect()
}

/// Images that are neither there nor can be pulled, each with the reason.
async fn lacking_images(
    host: &Host,
    engine: &dyn ContainerEngine,
    plan: &RunPlan,
) -> Vec<(String, String)> {
    let mut lacking = Vec::new();
    for (image, may_pull) in images(plan) {
        match engine.has_image(&image).await {
            Ok(true) => {}
            Ok(false) if may_pull => {
                if let Err(error) = pull(host, engine, &image).await {
                    lacking.push((image, error.to_string()));
                }
            }
            Ok(false) => lacking.push((image, "it is not there and may not be pulled".to_owned())),
            Err(error) => lacking.push((image, error.to_string())),
        }
    }
    lacking
}

async fn pull(host: &Host, engine: &dyn ContainerEngine, image: &str) -> Result<(), EngineError> {
    host.ui.note(format!("pulling {image}"));
    let ui = &host.ui;
    engine
        .pull(image, &|line| ui.detail(format!("  {line}")))
        .await
}

/// Why an app cannot run natively, as far as that can be known; empty: it can.
fn why_not(native: &Choice) -> Vec<String> {
    let path = crate::env::program_path();
    let errors = native.about_forms.iter().chain(native.lowered.iter());
    let errors = errors
        .filter(|one| one.severity == Severity::Error)
        .map(|one| one.message.clone());
    let programs = native
        .plan
        .objects
        .iter()
        .filter_map(|object| match object {
            Object::Executable(executable) => executable.spec.aspire.as_ref(),
            _ => None,
        });
    let missing = programs
        .flat_map(|aspire| aspire.requires.iter())
        .filter(|(program, _)| crate::programs::find(program, &path).is_none())
        .map(|(program, hint)| format!("the program `{program}` is not on the PATH ({hint})"));
    errors.chain(missing).collect()
}

/// Images of the plan that are not there: pulled where they may be. All of them, before anything
/// is started.
pub(crate) async fn fetch_images(host: &Host, choice: &Choice) -> Diagnostics {
    let plan = &choice.plan;
    let lacking = match (&choice.lacking, &choice.engine) {
        (Some(known), _) => known.clone(),
        (None, Some(engine)) => lacking_images(host, engine.as_ref(), plan).await,
        (None, None) => Vec::new(),
    };
    lacking
        .into_iter()
        .map(|(image, problem)| {
            let users: Vec<&str> = plan
                .objects
                .iter()
                .filter_map(|object| match object {
                    Object::Container(container) if container.spec.image == image => {
                        Some(container.metadata.resource())
                    }
                    _ => None,
                })
                .collect();
            let mut diagnostic = Diagnostic::error("no-image", format!("no image {image}: {problem}"))
                .about(users.first().copied().unwrap_or_default())
                .blame(Blame::Environment)
                .help("pull or build it yourself, correct its name, or use another one: `--image-map FILE`");
            let span = plan
                .spans
                .iter()
                .find(|(key, _)| users.contains(&key.name.as_str()))
                .map(|(_, span)| span.clone());
            diagnostic.span = span;
            for reason in &choice.no_native {
                diagnostic = diagnostic.detail(format!("natively it does not run either: {reason}"));
            }
            diagnostic
        })
        .collect()
}
