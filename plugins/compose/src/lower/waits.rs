//! Waits: `depends_on` with conditions, between services.
//!
//! A part of a workload stands for its workload, a group for its members.

use std::collections::BTreeMap;

use aspire_sdk::serde_json::json;
use aspire_sdk::{Construct, Grade, Shape, Wait};

use super::Lowerer;

/// Compose's conditions; of two, the later one holds.
const CONDITIONS: [&str; 3] = [
    "service_started",
    "service_healthy",
    "service_completed_successfully",
];

impl Lowerer<'_> {
    /// Notes what somebody waits for the end of: such services are not restarted.
    pub(super) fn find_endings(&mut self, workloads: &[&String]) {
        for workload in workloads {
            for (target, wait) in self.model.waits(workload) {
                if wait.condition == "completed" {
                    self.ending.extend(self.services_of(&target));
                }
            }
        }
    }

    /// The workloads that a resource is waited for as.
    fn services_of(&self, name: &str) -> Vec<String> {
        match self.shape(name) {
            Some(Shape::Container | Shape::Executable) => vec![name.to_owned()],
            Some(Shape::Value) => match self.model.parent(name) {
                Some(parent) => self.services_of(&parent),
                None => Vec::new(),
            },
            Some(Shape::Group) => {
                let members = self.model.children(name);
                members
                    .iter()
                    .flat_map(|member| self.services_of(member))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Adds `depends_on`.
    pub(super) fn waits(&mut self, resource: &str, service: &mut Construct) {
        let mut strongest: BTreeMap<String, usize> = BTreeMap::new();
        for (target, wait) in self.model.waits(resource) {
            let fact = format!("waits.{target}");
            if !self.is_published(&target) {
                let reason = format!("`{target}` is not published");
                self.row(resource, &fact, Grade::Dropped, reason);
                continue;
            }
            let services = self.services_of(&target);
            if services.is_empty() {
                let reason = format!("Compose runs nothing for `{target}`");
                self.row(resource, &fact, Grade::Dropped, reason);
            }
            for other in services.into_iter().filter(|other| other != resource) {
                let Some(level) = self.condition(resource, &fact, &other, &wait) else {
                    continue;
                };
                let before = strongest.get(&other).copied().unwrap_or(level);
                if before.min(level) == 1 && before.max(level) == 2 {
                    let reason = "waiting for the end takes the place of waiting for health";
                    self.row(resource, &fact, Grade::Weakened, reason);
                }
                strongest.insert(other, before.max(level));
            }
        }
        let mut conditions = aspire_sdk::serde_json::Map::new();
        for (other, level) in strongest {
            service.depends_on.push(format!("service/{other}"));
            conditions.insert(other, json!({ "condition": CONDITIONS[level] }));
        }
        if !conditions.is_empty() {
            service
                .properties
                .insert("depends_on".into(), conditions.into());
        }
    }

    fn condition(&mut self, resource: &str, fact: &str, other: &str, wait: &Wait) -> Option<usize> {
        if self.model.text(other, "start").as_deref() == Some("manual") {
            let reason = format!("`{other}` is started by hand, which Compose cannot wait for");
            self.row(resource, fact, Grade::Dropped, reason);
            return None;
        }
        match wait.condition.as_str() {
            "healthy" if self.has_health(other) => Some(1),
            "completed" if wait.exit_code == 0 => Some(2),
            "completed" => {
                let reason = format!(
                    "Compose only knows exit code 0, not {}: it waits for the start",
                    wait.exit_code
                );
                self.row(resource, fact, Grade::Weakened, reason);
                Some(0)
            }
            _ => Some(0),
        }
    }
}
