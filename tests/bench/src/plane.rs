//! A control plane alone, and a client of its API.
//!
//! The client is the library that programs in Rust use for this. It hands over bytes as they
//! come: what a measurement does with them is its own business. Requests that follow each other go
//! over one warm connection; a watch has one of its own.

use std::collections::VecDeque;
use std::fs;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustix::fs::inotify;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::clock::{Ms, now, until};
use crate::places::Places;
use crate::{Result, memory};

/// Where the kinds are.
pub(crate) const BASE: &str = "/apis/usvc-dev.developer.microsoft.com/v1";
const LIMIT: Duration = Duration::from_secs(60);

/// A control plane that runs; ended when it is dropped.
pub(crate) struct Plane {
    child: Child,
    kubeconfig: PathBuf,
    /// From its launch to the file that says where it listens.
    pub(crate) listening: Ms,
}

impl Plane {
    /// Starts one in a folder and waits until it says that it listens.
    pub(crate) fn start(places: &Places, folder: &Path, more: &[&str]) -> Result<Self> {
        let kubeconfig = folder.join("kubeconfig");
        let path = kubeconfig.display().to_string();
        let mut words = vec!["control-plane", "--kubeconfig", &path];
        words.extend(more);
        // Told by the kernel, so that looking costs nothing and comes at once.
        let said = |error: rustix::io::Errno| format!("inotify: {error}");
        let news = inotify::init(inotify::CreateFlags::CLOEXEC).map_err(said)?;
        inotify::add_watch(&news, folder, inotify::WatchFlags::MOVED_TO).map_err(said)?;
        let launch = now();
        let child = places
            .host(folder, &words)
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut plane = Self {
            child,
            kubeconfig,
            listening: 0.0,
        };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&news, &mut buffer);
        while !plane.kubeconfig.exists() {
            if let Ok(Some(status)) = plane.child.try_wait() {
                return Err(format!("the control plane ended with {status}"));
            }
            events.next().map_err(said)?;
        }
        plane.listening = now() - launch;
        Ok(plane)
    }

    /// PSS in megabytes with its helpers, without what it runs of the program `child`.
    pub(crate) fn memory(&self, places: &Places, child: &Path) -> f64 {
        memory::pss(self.child.id(), &places.mark, child)
    }

    /// A client with connections of its own.
    pub(crate) async fn client(&self) -> Result<Client> {
        client(&self.kubeconfig, None).await
    }

    /// The same through another address, which has to lead to the plane.
    pub(crate) async fn client_through(&self, port: u16) -> Result<Client> {
        client(&self.kubeconfig, Some(port)).await
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> Result<u16> {
        let text = fs::read_to_string(&self.kubeconfig).map_err(|error| error.to_string())?;
        let after = text.split_once("https://127.0.0.1:").map(|(_, rest)| rest);
        let digits = after.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
        digits
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| "the kubeconfig names no port".to_owned())
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // One that has ended already needs no signal.
            let _ = kill_process(pid, Signal::INT);
        }
        let end = until(LIMIT, "the end of a control plane", || {
            self.child.try_wait().ok().flatten()
        });
        if end.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A runtime for clients: one thread, which the server doesn't have to share.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
}

/// A client of whoever a kubeconfig names.
pub(crate) async fn client(kubeconfig: &Path, through: Option<u16>) -> Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig).map_err(|error| error.to_string())?;
    let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .map_err(|error| error.to_string())?;
    if let Some(port) = through {
        let address = format!("https://127.0.0.1:{port}");
        config.cluster_url = address.parse().map_err(|_| "no address".to_owned())?;
    }
    let client = kube::Client::try_from(config).map_err(|error| error.to_string())?;
    Ok(Client(client))
}

/// A client of a control plane; cheap to clone.
#[derive(Clone)]
pub(crate) struct Client(kube::Client);

impl Client {
    async fn send(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: Vec<u8>,
    ) -> Result<http::Response<Body>> {
        let said = |reason: String| format!("{path}: {reason}");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content)
            .body(Body::from(body))
            .map_err(|error| said(error.to_string()))?;
        let answer = self.0.send(request).await;
        let answer = answer.map_err(|error| said(error.to_string()))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let text = answer.into_body().collect_bytes().await.unwrap_or_default();
        Err(said(format!(
            "{status}: {}",
            String::from_utf8_lossy(&text)
        )))
    }

    /// What is there, as bytes.
    pub(crate) async fn get(&self, path: &str) -> Result<Vec<u8>> {
        let answer = self
            .send(Method::GET, path, "application/json", Vec::new())
            .await?;
        whole(answer).await
    }

    /// Makes an object.
    pub(crate) async fn create(&self, kind: &str, object: &Json) -> Result<Vec<u8>> {
        let (path, body) = (format!("{BASE}/{kind}"), object.to_string().into_bytes());
        whole(
            self.send(Method::POST, &path, "application/json", body)
                .await?,
        )
        .await
    }

    /// Changes an object, in the way that the content type says.
    pub(crate) async fn patch(&self, path: &str, content: &str, body: &Json) -> Result<Vec<u8>> {
        let body = body.to_string().into_bytes();
        whole(self.send(Method::PATCH, path, content, body).await?).await
    }

    /// An answer that goes on, in lines.
    pub(crate) async fn follow(&self, path: &str) -> Result<Lines> {
        let answer = self
            .send(Method::GET, path, "application/json", Vec::new())
            .await?;
        Ok(Lines {
            body: answer.into_body(),
            open: Vec::new(),
            ready: VecDeque::new(),
        })
    }
}

async fn whole(answer: http::Response<Body>) -> Result<Vec<u8>> {
    let bytes = answer.into_body().collect_bytes().await;
    bytes.map(Into::into).map_err(|error| error.to_string())
}

/// An answer that goes on.
pub(crate) struct Lines {
    body: Body,
    open: Vec<u8>,
    ready: VecDeque<Vec<u8>>,
}

impl Lines {
    /// The next line; none: it has ended.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            let frame = frame.map_err(|error| error.to_string())?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            for piece in data.split_inclusive(|byte| *byte == b'\n') {
                self.open.extend_from_slice(piece);
                if piece.ends_with(b"\n") {
                    self.ready.push_back(std::mem::take(&mut self.open));
                }
            }
        }
    }

    /// The next event of a watch.
    pub(crate) async fn event(&mut self) -> Result<Json> {
        let line = self.next().await?.ok_or("a watch has ended")?;
        serde_json::from_slice(&line).map_err(|error| error.to_string())
    }
}

/// An executable as an object.
pub(crate) fn executable(name: &str, program: &Path, args: &[String]) -> Json {
    object(
        "Executable",
        name,
        &json!({ "executablePath": program, "args": args }),
    )
}

/// An object.
pub(crate) fn object(kind: &str, name: &str, spec: &Json) -> Json {
    json!({
        "apiVersion": BASE.trim_start_matches("/apis/"),
        "kind": kind,
        "metadata": { "name": name },
        "spec": spec,
    })
}
