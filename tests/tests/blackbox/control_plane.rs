//! A control plane alone, without an app: how it ends.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use aspire_host_tests::oracle::server::Server;
use aspire_host_tests::oracle::wire::Request;
use aspire_host_tests::processes::Process;
use aspire_host_tests::project::Project;
use aspire_host_tests::wait::{SOON, until};
use rustix::process::Signal;
use serde_json::{Value, json};

const MERGE: &str = "application/merge-patch+json";

struct Alone {
    project: Project,
    host: Child,
    server: Server,
    /// What it has started.
    sleeper: Process,
}

/// One with a process that sleeps.
fn start(test: &str, arguments: &[&str]) -> Alone {
    let project = Project::new(test);
    let file = project.path("kubeconfig");
    let words = ["control-plane", "--kubeconfig", "kubeconfig"];
    let mut host = project
        .command(&[&words, arguments].concat())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary can be run");
    until(SOON, "the kubeconfig", || {
        let ended = host.try_wait().expect("a child");
        assert!(ended.is_none(), "the control plane ended: {ended:?}");
        file.exists().then_some(())
    });
    let server = Server::of(&file);
    let object = json!({
        "apiVersion": "usvc-dev.developer.microsoft.com/v1", "kind": "Executable",
        "metadata": {"name": "sleeper"},
        "spec": {"executablePath": "/bin/sh", "args": ["-c", "exec sleep 1000"]},
    });
    let (code, made) = server.json("POST", "executables", "application/json", &object);
    assert_eq!(code, 201, "{made}");
    let sleeper = until(SOON, "a process that sleeps", || {
        let (_, object) = server.json("GET", "executables/sleeper", "", &Value::Null);
        let pid = object["status"]["pid"].as_u64()?;
        Process::of(pid.try_into().expect("a process id"))
    });
    Alone {
        project,
        host,
        server,
        sleeper,
    }
}

fn execution(server: &Server, status: &str) -> u16 {
    let request = Request {
        method: "PATCH".to_owned(),
        target: "/admin/execution".to_owned(),
        headers: vec![
            server.authority(),
            ("content-type".to_owned(), MERGE.to_owned()),
        ],
        body: json!({ "status": status }).to_string().into_bytes(),
    };
    server.peer.call(&request).expect("an answer").0.status
}

fn ends(mut host: Child, kubeconfig: &Path) {
    let code = until(SOON, "its end", || host.try_wait().expect("a child"));
    assert_eq!(code.code(), Some(0));
    assert!(!kubeconfig.exists(), "nobody is to look for it any more");
}

#[test]
fn a_client_ends_it() {
    let alone = start("control-plane-admin", &[]);
    assert_eq!(execution(&alone.server, "CleanupComplete"), 422);
    assert_eq!(execution(&alone.server, "CleaningResources"), 202);
    until(SOON, "the end of what it started", || {
        (!alone.sleeper.lives()).then_some(())
    });
    // It goes on serving, and there is nothing.
    until(SOON, "an empty list", || {
        let (code, list) = alone.server.json("GET", "executables", "", &Value::Null);
        assert_eq!(code, 200, "{list}");
        (list["items"] == json!([])).then_some(())
    });
    assert_eq!(execution(&alone.server, "Stopping"), 202);
    ends(alone.host, &alone.project.path("kubeconfig"));
    assert_eq!(alone.project.processes(), []);
    // And at once, without the step between.
    let alone = start("control-plane-stop", &[]);
    assert_eq!(execution(&alone.server, "Stopping"), 202);
    ends(alone.host, &alone.project.path("kubeconfig"));
    assert!(!alone.sleeper.lives());
}

#[test]
fn it_ends_with_whom_it_watches() {
    let mut watched = Command::new("sleep")
        .arg("1000")
        .stdout(Stdio::null())
        .spawn()
        .expect("sleep");
    let alone = start(
        "control-plane-monitor",
        &["--monitor", &watched.id().to_string()],
    );
    assert!(alone.sleeper.lives());
    aspire_host_tests::processes::signal(watched.id(), Signal::KILL);
    watched.wait().expect("a child");
    ends(alone.host, &alone.project.path("kubeconfig"));
    assert!(!alone.sleeper.lives());
    assert_eq!(alone.project.processes(), []);
}
