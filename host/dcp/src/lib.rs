//! The control plane of aspire-host: an app's objects in, a running app out.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use aspire_api::{Kind, ObjectKey, ObjectMeta, executable::Executable};
//! use aspire_dcp::{Config, ControlPlane, Stop};
//!
//! let config = Config::new("shop", "shop-1a2b", ".aspire-host/state", "/home/me/.local/share/…");
//! let plane = ControlPlane::start(config).await?;
//!
//! let mut web = Executable { metadata: ObjectMeta::of("web", "web"), ..Executable::default() };
//! web.spec.executable_path = "python3".to_owned();
//! plane.client().create(web).await?;
//!
//! let mut watcher = plane.client().watch(0); // every change of every object, statuses too
//! let mut output = plane.logs().follow_all(); // every line of every workload
//! # let _ = (&mut watcher, &mut output);
//! plane.stop(Stop::Graceful).await; // reverse order; a second call with `Force` hurries
//! # Ok(())
//! # }
//! ```
//!
//! - [`ControlPlane`]: start and end of a run; what failed ([`ControlPlane::failures`]), whether
//!   anything is under way ([`ControlPlane::wait_idle`]), how it ended ([`ControlPlane::ended`]).
//! - [`Client`]: create, get, list, update, delete and watch objects of `aspire_api`. What
//!   happens to an object is in its status and nowhere else.
//! - [`ControlPlane::build`], [`ControlPlane::copy_into`]: what is done for a workload while it goes
//!   on.
//! - [`logs::Logs`]: output by object: `tail`, `follow`, `follow_all`.
//! - [`Config`]: folders, engine, [`SecretSource`], what to redact.
//! - [`watchdog`]: what cleans up at once should this program be killed; needs a word in `main`.
//! - [`runtime::ContainerEngine`]: what runs containers; [`runtime::docker`] is the real one,
//!   [`testing::FakeEngine`] the one for tests.
//!
//! Needs a tokio runtime with I/O and time, of either flavour; a current-thread runtime is enough,
//! because output is read and processes are started on threads of their own.
//!
//! Inside: `store` ← `controllers` (one loop, pure steps) → tasks that do things (`processes`,
//! `engine`, `probes`, `relay`) → what they tell goes back to the loop. `os` is the only module
//! that knows an operating system. `records`, `harvest` and `watchdog` see to it that nothing stays
//! behind.

mod ahead;
pub mod answers;
mod certificates;
mod client;
mod clock;
mod config;
mod containers;
mod context;
mod controllers;
mod engine;
mod harvest;
pub mod identity;
pub mod ignore;
mod lifecycle;
pub mod logs;
pub mod machinery;
mod monitor;
mod os;
mod plane;
mod ports;
mod probes;
mod processes;
mod records;
mod relay;
pub mod runtime;
mod secrets;
pub mod server;
mod services;
pub mod state;
pub mod store;
mod tasks;
mod templates;
pub mod watchdog;

/// What tests need; not for running apps.
pub mod testing {
    pub use crate::clock::jump;
    pub use crate::runtime::fake::{FakeContainer, FakeEngine};
}

pub use ahead::BuildFailure;
pub use client::Client;
pub use clock::Timestamp;
pub use config::Config;
pub use controllers::Failure;
pub use plane::{ControlPlane, Outcome, StartError, Stop};
pub use secrets::{NoSecrets, SecretSource};
pub use watchdog::Watchdog;
