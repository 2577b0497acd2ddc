//! A run of the control plane: its start and its end.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aspire_api::ObjectKey;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

use crate::ahead::{self, BuildFailure};
use crate::client::Client;
use crate::config::Config;
use crate::containers::ContainerBook;
use crate::context::{Context, Message};
use crate::controllers::{Controllers, Failure, Shown};
use crate::engine::Engine;
use crate::logs::{Logs, Redactor};
use crate::ports::PortMemory;
use crate::processes::spawner::Spawner;
use crate::processes::tree::Scanner;
use crate::records::Journal;
use crate::runtime::ContainerEngine;
use crate::server::{Api, Cleanup, ExecutionStatus};
use crate::services::ServiceBook;
use crate::state::State;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::watchdog::{Guard, Order};
use crate::{harvest, identity, os};

/// Runs of this program; there are several in tests only.
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// Why a run could not begin.
#[derive(Debug, Error)]
pub enum StartError {
    /// A folder of ours can't be used.
    #[error("{}: {error}", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The machine refuses something that is needed.
    #[error("the control plane could not be started: {0}")]
    Machine(#[from] io::Error),
}

/// How to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// In reverse order, each with its grace.
    Graceful,
    /// Everything at once, by force.
    Force,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is gone.
    Stopped,
    /// The control plane itself failed; it removed what it could.
    Broken(String),
}

/// A run. Dropping it without [`ControlPlane::stop`] leaves cleaning up to the next run.
pub struct ControlPlane {
    context: Arc<Context>,
    api: Api,
    idle: watch::Receiver<Option<u64>>,
    failures: watch::Receiver<Vec<Failure>>,
    ended: watch::Receiver<Option<Outcome>>,
}

impl ControlPlane {
    /// Begins a run: removes what dead hosts left, then waits for objects.
    ///
    /// # Errors
    /// A folder can't be used, or the machine refuses something that is needed. Nothing was
    /// started then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let engine = config.engine.clone();
        let uses_engine = engine.is_some();
        Self::begin(config, uses_engine, std::future::ready(engine)).await
    }

    /// The same with an engine that is still being looked for, beside the look for what dead hosts
    /// left; none: there isn't any.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with(
        config: Config,
        engine: impl Future<Output = Option<Arc<dyn ContainerEngine>>>,
    ) -> Result<Self, StartError> {
        Self::begin(config, true, engine).await
    }

    async fn begin(
        config: Config,
        may_use_engine: bool,
        engine: impl Future<Output = Option<Arc<dyn ContainerEngine>>>,
    ) -> Result<Self, StartError> {
        let folder = |path: PathBuf| move |error| StartError::Folder { path, error };
        let state = config.state_folder.clone();
        std::fs::create_dir_all(&state).map_err(folder(state.clone()))?;
        let data = config.data_folder.clone();
        std::fs::create_dir_all(&data).map_err(folder(data.clone()))?;
        let records = state.join("records");
        std::fs::create_dir_all(&records).map_err(folder(records.clone()))?;
        let order = config
            .watchdog
            .as_ref()
            .map(|watchdog| Order::new(watchdog, records.clone(), data.clone(), may_use_engine));
        let order = order.transpose()?;
        // Beside the look for what dead hosts left; it is there before anything is started.
        let first = order.as_ref().map(Order::start);
        let cleared = async {
            let turn = harvest::turn(&records).await;
            (turn, harvest::processes(&records, &data, None).await)
        };
        let ((turn, left), engine) = futures_util::future::join(cleared, engine).await;
        let journal = Journal::begin(&records, &config.run).map_err(folder(records.clone()))?;
        drop(turn);
        let journal_path = journal.path().to_owned();
        let redactor = Arc::new(Redactor::new(config.redactions.iter().map(String::as_str)));
        let log_folder = state.join("logs");
        let logs = Logs::new(log_folder.clone(), config.logs, Arc::clone(&redactor))
            .map_err(folder(log_folder))?;
        os::allow_files();
        os::adopt_orphans();
        let (messages, inbox) = mpsc::unbounded_channel();
        let engine = engine.map(Engine::new);
        let context = Arc::new(Context {
            state: State::new(config.shared_folder.clone()),
            memory: PortMemory::open(state.join("ports.json")),
            store: Arc::new(Store::of_now()),
            logs: Arc::new(logs),
            redactor,
            book: ServiceBook::default(),
            containers: ContainerBook::default(),
            spawner: Spawner::new(journal)?,
            scanner: Scanner::default(),
            engine,
            tasks: Tasks::default(),
            messages,
            stopping: watch::Sender::new(0),
            abandoned: watch::Sender::new(false),
            force: watch::Sender::new(false),
            creator: identity::creator_mark(),
            kept: std::sync::Mutex::default(),
            config,
        });
        let (idle, failures) = (watch::Sender::new(None), watch::Sender::default());
        let ended = watch::Sender::new(None);
        let api = Api::new(Arc::clone(&context.store), Arc::clone(&context.logs));
        let guard = match order.zip(first) {
            Some((order, first)) => Some(Guard::stay(order, first).await),
            None => None,
        };
        let plane = Self {
            api: api.clone(),
            idle: idle.subscribe(),
            failures: failures.subscribe(),
            ended: ended.subscribe(),
            context: Arc::clone(&context),
        };
        context.tasks.spawn("undertaker", os::undertaker());
        context
            .tasks
            .spawn("execution", obey(Arc::clone(&context), api));
        let shared = Arc::clone(&context);
        context.tasks.spawn("troubles", async move {
            let mut troubles = shared.logs.troubles();
            while troubles.changed().await.is_ok() {
                for key in shared.logs.keys() {
                    shared.send(Message::Wake(key));
                }
            }
        });
        let (shared, gone) = (Arc::clone(&context), left);
        context.tasks.spawn("harvest", async move {
            harvest::engine(shared.engine.as_ref(), gone).await;
            if let Some(engine) = &shared.engine {
                let instance = &shared.config.instance;
                let forgotten = shared.state.forget_missing(engine.raw(), instance).await;
                if let Err(error) = forgotten {
                    tracing::warn!(%error, "records stay");
                }
            }
        });
        context.tasks.spawn("memory", tidy(idle.subscribe()));
        let controllers = Controllers::new(Arc::clone(&context), inbox, Shown { idle, failures });
        let (finish, finished) = watch::channel(false);
        context.tasks.spawn("controllers", async move {
            controllers.run().await;
            finish.send_replace(true);
            // The receiver sees the value, or that we are gone, which is a failure.
            std::future::pending::<()>().await;
        });
        RUNS.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(supervise(context, finished, ended, journal_path, guard));
        Ok(plane)
    }

    /// A client of the run's objects.
    pub fn client(&self) -> Client {
        Client::new(Arc::clone(&self.context.store))
    }

    /// The run as a Kubernetes-style API.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// What the workloads say.
    pub fn logs(&self) -> Arc<Logs> {
        Arc::clone(&self.context.logs)
    }

    /// Replaces secret values, for output of others about this run.
    pub fn redactor(&self) -> Arc<Redactor> {
        Arc::clone(&self.context.redactor)
    }

    /// The public port that a service had in the last run, if any.
    pub fn last_port(&self, service: &str) -> Option<u16> {
        self.context.memory.last(service)
    }

    /// Workloads that failed so far; a receiver that also tells when there are more.
    pub fn failures(&self) -> watch::Receiver<Vec<Failure>> {
        self.failures.clone()
    }

    /// Builds what a workload is made of, while it goes on. Whoever then makes an object of the same
    /// spec with the annotation [`aspire_api::meta::BUILT_ANNOTATION`] needs no other build.
    ///
    /// # Errors
    /// The build failed; what was there before is there still.
    pub async fn build(&self, key: &ObjectKey) -> Result<(), BuildFailure> {
        ahead::build(&self.context, key).await
    }

    /// Copies files into the container of an object: absolute path here, absolute path there. One
    /// that is not here any more is removed there.
    ///
    /// # Errors
    /// There is no container, a file can't be read, or the engine refuses; in words.
    pub async fn copy_into(
        &self,
        key: &ObjectKey,
        files: Vec<(PathBuf, String)>,
    ) -> Result<(), String> {
        ahead::copy(&self.context, key, files).await
    }

    /// Waits until nothing is under way: everything runs, ended, failed, or waits for others.
    pub async fn wait_idle(&self) {
        let submitted = self.context.store.list().1;
        let mut idle = self.idle.clone();
        // The loop has seen everything that was submitted before, and has nothing left to do.
        let _ = idle
            .wait_for(|seen| seen.is_some_and(|seen| seen >= submitted))
            .await;
    }

    /// Waits for the end of the run, whoever asked for it.
    pub async fn ended(&self) -> Outcome {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Outcome::Stopped),
            Err(_) => Outcome::Broken("the control plane's runtime is gone".to_owned()),
        }
    }

    /// Asks for the end of everything, without waiting for it.
    pub fn begin_stop(&self, how: Stop) {
        self.end(how);
    }

    fn end(&self, how: Stop) {
        end(&self.context, &self.api, how);
    }

    /// Stops everything and waits until it is gone; a second call with [`Stop::Force`] makes the
    /// first one hurry.
    pub async fn stop(&self, how: Stop) -> Outcome {
        self.end(how);
        self.ended().await
    }
}

/// Ends the run as its clients want it: by removing everything, or by leaving it as it is.
fn end(context: &Context, api: &Api, how: Stop) {
    let wanted = *api.execution().borrow();
    let cleans = wanted.status == ExecutionStatus::CleaningResources;
    if wanted.shutdown_resource_cleanup == Cleanup::None && !cleans {
        context.store.seal();
        context.abandoned.send_replace(true);
    } else {
        begin_stop(context, how);
    }
}

fn begin_stop(context: &Context, how: Stop) {
    context.store.seal();
    let stage = match how {
        Stop::Graceful => 1,
        Stop::Force => 2,
    };
    if how == Stop::Force {
        context.force.send_replace(true);
    }
    context.stopping.send_if_modified(|known| {
        let more = stage > *known;
        *known = stage.max(*known);
        more
    });
}

/// Ends the run when a client of the API asks for it.
async fn obey(context: Arc<Context>, api: Api) {
    let mut execution = api.execution();
    let asked = execution
        .wait_for(|now| now.status != ExecutionStatus::Running)
        .await
        .is_ok();
    if asked {
        end(&context, &api, Stop::Graceful);
    }
    // The task's end would be taken for a failure.
    std::future::pending::<()>().await;
}

/// Nothing has been under way for so long: what follows is more than the next step of a start.
const SETTLED: Duration = Duration::from_millis(100);

/// Each time that everything has settled, gives back the memory that only the way there needed:
/// starting takes far more of this program than waiting does.
async fn tidy(mut idle: watch::Receiver<Option<u64>>) {
    while idle.wait_for(Option::is_some).await.is_ok() {
        let busy = idle.wait_for(Option::is_none);
        if tokio::time::timeout(SETTLED, busy).await.is_ok() {
            continue;
        }
        // Should it fail, nothing is lost but memory.
        let _ = tokio::task::spawn_blocking(os::give_back).await;
        if idle.wait_for(Option::is_none).await.is_err() {
            break;
        }
    }
    // The task's end would be taken for a failure.
    std::future::pending::<()>().await;
}

/// After this, what refuses to go is left to the next run.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the end of a run is like.
enum End {
    /// The controllers removed everything.
    Clean,
    /// Everything stays as it is.
    Abandoned,
    /// The control plane failed; why, in words.
    Broken(String),
}

/// Waits for the end and makes sure that it is one.
async fn supervise(
    context: Arc<Context>,
    mut finished: watch::Receiver<bool>,
    ended: watch::Sender<Option<Outcome>>,
    journal: PathBuf,
    guard: Option<Guard>,
) {
    let mut fatal = context.tasks.fatal();
    let mut stopping = context.stopping.subscribe();
    let too_long = async {
        let _ = stopping.wait_for(|stage| *stage > 0).await;
        tokio::time::sleep(PATIENCE).await;
    };
    let mut abandoned = context.abandoned.subscribe();
    let end = tokio::select! {
        biased;
        _ = abandoned.wait_for(|abandoned| *abandoned) => End::Abandoned,
        done = finished.wait_for(|done| *done) => {
            match done {
                Ok(_) => End::Clean,
                Err(_) => End::Broken("the controllers ended".to_owned()),
            }
        }
        text = fatal.wait_for(Option::is_some) => {
            End::Broken(text.ok().and_then(|text| text.clone()).unwrap_or_default())
        }
        () = too_long => End::Broken("stopping took too long".to_owned()),
    };
    let broken = match end {
        End::Clean => None,
        End::Abandoned => {
            RUNS.fetch_sub(1, Ordering::SeqCst);
            // The journal stays: it tells the next run what there is.
            if let Some(guard) = guard {
                guard.dismiss().await;
            }
            context.tasks.abort();
            ended.send_replace(Some(Outcome::Stopped));
            return;
        }
        End::Broken(text) => {
            // The other tasks are sound: let them end everything, if they still can.
            begin_stop(&context, Stop::Force);
            let patience = Duration::from_secs(20);
            let orderly = async { finished.wait_for(|done| *done).await.is_ok() };
            if !tokio::time::timeout(patience, orderly)
                .await
                .unwrap_or(false)
            {
                harvest::everything_of_this_run(&context).await;
            }
            Some(text)
        }
    };
    // A last look: whatever carries our mark and belonged to no object any more.
    RUNS.fetch_sub(1, Ordering::SeqCst);
    let is_alone = || RUNS.load(Ordering::SeqCst) == 0;
    harvest::processes_of_this_run(&context, is_alone).await;
    if let Err(error) = std::fs::remove_file(&journal) {
        tracing::warn!(path = %journal.display(), %error, "the journal stays");
    }
    // One that isn't told that all is well looks itself, as soon as we have ended.
    if let (Some(guard), None) = (guard, &broken) {
        guard.dismiss().await;
    }
    context.tasks.abort();
    ended.send_replace(Some(broken.map_or(Outcome::Stopped, Outcome::Broken)));
}
