//! How many replicas a set has and should have; pure.

use std::time::Duration;

use aspire_api::container::HealthStatus;
use aspire_api::executable::ExecutableState;
use aspire_api::replicas::ExecutableReplicaSetStatus;

use crate::clock::Timestamp;

/// Between two changes of the number of replicas.
const PAUSE: Duration = Duration::from_secs(2);

/// What is known of a set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    /// When its number was changed last, by the clock and by what the clock can't change.
    scaled: Option<(Timestamp, Duration)>,
    /// Replicas that were ever made.
    made: u32,
}

/// A replica.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Replica {
    pub(crate) name: String,
    /// Not retired.
    pub(crate) active: bool,
    /// On its way out.
    pub(crate) deleting: bool,
    pub(crate) state: ExecutableState,
    pub(crate) healthy: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    /// The object carries our finalizer.
    pub(crate) finalizer: bool,
    /// The object is to go away.
    pub(crate) deleting: bool,
    /// So many.
    pub(crate) replicas: usize,
    /// Those that are too many are retired, not removed.
    pub(crate) retire: bool,
    pub(crate) now: Timestamp,
    /// How long this program has been running.
    pub(crate) uptime: Duration,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Put our finalizer on the object.
    AddFinalizer,
    /// Make one; its number, counted from 1.
    Create(u32),
    /// Remove this one.
    Delete(String),
    /// Stop this one and keep its object.
    Retire(String),
    /// Look again after a while.
    Later(Duration),
    /// Take our finalizer off.
    Release,
}

/// What follows; the oldest replicas come first.
pub(crate) fn step(facts: &Facts, wanted: &Wanted, all: &[Replica]) -> (Facts, Vec<Effect>) {
    let mut facts = facts.clone();
    let mut effects = Vec::new();
    match (wanted.finalizer, wanted.deleting) {
        (false, false) => effects.push(Effect::AddFinalizer),
        (false, true) => {}
        (true, true) if all.is_empty() => effects.push(Effect::Release),
        (true, true) => {
            let stay = all.iter().filter(|replica| !replica.deleting);
            effects.extend(stay.map(|replica| Effect::Delete(replica.name.clone())));
        }
        (true, false) => scale(&mut facts, wanted, all, &mut effects),
    }
    (facts, effects)
}

fn scale(facts: &mut Facts, wanted: &Wanted, all: &[Replica], effects: &mut Vec<Effect>) {
    let counts = |replica: &&Replica| replica.active && !replica.deleting;
    let mut active: Vec<&Replica> = all.iter().filter(counts).collect();
    if active.len() == wanted.replicas {
        return;
    }
    if let Some((_, scaled)) = facts.scaled {
        let since = wanted.uptime.saturating_sub(scaled);
        if let Some(rest) = PAUSE.checked_sub(since)
            && !rest.is_zero()
        {
            effects.push(Effect::Later(rest));
            return;
        }
    }
    facts.scaled = Some((wanted.now, wanted.uptime));
    for _ in active.len()..wanted.replicas {
        facts.made += 1;
        effects.push(Effect::Create(facts.made));
    }
    // Those that don't run go first, then the youngest.
    active.reverse();
    active.sort_by_key(|replica| replica.state == ExecutableState::Running);
    let excess = active.len().saturating_sub(wanted.replicas);
    effects.extend(active.into_iter().take(excess).map(|replica| {
        let name = replica.name.clone();
        if wanted.retire {
            Effect::Retire(name)
        } else {
            Effect::Delete(name)
        }
    }));
}

/// The status that a set has with these replicas.
pub(crate) fn status(facts: &Facts, wanted: usize, all: &[Replica]) -> ExecutableReplicaSetStatus {
    let active = || all.iter().filter(|replica| replica.active);
    let count = |fits: &dyn Fn(&Replica) -> bool| {
        let number = active().filter(|replica| fits(replica)).count();
        i32::try_from(number).unwrap_or(i32::MAX)
    };
    let healthy = active().filter(|replica| replica.healthy).count();
    let health = if healthy >= wanted {
        HealthStatus::Healthy
    } else if healthy > 0 {
        HealthStatus::Caution
    } else {
        HealthStatus::Unhealthy
    };
    let is = |state: ExecutableState| move |replica: &Replica| replica.state == state;
    ExecutableReplicaSetStatus {
        observed_replicas: count(&|_| true),
        running_replicas: count(&is(ExecutableState::Running)),
        failed_replicas: count(&is(ExecutableState::FailedToStart)),
        finished_replicas: count(&is(ExecutableState::Finished))
            + count(&is(ExecutableState::Terminated)),
        last_scale_time: facts.scaled.map(|(scaled, _)| scaled.to_string()),
        health_status: Some(health),
        ..ExecutableReplicaSetStatus::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(name: &str, state: ExecutableState) -> Replica {
        Replica {
            name: name.into(),
            active: true,
            deleting: false,
            state,
            healthy: state == ExecutableState::Running,
        }
    }

    /// So many seconds after the start; the clock is put back all the time.
    fn wanted(replicas: usize, seconds: u32) -> Wanted {
        Wanted {
            finalizer: true,
            replicas,
            now: Timestamp(-i64::from(seconds) * 1_000_000),
            uptime: Duration::from_secs(seconds.into()),
            ..Wanted::default()
        }
    }

    #[test]
    fn up_down_and_not_too_often() {
        use ExecutableState::{Finished, Running};
        let none = Facts::default();
        assert_eq!(
            step(&none, &Wanted::default(), &[]).1,
            [Effect::AddFinalizer]
        );
        let (facts, effects) = step(&none, &wanted(2, 10), &[]);
        assert_eq!(effects, [Effect::Create(1), Effect::Create(2)]);
        let mut all = vec![
            replica("a", Running),
            replica("b", Finished),
            replica("c", Running),
        ];
        // Too soon.
        let (same, effects) = step(&facts, &wanted(1, 11), &all);
        assert_eq!(effects, [Effect::Later(Duration::from_secs(1))]);
        assert_eq!(same, facts);
        let (facts, effects) = step(&facts, &wanted(1, 12), &all);
        let delete = |name: &str| Effect::Delete(name.into());
        assert_eq!(effects, [delete("b"), delete("c")]);
        // The number is right: nothing happens, whatever the time.
        assert_eq!(step(&facts, &wanted(3, 12), &all).1, []);
        let mut retiring = wanted(2, 20);
        retiring.retire = true;
        let (facts, effects) = step(&facts, &retiring, &all);
        assert_eq!(effects, [Effect::Retire("b".into())]);
        // Retired ones don't count, nor do those that go.
        all[1].active = false;
        all[2].deleting = true;
        let (_, effects) = step(&facts, &wanted(2, 30), &all);
        assert_eq!(effects, [Effect::Create(3)]);
    }

    #[test]
    fn everything_goes_before_the_set() {
        let mut all = vec![
            replica("a", ExecutableState::Running),
            replica("b", ExecutableState::Running),
        ];
        all[0].active = false;
        all[1].deleting = true;
        let mut gone = wanted(2, 0);
        gone.deleting = true;
        let effects = step(&Facts::default(), &gone, &all).1;
        assert_eq!(effects, [Effect::Delete("a".into())]);
        assert_eq!(step(&Facts::default(), &gone, &[]).1, [Effect::Release]);
        gone.finalizer = false;
        assert_eq!(step(&Facts::default(), &gone, &all).1, []);
    }

    #[test]
    fn counts_and_health() {
        use ExecutableState::{FailedToStart, Finished, Running, Terminated};
        let mut all = vec![
            replica("a", Running),
            replica("b", Finished),
            replica("c", Terminated),
            replica("d", FailedToStart),
            replica("e", Running),
        ];
        all[4].active = false;
        let show = |wanted| {
            let status = status(&Facts::default(), wanted, &all);
            assert_eq!((status.observed_replicas, status.running_replicas), (4, 1));
            assert_eq!((status.failed_replicas, status.finished_replicas), (1, 2));
            status.health_status
        };
        assert_eq!(show(1), Some(HealthStatus::Healthy));
        assert_eq!(show(2), Some(HealthStatus::Caution));
        let none = status(&Facts::default(), 1, &[]);
        assert_eq!(none.health_status, Some(HealthStatus::Unhealthy));
    }
}
