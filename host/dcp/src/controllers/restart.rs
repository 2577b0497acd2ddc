//! Whether a workload that ended is started again, and when; pure.
//!
//! The pause before the next try doubles from a quarter of a second to half a minute. A workload
//! that ran for a minute is forgiven what was before: its pauses and its tries begin anew.

use std::collections::BTreeMap;
use std::time::Duration;

use aspire_api::ObjectMeta;
use aspire_api::aspire::Aspire;
use aspire_api::container::{Container, RestartPolicy};
use aspire_api::executable::Executable;

use super::health::{self, Schedule};
use super::workload::{Again, Facts, Work};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A run of this length makes up for the failures before it.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// What the object says of starting it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rule {
    /// When.
    pub(crate) policy: RestartPolicy,
    /// How often in a row; none: without end.
    pub(crate) maximum: Option<u32>,
    /// How often in a row it was already.
    pub(crate) attempt: u32,
}

/// Something that may be started again.
pub(crate) trait Restarts {
    /// What it says of that.
    fn rule(&self) -> Rule;
}

impl Restarts for Executable {
    fn rule(&self) -> Rule {
        rule(&self.metadata, self.spec.aspire.as_ref(), None)
    }
}

impl Restarts for Container {
    fn rule(&self) -> Rule {
        let spec = &self.spec;
        rule(&self.metadata, spec.aspire.as_ref(), spec.restart_policy)
    }
}

fn rule(metadata: &ObjectMeta, aspire: Option<&Aspire>, own: Option<RestartPolicy>) -> Rule {
    let restart = aspire.and_then(|aspire| aspire.restart.as_ref());
    Rule {
        policy: restart.map_or(own.unwrap_or_default(), |restart| restart.policy),
        maximum: restart.and_then(|restart| restart.maximum),
        attempt: metadata.attempt(),
    }
}

/// What follows from an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays ended.
    Never,
    /// It was started again as often as it may be.
    GivenUp(u32),
    /// It is started again for this time in a row, after a pause.
    After(u32, Duration),
}

/// Decides about a workload that ended by itself, or was stopped because it was unhealthy.
pub(crate) fn decide(rule: &Rule, failed: bool, ran: Duration) -> Verdict {
    let wanted = match rule.policy {
        RestartPolicy::No => false,
        RestartPolicy::OnFailure => failed,
        RestartPolicy::UnlessStopped | RestartPolicy::Always => true,
    };
    if !wanted {
        return Verdict::Never;
    }
    let before = if ran >= FORGOTTEN { 0 } else { rule.attempt };
    if rule.maximum.is_some_and(|maximum| before >= maximum) {
        return Verdict::GivenUp(before);
    }
    Verdict::After(before.saturating_add(1), pause(before))
}

/// Before the next try, after so many in a row.
fn pause(before: u32) -> Duration {
    // Far beyond the longest.
    (FIRST_PAUSE * 2u32.pow(before.min(16))).min(LONGEST_PAUSE)
}

/// What happens next, in words; none: nothing does. `why`: what happened.
pub(crate) fn words(facts: &Facts, rule: &Rule, why: &str) -> Option<String> {
    let why = why.strip_prefix("ended with ").unwrap_or(why);
    let of = |attempt: u32| match rule.maximum {
        Some(maximum) => format!("attempt {attempt} of {maximum}"),
        None => format!("attempt {attempt}"),
    };
    match (&facts.again, &facts.successor) {
        (Again::No | Again::Cancelled, _) => None,
        (Again::Waiting { pause, attempt, .. }, _) => Some(format!(
            "restarting in {} ({why}, {})",
            in_words(*pause),
            of(*attempt)
        )),
        (Again::Due { attempt } | Again::Begun { attempt }, None) => {
            Some(format!("restarting ({why}, {})", of(*attempt)))
        }
        (Again::Due { .. } | Again::Begun { .. }, Some(name)) => {
            Some(format!("{why}; started again as {name}"))
        }
        (Again::GivenUp(0), _) => Some(format!("{why}; not started again")),
        (Again::GivenUp(1), _) => Some(format!("{why}; given up after 1 restart")),
        (Again::GivenUp(count), _) => Some(format!("{why}; given up after {count} restarts")),
    }
}

impl Facts {
    /// Why it was stopped, where nobody asked for that; in words.
    pub(crate) fn sentence(&self, probes: &BTreeMap<String, Schedule>) -> String {
        if !self.condemned {
            let because = |pid| format!("stopped because process {pid} has ended");
            return self.orphaned.map(because).unwrap_or_default();
        }
        match health::lifeless(probes, &self.probes) {
            Some(reason) => format!("stopped because it was unhealthy ({reason})"),
            None => "stopped because it was unhealthy".to_owned(),
        }
    }

    /// Why it never ran, in words.
    pub(crate) fn abandoned(&self) -> String {
        match self.orphaned {
            Some(pid) => format!("not started because process {pid} has ended"),
            None => "stopped before it was started".to_owned(),
        }
    }

    /// How it ended and what follows, in words.
    pub(crate) fn end_in_words(&self, probes: &BTreeMap<String, Schedule>, rule: &Rule) -> String {
        let note = self.ended.as_ref().map_or("", |ended| &ended.note);
        let orphaned = self.orphaned.is_some() && self.stop != Work::Idle;
        let told = self.condemned || orphaned;
        let why = if told {
            self.sentence(probes)
        } else if note.is_empty() {
            let code = self.ended.as_ref().and_then(|ended| ended.code);
            code.map_or("ended".to_owned(), |code| format!("exit code {code}"))
        } else {
            note.to_owned()
        };
        match words(self, rule, &why) {
            Some(words) => words,
            None if told => why,
            None => note.to_owned(),
        }
    }

    /// When it is started again, as a status has it.
    pub(crate) fn restart_time(&self) -> Option<String> {
        match self.again {
            Again::Waiting { due, .. } => Some(due.to_string()),
            Again::Due { .. } | Again::Begun { .. } if self.successor.is_none() => {
                self.ended.as_ref().map(|ended| ended.at.to_string())
            }
            _ => None,
        }
    }
}

/// A time, for people.
pub(crate) fn in_words(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const SHORT: Duration = Duration::from_secs(59);

    fn rule(policy: RestartPolicy, maximum: Option<u32>, attempt: u32) -> Rule {
        Rule {
            policy,
            maximum,
            attempt,
        }
    }

    #[test]
    fn every_policy() {
        use RestartPolicy as P;
        for (policy, on_success, on_failure) in [
            (P::No, false, false),
            (P::OnFailure, false, true),
            (P::UnlessStopped, true, true),
            (P::Always, true, true),
        ] {
            for (failed, again) in [(false, on_success), (true, on_failure)] {
                let verdict = decide(&rule(policy, None, 0), failed, SHORT);
                assert_eq!(verdict != Verdict::Never, again, "{policy:?} {failed}");
            }
        }
    }

    #[test]
    fn pauses_double_to_half_a_minute() {
        let pauses: Vec<u128> = (0..10)
            .map(
                |before| match decide(&rule(RestartPolicy::Always, None, before), true, SHORT) {
                    Verdict::After(attempt, pause) => {
                        assert_eq!(attempt, before + 1);
                        pause.as_millis()
                    }
                    other => unreachable!("{other:?}"),
                },
            )
            .collect();
        let expected = [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000];
        assert_eq!(pauses, expected);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_maximum_and_what_is_forgotten() {
        let at =
            |attempt, ran| decide(&rule(RestartPolicy::OnFailure, Some(2), attempt), true, ran);
        assert_eq!(at(1, SHORT), Verdict::After(2, FIRST_PAUSE * 2));
        assert_eq!(at(2, SHORT), Verdict::GivenUp(2));
        assert_eq!(at(2, FORGOTTEN), Verdict::After(1, FIRST_PAUSE));
        let none = rule(RestartPolicy::Always, Some(0), 0);
        assert_eq!(decide(&none, true, FORGOTTEN), Verdict::GivenUp(0));
    }

    #[test]
    fn in_all_words() {
        let rule = rule(RestartPolicy::Always, Some(5), 2);
        let says = |again: Again, successor: Option<&str>| {
            let facts = Facts {
                again,
                successor: successor.map(str::to_owned),
                ..Facts::default()
            };
            words(&facts, &rule, "ended with exit code 1").unwrap_or_default()
        };
        let waiting = Again::Waiting {
            due: Timestamp(1),
            pause: Duration::from_secs(4),
            attempt: 3,
        };
        assert_eq!(
            says(waiting, None),
            "restarting in 4 s (exit code 1, attempt 3 of 5)"
        );
        let begun = Again::Begun { attempt: 3 };
        assert_eq!(
            says(begun, None),
            "restarting (exit code 1, attempt 3 of 5)"
        );
        assert_eq!(
            says(begun, Some("web-r3")),
            "exit code 1; started again as web-r3"
        );
        assert_eq!(
            says(Again::GivenUp(5), None),
            "exit code 1; given up after 5 restarts"
        );
        assert_eq!(says(Again::No, None), "");
    }
}
