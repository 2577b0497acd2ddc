//! Commands inside a running container.
//!
//! Knows that the engine can't end a command that it started, and how to do it ourselves where
//! the engine runs on this machine.

use std::time::Duration;

use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::DockerEngine;
use crate::runtime::{EngineError, ExecOutcome};

/// What is kept of the output.
const TAIL: usize = 4096;
/// Between questions whether a command whose output ended has ended, too.
const PAUSE: Duration = Duration::from_millis(10);

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
        match timeout_at(deadline, self.follow(&what, &exec)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.abandon(id, &exec).await;
                Err(late())
            }
        }
    }

    async fn follow(&self, what: &str, exec: &str) -> Result<ExecOutcome, EngineError> {
        let started = self
            .docker()
            .start_exec(exec, None)
            .await
            .map_err(|error| self.error(what, &error))?;
        let mut tail = Vec::new();
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(piece) = output.next().await {
                let piece = piece.map_err(|error| self.error(what, &error))?;
                keep_tail(&mut tail, piece.as_ref());
            }
        }
        loop {
            let state = self
                .docker()
                .inspect_exec(exec)
                .await
                .map_err(|error| self.error(what, &error))?;
            if let (Some(exit_code), Some(false) | None) = (state.exit_code, state.running) {
                return Ok(ExecOutcome {
                    exit_code,
                    output: String::from_utf8_lossy(&tail).into_owned(),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends a command that took too long, so that a probe that hangs doesn't pile up processes.
    async fn abandon(&self, id: &str, exec: &str) {
        if !self.engine_info().await.is_ok_and(|it| it.dials_containers) {
            return;
        }
        if let Ok(state) = self.docker().inspect_exec(exec).await
            && state.running == Some(true)
            && let Some(pid) = state.pid
        {
            end_process(pid, state.container_id.as_deref().unwrap_or(id));
        }
    }
}

/// Ends a process of this machine if it belongs to the container.
#[cfg(target_os = "linux")]
fn end_process(pid: i64, container: &str) {
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
        let _ = pidfd_send_signal(handle, Signal::KILL);
    }
}

#[cfg(not(target_os = "linux"))]
fn end_process(_pid: i64, _container: &str) {}

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
