//! A command in a running container with somebody at it: with input, and perhaps a terminal.
//!
//! Knows how the engine carries both. Doesn't know whose terminal it is.

use bollard::container::LogOutput;
use bollard::exec::{ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::DockerEngine;
use super::exec::{End, GRACE};
use crate::runtime::{EngineError, OutputSink, OutputStream};

/// Somebody at a command.
pub struct Attendant<'a> {
    /// What the command reads; the end of it is the end of its input.
    pub input: mpsc::Receiver<Vec<u8>>,
    /// Takes its output; with a terminal there is one stream only.
    pub output: OutputSink<'a>,
    /// The size of its terminal, columns and rows; none: it has none.
    pub terminal: Option<watch::Receiver<(u16, u16)>>,
    /// The command is to end (true, or the sender gone).
    pub end: watch::Receiver<bool>,
}

impl DockerEngine {
    /// Runs a command in a container to its end; returns its exit code.
    ///
    /// # Errors
    /// The engine's: no such container, one that doesn't run, a program that can't be started.
    pub async fn attend(
        &self,
        id: &str,
        command: &[String],
        attendant: Attendant<'_>,
    ) -> Result<i64, EngineError> {
        let what = format!("container {id}");
        let Attendant {
            input: mut typed,
            output: take,
            terminal,
            mut end,
        } = attendant;
        let tty = terminal.is_some();
        // From the first line on; later sizes are told when it runs.
        let size = terminal.as_ref().map(|terminal| *terminal.borrow());
        let config = ExecConfig {
            console_size: size.map(|(width, height)| vec![height.into(), width.into()]),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(tty),
            cmd: Some(command.to_vec()),
            ..ExecConfig::default()
        };
        let exec = self
            .docker()
            .create_exec(id, config)
            .await
            .map_err(|error| self.error(&what, &error))?
            .id;
        let options = StartExecOptions {
            tty,
            ..StartExecOptions::default()
        };
        let started = self
            .docker()
            .start_exec(&exec, Some(options))
            .await
            .map_err(|error| self.error(&what, &error))?;
        let StartExecResults::Attached {
            mut output,
            mut input,
        } = started
        else {
            return self.exit_code(&what, &exec).await;
        };
        let feed = async {
            while let Some(bytes) = typed.recv().await {
                let written = async {
                    input.write_all(&bytes).await?;
                    input.flush().await
                };
                // It may not want to read it.
                if written.await.is_err() {
                    return;
                }
            }
            // A terminal has no end of input but what is typed for one, and an engine would take it
            // for the end of the output, too.
            if !tty {
                let _ = input.shutdown().await;
            }
        };
        let resize = async {
            let Some(mut terminal) = terminal else { return };
            loop {
                let (width, height) = *terminal.borrow_and_update();
                let size = ResizeExecOptions { height, width };
                // A command that has just ended has no size.
                let _ = self.docker().resize_exec(&exec, size).await;
                if terminal.changed().await.is_err() {
                    return;
                }
            }
        };
        let read = async {
            while let Some(piece) = output.next().await {
                let piece = piece.map_err(|error| self.error(&what, &error))?;
                let stream = match &piece {
                    LogOutput::StdErr { .. } => OutputStream::Stderr,
                    _ => OutputStream::Stdout,
                };
                take(stream, piece.as_ref());
            }
            self.exit_code(&what, &exec).await
        };
        tokio::pin!(read);
        let beside = async {
            tokio::join!(feed, resize);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            code = &mut read => return code,
            _ = end.wait_for(|end| *end) => {}
            () = beside => {}
        }
        for how in [End::Politely, End::ByForce] {
            self.signal(id, &exec, how).await;
            if let Ok(code) = timeout(GRACE, &mut read).await {
                return code;
            }
        }
        Err(EngineError::Other(
            "the engine can't end a command that it started".to_owned(),
        ))
    }
}
