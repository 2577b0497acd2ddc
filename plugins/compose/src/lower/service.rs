//! One workload: a `compose:service`, whose properties are named as Compose names them.

use aspire_sdk::serde_json::{Map, Value as Json, json};
use aspire_sdk::{Construct, Expression, Grade, Shape};

use super::Lowerer;
use crate::symbol::{self, SERVICE};

impl Lowerer<'_> {
    /// Lowers a container or an executable.
    pub(super) fn service(&mut self, name: &str) {
        let mut service = Construct::new(format!("service/{name}"), SERVICE, name).origin(name);
        let on_host_network = self.privileges(name, &mut service);
        self.image(name, &mut service);
        self.program(name, &mut service);
        self.environment(name, &mut service);
        self.health(name, &mut service);
        self.waits(name, &mut service);
        if on_host_network {
            let reason = "on the machine's own network: other services don't reach it by its name";
            self.row(name, "privileges.network:host", Grade::Weakened, reason);
        } else {
            self.ports(name, &mut service);
            self.aliases(name, &mut service);
        }
        let mut volumes = self.mounts(name);
        volumes.extend(self.files(name, &mut service));
        set(&mut service, "volumes", volumes);
        self.lifecycle(name, &mut service);
        self.limits(name, &mut service);
        self.labels(name, &mut service);
        self.process_leftovers(name);
        self.out.add(service);
    }

    fn program(&mut self, name: &str, service: &mut Construct) {
        let entrypoint = self.model.values(name, "entrypoint");
        let entrypoint = self.list(name, "entrypoint", entrypoint);
        set(service, "entrypoint", entrypoint);
        let args = self.model.args(name);
        let command = self.list(name, "args", args);
        set(service, "command", command);
        if self.shape(name) == Some(Shape::Executable) {
            return;
        }
        for (fact, property) in [("working-directory", "working_dir"), ("user", "user")] {
            if let Some(text) = self.model.text(name, fact) {
                service.properties.insert(property.into(), text.into());
            }
        }
    }

    fn environment(&mut self, name: &str, service: &mut Construct) {
        let environment = self.map(name, "env");
        set_map(service, "environment", environment);
        let files = self.model.values(name, "env-files");
        let paths: Vec<Json> = files
            .iter()
            .filter_map(Expression::as_text)
            .map(symbol::path)
            .collect();
        if !paths.is_empty() {
            let reason = "read in place, where Compose runs";
            self.row(name, "env-files", Grade::Adapted, reason);
        }
        set(service, "env_file", paths);
    }

    fn lifecycle(&mut self, name: &str, service: &mut Construct) {
        let is_manual = self.model.text(name, "start").as_deref() == Some("manual");
        if is_manual {
            service
                .properties
                .insert("profiles".into(), json!(["manual"]));
            let reason = "in the profile `manual`: docker compose --profile manual up";
            self.row(name, "start", Grade::Adapted, reason);
        }
        let ends = is_manual || self.ending.contains(name);
        let restart = self.model.text(name, "restart").unwrap_or_default();
        let (policy, maximum) = match restart.split_once(':') {
            Some((policy, maximum)) => (policy, Some(maximum)),
            None => (&*restart, None),
        };
        let restart = match (policy, maximum) {
            ("on-failure", Some(maximum)) => {
                let reason = "counted from the start of the container, not in a row";
                self.row(name, "restart", Grade::Adapted, reason);
                format!("on-failure:{maximum}")
            }
            ("always", Some(_)) => {
                let reason = "Compose has no maximum for `always`";
                self.row(name, "restart", Grade::Weakened, reason);
                "always".to_owned()
            }
            ("no" | "on-failure" | "always", _) => policy.to_owned(),
            _ if ends => "no".into(),
            _ => "unless-stopped".into(),
        };
        service.properties.insert("restart".into(), restart.into());
        if self.model.text(name, "liveness").as_deref() == Some("yes") {
            let reason = "Compose shows what is unhealthy and does not start it again";
            self.row(name, "liveness", Grade::Dropped, reason);
        }
        if let Some(grace) = self.model.number(name, "stop-grace") {
            // Engines count in seconds, and 1.29 fails on a fraction.
            let seconds = grace.max(0) / 1_000 + i64::from(grace % 1_000 > 0);
            if seconds * 1_000 != grace {
                self.row(
                    name,
                    "stop-grace",
                    Grade::Adapted,
                    "whole seconds, rounded up",
                );
            }
            service
                .properties
                .insert("stop_grace_period".into(), format!("{seconds}s").into());
        }
    }

    /// `scale`, `cpus` and `mem_limit` mean the same to 1.29 and 2; `deploy` does not.
    fn limits(&mut self, name: &str, service: &mut Construct) {
        let replicas = self.replicas(name);
        if replicas > 1 {
            service.properties.insert("scale".into(), replicas.into());
        }
        if let Some(millis) = self.model.number(name, "limit-cpu-millis") {
            let cpus = format!("{}.{:03}", millis / 1_000, millis % 1_000);
            let cpus = cpus.trim_end_matches('0').trim_end_matches('.');
            service.properties.insert("cpus".into(), cpus.into());
        }
        if let Some(bytes) = self.model.number(name, "limit-memory") {
            service.properties.insert("mem_limit".into(), bytes.into());
        }
    }

    fn labels(&mut self, name: &str, service: &mut Construct) {
        let mut labels = Map::new();
        labels.insert("aspire-host.dev/app".into(), self.app.as_str().into());
        labels.insert("aspire-host.dev/resource".into(), name.into());
        if let Some(text) = self.model.text(name, "description") {
            labels.insert("aspire-host.dev/description".into(), text.into());
            self.row(name, "description", Grade::Adapted, "a label");
        }
        labels.extend(self.map(name, "labels"));
        set_map(service, "labels", labels);
    }

    fn aliases(&mut self, name: &str, service: &mut Construct) {
        let aliases: Vec<Json> = self
            .model
            .keys(name, "aliases")
            .into_iter()
            .map(Json::from)
            .collect();
        if !aliases.is_empty() {
            let networks = json!({ "default": { "aliases": aliases } });
            service.properties.insert("networks".into(), networks);
        }
    }

    /// Devices, capabilities and host access; gives whether it is on the machine's own network.
    fn privileges(&mut self, name: &str, service: &mut Construct) -> bool {
        let (mut devices, mut capabilities): (Vec<Json>, Vec<Json>) = (Vec::new(), Vec::new());
        let mut on_host_network = false;
        for (key, value) in self.model.entries(name, "privileges") {
            let value = value.as_text().unwrap_or_default().to_owned();
            if value == "false" {
                continue;
            }
            match key.split_once(':') {
                None if key == "privileged" => {
                    service.properties.insert("privileged".into(), true.into());
                }
                None if key == "gpus" => {
                    let count = value
                        .parse::<u32>()
                        .map_or_else(|_| json!("all"), Json::from);
                    let device = json!({ "capabilities": ["gpu"], "count": count });
                    let deploy =
                        json!({ "resources": { "reservations": { "devices": [device] } } });
                    service.properties.insert("deploy".into(), deploy);
                }
                Some(("network", "host")) => {
                    on_host_network = true;
                    service
                        .properties
                        .insert("network_mode".into(), "host".into());
                }
                Some(("cap-add", capability)) => capabilities.push(capability.into()),
                Some(("device", path)) if value.starts_with('/') => {
                    devices.push(format!("{path}:{value}").into());
                }
                Some(("device", path)) => devices.push(path.into()),
                _ => {
                    let reason = format!("Compose has no privilege `{key}`");
                    self.row(name, &format!("privileges.{key}"), Grade::Dropped, reason);
                }
            }
        }
        set(service, "devices", devices);
        set(service, "cap_add", capabilities);
        on_host_network
    }
}

/// Sets a list, unless it is empty.
fn set(service: &mut Construct, key: &str, list: Vec<Json>) {
    if !list.is_empty() {
        service.properties.insert(key.into(), list.into());
    }
}

/// Sets a map, unless it is empty.
fn set_map(service: &mut Construct, key: &str, map: Map<String, Json>) {
    if !map.is_empty() {
        service.properties.insert(key.into(), map.into());
    }
}
