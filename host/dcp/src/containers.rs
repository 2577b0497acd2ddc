//! Containers: prepared, created and started through the engine, watched to their end.
//!
//! Knows how a container is made from an object. Doesn't know states, gates or probes.

mod adopt;
mod book;
mod end;
mod events;
mod files;
pub(crate) mod image;
pub(crate) mod launch;
mod layers;
mod output;
mod request;

pub(crate) use book::{ContainerBook, Page};
pub(crate) use events::{Happening, Hub};
