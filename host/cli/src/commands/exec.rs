//! `exec`: a command where a resource runs.
//!
//! In a container of an engine that this command reaches, too, it gets our standard streams through
//! that engine; of another one it is an object of the API, whose output is followed. For a process it
//! is a child of ours with the process's environment and folder, and our standard streams.

mod attended;

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use aspire_api::exec::{ContainerExec, ContainerExecSpec};
use aspire_api::executable::ExecutableState;
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use futures_util::AsyncReadExt as _;

use crate::args::ExecArgs;
use crate::error::{Exit, Problem};
use crate::host::Host;
use crate::run::view::Phase;
use crate::running::environment::{self, Real};
use crate::running::plane::{Change, LogPart, Plane};
use crate::running::workloads::{Workload, Workloads};
use crate::running::{self, Running};

/// Runs it.
pub(super) fn run(host: &Host, args: &ExecArgs) -> Result<Exit> {
    let place = running::with(host, async |running| {
        let workloads = running.workloads().await?;
        let workload = workloads.one(&args.resource)?;
        if workload.key.kind == Kind::Container {
            running_only(&workloads, workload, &running).await?;
            let exit = match attended::run(host, args, workload).await? {
                Some(exit) => exit,
                None if args.tty => bail!(
                    Problem::environment("the container's engine does not answer here")
                        .help("without --tty, the control plane runs the command")
                ),
                None => in_container(host, args, workload, &running.plane).await?,
            };
            return Ok(Err(exit));
        }
        Ok(Ok(workload.clone()))
    })?;
    match place {
        Err(exit) => Ok(exit),
        Ok(process) => beside(host, &args.command, Some(&process)),
    }
}

async fn running_only(all: &Workloads, workload: &Workload, running: &Running) -> Result<()> {
    if workload.row.phase == Phase::Running {
        return Ok(());
    }
    let why = super::wait::explained(running, workload, all).await;
    bail!(Problem::app(format!("`{}` does not run", workload.row.name)).help(why.trim_end()))
}

/// Runs a command with the environment and in the folder of a process, and hands on its exit code.
///
/// # Errors
/// It cannot be started.
pub(super) fn beside(host: &Host, command: &[String], process: Option<&Workload>) -> Result<Exit> {
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]);
    if let Some(process) = process {
        dress(host, &mut child, process);
    }
    let status = child.status();
    let status = match status {
        Ok(status) => status,
        Err(error) => {
            return Err(error).context(
                Problem::environment(format!("`{}` cannot be started", command[0]))
                    .help("is it on the PATH, and executable?"),
            );
        }
    };
    Ok(exit_of(status))
}

/// The exit code of a child; 128 + signal when a signal ended it.
pub(super) fn exit_of(status: std::process::ExitStatus) -> Exit {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal: Option<i32> = None;
    let code = status.code().or_else(|| signal.map(|signal| 128 + signal));
    match code.and_then(|code| u8::try_from(code).ok()) {
        Some(0) => Exit::Fine,
        Some(code) => Exit::Command(code),
        None => Exit::Command(255),
    }
}

/// Gives a command the environment and the folder of a process.
fn dress(host: &Host, child: &mut Command, process: &Workload) {
    match process.pid.and_then(environment::of_process) {
        Some(all) => {
            child.env_clear().envs(all);
        }
        None => {
            let given = environment::given(process, &Real::default(), false);
            if given.iter().any(|variable| variable.masked) {
                host.ui.note(format!(
                    "`{}` does not run, or not as this user: its secrets are not known here",
                    process.row.name
                ));
            }
            let known = given.into_iter().filter(|variable| !variable.masked);
            child.envs(known.map(|variable| (variable.name, variable.value)));
        }
    }
    let real = process.pid.map(|pid| format!("/proc/{pid}/cwd"));
    let real = real.and_then(|link| std::fs::read_link(link).ok());
    if let Some(folder) = real.or_else(|| process.folder.clone().map(Into::into)) {
        child.current_dir(folder);
    }
    child.stdin(Stdio::inherit());
}

async fn in_container(
    host: &Host,
    args: &ExecArgs,
    workload: &Workload,
    plane: &Plane,
) -> Result<Exit> {
    let object = ContainerExec {
        metadata: ObjectMeta::of(name(&workload.key.name), workload.row.resource.as_str()),
        spec: ContainerExecSpec {
            container_name: workload.key.name.clone(),
            command: aspire_api::template::escape(&args.command[0]),
            args: args.command[1..]
                .iter()
                .map(|arg| aspire_api::template::escape(arg))
                .collect(),
            ..ContainerExecSpec::default()
        },
        ..ContainerExec::default()
    };
    let key = ObjectKey::new(Kind::ContainerExec, object.metadata.name.clone());
    let mut changes = plane.watch(&[Kind::ContainerExec]);
    plane.create(&object.into()).await?;
    let done = async {
        let end = async {
            loop {
                match changes.recv().await {
                    Some(Change::Now(object)) if object.key() == key => {
                        if let Object::ContainerExec(exec) = *object
                            && exec.status.state.is_final()
                        {
                            return Ok(exec.status);
                        }
                    }
                    Some(Change::Removed(gone)) if gone == key => {
                        bail!(Problem::app("somebody removed the command while it ran"))
                    }
                    Some(Change::Over) | None => {
                        bail!(Problem::app("the app ended while the command ran"))
                    }
                    Some(_) => {}
                }
            }
        };
        let out = copy(host, plane, &key, "stdout", true);
        let err = copy(host, plane, &key, "stderr", false);
        let (status, (), ()) = tokio::join!(end, out, err);
        let status = status?;
        if status.state == ExecutableState::FailedToStart {
            bail!(
                Problem::app(format!(
                    "`{}` cannot be started in {}: {}",
                    args.command[0], workload.row.name, status.message
                ))
                .help("is it in the image?")
            );
        }
        let code = status.exit_code.and_then(|code| u8::try_from(code).ok());
        Ok(match code {
            Some(0) => Exit::Fine,
            code => Exit::Command(code.unwrap_or(255)),
        })
    };
    let result = tokio::select! {
        done = done => done,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    };
    // It has done its work, or is to end: nobody needs the object any more.
    plane.delete(&key).await?;
    result
}

/// Hands on what it writes, until its end.
async fn copy(host: &Host, plane: &Plane, key: &ObjectKey, source: &str, out: bool) {
    let part = LogPart {
        follow: true,
        tail: None,
    };
    let Ok(mut reader) = plane.bytes(key, source, part).await else {
        return;
    };
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count) = reader.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        if out {
            host.ui.raw(&buffer[..count]);
        } else {
            host.ui.raw_err(&buffer[..count]);
        }
    }
}

/// Unique enough among the commands of a run.
fn name(container: &str) -> String {
    let base: String = container.chars().take(40).collect();
    let unique = format!("{:?}{}", Instant::now(), std::process::id());
    let digest = <sha2::Sha256 as sha2::Digest>::digest(unique.as_bytes());
    let id: String = digest
        .iter()
        .take(5)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{base}-exec-{id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Global;
    use crate::running::plane::SHOWN;
    use aspire_api::container::Container;
    use aspire_dcp::server::Api;

    /// The controller's part: sees the command and says how it ended.
    async fn play(client: kube::Client, plane: &Plane) {
        let mut changes = plane.watch(&[Kind::ContainerExec]);
        let exec = loop {
            if let Some(Change::Now(object)) = changes.recv().await
                && let Object::ContainerExec(exec) = *object
            {
                break exec;
            }
        };
        assert_eq!(exec.spec.container_name, "box");
        let args = exec.spec.args.iter().map(|arg| {
            let pieces = aspire_api::template::parse(arg).unwrap();
            format!("{pieces:?}")
        });
        assert_eq!(args.collect::<Vec<_>>(), [r#"[Text("{{x}}")]"#]);
        let group = format!("/apis/{}/{}", aspire_api::GROUP, aspire_api::VERSION);
        let uri = format!("{group}/containerexecs/{}/status", exec.metadata.name);
        let request = http::Request::patch(uri)
            .header("content-type", "application/merge-patch+json")
            .body(br#"{"status":{"state":"Finished","exitCode":7}}"#.to_vec())
            .unwrap();
        client.request_text(request).await.unwrap();
    }

    #[tokio::test]
    async fn a_command_in_a_container_is_an_object_for_as_long_as_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let api = Api::alone(folder.path().join("logs")).unwrap();
        let plane = Plane::new(api.kube_client());
        let mut container = Container {
            metadata: ObjectMeta::of("box", "box"),
            ..Container::default()
        };
        container.spec.image = "image:1".into();
        plane.create(&container.into()).await.unwrap();
        let all = Workloads::of(plane.list(&SHOWN).await.unwrap());
        let host = Host::new(Global::default()).unwrap();
        let args = ExecArgs {
            resource: "box".into(),
            tty: false,
            command: vec!["echo".into(), "{{x}}".into()],
        };
        let done = in_container(&host, &args, all.one("box").unwrap(), &plane);
        let (exit, ()) = tokio::join!(done, play(api.kube_client(), &plane));
        assert_eq!(exit.unwrap(), Exit::Command(7));
        let left = plane.list(&[Kind::ContainerExec]).await.unwrap();
        assert!(left.is_empty(), "{left:?}");
    }
}
