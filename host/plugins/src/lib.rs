//! The plugin host: the only crate that knows wasmtime.
//!
//! It finds plugins, checks and compiles them, keeps compiled code, and calls their hooks, each in a
//! fresh instance with its own limits, linked to nothing but the model and a log. To the compiler a
//! plugin is an [`aspire_model::hook::Plugin`]; what is behind that is not seen from outside. This
//! crate doesn't know the ladder, merges nothing, and never decides whether an edit is allowed: it
//! only carries the permissions that were granted.
//!
//! ```no_run
//! use aspire_plugins::lock::{Allowed, Lock, decide};
//! use aspire_plugins::{Config, PluginHost, Source};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config {
//!     cache_dir: Some("/home/me/.cache/aspire-host/plugins".into()),
//!     plugin_path: vec!["/usr/lib/aspire-host/plugins".into()],
//!     ..Config::default()
//! };
//! let host = PluginHost::new(config)?; // host.warnings(): a cache that cannot be used
//! let loading = host.load(&[Source::named("redis", "."), Source::named("./my/policy.wasm", ".")]);
//! for error in &loading.errors {
//!     let _ = error.to_diagnostic(); // blamed on the plugin: exit code 4
//! }
//! let path = std::path::Path::new("aspire.lock");
//! let mut lock = Lock::read(path)?;
//! let mut plugins = Vec::new();
//! for loaded in &loading.plugins {
//!     let allowed = Allowed { by_app: &[], by_command: &[], ceiling: None };
//!     let entry = lock.plugins.get(loaded.id());
//!     let decision = decide(loaded.manifest(), loaded.digest(), entry, allowed);
//!     if let Some(change) = &decision.changed {
//!         // It asks for more than before: stop, show `change`, or ask on a terminal and decide
//!         // again with the answers in `by_command`.
//!         # let _ = change;
//!         continue;
//!     }
//!     // decision.to_ask(): what could still be granted; decision.allow_options(id): how.
//!     lock.plugins.insert(loaded.id().to_owned(), decision.entry);
//!     plugins.push(loaded.with_grants(decision.granted, false)); // Arc<dyn Plugin>
//! }
//! lock.write(path)?;
//! # Ok(())
//! # }
//! ```
//!
//! - A failed call is a [`HookFailure`](aspire_model::hook::HookFailure); [`failure_diagnostic`]
//!   makes a finding of it. Guest error, trap, timeout and exceeded limit stay apart.
//! - Calls of inert WASI stubs that matter (time, random bytes) come back as warnings: of `describe`
//!   in [`Loaded::warnings`], of later calls among the diagnostics of their results.
//! - [`Loaded::inspection`] is what `plugin inspect` shows, [`list`] what `plugin list` shows, and
//!   [`build`] what `plugin build` does. None of them needs a grant.
//! - Log lines of plugins are `tracing` events of target `plugin`.

mod bindings;
mod cache;
mod call;
mod convert;
mod descriptor;
mod encode;
mod engine;
mod error;
mod facts;
mod failure;
mod handles;
mod inspect;
mod limits;
mod load;
mod loaded;
mod locate;
pub mod lock;
mod manifest;
mod native;
mod platform;
mod serve;
mod state;
mod survey;
mod text;
mod wasi;

pub use encode::{BuildError, build};
pub use error::{HostError, LoadError, failure_diagnostic};
pub use inspect::{Inspection, Request};
pub use limits::Limits;
pub use load::{Config, LoadResult, PluginHost};
pub use loaded::Loaded;
pub use locate::{Source, list};
pub use manifest::Manifest;
pub use survey::Hook;
