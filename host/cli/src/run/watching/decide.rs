//! When changed files are followed by what; pure.
//!
//! [`State`] is what is known of one resource, [`step`] says what follows from something that
//! happened. A burst of changes is one: nothing is done until files have been quiet for a moment.
//! While something is done, further changes wait for its end.
//!
//! A build may write into the folders that are watched. What changes while a build runs is therefore
//! followed by one more build, since it may be somebody's edit; what changes again during another
//! build is what builds make, and no reason any more until it changes without one.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use aspire_model::annotation::WatchAction;

/// Without a change for so long, a burst is over.
const QUIET: Duration = Duration::from_millis(100);
/// A burst that goes on longer than this is not waited for.
const LONGEST: Duration = Duration::from_secs(2);

/// Files.
pub(super) type Paths = BTreeSet<PathBuf>;

/// What is wanted for a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// What follows a change.
    pub(super) action: WatchAction,
    /// Starting it builds it.
    pub(super) builds: bool,
    /// The build runs on this machine, and may write what is watched.
    pub(super) builds_here: bool,
}

/// How far its workloads are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Nothing of it has begun: it will begin with the files as they are then.
    Waiting,
    /// Somebody has stopped it, or is to start it.
    ByHand,
    /// On its way.
    Starting {
        /// Its build is a part of that.
        builds: bool,
    },
    /// Running.
    Running,
    /// Ended by itself, or it could not be started.
    Ended,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// Files were touched; whether they changed is not known yet.
    Touched,
    /// Time has passed.
    Tick,
    /// The answer to [`Effect::Look`] or [`Effect::LookAtAll`]: these are others than before.
    Looked(Paths),
    /// How far it is now.
    Life(Life),
    /// The end of [`Effect::Build`], and whether it was a good one.
    Built(bool),
    /// The end of [`Effect::Replace`] or [`Effect::Copy`].
    Acted,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Find out which of the files that were touched changed.
    Look,
    /// The same of all files: what is touched is told late on a busy machine.
    LookAtAll,
    /// Build it while it goes on, because of these.
    Build(Paths),
    /// Stop it and start it again.
    Replace {
        /// Without a build.
        built: bool,
        /// What changed.
        because: Paths,
    },
    /// Copy these.
    Copy(Paths),
}

/// What is being done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Doing {
    #[default]
    Nothing,
    Looking,
    Building(Paths),
    /// A build is over, and what changed meanwhile is looked for.
    After(Build),
    Acting,
}

/// A build that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Build {
    /// It was part of a start.
    Launch,
    /// It was asked for because of these, and succeeded.
    Good(Paths),
    /// It was asked for, and failed.
    Bad,
}

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    plan: Plan,
    life: Life,
    doing: Doing,
    /// The first and the last touch of a burst.
    burst: Option<(Duration, Duration)>,
    /// Changed, and nothing followed yet.
    changed: Paths,
    /// Changed during a build.
    suspects: Paths,
    /// What builds make.
    products: Paths,
    /// Copied into a container that was not built with them.
    copied: Paths,
    /// A start that built is over, and nobody looked yet.
    launched: bool,
}

impl State {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            life: Life::Waiting,
            doing: Doing::Nothing,
            burst: None,
            changed: Paths::new(),
            suspects: Paths::new(),
            products: Paths::new(),
            copied: Paths::new(),
            launched: false,
        }
    }

    /// When a [`Input::Tick`] is worth something.
    pub(super) fn due(&self) -> Option<Duration> {
        let (first, last) = self.burst?;
        let is_free = self.doing == Doing::Nothing && !self.is_building();
        is_free.then(|| (last + QUIET).min(first + LONGEST))
    }

    /// How far its workloads are.
    pub(super) fn life(&self) -> Life {
        self.life
    }

    fn is_building(&self) -> bool {
        self.life == Life::Starting { builds: true }
    }

    fn touch(&mut self, now: Duration) {
        let first = self.burst.map_or(now, |(first, _)| first);
        self.burst = Some((first, now));
    }

    /// A build is over, during which these changed.
    fn learn(&mut self, during: Paths, now: Duration) {
        let mut fresh = &during - &self.products;
        if self.plan.builds_here {
            self.products
                .extend(fresh.intersection(&self.suspects).cloned());
            fresh = &fresh - &self.products;
            self.suspects.extend(during);
        }
        if !fresh.is_empty() {
            self.changed.extend(fresh);
            if self.burst.is_none() {
                self.touch(now);
            }
        }
    }

    /// What follows from the changes.
    fn act(&mut self, effects: &mut Vec<Effect>) {
        use WatchAction as Do;
        if self.changed.is_empty() {
            return;
        }
        let because = std::mem::take(&mut self.changed);
        match (self.life, self.plan.action) {
            // Copied as soon as it runs.
            (Life::Waiting | Life::ByHand | Life::Starting { .. }, Do::Sync)
            | (Life::Starting { builds: true }, _) => self.changed = because,
            (Life::Waiting | Life::ByHand, Do::Restart | Do::Rebuild) => {}
            (Life::Running, Do::Sync) => {
                if !self.plan.builds {
                    self.copied.extend(because.iter().cloned());
                }
                self.doing = Doing::Acting;
                effects.push(Effect::Copy(because));
            }
            (Life::Running | Life::Starting { .. }, Do::Restart) => {
                self.replace(true, because, effects);
            }
            (Life::Ended, Do::Restart | Do::Sync) => self.replace(false, because, effects),
            (_, Do::Rebuild) => {
                self.doing = Doing::Building(because.clone());
                effects.push(Effect::Build(because));
            }
        }
    }

    fn replace(&mut self, built: bool, because: Paths, effects: &mut Vec<Effect>) {
        self.doing = Doing::Acting;
        effects.push(Effect::Replace { built, because });
    }
}

/// What follows: the state afterwards, and what is to be done. `now`: since any point in time.
pub(super) fn step(state: &State, now: Duration, input: Input) -> (State, Vec<Effect>) {
    let mut state = state.clone();
    let mut effects = Vec::new();
    match input {
        Input::Touched => state.touch(now),
        Input::Tick => {
            if state.due().is_some_and(|due| due <= now) {
                state.burst = None;
                state.doing = Doing::Looking;
                effects.push(Effect::Look);
            }
        }
        Input::Looked(found) => match std::mem::take(&mut state.doing) {
            Doing::Looking => {
                for path in &found {
                    state.products.remove(path);
                    state.suspects.remove(path);
                }
                state.changed.extend(found);
                state.act(&mut effects);
            }
            Doing::After(build) => {
                state.learn(found, now);
                if let Build::Good(because) = build {
                    state.replace(true, because, &mut effects);
                }
            }
            other => state.doing = other,
        },
        Input::Life(life) => {
            state.launched |= state.is_building() && life != state.life;
            if state.life == Life::Running && life != Life::Running {
                // The next container begins without them.
                state.changed.append(&mut state.copied);
            }
            state.life = life;
        }
        Input::Built(good) => {
            let build = match std::mem::take(&mut state.doing) {
                Doing::Building(because) if good => Build::Good(because),
                _ => Build::Bad,
            };
            state.doing = Doing::After(build);
            effects.push(Effect::LookAtAll);
        }
        Input::Acted => state.doing = Doing::Nothing,
    }
    if state.doing == Doing::Nothing {
        let copies = state.plan.action == WatchAction::Sync && state.life == Life::Running;
        if std::mem::take(&mut state.launched) {
            state.doing = Doing::After(Build::Launch);
            effects.push(Effect::LookAtAll);
        } else if copies && state.burst.is_none() {
            state.act(&mut effects);
        }
    }
    (state, effects)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
