//! What a run is started with.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::logs::LogLimits;
use crate::runtime::ContainerEngine;
use crate::secrets::{NoSecrets, SecretSource};
use crate::watchdog::Watchdog;

/// What a run is started with.
#[derive(Clone)]
pub struct Config {
    /// Name of the app, for labels.
    pub app: String,
    /// The app's instance; part of the names of containers and networks.
    pub instance: String,
    /// This run; see [`Config::new_run`].
    pub run: String,
    /// Where processes without a working directory start.
    pub app_folder: PathBuf,
    /// Folder of the instance under `.aspire-host/`: records, logs, remembered ports. Never
    /// contains a secret.
    pub state_folder: PathBuf,
    /// Folder of the instance in the user's data: `data/OBJECT/KEY` (data folders, kept) and
    /// `files/OBJECT/…` (private files, which may contain secrets; gone with the workload). Where
    /// processes run as another user, that user has to be able to pass through to it.
    pub data_folder: PathBuf,
    /// What runs containers; none: containers fail to start and say so.
    pub engine: Option<Arc<dyn ContainerEngine>>,
    /// Where secret values come from.
    pub secrets: Arc<dyn SecretSource>,
    /// Values that must not appear in a log, beside the secrets that workloads use.
    pub redactions: Vec<String>,
    /// The first failure stops everything.
    pub fail_fast: bool,
    /// Environment that processes inherit.
    pub environment: BTreeMap<OsString, OsString>,
    /// How much output is kept.
    pub logs: LogLimits,
    /// Between the request to stop and the end, where the object doesn't say.
    pub stop_grace: Duration,
    /// Ends and removes everything at once should this program be killed; none: the next run does.
    pub watchdog: Option<Watchdog>,
}

impl Config {
    /// With our own environment, no engine and no secrets.
    pub fn new(
        app: impl Into<String>,
        instance: impl Into<String>,
        state_folder: impl Into<PathBuf>,
        data_folder: impl Into<PathBuf>,
    ) -> Self {
        Self {
            app: app.into(),
            instance: instance.into(),
            run: Self::new_run(),
            app_folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            state_folder: state_folder.into(),
            data_folder: data_folder.into(),
            engine: None,
            secrets: Arc::new(NoSecrets),
            redactions: Vec::new(),
            fail_fast: false,
            environment: crate::processes::environment::inherited(std::env::vars_os()),
            logs: LogLimits::default(),
            stop_grace: Duration::from_secs(10),
            watchdog: None,
        }
    }

    /// A fresh name for a run: sixteen hex digits.
    pub fn new_run() -> String {
        format!("{:016x}", rand::random::<u64>())
    }
}
