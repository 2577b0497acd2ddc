//! Containers: prepared, created and started through the engine, watched to their end.
//!
//! Knows how a container is made from an object. Doesn't know states, gates or probes.

mod end;
mod events;
mod files;
mod image;
pub(crate) mod launch;
mod request;

pub(crate) use events::{Happening, Hub};
pub(crate) use request::is_persistent;
