//! What the tests of the control plane share.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aspire_api::aspire::{Aspire, Gate, GateCondition, Probe, ProbeAction, WorkloadEndpoint};
use aspire_api::executable::{EnvVar, Executable, ExecutableState};
use aspire_api::service::{Protocol, Service};
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use aspire_dcp::{Config, ControlPlane};

/// Folders that go away with the test.
pub struct Folders(tempfile::TempDir);

impl Folders {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn config(&self) -> Config {
        let mut config =
            Config::new("test", "test-1", self.path().join("state"), self.path().join("data"));
        config.app_folder = self.path().to_owned();
        config.stop_grace = Duration::from_secs(5);
        config
    }

    pub async fn plane(&self) -> ControlPlane {
        ControlPlane::start(self.config()).await.unwrap()
    }
}

/// A process that runs a shell script.
pub fn shell(name: &str, script: &str) -> Executable {
    let mut object = Executable { metadata: ObjectMeta::of(name, name), ..Executable::default() };
    object.spec.executable_path = "/bin/sh".to_owned();
    object.spec.args = vec!["-c".to_owned(), script.to_owned()];
    object.spec.aspire = Some(Aspire::default());
    object
}

pub fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Executable, name)
}

pub fn env(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: value.to_owned() }
}

pub fn aspire(object: &mut Executable) -> &mut Aspire {
    object.spec.aspire.get_or_insert_default()
}

pub fn gate(on: &str, condition: GateCondition) -> Gate {
    Gate { resource: on.to_owned(), object: key(on), condition, exit_code: 0, probe: None }
}

pub fn endpoint(name: &str, service: &str) -> WorkloadEndpoint {
    WorkloadEndpoint {
        name: name.to_owned(),
        scheme: "tcp".to_owned(),
        service: service.to_owned(),
        target_port: None,
        protocol: Protocol::Tcp,
        external: false,
    }
}

pub fn service(name: &str) -> Service {
    Service { metadata: ObjectMeta::of(name, name), ..Service::default() }
}

pub fn probe(action: ProbeAction) -> Probe {
    Probe { action, interval: 1000, timeout: 2000, start_period: 0, retries: 5 }
}

pub fn executable(object: &Object) -> &Executable {
    match object {
        Object::Executable(executable) => executable,
        other => panic!("{} is no executable", other.key()),
    }
}

/// Waits, for a bounded time, until something is true of a process.
pub async fn until(
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

pub async fn state(plane: &ControlPlane, name: &str, state: ExecutableState) -> Executable {
    until(plane, name, |object| object.status.state == state).await
}

/// The text of a log.
pub fn text(plane: &ControlPlane, key: &ObjectKey) -> Vec<String> {
    let lines = plane.logs().tail(key, 1000);
    lines.iter().map(|line| String::from_utf8_lossy(&line.text).into_owned()).collect()
}

/// Waits until a file says something.
pub async fn file(path: &Path) -> String {
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
pub fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

pub fn shared<T>(value: T) -> Arc<T> {
    Arc::new(value)
}
