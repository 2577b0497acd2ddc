//! The kinds of the control plane: their fields, validation and wire form.
//!
//! Kinds, fields and states follow the API group of DCP (reference/dcp.md 1), so that its clients
//! are clients of this; what DCP has no word for sits in `spec.aspire` ([`aspire`]). Pure: used by
//! the compiler, which produces objects, and by the control plane, which serves them. Doesn't know
//! how anything is started, stored or served.

pub mod aspire;
pub mod conditions;
pub mod container;
pub mod exec;
pub mod executable;
pub mod files;
pub mod health;
pub mod meta;
pub mod network;
pub mod object;
pub mod replicas;
pub mod run_args;
pub mod schema;
pub mod service;
pub mod template;
pub mod time;
pub mod tunnel;
pub mod validate;
pub mod volume;

pub use meta::ObjectMeta;
pub use object::{Kind, Object, ObjectKey};

/// API group, as in DCP.
pub const GROUP: &str = "usvc-dev.developer.microsoft.com";
/// Version of every kind.
pub const VERSION: &str = "v1";
