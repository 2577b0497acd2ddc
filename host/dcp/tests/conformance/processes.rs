//! Processes: clauses 19 to 21 and 35.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aspire_dcp::runtime::EngineError;
use aspire_dcp::testing::FakeEngine;
use axum::http::Method;
use serde_json::{Value, json};

use crate::lab::{Lab, state};
use crate::support::{Folders, alive, file};

async fn lab() -> Lab {
    Lab::begin("processes", Folders::new(), None).await
}

fn script(text: &str) -> Value {
    json!({"executablePath": "/bin/sh", "args": ["-c", text]})
}

/// Processes whose working directory is the test's.
fn here(lab: &Lab) -> Vec<String> {
    let folder = lab.folders.path().canonicalize().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let here = processes.filter(|process| {
        std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == folder)
    });
    here.map(|process| process.file_name().to_string_lossy().into_owned())
        .filter(|pid| alive(pid))
        .collect()
}

#[tokio::test]
async fn deleted_while_it_starts() {
    let lab = lab().await;
    // At every moment of a start: the request is on its way while the process begins.
    for round in 0..40u64 {
        let path = format!("executables/e{round}");
        lab.make(
            "Executable",
            &format!("e{round}"),
            script("sleep 1000 & sleep 1000"),
        )
        .await;
        tokio::time::sleep(Duration::from_micros(round * 250)).await;
        let (code, answer) = lab.send(Method::DELETE, &path, "", &Value::Null).await;
        assert!(matches!(code, 200 | 202), "{answer}");
    }
    // One that waits for something has not begun.
    let waits = json!({
        "executablePath": "/bin/sh", "args": ["-c", "sleep 1000"],
        "env": [{"name": "X", "value": r#"{{- portFor "never" -}}"#}],
    });
    lab.make("Executable", "waits", waits).await;
    lab.reaches("executables/waits", "Starting").await;
    lab.remove("executables/waits").await;
    none_left(&lab).await;
    lab.end().await;
}

async fn none_left(lab: &Lab) {
    let begun = Instant::now();
    loop {
        let (_, list) = lab.send(Method::GET, "executables", "", &Value::Null).await;
        if list["items"] == json!([]) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{list}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(here(lab), [""; 0]);
}

#[tokio::test]
async fn a_hundred_deleted_at_once() {
    let lab = Arc::new(lab().await);
    for number in 0..100 {
        lab.make(
            "Executable",
            &format!("e{number}"),
            script("exec sleep 1000"),
        )
        .await;
    }
    for number in 0..100 {
        lab.reaches(&format!("executables/e{number}"), "Running")
            .await;
    }
    assert_eq!(here(&lab).len(), 100);
    let begun = Instant::now();
    let deletions: Vec<_> = (0..100)
        .map(|number| {
            let lab = Arc::clone(&lab);
            tokio::spawn(async move { lab.remove(&format!("executables/e{number}")).await })
        })
        .collect();
    for deletion in deletions {
        deletion.await.unwrap();
    }
    none_left(&lab).await;
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
    Arc::into_inner(lab).unwrap().end().await;
}

#[tokio::test]
async fn two_services_and_each_its_port() {
    let lab = lab().await;
    let produced = r#"[{"serviceName": "one"}, {"serviceName": "two"}]"#;
    let spec = json!({
        "executablePath": "/bin/sh",
        "args": ["-c", "echo $ONE $TWO $1 > said; exec sleep 1000", "sh",
            r#"{{ portForServing "two" }}"#],
        "env": [
            {"name": "ONE", "value": r#"{{- portForServing "one" -}}"#},
            {"name": "TWO", "value": r#"{{- portForServing "two" -}}"#},
        ],
    });
    let metadata = json!({"name": "e", "annotations": {"service-producer": produced}});
    lab.make("Service", "one", json!({})).await;
    lab.make_with("Executable", metadata, spec).await;
    // The other service comes later.
    let path = "executables/e";
    lab.until(path, |it| {
        it["status"]["message"] == "waiting for the port of two"
    })
    .await;
    assert_eq!(state(&lab.get(path).await.unwrap()), "Starting");
    lab.make("Service", "two", json!({})).await;
    lab.reaches(path, "Running").await;
    let said = file(&lab.folders.path().join("said")).await;
    let ports: Vec<u16> = said
        .split(' ')
        .map(|port| port.trim().parse().unwrap())
        .collect();
    assert_ne!(ports[0], ports[1]);
    assert_eq!(ports[1], ports[2]);
    for (service, port) in ["one", "two"].iter().zip(&ports) {
        let endpoint = lab.until(&format!("endpoints/e-{service}"), |_| true).await;
        assert_eq!(endpoint["spec"]["port"], *port);
        let service = lab.reaches(&format!("services/{service}"), "Ready").await;
        assert_ne!(
            service["status"]["effectivePort"], *port,
            "there is a relay between"
        );
    }
    lab.end().await;
}

/// What can't be stopped is not known to have ended, and can be deleted all the same. (Of a
/// process that survives being killed there is none to be had; its states are in the matrix.)
#[tokio::test]
async fn what_cannot_be_stopped_is_unknown() {
    let engine = FakeEngine::new();
    let lab = Lab::begin("stuck", Folders::new(), Some(Arc::new(engine.clone()))).await;
    lab.make("Container", "c", json!({"image": "x:1"})).await;
    lab.reaches("containers/c", "Running").await;
    engine.fail("stop", EngineError::Other("permission denied".into()));
    lab.change("containers/c", json!({"stop": true})).await;
    let unknown = lab.reaches("containers/c", "Unknown").await;
    assert_eq!(unknown["status"]["message"], "it could not be stopped");
    let told = lab.log("containers/c", "?source=system").await;
    assert!(told.contains("permission denied"), "{told}");
    lab.remove("containers/c").await;
    assert!(engine.containers().is_empty());
    lab.plane.stop(aspire_dcp::Stop::Graceful).await;
}

/// Moves of an Executable (reference/dcp.md 1.2), and those that a watch may see as one because
/// it is told of what is, not of every step.
const MOVES: &str = "
    -         Starting Running NotFound Terminated FailedToStart Unknown
    NotFound  Starting Running Terminated FailedToStart Unknown
    Starting  Running FailedToStart Finished Unknown
    Running   Stopping Terminated Finished Unknown
    Stopping  Terminated Finished Unknown
";

#[tokio::test]
async fn no_observed_move_leaves_the_matrix() {
    let lab = lab().await;
    let allowed: BTreeSet<(String, String)> = MOVES
        .lines()
        .flat_map(|line| {
            let mut words = line.split_whitespace().map(|word| word.replace('-', ""));
            let from = words.next().unwrap_or_default();
            words.map(move |to| (from.clone(), to)).collect::<Vec<_>>()
        })
        .collect();
    let programs = [
        script("exit 0"),
        script("exit 7"),
        script("sleep 0.05"),
        script("trap '' TERM; sleep 0.3"),
        script("exec sleep 1000"),
        json!({"executablePath": "/no/such/program"}),
        json!({"executablePath": "/bin/sh", "start": false}),
        json!({"executablePath": "/bin/sh", "env": [
            {"name": "X", "value": r#"{{- portFor "never" -}}"#},
        ]}),
    ];
    let mut paths = Vec::new();
    for round in 0..12u64 {
        for (number, program) in programs.iter().enumerate() {
            let name = format!("e{round}-{number}");
            lab.make("Executable", &name, program.clone()).await;
            paths.push(format!("executables/{name}"));
        }
        // Somebody starts, stops and deletes them, each at another moment.
        for (number, path) in paths.iter().rev().take(programs.len()).enumerate() {
            let moment = (round * 7 + number as u64 * 3) % 11;
            tokio::time::sleep(Duration::from_millis(moment)).await;
            let wish = match (round + number as u64) % 4 {
                0 => json!({"stop": true}),
                1 => json!({"start": true}),
                2 => json!({"start": true, "stop": true}),
                _ => continue,
            };
            lab.change(path, wish).await;
        }
    }
    lab.plane.stop(aspire_dcp::Stop::Graceful).await;
    // Everything has been told once the last ones are.
    let gone = |path: &String| {
        let events = lab.events(path);
        events
            .last()
            .is_some_and(|event| event["type"] == "DELETED")
    };
    let begun = Instant::now();
    while !paths.iter().all(gone) {
        assert!(begun.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut taken = BTreeSet::new();
    for path in &paths {
        let states = lab.states(path);
        for pair in states.windows(2) {
            let step = (pair[0].clone(), pair[1].clone());
            assert!(allowed.contains(&step), "{path}: {states:?}");
            taken.insert(step);
        }
    }
    // Nothing was proved if nothing happened.
    for (from, to) in [
        ("", "Starting"),
        ("Starting", "Running"),
        ("Starting", "FailedToStart"),
        ("Running", "Finished"),
        ("Running", "Stopping"),
        ("Stopping", "Terminated"),
    ] {
        let step = (from.to_owned(), to.to_owned());
        assert!(taken.contains(&step), "never {from} -> {to}: {taken:?}");
    }
}
