//! What every status has: conditions, for `kubectl wait` and everybody who asks "is it ready?"
//! without knowing the kinds.
//!
//! Derived from the rest of the status, so that the two can't disagree.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::container::{ContainerState, HealthStatus};
use crate::executable::ExecutableState;
use crate::network::ContainerNetworkState;
use crate::object::Object;
use crate::service::ServiceState;
use crate::tunnel::TunnelProxyState;
use crate::volume::ContainerVolumeState;

/// What every status has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Common {
    /// The generation of the spec that this status answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` on every kind, `Finished` on what can end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready` or `Finished`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The state, or the health where that is what's missing.
    #[serde(default)]
    pub reason: String,
    /// In words.
    #[serde(default)]
    pub message: String,
    /// RFC 3339: when `status` changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<String>,
    /// The generation of the spec that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Ready, finished (none: it can't end), reason, message.
type Verdict = (bool, Option<bool>, String, String);

/// Brings an object's conditions up to its status. `before`: those that it had; `now`: RFC 3339.
pub fn refresh(object: &mut Object, before: &[Condition], now: &str) {
    let (ready, finished, reason, message) = verdict(object);
    let generation = object.metadata().generation;
    let written = std::mem::take(&mut object.common_mut().conditions);
    let make = |kind: &str, holds: bool| {
        let status = if holds { "True" } else { "False" };
        let before = before.iter().find(|condition| condition.kind == kind);
        let since = before
            .filter(|condition| condition.status == status)
            .and_then(|condition| condition.last_transition_time.clone());
        Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.clone(),
            message: message.clone(),
            last_transition_time: since.or_else(|| Some(now.to_owned())),
            observed_generation: Some(generation),
        }
    };
    let mut conditions = vec![make("Ready", ready)];
    conditions.extend(finished.map(|finished| make("Finished", finished)));
    // What others put there stays.
    let foreign = |condition: &&Condition| !matches!(&*condition.kind, "Ready" | "Finished");
    conditions.extend(written.iter().filter(foreign).cloned());
    let common = object.common_mut();
    common.conditions = conditions;
    common.observed_generation = Some(generation);
}

fn verdict(object: &Object) -> Verdict {
    match object {
        Object::Container(container) => {
            let status = &container.status;
            let runs = status.state == ContainerState::Running;
            workload(
                runs,
                status.state.is_final(),
                status.state.to_string(),
                status.health_status,
                &status.message,
                &status.waiting_for,
            )
        }
        Object::Executable(executable) => {
            let status = &executable.status;
            let runs = status.state == ExecutableState::Running;
            workload(
                runs,
                status.state.is_final(),
                status.state.to_string(),
                status.health_status,
                &status.message,
                &status.waiting_for,
            )
        }
        Object::ContainerExec(exec) => {
            let state = exec.status.state;
            let ready = state == ExecutableState::Running;
            let message = exec.status.message.clone();
            (ready, Some(state.is_final()), state.to_string(), message)
        }
        Object::ExecutableReplicaSet(set) => {
            let status = &set.status;
            let wanted = i64::from(set.spec.replicas);
            let ready = i64::from(status.running_replicas) >= wanted
                && status
                    .health_status
                    .is_none_or(|health| health == HealthStatus::Healthy);
            let message = format!("{} of {wanted} run", status.running_replicas);
            let reason = if ready { "Running" } else { "Scaling" };
            (ready, None, reason.to_owned(), message)
        }
        Object::Service(service) => {
            let ready = service.status.state == ServiceState::Ready;
            plain(
                ready,
                format!("{:?}", service.status.state),
                &service.status.message,
            )
        }
        Object::ContainerNetwork(network) => {
            let ready = network.status.state == ContainerNetworkState::Running;
            plain(
                ready,
                format!("{:?}", network.status.state),
                &network.status.message,
            )
        }
        Object::ContainerVolume(volume) => {
            let ready = volume.status.state == ContainerVolumeState::Ready;
            plain(
                ready,
                format!("{:?}", volume.status.state),
                &volume.status.message,
            )
        }
        Object::ContainerNetworkConnection(connection) => {
            let status = &connection.status;
            let reason = if status.connected {
                "Connected"
            } else {
                "NotConnected"
            };
            plain(status.connected, reason.to_owned(), &status.message)
        }
        Object::ContainerNetworkTunnelProxy(proxy) => {
            let ready = proxy.status.state == TunnelProxyState::Running;
            plain(
                ready,
                format!("{:?}", proxy.status.state),
                &proxy.status.message,
            )
        }
        Object::Endpoint(_) => plain(true, "Published".to_owned(), ""),
    }
}

fn plain(ready: bool, reason: String, message: &str) -> Verdict {
    (ready, None, reason, message.to_owned())
}

fn workload(
    runs: bool,
    finished: bool,
    state: String,
    health: Option<HealthStatus>,
    message: &str,
    waiting_for: &[String],
) -> Verdict {
    let healthy = health.is_none_or(|health| health == HealthStatus::Healthy);
    let reason = match health {
        Some(health) if runs && !healthy => format!("{health:?}"),
        _ => state,
    };
    let message = if message.is_empty() && !waiting_for.is_empty() {
        format!("waiting for {}", waiting_for.join(", "))
    } else {
        message.to_owned()
    };
    (runs && healthy, Some(finished), reason, message)
}
