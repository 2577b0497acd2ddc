//! How single attempts of probes become health; pure.
//!
//! There are two sorts. DCP's (`spec.healthProbes`) are made once an interval and each result
//! counts at once. Ours (`spec.aspire.probes`) are made quickly until one succeeds (25 ms,
//! doubling to 1 s), so that nobody waits for an interval after a workload is ready; such quick
//! failures count only once an interval, so that being quick never makes a workload unhealthy
//! earlier than the probe says.

use std::collections::BTreeMap;
use std::time::Duration;

use aspire_api::aspire::{Aspire, Probe};
use aspire_api::container::{HealthStatus, ProbeOutcome, ProbeResult};
use aspire_api::health::{HealthProbe, HealthProbeScheduleKind};
use aspire_api::validate::duration;

use crate::clock::Timestamp;

const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// For an attempt of a DCP probe that doesn't say.
const DCP_TIMEOUT: Duration = Duration::from_secs(10);
/// A result that says nothing new is told again after this.
const STALE: Duration = Duration::from_secs(15);

/// The name of the engine's own check of a container; no probe's name begins like this.
pub(crate) const RUNTIME: &str = "__runtime";

/// What a probe says of time, of either sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// Before the first attempt.
    pub(crate) delay: Duration,
    /// Between two attempts.
    pub(crate) interval: Duration,
    /// For one attempt.
    pub(crate) timeout: Duration,
    /// Attempts follow quickly until one succeeds.
    quick: bool,
    /// Failures in this time after the start don't count.
    start_period: Duration,
    /// Failures in a row that make it unhealthy.
    retries: u32,
    /// No more attempts after the first success.
    until_success: bool,
    /// Whoever fails it is stopped.
    pub(crate) liveness: bool,
}

impl From<&Probe> for Schedule {
    fn from(probe: &Probe) -> Self {
        Self {
            delay: Duration::ZERO,
            interval: Duration::from_millis(probe.interval.max(1)),
            timeout: Duration::from_millis(probe.timeout.max(1)),
            quick: true,
            start_period: Duration::from_millis(probe.start_period),
            retries: probe.retries,
            until_success: false,
            liveness: probe.liveness,
        }
    }
}

impl From<&HealthProbe> for Schedule {
    fn from(probe: &HealthProbe) -> Self {
        // What is no duration was refused when the object was created.
        let time = |text: Option<&str>| {
            let text = text.filter(|text| !text.is_empty());
            text.and_then(duration).map(Duration::from_millis)
        };
        let schedule = &probe.schedule;
        let timeout = time(schedule.timeout.as_deref()).filter(|timeout| !timeout.is_zero());
        Self {
            delay: time(schedule.initial_delay.as_deref()).unwrap_or_default(),
            interval: time(Some(&schedule.interval))
                .unwrap_or_default()
                .max(Duration::from_millis(1)),
            timeout: timeout.unwrap_or(DCP_TIMEOUT),
            quick: false,
            start_period: Duration::ZERO,
            retries: 1,
            until_success: schedule.kind == Some(HealthProbeScheduleKind::UntilSuccess),
            liveness: false,
        }
    }
}

impl Schedule {
    /// Of the engine's own check, which is told and not made.
    pub(crate) fn of_runtime() -> Self {
        Self::from(&HealthProbe::default())
    }
}

/// The probes of a workload, by name; where a name is there twice, ours wins.
pub(crate) fn schedules(
    aspire: Option<&Aspire>,
    dcp: &[HealthProbe],
) -> BTreeMap<String, Schedule> {
    let dcp = dcp.iter().map(|probe| (probe.name.clone(), probe.into()));
    let ours = aspire.into_iter().flat_map(|aspire| &aspire.probes);
    dcp.chain(ours.map(|(name, probe)| (name.clone(), probe.into())))
        .collect()
}

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// In a word.
    pub(crate) outcome: ProbeOutcome,
    /// Why not well.
    pub(crate) reason: String,
}

impl From<Result<(), String>> for Attempt {
    fn from(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Self {
                outcome: ProbeOutcome::Success,
                reason: String::new(),
            },
            Err(reason) => Self {
                outcome: ProbeOutcome::Failure,
                reason,
            },
        }
    }
}

/// What is known of one probe of a running workload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ProbeState {
    succeeded: bool,
    last: Option<Attempt>,
    at: Timestamp,
    /// When, since the start, the last attempt was.
    age: Duration,
    failures: u32,
    /// When, since the start, a failure was counted last.
    counted: Option<Duration>,
    pause: Duration,
}

impl ProbeState {
    /// Takes the outcome of an attempt so long after the start.
    pub(crate) fn observe(
        &mut self,
        probe: &Schedule,
        attempt: Attempt,
        since_start: Duration,
        at: Timestamp,
    ) {
        match attempt.outcome {
            ProbeOutcome::Success => {
                self.succeeded = true;
                self.failures = 0;
                self.counted = None;
            }
            ProbeOutcome::Failure => {
                let paced = self
                    .counted
                    .is_none_or(|last| self.succeeded || since_start >= last + probe.interval);
                if since_start >= probe.start_period && (paced || !probe.quick) {
                    self.failures = self.failures.saturating_add(1);
                    self.counted = Some(since_start);
                }
            }
            ProbeOutcome::Unknown => self.failures = 0,
        }
        self.last = Some(attempt);
        self.at = at;
        self.age = since_start;
    }

    /// How long to wait before the next attempt; none: there is no next one.
    pub(crate) fn next_pause(&mut self, probe: &Schedule) -> Option<Duration> {
        if self.succeeded && probe.until_success {
            return None;
        }
        if self.succeeded || !probe.quick {
            return Some(probe.interval);
        }
        self.pause = if self.pause.is_zero() {
            FIRST_PAUSE
        } else {
            self.pause * 2
        };
        self.pause = self.pause.min(LONGEST_PAUSE);
        Some(self.pause)
    }

    fn is_unhealthy(&self, probe: &Schedule) -> bool {
        self.failures > 0 && self.failures >= probe.retries
    }

    fn is_healthy(&self) -> bool {
        // Once it has succeeded, a failure must come several times to count.
        let unknown = |last: &Attempt| last.outcome == ProbeOutcome::Unknown;
        self.succeeded && !self.last.as_ref().is_some_and(unknown)
    }

    fn result(&self, name: &str) -> Option<ProbeResult> {
        let last = self.last.as_ref()?;
        Some(ProbeResult {
            probe_name: name.to_owned(),
            outcome: last.outcome,
            timestamp: self.at.to_string(),
            reason: last.reason.clone(),
            failures: self.failures,
        })
    }

    /// Whether it is worth telling, after another one was told.
    pub(crate) fn is_news(&self, told: &Self) -> bool {
        let same = (&self.last, self.failures) == (&told.last, told.failures);
        !same || self.age.saturating_sub(told.age) >= STALE
    }
}

/// Overall health of a running workload, and the results of its probes.
pub(crate) fn overall(
    probes: &BTreeMap<String, Schedule>,
    states: &BTreeMap<String, ProbeState>,
) -> (HealthStatus, Vec<ProbeResult>) {
    let fresh = ProbeState::default();
    let runtime = Schedule::of_runtime();
    let told = states
        .get_key_value(RUNTIME)
        .map(|(name, state)| (name, &runtime, state));
    let own = probes
        .iter()
        .map(|(name, probe)| (name, probe, states.get(name).unwrap_or(&fresh)));
    let mut overall = HealthStatus::Healthy;
    let mut results = Vec::new();
    for (name, probe, state) in told.into_iter().chain(own) {
        if state.is_unhealthy(probe) {
            overall = HealthStatus::Unhealthy;
        } else if !state.is_healthy() && overall == HealthStatus::Healthy {
            overall = HealthStatus::Caution;
        }
        results.extend(state.result(name));
    }
    (overall, results)
}

/// What a probe of liveness finds wrong, in words.
pub(crate) fn lifeless(
    probes: &BTreeMap<String, Schedule>,
    states: &BTreeMap<String, ProbeState>,
) -> Option<String> {
    probes.iter().find_map(|(name, probe)| {
        let state = states.get(name)?;
        let reason = &state.last.as_ref()?.reason;
        (probe.liveness && state.is_unhealthy(probe)).then(|| format!("probe {name}: {reason}"))
    })
}

#[cfg(test)]
mod tests {
    use aspire_api::aspire::ProbeAction;
    use aspire_api::health::HealthProbeSchedule;

    use super::*;

    fn probe(start_period: u64, retries: u32) -> Schedule {
        Schedule::from(&Probe {
            action: ProbeAction::Tcp {
                endpoint: "tcp".into(),
            },
            interval: 2000,
            timeout: 1000,
            start_period,
            retries,
            liveness: true,
        })
    }

    fn dcp(kind: Option<HealthProbeScheduleKind>) -> Schedule {
        Schedule::from(&HealthProbe {
            schedule: HealthProbeSchedule {
                kind,
                interval: "1.5s".into(),
                timeout: None,
                initial_delay: Some("250ms".into()),
            },
            ..HealthProbe::default()
        })
    }

    fn failure() -> Attempt {
        Err("refused".to_owned()).into()
    }

    fn unknown() -> Attempt {
        Attempt {
            outcome: ProbeOutcome::Unknown,
            reason: "HTTP 302".into(),
        }
    }

    fn health(probe: &Schedule, state: &ProbeState) -> HealthStatus {
        let name = "ready".to_owned();
        overall(
            &[(name.clone(), *probe)].into(),
            &[(name, state.clone())].into(),
        )
        .0
    }

    #[test]
    fn quick_attempts_count_once_an_interval() {
        let probe = probe(0, 3);
        let mut state = ProbeState::default();
        let mut since = Duration::ZERO;
        let mut pauses = Vec::new();
        while health(&probe, &state) != HealthStatus::Unhealthy {
            state.observe(&probe, failure(), since, Timestamp(0));
            let pause = state.next_pause(&probe).unwrap();
            pauses.push(pause.as_millis());
            since += pause;
        }
        assert_eq!(pauses[..7], [25, 50, 100, 200, 400, 800, 1000]);
        assert!(
            since > Duration::from_secs(4) && since < Duration::from_secs(7),
            "{since:?}"
        );
        state.observe(&probe, Ok(()).into(), since, Timestamp(1));
        assert_eq!(health(&probe, &state), HealthStatus::Healthy);
        assert_eq!(state.next_pause(&probe), Some(Duration::from_secs(2)));
        for failures in 1..=3 {
            assert_eq!(health(&probe, &state), HealthStatus::Healthy, "{failures}");
            state.observe(&probe, failure(), since, Timestamp(2));
        }
        assert_eq!(health(&probe, &state), HealthStatus::Unhealthy);
    }

    #[test]
    fn the_start_period() {
        let probe = probe(5000, 1);
        let mut state = ProbeState::default();
        state.observe(&probe, failure(), Duration::from_millis(4999), Timestamp(0));
        assert_eq!(health(&probe, &state), HealthStatus::Caution);
        state.observe(&probe, failure(), Duration::from_millis(5000), Timestamp(0));
        assert_eq!(health(&probe, &state), HealthStatus::Unhealthy);
    }

    #[test]
    fn without_probes_running_is_healthy() {
        assert_eq!(
            overall(&BTreeMap::new(), &BTreeMap::new()),
            (HealthStatus::Healthy, vec![])
        );
    }

    #[test]
    fn each_result_of_a_dcp_probe_counts() {
        let probe = dcp(None);
        assert_eq!(probe.delay, Duration::from_millis(250));
        assert_eq!(probe.timeout, Duration::from_secs(10));
        let mut state = ProbeState::default();
        assert_eq!(health(&probe, &state), HealthStatus::Caution);
        let table = [
            (failure(), HealthStatus::Unhealthy),
            (unknown(), HealthStatus::Caution),
            (Ok(()).into(), HealthStatus::Healthy),
            (unknown(), HealthStatus::Caution),
            (failure(), HealthStatus::Unhealthy),
            (Ok(()).into(), HealthStatus::Healthy),
        ];
        for (attempt, expected) in table {
            state.observe(&probe, attempt.clone(), Duration::ZERO, Timestamp(0));
            assert_eq!(health(&probe, &state), expected, "{attempt:?}");
            let pause = state.next_pause(&probe);
            assert_eq!(pause, Some(Duration::from_millis(1500)));
        }
    }

    #[test]
    fn until_success() {
        let probe = dcp(Some(HealthProbeScheduleKind::UntilSuccess));
        let mut state = ProbeState::default();
        state.observe(&probe, failure(), Duration::ZERO, Timestamp(0));
        assert!(state.next_pause(&probe).is_some());
        state.observe(&probe, Ok(()).into(), Duration::ZERO, Timestamp(0));
        assert_eq!(state.next_pause(&probe), None);
    }

    #[test]
    fn the_worst_of_several_and_the_engines_own() {
        let probes = [("a".to_owned(), dcp(None)), ("b".to_owned(), dcp(None))].into();
        let state = |attempt: Attempt| {
            let mut state = ProbeState::default();
            state.observe(&dcp(None), attempt, Duration::ZERO, Timestamp(0));
            state
        };
        let good = || state(Ok(()).into());
        let mut states = BTreeMap::from([("a".to_owned(), good()), ("b".to_owned(), good())]);
        assert_eq!(overall(&probes, &states).0, HealthStatus::Healthy);
        states.insert("b".to_owned(), state(unknown()));
        assert_eq!(overall(&probes, &states).0, HealthStatus::Caution);
        states.insert(RUNTIME.to_owned(), state(failure()));
        let (health, results) = overall(&probes, &states);
        assert_eq!(health, HealthStatus::Unhealthy);
        let names: Vec<_> = results.iter().map(|result| &*result.probe_name).collect();
        assert_eq!(names, [RUNTIME, "a", "b"]);
    }

    #[test]
    fn news() {
        let probe = dcp(None);
        let mut told = ProbeState::default();
        told.observe(&probe, Ok(()).into(), Duration::ZERO, Timestamp(90_000_000));
        let mut next = told.clone();
        // Whatever the clock says.
        let (early, late) = (Duration::from_micros(14_999_999), Duration::from_secs(15));
        next.observe(&probe, Ok(()).into(), early, Timestamp(i64::MAX));
        assert!(!next.is_news(&told));
        next.observe(&probe, Ok(()).into(), late, Timestamp(0));
        assert!(next.is_news(&told));
        told.observe(&probe, failure(), Duration::ZERO, Timestamp(15_000_000));
        assert!(next.is_news(&told));
    }

    #[test]
    fn lifeless_is_what_failed_often_enough() {
        let name = || "ready".to_owned();
        let mut state = ProbeState::default();
        for (failures, expected) in [(1, None), (2, Some("probe ready: refused"))] {
            let since = Duration::from_secs(failures * 10);
            state.observe(&probe(0, 2), failure(), since, Timestamp(0));
            let states = [(name(), state.clone())].into();
            let found = lifeless(&[(name(), probe(0, 2))].into(), &states);
            assert_eq!(found.as_deref(), expected);
            let harmless = Schedule {
                liveness: false,
                ..probe(0, 2)
            };
            assert_eq!(lifeless(&[(name(), harmless)].into(), &states), None);
        }
    }
}
