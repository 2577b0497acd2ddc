//! The kinds around processes and containers, through the public interface on the fake engine.

#![allow(
    clippy::unwrap_used,
    reason = "these are tests, and a failure must end them"
)]

#[path = "kinds/common.rs"]
mod common;
#[path = "kinds/execs.rs"]
mod execs;
#[path = "kinds/modes.rs"]
mod modes;
#[path = "kinds/networks.rs"]
mod networks;
#[path = "kinds/owners.rs"]
mod owners;
#[path = "kinds/services.rs"]
mod services;
#[path = "kinds/sets.rs"]
mod sets;
mod support;
