//! One resource as the control plane's workload objects: a container or a process, with its gates,
//! probes, files and mounts.

use std::collections::{BTreeMap, BTreeSet};

use aspire_api::aspire::{
    Aspire, Gate, GateCondition, Prepare, PrivateFile, Probe, ProbeAction, Restart,
    WorkloadEndpoint,
};
use aspire_api::container::{
    Container, ContainerBuild, ContainerPort, ContainerSpec, Label, Mode, NetworkAttachment,
    PullPolicy, RestartPolicy, VolumeMount, VolumeMountKind,
};
use aspire_api::executable::{EnvVar, Executable, ExecutableSpec};
use aspire_api::files::CreateFileSystem;
use aspire_api::meta::{CHILDREN_ANNOTATION, MANUAL_ANNOTATION, ObjectMeta};
use aspire_api::object::Object;
use aspire_model::annotation::{self, MountKind, WaitCondition};
use aspire_model::expression::Expression;
use aspire_model::{Field, Form, Resource};

use super::values::container_port;
use super::{Lowering, NETWORK, is_proxyless, map_image, protocol, service_name};

/// When it is started again, from the fact: a policy, and after a colon how often.
fn restart(text: &str) -> Option<Restart> {
    let (policy, maximum) = match text.split_once(':') {
        Some((policy, maximum)) => (policy, Some(maximum.parse().ok()?)),
        None => (text, None),
    };
    let policy = match policy {
        "on-failure" => RestartPolicy::OnFailure,
        "always" => RestartPolicy::Always,
        _ => return None,
    };
    Some(Restart { policy, maximum })
}

/// Name of a workload's own probe.
const READY: &str = "ready";

impl Lowering<'_> {
    /// The objects of a workload, one for each replica.
    pub(super) fn workload(&mut self, resource: &Resource) -> Vec<Object> {
        let form = self.input.forms.of(resource);
        let mut secrets = BTreeSet::new();
        let mut spec = if form == Form::Container {
            Spec::Container(Box::new(self.container(resource, &mut secrets)))
        } else {
            Spec::Executable(Box::new(self.executable(resource, &mut secrets)))
        };
        spec.aspire().secrets = secrets.into_iter().collect();
        let children = self.inhabitants.get(resource.name.as_str());
        let children = children.map(|children| {
            let names: Vec<&str> = children.iter().map(|child| child.name.as_str()).collect();
            (CHILDREN_ANNOTATION.to_owned(), names.join(","))
        });
        let manual = resource.text(Field::Start, form) == Some("manual");
        let manual = manual.then(|| (MANUAL_ANNOTATION.to_owned(), "true".to_owned()));
        self.object_names(resource)
            .into_iter()
            .map(|name| {
                let mut metadata = ObjectMeta::of(name, resource.name.as_str());
                metadata.annotations.extend(children.clone());
                metadata.annotations.extend(manual.clone());
                match &spec {
                    Spec::Container(spec) => {
                        let mut spec = spec.as_ref().clone();
                        // One that is found again by the next run needs a name that stays.
                        if spec.mode == Some(Mode::Persistent) {
                            let (app, instance) = (&self.model.name, self.input.instance);
                            let name = format!("aspire-{app}-{instance}-{}", metadata.name);
                            spec.container_name = Some(name);
                        }
                        Container {
                            metadata,
                            spec,
                            ..Container::default()
                        }
                        .into()
                    }
                    Spec::Executable(spec) => Executable {
                        metadata,
                        spec: spec.as_ref().clone(),
                        ..Executable::default()
                    }
                    .into(),
                }
            })
            .collect()
    }

    fn text(
        &mut self,
        resource: &Resource,
        value: &Expression,
        secrets: &mut BTreeSet<String>,
    ) -> String {
        let rendered = self.render(resource, value);
        secrets.extend(rendered.secrets);
        rendered.text
    }

    /// A text that others can see, such as an argument: a secret in it is an error.
    fn public_text(&mut self, resource: &Resource, value: &Expression, what: &str) -> String {
        let rendered = self.render(resource, value);
        if let Some(secret) = rendered.secrets.first() {
            let message = format!(
                "`{}` puts the secret `{secret}` into {what}, where every user of this machine can read it",
                resource.name
            );
            self.diagnostics.push(
                aspire_model::Diagnostic::error("secret-exposed", message)
                    .by(&resource.origin)
                    .about(resource.name.as_str())
                    .help("pass it in `env` or in a file"),
            );
        }
        rendered.text
    }

    fn env(
        &mut self,
        resource: &Resource,
        form: Form,
        secrets: &mut BTreeSet<String>,
    ) -> Vec<EnvVar> {
        let entries: Vec<(String, Expression)> = resource
            .env(form)
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        entries
            .into_iter()
            .map(|(name, value)| EnvVar {
                value: self.text(resource, &value, secrets),
                name,
            })
            .collect()
    }

    fn args(&mut self, resource: &Resource, field: Field, form: Form) -> Vec<String> {
        let values = resource.values(field, form).to_vec();
        values
            .iter()
            .map(|value| self.public_text(resource, value, "its arguments"))
            .collect()
    }

    fn container(&mut self, resource: &Resource, secrets: &mut BTreeSet<String>) -> ContainerSpec {
        let form = Form::Container;
        let mut aspire = self.aspire(resource, form);
        aspire.user = resource.text(Field::User, form).map(str::to_owned);
        aspire.working_directory = resource
            .text(Field::WorkingDirectory, form)
            .map(str::to_owned);
        aspire.privileges = resource
            .privileges(form)
            .map(|(key, value)| {
                (
                    key.to_owned(),
                    value.as_literal().unwrap_or_default().to_owned(),
                )
            })
            .collect();
        let build = resource.build(Field::Build).cloned();
        let image = match (&build, resource.text(Field::Image, form)) {
            (Some(_), _) => format!(
                "aspire-host/{}-{}:{}",
                self.model.name, resource.name, self.input.instance
            )
            .to_lowercase(),
            (None, Some(image)) => map_image(image, self.input.images),
            (None, None) => String::new(),
        };
        let build = build.map(|build| self.build(resource, &build));
        // An entry point of several words: an engine appends the arguments anyway.
        let mut words = self.args(resource, Field::Entrypoint, form).into_iter();
        let command = words.next();
        let args = words
            .chain(self.args(resource, Field::Args, form))
            .collect();
        let mounts: Vec<(String, annotation::Mount)> = resource
            .mounts(form)
            .map(|(key, mount)| (key.to_owned(), mount.clone()))
            .collect();
        let files: Vec<(String, annotation::File)> = resource
            .files(form)
            .map(|(key, file)| (key.to_owned(), file.clone()))
            .collect();
        let labels: Vec<(String, Expression)> = resource
            .labels(form)
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect();
        ContainerSpec {
            image,
            build,
            pull_policy: match resource.text(Field::Pull, form) {
                Some("always") => Some(PullPolicy::Always),
                Some("never") => Some(PullPolicy::Never),
                _ => None,
            },
            command,
            args,
            env: self.env(resource, form, secrets),
            env_files: self.env_files(resource, form),
            ports: resource
                .endpoints(form)
                .filter_map(|(name, endpoint)| {
                    Some(ContainerPort {
                        host_port: endpoint
                            .port
                            .filter(|_| is_proxyless(resource, name, endpoint, form)),
                        container_port: container_port(resource, name).parse().ok()?,
                        protocol: protocol(endpoint.protocol),
                        host_ip: None,
                    })
                })
                .collect(),
            volume_mounts: mounts
                .iter()
                .map(|(key, m)| self.volume_mount(resource, key, m))
                .collect(),
            create_files: files
                .iter()
                .map(|(_, file)| {
                    let contents = self.text(resource, &file.contents, secrets);
                    let contents = self.source(&file.source).map_or(Ok(contents), Err);
                    CreateFileSystem::file(&file.target, file.mode, contents)
                })
                .collect(),
            networks: Some(vec![NetworkAttachment {
                name: NETWORK.into(),
                aliases: std::iter::once(resource.name.as_str())
                    .chain(resource.aliases(form).map(|(alias, _)| alias))
                    .map(str::to_owned)
                    .collect(),
            }]),
            labels: labels
                .iter()
                .map(|(key, value)| Label {
                    key: key.clone(),
                    value: self.public_text(resource, value, "a label"),
                })
                .collect(),
            mode: Some(match resource.text(Field::Lifetime, form) {
                Some("persistent") => Mode::Persistent,
                _ => Mode::Session,
            }),
            start: resource.text(Field::Start, form) != Some("manual"),
            aspire: Some(aspire),
            ..ContainerSpec::default()
        }
    }

    fn executable(
        &mut self,
        resource: &Resource,
        secrets: &mut BTreeSet<String>,
    ) -> ExecutableSpec {
        let form = Form::Process;
        if resource.text(Field::Lifetime, form) == Some("persistent") {
            let message = format!(
                "`{}` runs as a process, and processes can't be persistent in this version",
                resource.name
            );
            self.error(resource, "not-served", message);
        }
        let mut aspire = self.aspire(resource, form);
        aspire.run_as = resource.text(Field::User, form).map(str::to_owned);
        aspire.stop_signal = resource.text(Field::StopSignal, form).map(str::to_owned);
        aspire.build_command = resource.texts(Field::BuildCommand, form).to_vec();
        aspire.data_folders = resource
            .mounts(form)
            .filter(|(_, mount)| mount.kind != MountKind::Bind)
            .map(|(key, _)| key.to_owned())
            .collect();
        let requires: Vec<(String, Expression)> = resource
            .requires(form)
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect();
        for (program, hint) in requires {
            let hint = self.public_text(resource, &hint, "a hint");
            aspire.requires.insert(program, hint);
        }
        let files: Vec<(String, annotation::File)> = resource
            .files(form)
            .map(|(key, file)| (key.to_owned(), file.clone()))
            .collect();
        for (key, file) in files {
            let contents = self.text(resource, &file.contents, secrets);
            let source = self.source(&file.source);
            aspire.files.insert(
                key,
                PrivateFile {
                    contents,
                    source,
                    mode: file.mode,
                },
            );
        }
        let steps: Vec<(String, annotation::Prepare)> = resource
            .prepares(form)
            .map(|(key, step)| (key.to_owned(), step.clone()))
            .collect();
        aspire.prepare = steps
            .into_iter()
            .map(|(name, step)| Prepare {
                name,
                command: self.public_text(resource, &step.command, "a command"),
                args: step
                    .args
                    .iter()
                    .map(|arg| self.public_text(resource, arg, "its arguments"))
                    .collect(),
                env: step
                    .env
                    .iter()
                    .map(|(key, value)| (key.clone(), self.text(resource, value, secrets)))
                    .collect::<BTreeMap<_, _>>(),
                stdin: self.text(resource, &step.stdin, secrets),
                creates: self.public_text(resource, &step.creates, "a path"),
            })
            .collect();
        let command = resource
            .value(Field::Command, form)
            .cloned()
            .unwrap_or_default();
        let mut path = self.public_text(resource, &command, "its command");
        if path.contains('/') && !path.starts_with('/') {
            path = self.input.folder.join(path).display().to_string();
        }
        let folder = match resource.text(Field::WorkingDirectory, form) {
            Some(relative) => self.input.folder.join(relative),
            None => self.input.folder.clone(),
        };
        ExecutableSpec {
            executable_path: path,
            working_directory: Some(folder.display().to_string()),
            args: self.args(resource, Field::Args, form),
            env: self.env(resource, form, secrets),
            env_files: self.env_files(resource, form),
            start: resource.text(Field::Start, form) != Some("manual"),
            aspire: Some(aspire),
            ..ExecutableSpec::default()
        }
    }

    /// What both kinds of workload have in common.
    fn aspire(&mut self, resource: &Resource, form: Form) -> Aspire {
        let limits = resource.limits(form).cloned().unwrap_or_default();
        Aspire {
            waits: self.gates(resource, form),
            probes: self.probes(resource, form),
            endpoints: resource
                .endpoints(form)
                .map(|(name, endpoint)| WorkloadEndpoint {
                    name: name.to_owned(),
                    scheme: endpoint.scheme.clone(),
                    service: service_name(resource.name.as_str(), name),
                    target_port: if form == Form::Container {
                        container_port(resource, name).parse().ok()
                    } else {
                        resource.fixed_target_port(name, form)
                    },
                    protocol: protocol(endpoint.protocol),
                    external: endpoint.external,
                })
                .collect(),
            restart: resource.text(Field::Restart, form).and_then(restart),
            stop_grace: resource
                .number(Field::StopGrace, form)
                .and_then(|grace| u64::try_from(grace).ok()),
            cpu_millis: limits.cpu_millis,
            memory: limits.memory,
            origin: resource.origin.span().map(ToString::to_string),
            kind: resource.kind.to_string(),
            ..Aspire::default()
        }
    }

    fn gates(&self, resource: &Resource, form: Form) -> Vec<Gate> {
        let mut gates = Vec::new();
        for (name, wait) in resource.waits(form) {
            let condition = match wait.condition {
                WaitCondition::Healthy => GateCondition::Healthy,
                WaitCondition::Started => GateCondition::Started,
                WaitCondition::Completed => GateCondition::Completed,
            };
            for target in self.waited_for(name) {
                let home = self
                    .model
                    .workload_of(&target)
                    .map(|found| self.input.forms.of(found));
                let probe = self
                    .model
                    .get(&target)
                    .filter(|found| !found.shape.is_workload())
                    .filter(|found| home.is_some_and(|form| found.probe(form).is_some()))
                    .map(|found| found.name.to_string());
                for object in self.keys_of(&target) {
                    gates.push(Gate {
                        resource: name.to_owned(),
                        object,
                        condition,
                        exit_code: wait.exit_code,
                        probe: probe.clone(),
                    });
                }
            }
        }
        gates
    }

    /// The resources to wait for when one is named: itself, or, when it lives in no workload (a
    /// connection string), what its value refers to.
    fn waited_for(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut queue = vec![name.to_owned()];
        while let Some(name) = queue.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            if self.model.workload_of(&name).is_some() {
                found.insert(name);
            } else if let Some(value) = self
                .model
                .get(&name)
                .and_then(|r| r.value(Field::ConnectionString, Form::Any))
            {
                queue.extend(value.subjects().map(str::to_owned));
            }
        }
        found
    }

    /// Its own probe, and those of the children that live in it.
    fn probes(&mut self, resource: &Resource, form: Form) -> BTreeMap<String, Probe> {
        let mut probes = BTreeMap::new();
        let liveness = resource.text(Field::Liveness, form) == Some("yes");
        match resource.probe(form).cloned() {
            Some(probe) => {
                let mut probe = self.probe(resource, &probe);
                probe.liveness = liveness;
                probes.insert(READY.to_owned(), probe);
            }
            None if liveness => {
                let message = format!(
                    "`{}` asks for liveness and has no health check that could find it",
                    resource.name
                );
                self.error(resource, "wrong-value", message);
            }
            None => {}
        }
        let children = self
            .inhabitants
            .get(resource.name.as_str())
            .cloned()
            .unwrap_or_default();
        for child in children {
            if let Some(probe) = child.probe(form).cloned() {
                let lowered = self.probe(resource, &probe);
                probes.insert(child.name.to_string(), lowered);
            }
        }
        probes
    }

    fn probe(&mut self, resource: &Resource, probe: &annotation::Probe) -> Probe {
        let action = match &probe.action {
            annotation::ProbeAction::Http {
                endpoint,
                path,
                status,
            } => ProbeAction::Http {
                endpoint: endpoint.clone(),
                path: path.clone(),
                status: *status,
            },
            annotation::ProbeAction::Tcp { endpoint } => ProbeAction::Tcp {
                endpoint: endpoint.clone(),
            },
            annotation::ProbeAction::Command { command } => ProbeAction::Command {
                command: command
                    .iter()
                    .map(|word| self.public_text(resource, word, "a health command"))
                    .collect(),
            },
        };
        Probe {
            action,
            interval: u64::from(probe.interval),
            timeout: u64::from(probe.timeout),
            start_period: u64::from(probe.start_period),
            retries: probe.retries,
            liveness: false,
        }
    }

    fn build(&mut self, resource: &Resource, build: &annotation::Build) -> ContainerBuild {
        let context = self.input.folder.join(&build.context);
        ContainerBuild {
            dockerfile: (!build.dockerfile.is_empty())
                .then(|| context.join(&build.dockerfile).display().to_string()),
            context: context.display().to_string(),
            args: build
                .args
                .iter()
                .map(|(name, value)| EnvVar {
                    name: name.clone(),
                    value: self.public_text(resource, value, "a build argument"),
                })
                .collect(),
            stage: (!build.target.is_empty()).then(|| build.target.clone()),
            ..ContainerBuild::default()
        }
    }

    fn volume_mount(
        &self,
        resource: &Resource,
        key: &str,
        mount: &annotation::Mount,
    ) -> VolumeMount {
        let (kind, source) = match mount.kind {
            MountKind::Volume => (
                VolumeMountKind::Volume,
                self.volume_name(resource, key, &mount.source),
            ),
            MountKind::Bind => (
                VolumeMountKind::Bind,
                self.input.folder.join(&mount.source).display().to_string(),
            ),
            MountKind::Scratch => (VolumeMountKind::Tmpfs, String::new()),
        };
        VolumeMount {
            kind,
            source,
            target: mount.target.clone(),
            read_only: mount.read_only,
        }
    }

    fn env_files(&self, resource: &Resource, form: Form) -> Vec<String> {
        resource
            .texts(Field::EnvFiles, form)
            .iter()
            .map(|file| self.input.folder.join(file).display().to_string())
            .collect()
    }

    fn source(&self, source: &str) -> Option<String> {
        (!source.is_empty()).then(|| self.input.folder.join(source).display().to_string())
    }
}

enum Spec {
    Container(Box<ContainerSpec>),
    Executable(Box<ExecutableSpec>),
}

impl Spec {
    fn aspire(&mut self) -> &mut Aspire {
        match self {
            Self::Container(spec) => spec.aspire.get_or_insert_default(),
            Self::Executable(spec) => spec.aspire.get_or_insert_default(),
        }
    }
}
