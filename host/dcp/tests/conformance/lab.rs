//! A run with its API, and what its clients see.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aspire_api::GROUP;
use aspire_dcp::runtime::ContainerEngine;
use aspire_dcp::runtime::docker::{DockerEngine, EngineEnvironment};
use aspire_dcp::{Config, ControlPlane, Outcome, Stop};
use axum::body::Body;
use axum::http::{Method, Request};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::Folders;

pub(crate) const IMAGE: &str = "standin.local/busybox:1";
/// The longest that anything takes: the slow look at everything, and a bit.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run.
pub(crate) struct Lab {
    pub(crate) plane: Arc<ControlPlane>,
    pub(crate) folders: Folders,
    pub(crate) instance: String,
    /// Every event of every container and process, by kind and name.
    seen: Arc<Mutex<BTreeMap<String, Vec<Value>>>>,
    docker: bool,
}

/// The engine, where one answers.
pub(crate) async fn docker_engine(environment: &EngineEnvironment) -> Option<DockerEngine> {
    match DockerEngine::connect(environment).await {
        Ok(engine) if engine.has_image(IMAGE).await.unwrap() => Some(engine),
        other => {
            let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            let why = other.err().map(|error| error.to_string());
            assert!(!ci, "no engine with {IMAGE} under CI: {why:?}");
            skipped(&format!("no engine with {IMAGE} ({why:?})"));
            None
        }
    }
}

/// Past the test harness, which swallows the output of tests that pass.
pub(crate) fn skipped(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// What somebody else asks of the engine.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Whether the engine knows such a thing.
pub(crate) fn there_is(what: &str, name: &str) -> bool {
    let looked = Command::new("docker")
        .args([what, "inspect", name])
        .output();
    looked.unwrap().status.success()
}

/// Something of the engine that goes away with the test, whoever made it.
pub(crate) struct Thing(&'static str, pub(crate) String);

impl Thing {
    pub(crate) fn new(what: &'static str, name: String) -> Self {
        Self(what, name)
    }
}

impl Drop for Thing {
    fn drop(&mut self) {
        let force: &[&str] = if self.0 == "network" { &[] } else { &["-f"] };
        let _ = Command::new("docker")
            .args([self.0, "rm"])
            .args(force)
            .arg(&self.1)
            .output();
    }
}

impl Lab {
    /// On the real engine.
    pub(crate) async fn docker(test: &str) -> Option<Self> {
        Self::docker_in(test, Folders::new()).await
    }

    /// On the real engine, with the folders of an earlier run.
    pub(crate) async fn docker_in(test: &str, folders: Folders) -> Option<Self> {
        let engine = docker_engine(&EngineEnvironment::from_process()).await?;
        Some(Self::begin(test, folders, Some(Arc::new(engine))).await)
    }

    /// On an engine, or none.
    pub(crate) async fn begin(
        test: &str,
        folders: Folders,
        engine: Option<Arc<dyn ContainerEngine>>,
    ) -> Self {
        let mut config = folders.config();
        config.instance = format!("dcp-{test}-{}", std::process::id());
        config.stop_grace = Duration::from_secs(2);
        config.engine = engine;
        Self::of(config, folders).await
    }

    pub(crate) async fn of(config: Config, folders: Folders) -> Self {
        let (instance, docker) = (config.instance.clone(), config.engine.is_some());
        let plane = Arc::new(ControlPlane::start(config).await.unwrap());
        let lab = Self {
            plane,
            folders,
            instance,
            seen: Arc::default(),
            docker,
        };
        for plural in ["containers", "executables"] {
            lab.watch(plural).await;
        }
        lab
    }

    /// Remembers every event from now on.
    async fn watch(&self, plural: &'static str) {
        let (_, list) = self.send(Method::GET, plural, "", &Value::Null).await;
        let from = list["metadata"]["resourceVersion"].as_str().unwrap();
        let path = format!("{}?watch=1&resourceVersion={from}", of(plural));
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.plane.api().router().oneshot(request).await.unwrap();
        let seen = Arc::clone(&self.seen);
        tokio::spawn(async move {
            let mut pieces = response.into_body().into_data_stream();
            let mut text = Vec::new();
            while let Some(Ok(piece)) = pieces.next().await {
                text.extend_from_slice(&piece);
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    let event: Value = serde_json::from_slice(&line).unwrap();
                    let name = event["object"]["metadata"]["name"].as_str();
                    let key = format!("{plural}/{}", name.unwrap_or_default());
                    seen.lock().unwrap().entry(key).or_default().push(event);
                }
            }
        });
    }

    /// Every event of an object so far.
    pub(crate) fn events(&self, path: &str) -> Vec<Value> {
        let seen = self.seen.lock().unwrap();
        seen.get(path).cloned().unwrap_or_default()
    }

    /// The states of an object in the order in which they were told.
    pub(crate) fn states(&self, path: &str) -> Vec<String> {
        let mut states: Vec<String> = self
            .events(path)
            .iter()
            .map(|event| state(&event["object"]).to_owned())
            .collect();
        states.dedup();
        states
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        media: &str,
        body: &Value,
    ) -> (u16, Value) {
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            of(path)
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media)
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.plane.api().router().oneshot(request).await.unwrap();
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        (
            code,
            serde_json::from_slice(&bytes).unwrap_or_else(|_| text()),
        )
    }

    /// Creates an object.
    pub(crate) async fn make(&self, kind: &str, name: &str, spec: Value) -> Value {
        self.make_with(kind, json!({"name": name}), spec).await
    }

    pub(crate) async fn make_with(&self, kind: &str, metadata: Value, spec: Value) -> Value {
        let object = json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": metadata, "spec": spec,
        });
        let plural = format!("{}s", kind.to_lowercase());
        let (code, made) = self
            .send(Method::POST, &plural, "application/json", &object)
            .await;
        assert_eq!(code, 201, "{made}");
        made
    }

    /// Merges something into a spec.
    pub(crate) async fn patch(&self, path: &str, spec: Value) -> (u16, Value) {
        let media = "application/merge-patch+json";
        let patch = json!({ "spec": spec });
        self.send(Method::PATCH, path, media, &patch).await
    }

    pub(crate) async fn change(&self, path: &str, spec: Value) {
        let (code, answer) = self.patch(path, spec).await;
        assert_eq!(code, 200, "{answer}");
    }

    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        let (code, found) = self.send(Method::GET, path, "", &Value::Null).await;
        (code == 200).then_some(found)
    }

    /// Waits, for a bounded time, until something is true of an object.
    pub(crate) async fn until(&self, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                match self.get(path).await {
                    Some(found) if is_it(&found) => return found,
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(found) => found,
            Err(_) => {
                let log = self.log(path, "?source=system").await;
                panic!("{path} got stuck: {:?}\n{log}", self.get(path).await)
            }
        }
    }

    pub(crate) async fn reaches(&self, path: &str, wanted: &str) -> Value {
        self.until(path, |object| state(object) == wanted).await
    }

    /// Deletes an object and waits until it is gone.
    pub(crate) async fn remove(&self, path: &str) {
        let (code, answer) = self.send(Method::DELETE, path, "", &Value::Null).await;
        assert!(matches!(code, 200 | 202), "{answer}");
        let looking = async {
            while self.get(path).await.is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, looking).await;
        assert!(waited.is_ok(), "{path} stays");
    }

    /// The log subresource.
    pub(crate) async fn log(&self, path: &str, query: &str) -> String {
        let path = format!("{path}/log{query}");
        match self.send(Method::GET, &path, "", &Value::Null).await.1 {
            Value::String(text) => text,
            // A line may be a number.
            other => other.to_string(),
        }
    }

    /// Waits, for a bounded time, until a log says something.
    pub(crate) async fn says(&self, path: &str, query: &str, what: &str) -> String {
        let looking = async {
            loop {
                let text = self.log(path, query).await;
                if text.contains(what) {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(text) => text,
            Err(_) => panic!("never said `{what}`: {}", self.log(path, query).await),
        }
    }

    /// A name that nobody else uses.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.instance)
    }

    /// What is left of this run in the engine, of one sort.
    pub(crate) fn left(&self, list: &[&str]) -> String {
        let filter = format!("label=aspire-host.instance={}", self.instance);
        docker(&[list, &["--filter", &filter]].concat())
    }

    /// Ends the run; nothing is left of it. Gives back the folders, for the next one.
    pub(crate) async fn end(self) -> Folders {
        assert_eq!(self.plane.stop(Stop::Graceful).await, Outcome::Stopped);
        if self.docker {
            let kept = "label=aspire-host.persistent";
            let ours = format!("label=aspire-host.instance={}", self.instance);
            let all = self.left(&["ps", "-aq"]);
            let filters = ["ps", "-aq", "--filter", &ours, "--filter", kept];
            assert_eq!(all, docker(&filters), "what is not kept is gone");
        }
        self.folders
    }
}

pub(crate) fn of(path: &str) -> String {
    format!("/apis/{GROUP}/v1/{path}")
}

/// The state of an object.
pub(crate) fn state(object: &Value) -> &str {
    object["status"]["state"].as_str().unwrap_or_default()
}

/// The spec of a container that runs a script.
pub(crate) fn shell(script: &str) -> Value {
    json!({"image": IMAGE, "command": "/bin/sh", "args": ["-c", script]})
}

/// A spec with more in it.
pub(crate) fn with(mut spec: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    spec
}

/// A file in a folder of the test.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A script that lives until it is asked to end.
pub(crate) const STAYS: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
