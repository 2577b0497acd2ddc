//! Lowering for run mode: the app model and the chosen forms become the control plane's objects.
//!
//! Knows the wire form of workloads and their templates. Doesn't know addresses, allocated ports
//! or values of secrets: those stay placeholders that the driver replaces when it starts a workload.

mod image;
mod values;
mod watch;
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use aspire_api::meta::ObjectMeta;
use aspire_api::network::{ContainerNetwork, ContainerNetworkSpec};
use aspire_api::object::{Kind, Object, ObjectKey};
use aspire_api::service::{AddressAllocationMode, Service, ServiceSpec};
use aspire_api::volume::{ContainerVolume, ContainerVolumeSpec};
use aspire_model::annotation::{Endpoint, MountKind, Protocol, WatchAction};
use aspire_model::diagnostic::{Diagnostic, Diagnostics};
use aspire_model::provenance::Span;
use aspire_model::{AppModel, Field, Form, Resource, ResourceName};

use crate::forms::Forms;

pub use aspire_api::network::NETWORK;
pub use image::map_image;

/// What lowering depends on beside the model.
pub struct RunInput<'a> {
    /// The form of every workload.
    pub forms: &'a Forms,
    /// The folder that relative paths are relative to, absolute.
    pub folder: PathBuf,
    /// Id of the instance: part of the names of containers, volumes and networks.
    pub instance: &'a str,
    /// Values of parameters that are not secret; secrets stay placeholders.
    pub parameters: &'a BTreeMap<String, String>,
    /// `repository` or `repository:tag` to what is used instead.
    pub images: &'a BTreeMap<String, String>,
    /// Only these resources and what they wait for or refer to; none: all.
    pub selection: Option<Vec<ResourceName>>,
}

/// What is to be submitted to the control plane.
#[derive(Debug, Clone, Default)]
pub struct RunPlan {
    /// Every object; the order is the one of creation.
    pub objects: Vec<Object>,
    /// Where the resource of an object was declared.
    pub spans: BTreeMap<ObjectKey, Span>,
    /// Parameters that the objects use; every one of them needs a value.
    pub parameters: Vec<String>,
    /// The workloads of every resource that runs, in order of name; a child has its parent's.
    pub workloads: BTreeMap<String, Vec<ObjectKey>>,
    /// What is watched while they run. A client's work, and so no part of any object.
    pub watches: Vec<Watched>,
}

/// What is watched for the sake of a resource, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The resource.
    pub resource: String,
    /// Its workloads.
    pub workloads: Vec<ObjectKey>,
    /// What follows.
    pub action: WatchAction,
    /// Absolute paths, which may hold patterns.
    pub paths: Vec<PathBuf>,
    /// Patterns of what is no reason, as in `.gitignore`.
    pub ignore: Vec<String>,
    /// What `ignore` is relative to, absolute.
    pub folder: PathBuf,
    /// The folder that an image is built from, absolute; its `.dockerignore` counts.
    pub context: Option<PathBuf>,
    /// A command of this machine builds it.
    pub builds_here: bool,
    /// The program, absolute, where such a command builds it; it changes with every build.
    pub program: Option<PathBuf>,
    /// Where files are copied to in the container, for [`WatchAction::Sync`].
    pub target: String,
}

/// State of one lowering.
struct Lowering<'a> {
    model: &'a AppModel,
    input: &'a RunInput<'a>,
    diagnostics: Diagnostics,
    parameters: BTreeSet<String>,
    /// The resources that live in each workload.
    inhabitants: BTreeMap<&'a str, Vec<&'a Resource>>,
}

/// Lowers a model whose passes found no errors.
pub fn lower(model: &AppModel, input: &RunInput<'_>) -> (RunPlan, Diagnostics) {
    let mut inhabitants: BTreeMap<&str, Vec<&Resource>> = BTreeMap::new();
    for child in model
        .iter()
        .filter(|resource| !resource.shape.is_workload())
    {
        if let Some(home) = model.workload_of(child.name.as_str()) {
            inhabitants
                .entry(home.name.as_str())
                .or_default()
                .push(child);
        }
    }
    let mut lowering = Lowering {
        model,
        input,
        diagnostics: Diagnostics::new(),
        parameters: BTreeSet::new(),
        inhabitants,
    };
    let selected = lowering.selected();
    let mut plan = RunPlan::default();
    let workloads: Vec<&Resource> = model
        .iter()
        .filter(|r| r.shape.is_workload() && selected.contains(r.name.as_str()))
        .collect();
    let mut shared = Vec::new();
    if workloads
        .iter()
        .any(|resource| input.forms.of(resource) == Form::Container)
    {
        shared.push(lowering.network());
    }
    let mut objects = Vec::new();
    for resource in &workloads {
        for volume in lowering.volumes(resource) {
            if !shared.contains(&volume) {
                shared.push(volume);
            }
        }
        for service in lowering.services(resource) {
            shared.push(service);
        }
        for object in lowering.workload(resource) {
            if let Some(span) = resource.origin.span() {
                plan.spans.insert(object.key(), span.clone());
            }
            objects.push(object);
        }
    }
    for resource in model.iter().filter(|r| selected.contains(r.name.as_str())) {
        let keys = lowering.keys_of(resource.name.as_str());
        if !keys.is_empty() {
            plan.workloads.insert(resource.name.to_string(), keys);
        }
    }
    plan.watches = workloads
        .iter()
        .filter_map(|resource| lowering.watched(resource))
        .collect();
    plan.objects = shared;
    plan.objects.append(&mut objects);
    plan.parameters = lowering.parameters.into_iter().collect();
    (plan, lowering.diagnostics.sorted())
}

/// Name of the service that stands for an endpoint.
pub fn service_name(resource: &str, endpoint: &str) -> String {
    format!("{resource}-{endpoint}")
}

impl Lowering<'_> {
    /// The resources that take part: all, or the selected ones and everything that they need.
    fn selected(&self) -> BTreeSet<String> {
        let Some(selection) = &self.input.selection else {
            return self
                .model
                .iter()
                .map(|resource| resource.name.to_string())
                .collect();
        };
        let mut selected = BTreeSet::new();
        let mut queue: Vec<String> = selection.iter().map(ToString::to_string).collect();
        while let Some(name) = queue.pop() {
            let Some(resource) = self.model.get(&name) else {
                continue;
            };
            if !selected.insert(name.clone()) {
                continue;
            }
            queue.extend(resource.parent().map(str::to_owned));
            queue.extend(
                self.inhabitants
                    .get(name.as_str())
                    .into_iter()
                    .flatten()
                    .map(|child| child.name.to_string()),
            );
            let form = self.input.forms.of(resource);
            for (key, fact) in &resource.facts {
                if key.form != Form::Any
                    && key.form != form
                    && key.form != key.field.home(Form::Any)
                {
                    continue;
                }
                if matches!(key.field, Field::Waits | Field::References) {
                    queue.push(key.key.clone());
                }
                for expression in fact.value.expressions() {
                    queue.extend(expression.subjects().map(str::to_owned));
                }
            }
        }
        selected
    }

    fn network(&self) -> Object {
        ContainerNetwork {
            metadata: ObjectMeta {
                name: NETWORK.into(),
                ..ObjectMeta::default()
            },
            spec: ContainerNetworkSpec {
                network_name: Some(format!(
                    "aspire-{}-{}",
                    self.model.name, self.input.instance
                )),
                ..ContainerNetworkSpec::default()
            },
            ..ContainerNetwork::default()
        }
        .into()
    }

    /// Name of a volume in the engine.
    fn volume_name(&self, resource: &Resource, key: &str, source: &str) -> String {
        let app = &self.model.name;
        let instance = self.input.instance;
        if source.is_empty() {
            format!("{app}-{instance}-{}-{key}", resource.name)
        } else {
            format!("{app}-{instance}-{source}")
        }
    }

    fn volumes(&self, resource: &Resource) -> Vec<Object> {
        if self.input.forms.of(resource) != Form::Container {
            return Vec::new();
        }
        resource
            .mounts(Form::Container)
            .filter(|(_, mount)| mount.kind == MountKind::Volume)
            .map(|(key, mount)| {
                let name = self.volume_name(resource, key, &mount.source);
                ContainerVolume {
                    metadata: ObjectMeta::of(name.clone(), resource.name.as_str()),
                    spec: ContainerVolumeSpec {
                        name,
                        persistent: true,
                    },
                    ..ContainerVolume::default()
                }
                .into()
            })
            .collect()
    }

    fn services(&self, resource: &Resource) -> Vec<Object> {
        let form = self.input.forms.of(resource);
        resource
            .endpoints(form)
            .map(|(name, endpoint)| {
                let service = service_name(resource.name.as_str(), name);
                let proxyless = is_proxyless(resource, name, endpoint, form);
                let fixed = resource.fixed_target_port(name, form);
                let port = if proxyless && form == Form::Process {
                    endpoint.port.or(fixed)
                } else {
                    endpoint.port
                };
                Service {
                    metadata: ObjectMeta::of(service, resource.name.as_str()),
                    spec: ServiceSpec {
                        port,
                        protocol: protocol(endpoint.protocol),
                        address_allocation_mode: if proxyless {
                            AddressAllocationMode::Proxyless
                        } else {
                            AddressAllocationMode::Localhost
                        },
                        ..ServiceSpec::default()
                    },
                    ..Service::default()
                }
                .into()
            })
            .collect()
    }

    /// Names of the workload objects of a resource.
    fn object_names(&self, resource: &Resource) -> Vec<String> {
        let form = self.input.forms.of(resource);
        match resource.number(Field::Replicas, form) {
            Some(count) if count > 1 => (1..=count)
                .map(|index| format!("{}-{index}", resource.name))
                .collect(),
            _ => vec![resource.name.to_string()],
        }
    }

    /// The workload objects that a resource lives in.
    fn keys_of(&self, name: &str) -> Vec<ObjectKey> {
        let Some(workload) = self.model.workload_of(name) else {
            return Vec::new();
        };
        let kind = match self.input.forms.of(workload) {
            Form::Container => Kind::Container,
            _ => Kind::Executable,
        };
        self.object_names(workload)
            .into_iter()
            .map(|name| ObjectKey::new(kind, name))
            .collect()
    }

    fn error(&mut self, resource: &Resource, code: &str, message: String) {
        self.diagnostics.push(
            Diagnostic::error(code, message)
                .by(&resource.origin)
                .about(resource.name.as_str()),
        );
    }
}

/// No relay in front: the app said so, or a process listens on the public port itself.
fn is_proxyless(resource: &Resource, name: &str, endpoint: &Endpoint, form: Form) -> bool {
    !endpoint.proxied
        || (form == Form::Process
            && endpoint.port.is_some()
            && endpoint.port == resource.fixed_target_port(name, form))
}

fn protocol(protocol: Protocol) -> aspire_api::service::Protocol {
    match protocol {
        Protocol::Tcp => aspire_api::service::Protocol::Tcp,
        Protocol::Udp => aspire_api::service::Protocol::Udp,
    }
}
