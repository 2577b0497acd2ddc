//! Thousands of random lives: the pure steps with a scripted world in place of tasks, engine and
//! store, under a scheduler that picks what happens next from a seed.
//!
//! A schedule is chaos (users, faults, effects, messages in any order), then calm (no faults, and
//! everything goes on until nothing can), then the end of everything. What must hold is checked
//! after every step. A failure names its seed; `SEED=n` runs that one alone. Planted bugs show
//! that the checks can fail.

mod answers;
mod checks;
mod driver;
mod effects;
mod plane;
mod tables;
mod users;
mod world;

use std::collections::BTreeSet;

use driver::Simulation;

/// A mistake that is made on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// What is deleted is let go before it is removed.
    ReleasedUncleaned,
    /// What was given up as lost takes a later report of its end.
    EndChanges,
    /// Started before the object is held.
    NoFinalizer,
    /// What is aborted is taken for ended while its start goes on.
    AbortForgotten,
    /// A stop doesn't keep a workload from being started again.
    RestartAfterStop,
    /// What ended is started again in place.
    EndedStartsAgain,
    /// A network goes while containers still use it.
    UnmadeWhileUsed,
    /// Nobody looks for what was not told.
    NeverLooks,
    /// What somebody else started again is thought to be over.
    RevivalIgnored,
}

fn run(seed: u64, bug: Option<Bug>) -> (Simulation, Result<(), String>) {
    let mut simulation = Simulation::new(seed, bug);
    let result = simulation.whole();
    (simulation, result)
}

#[test]
fn thousands_of_lives() {
    if let Some(seed) = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        let (simulation, result) = run(seed, None);
        let story = simulation.story.join("\n");
        assert_eq!(result, Ok(()), "seed {seed}:\n{story}");
        return;
    }
    let (mut moves, mut faults) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..4000 {
        let (simulation, result) = run(seed, None);
        assert_eq!(result, Ok(()), "SEED={seed} shows how");
        moves.extend(simulation.moves);
        faults.extend(simulation.faults);
    }
    for container in [false, true] {
        let expected = tables::reachable(container);
        let taken: BTreeSet<_> = moves
            .iter()
            .filter(|(of, ..)| *of == container)
            .map(|(_, from, to)| (from.clone(), to.clone()))
            .collect();
        let missing: Vec<_> = expected.difference(&taken).collect();
        assert!(missing.is_empty(), "moves that never happened: {missing:?}");
        let odd: Vec<_> = taken.difference(&expected).collect();
        assert!(odd.is_empty(), "moves that should be beyond reach: {odd:?}");
    }
    let missing: Vec<_> = driver::FAULTS
        .iter()
        .filter(|fault| !faults.contains(**fault))
        .collect();
    assert!(missing.is_empty(), "what never happened: {missing:?}");
}

#[test]
fn planted_bugs_are_found() {
    for (bug, words) in [
        (Bug::ReleasedUncleaned, "left behind"),
        (Bug::EndChanges, "no move of the table: Unknown"),
        (Bug::NoFinalizer, "nobody holds"),
        (Bug::AbortForgotten, "left behind"),
        (Bug::RestartAfterStop, "started again although"),
        (Bug::EndedStartsAgain, "no move of"),
        (Bug::UnmadeWhileUsed, "without its network"),
        (Bug::NeverLooks, "did not settle"),
        (Bug::RevivalIgnored, "did not settle"),
    ] {
        let mut others = BTreeSet::new();
        let found = (0..1000).find_map(|seed| {
            let error = run(seed, Some(bug)).1.err()?;
            let is_it = error.contains(words);
            others.insert(error);
            is_it.then_some(seed)
        });
        assert!(found.is_some(), "{bug:?} was never found; only {others:?}");
    }
}
