//! Commands in containers in the loop: what the pure step of `exec` asks for is done here.

use std::collections::BTreeMap;
use std::sync::Arc;

use aspire_api::container::ContainerState;
use aspire_api::exec::ContainerExec;
use aspire_api::executable::EnvVar;
use aspire_api::{Kind, Object, ObjectKey};
use tokio::sync::watch;

use super::exec::{Effect, Facts, Report, Target, Wanted, step};
use super::{Controllers, has_finalizer};
use crate::clock::Timestamp;
use crate::context::{Context, Live, Message, Slot};
use crate::processes::environment::parse_file;
use crate::runtime::{OutputStream, RunRequest};

/// A command that is known.
#[derive(Debug, Default)]
pub(super) struct Exec {
    facts: Facts,
    end: watch::Sender<bool>,
}

impl Exec {
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.facts.run, super::exec::Run::Starting(_))
            || self.facts.aborting && !self.facts.is_over()
    }
}

impl Controllers {
    pub(super) fn on_exec(&mut self, key: &ObjectKey, report: Report) {
        if let Some(exec) = self.execs.get_mut(key) {
            exec.facts.learn(report);
            self.queue.add(key.clone());
        }
    }

    pub(super) fn reconcile_exec(&mut self, key: &ObjectKey) {
        let object = self.context.store.get(key).ok();
        let Some(Object::ContainerExec(exec)) = object.as_deref() else {
            self.execs.remove(key);
            return;
        };
        let target = self.target(&exec.spec.container_name);
        let wanted = Wanted {
            finalizer: object.as_deref().is_some_and(has_finalizer),
            deleting: exec.metadata.deletion_timestamp.is_some(),
            target,
            now: Timestamp::now(),
        };
        let known = self.execs.entry(key.clone()).or_default();
        let (facts, effects) = step(&known.facts, &wanted);
        known.facts = facts;
        let status = known.facts.status(&wanted.target);
        let written = self.context.store.modify(key, |object| {
            if let Object::ContainerExec(exec) = object {
                exec.status = status;
            }
        });
        if let Err(error) = written {
            tracing::debug!(%error, "a status was not written");
        }
        for effect in effects {
            match effect {
                Effect::AddFinalizer => self.add_finalizer(key),
                Effect::Release => self.release(key),
                Effect::Abort => {
                    if let Some(known) = self.execs.get(key) {
                        known.end.send_replace(true);
                    }
                }
                Effect::Launch => self.launch_exec(key, exec),
            }
        }
    }

    fn target(&self, name: &str) -> Target {
        let key = ObjectKey::new(Kind::Container, name);
        let object = self.context.store.get(&key).ok();
        let Some(Object::Container(container)) = object.as_deref() else {
            return Target::NotYet(format!("container {name} (not created yet)"));
        };
        match container.status.state {
            ContainerState::Running | ContainerState::Paused => Target::Running,
            state if state.is_final() => Target::Over(format!("container {name} is {state}")),
            _ => Target::NotYet(format!("container {name}")),
        }
    }

    fn launch_exec(&self, key: &ObjectKey, exec: &ContainerExec) {
        let Some(known) = self.execs.get(key) else {
            return;
        };
        let container = ObjectKey::new(Kind::Container, exec.spec.container_name.clone());
        let slot = self
            .workloads
            .get(&container)
            .map(|workload| Arc::clone(&workload.slot));
        let (context, end) = (Arc::clone(&self.context), known.end.subscribe());
        let (exec, key) = (exec.clone(), key.clone());
        let told = Report::Failed("the control plane failed".to_owned(), Timestamp::now());
        let failed = Message::Exec(key.clone(), told);
        let shared = Arc::clone(&context);
        let task = async move {
            let slot = slot.unwrap_or_default();
            let report = run(&context, &key, &exec, &slot, end).await;
            context.send(Message::Exec(key, report));
        };
        self.context
            .tasks
            .spawn_or("exec", task, move || shared.send(failed));
    }
}

/// Runs it to its end; tells how it went.
async fn run(
    context: &Context,
    key: &ObjectKey,
    exec: &ContainerExec,
    slot: &Slot,
    mut end: watch::Receiver<bool>,
) -> Report {
    let log = context.log(key);
    let failed = |message: String| {
        let message = context.redactor.text(&message);
        log.system(&message);
        Report::Failed(message, Timestamp::now())
    };
    let (
        Some(engine),
        Some(Live::Container {
            id,
            viewpoint,
            serving,
        }),
    ) = (&context.engine, slot.get())
    else {
        return failed("its container is gone".to_owned());
    };
    let waiting = |service: &str| {
        let note = format!("waiting for the port of {service}");
        context.send(Message::Exec(key.clone(), Report::Progress(note)));
    };
    let scope = context.scope(key, viewpoint.clone(), serving.clone(), &waiting);
    let prepared = tokio::select! {
        prepared = prepare(exec, &scope) => prepared,
        _ = end.wait_for(|end| *end) => Err("stopped before it was started".to_owned()),
    };
    let request = match prepared {
        Ok(request) => request,
        Err(message) => return failed(message),
    };
    let shown = |text: &str| context.redactor.text(text);
    let env = request.env.iter().map(|(name, value)| EnvVar {
        name: name.clone(),
        value: shown(value),
    });
    let args = request.command.iter().skip(1).map(|text| shown(text));
    let started = Report::Started(Timestamp::now(), env.collect(), args.collect());
    context.send(Message::Exec(key.clone(), started));
    let output = |stream: OutputStream, bytes: &[u8]| log.write(stream, bytes);
    let code = engine.raw().run(id, &request, &output, end).await;
    log.finish(OutputStream::Stdout);
    log.finish(OutputStream::Stderr);
    match code {
        Ok(code) => {
            let note = match code {
                0 => String::new(),
                code => format!("ended with exit code {code}"),
            };
            Report::Ended(Timestamp::now(), i32::try_from(code).ok(), note)
        }
        Err(error) => failed(error.to_string()),
    }
}

async fn prepare(
    exec: &ContainerExec,
    scope: &crate::templates::Scope<'_>,
) -> Result<RunRequest, String> {
    let spec = &exec.spec;
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    for file in &spec.env_files {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        env.extend(parse_file(&text).map_err(|error| format!("{file}: {error}"))?);
    }
    for variable in &spec.env {
        let value = scope.resolve(&variable.value).await?;
        env.insert(variable.name.clone(), value);
    }
    let mut command = vec![scope.resolve(&spec.command).await?];
    command.extend(scope.resolve_all(&spec.args).await?);
    Ok(RunRequest {
        command,
        env: env.into_iter().collect(),
        working_directory: spec.working_directory.clone(),
    })
}
