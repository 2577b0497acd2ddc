//! What a plugin author needs: one trait per hook, one macro, and a model to test against.
//!
//! Everything that an author's logic touches is plain Rust data, so it is tested natively, without
//! WebAssembly; the interface of `wit/` is the glue's business and never seen. A plugin in 30
//! lines is in the README; `plugins/redis` is a complete one.
//!
//! This crate doesn't know the host: what it accepts, merges and grants is decided there.

extern crate self as aspire_sdk;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
mod construct;
mod declaration;
mod edits;
mod error;
pub mod expr;
mod expression;
mod fact;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod glue;
mod hook;
pub mod log;
mod macros;
mod model;
mod options;
mod output;
mod print;
mod registration;
mod resource;
mod schema;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod yaml;

pub use construct::{Construct, ConstructEdit, Constructs, Grade, Graph};
pub use declaration::Declaration;
pub use edits::{Edit, Edits, Fact, Shape};
pub use error::{Diagnostic, Error, Location, Severity};
pub use expression::{Expression, Segment, URI};
pub use fact::{Endpoint, File, Mount, Parameter, Prepare, Probe, Wait};
pub use hook::{Identity, Integration, Lowering, Pass, Plugin, Publisher, unknown_pass};
pub use macros::manifest_bytes;
pub use model::Model;
pub use output::{Artifact, Output};
pub use registration::{Claim, Kind, PassInfo, Phase, Registration};
pub use resource::Resource;
pub use schema::Schema;
pub use {serde, serde_json};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
