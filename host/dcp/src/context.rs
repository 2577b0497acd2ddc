//! What every part of a running control plane shares.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aspire_api::container::Mode;
use aspire_api::service::producers;
use aspire_api::{Object, ObjectKey};
use tokio::sync::{mpsc, watch};

use crate::clock::Timestamp;
use crate::config::Config;
use crate::containers::ContainerBook;
use crate::controllers::workload::{Ended, Report};
use crate::controllers::{exec, link};
use crate::engine::Engine;
use crate::logs::{Log, Logs, Redactor};
use crate::os::Identity;
use crate::ports::PortMemory;
use crate::processes::launch::Process;
use crate::processes::spawner::Spawner;
use crate::processes::tree::Scanner;
use crate::runtime::NetworkInfo;
use crate::services::ServiceBook;
use crate::state::{Record, State};
use crate::store::Store;
use crate::tasks::Tasks;
use crate::templates::{Scope, Viewpoint};

/// What the loop of the controllers is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// By the effects of a workload.
    Workload(ObjectKey, Report),
    /// A network or volume was made, or not: status, problem, or failure for good.
    Made(ObjectKey, Made),
    /// A network was looked at again; none: it could not be.
    Looked(ObjectKey, Option<NetworkInfo>),
    /// A container was put on a network or taken off it, or could not be.
    Linked(link::Place, Result<(), String>),
    /// A network or volume is gone.
    Unmade(ObjectKey),
    /// By the command of a `ContainerExec`.
    Exec(ObjectKey, exec::Report),
    /// Look at this one again.
    Wake(ObjectKey),
}

/// How the making of a network or volume went.
#[derive(Debug)]
pub(crate) enum Made {
    /// It is there, under this name.
    Ready(String, NetworkInfo),
    /// Not now; it is tried again.
    Later(String),
    /// Somebody else is to make it, and hasn't yet.
    Missing(String),
    /// Never.
    Failed(String),
}

/// A workload that was launched.
#[derive(Debug)]
pub(crate) enum Live {
    /// A process.
    Process(Process),
    /// A container.
    Container {
        /// Its id.
        id: String,
        /// What its templates see.
        viewpoint: Viewpoint,
        /// Port by service.
        serving: BTreeMap<String, u16>,
    },
}

/// Filled when a launch succeeds.
pub(crate) type Slot = Arc<OnceLock<Live>>;

/// What every part shares.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) store: Arc<Store>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) book: ServiceBook,
    pub(crate) containers: ContainerBook,
    pub(crate) memory: PortMemory,
    pub(crate) state: State,
    pub(crate) spawner: Spawner,
    pub(crate) scanner: Scanner,
    pub(crate) engine: Option<Engine>,
    pub(crate) tasks: Tasks,
    pub(crate) messages: mpsc::UnboundedSender<Message>,
    /// The run ends: 1 orderly, 2 by force.
    pub(crate) stopping: watch::Sender<u8>,
    /// The run ends and leaves everything as it is.
    pub(crate) abandoned: watch::Sender<bool>,
    /// Whatever is being stopped is to be killed now.
    pub(crate) force: watch::Sender<bool>,
    pub(crate) creator: String,
    /// Processes that are to outlive the run.
    pub(crate) kept: Mutex<BTreeSet<Identity>>,
}

impl Context {
    /// Tells the loop something of a workload.
    pub(crate) fn tell(&self, key: &ObjectKey, report: Report) {
        self.send(Message::Workload(key.clone(), report));
    }

    /// Does something for a workload in a task; should it panic, the loop is told this instead.
    pub(crate) fn work(
        self: &Arc<Self>,
        name: &'static str,
        key: ObjectKey,
        otherwise: Vec<Report>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let shared = Arc::clone(self);
        self.tasks.spawn_or(name, task, move || {
            for report in otherwise {
                shared.tell(&key, report);
            }
        });
    }

    /// What is told when a launch, or whoever watches what was launched, panics.
    pub(crate) fn launch_failed() -> Vec<Report> {
        let at = Timestamp::now();
        let note = "the control plane failed".to_owned();
        vec![
            Report::Failed(note.clone(), at),
            Report::Ended(Ended {
                at,
                ran: Duration::ZERO,
                code: None,
                note,
            }),
        ]
    }

    /// Tells the loop something.
    pub(crate) fn send(&self, message: Message) {
        // The loop is gone: the run has ended, and nobody wants to know.
        let _ = self.messages.send(message);
    }

    /// The log of a workload.
    pub(crate) fn log(&self, key: &ObjectKey) -> Arc<Log> {
        self.logs.of(key)
    }

    /// What an object's placeholders see.
    pub(crate) fn scope<'a>(
        &'a self,
        object: &ObjectKey,
        viewpoint: Viewpoint,
        serving: BTreeMap<String, u16>,
        waiting: &'a (dyn Fn(&str) + Send + Sync),
    ) -> Scope<'a> {
        let process = viewpoint == Viewpoint::Machine;
        let name = &*object.name;
        let found = self.store.get(object).ok();
        // Data outlives the object that it was made for.
        let first = found
            .as_ref()
            .map_or(name, |found| found.metadata().first());
        let produced = found.as_ref().map(|found| producers(found.metadata()));
        let produced = produced.and_then(Result::ok).unwrap_or_default();
        let listening = produced
            .into_iter()
            .filter_map(|producer| Some((producer.service_name, producer.address?)));
        Scope {
            book: &self.book,
            secrets: self.config.secrets.as_ref(),
            redactor: &self.redactor,
            viewpoint,
            serving,
            listening: listening.collect(),
            data: process.then(|| self.config.data_folder.join("data").join(first)),
            files: process.then(|| self.private_folder(object)),
            waiting,
        }
    }

    /// The private files of a process. Those of one that outlives the run are not among those that
    /// go with it.
    pub(crate) fn private_folder(&self, object: &ObjectKey) -> PathBuf {
        let kept = match self.store.get(object).ok().as_deref() {
            Some(Object::Executable(found)) => found.spec.effective_mode() != Mode::Session,
            _ => false,
        };
        let folder = if kept { "kept" } else { "files" };
        self.config.data_folder.join(folder).join(&object.name)
    }

    /// The processes that are to outlive the run.
    pub(crate) fn kept(&self) -> Vec<Identity> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().copied().collect()
    }

    /// Notes that a process is to outlive the run.
    pub(crate) fn keep(&self, id: Identity) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(id);
    }

    /// Remembers a resource that outlasts the run. Not being able to is told, and no more: it is
    /// found by its name, too.
    pub(crate) async fn remember(
        &self,
        kind: &str,
        name: &str,
        id: &str,
        details: Option<serde_json::Value>,
    ) {
        let record = Record {
            kind: kind.to_owned(),
            name: name.to_owned(),
            id: id.to_owned(),
            app: self.config.app.clone(),
            instance: self.config.instance.clone(),
            owner: crate::identity::Creator::myself().to_string(),
            at: Timestamp::now().seconds(),
            details,
        };
        let state = self.state.clone();
        let written = tokio::task::spawn_blocking(move || state.put(&record)).await;
        if let Ok(Err(error)) = written {
            tracing::error!(%error, kind, name, "it is not recorded");
        }
    }

    /// Forgets a resource that is gone for good; see [`State::forget`].
    pub(crate) async fn forget(&self, kind: &'static str, name: String, id: Option<String>) {
        let state = self.state.clone();
        let forgetting =
            tokio::task::spawn_blocking(move || state.forget(kind, &name, id.as_deref()));
        if let Ok(Err(error)) = forgetting.await {
            tracing::warn!(%error, kind, "a record stays");
        }
    }

    /// Between the request to stop a workload and its end.
    pub(crate) fn grace(&self, aspire: Option<&aspire_api::aspire::Aspire>) -> Duration {
        aspire
            .and_then(|aspire| aspire.stop_grace)
            .map_or(self.config.stop_grace, Duration::from_millis)
    }
}
