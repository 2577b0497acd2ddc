//! Whether a workload is what somebody waits for; pure.

use crate::args::WaitFor;
use crate::run::view::Phase;
use crate::running::workloads::Workload;

/// What there is to say about a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is so.
    Yes,
    /// It may become so.
    NotYet,
    /// It won't become so by itself.
    Never,
}

/// Whether it is. `lenient`: nobody named it, so what has done its work or waits to be asked for
/// doesn't hold up anybody.
pub(crate) fn judge(workload: &Workload, wanted: WaitFor, lenient: bool) -> Verdict {
    let row = &workload.row;
    if lenient && wanted != WaitFor::Stopped {
        match row.phase {
            Phase::Finished => return Verdict::Yes,
            Phase::Waiting if row.manual => return Verdict::Yes,
            _ => {}
        }
    }
    match (wanted, row.phase) {
        (WaitFor::Healthy, Phase::Running) if workload.is_healthy() => Verdict::Yes,
        (WaitFor::Running, Phase::Running)
        | (WaitFor::Stopped, Phase::Finished | Phase::Failed) => Verdict::Yes,
        (WaitFor::Completed, Phase::Finished) if row.stopped => Verdict::Never,
        (WaitFor::Completed, Phase::Finished) => Verdict::Yes,
        (WaitFor::Healthy | WaitFor::Running, Phase::Finished | Phase::Failed)
        | (WaitFor::Completed, Phase::Failed) => Verdict::Never,
        (WaitFor::Stopped, Phase::Waiting) if row.manual => Verdict::Yes,
        // Somebody else has to ask for it first.
        (_, Phase::Waiting) if row.manual => Verdict::Never,
        _ => Verdict::NotYet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::running::workloads::{self, samples};
    use aspire_api::executable::ExecutableState as S;

    #[test]
    fn every_state_with_every_wish() {
        use WaitFor::{Completed, Healthy, Running, Stopped};
        let _ = workloads::READY;
        let code = |state, code: Option<i32>, wish, lenient| {
            let all = samples::of(vec![samples::process("api", |e| {
                e.status.state = state;
                e.status.exit_code = code;
            })]);
            match judge(all.one("api").unwrap(), wish, lenient) {
                Verdict::Yes => 'y',
                Verdict::NotYet => '.',
                Verdict::Never => 'n',
            }
        };
        let table = [
            (S::Initial, None, "....", "...."),
            (S::Starting, None, "....", "...."),
            (S::Running, None, "yy..", "yy.."),
            (S::Stopping, None, "....", "...."),
            (S::Finished, Some(0), "nnyy", "yyyy"),
            (S::Finished, Some(3), "nnny", "nnny"),
            (S::FailedToStart, None, "nnny", "nnny"),
        ];
        for (state, exit, named, lenient) in table {
            for (lenient, expected) in [(false, named), (true, lenient)] {
                let found: String = [Healthy, Running, Completed, Stopped]
                    .map(|wish| code(state, exit, wish, lenient))
                    .iter()
                    .collect();
                assert_eq!(found, expected, "{state:?} {exit:?} lenient: {lenient}");
            }
        }
    }

    #[test]
    fn what_nobody_asked_for_is_not_waited_for() {
        let all = samples::of(vec![samples::process("api", |e| e.spec.start = false)]);
        let api = all.one("api").unwrap();
        assert_eq!(judge(api, WaitFor::Healthy, false), Verdict::Never);
        assert_eq!(judge(api, WaitFor::Healthy, true), Verdict::Yes);
        assert_eq!(judge(api, WaitFor::Stopped, false), Verdict::Yes);
    }
}
