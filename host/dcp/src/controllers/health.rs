//! How single attempts of probes become health; pure.
//!
//! Until a probe has succeeded once, attempts follow quickly (25 ms, doubling to 1 s), so that
//! nobody waits for an interval after a workload is ready. Such quick failures count only once an
//! interval, so that being quick never makes a workload unhealthy earlier than the probe says.

use std::collections::BTreeMap;
use std::time::Duration;

use aspire_api::aspire::Probe;
use aspire_api::container::{HealthStatus, ProbeOutcome, ProbeResult};

use crate::clock::Timestamp;

const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What is known of one probe of a running workload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ProbeState {
    succeeded: bool,
    outcome: Option<Result<(), String>>,
    at: Timestamp,
    failures: u32,
    /// When, since the start, a failure was counted last.
    counted: Option<Duration>,
    pause: Duration,
}

impl ProbeState {
    /// Takes the outcome of an attempt so long after the start.
    pub(crate) fn observe(
        &mut self,
        probe: &Probe,
        outcome: Result<(), String>,
        since_start: Duration,
        at: Timestamp,
    ) {
        if outcome.is_ok() {
            self.succeeded = true;
            self.failures = 0;
            self.counted = None;
        } else {
            let interval = Duration::from_millis(probe.interval);
            let counts = since_start >= Duration::from_millis(probe.start_period)
                && self
                    .counted
                    .is_none_or(|last| self.succeeded || since_start >= last + interval);
            if counts {
                self.failures = self.failures.saturating_add(1);
                self.counted = Some(since_start);
            }
        }
        self.outcome = Some(outcome);
        self.at = at;
    }

    /// How long to wait before the next attempt.
    pub(crate) fn next_pause(&mut self, probe: &Probe) -> Duration {
        if self.succeeded {
            return Duration::from_millis(probe.interval.max(1));
        }
        self.pause = if self.pause.is_zero() {
            FIRST_PAUSE
        } else {
            self.pause * 2
        };
        self.pause = self.pause.min(LONGEST_PAUSE);
        self.pause
    }

    fn is_unhealthy(&self, probe: &Probe) -> bool {
        self.failures > 0 && self.failures >= probe.retries
    }

    fn result(&self, name: &str) -> ProbeResult {
        let (outcome, reason) = match &self.outcome {
            None => (ProbeOutcome::Unknown, "not tried yet".to_owned()),
            Some(Ok(())) => (ProbeOutcome::Success, String::new()),
            Some(Err(reason)) => (ProbeOutcome::Failure, reason.clone()),
        };
        ProbeResult {
            probe_name: name.to_owned(),
            outcome,
            timestamp: self.at.to_string(),
            reason,
            failures: self.failures,
        }
    }

    /// Everything but the time is the same.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        (&self.outcome, self.failures) == (&other.outcome, other.failures)
    }
}

/// Overall health of a running workload, and the results of its probes.
pub(crate) fn overall(
    probes: &BTreeMap<String, Probe>,
    states: &BTreeMap<String, ProbeState>,
) -> (HealthStatus, Vec<ProbeResult>) {
    let fresh = ProbeState::default();
    let mut overall = HealthStatus::Healthy;
    let mut results = Vec::new();
    for (name, probe) in probes {
        let state = states.get(name).unwrap_or(&fresh);
        if state.is_unhealthy(probe) {
            overall = HealthStatus::Unhealthy;
        } else if !state.succeeded && overall == HealthStatus::Healthy {
            overall = HealthStatus::Caution;
        }
        if state.outcome.is_some() {
            results.push(state.result(name));
        }
    }
    (overall, results)
}

#[cfg(test)]
mod tests {
    use aspire_api::aspire::ProbeAction;

    use super::*;

    fn probe(start_period: u64, retries: u32) -> Probe {
        Probe {
            action: ProbeAction::Tcp {
                endpoint: "tcp".into(),
            },
            interval: 2000,
            timeout: 1000,
            start_period,
            retries,
            liveness: false,
        }
    }

    fn health(probe: &Probe, state: &ProbeState) -> HealthStatus {
        let name = "ready".to_owned();
        overall(
            &[(name.clone(), probe.clone())].into(),
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
            state.observe(&probe, Err("refused".into()), since, Timestamp(0));
            let pause = state.next_pause(&probe);
            pauses.push(pause.as_millis());
            since += pause;
        }
        assert_eq!(pauses[..7], [25, 50, 100, 200, 400, 800, 1000]);
        assert!(
            since > Duration::from_secs(4) && since < Duration::from_secs(7),
            "{since:?}"
        );
        state.observe(&probe, Ok(()), since, Timestamp(1));
        assert_eq!(health(&probe, &state), HealthStatus::Healthy);
        assert_eq!(state.next_pause(&probe), Duration::from_secs(2));
        for failures in 1..=3 {
            assert_eq!(health(&probe, &state), HealthStatus::Healthy, "{failures}");
            state.observe(&probe, Err("refused".into()), since, Timestamp(2));
        }
        assert_eq!(health(&probe, &state), HealthStatus::Unhealthy);
    }

    #[test]
    fn the_start_period() {
        let probe = probe(5000, 1);
        let mut state = ProbeState::default();
        state.observe(
            &probe,
            Err("x".into()),
            Duration::from_millis(4999),
            Timestamp(0),
        );
        assert_eq!(health(&probe, &state), HealthStatus::Caution);
        state.observe(
            &probe,
            Err("x".into()),
            Duration::from_millis(5000),
            Timestamp(0),
        );
        assert_eq!(health(&probe, &state), HealthStatus::Unhealthy);
    }

    #[test]
    fn without_probes_running_is_healthy() {
        assert_eq!(
            overall(&BTreeMap::new(), &BTreeMap::new()),
            (HealthStatus::Healthy, vec![])
        );
    }
}
