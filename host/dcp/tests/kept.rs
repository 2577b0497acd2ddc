//! Processes that outlive the run: left running, found again, made anew, ended when they are to be.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and a failure must end them"
)]

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aspire_api::container::Mode;
use aspire_api::executable::{Executable, ExecutableState as State};
use aspire_api::{Kind, Object, ObjectKey};
use aspire_dcp::state::{Record, State as Shared};
use aspire_dcp::watchdog::{self, WORD, Watchdog};
use aspire_dcp::{Config, ControlPlane, Outcome, Stop};
use support::*;

const FOLDER: &str = "DCP_TEST_KEPT_FOLDER";

fn config(folder: &Path) -> Config {
    let (state, data) = (folder.join("state"), folder.join("data"));
    let mut config = Config::new("test", "test-1", state, data);
    config.app_folder = folder.to_owned();
    config.stop_grace = Duration::from_secs(5);
    config
}

fn persistent(name: &str, script: &str) -> Executable {
    let mut object = shell(name, script);
    object.spec.aspire = None;
    object.spec.mode = Some(Mode::Persistent);
    object
}

/// Says that it began, and then one line whenever it is asked to.
fn database() -> Executable {
    let mut object = persistent(
        "db",
        "echo began; echo grumbles >&2; env > environment; while [ ! -e say ]; do sleep 0.05; done; \
         echo more; sleep 1000 & echo $! > child; echo $$ > pid; wait",
    );
    object.spec.env = vec![env("PORT", r#"{{- portForServing "db" -}}"#)];
    let produced = r#"[{"serviceName": "db"}]"#;
    object
        .metadata
        .annotations
        .insert("service-producer".into(), produced.into());
    object
}

/// A host in a process of its own, to be killed: this test, started again with a variable.
#[tokio::test]
async fn host() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let plane = ControlPlane::start(config(folder)).await.unwrap();
    let client = plane.client();
    client.create(service("db")).await.unwrap();
    client.create(database()).await.unwrap();
    let web = shell("web", "echo $$ > web; exec sleep 1000");
    client.create(web).await.unwrap();
    let running = state(&plane, "db", State::Running).await;
    let told = format!(
        "{} {}\n",
        running.status.pid.unwrap(),
        running.status.effective_env[0].value
    );
    std::fs::write(folder.join("told"), told).unwrap();
    let _ = plane.ended().await;
}

fn spawn_host(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "host", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn records(folder: &Path) -> Vec<Record> {
    Shared::new(folder.join("data/shared")).records().unwrap()
}

async fn gone(pid: &str) {
    for _ in 0..2000 {
        if !alive(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{pid} is still there");
}

async fn said(plane: &ControlPlane, name: &str, line: &str) {
    for _ in 0..2000 {
        if text(plane, &key(name)).iter().any(|said| said == line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("`{line}` was never said: {:?}", text(plane, &key(name)));
}

#[tokio::test]
async fn one_outlives_its_host_and_is_found_by_the_next() {
    let folders = Folders::new();
    let folder = folders.path();
    let mut host = spawn_host(folder);
    let told = file(&folder.join("told")).await;
    let (pid, port) = told.split_once(' ').unwrap();
    let web = file(&folder.join("web")).await;
    host.kill().unwrap();
    host.wait().unwrap();

    let plane = ControlPlane::start(config(folder)).await.unwrap();
    gone(&web).await;
    assert!(alive(pid), "it went with its host");
    let client = plane.client();
    client.create(service("db")).await.unwrap();
    client.create(database()).await.unwrap();
    let found = state(&plane, "db", State::Running).await;
    assert_eq!(found.status.pid.unwrap().to_string(), pid);
    assert_eq!(found.status.effective_env, [env("PORT", port)]);
    let endpoint = ObjectKey::new(Kind::Endpoint, "db-db");
    let endpoint = client.wait_for(&endpoint, |_| true).await.unwrap();
    let Object::Endpoint(endpoint) = endpoint.as_ref() else {
        panic!("no endpoint")
    };
    assert_eq!(endpoint.spec.port.to_string(), port);
    // What it said before, and what it says now.
    said(&plane, "db", "began").await;
    said(&plane, "db", "grumbles").await;
    std::fs::write(folder.join("say"), "").unwrap();
    said(&plane, "db", "more").await;
    let output = found.status.std_out_file.unwrap();
    assert_eq!(std::fs::read_to_string(output).unwrap(), "began\nmore\n");
    let errors = found.status.std_err_file.unwrap();
    assert_eq!(std::fs::read_to_string(errors).unwrap(), "grumbles\n");
    // Nothing of the run that it was started in is on it.
    let environment = std::fs::read_to_string(folder.join("environment")).unwrap();
    assert!(!environment.contains("ASPIRE_HOST_RUN="), "{environment}");
    assert!(
        !environment.contains("ASPIRE_HOST_CREATOR="),
        "{environment}"
    );
    let child = file(&folder.join("child")).await;
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
    assert!(alive(pid) && alive(&child), "it went with the run");
    assert_eq!(records(folder).len(), 1);

    // Not what is wanted any more: made anew, and the object says why.
    let plane = ControlPlane::start(config(folder)).await.unwrap();
    let client = plane.client();
    client.create(service("db")).await.unwrap();
    let mut changed = database();
    changed.spec.env.push(env("SIZE", "2"));
    client.create(changed).await.unwrap();
    let anew = state(&plane, "db", State::Running).await;
    assert_eq!(
        anew.status.message,
        "made anew: env SIZE changed",
        "{:?} {pid} {:?}",
        anew.status.pid,
        text(&plane, &key("db"))
    );
    assert!(!alive(pid) && !alive(&child));
    let second = anew.status.pid.unwrap().to_string();
    // It stops when it is asked to by itself, and then nothing is left of it.
    let mut object = until(&plane, "db", |_| true).await;
    object.spec.stop = true;
    client.update(object).await.unwrap();
    state(&plane, "db", State::Terminated).await;
    assert!(!alive(&second));
    plane.wait_idle().await;
    plane.stop(Stop::Graceful).await;
    assert_eq!(records(folder), []);
}

/// A watchdog or a minder: this test, started again with its word.
#[test]
fn dog() {
    let _ = watchdog::dispatch(std::env::args_os().skip_while(|word| word != WORD));
}

#[tokio::test]
async fn one_that_was_left_running_ends_with_the_process_that_it_names() {
    let folders = Folders::new();
    let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
    let started = since_boot(other.id());
    let monitored = |name: &str| {
        let mut object = persistent(name, "exec sleep 1000");
        object.spec.monitor_pid = Some(i64::from(other.id()));
        object.spec.monitor_timestamp = Some(started.clone());
        object
    };
    let mut config = folders.config();
    config.watchdog = Some(Watchdog {
        args: ["--exact", "dog", "--nocapture"].map(Into::into).into(),
        ..Watchdog::this_program()
    });
    let plane = ControlPlane::start(config).await.unwrap();
    let client = plane.client();
    client.create(monitored("db")).await.unwrap();
    let running = state(&plane, "db", State::Running).await;
    let pid = running.status.pid.unwrap().to_string();
    plane.stop(Stop::Graceful).await;
    assert!(alive(&pid), "it went with the run");
    // As if its host had ended, too: this process lives on.
    let shared = Shared::new(folders.path().join("data/shared"));
    let mut record = shared.records().unwrap().remove(0);
    record.owner = "1:0:x".into();
    shared.put(&record).unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
    gone(&pid).await;
    for _ in 0..1000 {
        if shared.records().unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it is still recorded");
}

#[tokio::test]
async fn deleting_leaves_it_and_creating_finds_it_in_one_run() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    let script = "while [ ! -e end ]; do sleep 0.05; done; exit 3";
    client.create(persistent("db", script)).await.unwrap();
    let first = state(&plane, "db", State::Running).await;
    client.delete(&key("db")).await.unwrap();
    while client.get(&key("db")).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = first.status.pid.unwrap().to_string();
    assert!(alive(&pid));
    client.create(persistent("db", script)).await.unwrap();
    let second = state(&plane, "db", State::Running).await;
    assert_eq!(second.status.pid, first.status.pid);
    assert_eq!(second.status.message, "");
    std::fs::write(folders.path().join("end"), "").unwrap();
    let ended = state(&plane, "db", State::Finished).await;
    assert_eq!(ended.status.exit_code, None);
    assert_eq!(ended.status.message, "ended; nobody knows its exit code");
    assert_eq!(records(folders.path()), []);
    // The one that started it knows.
    client.create(persistent("own", script)).await.unwrap();
    let ended = state(&plane, "own", State::Finished).await;
    assert_eq!(ended.status.exit_code, Some(3));
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn one_to_clean_up_is_waited_for_and_goes_with_the_object() {
    let folders = Folders::new();
    let cleanup = |name: &str| {
        let mut object = persistent(name, "");
        object.spec.mode = Some(Mode::Cleanup);
        object
    };
    let maker = folders.plane().await;
    let mut other = folders.config();
    other.state_folder = folders.path().join("other");
    let plane = ControlPlane::start(other).await.unwrap();
    let client = plane.client();
    for name in ["db", "never"] {
        client.create(cleanup(name)).await.unwrap();
        let missing = state(&plane, name, State::NotFound).await;
        assert_eq!(
            missing.status.message,
            format!("no process is kept as {name}")
        );
    }
    let object = persistent("db", "exec sleep 1000");
    maker.client().create(object).await.unwrap();
    let made = state(&maker, "db", State::Running).await;
    let found = state(&plane, "db", State::Running).await;
    assert_eq!(made.status.pid, found.status.pid);
    for name in ["db", "never"] {
        client.delete(&key(name)).await.unwrap();
        while client.get(&key(name)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert!(!alive(&made.status.pid.unwrap().to_string()));
    state(&maker, "db", State::Finished).await;
    plane.stop(Stop::Graceful).await;
    maker.stop(Stop::Graceful).await;
    assert_eq!(records(folders.path()), []);
}

#[tokio::test]
async fn what_was_started_and_never_recorded_is_found_by_its_mark() {
    let folders = Folders::new();
    let shared = Shared::new(folders.path().join("data/shared"));
    let lost = Record {
        kind: "executable".into(),
        name: "db".into(),
        id: String::new(),
        app: String::new(),
        instance: String::new(),
        owner: String::new(),
        at: String::new(),
        details: None,
    };
    shared.put(&lost).unwrap();
    let mark = folders.path().join("data/shared/db");
    let mut stray = Command::new("sleep")
        .arg("1000")
        .env("ASPIRE_HOST_KEPT", &mark)
        .spawn()
        .unwrap();
    let mut elsewhere = Command::new("sleep")
        .arg("1000")
        .env("ASPIRE_HOST_KEPT", "/elsewhere/db")
        .spawn()
        .unwrap();
    let plane = folders.plane().await;
    let object = persistent("db", "exec sleep 1000");
    plane.client().create(object).await.unwrap();
    let made = state(&plane, "db", State::Running).await;
    assert!(stray.try_wait().unwrap().is_some(), "it is still there");
    assert_ne!(made.status.pid, Some(stray.id()));
    assert!(elsewhere.try_wait().unwrap().is_none(), "not ours");
    elsewhere.kill().unwrap();
    elsewhere.wait().unwrap();
    let mut object = until(&plane, "db", |_| true).await;
    object.spec.stop = true;
    plane.client().update(object).await.unwrap();
    state(&plane, "db", State::Terminated).await;
    plane.stop(Stop::Graceful).await;
}
