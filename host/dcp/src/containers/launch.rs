//! Launching a container: image, request, creation, output, start, and the wait for its end.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aspire_api::aspire::WorkloadEndpoint;
use aspire_api::container::{Container, Mode, PullPolicy};
use aspire_api::executable::EnvVar;
use aspire_api::{Kind, Object, ObjectKey, run_args, service};
use tokio::sync::watch;

use super::adopt;
use super::end::{Running, Turn, next_turn};
use super::events::Happening;
use super::image::{self, BuildError};
use super::output::{self, Said};
use super::{layers, request};
use crate::clock::Timestamp;
use crate::context::{Context, Live, Slot};
use crate::controllers::in_words;
use crate::controllers::workload::{Report, Stage, Started};
use crate::engine::{Engine, within};
use crate::identity::INSTANCE_LABEL;
use crate::monitor::Monitored;
use crate::processes::run::LastWords;
use crate::records::Entry;
use crate::runtime::{ContainerRequest, EngineError, EngineInfo, Inspection};
use crate::templates::Viewpoint;
use crate::watchdog::Minder;

/// For a creation (with its files) or a start.
const SLOW: Duration = Duration::from_secs(120);
/// For a look.
pub(super) const QUICK: Duration = Duration::from_secs(30);
/// After the end of a container, for its last output to arrive.
const DRAIN: Duration = Duration::from_millis(500);
/// Between two looks for what somebody else is to make, should its event get lost.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// Attempts at what may succeed the next time.
const ATTEMPTS: usize = 3;

/// Why a launch did not succeed.
#[derive(Debug)]
pub(super) enum Problem {
    /// It would fail again.
    Conclusive(String),
    /// The engine doesn't answer; it may come back.
    EngineDown(String),
    /// It may succeed the next time.
    Passing(String),
    /// Somebody else is to make it, and hasn't yet.
    Missing(String),
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unreachable { .. } => Self::EngineDown(error.to_string()),
            EngineError::Image {
                conclusive: false, ..
            } => Self::Passing(error.to_string()),
            _ => Self::Conclusive(error.to_string()),
        }
    }
}

impl From<String> for Problem {
    fn from(message: String) -> Self {
        Self::Conclusive(message)
    }
}

/// A container that is about to be created.
struct Ready {
    request: ContainerRequest,
    viewpoint: Viewpoint,
    serving: BTreeMap<String, u16>,
    given: Vec<EnvVar>,
    args: Vec<String>,
}

/// Launches a container and stays with it to its end.
pub(crate) async fn launch(
    context: Arc<Context>,
    container: Arc<Container>,
    mut cancel: watch::Receiver<bool>,
    slot: Slot,
) {
    let key = ObjectKey::new(Kind::Container, container.metadata.name.clone());
    let log = context.log(&key);
    let failed = |message: String| {
        let message = context.redactor.text(&message);
        log.system(&message);
        context.tell(&key, Report::Failed(message, Timestamp::now()));
    };
    let Some(engine) = &context.engine else {
        return failed("no container engine".to_owned());
    };
    engine.hub.subscribe(&context);
    let made_here = container.spec.effective_mode().creates();
    if !made_here {
        engine.hub.subscribe_to_all(&context);
    }
    let mut said = Said::default();
    let mut pause = Duration::from_millis(250);
    let mut attempt = 0;
    let mut running = loop {
        // What appears from here on is looked at.
        let mut appeared = engine.hub.appeared();
        let tried = if made_here {
            try_launch(&context, engine, &container, &mut cancel, &slot, &mut said).await
        } else {
            adopt::take(&context, engine, &container, &slot, &said).await
        };
        let problem = match tried {
            Ok(running) => break running,
            Err(problem) => problem,
        };
        attempt += 1;
        let (stage, message) = match problem {
            Problem::Conclusive(message) => return failed(message),
            Problem::Passing(message) if attempt >= ATTEMPTS => return failed(message),
            Problem::Passing(message) => (Stage::Starting, message),
            Problem::EngineDown(message) => (Stage::EngineDown, message),
            Problem::Missing(message) => {
                context.tell(&key, Report::Progress(Stage::Starting, message));
                tokio::select! {
                    () = tokio::time::sleep(LOOK_AGAIN) => continue,
                    _ = appeared.changed() => continue,
                    _ = cancel.wait_for(|cancel| *cancel) => {
                        return failed("stopped before it was there".to_owned());
                    }
                }
            }
        };
        let message = context.redactor.text(&message);
        let message = format!("{message}; trying again in {}", in_words(pause));
        log.system(&message);
        context.tell(&key, Report::Progress(stage, message));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = cancel.wait_for(|cancel| *cancel) => return failed("stopped".to_owned()),
        }
        pause = (pause * 2).min(Duration::from_secs(5));
    };
    let mut minder = mind(&context, &container, &running.id);
    // Another object of this name may have come since, which this is none of the business of.
    let tell = |report: Report| {
        let now = context.store.get(&key);
        if now.is_ok_and(|now| now.metadata().uid == container.metadata.uid) {
            context.tell(&key, report);
        }
    };
    loop {
        match next_turn(&context, engine, &key, &mut running).await {
            Turn::Ended(ended) => {
                // One that is left running is minded on.
                if ended.code.is_some() {
                    minder.take().into_iter().for_each(Minder::dismiss);
                }
                log.drained(DRAIN).await;
                tell(Report::Ended(ended));
            }
            Turn::Gone => {
                let name = container.spec.container_name.clone();
                let kept = container.spec.effective_mode() != Mode::Session;
                if let Some(name) = name.filter(|_| kept) {
                    let id = Some(running.id.clone());
                    context.forget("container", name, id).await;
                }
            }
            Turn::Began(found) => {
                output::follow(&context, &key, &running.id, &said);
                let addresses = match engine.info().await {
                    Ok(info) => addresses(&container, &found, info),
                    Err(_) => BTreeMap::new(),
                };
                minder = minder.or_else(|| mind(&context, &container, &running.id));
                tell(Report::Revived(Timestamp::now(), addresses));
            }
            Turn::Done => return,
        }
    }
}

/// Has one minded after this run that outlives it, and that is to end with another process.
fn mind(context: &Context, container: &Container, id: &str) -> Option<Minder> {
    let spec = &container.spec;
    if !request::is_persistent(container) {
        return None;
    }
    let over = Monitored::of(spec.monitor_pid, spec.monitor_timestamp.as_deref())?.find();
    let name = spec.container_name.as_deref().unwrap_or_default();
    Minder::start(context, over, "container", name, id)
}

async fn try_launch(
    context: &Arc<Context>,
    engine: &Engine,
    container: &Container,
    cancel: &mut watch::Receiver<bool>,
    slot: &Slot,
    said: &mut Said,
) -> Result<Running, Problem> {
    let key = ObjectKey::new(Kind::Container, container.metadata.name.clone());
    let (ready, info) = tokio::select! {
        prepared = prepare(context, engine, &key, container) => prepared?,
        _ = cancel.wait_for(|cancel| *cancel) => {
            return Err(Problem::Conclusive("stopped before it was started".to_owned()));
        }
    };
    context.tell(&key, Report::Progress(Stage::Starting, String::new()));
    let name = ready.request.name.clone();
    let persistent = request::is_persistent(container);
    let lease = if persistent {
        let what = format!("container {name}");
        let lease = context.state.lease(&what, cancel).await;
        Some(lease.map_err(Problem::Conclusive)?)
    } else {
        None
    };
    let found = if persistent {
        adopt::same(context, engine, &key, container, &name).await?
    } else {
        None
    };
    // Not cancelled from here on: what the engine makes has to be known.
    let (id, runs) = match found {
        Some(found) => {
            if found.labels.get(INSTANCE_LABEL) != Some(&context.config.instance) {
                // What happens to it is not among what happens to ours.
                engine.hub.subscribe_to_all(context);
            }
            (found.id, found.state == "running")
        }
        None => {
            *said = Said::default();
            let id = create(context, engine, &ready.request, persistent).await?;
            (id, false)
        }
    };
    if persistent {
        context.remember("container", &name, &id, None).await;
    }
    drop(lease);
    let networks = container.spec.networks.iter().flatten();
    let networks: Vec<String> = networks.map(|network| network.name.clone()).collect();
    context.containers.change(&key, |page| {
        page.joined = Some((id.clone(), networks));
    });
    context.tell(&key, Report::Created(id.clone(), name));
    let happenings = engine.hub.listen(&id);
    let give_up = |problem: Problem| async {
        engine.hub.forget(&id);
        if !persistent {
            let removed = within(QUICK, engine.raw().remove(&id)).await;
            if let Err(error) = removed {
                tracing::warn!(id, %error, "a container stays; the next run tries again");
            }
        }
        problem
    };
    if *cancel.borrow() {
        let problem = Problem::Conclusive("stopped before it was started".to_owned());
        return Err(give_up(problem).await);
    }
    output::follow(context, &key, &id, said);
    if !runs {
        let started = {
            let _turn = engine.turn().await;
            within(SLOW, engine.raw().start(&id)).await
        };
        if let Err(error) = started {
            return Err(give_up(error.into()).await);
        }
    }
    let inspected = within(QUICK, engine.raw().inspect(&id)).await.ok();
    let addresses = inspected
        .as_ref()
        .map(|found| addresses(container, found, &info))
        .unwrap_or_default();
    let live = Live::Container {
        id: id.clone(),
        viewpoint: ready.viewpoint,
        serving: ready.serving,
    };
    // Filled before, if the engine went away between two attempts.
    let _ = slot.set(live);
    context.tell(
        &key,
        Report::Started(Started {
            at: Timestamp::now(),
            pid: None,
            addresses,
            env: ready.given,
            args: ready.args,
            output: None,
        }),
    );
    // It may have ended before anybody listened.
    engine.hub.tell(&id, Happening::Look);
    let began = inspected.map(|found| found.began);
    Ok(Running::new(id, happenings, began))
}

async fn prepare(
    context: &Context,
    engine: &Engine,
    key: &ObjectKey,
    container: &Container,
) -> Result<(Ready, EngineInfo), Problem> {
    let spec = &container.spec;
    engine.harvested().await;
    let info = engine.info().await?.clone();
    let waiting = |service: &str| {
        let note = format!("waiting for the port of {service}");
        // One that is to be built is built first, as far as states go.
        let stage = match &spec.build {
            Some(_) => Stage::Pending,
            None => Stage::Starting,
        };
        context.tell(key, Report::Progress(stage, note));
    };
    let mut serving = BTreeMap::new();
    for endpoint in endpoints(container) {
        if context.book.view(&endpoint.service).port.is_none() {
            waiting(&endpoint.service);
        }
        context.book.allocated(&endpoint.service).await?;
        let port = endpoint
            .target_port
            .ok_or_else(|| format!("endpoint {} of a container has no port", endpoint.name))?;
        serving.insert(endpoint.service, port);
    }
    let viewpoint = viewpoint(context, container, &info);
    let scope = context.scope(key, viewpoint.clone(), serving.clone(), &waiting);
    let image = match &spec.build {
        Some(build) => {
            let tag = image::tag(context, key, spec);
            let words = LastWords::default();
            let built = if container.metadata.is_built() && engine.raw().has_image(&tag).await? {
                Ok(())
            } else {
                image::build(context, engine, key, build, &tag, &scope, &words).await
            };
            built.map_err(|error| match error {
                BuildError::Template(message) => Problem::Conclusive(message),
                BuildError::Engine(error) => error.into(),
            })?;
            tag
        }
        None => {
            let policy = spec.pull_policy.unwrap_or(PullPolicy::Missing);
            image::pull(context, engine, key, &spec.image, policy).await?;
            spec.image.clone()
        }
    };
    let image = match &spec.image_layers[..] {
        [] => image,
        wanted => layers::put_on(context, engine, key, &image, wanted).await?,
    };
    let name = match &spec.container_name {
        Some(name) => name.clone(),
        None => crate::controllers::session_name(context, &key.name),
    };
    let request = request::build(
        context,
        container,
        &scope,
        name,
        image,
        info.dials_containers,
    )
    .await?;
    let masked = |text: &String| context.redactor.text(text);
    let given = request.env.iter().map(|(name, value)| EnvVar {
        name: name.clone(),
        value: masked(value),
    });
    Ok((
        Ready {
            given: given.collect(),
            args: request.args.iter().map(masked).collect(),
            request,
            viewpoint,
            serving,
        },
        info,
    ))
}

/// Where a container sees services of this machine.
pub(super) fn viewpoint(context: &Context, container: &Container, info: &EngineInfo) -> Viewpoint {
    if on_host_network(container) {
        return Viewpoint::Networks(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    }
    if !info.dials_containers {
        return Viewpoint::Named("host.docker.internal");
    }
    let mut addresses = Vec::new();
    for attachment in container.spec.networks.iter().flatten() {
        let key = ObjectKey::new(Kind::ContainerNetwork, attachment.name.clone());
        if let Ok(object) = context.store.get(&key)
            && let Object::ContainerNetwork(network) = object.as_ref()
        {
            let gateways = network.status.gateways.iter();
            addresses.extend(gateways.filter_map(|ip| ip.parse::<IpAddr>().ok()));
        }
    }
    Viewpoint::Networks(addresses)
}

pub(super) fn on_host_network(container: &Container) -> bool {
    let aspire = container.spec.aspire.as_ref();
    let asked = run_args::parse(&container.spec.run_args).is_ok_and(|it| it.host_network);
    asked || aspire.is_some_and(|aspire| aspire.privileges.contains_key("network:host"))
}

async fn create(
    context: &Context,
    engine: &Engine,
    request: &ContainerRequest,
    persistent: bool,
) -> Result<String, Problem> {
    if !persistent {
        let noted = context
            .spawner
            .note(Entry::Container(request.name.clone()))
            .await;
        noted.map_err(|error| Problem::Conclusive(error.to_string()))?;
    }
    let _turn = engine.turn().await;
    let created = within(SLOW, engine.raw().create(request)).await;
    if let (Err(EngineError::Unreachable { .. }), false) = (&created, persistent) {
        // No answer is no proof that it isn't there.
        let _ = within(QUICK, engine.raw().remove(&request.name)).await;
    }
    match created {
        // Somebody else was faster, without asking for the lease.
        Err(EngineError::Other(cause)) if persistent && cause.contains("in use") => {
            Err(Problem::Passing(cause))
        }
        created => Ok(created?),
    }
}

/// Where the endpoints of a container are.
pub(super) fn addresses(
    container: &Container,
    found: &Inspection,
    info: &EngineInfo,
) -> BTreeMap<String, SocketAddr> {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let ip = found
        .addresses
        .values()
        .find_map(|address| address.parse::<IpAddr>().ok());
    let published = |port: u16, endpoint: &WorkloadEndpoint| {
        let published = (port, endpoint.protocol.to_string());
        Some(SocketAddr::new(here, *found.ports.get(&published)?))
    };
    let produced = service::producers(&container.metadata).unwrap_or_default();
    endpoints(container)
        .iter()
        .filter_map(|endpoint| {
            let port = endpoint.target_port?;
            let is_produced = produced
                .iter()
                .any(|producer| producer.service_name == endpoint.service);
            let address = if on_host_network(container) {
                SocketAddr::new(here, port)
            } else if let Some(published) = published(port, endpoint).filter(|_| is_produced) {
                // Clients of DCP expect the address that they published.
                published
            } else if info.dials_containers {
                SocketAddr::new(ip?, port)
            } else {
                published(port, endpoint)?
            };
            Some((endpoint.name.clone(), address))
        })
        .collect()
}

/// The ways into a container, each with the container's own port.
pub(super) fn endpoints(container: &Container) -> Vec<WorkloadEndpoint> {
    let spec = &container.spec;
    let mut all = service::endpoints(&container.metadata, spec.aspire.as_ref());
    for producer in service::producers(&container.metadata).unwrap_or_default() {
        // Such a port is the machine's or the container's.
        let is_it = |endpoint: &&mut WorkloadEndpoint| endpoint.service == producer.service_name;
        let Some(endpoint) = all.iter_mut().find(is_it) else {
            continue;
        };
        let by_host = spec
            .ports
            .iter()
            .find(|port| port.host_port.is_some() && port.host_port == endpoint.target_port);
        let by_container = spec
            .ports
            .iter()
            .find(|port| Some(port.container_port) == endpoint.target_port);
        if let Some(port) = by_host.or(by_container) {
            endpoint.target_port = Some(port.container_port);
            endpoint.protocol = port.protocol;
        }
    }
    all
}
