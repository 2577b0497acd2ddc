//! Gates, steps and ends of a workload: the table of what follows from what.

use aspire_api::container::RestartPolicy;

use super::*;

fn ended(code: i32) -> Ended {
    Ended {
        at: Timestamp(5),
        ran: Duration::ZERO,
        code: Some(code),
        note: String::new(),
    }
}

fn launches() -> Vec<Launch> {
    vec![
        Launch::Idle,
        Launch::Busy(Stage::Starting, String::new()),
        Launch::Done,
        Launch::Failed("no".into(), Timestamp(1)),
        Launch::Abandoned,
        Launch::Aborted,
    ]
}

fn agains() -> [Again; 6] {
    [
        Again::No,
        Again::Waiting {
            due: Timestamp(1),
            pause: Duration::from_millis(250),
            attempt: 1,
        },
        Again::Due { attempt: 1 },
        Again::Begun { attempt: 1 },
        Again::Cancelled,
        Again::GivenUp(3),
    ]
}

/// Every combination of facts that matters to [`step`].
fn all_facts() -> Vec<Facts> {
    let mut all = Vec::new();
    for launch in launches() {
        for end in [None, Some(ended(0)), Some(ended(1))] {
            for stop in [Work::Idle, Work::Busy, Work::Done] {
                for clean in [Work::Idle, Work::Busy, Work::Done] {
                    for flags in 0..16u8 {
                        // What is started again has run and ended.
                        let ran = launch == Launch::Done && end.is_some();
                        for again in agains().into_iter().take(if ran { 6 } else { 1 }) {
                            all.push(Facts {
                                launch: launch.clone(),
                                ended: end.clone(),
                                stop,
                                clean,
                                aborting: flags & 1 != 0,
                                serving: flags & 2 != 0,
                                stuck: flags & 4 != 0,
                                condemned: flags & 8 != 0,
                                again,
                                ..Facts::default()
                            });
                        }
                    }
                }
            }
        }
    }
    all
}

fn all_wanted() -> impl Iterator<Item = Wanted> {
    let rule = |policy| Rule {
        policy,
        ..Rule::default()
    };
    let rules = [RestartPolicy::No, RestartPolicy::OnFailure].map(rule);
    (0..512u16).map(move |bits| Wanted {
        finalizer: bits & 1 != 0,
        deleting: bits & 2 != 0,
        start: bits & 4 != 0,
        stop: bits & 8 != 0,
        open: bits & 16 != 0,
        held: bits & 32 != 0,
        unhealthy: bits & 64 != 0,
        ending: bits & 128 != 0,
        rule: rules[usize::from(bits >> 8)],
    })
}

/// Written only when it is wrong.
struct Case<'a>(&'a Facts, &'a Wanted, &'a [Effect]);

impl std::fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?} -> {:?}", self.0, self.1, self.2)
    }
}

#[test]
fn the_whole_table() {
    for facts in all_facts() {
        for wanted in all_wanted() {
            let (next, effects) = step(&facts, &wanted);
            let has = |effect| effects.contains(&effect);
            let case = Case(&facts, &wanted, &effects);
            let end = wanted.stop || wanted.deleting;
            // Nothing before the finalizer.
            if !wanted.finalizer {
                assert_eq!(has(Effect::AddFinalizer), !wanted.deleting, "{case}");
                assert!(effects.len() <= 1 && next == facts, "{case}");
                continue;
            }
            let idle = facts.launch == Launch::Idle;
            let busy = matches!(facts.launch, Launch::Busy(..));
            let running = facts.launch == Launch::Done && facts.ended.is_none() && !facts.stuck;
            assert_eq!(
                has(Effect::Launch),
                idle && wanted.start && wanted.open && !end,
                "{case}"
            );
            assert_eq!(has(Effect::Abort), busy && end && !facts.aborting, "{case}");
            let condemned = wanted.unhealthy && !end && !wanted.ending;
            let stops = running && facts.stop == Work::Idle && (end && !wanted.held || condemned);
            assert_eq!(has(Effect::Stop), stops, "{case}");
            let serves = running && facts.stop == Work::Idle && !stops;
            assert_eq!(has(Effect::Serve), serves && !facts.serving, "{case}");
            assert_eq!(has(Effect::Unserve), !serves && facts.serving, "{case}");
            let over = match facts.launch {
                Launch::Idle => end,
                Launch::Busy(..) => false,
                Launch::Done => facts.ended.is_some() || facts.stuck,
                Launch::Failed(..) | Launch::Abandoned | Launch::Aborted => true,
            };
            assert_eq!(
                next.condemned,
                facts.condemned && !stops || stops && condemned,
                "{case}"
            );
            let over = over && facts.stop != Work::Busy;
            let cleans = over && (wanted.deleting || next.restarts());
            assert_eq!(
                has(Effect::Clean),
                cleans && facts.clean == Work::Idle,
                "{case}"
            );
            assert_eq!(
                has(Effect::Release),
                over && wanted.deleting && facts.clean == Work::Done,
                "{case}"
            );
            // Only what ended by itself is started again, and only while nobody minds.
            let by_itself = facts.stop == Work::Idle || facts.condemned && facts.stop == Work::Done;
            let ran = facts.launch == Launch::Done && facts.ended.is_some();
            let failed = facts.condemned || facts.ended == Some(ended(1));
            let minds = end || wanted.ending;
            let waits = ran
                && by_itself
                && !minds
                && facts.again == Again::No
                && wanted.rule.policy == RestartPolicy::OnFailure
                && failed;
            assert_eq!(
                has(Effect::Wait(Duration::from_millis(250))),
                waits,
                "{case}"
            );
            let succeeds = ran
                && by_itself
                && matches!(facts.again, Again::Due { .. })
                && facts.clean == Work::Done;
            assert_eq!(has(Effect::Succeed), succeeds && !minds, "{case}");
            if minds && ran && by_itself {
                let waits = matches!(facts.again, Again::Waiting { .. } | Again::Due { .. });
                assert_eq!(
                    next.again == Again::Cancelled,
                    waits || facts.again == Again::Cancelled
                );
            }
            // Asked again, it does nothing new but what is harmless to repeat.
            let (again, repeated) = step(&next, &wanted);
            assert_eq!(again, next, "{case}");
            assert!(
                repeated.iter().all(|effect| *effect == Effect::Release),
                "{case}"
            );
        }
    }
}

/// Where a workload is, in one word; what statuses are made of.
fn word(facts: &Facts) -> &'static str {
    match (&facts.launch, &facts.ended) {
        (Launch::Idle, _) => "idle",
        (Launch::Busy(..), _) => "starting",
        (Launch::Failed(..), _) => "failed",
        (Launch::Abandoned, _) => "abandoned",
        (Launch::Aborted, _) => "aborted",
        (Launch::Done, Some(_)) => "ended",
        (Launch::Done, None) if facts.stuck => "stuck",
        (Launch::Done, None) if facts.stop != Work::Idle => "stopping",
        (Launch::Done, None) => "running",
    }
}

#[test]
fn every_report_in_every_state() {
    let reports = [
        Report::Progress(Stage::Building, "x".into()),
        Report::Created("id".into(), "name".into()),
        Report::Started(Started::default()),
        Report::Failed("no".into(), Timestamp(2)),
        Report::Ended(ended(7)),
        Report::Revived(Timestamp(9), BTreeMap::new()),
        Report::Paused(true),
        Report::Stopped(true),
        Report::Stopped(false),
        Report::Cleaned,
        Report::Probed("ready".into(), ProbeState::default()),
        Report::Due,
        Report::Succeeded(Some("next".into())),
        Report::Succeeded(None),
    ];
    let allowed = [
        ("starting", "running"),
        ("starting", "failed"),
        ("starting", "aborted"),
        ("starting", "ended"),
        ("starting", "stopping"),
        ("starting", "stuck"),
        ("running", "ended"),
        ("running", "stopping"),
        ("running", "stuck"),
        ("stopping", "ended"),
        ("stopping", "stuck"),
        // By somebody else, behind our back.
        ("ended", "running"),
        ("stuck", "running"),
        ("stopping", "running"),
    ];
    for facts in all_facts() {
        for report in &reports {
            let mut next = facts.clone();
            next.learn(report.clone());
            let (from, to) = (word(&facts), word(&next));
            assert!(
                from == to || allowed.contains(&(from, to)),
                "{facts:?} {report:?}"
            );
            let revived = matches!(report, Report::Revived(..));
            if !revived && (facts.ended.is_some() || facts.launch != Launch::Done) {
                assert_eq!(facts.ended, next.ended);
            }
            // What is being removed or replaced by us is not somebody else's to start.
            let ours = facts.clean != Work::Idle || facts.restarts();
            if revived && (ours || facts.launch != Launch::Done) {
                assert_eq!(facts, next);
            }
            // What is being stopped runs again when that is over, however it went.
            if revived && !ours && facts.launch == Launch::Done {
                if facts.stop == Work::Busy {
                    assert_eq!(to, from);
                    next.learn(Report::Stopped(facts.aborting));
                }
                assert_eq!(word(&next), "running");
            }
        }
    }
}

#[test]
fn a_whole_life() {
    let mut facts = Facts::default();
    let mut wanted = Wanted {
        start: true,
        ..Wanted::default()
    };
    let go = |facts: &mut Facts, wanted: &Wanted| {
        let (next, effects) = step(facts, wanted);
        *facts = next;
        effects
    };
    assert_eq!(go(&mut facts, &wanted), [Effect::AddFinalizer]);
    wanted.finalizer = true;
    assert_eq!(go(&mut facts, &wanted), []);
    wanted.open = true;
    assert_eq!(go(&mut facts, &wanted), [Effect::Launch]);
    facts.learn(Report::Started(Started::default()));
    assert_eq!(go(&mut facts, &wanted), [Effect::Serve]);
    wanted.deleting = true;
    wanted.held = true;
    assert_eq!(go(&mut facts, &wanted), []);
    wanted.held = false;
    assert_eq!(go(&mut facts, &wanted), [Effect::Stop, Effect::Unserve]);
    facts.learn(Report::Ended(ended(143)));
    assert_eq!(go(&mut facts, &wanted), []);
    facts.learn(Report::Stopped(true));
    assert_eq!(go(&mut facts, &wanted), [Effect::Clean]);
    facts.learn(Report::Cleaned);
    assert_eq!(go(&mut facts, &wanted), [Effect::Release]);
}

#[test]
fn started_again_by_somebody_else() {
    let address = |port| BTreeMap::from([("tcp".into(), SocketAddr::from(([127, 0, 0, 1], port)))]);
    let mut facts = Facts {
        launch: Launch::Done,
        ended: Some(ended(3)),
        stop: Work::Done,
        again: Again::Cancelled,
        ..Facts::default()
    };
    let mut wanted = Wanted {
        finalizer: true,
        start: true,
        open: true,
        ..Wanted::default()
    };
    facts.learn(Report::Revived(Timestamp(9), address(1)));
    assert_eq!(word(&facts), "running");
    assert_eq!(facts.started.at, Timestamp(9));
    let (mut facts, effects) = step(&facts, &wanted);
    assert_eq!(effects, [Effect::Serve]);
    // So quickly that it was never seen ended: it is somewhere else now.
    facts.learn(Report::Revived(Timestamp(11), address(2)));
    let (facts, effects) = step(&facts, &wanted);
    assert_eq!(effects, [Effect::Unserve, Effect::Serve]);
    assert_eq!(step(&facts, &wanted).1, []);
    // Nobody wants it to run.
    wanted.stop = true;
    assert_eq!(step(&facts, &wanted).1, [Effect::Stop, Effect::Unserve]);
}

#[test]
fn deleted_while_it_starts() {
    let mut facts = Facts {
        launch: Launch::Busy(Stage::Starting, String::new()),
        ..Facts::default()
    };
    let wanted = Wanted {
        finalizer: true,
        deleting: true,
        start: true,
        ..Wanted::default()
    };
    let (next, effects) = step(&facts, &wanted);
    assert_eq!(effects, [Effect::Abort]);
    facts = next;
    // It was too late to give up: it runs, and is stopped.
    facts.learn(Report::Started(Started::default()));
    assert_eq!(step(&facts, &wanted).1, [Effect::Stop]);
}

#[test]
fn a_life_that_goes_on() {
    let mut facts = Facts {
        launch: Launch::Done,
        serving: true,
        ..Facts::default()
    };
    let mut wanted = Wanted {
        finalizer: true,
        start: true,
        open: true,
        rule: Rule {
            policy: RestartPolicy::Always,
            maximum: Some(2),
            attempt: 1,
        },
        ..Wanted::default()
    };
    let go = |facts: &mut Facts, wanted: &Wanted| {
        let (next, effects) = step(facts, wanted);
        *facts = next;
        effects
    };
    facts.learn(Report::Ended(ended(1)));
    let effects = go(&mut facts, &wanted);
    let pause = Duration::from_millis(500);
    assert_eq!(
        effects,
        [Effect::Unserve, Effect::Wait(pause), Effect::Clean]
    );
    let mut stopped = facts.clone();
    // The pause may be over before nothing is left, and the other way round.
    facts.learn(Report::Due);
    assert_eq!(go(&mut facts, &wanted), []);
    facts.learn(Report::Cleaned);
    assert_eq!(go(&mut facts, &wanted), [Effect::Succeed]);
    assert_eq!(go(&mut facts, &wanted), []);
    facts.learn(Report::Succeeded(Some("next".into())));
    wanted.deleting = true;
    assert_eq!(go(&mut facts, &wanted), [Effect::Release]);
    // A stop meanwhile wins.
    wanted.deleting = false;
    wanted.stop = true;
    stopped.learn(Report::Cleaned);
    assert_eq!(go(&mut stopped, &wanted), []);
    stopped.learn(Report::Due);
    assert_eq!(go(&mut stopped, &wanted), []);
    assert_eq!(stopped.again, Again::Cancelled);
    // Twice were enough.
    wanted.stop = false;
    wanted.rule.attempt = 2;
    let mut facts = Facts {
        launch: Launch::Done,
        ended: Some(ended(1)),
        ..Facts::default()
    };
    assert_eq!(go(&mut facts, &wanted), []);
    assert_eq!(facts.again, Again::GivenUp(2));
}

#[test]
fn unhealthy_is_stopped_and_started_again() {
    let mut facts = Facts {
        launch: Launch::Done,
        serving: true,
        ..Facts::default()
    };
    let wanted = Wanted {
        finalizer: true,
        start: true,
        unhealthy: true,
        rule: Rule {
            policy: RestartPolicy::OnFailure,
            ..Rule::default()
        },
        ..Wanted::default()
    };
    let go = |facts: &mut Facts, wanted: &Wanted| {
        let (next, effects) = step(facts, wanted);
        *facts = next;
        effects
    };
    assert_eq!(go(&mut facts, &wanted), [Effect::Stop, Effect::Unserve]);
    // Ended by our request, even with 0: a failure all the same.
    facts.learn(Report::Ended(ended(0)));
    assert_eq!(go(&mut facts, &wanted), []);
    facts.learn(Report::Stopped(true));
    let pause = Duration::from_millis(250);
    let expected = [Effect::Wait(pause), Effect::Clean];
    assert_eq!(go(&mut facts, &wanted), expected);
}
