//! Ours answers as a real Kubernetes API server does: the recorded requests, and every difference
//! that is not listed with a reason. See `aspire_host_tests::oracle`.
//!
//! With `ASPIRE_ORACLE_KUBECONFIG` the server that it names is asked instead: against the real one
//! (`tests/oracle/with cargo test …`) nothing may differ, or the recording is no oracle.
//! `ASPIRE_ORACLE_TOPIC` picks one topic.

use aspire_host_tests::oracle::compare::{self, Difference};
use aspire_host_tests::oracle::server::{GIVEN, Server};
use aspire_host_tests::oracle::{replay, script};
use aspire_host_tests::places;
use serde_json::Value;

#[test]
fn answers_are_those_of_a_real_server() {
    let server = Server::find();
    let real = std::env::var_os(GIVEN).is_some();
    let wanted = std::env::var("ASPIRE_ORACLE_TOPIC").ok();
    let listed = if real { Vec::new() } else { compare::listed() };
    let mut used = vec![false; listed.len()];
    let mut unlisted: Vec<Difference> = Vec::new();
    let mut asked = 0;
    for name in script::topics() {
        if wanted.as_ref().is_some_and(|wanted| *wanted != name) {
            continue;
        }
        let ours = replay::topic(&server, &script::topic(&name));
        asked += ours.len();
        let found = compare::topic(&name, &recorded(&name), &ours);
        places::say(&format!(
            "{name}: {} answers, {} differences",
            ours.len(),
            found.len()
        ));
        for difference in found {
            let mut known = false;
            for (entry, used) in listed.iter().zip(&mut used) {
                if entry.covers(&difference) {
                    known = true;
                    *used = true;
                }
            }
            if !known {
                unlisted.push(difference);
            }
        }
    }
    assert!(asked > 0, "nothing was asked");
    let shown: Vec<String> = unlisted.iter().map(ToString::to_string).collect();
    assert!(
        unlisted.is_empty(),
        "{} differences that are not listed:\n{}",
        unlisted.len(),
        shown.join("\n")
    );
    if wanted.is_none() {
        for (entry, used) in listed.iter().zip(used) {
            assert!(used, "listed, but no longer different: {entry:?}");
        }
    }
}

#[test]
fn every_topic_was_recorded() {
    for name in script::topics() {
        let topic = script::topic(&name);
        let answers = recorded(&name);
        let asked: Vec<&String> = topic
            .requests
            .iter()
            .filter(|step| !step.quiet)
            .map(|step| &step.name)
            .collect();
        for step in &asked {
            assert!(
                answers.contains_key(*step),
                "{name}: `{step}` was not recorded"
            );
        }
        assert_eq!(
            asked.len(),
            answers.len(),
            "{name}: names twice, or old answers"
        );
    }
}

fn recorded(name: &str) -> serde_json::Map<String, Value> {
    let path = script::place("answers").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run tests/oracle/record", path.display()));
    serde_json::from_str(&text).expect("JSON")
}
