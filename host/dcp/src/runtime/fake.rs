//! An engine that only pretends, with scripted faults: for tests of everything above the seam.
//!
//! Containers are entries of a table; a test ends them, lets them talk, takes the engine down or
//! makes the next call of a kind fail.

mod state;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::watch;

pub use self::state::FakeContainer;
use self::state::{FakeNetwork, State};
use super::{
    BuildRequest, ContainerEngine, ContainerRequest, EngineError, EngineEvent, EngineInfo,
    ExecOutcome, FileRequest, Inspection, Leftover, NetworkInfo, NetworkRequest, OutputSink,
    OutputStream, Progress, RunRequest,
};

/// The engine.
#[derive(Debug, Clone)]
pub struct FakeEngine {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
    dials: bool,
}

impl Default for FakeEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeEngine {
    /// With all images there, on this machine.
    pub fn new() -> Self {
        Self {
            state: Arc::default(),
            changed: watch::Sender::new(0),
            dials: true,
        }
    }

    /// As one in a virtual machine.
    pub fn far_away(mut self) -> Self {
        self.dials = false;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.send_modify(|count| *count += 1);
        result
    }

    /// The next call of a kind (`create`, `start`, `pull` …) fails; may be said several times.
    pub fn fail(&self, call: &'static str, error: EngineError) {
        self.state()
            .faults
            .entry(call)
            .or_default()
            .push_back(error);
    }

    /// From now on it doesn't answer, or does again.
    pub fn set_down(&self, down: bool) {
        self.change(|state| state.down = down);
    }

    /// Containers don't end when they are asked to.
    pub fn set_stubborn(&self, stubborn: bool) {
        self.change(|state| state.stubborn = stubborn);
    }

    /// Only these images are there.
    pub fn set_images(&self, images: &[&str]) {
        let images = images.iter().map(|image| (*image).to_owned());
        self.change(|state| state.images = images.collect());
    }

    /// What a command in a container ends with; otherwise 0.
    pub fn set_exec(&self, program: &str, code: i64) {
        self.change(|state| state.execs.insert(program.to_owned(), code));
    }

    /// A command in a container doesn't end by itself.
    pub fn set_hanging(&self, program: &str) {
        self.change(|state| state.hanging.push(program.to_owned()));
    }

    /// Every command that was run in a container, with its id.
    pub fn runs(&self) -> Vec<(String, RunRequest)> {
        self.state().runs.clone()
    }

    /// Every build that was asked for.
    pub fn builds(&self) -> Vec<BuildRequest> {
        self.state().builds.clone()
    }

    /// Names by container id on a network; none: there is no such network.
    pub fn members(&self, network: &str) -> Option<BTreeMap<String, Vec<String>>> {
        Some(self.state().networks.get(network)?.members.clone())
    }

    /// A network that is there from before, with containers on it.
    pub fn put_network(&self, name: &str, members: &[&str]) {
        let members = members.iter().map(|id| ((*id).to_owned(), Vec::new()));
        let network = FakeNetwork {
            members: members.collect(),
            ..FakeNetwork::default()
        };
        self.change(|state| state.networks.insert(name.to_owned(), network));
    }

    /// The streams of events break off.
    pub fn break_streams(&self) {
        self.change(|state| state.broken_streams += 1);
    }

    /// A container ends by itself; without an event if `silently`.
    pub fn end(&self, id: &str, code: i32, silently: bool) {
        self.change(|state| state.end(id, code, silently));
    }

    /// Somebody else starts a container again; without an event if `silently`.
    pub fn start_again(&self, id: &str, silently: bool) {
        // One that isn't there stays so.
        let _ = self.change(|state| state.start(id, silently));
    }

    /// A container says something.
    pub fn say(&self, id: &str, text: &str) {
        self.change(|state| {
            if let Some(container) = state.containers.get_mut(id) {
                let text = Bytes::copy_from_slice(text.as_bytes());
                container.output.push((OutputStream::Stdout, text));
            }
        });
    }

    /// A container's own check finds something.
    pub fn check(&self, id: &str, status: &str, output: &str) {
        self.change(|state| {
            if let Some(container) = state.containers.get_mut(id) {
                container.health = Some((status.to_owned(), output.to_owned()));
                state.event(id, "health_status", None);
            }
        });
    }

    /// Somebody else removes a container.
    pub fn vanish(&self, id: &str) {
        self.change(|state| {
            state.containers.remove(id);
            state.event(id, "destroy", None);
        });
    }

    /// All containers, by id.
    pub fn containers(&self) -> BTreeMap<String, FakeContainer> {
        self.state().containers.clone()
    }

    /// All networks and volumes, by name.
    pub fn materials(&self) -> Vec<String> {
        let state = self.state();
        state
            .networks
            .keys()
            .chain(state.volumes.keys())
            .cloned()
            .collect()
    }

    /// Every call that was made: kind and argument.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Something that is there from before.
    pub fn put_container(&self, id: &str, labels: BTreeMap<String, String>) {
        let request = ContainerRequest {
            name: id.to_owned(),
            labels,
            ..ContainerRequest::default()
        };
        let container = FakeContainer {
            id: id.to_owned(),
            request,
            state: "running",
            starts: 1,
            exit_code: None,
            output: Vec::new(),
            health: None,
        };
        self.change(|state| {
            state.containers.insert(id.to_owned(), container);
            state.event(id, "start", None);
        });
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        kind: &'static str,
        argument: &'a str,
        act: impl FnOnce(&mut State) -> Result<T, EngineError> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, EngineError>> {
        async move {
            // Real ones take a while, too.
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.change(|state| {
                state.calls.push(format!("{kind} {argument}"));
                if state.down {
                    return Err(unreachable());
                }
                if let Some(error) = state.faults.get_mut(kind).and_then(VecDeque::pop_front) {
                    return Err(error);
                }
                act(state)
            })
        }
        .boxed()
    }
}

fn unreachable() -> EngineError {
    EngineError::Unreachable {
        address: "fake".to_owned(),
        cause: "it is down".to_owned(),
    }
}

impl ContainerEngine for FakeEngine {
    fn info(&self) -> BoxFuture<'_, Result<EngineInfo, EngineError>> {
        let dials_containers = self.dials;
        self.call("info", "", move |_| {
            Ok(EngineInfo {
                name: "fake".to_owned(),
                version: "1".to_owned(),
                api_version: "1".to_owned(),
                address: "fake".to_owned(),
                dials_containers,
            })
        })
    }

    fn has_image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<bool, EngineError>> {
        self.call("has_image", image, move |state| {
            Ok(state.images.is_empty() || state.images.iter().any(|known| known == image))
        })
    }

    fn pull<'a>(
        &'a self,
        image: &'a str,
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        progress("halfway");
        self.call("pull", image, move |state| {
            state.images.push(image.to_owned());
            Ok(())
        })
    }

    fn build<'a>(
        &'a self,
        request: &'a BuildRequest,
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        progress("step 1");
        self.call("build", &request.tag, |state| {
            state.builds.push(request.clone());
            Ok(())
        })
    }

    fn ensure_network<'a>(
        &'a self,
        request: &'a NetworkRequest,
    ) -> BoxFuture<'a, Result<NetworkInfo, EngineError>> {
        self.call("ensure_network", &request.name, |state| {
            let network = state
                .networks
                .entry(request.name.clone())
                .or_insert_with(|| FakeNetwork {
                    labels: request.labels.clone(),
                    ipv6: request.ipv6,
                    ..FakeNetwork::default()
                });
            Ok(network.info(&request.name))
        })
    }

    fn inspect_network<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<NetworkInfo, EngineError>> {
        self.call("inspect_network", id, |state| {
            Ok(state.network(id)?.info(id))
        })
    }

    fn connect<'a>(
        &'a self,
        network: &'a str,
        container: &'a str,
        names: &'a [String],
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.call("connect", network, |state| {
            state.container(container)?;
            let members = &mut state.network(network)?.members;
            members.insert(container.to_owned(), names.to_vec());
            Ok(())
        })
    }

    fn disconnect<'a>(
        &'a self,
        network: &'a str,
        container: &'a str,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.call("disconnect", network, |state| {
            state.network(network)?.members.remove(container);
            Ok(())
        })
    }

    fn remove_network<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        self.call("remove_network", id, |state| state.remove_network(id))
    }

    fn ensure_volume<'a>(
        &'a self,
        name: &'a str,
        labels: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.call("ensure_volume", name, |state| {
            state.volumes.insert(name.to_owned(), labels.clone());
            Ok(())
        })
    }

    fn remove_volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        self.call("remove_volume", name, |state| {
            state.volumes.remove(name);
            Ok(())
        })
    }

    fn create<'a>(
        &'a self,
        request: &'a ContainerRequest,
    ) -> BoxFuture<'a, Result<String, EngineError>> {
        self.call("create", &request.name, |state| {
            let id = format!("id-{}", request.name);
            let container = FakeContainer {
                id: id.clone(),
                request: request.clone(),
                state: "created",
                starts: 0,
                exit_code: None,
                output: Vec::new(),
                health: None,
            };
            if state.container(&request.name).is_ok() {
                let text = format!("the name {} is in use", request.name);
                return Err(EngineError::Other(text));
            }
            if let Some((lost, _)) =
                (request.networks.iter()).find(|(network, _)| !state.networks.contains_key(network))
            {
                return Err(EngineError::NotFound(format!("network {lost}")));
            }
            state.containers.insert(id.clone(), container);
            for (network, names) in &request.networks {
                if let Some(network) = state.networks.get_mut(network) {
                    network.members.insert(id.clone(), names.clone());
                }
            }
            Ok(id)
        })
    }

    fn start<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        self.call("start", id, |state| state.start(id, false))
    }

    fn inspect<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Inspection, EngineError>> {
        self.call("inspect", id, |state| {
            let found = state.container(id)?;
            let id = found.id.clone();
            let ports = found.request.ports.iter().map(|port| {
                let number = port
                    .host_port
                    .unwrap_or(40_000 + port.container_port % 10_000);
                ((port.container_port, port.protocol.to_owned()), number)
            });
            let networks = found.request.networks.iter();
            Ok(Inspection {
                id,
                name: found.request.name.clone(),
                state: found.state.to_owned(),
                began: found.starts.to_string(),
                exit_code: found.exit_code,
                error: String::new(),
                out_of_memory: false,
                addresses: networks
                    .map(|(name, _)| (name.clone(), "127.78.0.1".to_owned()))
                    .collect(),
                ports: ports.collect(),
                labels: found.request.labels.clone(),
                health: found.health.clone(),
            })
        })
    }

    fn stop<'a>(&'a self, id: &'a str, grace: Duration) -> BoxFuture<'a, Result<(), EngineError>> {
        async move {
            if self.state().stubborn {
                tokio::time::sleep(grace).await;
            }
            self.call("stop", id, |state| {
                state.container(id)?;
                state.end(id, 143, false);
                Ok(())
            })
            .await
        }
        .boxed()
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        self.call("remove", id, |state| {
            state.end(id, 137, false);
            state.containers.remove(id);
            for network in state.networks.values_mut() {
                network.members.remove(id);
            }
            state.event(id, "destroy", None);
            Ok(())
        })
    }

    fn logs<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxStream<'a, Result<(OutputStream, Bytes), EngineError>> {
        let (changed, place) = (self.changed.subscribe(), 0);
        stream::unfold((changed, place), move |(mut changed, place)| async move {
            loop {
                changed.borrow_and_update();
                {
                    let mut state = self.state();
                    let container = state.container(id).ok()?;
                    if let Some(piece) = container.output.get(place) {
                        return Some((Ok(piece.clone()), (changed, place + 1)));
                    }
                    if container.state == "exited" {
                        return None;
                    }
                }
                changed.changed().await.ok()?;
            }
        })
        .boxed()
    }

    fn copy<'a>(
        &'a self,
        id: &'a str,
        files: &'a [FileRequest],
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.call("copy", id, move |state| {
            let container = state.container(id)?;
            container.request.files.extend_from_slice(files);
            Ok(())
        })
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        command: &'a [String],
        _: Duration,
    ) -> BoxFuture<'a, Result<ExecOutcome, EngineError>> {
        self.call("exec", id, |state| {
            state.running(id)?;
            let program = command.first().map(String::as_str).unwrap_or_default();
            let exit_code = state.execs.get(program).copied().unwrap_or(0);
            Ok(ExecOutcome {
                exit_code,
                output: format!("{program} says {exit_code}\n"),
            })
        })
    }

    fn run<'a>(
        &'a self,
        id: &'a str,
        request: &'a RunRequest,
        output: OutputSink<'a>,
        mut end: watch::Receiver<bool>,
    ) -> BoxFuture<'a, Result<i64, EngineError>> {
        let called = self.call("run", id, |state| {
            state.running(id)?;
            state.runs.push((id.to_owned(), request.clone()));
            let program = request.command.first().cloned().unwrap_or_default();
            let code = state.execs.get(&program).copied().unwrap_or(0);
            let hangs = state.hanging.contains(&program);
            Ok((program, code, hangs))
        });
        async move {
            let (program, code, hangs) = called.await?;
            output(
                OutputStream::Stdout,
                format!("{program} begins\n").as_bytes(),
            );
            if hangs {
                let _ = end.wait_for(|end| *end).await;
                return Ok(143);
            }
            output(OutputStream::Stderr, b"an error");
            Ok(code)
        }
        .boxed()
    }

    fn events<'a>(
        &'a self,
        _: &'a str,
        since_nano: Option<i64>,
    ) -> BoxStream<'a, Result<EngineEvent, EngineError>> {
        let broken = self.state().broken_streams;
        let since = since_nano.unwrap_or(0);
        stream::unfold(
            (self.changed.subscribe(), since),
            move |(mut changed, since)| async move {
                loop {
                    changed.borrow_and_update();
                    {
                        let state = self.state();
                        if state.down || state.broken_streams > broken {
                            return None;
                        }
                        if let Some(event) =
                            state.events.iter().find(|event| event.time_nano > since)
                        {
                            return Some((Ok(event.clone()), (changed, event.time_nano)));
                        }
                    }
                    changed.changed().await.ok()?;
                }
            },
        )
        .boxed()
    }

    fn leftovers<'a>(
        &'a self,
        label: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Leftover>, EngineError>> {
        self.call("leftovers", label, move |state| Ok(state.leftovers(label)))
    }
}
