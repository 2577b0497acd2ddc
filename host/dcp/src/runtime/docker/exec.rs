//! Commands inside a running container.
//!
//! Knows that the engine can't end a command that it started, and how to do it ourselves where
//! the engine runs on this machine.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::DockerEngine;
use crate::runtime::{EngineError, ExecOutcome, OutputSink, OutputStream, RunRequest};

/// What is kept of the output.
const TAIL: usize = 4096;
/// Between questions whether a command whose output ended has ended, too.
const PAUSE: Duration = Duration::from_millis(10);
/// Between the request to end a command and its end by force, and after that.
pub(super) const GRACE: Duration = Duration::from_secs(5);

impl DockerEngine {
    pub(super) async fn run_command(
        &self,
        id: &str,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutcome, EngineError> {
        let what = format!("container {id}");
        let deadline = Instant::now() + timeout;
        let late = || {
            EngineError::Other(format!(
                "the command did not end within {} s",
                timeout.as_secs_f32()
            ))
        };
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            ..ExecConfig::default()
        };
        let exec = timeout_at(deadline, self.docker().create_exec(id, config))
            .await
            .map_err(|_| late())?
            .map_err(|error| self.error(&what, &error))?
            .id;
        let mut tail = Vec::new();
        let keep = |_, piece: &[u8]| keep_tail(&mut tail, piece);
        match timeout_at(deadline, self.follow(&what, &exec, keep)).await {
            Ok(exit_code) => Ok(ExecOutcome {
                exit_code: exit_code?,
                output: String::from_utf8_lossy(&tail).into_owned(),
            }),
            Err(_) => {
                self.signal(id, &exec, End::ByForce).await;
                Err(late())
            }
        }
    }

    /// Runs a command for as long as it likes, or until it is to end.
    pub(super) async fn run_to_end(
        &self,
        id: &str,
        request: &RunRequest,
        output: OutputSink<'_>,
        mut end: watch::Receiver<bool>,
    ) -> Result<i64, EngineError> {
        let what = format!("container {id}");
        let env = request
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(request.command.clone()),
            env: Some(env.collect()),
            working_dir: request.working_directory.clone(),
            ..ExecConfig::default()
        };
        let exec = self
            .docker()
            .create_exec(id, config)
            .await
            .map_err(|error| self.error(&what, &error))?
            .id;
        let run = self.follow(&what, &exec, |stream, piece: &[u8]| output(stream, piece));
        tokio::pin!(run);
        tokio::select! {
            code = &mut run => return code,
            _ = end.wait_for(|end| *end) => {}
        }
        for how in [End::Politely, End::ByForce] {
            self.signal(id, &exec, how).await;
            if let Ok(code) = timeout(GRACE, &mut run).await {
                return code;
            }
        }
        Err(EngineError::Other(
            "the engine can't end a command that it started".to_owned(),
        ))
    }

    /// Stays with a command to its end; returns its exit code.
    async fn follow(
        &self,
        what: &str,
        exec: &str,
        mut take: impl FnMut(OutputStream, &[u8]),
    ) -> Result<i64, EngineError> {
        let started = self
            .docker()
            .start_exec(exec, None)
            .await
            .map_err(|error| self.error(what, &error))?;
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(piece) = output.next().await {
                let piece = piece.map_err(|error| self.error(what, &error))?;
                let stream = match &piece {
                    LogOutput::StdErr { .. } => OutputStream::Stderr,
                    _ => OutputStream::Stdout,
                };
                take(stream, piece.as_ref());
            }
        }
        self.exit_code(what, exec).await
    }

    /// How a command ended whose output has.
    pub(super) async fn exit_code(&self, what: &str, exec: &str) -> Result<i64, EngineError> {
        loop {
            let state = self
                .docker()
                .inspect_exec(exec)
                .await
                .map_err(|error| self.error(what, &error))?;
            if let (Some(exit_code), Some(false) | None) = (state.exit_code, state.running) {
                return Ok(exit_code);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends a command, so that a probe that hangs doesn't pile up processes.
    pub(super) async fn signal(&self, id: &str, exec: &str, how: End) {
        if !self.engine_info().await.is_ok_and(|it| it.dials_containers) {
            return;
        }
        if let Ok(state) = self.docker().inspect_exec(exec).await
            && state.running == Some(true)
            && let Some(pid) = state.pid
        {
            end_tree(pid, state.container_id.as_deref().unwrap_or(id), how);
        }
    }
}

/// How a command is to end.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Politely,
    ByForce,
}

/// Ends a process of this machine and all that came of it.
#[cfg(target_os = "linux")]
fn end_tree(pid: i64, container: &str, how: End) {
    // Children first: once their parent is gone, nothing tells whose they are.
    for child in children(pid) {
        end_tree(child, container, how);
    }
    end_process(pid, container, how);
}

/// The children of all threads of a process.
#[cfg(target_os = "linux")]
fn children(pid: i64) -> Vec<i64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let texts = threads
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let numbers = |text: String| -> Vec<i64> {
        let words = text.split_ascii_whitespace();
        words.filter_map(|word| word.parse().ok()).collect()
    };
    texts.flat_map(numbers).collect()
}

/// Ends a process of this machine if it belongs to the container.
#[cfg(target_os = "linux")]
fn end_process(pid: i64, container: &str, how: End) {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    // The handle first: what is looked at next is then surely what the signal reaches.
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    let group = std::fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_nonzero()));
    if container.len() == 64 && group.is_ok_and(|group| group.contains(container)) {
        let signal = match how {
            End::Politely => Signal::TERM,
            End::ByForce => Signal::KILL,
        };
        let _ = pidfd_send_signal(handle, signal);
    }
}

#[cfg(not(target_os = "linux"))]
fn end_tree(_pid: i64, _container: &str, _how: End) {}

fn keep_tail(tail: &mut Vec<u8>, piece: &[u8]) {
    tail.extend_from_slice(piece);
    if tail.len() > TAIL {
        tail.drain(..tail.len() - TAIL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_bounded() {
        let mut tail = Vec::new();
        for number in 0..10_000 {
            keep_tail(&mut tail, format!("{number}\n").as_bytes());
        }
        assert_eq!(tail.len(), TAIL);
        assert!(tail.ends_with(b"9998\n9999\n"));
    }
}
