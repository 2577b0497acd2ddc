//! The clauses of docs/conformance.md that no other test had, as clients see them: requests to the
//! API, and whatever somebody else does to the engine meanwhile.
//!
//! On the real engine where one answers; under CI one has to.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and a failure must end them"
)]

#[path = "conformance/commands.rs"]
mod commands;
#[path = "conformance/containers.rs"]
mod containers;
#[path = "conformance/engine.rs"]
mod engine;
#[path = "conformance/lab.rs"]
mod lab;
#[path = "conformance/logs.rs"]
mod logs;
#[path = "conformance/materials.rs"]
mod materials;
#[path = "conformance/modes.rs"]
mod modes;
#[path = "conformance/own_engine.rs"]
mod own_engine;
#[path = "conformance/processes.rs"]
mod processes;
#[path = "conformance/proxy.rs"]
mod proxy;
#[path = "conformance/server.rs"]
mod server;
#[path = "conformance/services.rs"]
mod services;
mod support;
