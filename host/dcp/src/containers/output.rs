//! The output of a container: from its first byte, across its lives and across an engine that goes
//! away meanwhile.
//!
//! Engines tell it from the beginning whenever they are asked, so what was taken already is counted
//! and left out. Doesn't know states.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aspire_api::ObjectKey;
use futures_util::StreamExt;

use crate::context::Context;
use crate::engine::Engine;
use crate::logs::Log;
use crate::runtime::{EngineError, OutputStream};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Bytes of a container that were taken, by stream. Several may read at once: one that waits for
/// an engine to come back, and one of the next life.
#[derive(Debug, Clone, Default)]
pub(super) struct Said(Arc<Mutex<[u64; 2]>>);

impl Said {
    fn taken(&self) -> MutexGuard<'_, [u64; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a piece that begins after so many bytes, if nobody has yet.
    fn take(&self, log: &Log, stream: OutputStream, bytes: &[u8], place: &mut [u64; 2]) {
        let lane = usize::from(stream == OutputStream::Stderr);
        let mut taken = self.taken();
        let known = usize::try_from(taken[lane].saturating_sub(place[lane]));
        place[lane] += bytes.len() as u64;
        taken[lane] = taken[lane].max(place[lane]);
        // Written before somebody else may take what comes next.
        match bytes.get(known.unwrap_or(usize::MAX)..) {
            Some(new) if !new.is_empty() => log.write(stream, new),
            _ => {}
        }
    }
}

/// Takes what it says, in a task, to the end of this life of it.
pub(super) fn follow(context: &Arc<Context>, key: &ObjectKey, id: &str, said: &Said) {
    let log = context.log(key);
    let guard = log.reading();
    let (shared, id, said) = (Arc::clone(context), id.to_owned(), said.clone());
    context.tasks.spawn("container output", async move {
        let Some(engine) = &shared.engine else { return };
        let mut pause = FIRST_PAUSE;
        let mut told = false;
        loop {
            let before = *said.taken();
            let Err(error) = read(engine, &log, &id, &said).await else {
                break;
            };
            if matches!(error, EngineError::NotFound(_)) {
                log.system(&format!("output is lost from here on: {error}"));
                break;
            }
            if *said.taken() != before {
                (pause, told) = (FIRST_PAUSE, false);
            }
            if !std::mem::replace(&mut told, true) {
                log.system(&format!("output is interrupted: {error}"));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        log.finish(OutputStream::Stdout);
        log.finish(OutputStream::Stderr);
        drop(guard);
    });
}

/// Takes what was not taken yet, until the engine says that it is all.
async fn read(engine: &Engine, log: &Log, id: &str, said: &Said) -> Result<(), EngineError> {
    let mut place = [0, 0];
    let mut output = engine.raw().logs(id);
    while let Some(piece) = output.next().await {
        let (stream, bytes) = piece?;
        said.take(log, stream, &bytes, &mut place);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use aspire_api::Kind;

    use super::*;
    use crate::logs::{LogLimits, Logs, Redactor};

    #[tokio::test]
    async fn several_readers_tell_everything_once() {
        let folder = tempfile::tempdir().unwrap();
        let redactor = Arc::new(Redactor::new(std::iter::empty()));
        let logs = Logs::new(folder.path().join("l"), LogLimits::default(), redactor).unwrap();
        let key = ObjectKey::new(Kind::Container, "c");
        let log = logs.of(&key);
        let said = Said::default();
        let out = OutputStream::Stdout;
        let (mut first, mut second) = ([0, 0], [0, 0]);
        said.take(&log, out, b"one\ntw", &mut first);
        // It begins at the beginning, in pieces of its own.
        said.take(&log, out, b"on", &mut second);
        said.take(&log, out, b"e\ntwo\nth", &mut second);
        said.take(&log, OutputStream::Stderr, b"err\n", &mut second);
        said.take(&log, out, b"o\nthree\n", &mut first);
        said.take(&log, out, b"ree\nfour\n", &mut second);
        said.take(&log, OutputStream::Stderr, b"err\n", &mut first);
        let lines: Vec<_> = logs.tail(&key, 10).into_iter().map(|it| it.text).collect();
        assert_eq!(lines, ["one", "two", "err", "three", "four"]);
    }
}
