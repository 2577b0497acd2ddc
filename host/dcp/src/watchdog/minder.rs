//! Minds a workload that outlives the run and is to end with another process (`monitorPid`): when
//! that process ends, and no host is there any more that would stop the workload, this does.
//!
//! Like the watchdog it is this program again, beside the host, asleep in one system call. It looks
//! after exactly one workload, by its record; another one of that name is none of its business.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::{WORD, connect};
use crate::context::Context;
use crate::engine::within;
use crate::identity::{Creator, KEPT_VARIABLE};
use crate::os::{self, Exit, Identity, Leash, Vigil};
use crate::processes::kept;
use crate::state::{Record, State};

/// What follows [`WORD`] for one of these.
pub(super) const MIND: &str = "mind";

/// For the host that goes on with the workload to stop it itself.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(250);
/// Between the request to stop and the end.
const GRACE: Duration = Duration::from_secs(10);

/// One that was started.
#[derive(Debug)]
pub(crate) struct Minder {
    leash: Leash,
    /// Dropped, it is buried by whoever adopts it.
    _exit: Exit,
}

impl Minder {
    /// Starts one for a recorded workload, which ends with this process; none: it couldn't be.
    pub(crate) fn start(
        context: &Context,
        over: Option<Identity>,
        kind: &str,
        name: &str,
        id: &str,
    ) -> Option<Self> {
        let (over, watchdog) = over.zip(context.config.watchdog.as_ref())?;
        let charge = Charge {
            over,
            records: std::path::absolute(&context.config.shared_folder).ok()?,
            kind: kind.to_owned(),
            name: name.to_owned(),
            id: id.to_owned(),
        };
        let mut args = vec!["aspire-host".into()];
        args.extend(watchdog.args.iter().cloned());
        args.extend([WORD.into(), MIND.into()]);
        args.extend(charge.words());
        // It came of us, and stays when everything else that did goes.
        let mark = format!("minder of {kind} {name}");
        let more = Some((KEPT_VARIABLE, mark.as_str()));
        match os::spawn_beside(&watchdog.program, args, more) {
            Ok((exit, leash)) => {
                context.keep(leash.id);
                let _exit = exit;
                Some(Self { leash, _exit })
            }
            Err(error) => {
                tracing::warn!(%error, kind, name, "nobody minds it after this run");
                None
            }
        }
    }

    /// Sends it away: its workload has ended.
    pub(crate) fn dismiss(self) {
        self.leash.dismiss();
    }
}

/// What one looks after.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Charge {
    over: Identity,
    records: PathBuf,
    kind: String,
    name: String,
    id: String,
}

impl Charge {
    /// From the words that [`Charge::words`] made.
    pub(super) fn of(mut words: impl Iterator<Item = OsString>) -> Option<Self> {
        let creator: Creator = words.next()?.to_str()?.parse().ok()?;
        let records = words.next()?.into();
        let mut text = || words.next()?.into_string().ok();
        Some(Self {
            over: creator.id,
            records,
            kind: text()?,
            name: text()?,
            id: text()?,
        })
    }

    fn words(&self) -> [OsString; 5] {
        let creator = Creator {
            id: self.over,
            boot: os::boot_id().to_owned(),
        };
        [
            creator.to_string().into(),
            self.records.clone().into(),
            self.kind.clone().into(),
            self.name.clone().into(),
            self.id.clone().into(),
        ]
    }

    /// Waits, and ends the workload if nobody else does.
    pub(super) fn keep(self) {
        os::settle(c"aspire-minder");
        if os::keep_vigil(self.over) == Vigil::Dismissed {
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        if let Ok(runtime) = runtime {
            runtime.block_on(self.end());
        }
    }

    async fn end(self) {
        let state = State::new(&self.records);
        let begun = tokio::time::Instant::now();
        let record = loop {
            let Some(record) = self.record(&state) else {
                return;
            };
            let owner = record.owner.parse::<Creator>();
            let is_minded = owner.is_ok_and(|owner| owner.is_alive());
            if !is_minded || begun.elapsed() > PATIENCE {
                break record;
            }
            tokio::time::sleep(PAUSE).await;
        };
        let ended = match &*self.kind {
            "container" => match connect().await {
                Some(engine) => within(GRACE * 3, engine.raw().stop(&record.id, GRACE))
                    .await
                    .is_ok(),
                None => false,
            },
            _ => kept::end_recorded(&self.records, &record, GRACE).await,
        };
        if ended {
            // The next run finds out for itself.
            let _ = state.forget(&self.kind, &self.name, Some(&self.id));
        }
    }

    fn record(&self, state: &State) -> Option<Record> {
        let mut records = state.records().ok()?.into_iter();
        records.find(|it| it.kind == self.kind && it.name == self.name && it.id == self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_in_words() {
        let charge = Charge {
            over: os::myself(),
            records: "/a b/shared".into(),
            kind: "executable".into(),
            name: "x/db".into(),
            id: "m/1:2:b".into(),
        };
        assert_eq!(Charge::of(charge.words().into_iter()), Some(charge));
        assert_eq!(Charge::of(["1:2:b"].map(OsString::from).into_iter()), None);
    }
}
