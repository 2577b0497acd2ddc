//! The adapter to the control plane: objects in, rows and lines out, until everything has ended.
//!
//! Knows when a run is ready, over or interrupted. Doesn't know how anything is started.

mod say;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use aspire_api::ObjectKey;
use aspire_compiler::run::RunPlan;
use aspire_dcp::runtime::ContainerEngine;
use aspire_dcp::server::{ExecutionStatus, ListenConfig, ListenError, Listening};
use aspire_dcp::store::{EventKind, Gone};
use aspire_dcp::{Config, ControlPlane, Outcome, StartError, Stop, Watchdog};
use aspire_model::diagnostic::Diagnostics;

use super::live::{self, Live, News, Secrets, Tools};
use super::screen::{self, Screen};
use super::signals::{self, Resizes, Signals};
use super::view::View;
use super::watching::{Told, Watching, What};
use crate::error::{Exit, Problem};
use crate::files;
use crate::host::Host;
use crate::instance::Instance;
use say::Say;

/// How long a port that a dead run of this app held may take to become free.
const PORTS: Duration = Duration::from_secs(5);

/// What a session is made of.
pub(crate) struct Setup<'a> {
    /// Name of the app.
    pub(crate) app: &'a str,
    /// Its instance.
    pub(crate) instance: &'a Instance,
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// What is to run.
    pub(crate) plan: &'a RunPlan,
    /// What runs containers.
    pub(crate) engine: Option<Arc<dyn ContainerEngine>>,
    /// Values of secrets.
    pub(crate) secrets: BTreeMap<String, String>,
    /// The first failure stops everything.
    pub(crate) fail_fast: bool,
    /// When the user asked for it.
    pub(crate) since: Instant,
    /// Looks at ports again, once what a dead run left is gone; none: that has been done.
    pub(crate) ports: Option<&'a dyn Fn() -> Diagnostics>,
    /// Files that resources watch are not watched.
    pub(crate) no_watch: bool,
    /// What to say when everything is ready.
    pub(crate) welcome: &'a dyn Fn(&View) -> Vec<String>,
}

/// How a session ended.
pub(crate) enum End {
    /// After everything was started.
    Exit(Exit),
    /// Before anything was: ports are taken.
    Refused(Diagnostics),
}

/// Runs it to its end; with `live`, which follows the app file, only somebody's wish ends it.
///
/// # Errors
/// The control plane could not begin or broke.
pub(crate) async fn run(host: &Host, setup: Setup<'_>, live: Option<Live>) -> Result<End> {
    let mut signals = signals::listen()?;
    let resizes = signals::resizes()?;
    let state = setup.instance.run_folder();
    let mut config = Config::new(setup.app, &setup.instance.id, state, &setup.instance.native);
    config.app_folder.clone_from(&setup.folder);
    config.shared_folder = files::shared_folder()?;
    config.redactions = setup.secrets.values().cloned().collect();
    let secrets = Arc::new(Secrets::default());
    secrets.add(setup.secrets.clone());
    config.secrets = Arc::<Secrets>::clone(&secrets);
    config.engine.clone_from(&setup.engine);
    config.fail_fast = setup.fail_fast;
    config.watchdog = Some(Watchdog::this_program());
    let plane = Arc::new(ControlPlane::start(config).await.map_err(cannot_start)?);
    if let Some(look) = setup.ports {
        let found = wait_for_ports(look).await;
        if found.has_errors() {
            plane.stop(Stop::Graceful).await;
            return Ok(End::Refused(found));
        }
    }
    let pinned = screen::can_pin() && !host.ui.json() && !host.ui.quiet;
    let screen = Screen::new(pinned)?;
    let say = Say::new(host, pinned);
    let (view, told) = (View::default(), BTreeMap::new());
    let running = Running {
        plane,
        screen,
        say,
        view,
        told,
        old_failures: BTreeMap::new(),
        told_ready: false,
        pinned,
        resizes,
        fail_fast: setup.fail_fast,
        since: setup.since,
        wanted: live::workloads(&setup.plan.objects),
        follows: Follows {
            file: live.is_some(),
            sources: !setup.plan.watches.is_empty() && !setup.no_watch,
        },
        changing: false,
        restarting: 0,
        told_over: false,
    };
    running
        .run_to_its_end(&setup, live.map(|live| (live, secrets)), &mut signals)
        .await
        .map(End::Exit)
}

fn cannot_start(error: StartError) -> Problem {
    let help = match &error {
        StartError::Folder { .. } => "make room there, or make it writable",
        StartError::Machine(_) => "`aspire-host doctor` says what works on this machine",
    };
    Problem::environment(error.to_string()).help(help)
}

/// Lets the other commands, and everybody who speaks to a Kubernetes API, find the run.
async fn listen(plane: &ControlPlane, instance: &Instance) -> Result<Listening, ListenError> {
    let config = ListenConfig {
        port: None,
        kubeconfig: instance.kubeconfig(),
        token: None,
    };
    aspire_dcp::server::listen(plane.api(), config).await
}

pub(crate) fn cannot_listen(error: ListenError) -> Problem {
    let help = match &error {
        ListenError::Port { .. } => "name another port, or none: then one that is free is taken",
        ListenError::Kubeconfig(_) => "name another file, or make room there",
        ListenError::Tls(_) => "this is a bug of aspire-host",
    };
    Problem::environment(error.to_string()).help(help)
}

async fn wait_for_ports(look: &dyn Fn() -> Diagnostics) -> Diagnostics {
    let deadline = Instant::now() + PORTS;
    loop {
        let found = look();
        if !found.has_errors() || Instant::now() >= deadline {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

struct Running {
    plane: Arc<ControlPlane>,
    screen: Screen,
    say: Say,
    view: View,
    told: BTreeMap<String, Shown>,
    /// How many failures there were when a workload was replaced: those are not the new one's.
    old_failures: BTreeMap<ObjectKey, usize>,
    told_ready: bool,
    pinned: bool,
    resizes: Resizes,
    fail_fast: bool,
    /// When the user asked for what is wanted now.
    since: Instant,
    /// The workloads that are wanted now.
    wanted: BTreeSet<ObjectKey>,
    follows: Follows,
    /// An edit is being made.
    changing: bool,
    /// Resources that are being started again because of their files.
    restarting: usize,
    told_over: bool,
}

/// What goes on when everything has ended.
#[derive(Debug, Clone, Copy)]
struct Follows {
    /// The app file is followed.
    file: bool,
    /// Files of resources are.
    sources: bool,
}

impl Follows {
    fn any(self) -> bool {
        self.file || self.sources
    }
}

/// What a line about a state says.
type Shown = (
    super::view::Phase,
    Option<aspire_api::container::HealthStatus>,
    Vec<String>,
);

impl Running {
    async fn run_to_its_end(
        mut self,
        setup: &Setup<'_>,
        live: Option<(Live, Arc<Secrets>)>,
        signals: &mut Signals,
    ) -> Result<Exit> {
        let client = self.plane.client();
        let mut watcher = client.watch(0);
        let (over, follower) = self.follow_output();
        // Before anything is started with these files.
        let watching = self.watch_files(setup).await;
        for object in &setup.plan.objects {
            if let Err(error) = client.create(object.clone()).await {
                self.plane.stop(Stop::Force).await;
                self.screen.finish();
                bail!(anyhow::Error::new(error).context("the control plane refuses the app"));
            }
        }
        // After that, so that whoever finds the run finds all of it.
        let _listening = match listen(&self.plane, setup.instance).await {
            Ok(listening) => listening,
            Err(error) => {
                self.plane.stop(Stop::Graceful).await;
                self.screen.finish();
                return Err(cannot_listen(error).into());
            }
        };
        let (send, mut news) = tokio::sync::mpsc::unbounded_channel();
        let mut following = tokio::task::JoinSet::new();
        let (watches, updates) = tokio::sync::mpsc::unbounded_channel();
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        if let Some(watching) = watching {
            let (plane, turn) = (Arc::clone(&self.plane), Arc::clone(&turn));
            following.spawn(watching.follow(plane, turn, send.clone(), updates));
        }
        if let Some((live, secrets)) = live {
            let client = client.clone();
            let tools = Tools {
                client,
                secrets,
                turn,
                watches,
            };
            following.spawn(live::follow(live, tools, send));
        }
        let mut failures = self.plane.failures();
        let mut execution = self.plane.api().execution();
        let (mut interruptions, mut ending, mut stuck) = (0, false, false);
        let outcome = loop {
            let is_settled = !self.changing && self.restarting == 0;
            let all_known = is_settled && self.has_all();
            if ending {
                // A build that nobody needs any more ends with it.
                following.abort_all();
            }
            let perhaps_over = all_known && !ending && self.view.is_over();
            self.told_over &= perhaps_over;
            if all_known && !ending && !self.told_ready && self.view.is_ready() {
                self.tell_ready(setup);
            }
            tokio::select! {
                biased;
                () = signals.next() => {
                    interruptions += 1;
                    ending = true;
                    self.stop(if interruptions > 1 { Stop::Force } else { Stop::Graceful });
                    self.screen.remark(self.say.stopping(interruptions > 1));
                }
                // What is announced is told before it happens.
                Some(news) = news.recv() => {
                    if !news.is_announced() {
                        // The rows of what is gone, or there by now, come first.
                        self.catch_up(&mut watcher);
                    }
                    self.hear(news);
                }
                event = watcher.next() => match event {
                    Ok(event) if event.kind == EventKind::Deleted => self.forget(&event.object),
                    Ok(event) => self.take(&event.object),
                    Err(Gone { .. }) => {
                        let (objects, revision) = client.list(None).await;
                        for object in &objects {
                            self.take(object);
                        }
                        watcher = client.watch(revision);
                    }
                },
                () = self.resizes.next(), if self.pinned => self.screen.resized(),
                changed = failures.changed(), if !ending => {
                    ending |= setup.fail_fast || changed.is_err();
                    if changed.is_ok() {
                        self.tell_failures(&failures.borrow_and_update().clone());
                    }
                }
                // A client of the API asks for the end; the control plane obeys by itself.
                _ = execution.wait_for(|now| now.status != ExecutionStatus::Running), if !ending => {
                    ending = true;
                    self.view.stopping = true;
                    self.screen.remark(self.say.stopping(false));
                }
                () = self.plane.wait_idle(), if perhaps_over && !self.told_over => {
                    self.catch_up(&mut watcher);
                    if !self.has_all() || !self.view.is_over() {
                        continue;
                    }
                    if self.follows.any() {
                        self.told_over = true;
                        self.screen.remark(self.say.over(self.follows.file));
                    } else {
                        // Somebody waited in vain.
                        stuck = self.view.stuck().next().is_some();
                        ending = true;
                        self.stop(Stop::Graceful);
                    }
                }
                outcome = self.plane.ended() => break outcome,
            }
        };
        following.abort_all();
        while let Ok(Some(event)) = watcher.try_next() {
            self.view.apply(&event.object);
        }
        self.tell_failures(&failures.borrow_and_update().clone());
        let _ = over.send(());
        // Output that nobody reads is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(2), follower).await;
        let failed = !failures.borrow().is_empty() || stuck;
        self.screen.finish();
        match outcome {
            Outcome::Broken(text) => bail!(Problem::environment(format!(
                "the control plane broke: {text}"
            ))
            .help("this is a bug of aspire-host; what it started has been removed as far as possible")),
            // What failed stays failed, however the run was ended.
            Outcome::Stopped if failed => Ok(Exit::App),
            Outcome::Stopped if interruptions > 0 => Ok(Exit::Interrupted),
            Outcome::Stopped => Ok(Exit::Fine),
        }
    }

    /// Watches files, where that is wanted; an app runs without that, too.
    async fn watch_files(&mut self, setup: &Setup<'_>) -> Option<Watching> {
        if setup.no_watch || !self.follows.any() {
            return None;
        }
        match Watching::begin(setup.plan.watches.clone()).await {
            Ok(watching) => Some(watching),
            Err(error) => {
                let problem = What::Unwatched(format!("{error:#}"));
                let line = self.say.watched(&setup.instance.app, &problem);
                self.remark_all(Vec::from_iter(line));
                self.follows.sources = false;
                None
            }
        }
    }

    /// Every workload that is wanted has a row.
    fn has_all(&self) -> bool {
        self.wanted.iter().all(|key| self.view.row(key).is_some())
    }

    /// Takes what has happened already.
    fn catch_up(&mut self, watcher: &mut aspire_dcp::store::Watcher) {
        while let Ok(Some(event)) = watcher.try_next() {
            if event.kind == EventKind::Deleted {
                self.forget(&event.object);
            } else {
                self.take(&event.object);
            }
        }
    }

    /// The app file was saved.
    fn hear(&mut self, news: News) {
        if self.view.stopping {
            return;
        }
        match news {
            News::Watched(told) => self.hear_of_files(&told),
            News::Refused { file, found, why } => {
                self.remark_all(self.say.refused(&file, found, &why));
            }
            News::Begins {
                file,
                found,
                steps,
                workloads,
                go,
            } => {
                self.remark_all(self.say.edit(&file, found, &steps));
                if !steps.is_empty() {
                    (self.changing, self.told_ready) = (true, false);
                    self.since = Instant::now();
                }
                self.wanted = workloads;
                // Who follows the file ends with us.
                let _ = go.send(());
            }
            News::Done(failed) => {
                self.changing = false;
                for (key, message) in failed {
                    self.wanted.remove(&key);
                    self.screen
                        .remark(self.say.failure(&key.name, &message, &[]));
                }
                self.redraw();
            }
        }
    }

    /// Files of a resource changed.
    fn hear_of_files(&mut self, told: &Told) {
        let name = &told.resource;
        match &told.what {
            What::Built | What::Restarts(_) => {
                self.restarting += 1;
                self.told_ready = false;
                self.since = Instant::now();
            }
            What::Restarted(_) => self.restarting = self.restarting.saturating_sub(1),
            _ => {}
        }
        let line = match &told.what {
            What::Failed(message, lines) => Some(self.say.not_done(name, message, lines)),
            what => self.say.watched(name, what),
        };
        self.remark_all(Vec::from_iter(line));
        self.redraw();
    }

    fn remark_all(&self, lines: Vec<String>) {
        for line in lines {
            self.screen.remark(line);
        }
    }

    /// Hands workloads' output to the screen, on its own task.
    fn follow_output(
        &self,
    ) -> (
        tokio::sync::oneshot::Sender<()>,
        tokio::task::JoinHandle<()>,
    ) {
        let (over, mut ended) = tokio::sync::oneshot::channel::<()>();
        let mut follower = self.plane.logs().follow_all();
        let (output, say) = (self.screen.output(), self.say.clone());
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    (key, items) = follower.next() => output.write(say.output(&key.name, &items)).await,
                    _ = &mut ended => break,
                }
            }
            while let Some((key, items)) = follower.try_next() {
                output.write(say.output(&key.name, &items)).await;
            }
        });
        (over, task)
    }

    /// Asks for the end, without waiting for it.
    fn stop(&mut self, how: Stop) {
        self.view.stopping = true;
        let plane = Arc::clone(&self.plane);
        tokio::spawn(async move { plane.stop(how).await });
    }

    /// Somebody removed it, perhaps to replace it; at the end of a run, its last state stays shown.
    fn forget(&mut self, object: &aspire_api::Object) {
        if self.view.stopping {
            self.take(object);
            return;
        }
        if let Some(key) = self.view.forget(object) {
            let failures = self.plane.failures().borrow().len();
            self.old_failures.insert(object.key(), failures);
            self.old_failures.insert(key, failures);
            self.redraw();
        }
    }

    /// Whether a failure is the present workload's.
    fn is_present(&self, index: usize, key: &ObjectKey) -> bool {
        self.old_failures.get(key).is_none_or(|old| index >= *old)
    }

    fn take(&mut self, object: &aspire_api::Object) {
        self.sync_failures();
        let Some(row) = self.view.apply(object).cloned() else {
            return;
        };
        // Progress of a start (a pull, say) changes the message many times; its lines are output.
        let state = (
            row.phase,
            row.health,
            row.waits().map(str::to_owned).collect(),
        );
        let is_news = row.phase != super::view::Phase::Waiting || !row.waiting_for.is_empty();
        if is_news && self.told.get(&row.name) != Some(&state) || self.say.is_json() {
            self.told.insert(row.name.clone(), state);
            if let Some(line) = self.say.state(&self.view, &row) {
                self.screen.remark(line);
            }
        }
        self.redraw();
    }

    fn redraw(&self) {
        if self.pinned {
            let (view, colour) = (self.view.clone(), self.say.colour());
            self.screen
                .table(move |columns, height| super::table::lines(&view, columns, height, colour));
        }
    }

    /// A row must not show an end as a good one that the control plane calls a failure.
    fn sync_failures(&mut self) {
        let failures = self.plane.failures();
        let failures = failures.borrow();
        self.view.stopping |= self.fail_fast && !failures.is_empty();
        for (index, failure) in failures.iter().enumerate() {
            if !self.is_present(index, &failure.key) {
                continue;
            }
            self.view.mark(&failure.key, &failure.message);
        }
    }

    fn tell_failures(&mut self, failures: &[aspire_dcp::Failure]) {
        for (index, failure) in failures.iter().enumerate() {
            if !self.is_present(index, &failure.key)
                || !self.view.fail(&failure.key, &failure.message)
            {
                continue;
            }
            let tail = self.plane.logs().tail(&failure.key, 20);
            self.screen
                .remark(self.say.failure(&failure.key.name, &failure.message, &tail));
            for row in self.view.stuck() {
                if let Some(line) = self.say.state(&self.view, row) {
                    self.screen.remark(line);
                }
            }
            self.redraw();
        }
    }

    fn tell_ready(&mut self, setup: &Setup<'_>) {
        self.told_ready = true;
        self.screen.remark(self.say.ready(self.since.elapsed()));
        for line in (setup.welcome)(&self.view) {
            self.screen.remark(line);
        }
    }
}
