//! The host's side of the watchdog: starts it, replaces it when it is killed, sends it away at the
//! end.
//!
//! Doesn't know what a watchdog does.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::{Charge, WORD, Watchdog};
use crate::os::{self, Exit, Leash, Urgency};

/// One that ended sooner than this was not killed but can't work here.
const STEADY: Duration = Duration::from_secs(1);
/// Before the next attempt, where they can't work: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// For one that was sent away.
const PATIENCE: Duration = Duration::from_secs(2);

/// One that is being started.
pub(crate) type Starting = JoinHandle<io::Result<(Exit, Leash)>>;

/// How watchdogs of this run are started.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    program: PathBuf,
    args: Vec<OsString>,
}

impl Order {
    /// One that looks after this process.
    pub(crate) fn new(
        watchdog: &Watchdog,
        records: PathBuf,
        data: PathBuf,
        uses_engine: bool,
    ) -> io::Result<Self> {
        let charge = Charge {
            host: os::myself(),
            mark: os::mark(),
            uses_engine,
            // Its working folder is another.
            records: std::path::absolute(records)?,
            data: std::path::absolute(data)?,
        };
        let mut args = vec!["aspire-host".into()];
        args.extend(watchdog.args.iter().cloned());
        args.push(WORD.into());
        args.extend(charge.words());
        Ok(Self {
            program: watchdog.program.clone(),
            args,
        })
    }

    /// Starts one, beside other work: it takes about a millisecond.
    pub(crate) fn start(&self) -> Starting {
        let order = self.clone();
        tokio::task::spawn_blocking(move || os::spawn_beside(&order.program, order.args, None))
    }
}

/// The watchdog of this run, whichever process that is.
#[derive(Debug)]
pub(crate) struct Guard {
    dismiss: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Guard {
    /// Waits for the first one, which is being started, and stays with it and those that replace it.
    pub(crate) async fn stay(order: Order, first: Starting) -> Self {
        let first = started(first).await;
        let (dismiss, dismissed) = oneshot::channel();
        let task = tokio::spawn(keep(order, first, dismissed));
        Self { dismiss, task }
    }

    /// Sends it away: there is nothing to clean up. Waits until it has gone.
    pub(crate) async fn dismiss(self) {
        if self.dismiss.send(()).is_ok() {
            // A panic there leaves one that finds nothing to do.
            let _ = self.task.await;
        }
    }
}

async fn started(starting: Starting) -> io::Result<(Exit, Leash)> {
    starting.await.map_err(io::Error::other).flatten()
}

async fn keep(
    order: Order,
    mut watchdog: io::Result<(Exit, Leash)>,
    mut dismissed: oneshot::Receiver<()>,
) {
    let mut pause = PAUSES.0;
    loop {
        let begin = Instant::now();
        match watchdog {
            Ok((exit, leash)) => {
                let mut ended = pin!(exit.wait());
                tokio::select! {
                    _ = &mut ended => tracing::debug!("the watchdog is replaced"),
                    word = &mut dismissed => {
                        if word.is_ok() {
                            leash.dismiss();
                            if timeout(PATIENCE, &mut ended).await.is_err() {
                                os::end(leash.id, Urgency::Force);
                                let _ = timeout(PATIENCE, ended).await;
                            }
                        }
                        return;
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "no watchdog could be started"),
        }
        if begin.elapsed() >= STEADY {
            pause = PAUSES.0;
        } else {
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(PAUSES.1),
                _ = &mut dismissed => return,
            }
        }
        // Not interrupted: whatever is started has to be sent away.
        watchdog = started(order.start()).await;
    }
}
