//! `aspire:host/edits`: what a hook wants to be changed in the app model.
//!
//! Checks form, counts, and appends. Whether an edit is allowed is decided where transactions are
//! merged, for every version of the interface alike.

use aspire_model::annotation::{Build, Limits};
use aspire_model::fact::ValueType;
use aspire_model::{Edit, Expression, FactKey, FactValue, Field, ResourceName, Shape};
use wasmtime::component::Resource;

use super::handle;
use crate::bindings::edits::{Host, HostTransaction};
use crate::bindings::types as wit;
use crate::convert;
use crate::facts::{Name, Part, Wanted};
use crate::handles::EditsHandle;
use crate::state::{CallState, Mistake, Role};
use crate::text::shortened;

/// The code of every mistake in this interface.
const CODE: &str = "invalid-edit";
/// What an edit takes beside its strings, about.
const EDIT_SIZE: usize = 256;

type Handle = Resource<EditsHandle>;

impl CallState {
    fn editing(&mut self, function: &str) -> wasmtime::Result<()> {
        match self.role {
            Role::Expand { .. } | Role::Run { .. } => Ok(()),
            _ => Err(self.unavailable(
                &format!("edits.{function}"),
                "`integration.expand` and passes of the phases expand, check and enrich",
            )),
        }
    }

    /// Counts an edit, and checks the two names that every edit has.
    fn begin_edit(
        &mut self,
        function: &str,
        name: String,
        fact: &str,
        wanted: Wanted,
        size: usize,
    ) -> wasmtime::Result<(ResourceName, Name)> {
        self.editing(function)?;
        self.charge_edit()?;
        self.charge(EDIT_SIZE + size)?;
        let resource = self.checked(CODE, function, convert::name(name))?;
        let fact = Name::parse(fact).and_then(|name| name.expect(wanted));
        Ok((resource, self.checked(CODE, function, fact)?))
    }

    fn set(&mut self, resource: ResourceName, key: FactKey, value: FactValue) {
        self.output.edits.push(Edit::Set {
            resource,
            key,
            value,
        });
    }

    /// An edit of one entry of a map.
    fn put<T>(
        &mut self,
        function: &str,
        address: (String, &str, String),
        of: ValueType,
        size: usize,
        convert: impl FnOnce() -> Result<T, Mistake>,
        wrap: impl FnOnce(T) -> FactValue,
    ) -> wasmtime::Result<()> {
        let (name, fact, key) = address;
        let size = size + key.len();
        let (resource, fact) = self.begin_edit(function, name, fact, Wanted::Map(of), size)?;
        let key = match fact.field {
            // These two name something that has a name of its own.
            Field::Endpoints | Field::Waits => convert::name(key).map(String::from),
            _ => convert::key(key, fact.text()),
        };
        let key = self.checked(CODE, function, key)?;
        let value = self.checked(CODE, function, convert())?;
        self.set(resource, fact.entry(key), wrap(value));
        Ok(())
    }
}

impl Host for CallState {
    fn begin(&mut self) -> wasmtime::Result<Handle> {
        self.editing("begin")?;
        Ok(handle())
    }
}

impl HostTransaction for CallState {
    fn add_resource(
        &mut self,
        _: Handle,
        name: String,
        kind: String,
        shape: String,
    ) -> wasmtime::Result<()> {
        const FUNCTION: &str = "add-resource";
        self.editing(FUNCTION)?;
        self.charge_edit()?;
        self.charge_resource()?;
        self.charge(EDIT_SIZE + kind.len())?;
        let name = self.checked(CODE, FUNCTION, convert::name(name))?;
        let kind = self.checked(CODE, FUNCTION, check_kind(kind))?;
        let shape = self.checked(CODE, FUNCTION, check_shape(&shape))?;
        self.output
            .edits
            .push(Edit::AddResource { name, kind, shape });
        Ok(())
    }

    fn set_parent(&mut self, _: Handle, name: String, parent: String) -> wasmtime::Result<()> {
        let (resource, fact) =
            self.begin_edit("set-parent", name, Field::Parent.name(), Wanted::Text, 0)?;
        let parent = self.checked(CODE, "set-parent", convert::name(parent))?;
        self.set(resource, fact.key(), FactValue::Text(parent.into()));
        Ok(())
    }

    fn set_text(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
        value: String,
    ) -> wasmtime::Result<()> {
        let (resource, fact) =
            self.begin_edit("set-text", name, &fact, Wanted::Text, value.len())?;
        if let Some(part) = fact.part {
            let build = self
                .output
                .builds
                .entry((resource, fact.field))
                .or_default();
            match part {
                Part::Context => build.context = value,
                Part::Dockerfile => build.dockerfile = value,
                _ => build.target = value,
            }
            return Ok(());
        }
        if fact.field == Field::Parent {
            self.checked(CODE, "set-text", convert::name(value.clone()))?;
        }
        self.set(resource, fact.key(), FactValue::Text(value));
        Ok(())
    }

    fn set_number(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
        value: i64,
    ) -> wasmtime::Result<()> {
        let (resource, fact) = self.begin_edit("set-number", name, &fact, Wanted::Number, 0)?;
        // Every number that there is counts something.
        let Ok(count) = u64::try_from(value) else {
            let mistake = Mistake::new(format!("`{}` cannot be {value}", fact.text()));
            return self.checked(CODE, "set-number", Err(mistake));
        };
        match fact.part {
            Some(part) => {
                let limits = self.output.resource_limits.entry(resource).or_default();
                match part {
                    Part::CpuMillis => limits.cpu_millis = Some(count),
                    _ => limits.memory = Some(count),
                }
            }
            None => self.set(resource, fact.key(), FactValue::Number(value)),
        }
        Ok(())
    }

    fn set_flag(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
        value: bool,
    ) -> wasmtime::Result<()> {
        let (resource, fact) = self.begin_edit("set-flag", name, &fact, Wanted::Flag, 0)?;
        self.set(resource, fact.key(), FactValue::Flag(value));
        Ok(())
    }

    fn set_value(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
        value: wit::Expression,
    ) -> wasmtime::Result<()> {
        let size = convert::size_of(&value);
        let (resource, fact) = self.begin_edit("set-value", name, &fact, Wanted::Value, size)?;
        let value = self.checked(CODE, "set-value", convert::expression(value))?;
        self.set(resource, fact.key(), FactValue::Value(value));
        Ok(())
    }

    fn set_values(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
        value: Vec<wit::Expression>,
    ) -> wasmtime::Result<()> {
        let size = value.iter().map(convert::size_of).sum();
        let (resource, fact) = self.begin_edit("set-values", name, &fact, Wanted::Values, size)?;
        let values = self.checked(CODE, "set-values", convert::expressions(value))?;
        let value = if fact.field.value_type() == ValueType::Texts {
            FactValue::Texts(self.checked(CODE, "set-values", literals(fact, &values))?)
        } else {
            FactValue::Values(values)
        };
        self.set(resource, fact.key(), value);
        Ok(())
    }

    fn put_entry(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
        key: String,
        value: wit::Expression,
    ) -> wasmtime::Result<()> {
        let size = convert::size_of(&value) + key.len();
        let (resource, fact) = self.begin_edit("put-entry", name, &fact, Wanted::Entries, size)?;
        let key = self.checked(CODE, "put-entry", convert::key(key, fact.text()))?;
        let value = self.checked(CODE, "put-entry", convert::expression(value))?;
        if fact.part.is_some() {
            let build = self
                .output
                .builds
                .entry((resource, fact.field))
                .or_default();
            build.args.insert(key, value);
        } else {
            self.set(resource, fact.entry(key), FactValue::Value(value));
        }
        Ok(())
    }

    fn put_endpoint(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
        key: String,
        value: wit::Endpoint,
    ) -> wasmtime::Result<()> {
        let size = value.scheme.len() + value.env.len();
        let convert = || convert::endpoint(value);
        let address = (name, &*fact, key);
        self.put(
            "put-endpoint",
            address,
            ValueType::Endpoint,
            size,
            convert,
            FactValue::Endpoint,
        )
    }

    fn put_mount(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
        key: String,
        value: wit::Mount,
    ) -> wasmtime::Result<()> {
        let size = value.source.len() + value.target.len();
        let convert = || convert::mount(value);
        let address = (name, &*fact, key);
        self.put(
            "put-mount",
            address,
            ValueType::Mount,
            size,
            convert,
            FactValue::Mount,
        )
    }

    fn put_file(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
        key: String,
        value: wit::File,
    ) -> wasmtime::Result<()> {
        let size = value.source.len() + value.target.len() + convert::size_of(&value.contents);
        let convert = || convert::file(value);
        let address = (name, &*fact, key);
        self.put(
            "put-file",
            address,
            ValueType::File,
            size,
            convert,
            FactValue::File,
        )
    }

    fn put_wait(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
        key: String,
        value: wit::Wait,
    ) -> wasmtime::Result<()> {
        let convert = || convert::wait(&value);
        let address = (name, &*fact, key);
        self.put(
            "put-wait",
            address,
            ValueType::Wait,
            0,
            convert,
            FactValue::Wait,
        )
    }

    fn put_prepare(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
        key: String,
        value: wit::Prepare,
    ) -> wasmtime::Result<()> {
        let size = convert::size_of(&value.command)
            + convert::size_of(&value.stdin)
            + convert::size_of(&value.creates)
            + value.args.iter().map(convert::size_of).sum::<usize>()
            + value
                .env
                .iter()
                .map(|(k, v)| k.len() + convert::size_of(v))
                .sum::<usize>();
        let convert = || convert::prepare(value);
        let address = (name, &*fact, key);
        self.put(
            "put-prepare",
            address,
            ValueType::Prepare,
            size,
            convert,
            FactValue::Prepare,
        )
    }

    fn set_probe(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
        value: wit::Probe,
    ) -> wasmtime::Result<()> {
        let size = value.path.len() + value.command.iter().map(convert::size_of).sum::<usize>();
        let wanted = Wanted::Single(ValueType::Probe);
        let (resource, fact) = self.begin_edit("set-probe", name, &fact, wanted, size)?;
        let probe = self.checked(CODE, "set-probe", convert::probe(value))?;
        self.set(resource, fact.key(), FactValue::Probe(probe));
        Ok(())
    }

    fn set_parameter(
        &mut self,
        _: Handle,
        name: String,
        value: wit::Parameter,
    ) -> wasmtime::Result<()> {
        let size = value.description.len() + convert::size_of(&value.default_value);
        let wanted = Wanted::Single(ValueType::Parameter);
        let field = Field::Parameter.name();
        let (resource, fact) = self.begin_edit("set-parameter", name, field, wanted, size)?;
        let parameter = self.checked(CODE, "set-parameter", convert::parameter(value))?;
        self.set(resource, fact.key(), FactValue::Parameter(parameter));
        Ok(())
    }

    fn remove(
        &mut self,
        _: Handle,
        name: String,
        fact: String,
        key: String,
    ) -> wasmtime::Result<()> {
        self.editing("remove")?;
        self.charge_edit()?;
        self.charge(EDIT_SIZE + key.len())?;
        let resource = self.checked(CODE, "remove", convert::name(name))?;
        let removed = Name::parse(&fact).and_then(|fact| removal(fact, key));
        let key = self.checked(CODE, "remove", removed)?;
        self.output.edits.push(Edit::Remove { resource, key });
        Ok(())
    }

    fn diagnose(&mut self, _: Handle, value: wit::Diagnostic) -> wasmtime::Result<()> {
        self.editing("diagnose")?;
        let diagnostic = self.diagnostic(value)?;
        self.output.edits.push(Edit::Diagnose(diagnostic));
        Ok(())
    }

    fn drop(&mut self, _: Handle) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl CallState {
    /// All edits in order, with what was written part by part put together.
    pub(crate) fn take_edits(&mut self) -> Vec<Edit> {
        let mut edits = std::mem::take(&mut self.output.edits);
        let builds = std::mem::take(&mut self.output.builds).into_iter().map(
            |((resource, field), build): ((_, _), Build)| {
                (resource, FactKey::single(field), FactValue::Build(build))
            },
        );
        let limits = std::mem::take(&mut self.output.resource_limits)
            .into_iter()
            .map(|(resource, limits): (_, Limits)| {
                (
                    resource,
                    FactKey::single(Field::Limits),
                    FactValue::Limits(limits),
                )
            });
        edits.extend(
            builds
                .chain(limits)
                .map(|(resource, key, value)| Edit::Set {
                    resource,
                    key,
                    value,
                }),
        );
        edits.extend(self.impurities().into_iter().map(Edit::Diagnose));
        edits
    }
}

fn check_kind(kind: String) -> Result<String, Mistake> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '/');
    if kind.is_empty() || kind.len() > 129 || !kind.chars().all(legal) {
        return Err(Mistake::new(format!(
            "`{}` is no name of a kind",
            shortened(&kind)
        )));
    }
    Ok(kind)
}

fn check_shape(shape: &str) -> Result<Shape, Mistake> {
    Shape::parse(shape).ok_or_else(|| {
        let names = Shape::ALL.map(Shape::as_str).join(", ");
        Mistake::new(format!("`{}` is no shape", shortened(shape)))
            .with_help(Some(format!("there are {names}")))
    })
}

fn literals(fact: Name, values: &[Expression]) -> Result<Vec<String>, Mistake> {
    let literal = |value: &Expression| {
        value.as_literal().map(str::to_owned).ok_or_else(|| {
            Mistake::new(format!(
                "`{}` takes plain text only, not `{value}`",
                fact.text()
            ))
        })
    };
    values.iter().map(literal).collect()
}

fn removal(fact: Name, key: String) -> Result<FactKey, Mistake> {
    if fact.part.is_some() {
        let message = format!("`{}` cannot be removed by itself", fact.text());
        let help = format!("remove `{}`", fact.field.name());
        return Err(Mistake::new(message).with_help(Some(help)));
    }
    match (fact.field.is_map(), key.is_empty()) {
        (true, true) => Err(Mistake::new(format!(
            "`{}` is a map: which entry?",
            fact.text()
        ))),
        (false, false) => Err(Mistake::new(format!("`{}` has no entries", fact.text()))),
        (true, false) => Ok(fact.entry(key)),
        (false, true) => Ok(fact.key()),
    }
}
