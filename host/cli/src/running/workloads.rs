//! The workloads of a running app, whatever their kind, and how they are named.
//!
//! Pure. Knows objects. Doesn't know where they come from.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use aspire_api::aspire::{Aspire, GateCondition, WorkloadEndpoint};
use aspire_api::container::{
    ContainerState, HealthStatus, ProbeOutcome, ProbeResult, VolumeMountKind,
};
use aspire_api::executable::{EnvVar, ExecutableState};
use aspire_api::{Object, ObjectKey};
use aspire_model::name::nearest;
use serde_json::{Value as Json, json};

use crate::error::Problem;
use crate::run::view::{Phase, Row, View, is_replaced, row_key};

/// Name of a workload's own probe.
pub(crate) const READY: &str = "ready";

/// A container or process.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    /// Its object.
    pub(crate) object: Object,
    /// The object's key.
    pub(crate) key: ObjectKey,
    /// Which object of that name.
    pub(crate) uid: String,
    /// What the user sees of it.
    pub(crate) row: Row,
    /// Last result of every probe.
    pub(crate) probes: Vec<ProbeResult>,
    /// RFC 3339.
    pub(crate) started: Option<String>,
    /// RFC 3339.
    pub(crate) finished: Option<String>,
    /// Process id.
    pub(crate) pid: Option<u32>,
    /// Name or id in the engine.
    pub(crate) container: Option<String>,
    /// What runs: an image, or a program.
    pub(crate) what: String,
    /// Arguments with placeholders replaced, where it was started.
    pub(crate) args: Vec<String>,
    /// What the app asks for (templates).
    pub(crate) wanted_env: Vec<EnvVar>,
    /// The same with placeholders replaced and secrets masked, where it was started.
    pub(crate) env: Vec<EnvVar>,
    /// Volumes, paths and data folders.
    pub(crate) mounts: Vec<String>,
    /// Working directory.
    pub(crate) folder: Option<String>,
    /// What DCP has no word for.
    pub(crate) aspire: Aspire,
    /// The resources that live in it.
    children: Vec<String>,
    /// It is going away.
    pub(crate) deleting: bool,
}

impl Workload {
    fn of(object: &Object, row: &Row) -> Option<Self> {
        let metadata = object.metadata();
        let base = Self {
            object: object.clone(),
            key: object.key(),
            uid: metadata.uid.clone(),
            row: row.clone(),
            probes: Vec::new(),
            started: None,
            finished: None,
            pid: None,
            container: None,
            what: String::new(),
            args: Vec::new(),
            wanted_env: Vec::new(),
            env: Vec::new(),
            mounts: Vec::new(),
            folder: None,
            aspire: Aspire::default(),
            children: metadata.children().map(str::to_owned).collect(),
            deleting: metadata.deletion_timestamp.is_some(),
        };
        Some(match object.clone() {
            Object::Container(it) => Self {
                probes: it.status.health_probe_results,
                started: it.status.startup_timestamp,
                finished: it.status.finish_timestamp,
                container: it.status.container_name.or(it.status.container_id),
                what: it.spec.image,
                args: if it.status.effective_args.is_empty() {
                    it.spec.args
                } else {
                    it.status.effective_args
                },
                wanted_env: it.spec.env,
                env: it.status.effective_env,
                mounts: it
                    .spec
                    .volume_mounts
                    .iter()
                    .map(|mount| {
                        let kind = match mount.kind {
                            VolumeMountKind::Volume => "volume",
                            VolumeMountKind::Bind => "path",
                            VolumeMountKind::Tmpfs => "memory",
                        };
                        let only = if mount.read_only { " (read-only)" } else { "" };
                        format!("{} <- {kind} {}{only}", mount.target, mount.source)
                    })
                    .collect(),
                folder: it
                    .spec
                    .aspire
                    .as_ref()
                    .and_then(|aspire| aspire.working_directory.clone()),
                aspire: it.spec.aspire.unwrap_or_default(),
                ..base
            },
            Object::Executable(it) => {
                let aspire = it.spec.aspire.unwrap_or_default();
                Self {
                    probes: it.status.health_probe_results,
                    started: it.status.startup_timestamp,
                    finished: it.status.finish_timestamp,
                    pid: it.status.pid.filter(|_| {
                        matches!(
                            it.status.state,
                            ExecutableState::Running | ExecutableState::Stopping
                        )
                    }),
                    what: it.spec.executable_path,
                    args: if it.status.effective_args.is_empty() {
                        it.spec.args
                    } else {
                        it.status.effective_args
                    },
                    wanted_env: it.spec.env,
                    env: it.status.effective_env,
                    mounts: aspire
                        .data_folders
                        .iter()
                        .map(|key| format!("data folder `{key}`"))
                        .collect(),
                    folder: it.spec.working_directory,
                    aspire,
                    ..base
                }
            }
            _ => return None,
        })
    }

    /// The object that it began with, before it was started again.
    pub(crate) fn first(&self) -> ObjectKey {
        ObjectKey::new(self.key.kind, self.row.name.clone())
    }

    /// The resources that live in it, in order of name, and how those are that have a health of
    /// their own.
    pub(crate) fn children(&self) -> Vec<(&str, Option<ProbeOutcome>)> {
        let probed = self.aspire.probes.keys().filter(|name| *name != READY);
        let names: BTreeSet<&str> = probed.chain(&self.children).map(String::as_str).collect();
        names
            .into_iter()
            .map(|name| (name, self.outcome(name)))
            .collect()
    }

    /// Whether a child has a health of its own.
    pub(crate) fn probes(&self, child: &str) -> bool {
        self.aspire.probes.contains_key(child)
    }

    /// How a probe went last.
    pub(crate) fn outcome(&self, probe: &str) -> Option<ProbeOutcome> {
        self.result(probe).map(|result| result.outcome)
    }

    /// The last result of a probe.
    pub(crate) fn result(&self, probe: &str) -> Option<&ProbeResult> {
        self.probes.iter().find(|result| result.probe_name == probe)
    }

    /// It runs and is as healthy as can be asked for.
    pub(crate) fn is_healthy(&self) -> bool {
        self.row.phase == Phase::Running
            && matches!(self.row.health, None | Some(HealthStatus::Healthy))
    }

    /// Nothing more happens by itself.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.row.phase, Phase::Finished | Phase::Failed)
    }
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Workloads {
    list: Vec<Workload>,
    view: View,
}

impl Workloads {
    /// Those among some objects.
    pub(crate) fn of(objects: Vec<Object>) -> Self {
        let mut view = View::default();
        for object in &objects {
            view.apply(object);
        }
        let expected = expected_ends(&objects);
        for object in &objects {
            if let Some(message) = failure(object, &expected) {
                view.mark(&row_key(object), &message);
            }
        }
        let mut list: Vec<Workload> = objects
            .iter()
            .filter(|object| !is_replaced(object))
            .filter_map(|object| Workload::of(object, view.row(&row_key(object))?))
            .collect();
        list.sort_by(|one, other| {
            (&one.row.resource, &one.row.name).cmp(&(&other.row.resource, &other.row.name))
        });
        Self { list, view }
    }

    /// In order of name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Workload> {
        self.list.iter()
    }

    /// Where one can be reached.
    pub(crate) fn urls(&self, workload: &Workload) -> Vec<String> {
        self.view.urls(&workload.row)
    }

    /// Where the service of an endpoint can be reached.
    pub(crate) fn service_url(&self, endpoint: &WorkloadEndpoint) -> Option<String> {
        let (host, port) = self.view.service(&endpoint.service)?;
        Some(format!("{}://{host}:{port}", endpoint.scheme))
    }

    /// One line about its state.
    pub(crate) fn line(&self, workload: &Workload) -> String {
        self.view.line(&workload.row)
    }

    /// One for programs.
    pub(crate) fn json(&self, workload: &Workload) -> Json {
        let mut value = self.view.json(&workload.row);
        let children: Vec<Json> = workload
            .children()
            .into_iter()
            .map(|(name, outcome)| json!({ "name": name, "probe": outcome }))
            .collect();
        value["children"] = json!(children);
        value["pid"] = json!(workload.pid);
        value["container"] = json!(workload.container);
        value
    }

    /// The workload of an object, or the one that has taken its place.
    pub(crate) fn get(&self, key: &ObjectKey) -> Option<&Workload> {
        self.list
            .iter()
            .find(|workload| workload.key == *key || workload.first() == *key)
    }

    /// Those that a name means: a resource's, one of its replicas, or the one a child lives in.
    pub(crate) fn named(&self, name: &str) -> Vec<&Workload> {
        let all = self.list.iter();
        all.filter(|workload| is_named(workload, name)).collect()
    }

    /// Those that some names mean; all, when there are none.
    ///
    /// # Errors
    /// A name that means none.
    pub(crate) fn select(&self, names: &[String]) -> Result<Vec<&Workload>> {
        for name in names {
            if self.named(name).is_empty() {
                bail!(self.unknown(name));
            }
        }
        let is_wanted = |workload: &&Workload| {
            names.is_empty() || names.iter().any(|name| is_named(workload, name))
        };
        Ok(self.list.iter().filter(is_wanted).collect())
    }

    /// The one that a name means, the first replica where there are several.
    ///
    /// # Errors
    /// It means none.
    pub(crate) fn one(&self, name: &str) -> Result<&Workload> {
        match self.named(name).first() {
            Some(workload) => Ok(workload),
            None => bail!(self.unknown(name)),
        }
    }

    fn unknown(&self, name: &str) -> Problem {
        let names: BTreeSet<&str> = self.list.iter().flat_map(names_of).collect();
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "the app that runs has no resource at all".to_owned(),
            None => format!(
                "there are: {}",
                names.into_iter().collect::<Vec<_>>().join(", ")
            ),
        };
        Problem::app(format!("no resource `{name}` runs or waits to")).help(help)
    }
}

fn names_of(workload: &Workload) -> impl Iterator<Item = &str> {
    let own = [
        workload.row.resource.as_str(),
        workload.row.name.as_str(),
        workload.key.name.as_str(),
    ];
    own.into_iter()
        .chain(workload.children().into_iter().map(|(name, _)| name))
}

fn is_named(workload: &Workload, name: &str) -> bool {
    names_of(workload).any(|own| own == name)
}

/// The exit codes that others wait for.
fn expected_ends(objects: &[Object]) -> BTreeMap<ObjectKey, BTreeSet<i32>> {
    let mut expected: BTreeMap<ObjectKey, BTreeSet<i32>> = BTreeMap::new();
    for object in objects {
        let aspire = match object {
            Object::Container(it) => it.spec.aspire.as_ref(),
            Object::Executable(it) => it.spec.aspire.as_ref(),
            _ => None,
        };
        for gate in aspire.into_iter().flat_map(|aspire| &aspire.waits) {
            if gate.condition == GateCondition::Completed {
                let codes = expected.entry(gate.object.clone()).or_default();
                codes.insert(gate.exit_code);
            }
        }
    }
    expected
}

/// An end that nobody asked for, with an exit code that nobody waits for.
fn failure(object: &Object, expected: &BTreeMap<ObjectKey, BTreeSet<i32>>) -> Option<String> {
    let (ended, stop, code) = match object {
        Object::Container(it) => (
            it.status.state == ContainerState::Exited,
            it.spec.stop,
            it.status.exit_code,
        ),
        Object::Executable(it) => (
            it.status.state == ExecutableState::Finished,
            it.spec.stop,
            it.status.exit_code,
        ),
        _ => return None,
    };
    let code = code?;
    let fine = code == 0
        || expected
            .get(&row_key(object))
            .is_some_and(|codes| codes.contains(&code));
    (ended
        && !stop
        && !is_replaced(object)
        && object.metadata().deletion_timestamp.is_none()
        && !fine)
        .then(|| format!("ended with exit code {code}"))
}

/// Objects for tests.
#[cfg(test)]
pub(crate) mod samples {
    use aspire_api::ObjectMeta;
    use aspire_api::aspire::{Gate, Probe, ProbeAction};
    use aspire_api::executable::Executable;

    use super::*;

    pub(crate) fn of(objects: Vec<Object>) -> Workloads {
        Workloads::of(objects)
    }

    /// A process of a resource of its name.
    pub(crate) fn process(name: &str, change: impl FnOnce(&mut Executable)) -> Object {
        let mut executable = Executable {
            metadata: ObjectMeta::of(name, name),
            ..Executable::default()
        };
        executable.spec.executable_path = "server".into();
        executable.spec.aspire = Some(Aspire {
            kind: "executable".into(),
            ..Aspire::default()
        });
        change(&mut executable);
        executable.into()
    }

    /// Waits for the health of another process.
    pub(crate) fn gate(other: &str) -> Gate {
        Gate {
            resource: other.into(),
            object: ObjectKey::new(aspire_api::Kind::Executable, other),
            condition: GateCondition::Healthy,
            exit_code: 0,
            probe: None,
        }
    }

    /// A probe of the endpoint `tcp`.
    pub(crate) fn probe() -> Probe {
        Probe {
            action: ProbeAction::Tcp {
                endpoint: "tcp".into(),
            },
            interval: 1000,
            timeout: 1000,
            start_period: 0,
            retries: 5,
            liveness: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aspire_api::meta::CHILDREN_ANNOTATION;

    #[test]
    fn names_mean_resources_replicas_and_children() {
        let replica = |name: &str| {
            let mut object = samples::process(name, |_| {});
            let labels = &mut object.metadata_mut().labels;
            labels.insert(aspire_api::meta::RESOURCE_LABEL.into(), "web".into());
            object
        };
        let db = samples::process("db", |e| {
            let aspire = e.spec.aspire.as_mut().unwrap();
            aspire.probes.insert("ready".into(), samples::probe());
            aspire.probes.insert("orders".into(), samples::probe());
            let annotations = &mut e.metadata.annotations;
            annotations.insert(CHILDREN_ANNOTATION.into(), "orders,plain".into());
        });
        let all = samples::of(vec![db, replica("web-2"), replica("web-1")]);
        let named = |name: &str| {
            let found = all.named(name).into_iter();
            found.map(|it| it.row.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(named("web"), ["web-1", "web-2"]);
        assert_eq!(named("web-2"), ["web-2"]);
        assert_eq!(named("orders"), ["db"]);
        assert_eq!(named("plain"), ["db"]);
        let db = all.one("db").unwrap();
        assert_eq!(db.children(), [("orders", None), ("plain", None)]);
        assert!(db.probes("orders") && !db.probes("plain"));
        let error = all.select(&["wbe".to_owned()]).unwrap_err();
        assert!(crate::error::describe(&error).contains("did you mean `web`?"));
    }

    #[test]
    fn what_was_started_again_is_one_and_the_same() {
        let old = samples::process("web", |e| {
            e.status.state = ExecutableState::Finished;
            e.status.exit_code = Some(1);
            e.status.replaced_by = Some("web-r1".into());
        });
        let new = samples::process("web-r1", |e| {
            e.metadata = aspire_api::ObjectMeta::of("web-r1", "web");
            let annotations = &mut e.metadata.annotations;
            annotations.insert(aspire_api::meta::FIRST_ANNOTATION.into(), "web".into());
            e.status.state = ExecutableState::Running;
        });
        let all = samples::of(vec![old.clone(), new]);
        assert_eq!(all.iter().count(), 1);
        let web = all.get(&old.key()).unwrap();
        assert_eq!(
            (web.key.name.as_str(), web.row.name.as_str()),
            ("web-r1", "web")
        );
        assert_eq!(web.row.phase, Phase::Running);
    }

    #[test]
    fn an_end_that_somebody_waits_for_is_no_failure() {
        let job = samples::process("job", |e| {
            e.status.state = ExecutableState::Finished;
            e.status.exit_code = Some(7);
        });
        let alone = samples::of(vec![job.clone()]);
        assert_eq!(alone.one("job").unwrap().row.phase, Phase::Failed);
        let after = samples::process("after", |e| {
            let mut gate = samples::gate("job");
            gate.condition = GateCondition::Completed;
            gate.exit_code = 7;
            e.spec.aspire.as_mut().unwrap().waits = vec![gate];
        });
        let both = samples::of(vec![job, after]);
        assert_eq!(both.one("job").unwrap().row.phase, Phase::Finished);
    }
}
