//! Fields of DCP that concern processes, each by what it does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and a failure must end them"
)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use aspire_api::container::{HealthStatus, ProbeOutcome};
use aspire_api::executable::{ExecutableSpec, ExecutableState as State};
use aspire_api::health::{
    ExecutablePemCertificates, ExecutableProbe, HealthProbe, HealthProbeKind, HealthProbeSchedule,
    HttpProbe, PemCertificate,
};
use aspire_api::replicas::ExecutableTemplate;
use aspire_dcp::server::{Cleanup, Execution, ExecutionStatus};
use aspire_dcp::{ControlPlane, Outcome, Stop};
use support::*;

#[tokio::test]
async fn a_process_ends_with_the_one_that_it_names() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
    let (pid, started) = (other.id(), since_boot(other.id()));
    let monitored = |name: &str, pid: u32, started: &str| {
        let mut object = shell(name, "exec sleep 1000");
        object.spec.monitor_pid = Some(i64::from(pid));
        object.spec.monitor_timestamp = Some(started.to_owned());
        object
    };
    let client = plane.client();
    client
        .create(monitored("web", pid, &started))
        .await
        .unwrap();
    let running = state(&plane, "web", State::Running).await;
    // The number is somebody else's by now.
    let late = monitored("late", pid, "2001-01-01T00:00:00.000000Z");
    client.create(late).await.unwrap();
    let never = state(&plane, "late", State::Terminated).await;
    let expected = format!("not started because process {pid} has ended");
    assert_eq!(never.status.message, expected);
    assert_eq!(never.status.pid, None);
    assert!(alive(&running.status.pid.unwrap().to_string()));
    other.kill().unwrap();
    other.wait().unwrap();
    let ended = state(&plane, "web", State::Terminated).await;
    let expected = format!("stopped because process {pid} has ended");
    assert_eq!(ended.status.message, expected);
    assert!(!alive(&ended.status.pid.unwrap().to_string()));
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn a_process_is_told_where_it_is_to_listen() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    for name in ["inside", "outside"] {
        client.create(service(name)).await.unwrap();
    }
    let mut object = shell("web", "exec sleep 1000");
    object.spec.aspire = None;
    object.spec.env = ["inside", "outside"]
        .map(|name| {
            let text = format!(r#"{{{{- addressForServing "{name}" -}}}}"#);
            env(&name.to_uppercase(), &text)
        })
        .to_vec();
    let produced =
        r#"[{"serviceName": "inside"}, {"serviceName": "outside", "address": "127.0.0.7"}]"#;
    object
        .metadata
        .annotations
        .insert("service-producer".into(), produced.into());
    client.create(object).await.unwrap();
    let running = state(&plane, "web", State::Running).await;
    let expected = [env("INSIDE", "localhost"), env("OUTSIDE", "127.0.0.7")];
    assert_eq!(running.status.effective_env, expected);
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn a_process_finds_the_certificates_that_it_trusts() {
    let folders = Folders::new();
    let session = folders.path().join("session");
    std::fs::create_dir(&session).unwrap();
    let mut config = folders.config();
    let variable = ("DCP_SESSION_FOLDER".into(), session.clone().into());
    config.environment.extend([variable]);
    let plane = ControlPlane::start(config).await.unwrap();
    let (certificate, hash) = certificate();
    let expected = certificate.contents.clone();
    let bad = PemCertificate {
        thumbprint: "BAD".into(),
        contents: "rubbish".into(),
    };
    let mut object = shell(
        "web",
        "cp $BUNDLE bundle; ls $CERTS > certs; exec sleep 1000",
    );
    object.spec.aspire = None;
    object.spec.env = vec![
        env("BUNDLE", r#"{{- file "cert.pem" -}}"#),
        env("CERTS", r#"{{- file "certs" -}}"#),
    ];
    let mut wanted = ExecutablePemCertificates {
        certificates: vec![certificate, bad],
        continue_on_error: true,
    };
    object.spec.pem_certificates = Some(wanted.clone());
    plane.client().create(object).await.unwrap();
    state(&plane, "web", State::Running).await;
    let names = file(&folders.path().join("certs")).await;
    assert_eq!(names, format!("00AB.pem\n{hash}.0"));
    let bundle = std::fs::read_to_string(folders.path().join("bundle")).unwrap();
    assert_eq!(bundle, expected);
    // Where clients of DCP look for them, and through the link.
    let linked = std::fs::read_to_string(session.join(format!("web/certs/{hash}.0")));
    assert_eq!(linked.unwrap(), expected);
    assert!(
        text(&plane, &key("web"))
            .contains(&"left out: certificate BAD: it has no PEM certificate".to_owned())
    );
    plane.client().delete(&key("web")).await.unwrap();
    plane.wait_idle().await;
    for _ in 0..1000 {
        if session.join("web").symlink_metadata().is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(session.join("web").symlink_metadata().is_err());
    // It can't do without one that it needs.
    let mut strict = shell("strict", "exec sleep 1000");
    wanted.continue_on_error = false;
    strict.spec.pem_certificates = Some(wanted);
    plane.client().create(strict).await.unwrap();
    let failed = state(&plane, "strict", State::FailedToStart).await;
    assert_eq!(
        failed.status.message,
        "certificate BAD: it has no PEM certificate"
    );
    plane.stop(Stop::Graceful).await;
}

fn schedule() -> HealthProbeSchedule {
    HealthProbeSchedule {
        interval: "20ms".into(),
        ..HealthProbeSchedule::default()
    }
}

#[tokio::test]
async fn a_program_tells_whether_a_workload_is_well() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let script = r#"test "$WHO" = us && test -e well || { echo not well; exit 3; }"#;
    let program = ExecutableSpec {
        executable_path: "sh".into(),
        args: vec!["-c".into(), script.into()],
        env: vec![env("WHO", "us")],
        ..ExecutableSpec::default()
    };
    let mut object = shell("web", "exec sleep 1000");
    object.spec.aspire = None;
    object.spec.health_probes = vec![HealthProbe {
        name: "well".into(),
        kind: HealthProbeKind::Executable,
        executable_probe: Some(Box::new(ExecutableProbe {
            executable_template: ExecutableTemplate {
                spec: program,
                ..ExecutableTemplate::default()
            },
        })),
        schedule: schedule(),
        ..HealthProbe::default()
    }];
    plane.client().create(object).await.unwrap();
    let unwell = until(&plane, "web", |web| {
        web.status.health_status == Some(HealthStatus::Unhealthy)
    })
    .await;
    let result = &unwell.status.health_probe_results[0];
    assert_eq!(result.reason, "exit code 3: not well");
    std::fs::write(folders.path().join("well"), "").unwrap();
    until(&plane, "web", |web| {
        web.status.health_status == Some(HealthStatus::Healthy)
    })
    .await;
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn a_request_over_tls_that_nobody_answers_is_a_failure_in_words() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut object = shell("web", "exec sleep 1000");
    object.spec.aspire = None;
    object.spec.health_probes = vec![HealthProbe {
        name: "tls".into(),
        http_probe: Some(HttpProbe {
            url: format!("https://127.0.0.1:{port}/"),
            headers: Vec::new(),
        }),
        schedule: schedule(),
        ..HealthProbe::default()
    }];
    plane.client().create(object).await.unwrap();
    let web = until(&plane, "web", |web| {
        !web.status.health_probe_results.is_empty()
    })
    .await;
    let result = &web.status.health_probe_results[0];
    assert_eq!(result.outcome, ProbeOutcome::Failure);
    assert!(
        result.reason.starts_with("connection refused"),
        "{result:?}"
    );
    plane.stop(Stop::Graceful).await;
}

const FOLDER: &str = "DCP_TEST_LEAVING_FOLDER";

/// A host in a process of its own that leaves everything: this test, started again.
#[tokio::test]
async fn leaving_host() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let mut config =
        aspire_dcp::Config::new("test", "test-1", folder.join("state"), folder.join("data"));
    config.app_folder = folder.to_owned();
    let plane = ControlPlane::start(config).await.unwrap();
    let object = shell("web", "echo $$ > pid; exec sleep 1000");
    plane.client().create(object).await.unwrap();
    state(&plane, "web", State::Running).await;
    file(&folder.join("pid")).await;
    plane.api().set_execution(Execution {
        status: ExecutionStatus::Stopping,
        shutdown_resource_cleanup: Cleanup::None,
    });
    assert_eq!(plane.ended().await, Outcome::Stopped);
}

#[tokio::test]
async fn a_run_may_leave_everything_to_whoever_comes_after() {
    let folders = Folders::new();
    let left = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "leaving_host", "--nocapture"])
        .env(FOLDER, folders.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(left.success());
    let pid = file(&folders.path().join("pid")).await;
    assert!(alive(&pid), "it was ended");
    // Whoever comes after finds it.
    let plane = folders.plane().await;
    for _ in 0..1000 {
        if !alive(&pid) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!alive(&pid), "it is still there");
    plane.stop(Stop::Graceful).await;
}
