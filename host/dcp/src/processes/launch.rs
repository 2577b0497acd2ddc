//! Launching a process: environment, folders and files, build, preparing steps, the start itself,
//! and the wait for its end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aspire_api::aspire::{Aspire, Prepare};
use aspire_api::container::Mode;
use aspire_api::executable::{EnvVar, Executable};
use aspire_api::service::{self, Protocol};
use aspire_api::{Kind, Object, ObjectKey};
use tokio::sync::watch;

use super::environment::parse_block;
use super::files::{make_folders, remove_files, write_certificates, write_files};
use super::kept::{self, Begin, Kept};
use super::place::{Place, missing, step};
use super::run::LastWords;
use super::tree::Tree;
use crate::clock::{Timestamp, uptime};
use crate::context::{Context, Live, Slot};
use crate::controllers::workload::{Ended, Report, Stage, Started};
use crate::identity;
use crate::monitor;
use crate::os::{self, Identity, Spawn, Urgency, User};
use crate::ports::{self, Reservation};
use crate::runtime::OutputStream;
use crate::templates::{Scope, Viewpoint};
use crate::watchdog::Minder;

/// After the end of a process, for its last output to be read.
const DRAIN: Duration = Duration::from_millis(250);

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Process {
    /// How to end all of it.
    pub(crate) tree: Tree,
    /// Its environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Its working directory.
    pub(crate) folder: PathBuf,
    /// Its user.
    pub(crate) user: Option<User>,
    /// Port by service.
    pub(crate) serving: BTreeMap<String, u16>,
}

/// Everything that a start needs.
struct Ready {
    spawn: Spawn,
    reserved: Vec<Reservation>,
    addresses: BTreeMap<String, SocketAddr>,
    serving: BTreeMap<String, u16>,
    ask: Urgency,
    given: Vec<EnvVar>,
    args: Vec<String>,
}

/// Launches a process and stays with it to its end.
pub(crate) async fn launch(
    context: Arc<Context>,
    executable: Arc<Executable>,
    mut cancel: watch::Receiver<bool>,
    slot: Slot,
) {
    let key = ObjectKey::new(Kind::Executable, executable.metadata.name.clone());
    let log = context.log(&key);
    let failed = |message: String| {
        let message = context.redactor.text(&message);
        log.system(&message);
        context.tell(&key, Report::Failed(message, Timestamp::now()));
    };
    let outlives = executable.spec.effective_mode() != Mode::Session;
    let mut lease = None;
    if outlives {
        match kept::begin(&context, &executable, &key, &mut cancel).await {
            Ok(Begin::There(id, kept)) => {
                return adopt(&context, &executable, &key, &slot, id, *kept).await;
            }
            Ok(Begin::Make(held)) => lease = Some(held),
            Err(message) => return failed(message),
        }
    }
    // On the heap, so that the rest, which lasts as long as the process, holds none of it.
    let prepared = Box::pin(prepare(&context, &key, &executable));
    let prepared = tokio::select! {
        prepared = prepared => prepared,
        _ = cancel.wait_for(|cancel| *cancel) => Err("stopped before it was started".to_owned()),
    };
    let mut ready = match prepared {
        Ok(ready) => ready,
        Err(message) => return failed(message),
    };
    let name = kept::name(&context, &executable);
    if outlives {
        match kept::make_output(&context, &key) {
            Ok(files) => ready.spawn.files = Some(files),
            Err(message) => return failed(message),
        }
        kept::announce(&context, &name).await;
    }
    let output = ready.spawn.files.clone();
    let program = ready.spawn.program.display().to_string();
    let (env, folder) = (ready.spawn.env.clone(), ready.spawn.directory.clone());
    let user = ready.spawn.user.clone();
    // Not cancelled from here on: it is quick, and what it starts has to be known.
    let spawned = match context
        .spawner
        .start(key.to_string(), ready.spawn, ready.reserved)
        .await
    {
        Ok(spawned) => spawned,
        Err(error) => {
            if outlives {
                kept::withdraw(&context, &name).await;
            }
            return failed(format!("{program}: {error}"));
        }
    };
    let (at, pid) = (Timestamp::now(), Some(spawned.id.pid));
    let tail = match &output {
        Some(output) => {
            context.keep(spawned.id);
            let running = kept::Running {
                started: at,
                folder: &folder,
                output,
                serving: &ready.serving,
                addresses: &ready.addresses,
                env: &ready.given,
                args: &ready.args,
            };
            kept::remember(&context, &executable, &key, spawned.id, running).await;
            let minder = kept::mind(&context, &executable, spawned.id);
            Some((kept::follow(&context, &key, output), minder))
        }
        None => None,
    };
    drop(lease);
    log.pump(OutputStream::Stdout, spawned.stdout);
    log.pump(OutputStream::Stderr, spawned.stderr);
    let tree = Tree {
        roots: vec![spawned.id],
        marks: match outlives {
            true => kept::marks(&context, &name),
            false => marks(&context, &key),
        },
        pipes: spawned.pipes,
        ask: ready.ask,
    };
    let live = Process {
        tree,
        env,
        folder,
        user,
        serving: ready.serving,
    };
    // A launch happens once, so the slot is empty.
    let _ = slot.set(Live::Process(live));
    let begun = uptime();
    context.tell(
        &key,
        Report::Started(Started {
            at,
            pid,
            addresses: ready.addresses,
            env: ready.given,
            args: ready.args,
            output: output.as_ref().map(in_text),
        }),
    );
    let code = spawned.exit.wait().await;
    let (at, ran) = (Timestamp::now(), uptime().saturating_sub(begun));
    let minder = tail.and_then(|(_ended, minder)| minder);
    log.drained(DRAIN).await;
    minder.into_iter().for_each(Minder::dismiss);
    if outlives {
        kept::ended(&context, &executable, spawned.id).await;
    }
    let note = match &code {
        Ok(code) if *code > 128 => format!("ended by signal {}", code - 128),
        Ok(0) => String::new(),
        Ok(code) => format!("ended with exit code {code}"),
        Err(error) => format!("its end was not seen: {error}"),
    };
    let ended = Ended {
        at,
        ran,
        code: code.ok(),
        note,
    };
    tell_end(&context, &executable, &key, ended);
}

/// Goes on with a process that is there already, and stays with it to its end.
async fn adopt(
    context: &Arc<Context>,
    executable: &Executable,
    key: &ObjectKey,
    slot: &Slot,
    id: Identity,
    kept: Kept,
) {
    let plain = Aspire::default();
    let aspire = executable.spec.aspire.as_ref().unwrap_or(&plain);
    let signal = aspire.stop_signal.as_deref();
    let tree = Tree {
        roots: vec![id],
        marks: kept::marks(context, &kept::name(context, executable)),
        pipes: Vec::new(),
        ask: signal.and_then(Urgency::named).unwrap_or(Urgency::Ask),
    };
    let env = os::environment_of(id.pid).unwrap_or_default();
    let process = Process {
        tree,
        env: parse_block(&env),
        folder: kept.folder,
        user: find_user(aspire).ok().flatten(),
        serving: kept.serving,
    };
    // A launch happens once, so the slot is empty.
    let _ = slot.set(Live::Process(process));
    context.keep(id);
    let tail = kept::follow(context, key, &kept.output);
    let minder = match executable.spec.effective_mode() {
        Mode::Persistent => kept::mind(context, executable, id),
        _ => None,
    };
    context.tell(
        key,
        Report::Started(Started {
            at: Timestamp(kept.started),
            pid: Some(id.pid),
            addresses: kept.addresses,
            env: kept.env,
            args: kept.args,
            output: Some(in_text(&kept.output)),
        }),
    );
    let begun = uptime();
    monitor::ended(id).await;
    let (at, ran) = (Timestamp::now(), uptime().saturating_sub(begun));
    drop(tail);
    minder.into_iter().for_each(Minder::dismiss);
    context.log(key).drained(DRAIN).await;
    kept::ended(context, executable, id).await;
    // Whoever started it has it, or nobody.
    let note = "ended; nobody knows its exit code".to_owned();
    let code = None;
    tell_end(
        context,
        executable,
        key,
        Ended {
            at,
            ran,
            code,
            note,
        },
    );
}

/// Another object of this name may have come since, which this is none of the business of.
fn tell_end(context: &Context, executable: &Executable, key: &ObjectKey, ended: Ended) {
    let now = context.store.get(key);
    if now.is_ok_and(|now| now.metadata().uid == executable.metadata.uid) {
        context.tell(key, Report::Ended(ended));
    }
}

fn in_text(output: &[PathBuf; 2]) -> [String; 2] {
    output.each_ref().map(|path| path.display().to_string())
}

/// How a process of this run is known among all.
pub(crate) fn marks(context: &Context, key: &ObjectKey) -> BTreeMap<String, String> {
    BTreeMap::from([
        (
            identity::RUN_VARIABLE.to_owned(),
            context.config.run.clone(),
        ),
        (identity::OBJECT_VARIABLE.to_owned(), key.to_string()),
    ])
}

async fn prepare(
    context: &Context,
    key: &ObjectKey,
    executable: &Executable,
) -> Result<Ready, String> {
    let spec = &executable.spec;
    let plain = Aspire::default();
    let aspire = spec.aspire.as_ref().unwrap_or(&plain);
    let user = find_user(aspire)?;
    let signal = aspire.stop_signal.as_deref().unwrap_or("SIGTERM");
    let ask = Urgency::named(signal)
        .ok_or_else(|| format!("stop signal `{signal}` is none of SIGTERM, SIGINT and SIGQUIT"))?;
    let (serving, addresses, reserved) = take_ports(context, key, executable).await?;
    let waiting = |service: &str| {
        let note = format!("waiting for the port of {service}");
        context.tell(key, Report::Progress(Stage::Starting, note));
    };
    let scope = context.scope(key, Viewpoint::Machine, serving.clone(), &waiting);

    let place = Place::of(context, key, executable, &scope, user.clone()).await?;
    let missing = |name: &str| missing(aspire, name);
    if let Some(name) = aspire
        .requires
        .keys()
        .find(|name| place.find(name).is_none())
    {
        return Err(missing(name));
    }
    make_folders(
        context,
        key,
        executable.metadata.first(),
        aspire,
        spec.pem_certificates.is_some(),
        user.as_ref(),
    )?;
    write_files(&scope, aspire, user.as_ref()).await?;
    if let Some(wanted) = &spec.pem_certificates {
        write_certificates(context, key, wanted, user.as_ref())?;
    }

    if !aspire.build_command.is_empty() && !executable.metadata.is_built() {
        let note = format!("building: {}", aspire.build_command.join(" "));
        context.tell(key, Report::Progress(Stage::Building, note));
        place
            .build(context, key, aspire, &LastWords::default())
            .await?;
    }
    for prepare in &aspire.prepare {
        let note = format!("preparing: {}", prepare.name);
        context.tell(key, Report::Progress(Stage::Starting, note));
        if is_done(&scope, &place.folder, prepare).await? {
            continue;
        }
        let name = scope.resolve(&prepare.command).await?;
        let program = place.find(&name).ok_or_else(|| missing(&name))?;
        let args = scope.resolve_all(&prepare.args).await?;
        let stdin = scope.resolve(&prepare.stdin).await?.into_bytes();
        let mut request = place.spawn(program, name, args, !stdin.is_empty());
        for (name, value) in &prepare.env {
            let value = OsString::from(scope.resolve(value).await?);
            request.env.retain(|(known, _)| known != name.as_str());
            request.env.push((name.clone().into(), value));
        }
        let words = LastWords::default();
        step(context, key, &prepare.name, request, stdin, &words).await?;
    }

    let name = scope.resolve(&spec.executable_path).await?;
    let args = scope.resolve_all(&spec.args).await?;
    let program = place.find(&name).ok_or_else(|| missing(&name))?;
    let masked = |text: &String| context.redactor.text(text);
    let given = place.given.iter().map(|(name, value)| EnvVar {
        name: name.clone(),
        value: masked(value),
    });
    Ok(Ready {
        given: given.collect(),
        args: args.iter().map(masked).collect(),
        spawn: match spec.effective_mode() {
            Mode::Session => place.spawn(program, name, args, false),
            // It is to be taken for nobody's but its own.
            _ => place
                .marked(kept::marks(context, &kept::name(context, executable)))
                .spawn(program, name, args, false),
        },
        reserved,
        addresses,
        serving,
        ask,
    })
}

fn find_user(aspire: &Aspire) -> Result<Option<User>, String> {
    let Some(name) = aspire.run_as.as_ref().filter(|_| os::is_root()) else {
        return Ok(None);
    };
    os::find_user(name)
        .map(Some)
        .ok_or_else(|| format!("it runs as user {name}, who does not exist on this machine"))
}

type Ports = (
    BTreeMap<String, u16>,
    BTreeMap<String, SocketAddr>,
    Vec<Reservation>,
);

/// Private ports: given ones are checked, others chosen; all are held until the start.
async fn take_ports(
    context: &Context,
    key: &ObjectKey,
    executable: &Executable,
) -> Result<Ports, String> {
    let (mut serving, mut addresses, mut reserved) = Ports::default();
    let producers = service::producers(&executable.metadata).unwrap_or_default();
    let endpoints = service::endpoints(&executable.metadata, executable.spec.aspire.as_ref());
    for mut endpoint in endpoints {
        let wait = format!("waiting for the port of {}", endpoint.service);
        if context.book.view(&endpoint.service).port.is_none() {
            context.tell(key, Report::Progress(Stage::Starting, wait));
        }
        let view = context.book.allocated(&endpoint.service).await?;
        let produced = producers
            .iter()
            .find(|producer| producer.service_name == endpoint.service);
        if produced.is_some() {
            endpoint.protocol = protocol_of(context, &endpoint.service);
        }
        let udp = endpoint.protocol == Protocol::Udp;
        let fixed = endpoint
            .target_port
            .or(view.port.filter(|_| view.proxyless));
        let reservation = match fixed {
            None => ports::reserve(endpoint.protocol).map_err(|error| error.to_string())?,
            Some(port) => ports::reserve_this(port, endpoint.protocol).map_err(|_| {
                let holder = os::port_holder(port, udp);
                let holder = holder.as_deref().unwrap_or("somebody else");
                format!(
                    "endpoint {}: port {port} is in use by {holder}",
                    endpoint.name
                )
            })?,
        };
        serving.insert(endpoint.service.clone(), reservation.port);
        let ip = produced.and_then(|producer| producer.address.as_deref()?.parse().ok());
        let ip = ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        addresses.insert(endpoint.name.clone(), SocketAddr::new(ip, reservation.port));
        reserved.push(reservation);
    }
    Ok((serving, addresses, reserved))
}

/// What a service relays.
fn protocol_of(context: &Context, service: &str) -> Protocol {
    let key = ObjectKey::new(Kind::Service, service);
    match context.store.get(&key).ok().as_deref() {
        Some(Object::Service(service)) => service.spec.protocol,
        _ => Protocol::Tcp,
    }
}

async fn is_done(scope: &Scope<'_>, folder: &Path, prepare: &Prepare) -> Result<bool, String> {
    let creates = scope.resolve(&prepare.creates).await?;
    Ok(!creates.is_empty() && folder.join(creates).exists())
}

/// Ends what is left of a process and removes its private files.
pub(crate) async fn clean(
    context: &Context,
    key: &ObjectKey,
    executable: &Executable,
    slot: &Slot,
    stopped: bool,
) {
    let mode = executable.spec.effective_mode();
    if mode == Mode::Cleanup && slot.get().is_none() {
        return kept::remove(context, executable).await;
    }
    if let Some(Live::Process(process)) = slot.get()
        && !stopped
    {
        let mut force = context.force.subscribe();
        process
            .tree
            .end(&context.scanner, Duration::from_secs(1), &mut force)
            .await;
    }
    if mode == Mode::Session {
        remove_files(context, key);
    }
}
