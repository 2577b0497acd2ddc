//! The watchdog: a second, tiny process that ends and removes everything should the first be
//! killed, and goes without having touched anything when that ends orderly.
//!
//! It is this same program, started through its own open file (so whatever lies at its path by
//! then doesn't matter), in a session of its own: neither the death of the whole process group nor
//! a closed terminal reaches it. It holds nothing of the host's: no pipe, no folder, no terminal.
//! Until the host dies it sleeps in one system call, without a timer; nothing of this program that
//! is heavy has been touched by then. Then it does what the next start of the host would do first.
//!
//! Killed itself, it is replaced. Killed together with the host, it leaves everything to the next
//! start, as does a host without one.

mod guard;
mod minder;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::harvest;
use crate::identity::Creator;
use crate::os::{self, Identity, Vigil};
use crate::runtime::docker::{DockerEngine, EngineEnvironment};

pub(crate) use guard::{Guard, Order};
pub(crate) use minder::Minder;

/// The word with which a program is asked to be a watchdog: its first argument.
pub const WORD: &str = "__watchdog";

/// Before each attempt to reach the engine.
const PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// The program that is started as the watchdog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watchdog {
    /// Its file.
    pub program: PathBuf,
    /// Arguments before [`WORD`].
    pub args: Vec<OsString>,
}

impl Watchdog {
    /// This program, even when its file has been replaced or removed. Its `main` has to call
    /// [`dispatch`] before anything else.
    pub fn this_program() -> Self {
        Self {
            program: PathBuf::from("/proc/self/exe"),
            args: Vec::new(),
        }
    }
}

/// Is the watchdog, if the arguments (those after the program's name) ask for it, to its end.
pub fn dispatch(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter();
    if args.next()? != WORD {
        return None;
    }
    let mut args = args.peekable();
    if args.next_if(|word| word == minder::MIND).is_some() {
        return Some(match minder::Charge::of(args) {
            Some(charge) => {
                charge.keep();
                ExitCode::SUCCESS
            }
            None => ExitCode::from(2),
        });
    }
    Some(match Charge::of(args) {
        Some(charge) => {
            charge.keep();
            ExitCode::SUCCESS
        }
        None => ExitCode::from(2),
    })
}

/// What a watchdog is to look after.
#[derive(Debug, PartialEq, Eq)]
struct Charge {
    host: Identity,
    mark: Option<u64>,
    uses_engine: bool,
    records: PathBuf,
    data: PathBuf,
}

impl Charge {
    /// From the words that [`Charge::words`] made.
    fn of(mut words: impl Iterator<Item = OsString>) -> Option<Self> {
        let creator: Creator = words.next()?.to_str()?.parse().ok()?;
        let mark = words.next()?.to_str()?.parse().ok();
        let uses_engine = words.next()? == "engine";
        Some(Self {
            host: creator.id,
            mark,
            uses_engine,
            records: words.next()?.into(),
            data: words.next()?.into(),
        })
    }

    /// As arguments.
    fn words(&self) -> [OsString; 5] {
        let creator = Creator {
            id: self.host,
            boot: os::boot_id().to_owned(),
        };
        let mark = self.mark.map_or("-".to_owned(), |mark| mark.to_string());
        let engine = if self.uses_engine { "engine" } else { "-" };
        [
            creator.to_string().into(),
            mark.into(),
            engine.into(),
            self.records.clone().into(),
            self.data.clone().into(),
        ]
    }

    /// Waits, and cleans up if that is needed.
    fn keep(self) {
        os::settle(c"aspire-watchdog");
        if os::keep_vigil(self.host) == Vigil::Dismissed {
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        // Without one, the next start does it.
        if let Ok(runtime) = runtime {
            runtime.block_on(clean_up(
                &self.records,
                &self.data,
                self.mark,
                self.uses_engine,
            ));
        }
    }
}

/// What the next start of a host would do first.
async fn clean_up(records: &Path, data: &Path, mark: Option<u64>, uses_engine: bool) {
    let turn = harvest::turn(records).await;
    let remains = harvest::processes(records, data, mark).await;
    drop(turn);
    let engine = if uses_engine { connect().await } else { None };
    harvest::engine(engine.as_ref(), remains).await;
}

async fn connect() -> Option<Engine> {
    for pause in PAUSES {
        tokio::time::sleep(pause).await;
        if let Ok(engine) = DockerEngine::connect(&EngineEnvironment::from_process()).await {
            return Some(Engine::new(Arc::new(engine)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_in_words() {
        for (mark, uses_engine) in [(Some(7), true), (None, false)] {
            let charge = Charge {
                host: os::myself(),
                mark,
                uses_engine,
                records: "/a b/records".into(),
                data: "/data".into(),
            };
            assert_eq!(Charge::of(charge.words().into_iter()), Some(charge));
        }
        assert_eq!(Charge::of(["1:2:b"].map(OsString::from).into_iter()), None);
    }

    #[test]
    fn other_words_are_for_others() {
        for words in [&[][..], &["run"], &["run", WORD]] {
            assert!(dispatch(words.iter().map(OsString::from)).is_none());
        }
        // Asked wrongly, it looks after nothing.
        assert!(dispatch([WORD].map(OsString::from)).is_some());
    }
}
