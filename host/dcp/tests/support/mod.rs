//! What the tests of the control plane share.
#![allow(dead_code, reason = "each test file uses its own part")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and a failure must end them"
)]

use std::path::Path;
use std::time::Duration;

use aspire_api::aspire::{Aspire, Gate, GateCondition, Probe, ProbeAction, WorkloadEndpoint};
use aspire_api::executable::{EnvVar, Executable, ExecutableState};
use aspire_api::service::{Protocol, Service};
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use aspire_dcp::{Config, ControlPlane};

/// Folders that go away with the test.
pub(crate) struct Folders(tempfile::TempDir);

impl Folders {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(
            "test",
            "test-1",
            self.path().join("state"),
            self.path().join("data"),
        );
        config.app_folder = self.path().to_owned();
        config.stop_grace = Duration::from_secs(5);
        config
    }

    pub(crate) async fn plane(&self) -> ControlPlane {
        ControlPlane::start(self.config()).await.unwrap()
    }
}

/// A process that runs a shell script.
pub(crate) fn shell(name: &str, script: &str) -> Executable {
    let mut object = Executable {
        metadata: ObjectMeta::of(name, name),
        ..Executable::default()
    };
    object.spec.executable_path = "/bin/sh".to_owned();
    object.spec.args = vec!["-c".to_owned(), script.to_owned()];
    object.spec.aspire = Some(Aspire::default());
    object
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Executable, name)
}

pub(crate) fn env(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

pub(crate) fn aspire(object: &mut Executable) -> &mut Aspire {
    object.spec.aspire.get_or_insert_default()
}

pub(crate) fn gate(on: &str, condition: GateCondition) -> Gate {
    Gate {
        resource: on.to_owned(),
        object: key(on),
        condition,
        exit_code: 0,
        probe: None,
    }
}

pub(crate) fn endpoint(name: &str, service: &str) -> WorkloadEndpoint {
    WorkloadEndpoint {
        name: name.to_owned(),
        scheme: "tcp".to_owned(),
        service: service.to_owned(),
        target_port: None,
        protocol: Protocol::Tcp,
        external: false,
    }
}

pub(crate) fn service(name: &str) -> Service {
    Service {
        metadata: ObjectMeta::of(name, name),
        ..Service::default()
    }
}

pub(crate) fn probe(action: ProbeAction) -> Probe {
    Probe {
        action,
        interval: 1000,
        timeout: 2000,
        start_period: 0,
        retries: 5,
        liveness: false,
    }
}

pub(crate) fn executable(object: &Object) -> &Executable {
    match object {
        Object::Executable(executable) => executable,
        other => panic!("{} is no executable", other.key()),
    }
}

/// Waits, for a bounded time, until something is true of a process.
pub(crate) async fn until(
    plane: &ControlPlane,
    name: &str,
    is_it: impl Fn(&Executable) -> bool,
) -> Executable {
    let client = plane.client();
    let key = key(name);
    let waited = client.wait_for(&key, |object| is_it(executable(object)));
    match tokio::time::timeout(Duration::from_secs(30), waited).await {
        Ok(object) => executable(&object.unwrap()).clone(),
        Err(_) => panic!("{name} got stuck: {:?}", client.get(&key).await),
    }
}

pub(crate) async fn state(plane: &ControlPlane, name: &str, state: ExecutableState) -> Executable {
    until(plane, name, |object| object.status.state == state).await
}

/// The text of a log.
pub(crate) fn text(plane: &ControlPlane, key: &ObjectKey) -> Vec<String> {
    let lines = plane.logs().tail(key, 1000);
    lines
        .iter()
        .map(|line| String::from_utf8_lossy(&line.text).into_owned())
        .collect()
}

/// Waits until a file says something.
pub(crate) async fn file(path: &Path) -> String {
    for _ in 0..3000 {
        if let Ok(text) = std::fs::read_to_string(path)
            && text.ends_with('\n')
        {
            return text.trim().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} was never written", path.display());
}

/// Whether a process exists (zombies don't).
pub(crate) fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// When a process started, as DCP writes it on Linux: the time since boot, from the year 1 on.
pub(crate) fn since_boot(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let ticks: u64 = rest.split(' ').nth(19).unwrap().parse().unwrap();
    let (seconds, hundredths) = (ticks / 100, ticks % 100);
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    assert!(days < 31, "a machine that runs for a month: {days} days");
    format!(
        "0001-01-{:02}T{:02}:{:02}:{:02}.{hundredths:02}0000Z",
        days + 1,
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// A certificate of its own making, and what OpenSSL calls the hash of its subject.
pub(crate) fn certificate() -> (aspire_api::health::PemCertificate, &'static str) {
    let contents = "\
-----BEGIN CERTIFICATE-----\n\
MIIBwDCCAWWgAwIBAgIUFuxhGQFrK+LRmnYv/7bJWvIt2BMwCgYIKoZIzj0EAwIw\n\
NDELMAkGA1UEBhMCREUxEzARBgNVBAoMClNvbWUgIEJvZHkxEDAOBgNVBAMMB1Rl\n\
c3QgQ0EwIBcNMjYxMTI0MTUwMTUxWhgPMjEyNjEwMzExNTAxNTFaMDQxCzAJBgNV\n\
BAYTAkRFMRMwEQYDVQQKDApTb21lICBCb2R5MRAwDgYDVQQDDAdUZXN0IENBMFkw\n\
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAESXyfMFdT2FVexHO0kUdd7Flc3WGvGKbW\n\
y+A80iqk9XLTnuMiJXk5h0pUligzuQiAg4zIReYxtOk7iUu/R8c5K6NTMFEwHQYD\n\
VR0OBBYEFMkIW3QmX1RKW1H5e2QWkxjuTP/UMB8GA1UdIwQYMBaAFMkIW3QmX1RK\n\
W1H5e2QWkxjuTP/UMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIh\n\
AKzIO8OtRKgNfNPWV6N9zzzswCn7ckc0R6BjJMs6iUNRAiEA6LR+KpubMsrFzSqh\n\
5L5ZImPJw7erCgcnRlN+dg4hevE=\n\
-----END CERTIFICATE-----\n";
    let certificate = aspire_api::health::PemCertificate {
        thumbprint: "00AB".to_owned(),
        contents: contents.to_owned(),
    };
    (certificate, "a388d59f")
}
