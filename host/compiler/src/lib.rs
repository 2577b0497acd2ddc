//! The ladder from `aspire.toml` to workload objects or artifacts.
//!
//! ```text
//! parse → expand → resolve → check → enrich → recheck → wire → lower (run or one target) → refine → emit
//! ```
//!
//! A caller goes through it in three steps, because plugins have to be loaded in between:
//!
//! 1. [`source::parse`] reads the text and says which plugins it names.
//! 2. [`pipeline::compile`] takes the loaded plugins and makes the app model.
//! 3. [`forms::choose`] and [`run::lower`], or [`publish::publish`], lower it.
//!
//! Calls plugins through [`aspire_model::hook::Plugin`] alone. Does no I/O: it never opens a file,
//! looks at the clock or asks the environment. Every step collects all diagnostics.

pub mod barrier;
pub mod builtin;
pub mod document;
pub mod expand;
pub mod forms;
pub mod pipeline;
pub mod publish;
pub mod registry;
pub mod reserved;
pub mod resolve;
pub mod run;
pub mod schema;
pub mod source;
pub mod strata;
pub mod template;
pub mod tree;
pub mod wire;

pub use document::{Document, PluginEntry};
pub use pipeline::{Compilation, Options, Stage};
