//! `aspire:host/model`: reading the app model.
//!
//! Every getter notes what it reads. A resource or fact that isn't there reads as nothing; a name
//! of a fact that cannot exist is the guest's mistake.

use std::collections::BTreeMap;
use std::sync::Arc;

use aspire_model::hook::Snapshot;
use aspire_model::selector::Selector;
use aspire_model::{AppModel, Expression, FactValue, Field, Resource as ModelResource, evaluate};
use wasmtime::component::Resource;

use super::handle;
use crate::bindings::model::{Host, HostSnapshot};
use crate::bindings::types as wit;
use crate::convert::{self, to_expression, to_expressions};
use crate::facts::{self, Name, Part, Wanted};
use crate::handles::SnapshotHandle;
use crate::state::{CallState, Mistake};

const CODE: &str = "invalid-read";
/// What is read of a resource when its facts are listed; no fact has this name.
const FACTS: &str = "facts";

type Handle = Resource<SnapshotHandle>;

impl CallState {
    fn snapshot(&mut self, function: &str) -> wasmtime::Result<&Snapshot> {
        if self.role.snapshot().is_none() {
            return Err(self.unavailable(function, "passes and publishers"));
        }
        self.role
            .snapshot()
            .ok_or_else(|| wasmtime::Error::msg("unreachable: checked above"))
    }

    /// Notes the reading of a resource and hands it to a function.
    fn about<T: Default>(
        &mut self,
        name: &str,
        fact: &str,
        read: impl FnOnce(&ModelResource) -> T,
    ) -> wasmtime::Result<T> {
        let snapshot = self.snapshot("model.snapshot")?;
        snapshot.record(name, fact);
        Ok(snapshot.model.get(name).map(read).unwrap_or_default())
    }

    /// Notes the reading of a fact and hands it to a function.
    fn read<T: Default>(
        &mut self,
        function: &str,
        name: &str,
        fact: &str,
        wanted: Wanted,
        read: impl FnOnce(Name, &ModelResource) -> T,
    ) -> wasmtime::Result<T> {
        let parsed = Name::parse(fact).and_then(|name| name.expect(wanted));
        let parsed = self.checked(CODE, function, parsed)?;
        self.about(name, fact, |resource| read(parsed, resource))
    }

    fn model(&mut self) -> wasmtime::Result<Arc<AppModel>> {
        Ok(Arc::clone(&self.snapshot("model.snapshot")?.model))
    }
}

/// Entries of a map as the resource's main form sees them.
macro_rules! typed_map {
    ($state:ident, $name:ident, $field:ident, $iterate:ident, $convert:path) => {
        $state.about(&$name, Field::$field.name(), |resource| {
            resource
                .$iterate(resource.main_form())
                .map(|(key, value)| (key.to_owned(), $convert(value)))
                .collect()
        })
    };
}

impl Host for CallState {
    fn current(&mut self) -> wasmtime::Result<Handle> {
        self.snapshot("model.current")?;
        Ok(handle())
    }
}

impl HostSnapshot for CallState {
    fn mode(&mut self, _: Handle) -> wasmtime::Result<String> {
        Ok(self.snapshot("snapshot.mode")?.mode.name().to_owned())
    }

    fn target(&mut self, _: Handle) -> wasmtime::Result<String> {
        Ok(self.snapshot("snapshot.target")?.mode.target().to_owned())
    }

    fn app(&mut self, _: Handle) -> wasmtime::Result<String> {
        Ok(self.model()?.name.to_string())
    }

    fn select(&mut self, _: Handle, selector: String) -> wasmtime::Result<Vec<String>> {
        let parsed = selector_of(&selector);
        let parsed = self.checked(CODE, "select", parsed)?;
        let snapshot = self.snapshot("snapshot.select")?;
        snapshot.record("*", &selector);
        let selected = snapshot
            .model
            .iter()
            .filter(|resource| snapshot.selects(resource) && parsed.matches(resource));
        Ok(selected.map(|resource| resource.name.to_string()).collect())
    }

    fn exists(&mut self, _: Handle, name: String) -> wasmtime::Result<bool> {
        self.about(&name, "", |_| true)
    }

    fn kind(&mut self, _: Handle, name: String) -> wasmtime::Result<String> {
        self.about(&name, "", |resource| resource.kind.to_string())
    }

    fn shape(&mut self, _: Handle, name: String) -> wasmtime::Result<String> {
        self.about(&name, "", |resource| resource.shape.as_str().to_owned())
    }

    fn parent(&mut self, _: Handle, name: String) -> wasmtime::Result<Option<String>> {
        self.about(&name, Field::Parent.name(), |resource| {
            resource.parent().map(str::to_owned)
        })
    }

    fn children(&mut self, _: Handle, name: String) -> wasmtime::Result<Vec<String>> {
        let snapshot = self.snapshot("snapshot.children")?;
        snapshot.record("*", Field::Parent.name());
        // Whoever asks for one resource's children asks for everybody's, so the model is looked
        // through once.
        if self.children.is_none() {
            self.children = Some(children_by_parent(
                &self.snapshot("snapshot.children")?.model,
            ));
        }
        let children = self
            .children
            .as_ref()
            .and_then(|children| children.get(&name));
        Ok(children.cloned().unwrap_or_default())
    }

    fn options(&mut self, _: Handle, name: String) -> wasmtime::Result<String> {
        self.about(&name, "options", |resource| resource.options.to_string())
    }

    fn facts(&mut self, _: Handle, name: String) -> wasmtime::Result<Vec<String>> {
        self.about(&name, FACTS, |resource| {
            let names = facts::present(resource);
            names.map(str::to_owned).collect()
        })
    }

    fn text(&mut self, _: Handle, name: String, fact: String) -> wasmtime::Result<Option<String>> {
        self.read(
            "text",
            &name,
            &fact,
            Wanted::Text,
            |fact, resource| match fact.part {
                Some(part) => {
                    let build = fact.build(resource)?;
                    Some(match part {
                        Part::Context => build.context.clone(),
                        Part::Dockerfile => build.dockerfile.clone(),
                        _ => build.target.clone(),
                    })
                }
                None => resource
                    .text(fact.field, fact.form_of(resource))
                    .map(str::to_owned),
            },
        )
    }

    fn number(&mut self, _: Handle, name: String, fact: String) -> wasmtime::Result<Option<i64>> {
        self.read("number", &name, &fact, Wanted::Number, |fact, resource| {
            let Some(part) = fact.part else {
                return resource.number(fact.field, fact.form_of(resource));
            };
            let limits = fact.limits(resource)?;
            let value = if part == Part::CpuMillis {
                limits.cpu_millis
            } else {
                limits.memory
            };
            value.and_then(|value| i64::try_from(value).ok())
        })
    }

    fn flag(&mut self, _: Handle, name: String, fact: String) -> wasmtime::Result<Option<bool>> {
        self.read(
            "flag",
            &name,
            &fact,
            Wanted::Flag,
            |fact, resource| match fact.value(resource)? {
                FactValue::Flag(value) => Some(*value),
                _ => None,
            },
        )
    }

    fn value(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
    ) -> wasmtime::Result<Option<wit::Expression>> {
        self.read("value", &name, &fact, Wanted::Value, |fact, resource| {
            resource
                .value(fact.field, fact.form_of(resource))
                .map(to_expression)
        })
    }

    fn values(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
    ) -> wasmtime::Result<Vec<wit::Expression>> {
        self.read(
            "values",
            &name,
            &fact,
            Wanted::Values,
            |fact, resource| match fact.value(resource) {
                Some(FactValue::Values(values)) => to_expressions(values),
                Some(FactValue::Texts(texts)) => texts
                    .iter()
                    .map(|text| to_expression(&Expression::literal(text)))
                    .collect(),
                _ => Vec::new(),
            },
        )
    }

    fn keys(&mut self, _: Handle, name: String, fact: String) -> wasmtime::Result<Vec<String>> {
        self.read("keys", &name, &fact, Wanted::Keys, |fact, resource| {
            if fact.part.is_some() {
                let args = fact.build(resource).map(|build| &build.args);
                return args
                    .into_iter()
                    .flatten()
                    .map(|(key, _)| key.clone())
                    .collect();
            }
            let entries = resource.entries(fact.field, fact.form_of(resource));
            entries.into_iter().map(|(key, _)| key.to_owned()).collect()
        })
    }

    fn entry(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
        key: String,
    ) -> wasmtime::Result<Option<wit::Expression>> {
        self.read("entry", &name, &fact, Wanted::Entries, |fact, resource| {
            if fact.part.is_some() {
                return fact.build(resource)?.args.get(&key).map(to_expression);
            }
            match &resource
                .entry(fact.field, fact.form_of(resource), &key)?
                .value
            {
                FactValue::Value(value) => Some(to_expression(value)),
                _ => None,
            }
        })
    }

    fn entries(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
    ) -> wasmtime::Result<Vec<(String, wit::Expression)>> {
        self.read(
            "entries",
            &name,
            &fact,
            Wanted::Entries,
            |fact, resource| {
                let convert =
                    |key: &str, value: &Expression| (key.to_owned(), to_expression(value));
                if fact.part.is_some() {
                    let args = fact.build(resource).map(|build| &build.args);
                    return args
                        .into_iter()
                        .flatten()
                        .map(|(key, value)| convert(key, value))
                        .collect();
                }
                let entries = resource.entries(fact.field, fact.form_of(resource));
                let values = entries
                    .into_iter()
                    .filter_map(|(key, fact)| match &fact.value {
                        FactValue::Value(value) => Some(convert(key, value)),
                        _ => None,
                    });
                values.collect()
            },
        )
    }

    fn endpoints(
        &mut self,
        _: Handle,
        name: String,
    ) -> wasmtime::Result<Vec<(String, wit::Endpoint)>> {
        typed_map!(self, name, Endpoints, endpoints, convert::to_endpoint)
    }

    fn mounts(&mut self, _: Handle, name: String) -> wasmtime::Result<Vec<(String, wit::Mount)>> {
        typed_map!(self, name, Mounts, mounts, convert::to_mount)
    }

    fn files(&mut self, _: Handle, name: String) -> wasmtime::Result<Vec<(String, wit::File)>> {
        typed_map!(self, name, Files, files, convert::to_file)
    }

    fn waits(&mut self, _: Handle, name: String) -> wasmtime::Result<Vec<(String, wit::Wait)>> {
        typed_map!(self, name, Waits, waits, convert::to_wait)
    }

    fn probe(&mut self, _: Handle, name: String) -> wasmtime::Result<Option<wit::Probe>> {
        self.about(&name, Field::Health.name(), |resource| {
            resource.probe(resource.main_form()).map(convert::to_probe)
        })
    }

    fn prepares(
        &mut self,
        _: Handle,
        name: String,
    ) -> wasmtime::Result<Vec<(String, wit::Prepare)>> {
        // Steps of preparation belong to the process form, which is seldom the main one.
        self.about(&name, Field::Prepare.name(), |resource| {
            resource
                .prepares(aspire_model::Form::Process)
                .map(|(key, value)| (key.to_owned(), convert::to_prepare(value)))
                .collect()
        })
    }

    fn parameter(&mut self, _: Handle, name: String) -> wasmtime::Result<Option<wit::Parameter>> {
        self.about(&name, Field::Parameter.name(), |resource| {
            resource.parameter().map(convert::to_parameter)
        })
    }

    fn resolve(
        &mut self,
        _: Handle,
        name: String,
        value: wit::Expression,
    ) -> wasmtime::Result<wit::Expression> {
        let value = self.checked(CODE, "resolve", convert::expression(value))?;
        self.note_subjects(&value)?;
        let model = self.model()?;
        Ok(to_expression(&evaluate::resolve_static(
            &model, &name, &value,
        )))
    }

    fn is_secret(&mut self, _: Handle, value: wit::Expression) -> wasmtime::Result<bool> {
        let value = self.checked(CODE, "is-secret", convert::expression(value))?;
        self.note_subjects(&value)?;
        let model = self.model()?;
        Ok(evaluate::is_secret(&model, &value))
    }

    fn drop(&mut self, _: Handle) -> wasmtime::Result<()> {
        Ok(())
    }
}

fn children_by_parent(model: &AppModel) -> BTreeMap<String, Vec<String>> {
    let mut children: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for resource in model.iter() {
        if let Some(parent) = resource.parent() {
            children
                .entry(parent.to_owned())
                .or_default()
                .push(resource.name.to_string());
        }
    }
    children
}

/// Matching takes time in proportion to the selector, and no clock runs while the host works.
pub(super) fn selector_of(text: &str) -> Result<Selector, Mistake> {
    const MAX: usize = 4_096;
    if text.len() > MAX {
        return Err(Mistake::new(format!("a selector has at most {MAX} bytes")));
    }
    Selector::parse(text).map_err(|error| Mistake::new(error.to_string()))
}

impl CallState {
    /// What an expression stands for may follow from any fact of what it names.
    fn note_subjects(&mut self, value: &Expression) -> wasmtime::Result<()> {
        let snapshot = self.snapshot("model.snapshot")?;
        for subject in value.subjects() {
            snapshot.record(subject, "*");
        }
        Ok(())
    }
}
