//! Processes as clients of DCP ask for them, without `spec.aspire`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and a failure must end them"
)]

mod support;

use std::time::Duration;

use aspire_api::container::{HealthStatus, ProbeOutcome};
use aspire_api::executable::{AmbientBehavior, AmbientEnvironment, ExecutableState as State};
use aspire_api::health::{
    HealthProbe, HealthProbeSchedule, HealthProbeScheduleKind, HttpHeader, HttpProbe,
};
use aspire_api::{Kind, ObjectKey};
use aspire_dcp::{ControlPlane, Stop};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn an_executable_of_dcp() {
    let folders = Folders::new();
    std::fs::write(folders.path().join("file.env"), "B=file\nC=file\n").unwrap();
    let mut config = folders.config();
    config.environment.extend(
        [("A", "ambient"), ("B", "ambient"), ("DCP_TOKEN", "x")].map(|(a, b)| (a.into(), b.into())),
    );
    config.redactions = vec!["hush-hush".to_owned()];
    let plane = ControlPlane::start(config).await.unwrap();
    let client = plane.client();
    let script = "echo $A-$B-$C-$D-$DCP_TOKEN-$DCP_OWN-$DEBUG_SESSION_PORT > said; exec sleep 1000";
    let mut object = shell("web", script);
    object.spec.aspire = None;
    object.spec.start = false;
    object.spec.env_files = vec![folders.path().join("file.env").display().to_string()];
    object.spec.env = vec![
        env("C", "spec"),
        env("D", "hush-hush"),
        env("DCP_OWN", "x"),
        env("DEBUG_SESSION_PORT", "x"),
        env("PORT", r#"{{- portForServing "web" -}}"#),
    ];
    object
        .spec
        .args
        .push(r#"{{ portForServing "web" }}"#.to_owned());
    let produced = r#"[{"serviceName": "web", "address": "127.0.0.1"}]"#;
    object
        .metadata
        .annotations
        .insert("service-producer".into(), produced.into());
    client.create(object).await.unwrap();
    plane.wait_idle().await;
    let waiting = until(&plane, "web", |_| true).await;
    assert_eq!(waiting.status.state, State::Initial);
    assert!(waiting.status.waiting_for.is_empty());
    let mut object = waiting;
    object.spec.start = true;
    client.update(object).await.unwrap();
    // Its service comes later, and it waits for that.
    until(&plane, "web", |web| {
        web.status.message == "waiting for the port of web"
    })
    .await;
    client.create(service("web")).await.unwrap();
    let running = state(&plane, "web", State::Running).await;
    assert_eq!(
        running.status.execution_id,
        running.status.pid.map(|pid| pid.to_string())
    );
    assert_eq!(
        file(&folders.path().join("said")).await,
        "ambient-file-spec-hush-hush---"
    );
    let key_of = ObjectKey::new(Kind::Endpoint, "web-web");
    let found = client.wait_for(&key_of, |_| true).await.unwrap();
    let aspire_api::Object::Endpoint(found) = found.as_ref() else {
        panic!("{} is no endpoint", found.key());
    };
    let port = found.spec.port.to_string();
    // What it was given, not what it inherits; nothing that is secret.
    let given = [
        env("B", "file"),
        env("C", "spec"),
        env("D", "***"),
        env("PORT", &port),
    ];
    assert_eq!(running.status.effective_env, given);
    assert_eq!(running.status.effective_args[2], port);
    let mut object = running;
    object.spec.stop = true;
    client.update(object).await.unwrap();
    state(&plane, "web", State::Terminated).await;
    plane.wait_idle().await;
    assert!(client.get(&key_of).await.is_err());

    let mut bare = shell("bare", "/usr/bin/env > bare");
    bare.spec.executable_path = "sh".to_owned();
    bare.spec.aspire = None;
    bare.spec.ambient_environment = Some(AmbientEnvironment {
        behavior: AmbientBehavior::DoNotInherit,
    });
    bare.spec.env = vec![env("ONLY", "this")];
    client.create(bare).await.unwrap();
    state(&plane, "bare", State::Finished).await;
    let said = std::fs::read_to_string(folders.path().join("bare")).unwrap();
    let mut names: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        .filter(|name| !name.starts_with("ASPIRE_HOST_") && !matches!(*name, "PWD" | "_" | "SHLVL"))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["ONLY"]);
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn probes_of_dcp_and_one_that_hangs() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    // Answers 503, then 302, then 200; the other one never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let (go, mut gone) = tokio::sync::mpsc::unbounded_channel::<()>();
    let asked = tokio::spawn(async move {
        let mut asked = Vec::new();
        for status in ["503 Oh", "302 Found", "200 OK"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            asked.push(String::from_utf8_lossy(&request[..length]).into_owned());
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            gone.recv().await;
        }
        // Nobody asks any more.
        let more = tokio::time::timeout(Duration::from_millis(300), listener.accept()).await;
        (asked, more.is_err())
    });
    let probe = |name: &str, port: u16| HealthProbe {
        name: name.to_owned(),
        http_probe: Some(HttpProbe {
            url: format!("http://localhost:{port}/health?x=1"),
            headers: vec![HttpHeader {
                name: "X-Port".into(),
                value: r#"{{- portFor "web" -}}"#.into(),
            }],
        }),
        schedule: HealthProbeSchedule {
            kind: Some(HealthProbeScheduleKind::UntilSuccess),
            interval: "20ms".into(),
            timeout: Some("2s".into()),
            initial_delay: Some("10ms".into()),
        },
        ..HealthProbe::default()
    };
    client.create(service("web")).await.unwrap();
    let mut object = shell("web", "exec sleep 1000");
    object.spec.aspire = None;
    object.spec.health_probes = vec![probe("hangs", silent_port), probe("live", port)];
    client.create(object).await.unwrap();
    for expected in [
        (HealthStatus::Unhealthy, ProbeOutcome::Failure),
        (HealthStatus::Caution, ProbeOutcome::Unknown),
        (HealthStatus::Caution, ProbeOutcome::Success),
    ] {
        let found = until(&plane, "web", |web| {
            let results = &web.status.health_probe_results;
            let live = results.iter().find(|result| result.probe_name == "live");
            live.is_some_and(|live| live.outcome == expected.1)
        })
        .await;
        assert_eq!(found.status.health_status, Some(expected.0));
        go.send(()).unwrap();
    }
    let (asked, quiet) = asked.await.unwrap();
    assert!(quiet);
    assert!(
        asked[0].starts_with("GET /health?x=1 HTTP/1.1\r\n"),
        "{asked:?}"
    );
    assert!(asked[0].contains("x-port: "), "{asked:?}");
    until(&plane, "web", |web| {
        let results = &web.status.health_probe_results;
        results
            .iter()
            .any(|result| result.reason == "no answer within 2 s")
    })
    .await;
    plane.stop(Stop::Graceful).await;
    drop(silent);
}
