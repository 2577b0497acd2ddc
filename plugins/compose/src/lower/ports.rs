//! Endpoints: `expose` for internal ones, `ports` for external ones.
//!
//! Ports of the machine are given out once for the whole app, so that no two services want one.

use std::collections::{BTreeMap, BTreeSet};

use aspire_sdk::serde_json::Value as Json;
use aspire_sdk::{Construct, Endpoint, Grade, expr};

use super::Lowerer;
use crate::symbol::{self, Port};

/// Ports of one protocol that are given away.
#[derive(Default)]
struct Taken {
    ports: BTreeSet<u32>,
    /// Where the search for that many ports, from a wish on, goes on: below, none are free any more.
    searched: BTreeMap<(u32, u32), u32>,
}

impl Taken {
    fn is_free(&self, first: u32, count: u32) -> bool {
        self.ports.range(first..first + count).next().is_none()
    }

    /// The first of so many free ports, from a wish on.
    fn find(&mut self, wanted: u32, count: u32) -> Option<u32> {
        const END: u32 = 65_536;
        let start = self.searched.get(&(wanted, count)).copied();
        let found = (start.unwrap_or(wanted)..)
            .take_while(|port| port + count <= END)
            .find(|port| self.is_free(*port, count));
        self.searched.insert((wanted, count), found.unwrap_or(END));
        found
    }
}

impl Lowerer<'_> {
    /// The port that a workload listens on, by the host's rules.
    pub(super) fn listens_on(
        &self,
        resource: &str,
        name: &str,
        endpoint: &Endpoint,
    ) -> Option<u16> {
        let resolved = self
            .model
            .resolve(resource, expr::listen_port(resource, name));
        let known = resolved.as_text().and_then(|text| text.parse().ok());
        known.or(endpoint.target_port).or(endpoint.port)
    }

    /// How many of it.
    pub(super) fn replicas(&self, name: &str) -> u32 {
        let number = self.model.number(name, "replicas").unwrap_or(1);
        u32::try_from(number).unwrap_or(1).max(1)
    }

    /// Chooses a port of the machine for every external endpoint: the wished ones first.
    pub(super) fn choose_ports(&mut self, workloads: &[&String]) {
        let external = |workload: &&String| {
            let workload = (*workload).clone();
            let endpoints = self.model.endpoints(&workload).into_iter();
            endpoints
                .filter(|(_, endpoint)| endpoint.external)
                .map(move |(name, endpoint)| (workload.clone(), name, endpoint))
        };
        let (wished, others): (Vec<_>, Vec<_>) = workloads
            .iter()
            .flat_map(external)
            .partition(|(_, _, endpoint)| endpoint.port.is_some());
        let mut taken: BTreeMap<String, Taken> = BTreeMap::new();
        for (workload, name, endpoint) in wished.into_iter().chain(others) {
            let count = self.replicas(&workload);
            let taken = taken.entry(endpoint.protocol.clone()).or_default();
            self.choose_port(&workload, &name, &endpoint, count, taken);
        }
    }

    fn choose_port(
        &mut self,
        workload: &str,
        name: &str,
        endpoint: &Endpoint,
        count: u32,
        taken: &mut Taken,
    ) {
        let Some(first) = endpoint
            .port
            .or_else(|| self.listens_on(workload, name, endpoint))
        else {
            return;
        };
        let wanted = u32::from(first);
        let chosen = if taken.is_free(wanted, count) || endpoint.port.is_some() {
            Some(wanted)
        } else {
            taken.find(wanted, count)
        };
        let Some(port) = chosen.and_then(|port| u16::try_from(port).ok()) else {
            return;
        };
        if !taken.is_free(u32::from(port), count) {
            let message =
                format!("port {port} of endpoint `{name}` of `{workload}` is given twice");
            self.error(
                workload,
                "compose:port-taken",
                message,
                "give one of the two another `port`",
            );
        }
        if port != first {
            let reason = format!("port {first} is another service's: {port}, or what .env says");
            self.row(
                workload,
                &format!("endpoints.{name}"),
                Grade::Adapted,
                reason,
            );
        }
        taken.ports.extend(u32::from(port)..u32::from(port) + count);
        self.public_ports
            .insert((workload.to_owned(), name.to_owned()), port);
    }

    /// Adds `expose` and `ports`.
    pub(super) fn ports(&mut self, resource: &str, service: &mut Construct) {
        let (mut expose, mut ports): (Vec<Json>, Vec<Json>) = (Vec::new(), Vec::new());
        for (name, endpoint) in self.model.endpoints(resource) {
            let fact = format!("endpoints.{name}");
            let Some(target) = self.listens_on(resource, &name, &endpoint) else {
                let message =
                    format!("nobody knows on which port endpoint `{name}` of `{resource}` listens");
                self.error(
                    resource,
                    "compose:no-port",
                    message,
                    "give it a `target-port`",
                );
                continue;
            };
            if endpoint.external {
                ports.push(self.public(resource, &name, &endpoint, target));
            } else {
                let suffix = if endpoint.protocol == "tcp" {
                    ""
                } else {
                    "/udp"
                };
                let text = Json::from(format!("{target}{suffix}"));
                if !expose.contains(&text) {
                    expose.push(text);
                }
                if endpoint.port.is_some() {
                    let reason = "a port of the developer's machine; Compose publishes external endpoints only";
                    self.row(resource, &fact, Grade::Adapted, reason);
                }
            }
        }
        for (key, list) in [("expose", expose), ("ports", ports)] {
            if !list.is_empty() {
                service.properties.insert(key.into(), list.into());
            }
        }
    }

    fn public(&mut self, resource: &str, name: &str, endpoint: &Endpoint, target: u16) -> Json {
        let at = (resource.to_owned(), name.to_owned());
        let first = self.public_ports.get(&at).copied().unwrap_or(target);
        let count = self.replicas(resource);
        let mut published = first.to_string();
        if count > 1 {
            published = format!("{first}-{}", u32::from(first) + count - 1);
            let reason = format!(
                "Compose puts nothing in front of replicas: each has a port of its own, {published}"
            );
            self.row(
                resource,
                &format!("endpoints.{name}"),
                Grade::Weakened,
                reason,
            );
        }
        symbol::port(&Port {
            variable: format!("{resource}-{name}-port"),
            description: format!("Port of this machine for endpoint `{name}` of `{resource}`"),
            published,
            target,
            protocol: endpoint.protocol.clone(),
        })
    }
}
