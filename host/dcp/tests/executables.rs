//! Processes through the public interface, with real children.

#![allow(
    clippy::unwrap_used,
    reason = "these are tests, and a failure must end them"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aspire_api::aspire::{GateCondition, Prepare, PrivateFile, ProbeAction};
use aspire_api::container::{HealthStatus, ProbeOutcome};
use aspire_api::executable::ExecutableState as State;
use aspire_api::template::Placeholder;
use aspire_api::{Kind, ObjectKey};
use aspire_dcp::{ControlPlane, Outcome, Stop};
use support::*;

#[tokio::test]
async fn runs_says_and_ends() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    client
        .create(shell("a", "echo out; echo err >&2; exit 3"))
        .await
        .unwrap();
    let ended = state(&plane, "a", State::Finished).await;
    assert_eq!(ended.status.exit_code, Some(3));
    assert_eq!(ended.status.health_status, Some(HealthStatus::Unhealthy));
    assert!(ended.status.startup_timestamp < ended.status.finish_timestamp);
    let mut lines = text(&plane, &key("a"));
    lines.sort();
    assert_eq!(lines, ["err", "out"]);
    assert_eq!(
        plane.failures().borrow()[0].message,
        "ended with exit code 3"
    );
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
    assert_eq!(
        std::fs::read_dir(folders.path().join("state/records"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn a_missing_program_fails_at_once_and_others_go_on() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    let mut missing = shell("missing", "");
    missing.spec.executable_path = "no-such-program".to_owned();
    aspire(&mut missing).requires =
        BTreeMap::from([("no-such-program".to_owned(), "apt install it".to_owned())]);
    client.create(missing).await.unwrap();
    let mut waits = shell("waits", "sleep 100");
    aspire(&mut waits).waits = vec![gate("missing", GateCondition::Healthy)];
    client.create(waits).await.unwrap();
    client.create(shell("other", "sleep 100")).await.unwrap();
    let failed = state(&plane, "missing", State::FailedToStart).await;
    assert_eq!(
        failed.status.message,
        "program `no-such-program` is missing: apt install it"
    );
    state(&plane, "other", State::Running).await;
    plane.wait_idle().await;
    let waits = until(&plane, "waits", |waits| {
        !waits.status.waiting_for.is_empty()
    })
    .await;
    assert_eq!(waits.status.state, State::Initial);
    assert_eq!(waits.status.waiting_for, ["missing: failed to start"]);
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}

#[tokio::test]
async fn the_whole_tree_is_ended() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let file_of = |name: &str| folders.path().join(name);
    // A child, one that ignores SIGTERM, one with its own session, one that forked twice and
    // forgot its environment.
    let script = r#"
        sh -c 'echo $$ > child; exec sleep 1000' &
        sh -c 'trap "" TERM; echo $$ > stubborn; while :; do sleep 1000; done' &
        setsid sh -c 'echo $$ > session; exec sleep 1000' &
        (env -i PATH=$PATH setsid sh -c 'setsid sh -c "echo \$\$ > twice; exec sleep 1000" & exit' &)
        trap "" TERM
        echo $$ > root
        while :; do sleep 1000; done
    "#;
    let mut object = shell("tree", script);
    aspire(&mut object).stop_grace = Some(300);
    plane.client().create(object).await.unwrap();
    let mut pids = Vec::new();
    for name in ["root", "child", "stubborn", "session", "twice"] {
        pids.push(file(&file_of(name)).await);
    }
    assert!(pids.iter().all(|pid| alive(pid)), "{pids:?}");
    plane.client().delete(&key("tree")).await.unwrap();
    let waited = plane.client();
    let gone = async {
        while waited.get(&key("tree")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .unwrap();
    for pid in pids {
        assert!(!alive(&pid), "{pid}");
    }
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn force_hurries() {
    let folders = Folders::new();
    let plane = Arc::new(folders.plane().await);
    let script = "trap '' TERM; echo $$ > root; while :; do sleep 1000; done";
    let mut object = shell("stubborn", script);
    aspire(&mut object).stop_grace = Some(60_000);
    plane.client().create(object).await.unwrap();
    let pid = file(&folders.path().join("root")).await;
    let graceful = Arc::clone(&plane);
    let first = tokio::spawn(async move { graceful.stop(Stop::Graceful).await });
    state(&plane, "stubborn", State::Stopping).await;
    let start = std::time::Instant::now();
    assert_eq!(plane.stop(Stop::Force).await, Outcome::Stopped);
    assert_eq!(first.await.unwrap(), Outcome::Stopped);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(!alive(&pid));
}

#[tokio::test]
async fn gates_open_in_order_and_the_end_is_in_reverse() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    let says = |name: &str| {
        format!(
            "trap 'echo stop {name} >> order; exit' TERM; echo start {name} >> order; while :; do sleep 0.01; done"
        )
    };
    let mut last = shell("last", &says("last"));
    aspire(&mut last).waits = vec![
        gate("job", GateCondition::Completed),
        gate("middle", GateCondition::Healthy),
    ];
    let mut middle = shell("middle", &says("middle"));
    aspire(&mut middle).waits = vec![gate("first", GateCondition::Started)];
    let command = vec!["test".to_owned(), "-e".to_owned(), "healthy".to_owned()];
    aspire(&mut middle)
        .probes
        .insert("ready".to_owned(), probe(ProbeAction::Command { command }));
    client.create(last).await.unwrap();
    client.create(middle).await.unwrap();
    let waiting = until(&plane, "last", |last| last.status.waiting_for.len() == 2).await;
    assert_eq!(
        waiting.status.waiting_for,
        ["job: completed (not created yet)", "middle: healthy"]
    );
    client.create(shell("first", &says("first"))).await.unwrap();
    client
        .create(shell("job", "echo job >> order"))
        .await
        .unwrap();
    let waiting = until(&plane, "last", |last| {
        last.status.waiting_for.len() == 1 && last.status.waiting_for[0].contains("exit code")
    })
    .await;
    assert_eq!(
        waiting.status.waiting_for,
        ["middle: healthy (probe ready: exit code 1, 1 of 5)"]
    );
    std::fs::write(folders.path().join("healthy"), "").unwrap();
    state(&plane, "last", State::Running).await;
    let middle = state(&plane, "middle", State::Running).await;
    assert_eq!(middle.status.health_status, Some(HealthStatus::Healthy));
    assert_eq!(
        middle.status.health_probe_results[0].outcome,
        ProbeOutcome::Success
    );
    let order = folders.path().join("order");
    while !std::fs::read_to_string(&order)
        .unwrap()
        .contains("start last")
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
    let order = std::fs::read_to_string(order).unwrap();
    let stops: Vec<&str> = order
        .lines()
        .filter(|line| line.starts_with("stop"))
        .collect();
    assert_eq!(stops, ["stop last", "stop middle", "stop first"]);
}

const SERVER: &str = r#"
import os, socket, sys
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
print("listening", flush=True)
while True:
    peer, _ = server.accept()
    peer.sendall(b"hello\n")
    peer.close()
"#;

#[tokio::test]
async fn services_relay_and_ports_are_remembered() {
    use tokio::io::AsyncReadExt;

    let folders = Folders::new();
    let mut ports = Vec::new();
    for _ in 0..2 {
        let plane = folders.plane().await;
        let client = plane.client();
        let mut server = shell("web", "");
        server.spec.executable_path = "python3".to_owned();
        server.spec.args = vec!["-c".to_owned(), SERVER.to_owned()];
        server.spec.env = vec![env(
            "PORT",
            &Placeholder::PortForServing("web-http".into()).write(),
        )];
        aspire(&mut server).endpoints = vec![endpoint("http", "web-http")];
        let action = ProbeAction::Tcp {
            endpoint: "http".to_owned(),
        };
        aspire(&mut server)
            .probes
            .insert("ready".to_owned(), probe(action));
        client.create(server).await.unwrap();
        let mut caller = shell("caller", "echo $URL > url");
        let url = format!(
            "{}:{}",
            Placeholder::AddressFor("web-http".into()).write(),
            Placeholder::PortFor("web-http".into()).write()
        );
        caller.spec.env = vec![env("URL", &url)];
        client.create(caller).await.unwrap();
        client.create(service("web-http")).await.unwrap();
        let healthy = |web: &aspire_api::executable::Executable| {
            web.status.health_status == Some(HealthStatus::Healthy)
        };
        let key = ObjectKey::new(Kind::Service, "web-http");
        let port = |object: &aspire_api::Object| match object {
            aspire_api::Object::Service(service) => service.status.effective_port,
            _ => None,
        };
        let service = client
            .wait_for(&key, |object| port(object).is_some())
            .await
            .unwrap();
        let port = port(&service).unwrap();
        // Early: it is parked until the server listens.
        for host in ["127.0.0.1", "::1"] {
            let mut stream = tokio::net::TcpStream::connect((host, port)).await.unwrap();
            let mut hello = String::new();
            stream.read_to_string(&mut hello).await.unwrap();
            assert_eq!(hello, "hello\n");
        }
        until(&plane, "web", healthy).await;
        assert_eq!(
            file(&folders.path().join("url")).await,
            format!("localhost:{port}")
        );
        std::fs::remove_file(folders.path().join("url")).unwrap();
        ports.push(port);
        assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
    }
    assert_eq!(ports[0], ports[1]);
}

#[tokio::test]
async fn a_fixed_port_in_use_names_its_holder() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut fixed = service("web-http");
    fixed.spec.port = Some(taken.local_addr().unwrap().port());
    plane.client().create(fixed).await.unwrap();
    let mut server = shell("web", "sleep 100");
    aspire(&mut server).endpoints = vec![endpoint("http", "web-http")];
    plane.client().create(server).await.unwrap();
    let failed = state(&plane, "web", State::FailedToStart).await;
    let me = format!("(pid {})", std::process::id());
    let message = &failed.status.message;
    assert!(
        message.starts_with("service web-http: port ") && message.ends_with(&me),
        "{message}"
    );
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn files_folders_steps_and_secrets() {
    let folders = Folders::new();
    let mut config = folders.config();
    config.secrets = Arc::new(BTreeMap::from([(
        "pw".to_owned(),
        "hunter22&co".to_owned(),
    )]));
    let plane = ControlPlane::start(config).await.unwrap();
    let secret = Placeholder::Secret {
        name: "pw".into(),
        uri: false,
    }
    .write();
    let data = Placeholder::DataFolder("db".into()).write();
    let conf = Placeholder::File("conf/x.conf".into()).write();
    let mut object = shell("db", &format!("cat {conf} {data}/made; echo $PW"));
    object.spec.env = vec![env("PW", &secret)];
    let object_aspire = aspire(&mut object);
    object_aspire.data_folders = vec!["db".to_owned()];
    let file = PrivateFile {
        contents: format!("password={secret}\n"),
        source: None,
        mode: 0o640,
    };
    object_aspire.files.insert("conf/x.conf".to_owned(), file);
    object_aspire.build_command = ["/bin/sh", "-c", "echo building"]
        .map(str::to_owned)
        .to_vec();
    object_aspire.prepare = vec![Prepare {
        name: "init".to_owned(),
        command: "/bin/sh".to_owned(),
        args: vec![
            "-c".to_owned(),
            format!("cat > {data}/made; echo $EXTRA >> {data}/made"),
        ],
        env: BTreeMap::from([("EXTRA".to_owned(), "extra".to_owned())]),
        stdin: "from stdin\n".to_owned(),
        creates: format!("{data}/made"),
    }];
    plane.client().create(object.clone()).await.unwrap();
    state(&plane, "db", State::Finished).await;
    assert_eq!(
        text(&plane, &key("db")),
        ["building", "password=***", "from stdin", "extra", "***"]
    );
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
    assert!(!folders.path().join("data/files/db").exists());
    let found = std::process::Command::new("grep")
        .args(["-r", "hunter22", folders.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[tokio::test]
async fn a_failing_step_fails_the_start() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let mut object = shell("a", "");
    aspire(&mut object).build_command = ["/bin/sh", "-c", "echo no such header; exit 2"]
        .map(str::to_owned)
        .to_vec();
    plane.client().create(object).await.unwrap();
    let failed = state(&plane, "a", State::FailedToStart).await;
    assert_eq!(failed.status.message, "the build failed with exit code 2");
    assert_eq!(
        text(&plane, &key("a")),
        ["no such header", "the build failed with exit code 2"]
    );
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn fail_fast_stops_everything() {
    let folders = Folders::new();
    let mut config = folders.config();
    config.fail_fast = true;
    let plane = ControlPlane::start(config).await.unwrap();
    plane
        .client()
        .create(shell("long", "sleep 1000"))
        .await
        .unwrap();
    state(&plane, "long", State::Running).await;
    plane
        .client()
        .create(shell("short", "exit 1"))
        .await
        .unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), plane.ended()).await;
    assert_eq!(ended.unwrap(), Outcome::Stopped);
    assert_eq!(plane.failures().borrow()[0].resource, "short");
}

#[tokio::test]
async fn stopped_while_it_waits_or_builds() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    let mut builds = shell("builds", "");
    let script = "echo $$ > building; trap '' TERM; while :; do sleep 1000; done";
    aspire(&mut builds).build_command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let mut waits = shell("waits", "");
    waits.spec.env = vec![env("X", &Placeholder::PortFor("never".into()).write())];
    client.create(builds).await.unwrap();
    client.create(waits).await.unwrap();
    let pid = file(&folders.path().join("building")).await;
    let waits = until(&plane, "waits", |waits| {
        waits.status.message.contains("never")
    })
    .await;
    assert_eq!(waits.status.message, "waiting for the port of never");
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
    assert!(!alive(&pid));
}

#[tokio::test]
async fn the_signal_that_asks() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let script =
        "trap '' TERM; trap 'echo asked; exit 0' INT; echo $$ > root; while :; do sleep 0.01; done";
    let mut object = shell("db", script);
    aspire(&mut object).stop_signal = Some("SIGINT".to_owned());
    plane.client().create(object).await.unwrap();
    file(&folders.path().join("root")).await;
    // Until then it is being started, and what is being started is not asked.
    state(&plane, "db", State::Running).await;
    let mut wrong = shell("wrong", "");
    aspire(&mut wrong).stop_signal = Some("SIGWINCH".to_owned());
    plane.client().create(wrong).await.unwrap();
    let failed = state(&plane, "wrong", State::FailedToStart).await;
    let expected = "stop signal `SIGWINCH` is none of SIGTERM, SIGINT and SIGQUIT";
    assert_eq!(failed.status.message, expected);
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
    assert_eq!(text(&plane, &key("db")), ["asked"]);
}

struct Faulty;

impl aspire_dcp::SecretSource for Faulty {
    fn secret(&self, _: &str) -> Option<String> {
        panic!("on purpose")
    }
}

#[tokio::test]
async fn a_panic_ends_the_run_orderly() {
    let folders = Folders::new();
    let mut config = folders.config();
    config.secrets = Arc::new(Faulty);
    let plane = ControlPlane::start(config).await.unwrap();
    plane
        .client()
        .create(shell("long", "echo $$ > pid; exec sleep 1000"))
        .await
        .unwrap();
    let pid = file(&folders.path().join("pid")).await;
    let mut asks = shell("asks", "");
    let secret = Placeholder::Secret {
        name: "pw".into(),
        uri: false,
    };
    asks.spec.env = vec![env("PW", &secret.write())];
    plane.client().create(asks).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), plane.ended())
        .await
        .unwrap();
    let expected = "the control plane failed in `process`: on purpose";
    assert_eq!(ended, Outcome::Broken(expected.to_owned()));
    assert!(!alive(&pid));
}

#[tokio::test]
async fn a_probe_that_hangs_keeps_no_other_waiting() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let mut object = shell("a", "sleep 1000");
    let command = |script: &str| ProbeAction::Command {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
    };
    let mut hangs = probe(command("sleep 1000"));
    hangs.timeout = 60_000;
    let mut slow = probe(command("sleep 1000"));
    slow.timeout = 50;
    let probes = [
        ("hangs", hangs),
        ("slow", slow),
        ("ready", probe(command("exit 0"))),
    ];
    aspire(&mut object).probes = probes.map(|(name, probe)| (name.to_owned(), probe)).into();
    plane.client().create(object).await.unwrap();
    let two =
        |object: &aspire_api::executable::Executable| object.status.health_probe_results.len() == 2;
    let seen = until(&plane, "a", two).await.status;
    let results: Vec<_> = seen
        .health_probe_results
        .iter()
        .map(|r| (r.probe_name.as_str(), r.reason.as_str()))
        .collect();
    assert_eq!(results, [("ready", ""), ("slow", "no answer within 50 ms")]);
    assert_eq!(seen.health_status, Some(HealthStatus::Caution));
    plane.stop(Stop::Force).await;
}

/// Only root can become somebody else; elsewhere there is nothing to see.
#[tokio::test]
async fn as_another_user() {
    use std::os::unix::fs::PermissionsExt;

    let folders = Folders::new();
    if std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) != 0)
    {
        return;
    }
    let mode = std::fs::Permissions::from_mode;
    std::fs::set_permissions(folders.path(), mode(0o700)).unwrap();
    let plane = folders.plane().await;
    let data = Placeholder::DataFolder("db".into()).write();
    let conf = Placeholder::File("x.conf".into()).write();
    let script = format!(
        "id -un; id -G; cat {conf}; echo x > {data}/made; echo $HOME; read -r a b c d e session f </proc/$$/stat; [ $session = $$ ] && echo leader"
    );
    let mut object = shell("closed", &script);
    object.spec.working_directory = Some("/".to_owned());
    aspire(&mut object).run_as = Some("nobody".to_owned());
    aspire(&mut object).data_folders = vec!["db".to_owned()];
    let file = PrivateFile {
        contents: "private\n".to_owned(),
        source: None,
        mode: 0o600,
    };
    aspire(&mut object).files.insert("x.conf".to_owned(), file);
    plane.client().create(object.clone()).await.unwrap();
    let failed = state(&plane, "closed", State::FailedToStart).await;
    let expected = format!(
        "user nobody may not pass through {}",
        folders.path().display()
    );
    assert_eq!(failed.status.message, expected);
    std::fs::set_permissions(folders.path(), mode(0o755)).unwrap();
    object.metadata.name = "open".to_owned();
    plane.client().create(object).await.unwrap();
    state(&plane, "open", State::Finished).await;
    let lines = text(&plane, &key("open"));
    assert_eq!(
        (lines[0].as_str(), lines[2].as_str()),
        ("nobody", "private"),
        "{lines:?}"
    );
    assert_eq!(lines[4..], ["leader"]);
    plane.stop(Stop::Graceful).await;
}
