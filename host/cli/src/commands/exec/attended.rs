//! A command in a container with our standard streams, and with our terminal where that is wanted.
//!
//! Knows this process's streams. How an engine carries them is the engine's business.

use std::io::{IsTerminal as _, Read as _};

use anyhow::{Context as _, Result, bail};
use aspire_dcp::runtime::docker::{Attendant, DockerEngine, EngineEnvironment};
use aspire_dcp::runtime::{ContainerEngine as _, EngineError, OutputStream};
use crossterm::terminal;
use tokio::sync::{mpsc, watch};

use crate::args::ExecArgs;
use crate::error::{Exit, Problem};
use crate::host::Host;
use crate::running::workloads::Workload;

/// Pieces of input that may wait.
const PIECES: usize = 8;
/// Bytes of a piece of input.
const PIECE: usize = 16 << 10;

/// Runs it; none: the engine that has the container can't be reached from here.
///
/// # Errors
/// The command can't be started, or the terminal can't be used.
pub(super) async fn run(host: &Host, args: &ExecArgs, workload: &Workload) -> Result<Option<Exit>> {
    let Some(container) = &workload.container else {
        return Ok(None);
    };
    let Ok(engine) = DockerEngine::connect(&EngineEnvironment::from_process()).await else {
        return Ok(None);
    };
    if engine.inspect(container).await.is_err() {
        return Ok(None);
    }
    let (resized, size) = watch::channel(terminal::size().unwrap_or((80, 24)));
    let _raw = match args.tty {
        true => Some(Raw::begin()?),
        false => None,
    };
    let (stop, end) = watch::channel(false);
    let output = |stream: OutputStream, bytes: &[u8]| match stream {
        OutputStream::Stderr => host.ui.raw_err(bytes),
        OutputStream::Stdout | OutputStream::System => host.ui.raw(bytes),
    };
    let attendant = Attendant {
        input: input()?,
        output: &output,
        terminal: args.tty.then_some(size),
        end,
    };
    let run = engine.attend(container, &args.command, attendant);
    tokio::pin!(run);
    let mut interrupted = false;
    let code = loop {
        tokio::select! {
            code = &mut run => break code,
            // In raw mode, Ctrl-C is input like everything else.
            _ = tokio::signal::ctrl_c(), if !interrupted => {
                interrupted = true;
                stop.send_replace(true);
            }
            () = follow_size(&resized), if args.tty => {}
        }
    };
    if interrupted {
        return Ok(Some(Exit::Interrupted));
    }
    match code {
        Ok(0) => Ok(Some(Exit::Fine)),
        Ok(code) => Ok(Some(Exit::Command(u8::try_from(code).unwrap_or(255)))),
        Err(error @ EngineError::Unreachable { .. }) => Err(error.into()),
        Err(error) => bail!(
            Problem::app(format!(
                "`{}` cannot be started in {}: {error}",
                args.command[0], workload.row.name
            ))
            .help("is it in the image?")
        ),
    }
}

/// Our standard input, read on a thread that nobody waits for.
fn input() -> Result<mpsc::Receiver<Vec<u8>>> {
    let (send, pieces) = mpsc::channel(PIECES);
    if !is_ours_to_read() {
        return Ok(pieces);
    }
    let read = move || {
        let mut input = std::io::stdin().lock();
        let mut buffer = vec![0; PIECE];
        while let Ok(count) = input.read(&mut buffer) {
            let piece = buffer[..count].to_vec();
            if count == 0 || send.blocking_send(piece).is_err() {
                break;
            }
        }
    };
    let thread = std::thread::Builder::new().name("input".to_owned());
    thread.spawn(read).context("no thread could be started")?;
    Ok(pieces)
}

/// Whoever reads a terminal from its background is stopped.
#[cfg(unix)]
fn is_ours_to_read() -> bool {
    let input = std::io::stdin();
    !input.is_terminal()
        || rustix::termios::tcgetpgrp(&input).is_ok_and(|group| group == rustix::process::getpgrp())
}

#[cfg(not(unix))]
fn is_ours_to_read() -> bool {
    true
}

/// Tells the size of our terminal whenever it changes.
async fn follow_size(size: &watch::Sender<(u16, u16)>) {
    #[cfg(unix)]
    let mut changed = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change());
    loop {
        if let Ok(now) = terminal::size() {
            size.send_if_modified(|known| std::mem::replace(known, now) != now);
        }
        #[cfg(unix)]
        if let Ok(changed) = &mut changed
            && changed.recv().await.is_some()
        {
            continue;
        }
        std::future::pending::<()>().await;
    }
}

/// Our terminal without a line editor of its own, for as long as this lives.
struct Raw;

impl Raw {
    fn begin() -> Result<Self> {
        if !std::io::stdin().is_terminal() {
            bail!(
                Problem::usage("--tty needs a terminal, and the standard input is none")
                    .help("leave it out: the command reads whatever comes in")
            );
        }
        terminal::enable_raw_mode().context("the terminal cannot be used")?;
        Ok(Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = terminal::disable_raw_mode();
    }
}
