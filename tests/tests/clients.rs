//! Foreign clients against the control plane: what works with a real Kubernetes API server works
//! with ours.
//!
//! With `ASPIRE_ORACLE_KUBECONFIG` everything but what only ours has runs against the server that
//! it names: `tests/oracle/with cargo test -p aspire-host-tests --test clients` shows that the
//! expectations are right.

#[path = "clients/controller.rs"]
mod controller;
#[path = "clients/kubectl.rs"]
mod kubectl;
#[path = "clients/libraries.rs"]
mod libraries;
#[path = "clients/pods.rs"]
mod pods;
