//! `env`: the environment that the app gives to a resource, for editors and debuggers.

use std::collections::BTreeMap;

use anyhow::Result;
use aspire_model::Mode;

use crate::args::{EnvArgs, EnvFormat};
use crate::error::Exit;
use crate::host::Host;
use crate::instance::Instance;
use crate::project;
use crate::run::inputs::Inputs;
use crate::running::environment::{self, Real};
use crate::running::workloads::Workload;
use crate::running::{self, environment::Variable};

/// Prints it.
pub(super) fn run(host: &Host, args: &EnvArgs) -> Result<Exit> {
    running::with(host, async |running| {
        let workloads = running.workloads().await?;
        let workload = workloads.one(&args.resource)?;
        let variables = variables(host, workload, args)?;
        if args.reveal && variables.iter().any(|variable| variable.masked) {
            host.ui.note(format!(
                "some secrets stay masked: {} does not run as this user",
                workload.row.name
            ));
        }
        let format = if host.ui.json() {
            EnvFormat::Json
        } else {
            args.format
        };
        let text = environment::written(&variables, format);
        host.ui.raw(text.as_bytes());
        Ok(Exit::Fine)
    })
}

fn variables(host: &Host, workload: &Workload, args: &EnvArgs) -> Result<Vec<Variable>> {
    let secrets = if args.reveal {
        secrets(host, workload)?
    } else {
        BTreeMap::new()
    };
    let real = Real {
        process: environment::text_of_process(workload.pid),
        secrets: Some(&secrets),
    };
    Ok(if args.all {
        environment::whole(workload, &real, args.reveal)
    } else {
        environment::given(workload, &real, args.reveal)
    })
}

/// The user's own values: a container's real environment is the engine's to know.
pub(super) fn secrets(host: &Host, workload: &Workload) -> Result<BTreeMap<String, String>> {
    if workload.aspire.secrets.is_empty() || workload.pid.is_some() {
        return Ok(BTreeMap::new());
    }
    let project = project::open(host)?;
    let compilation = project.model(host, Mode::Run)?;
    let instance = Instance::settle(
        project.folder(),
        &project.app.document.name,
        host.options.instance.as_deref(),
    )?;
    let (inputs, _) = Inputs::gather(
        host,
        compilation.model.as_ref(),
        project.folder(),
        &instance,
    )?;
    Ok(inputs.secrets())
}
