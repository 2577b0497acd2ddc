//! Processes through the public interface, with real children.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and a failure must end them"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aspire_api::aspire::{GateCondition, Prepare, PrivateFile, ProbeAction, Restart};
use aspire_api::container::{HealthStatus, ProbeOutcome, RestartPolicy};
use aspire_api::executable::{AmbientBehavior, AmbientEnvironment, ExecutableState as State};
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
        "id -un; id -G; cat {conf}; echo x > {data}/made; echo $HOME; ps -o sid= -p $$ | tr -d ' ' | sed s/$$/leader/"
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

fn always(object: &mut aspire_api::executable::Executable, maximum: Option<u32>) {
    aspire(object).restart = Some(Restart {
        policy: RestartPolicy::OnFailure,
        maximum,
    });
}

#[tokio::test]
async fn what_fails_is_started_again_under_a_new_name_behind_the_same_port() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    client.create(service("web")).await.unwrap();
    let serve = Placeholder::PortForServing("web".into()).write();
    let script = "echo run $(cat count | wc -l); echo x >> count; echo $PORT > $DATA/port$(cat count | wc -l); \
        if [ $(cat count | wc -l) -lt 3 ]; then exit 7; fi; echo stays; exec sleep 1000";
    let mut object = shell("web", script);
    std::fs::write(folders.path().join("count"), "").unwrap();
    object.spec.env = vec![
        env("PORT", &serve),
        env("DATA", &Placeholder::DataFolder("x".into()).write()),
    ];
    aspire(&mut object).data_folders = vec!["x".to_owned()];
    aspire(&mut object).endpoints = vec![endpoint("http", "web")];
    always(&mut object, Some(5));
    client.create(object).await.unwrap();
    let mut waits = shell("waits", "exec sleep 1000");
    aspire(&mut waits).waits = vec![gate("web", GateCondition::Completed)];
    client.create(waits).await.unwrap();
    let first = until(&plane, "web", |web| web.status.restart_timestamp.is_some()).await;
    assert_eq!(first.status.state, State::Finished);
    assert_eq!(
        first.status.message,
        "restarting in 250 ms (exit code 7, attempt 1 of 5)"
    );
    let waits = until(&plane, "waits", |waits| {
        waits.status.waiting_for == ["web: completed (running)"]
    });
    waits.await;
    let second = until(&plane, "web-r1", |web| web.status.replaced_by.is_some()).await;
    assert_eq!(second.status.state, State::Finished);
    assert_eq!(
        second.status.message,
        "exit code 7; started again as web-r2"
    );
    let third = state(&plane, "web-r2", State::Running).await;
    assert_eq!(third.status.restarts, 2);
    assert_eq!(third.metadata.resource(), "web");
    assert_eq!(third.metadata.first(), "web");
    // Of the attempts before, the latest stays; what they said stays in one log.
    let gone = async {
        while client.get(&key("web")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    gone.await;
    assert!(client.get(&key("web-r1")).await.is_ok());
    let stays = async {
        while !text(&plane, &key("web-r2")).contains(&"stays".to_owned()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), stays)
        .await
        .unwrap();
    let lines = text(&plane, &key("web-r2"));
    let runs: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("run"))
        .collect();
    assert_eq!(runs, ["run 0", "run 1", "run 2"]);
    // One data folder, one public port with one workload behind it.
    let data = folders.path().join("data/data/web/x");
    for number in 1..=3 {
        file(&data.join(format!("port{number}"))).await;
    }
    let (endpoints, _) = client.list(Some(Kind::Endpoint)).await;
    let names: Vec<_> = endpoints.iter().map(|found| found.key().name).collect();
    assert_eq!(names, ["web-r2-http"]);
    assert!(plane.failures().borrow().is_empty());
    // A stop is the end, and deleting it takes what is left of the others along.
    let mut object = executable(&client.get(&key("web-r2")).await.unwrap()).clone();
    object.spec.stop = true;
    client.update(object).await.unwrap();
    let stopped = state(&plane, "web-r2", State::Terminated).await;
    assert_eq!(stopped.status.restart_timestamp, None);
    client.delete(&key("web-r2")).await.unwrap();
    let gone = async {
        while client.list(Some(Kind::Executable)).await.0.len() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .unwrap();
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}

#[tokio::test]
async fn enough_is_enough_and_then_it_has_failed() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let mut object = shell("web", "exit 3");
    always(&mut object, Some(2));
    plane.client().create(object).await.unwrap();
    let last = until(&plane, "web-r2", |web| {
        web.status.message.contains("given up")
    })
    .await;
    assert_eq!(
        last.status.message,
        "exit code 3; given up after 2 restarts"
    );
    let failures = plane.failures().borrow().clone();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].resource, "web");
    assert_eq!(
        failures[0].message,
        "exit code 3; given up after 2 restarts"
    );
    // What can't be started at all isn't tried again.
    let mut missing = shell("missing", "");
    missing.spec.executable_path = "no-such-program".to_owned();
    always(&mut missing, None);
    plane.client().create(missing).await.unwrap();
    let failed = state(&plane, "missing", State::FailedToStart).await;
    assert_eq!(failed.status.restart_timestamp, None);
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}

#[tokio::test]
async fn the_end_of_the_run_ends_starting_again() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let mut object = shell("web", "exit 3");
    always(&mut object, None);
    plane.client().create(object).await.unwrap();
    until(&plane, "web", |web| web.status.restart_timestamp.is_some()).await;
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}

#[tokio::test]
async fn one_that_lives_no_more_is_replaced() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let mut object = shell("web", "echo $$ >> pids; exec sleep 1000");
    let command = ["test", "!", "-e", "broken"].map(str::to_owned).to_vec();
    let mut live = probe(ProbeAction::Command { command });
    live.interval = 50;
    live.retries = 2;
    live.liveness = true;
    aspire(&mut object).probes.insert("live".to_owned(), live);
    always(&mut object, None);
    plane.client().create(object).await.unwrap();
    until(&plane, "web", |web| {
        web.status.health_status == Some(HealthStatus::Healthy)
    })
    .await;
    std::fs::write(folders.path().join("broken"), "").unwrap();
    let ended = until(&plane, "web", |web| web.status.restart_timestamp.is_some()).await;
    assert_eq!(ended.status.state, State::Terminated);
    assert_eq!(ended.status.health_status, Some(HealthStatus::Unhealthy));
    assert_eq!(
        ended.status.message,
        "restarting in 250 ms (stopped because it was unhealthy (probe live: exit code 1), attempt 1)"
    );
    std::fs::remove_file(folders.path().join("broken")).unwrap();
    until(&plane, "web-r1", |web| {
        web.status.health_status == Some(HealthStatus::Healthy)
    })
    .await;
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}

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
    use aspire_api::health::{
        HealthProbe, HealthProbeSchedule, HealthProbeScheduleKind, HttpProbe,
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
            headers: vec![aspire_api::health::HttpHeader {
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
