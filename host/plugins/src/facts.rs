//! Names of facts as guests write them: an optional form, and a field or a part of one.
//!
//! Knows which names there are and what type each has. Doesn't know values.

use aspire_model::annotation::{Build, Limits};
use aspire_model::fact::ValueType;
use aspire_model::{FactKey, FactValue, Field, Form, Resource};

use crate::state::Mistake;
use crate::text::shortened;

/// A part of a fact that is a record in the model and flat across the boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Context,
    Dockerfile,
    Target,
    Args,
    CpuMillis,
    Memory,
}

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) field: Field,
    /// The part, where the name means one.
    pub(crate) part: Option<Part>,
    /// As written; none: the form that the reader or writer takes by default.
    pub(crate) form: Option<Form>,
}

const PARTS: [(&str, Field, Part); 10] = [
    ("build-context", Field::Build, Part::Context),
    ("build-dockerfile", Field::Build, Part::Dockerfile),
    ("build-target", Field::Build, Part::Target),
    ("build-args", Field::Build, Part::Args),
    ("publish-build-context", Field::PublishBuild, Part::Context),
    (
        "publish-build-dockerfile",
        Field::PublishBuild,
        Part::Dockerfile,
    ),
    ("publish-build-target", Field::PublishBuild, Part::Target),
    ("publish-build-args", Field::PublishBuild, Part::Args),
    ("limit-cpu-millis", Field::Limits, Part::CpuMillis),
    ("limit-memory", Field::Limits, Part::Memory),
];

/// What kind of value a function takes or returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Text,
    Number,
    Flag,
    Value,
    Values,
    Entries,
    Keys,
    Map(ValueType),
    Single(ValueType),
}

impl Name {
    /// Reads one.
    pub(crate) fn parse(text: &str) -> Result<Self, Mistake> {
        let (form, plain) = match text.split_once(':') {
            Some(("container", plain)) => (Some(Form::Container), plain),
            Some(("process", plain)) => (Some(Form::Process), plain),
            Some((prefix, _)) => {
                let message = format!("`{}` is no form of a resource", shortened(prefix));
                let help = "the forms are `container:` and `process:`".to_owned();
                return Err(Mistake::new(message).with_help(Some(help)));
            }
            None => (None, text),
        };
        let (field, part) = if let Some(field) = Field::parse(plain) {
            (field, None)
        } else if let Some((_, field, part)) = PARTS.iter().find(|(name, ..)| *name == plain) {
            (*field, Some(*part))
        } else {
            return Err(unknown(plain));
        };
        if let Some(form) = form {
            let home = field.home(form);
            if home != form {
                let message = format!(
                    "`{plain}` belongs to the form {}",
                    home.prefix().trim_end_matches(':')
                );
                return Err(Mistake::new(message));
            }
        }
        Ok(Self { field, part, form })
    }

    /// The name without the form.
    pub(crate) fn text(self) -> &'static str {
        PARTS
            .iter()
            .find(|(_, field, part)| *field == self.field && Some(*part) == self.part)
            .map_or(self.field.name(), |(name, ..)| name)
    }

    /// Checks that its values are what a function takes or returns.
    pub(crate) fn expect(self, wanted: Wanted) -> Result<Self, Mistake> {
        if self.is(wanted) {
            return Ok(self);
        }
        Err(
            Mistake::new(format!("`{}` is {}", self.text(), self.description()))
                .with_help(Some(format!("use the function for {}", self.function()))),
        )
    }

    fn is(self, wanted: Wanted) -> bool {
        let (value, map) = (self.field.value_type(), self.field.is_map());
        match (self.part, wanted) {
            (Some(Part::Context | Part::Dockerfile | Part::Target), Wanted::Text)
            | (Some(Part::CpuMillis | Part::Memory), Wanted::Number)
            | (Some(Part::Args), Wanted::Entries | Wanted::Keys) => true,
            (Some(_), _) => false,
            (None, Wanted::Text) => !map && value == ValueType::Text,
            (None, Wanted::Number) => !map && value == ValueType::Number,
            (None, Wanted::Flag) => !map && value == ValueType::Flag,
            (None, Wanted::Value) => !map && value == ValueType::Value,
            (None, Wanted::Values) => !map && matches!(value, ValueType::Values | ValueType::Texts),
            (None, Wanted::Entries) => map && value == ValueType::Value,
            (None, Wanted::Keys) => map,
            (None, Wanted::Map(of)) => map && value == of,
            (None, Wanted::Single(of)) => !map && value == of,
        }
    }

    fn description(self) -> String {
        let kind = match (self.part, self.field.value_type()) {
            (Some(Part::Context | Part::Dockerfile | Part::Target), _)
            | (None, ValueType::Text) => "a text",
            (Some(Part::CpuMillis | Part::Memory), _) | (None, ValueType::Number) => "a number",
            (Some(Part::Args), _) => return "a map of values".into(),
            (None, ValueType::Flag) => "a flag",
            (None, ValueType::Value) => "a value",
            (None, ValueType::Values | ValueType::Texts) => "a list of values",
            (None, ValueType::Endpoint) => "an endpoint",
            (None, ValueType::Mount) => "a mount",
            (None, ValueType::File) => "a file",
            (None, ValueType::Wait) => "a wait",
            (None, ValueType::Probe) => "a probe",
            (None, ValueType::Prepare) => "a step of preparation",
            (None, ValueType::Parameter) => "a parameter",
            (None, ValueType::Build) => "a build",
            (None, ValueType::Limits) => "a set of limits",
            (None, ValueType::Reference) => "a reference",
            (None, ValueType::Watch) => "a watch",
            (None, ValueType::Json) => "an open payload",
        };
        if self.field.is_map() {
            format!("a map, each entry {kind}")
        } else {
            kind.to_owned()
        }
    }

    fn function(self) -> String {
        match (self.part, self.field.value_type()) {
            (None, ValueType::Build) => {
                format!("its parts, such as `{}-context`", self.field.name())
            }
            (None, ValueType::Limits) => "its parts, `limit-cpu-millis` and `limit-memory`".into(),
            (None, ValueType::Reference) => {
                "keys; what a reference means is the user's to say".into()
            }
            (None, ValueType::Watch) => "nothing; what is watched is the user's to say".into(),
            _ => self
                .description()
                .replacen("a map, each entry ", "an entry that is ", 1),
        }
    }

    /// The address that a write without key goes to.
    pub(crate) fn key(self) -> FactKey {
        self.entry(String::new())
    }

    /// The address that a write of an entry goes to.
    pub(crate) fn entry(self, key: String) -> FactKey {
        FactKey::entry(self.field, key).in_form(self.form.unwrap_or(Form::Any))
    }

    /// The form that a reader looks at.
    pub(crate) fn form_of(self, resource: &Resource) -> Form {
        self.form.unwrap_or_else(|| resource.main_form())
    }

    /// The build that it is a part of.
    pub(crate) fn build(self, resource: &Resource) -> Option<&Build> {
        resource.build(self.field)
    }

    /// The limits that it is a part of.
    pub(crate) fn limits(self, resource: &Resource) -> Option<&Limits> {
        resource.limits(self.form_of(resource))
    }

    /// The value of a single fact.
    pub(crate) fn value(self, resource: &Resource) -> Option<&FactValue> {
        resource
            .fact(self.field, self.form_of(resource))
            .map(|fact| &fact.value)
    }
}

/// The names under which a resource's main form has something to read, in order of field.
pub(crate) fn present(resource: &Resource) -> impl Iterator<Item = &'static str> {
    let form = resource.main_form();
    let mut fields: Vec<Field> = resource
        .facts
        .keys()
        .filter(|key| {
            let field = key.field;
            key.form == field.home(Form::Any) || key.form == field.home(form)
        })
        .map(|key| key.field)
        .collect();
    // Keys are in order of field.
    fields.dedup();
    fields.into_iter().flat_map(move |field| {
        let whole = field.value_type();
        let is_whole = !matches!(whole, ValueType::Build | ValueType::Limits);
        let parts = PARTS.iter().filter(move |(_, of, _)| *of == field);
        is_whole
            .then_some(field.name())
            .into_iter()
            .chain(parts.map(|(name, ..)| *name))
    })
}

fn unknown(text: &str) -> Mistake {
    let names = Field::ALL
        .iter()
        .map(|field| field.name())
        .chain(PARTS.iter().map(|(name, ..)| *name));
    // Comparing takes time in proportion to the length, and no clock runs while the host works.
    let near = (text.len() < 64)
        .then(|| aspire_model::name::nearest(text, names))
        .flatten();
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "interface {} has the facts of docs/facts.md",
            aspire_model::hook::INTERFACE_VERSION
        ),
    };
    Mistake::new(format!("there is no fact `{}`", shortened(text))).with_help(Some(help))
}

#[cfg(test)]
mod tests {
    use aspire_model::fact::Fact;
    use aspire_model::{Author, ResourceName, Shape};

    use super::*;

    #[test]
    fn every_name_is_read_and_written_back() {
        let names = Field::ALL
            .iter()
            .map(|field| field.name())
            .chain(PARTS.iter().map(|(name, ..)| *name));
        for text in names {
            assert_eq!(Name::parse(text).expect("it is in the table").text(), text);
        }
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        let unknown = Name::parse("imgae").unwrap_err();
        assert_eq!(unknown.message, "there is no fact `imgae`");
        assert_eq!(unknown.help.as_deref(), Some("did you mean `image`?"));
        assert_eq!(
            Name::parse("vm:env").unwrap_err().message,
            "`vm` is no form of a resource"
        );
        assert_eq!(
            Name::parse("process:image").unwrap_err().message,
            "`image` belongs to the form container"
        );
        let wrong = Name::parse("env")
            .and_then(|name| name.expect(Wanted::Text))
            .unwrap_err();
        assert_eq!(wrong.message, "`env` is a map, each entry a value");
        assert_eq!(
            wrong.help.as_deref(),
            Some("use the function for an entry that is a value")
        );
        let build = Name::parse("build")
            .and_then(|name| name.expect(Wanted::Text))
            .unwrap_err();
        assert_eq!(
            build.help.as_deref(),
            Some("use the function for its parts, such as `build-context`")
        );
    }

    #[test]
    fn forms_land_where_the_field_lives() {
        let key = |text| Name::parse(text).expect("valid").key().to_string();
        assert_eq!(key("process:args"), "process:args");
        assert_eq!(key("container:image"), "image");
        assert_eq!(key("env"), "env");
    }

    #[test]
    fn present_are_the_names_that_the_main_form_reads() {
        let author = Author::Host {
            pass: "test".into(),
            cause: None,
        };
        let name = ResourceName::new("x").expect("a name");
        let mut resource = Resource::new(name, "x", Shape::Container, author.clone());
        let text = || FactValue::Text("t".into());
        let facts = [
            (FactKey::single(Field::Image), text()),
            (FactKey::entry(Field::Env, "A"), text()),
            (FactKey::entry(Field::Env, "B"), text()),
            (
                FactKey::single(Field::Limits),
                FactValue::Limits(Limits::default()),
            ),
            (FactKey::single(Field::User).in_form(Form::Process), text()),
            (
                FactKey::single(Field::Args).in_form(Form::Container),
                text(),
            ),
            (FactKey::single(Field::Command), text()),
        ];
        for (key, value) in facts {
            let fact = Fact {
                value,
                authors: vec![author.clone()],
                overruled: Vec::new(),
            };
            resource.facts.insert(key, fact);
        }
        let names: Vec<&str> = present(&resource).collect();
        // Not `user`, which only the process form has.
        let expected = [
            "image",
            "command",
            "args",
            "env",
            "limit-cpu-millis",
            "limit-memory",
        ];
        assert_eq!(names, expected);
    }
}
