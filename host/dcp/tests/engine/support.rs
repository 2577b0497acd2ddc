//! What the tests against a real engine share: finding it, the image, labels, tidying up.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests, and a failure must end them"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Once;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aspire_dcp::runtime::docker::{DockerEngine, EngineEnvironment};
use aspire_dcp::runtime::{
    ContainerEngine, ContainerRequest, EngineError, NetworkInfo, NetworkRequest, OutputStream,
};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) const IMAGE: &str = "standin.local/busybox:1";

/// An engine, and a label for everything that one test makes.
pub(crate) struct Bench {
    pub(crate) engine: DockerEngine,
    run: String,
}

impl Bench {
    /// `None` where there is no engine, which is said.
    pub(crate) async fn open(test: &str) -> Option<Self> {
        let engine = match Self::connect().await {
            Ok(engine) => engine,
            Err(error) => {
                assert!(
                    std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                    "no container engine under CI: {error}"
                );
                say(&format!("skipped: no container engine ({error})"));
                return None;
            }
        };
        if !engine.has_image(IMAGE).await.unwrap() {
            build_image();
        }
        let run = format!("dcp-test-{test}-{}", std::process::id());
        let bench = Self { engine, run };
        bench.close().await;
        Some(bench)
    }

    pub(crate) async fn connect() -> Result<DockerEngine, EngineError> {
        DockerEngine::connect(&EngineEnvironment::from_process()).await
    }

    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.run)
    }

    pub(crate) fn label(&self) -> String {
        format!("dev.aspire-host.test={}", self.run)
    }

    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("dev.aspire-host.test".to_owned(), self.run.clone())])
    }

    pub(crate) fn owns(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels()
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
    }

    /// A container that runs a script.
    pub(crate) fn shell(&self, name: &str, script: &str) -> ContainerRequest {
        ContainerRequest {
            name: self.name(name),
            image: IMAGE.to_owned(),
            entrypoint: Some(vec!["sh".to_owned(), "-c".to_owned()]),
            args: vec![script.to_owned()],
            labels: self.labels(),
            stop_grace: Duration::from_secs(1),
            ..ContainerRequest::default()
        }
    }

    pub(crate) async fn run(&self, request: &ContainerRequest) -> String {
        let id = self.engine.create(request).await.unwrap();
        self.engine.start(&id).await.unwrap();
        id
    }

    pub(crate) async fn network(&self, name: &str) -> (String, NetworkInfo) {
        let request = NetworkRequest {
            name: self.name(name),
            labels: self.labels(),
            ..NetworkRequest::default()
        };
        let made = self.engine.ensure_network(&request).await.unwrap();
        (request.name, made)
    }

    pub(crate) async fn until(&self, id: &str, state: &str) {
        for _ in 0..400 {
            if self.engine.inspect(id).await.unwrap().state == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{id} is not {state} after 20 s");
    }

    /// All of it, standard output and standard error.
    pub(crate) async fn output(&self, id: &str) -> (String, String) {
        let mut logs = self.engine.logs(id);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let read = async {
            while let Some(piece) = logs.next().await {
                match piece.unwrap() {
                    (OutputStream::Stderr, bytes) => err.extend_from_slice(&bytes),
                    (_, bytes) => out.extend_from_slice(&bytes),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), read)
            .await
            .unwrap();
        (
            String::from_utf8(out).unwrap(),
            String::from_utf8(err).unwrap(),
        )
    }

    /// Removes whatever carries the label.
    pub(crate) async fn close(&self) {
        for left in self.engine.leftovers(&self.label()).await.unwrap() {
            match left.what {
                "container" => self.engine.remove(&left.id).await.unwrap(),
                "network" => self.engine.remove_network(&left.id).await.unwrap(),
                _ => self.engine.remove_volume(&left.id).await.unwrap(),
            }
        }
        assert_eq!(self.engine.leftovers(&self.label()).await.unwrap(), []);
    }

    pub(crate) fn remove_image(&self, tag: &str) {
        let _ = Command::new("docker").args(["rmi", "-f", tag]).output();
    }
}

impl Drop for Bench {
    /// A test that failed has not tidied up.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let filter = format!("label={}", self.label());
            let script = format!(
                "docker ps -aq --filter {filter} | xargs -r docker rm -fv; \
                 docker network ls -q --filter {filter} | xargs -r docker network rm; \
                 docker volume ls -q --filter {filter} | xargs -r docker volume rm"
            );
            let _ = Command::new("sh").args(["-c", &script]).output();
        }
    }
}

/// Past the test harness, which swallows the output of tests that pass.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn build_image() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/images/build");
        let status = Command::new(&script).arg("busybox").status();
        assert!(
            status.as_ref().is_ok_and(std::process::ExitStatus::success),
            "{} busybox: {status:?}",
            script.display()
        );
    });
}

pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// The whole answer; a server that just started gets a moment.
pub(crate) async fn http_get(host: &str, port: u16) -> String {
    for _ in 0..100 {
        let mut answer = String::new();
        if let Ok(mut stream) = tokio::net::TcpStream::connect((host, port)).await {
            let request = format!("GET / HTTP/1.0\r\nHost: {host}\r\n\r\n");
            let _ = stream.write_all(request.as_bytes()).await;
            let _ = stream.read_to_string(&mut answer).await;
        }
        if !answer.is_empty() {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{host}:{port} does not answer");
}
