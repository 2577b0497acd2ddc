//! What the fake engine holds.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::runtime::{
    BuildRequest, ContainerRequest, EngineError, EngineEvent, Leftover, NetworkInfo, OutputStream,
    RunRequest,
};

/// A container of the fake.
#[derive(Debug, Clone)]
pub struct FakeContainer {
    /// Id.
    pub id: String,
    /// What was asked for.
    pub request: ContainerRequest,
    /// `created`, `running` or `exited`.
    pub state: &'static str,
    /// How often it was started.
    pub starts: u32,
    /// Exit code, once it ended.
    pub exit_code: Option<i32>,
    /// What it said.
    pub output: Vec<(OutputStream, Bytes)>,
    /// What its own check found and said.
    pub health: Option<(String, String)>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct FakeNetwork {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) ipv6: bool,
    /// Names by container id.
    pub(super) members: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) containers: BTreeMap<String, FakeContainer>,
    pub(super) networks: BTreeMap<String, FakeNetwork>,
    pub(super) volumes: BTreeMap<String, BTreeMap<String, String>>,
    pub(super) images: Vec<String>,
    pub(super) faults: BTreeMap<&'static str, VecDeque<EngineError>>,
    pub(super) calls: Vec<String>,
    pub(super) events: Vec<EngineEvent>,
    pub(super) execs: BTreeMap<String, i64>,
    pub(super) hanging: Vec<String>,
    pub(super) runs: Vec<(String, RunRequest)>,
    pub(super) builds: Vec<BuildRequest>,
    pub(super) down: bool,
    pub(super) broken_streams: u64,
    pub(super) stubborn: bool,
}

impl FakeNetwork {
    pub(super) fn info(&self, name: &str) -> NetworkInfo {
        NetworkInfo {
            id: name.to_owned(),
            driver: "bridge".to_owned(),
            ipv6: self.ipv6,
            subnets: vec!["127.77.0.0/16".to_owned()],
            // Every address of 127.0.0.0/8 is this machine's.
            gateways: vec!["127.77.0.1".to_owned()],
            labels: self.labels.clone(),
            containers: self.members.keys().cloned().collect(),
        }
    }
}

impl State {
    /// What has a label, `KEY` or `KEY=VALUE`.
    pub(super) fn leftovers(&self, label: &str) -> Vec<Leftover> {
        let (key, value) = label
            .split_once('=')
            .map_or((label, None), |(k, v)| (k, Some(v)));
        let fits = |labels: &BTreeMap<String, String>| match value {
            None => labels.contains_key(key),
            Some(value) => labels.get(key).is_some_and(|found| found == value),
        };
        let leftover = |what, id: &String, name: &String, labels: &BTreeMap<_, _>| Leftover {
            what,
            id: id.clone(),
            name: name.clone(),
            labels: labels.clone(),
        };
        let containers = self.containers.iter().map(|(id, found)| {
            leftover("container", id, &found.request.name, &found.request.labels)
        });
        let networks = self
            .networks
            .iter()
            .map(|(name, found)| leftover("network", name, name, &found.labels));
        let volumes = self
            .volumes
            .iter()
            .map(|(name, labels)| leftover("volume", name, name, labels));
        let all = containers.chain(networks).chain(volumes);
        all.filter(|leftover| fits(&leftover.labels)).collect()
    }

    pub(super) fn network(&mut self, name: &str) -> Result<&mut FakeNetwork, EngineError> {
        self.networks
            .get_mut(name)
            .ok_or_else(|| EngineError::NotFound(format!("network {name}")))
    }

    pub(super) fn container(&mut self, id: &str) -> Result<&mut FakeContainer, EngineError> {
        let id = match self
            .containers
            .iter()
            .find(|(_, found)| found.request.name == id)
        {
            Some((id, _)) => id.clone(),
            None => id.to_owned(),
        };
        self.containers
            .get_mut(&id)
            .ok_or(EngineError::NotFound(id))
    }

    /// One that commands can be run in.
    pub(super) fn running(&mut self, id: &str) -> Result<(), EngineError> {
        match self.container(id)?.state {
            "running" => Ok(()),
            state => Err(EngineError::Other(format!("{id} is not running: {state}"))),
        }
    }

    pub(super) fn remove_network(&mut self, name: &str) -> Result<(), EngineError> {
        let Ok(network) = self.network(name) else {
            return Ok(());
        };
        let members = network.members.clone();
        let runs = |id: &String| (self.containers.get(id)).is_some_and(|it| it.state == "running");
        if members.keys().any(runs) {
            return Err(EngineError::Other(format!("{name} has active endpoints")));
        }
        self.networks.remove(name);
        Ok(())
    }

    pub(super) fn start(&mut self, id: &str, silently: bool) -> Result<(), EngineError> {
        let container = self.container(id)?;
        container.state = "running";
        container.starts += 1;
        container.exit_code = None;
        let id = container.id.clone();
        if !silently {
            self.event(&id, "start", None);
        }
        Ok(())
    }

    pub(super) fn end(&mut self, id: &str, code: i32, silently: bool) {
        if let Some(container) = self.containers.get_mut(id)
            && container.state == "running"
        {
            container.state = "exited";
            container.exit_code = Some(code);
            if !silently {
                self.event(id, "die", Some(code));
            }
        }
    }

    pub(super) fn event(&mut self, id: &str, action: &str, exit_code: Option<i32>) {
        self.events.push(EngineEvent {
            container_id: id.to_owned(),
            action: action.to_owned(),
            exit_code,
            // Later than any clock, so that nothing is thought to have happened before.
            time_nano: i64::MAX - 1_000_000 + i64::try_from(self.events.len()).unwrap_or(0),
        });
    }
}
