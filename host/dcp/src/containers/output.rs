//! The output of a container: from its first byte, across its lives and across an engine that goes
//! away meanwhile.
//!
//! Engines tell it from the beginning whenever they are asked, so what was taken already is counted
//! and left out. Doesn't know states.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aspire_api::ObjectKey;
use bytes::Bytes;
use futures_util::StreamExt;

use crate::context::Context;
use crate::engine::Engine;
use crate::logs::Log;
use crate::runtime::{EngineError, OutputStream};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Bytes of a container that were taken, by stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Said(Arc<[AtomicU64; 2]>);

impl Said {
    fn of(&self, stream: OutputStream) -> &AtomicU64 {
        &self.0[usize::from(stream == OutputStream::Stderr)]
    }

    fn counts(&self) -> [u64; 2] {
        [0, 1].map(|place: usize| self.0[place].load(Ordering::Relaxed))
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
            let before = said.counts();
            let Err(error) = read(engine, &log, &id, &said).await else {
                break;
            };
            if matches!(error, EngineError::NotFound(_)) {
                log.system(&format!("output is lost from here on: {error}"));
                break;
            }
            if said.counts() != before {
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
    let mut known = said.counts();
    let mut output = engine.raw().logs(id);
    while let Some(piece) = output.next().await {
        let (stream, bytes) = piece?;
        let known = &mut known[usize::from(stream == OutputStream::Stderr)];
        let new = unknown(&bytes, known);
        if !new.is_empty() {
            said.of(stream)
                .fetch_add(new.len() as u64, Ordering::Relaxed);
            log.write(stream, new);
        }
    }
    Ok(())
}

/// The part of a piece that comes after so many bytes.
fn unknown<'a>(bytes: &'a Bytes, known: &mut u64) -> &'a [u8] {
    let skip = usize::try_from(*known)
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    *known -= skip as u64;
    &bytes[skip..]
}
