//! `aspire:host/constructs`: the construct graph of one target.

use std::sync::Arc;

use aspire_model::Field;
use aspire_model::construct::{Construct, ConstructEdit, ConstructGraph, Fidelity, Grade};
use wasmtime::component::Resource;

use super::{handle, json};
use crate::bindings::constructs::{self as wit, Host, HostGraph, HostTransaction};
use crate::bindings::types::Diagnostic as WitDiagnostic;
use crate::convert;
use crate::handles::{ConstructsHandle, GraphHandle};
use crate::state::{CallState, Mistake, Role};
use crate::text::{printable, shortened};

const CODE: &str = "invalid-construct";
const EDIT_SIZE: usize = 256;
/// Longest id, type or name, in bytes.
const MAX_ID: usize = 256;

type Graph = Resource<GraphHandle>;
type Handle = Resource<ConstructsHandle>;

impl CallState {
    fn graph(&mut self, function: &str) -> wasmtime::Result<Arc<ConstructGraph>> {
        match self.role.graph() {
            Some(graph) => Ok(Arc::clone(graph)),
            None => Err(self.unavailable(function, "passes of the phase refine and publishers")),
        }
    }

    fn building(&mut self, function: &str, size: usize) -> wasmtime::Result<()> {
        if !matches!(self.role, Role::Lower { .. } | Role::Refine { .. }) {
            let function = format!("constructs.{function}");
            return Err(self.unavailable(&function, "passes of the phases lower and refine"));
        }
        self.charge_edit()?;
        self.charge(EDIT_SIZE + size)
    }

    fn check_resource(&mut self, function: &str, name: &str) -> wasmtime::Result<()> {
        let known = self
            .role
            .snapshot()
            .is_some_and(|snapshot| snapshot.model.get(name).is_some());
        let result = if known {
            Ok(())
        } else {
            Err(Mistake::new(format!(
                "there is no resource `{}`",
                shortened(name)
            )))
        };
        self.checked(CODE, function, result)
    }

    /// The prefix of every construct type of this target.
    fn namespace(&self) -> String {
        let target = self
            .role
            .snapshot()
            .map_or("", |snapshot| snapshot.mode.target());
        format!("{target}:")
    }
}

impl Host for CallState {
    fn current(&mut self) -> wasmtime::Result<Graph> {
        self.graph("constructs.current")?;
        Ok(handle())
    }

    fn begin(&mut self) -> wasmtime::Result<Handle> {
        self.building("begin", 0)?;
        Ok(handle())
    }
}

impl HostGraph for CallState {
    fn app(&mut self, _: Graph) -> wasmtime::Result<String> {
        Ok(self.graph("graph.app")?.app.to_string())
    }

    fn target(&mut self, _: Graph) -> wasmtime::Result<String> {
        Ok(self.graph("graph.target")?.target.to_string())
    }

    fn app_folder(&mut self, _: Graph) -> wasmtime::Result<String> {
        Ok(self.graph("graph.app-folder")?.app_folder.to_string())
    }

    fn select(&mut self, _: Graph, type_: String) -> wasmtime::Result<Vec<wit::Construct>> {
        let graph = self.graph("graph.select")?;
        let wanted = |node: &&Construct| type_.is_empty() || node.type_name == type_;
        Ok(graph
            .nodes
            .values()
            .filter(wanted)
            .map(to_construct)
            .collect())
    }

    fn get(&mut self, _: Graph, id: String) -> wasmtime::Result<Option<wit::Construct>> {
        Ok(self.graph("graph.get")?.nodes.get(&id).map(to_construct))
    }

    fn drop(&mut self, _: Graph) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl HostTransaction for CallState {
    fn add(&mut self, _: Handle, node: wit::Construct) -> wasmtime::Result<()> {
        let size = convert::size_of_json(&node.properties)
            + node.depends_on.iter().map(String::len).sum::<usize>();
        self.building("add", size)?;
        if !node.origin.is_empty() {
            self.check_resource("add", &node.origin)?;
        }
        let node = construct(node, &self.namespace());
        let node = self.checked(CODE, "add", node)?;
        self.output.constructs.push(ConstructEdit::Add(node));
        Ok(())
    }

    fn set_property(
        &mut self,
        _: Handle,
        id: String,
        name: String,
        value: String,
    ) -> wasmtime::Result<()> {
        self.building("set-property", convert::size_of_json(&value))?;
        let id = self.checked(CODE, "set-property", identifier("construct id", id))?;
        let name = self.checked(CODE, "set-property", identifier("name of a property", name))?;
        let value = self.checked(CODE, "set-property", json::value(&value))?;
        self.output
            .constructs
            .push(ConstructEdit::SetProperty { id, name, value });
        Ok(())
    }

    fn bind_property(
        &mut self,
        _: Handle,
        resource: String,
        property: String,
        construct: String,
        output: String,
    ) -> wasmtime::Result<()> {
        const FUNCTION: &str = "bind-property";
        self.building(FUNCTION, 0)?;
        self.check_resource(FUNCTION, &resource)?;
        let property = convert::key(property, Field::Properties.name());
        let property = self.checked(CODE, FUNCTION, property)?;
        let construct = self.checked(CODE, FUNCTION, identifier("construct id", construct))?;
        let output = self.checked(CODE, FUNCTION, identifier("name of an output", output))?;
        self.output.constructs.push(ConstructEdit::BindProperty {
            resource,
            property,
            construct,
            output,
        });
        Ok(())
    }

    fn fidelity(
        &mut self,
        _: Handle,
        resource: String,
        fact: String,
        grade: String,
        reason: String,
    ) -> wasmtime::Result<()> {
        const FUNCTION: &str = "fidelity";
        self.building(FUNCTION, reason.len())?;
        self.check_resource(FUNCTION, &resource)?;
        let fact = self.checked(CODE, FUNCTION, identifier("fact", fact))?;
        let grade = Grade::parse(&grade).ok_or_else(|| {
            Mistake::new(format!("`{}` is no grade", shortened(&grade)))
                .with_help(Some("there are exact, adapted, weakened, dropped".into()))
        });
        let grade = self.checked(CODE, FUNCTION, grade)?;
        let reason = printable(&reason, false);
        let row = Fidelity {
            resource,
            fact,
            grade,
            reason,
        };
        self.output.constructs.push(ConstructEdit::Fidelity(row));
        Ok(())
    }

    fn diagnose(&mut self, _: Handle, value: WitDiagnostic) -> wasmtime::Result<()> {
        self.building("diagnose", 0)?;
        let diagnostic = self.diagnostic(value)?;
        self.output
            .constructs
            .push(ConstructEdit::Diagnose(diagnostic));
        Ok(())
    }

    fn drop(&mut self, _: Handle) -> wasmtime::Result<()> {
        Ok(())
    }
}

fn to_construct(node: &Construct) -> wit::Construct {
    wit::Construct {
        id: node.id.clone(),
        type_: node.type_name.clone(),
        name: node.name.clone(),
        origin: node.origin.clone(),
        properties: node.properties.text().to_owned(),
        depends_on: node.depends_on.clone(),
    }
}

fn construct(node: wit::Construct, namespace: &str) -> Result<Construct, Mistake> {
    let wit::Construct {
        id,
        type_,
        name,
        origin,
        properties,
        depends_on,
    } = node;
    if type_.strip_prefix(namespace).is_none_or(str::is_empty) {
        let message = format!(
            "`{}` is no construct type of this target",
            shortened(&type_)
        );
        let help = format!("such types begin with `{namespace}`");
        return Err(Mistake::new(message).with_help(Some(help)));
    }
    let Some(properties) = json::object(properties)? else {
        return Err(Mistake::new(format!(
            "the properties of `{}` are no JSON object",
            shortened(&id)
        )));
    };
    let depends_on: Result<Vec<String>, Mistake> = depends_on
        .into_iter()
        .map(|id| identifier("construct id", id))
        .collect();
    Ok(Construct {
        id: identifier("construct id", id)?,
        type_name: identifier("construct type", type_)?,
        name: identifier("name of a construct", name)?,
        origin,
        properties,
        depends_on: depends_on?,
    })
}

fn identifier(what: &str, text: String) -> Result<String, Mistake> {
    if text.is_empty() || text.len() > MAX_ID || text.chars().any(char::is_control) {
        return Err(Mistake::new(format!("`{}` is no {what}", shortened(&text))));
    }
    Ok(text)
}
