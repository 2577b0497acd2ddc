//! Between the hooks and the bindings: loads what a hook reads, replays what it recorded.
//!
//! The only code that exists on wasm alone, and therefore without logic of its own. One wrapper
//! type for each export, so that a component exports exactly the hooks that were listed.

mod convert;
mod snapshot;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use crate::bindings::describing::aspire::host::registration as wire_registration;
use crate::bindings::describing::exports::aspire::host::descriptor;
use crate::bindings::integrating::aspire::host::declarations;
use crate::bindings::integrating::exports::aspire::host::integration;
use crate::bindings::passing::aspire::host::types::PluginError;
use crate::bindings::passing::aspire::host::{constructs as wire_constructs, edits as wire_edits};
use crate::bindings::passing::exports::aspire::host::pass;
use crate::bindings::publishing::aspire::host::artifacts;
use crate::bindings::publishing::exports::aspire::host::publisher;
use crate::construct::{Construct, ConstructEdit, Constructs, Graph};
use crate::edits::{Edit, Edits, Fact};
use crate::hook::{Identity, Integration, Lowering, Pass, Plugin, Publisher};
use crate::output::{Artifact, Output};
use crate::{Declaration, Model};

pub(crate) use snapshot::Snapshot;

/// The export `descriptor` of a plugin.
#[derive(Debug)]
pub struct DescriptorOf<T>(PhantomData<T>);
/// The export `integration` of a plugin.
#[derive(Debug)]
pub struct IntegrationOf<T>(PhantomData<T>);
/// The export `pass` of a plugin that only edits the model.
#[derive(Debug)]
pub struct PassOf<T>(PhantomData<T>);
/// The export `pass` of a plugin that only writes constructs.
#[derive(Debug)]
pub struct LoweringOf<T>(PhantomData<T>);
/// The export `pass` of a plugin that does both.
#[derive(Debug)]
pub struct PassAndLoweringOf<T>(PhantomData<T>);
/// The export `publisher` of a plugin.
#[derive(Debug)]
pub struct PublisherOf<T>(PhantomData<T>);

impl<T: Plugin + Identity> descriptor::Guest for DescriptorOf<T> {
    fn describe() -> Result<(), PluginError> {
        let registry = wire_registration::begin();
        registry.identity(T::ID, T::VERSION);
        let described = T::describe();
        for kind in &described.kinds {
            registry.add_kind(&kind.name, &kind.description, &kind.schema());
        }
        for pass in described.passes {
            registry.add_pass(&wire_registration::PassInfo {
                name: pass.name,
                phase: pass.phase.as_str().to_owned(),
                selector: pass.selector,
                provides: pass.provides,
                before: pass.before,
                after: pass.after,
            });
        }
        for claim in described.claims {
            registry.add_claim(&wire_registration::Claim {
                pass: claim.pass,
                shape: claim.shape.as_str().to_owned(),
                target: claim.target,
                kind: claim.kind,
                variant: claim.variant,
            });
        }
        for (name, description) in &described.targets {
            registry.add_target(name, description);
        }
        for (permission, reason) in T::WISHES {
            registry.request(permission, reason);
        }
        Ok(())
    }
}

impl<T: Integration> integration::Guest for IntegrationOf<T> {
    fn expand(_name: String) -> Result<(), PluginError> {
        let mut edits = Edits::new();
        T::expand(&load_declaration(), &mut edits)?;
        replay_edits(edits);
        Ok(())
    }
}

impl<T: Pass> pass::Guest for PassOf<T> {
    fn run(name: String) -> Result<(), PluginError> {
        run_pass::<T>(&name)
    }
}

impl<T: Lowering> pass::Guest for LoweringOf<T> {
    fn run(name: String) -> Result<(), PluginError> {
        run_lowering::<T>(&name)
    }
}

impl<T: Plugin + Pass + Lowering> pass::Guest for PassAndLoweringOf<T> {
    fn run(name: String) -> Result<(), PluginError> {
        let lowering = T::describe()
            .passes
            .iter()
            .any(|pass| pass.name == name && pass.phase.is_lowering());
        if lowering {
            run_lowering::<T>(&name)
        } else {
            run_pass::<T>(&name)
        }
    }
}

fn run_pass<T: Pass>(name: &str) -> Result<(), PluginError> {
    let mut edits = Edits::new();
    T::run(name, &Model::new(Snapshot::current()), &mut edits)?;
    replay_edits(edits);
    Ok(())
}

fn run_lowering<T: Lowering>(name: &str) -> Result<(), PluginError> {
    let mut constructs = Constructs::new(load_graph);
    T::lower(name, &Model::new(Snapshot::current()), &mut constructs)?;
    replay_constructs(constructs);
    Ok(())
}

impl<T: Publisher> publisher::Guest for PublisherOf<T> {
    fn publish(target: String) -> Result<(), PluginError> {
        // The instance and its memory end with the call: nothing is taken apart before.
        let graph = ManuallyDrop::new(load_graph());
        let mut output = Output::new();
        T::publish(
            &target,
            &graph,
            &Model::new(Snapshot::current()),
            &mut output,
        )?;
        replay_output(&output);
        Ok(())
    }
}

fn load_declaration() -> Declaration {
    let current = declarations::current();
    let declaration = Declaration::from_text(current.name(), current.kind(), current.options())
        .in_mode(declarations::mode())
        .in_app(declarations::app());
    current
        .explicit_facts()
        .into_iter()
        .fold(declaration, |declaration, fact| {
            let text = current.explicit_text(&fact);
            declaration.explicit(fact, text.as_deref())
        })
}

fn load_graph() -> Graph {
    let current = wire_constructs::current();
    let constructs: BTreeMap<String, Construct> = current
        .select("")
        .into_iter()
        .map(|node| {
            // What the host accepted as an object is one.
            let properties = serde_json::from_str(&node.properties).unwrap_or_default();
            let construct = Construct {
                id: node.id,
                type_name: node.type_,
                name: node.name,
                origin: node.origin,
                properties,
                depends_on: node.depends_on,
            };
            (construct.id.clone(), construct)
        })
        .collect();
    Graph {
        app: current.app(),
        target: current.target(),
        app_folder: current.app_folder(),
        constructs,
    }
}

fn replay_edits(edits: Edits) {
    if edits.is_empty() {
        return;
    }
    let host = wire_edits::begin();
    for edit in edits.into_recorded() {
        match edit {
            Edit::Add {
                resource,
                kind,
                shape,
            } => {
                host.add_resource(&resource, &kind, shape.as_str());
            }
            Edit::SetParent { resource, parent } => host.set_parent(&resource, &parent),
            Edit::Set {
                resource,
                fact,
                key,
                value,
            } => {
                set(&host, &resource, &fact, &key, value);
            }
            Edit::Remove {
                resource,
                fact,
                key,
            } => host.remove(&resource, &fact, &key),
            Edit::Diagnose(diagnostic) => host.diagnose(&diagnostic.into()),
        }
    }
}

fn set(host: &wire_edits::Transaction, name: &str, fact: &str, key: &str, value: Fact) {
    match value {
        Fact::Text(value) => host.set_text(name, fact, &value),
        Fact::Number(value) => host.set_number(name, fact, value),
        Fact::Flag(value) => host.set_flag(name, fact, value),
        Fact::Value(value) if key.is_empty() => {
            host.set_value(name, fact, &convert::expression(value));
        }
        Fact::Value(value) => host.put_entry(name, fact, key, &convert::expression(value)),
        Fact::Values(value) => {
            let list: Vec<_> = value.into_iter().map(convert::expression).collect();
            host.set_values(name, fact, &list);
        }
        Fact::Endpoint(value) => host.put_endpoint(name, fact, key, &value.into()),
        Fact::Mount(value) => host.put_mount(name, fact, key, &value.into()),
        Fact::File(value) => host.put_file(name, fact, key, &value.into()),
        Fact::Wait(value) => host.put_wait(name, fact, key, &value.into()),
        Fact::Prepare(value) => host.put_prepare(name, fact, key, &value.into()),
        Fact::Probe(value) => host.set_probe(name, fact, &value.into()),
        Fact::Parameter(value) => host.set_parameter(name, &value.into()),
    }
}

fn replay_constructs(constructs: Constructs) {
    if constructs.recorded().is_empty() {
        return;
    }
    let host = wire_constructs::begin();
    for edit in constructs.into_recorded() {
        match edit {
            ConstructEdit::Add(node) => {
                let properties = ManuallyDrop::new(node.properties);
                host.add(&wire_constructs::Construct {
                    id: node.id,
                    type_: node.type_name,
                    name: node.name,
                    origin: node.origin,
                    // A map of JSON values always is JSON.
                    properties: serde_json::to_string(&*properties).unwrap_or_default(),
                    depends_on: node.depends_on,
                });
            }
            ConstructEdit::SetProperty { id, name, value } => {
                host.set_property(&id, &name, &value.to_string());
            }
            ConstructEdit::BindProperty {
                resource,
                property,
                construct,
                output,
            } => {
                host.bind_property(&resource, &property, &construct, &output);
            }
            ConstructEdit::Fidelity {
                resource,
                fact,
                grade,
                reason,
            } => {
                host.fidelity(&resource, &fact, grade.as_str(), &reason);
            }
            ConstructEdit::Diagnose(diagnostic) => host.diagnose(&diagnostic.into()),
        }
    }
}

fn replay_output(output: &Output) {
    let host = artifacts::begin();
    for (path, artifact) in output.files() {
        match artifact {
            Artifact::Contents(bytes) => host.write(path, bytes),
            Artifact::Copy(source) => host.copy(path, source),
        }
    }
    for diagnostic in output.diagnostics() {
        host.diagnose(&diagnostic.clone().into());
    }
}
