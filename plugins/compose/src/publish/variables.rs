//! The variables of `.env`: their names, how they are referred to, and which of them are used.
//!
//! No value of a parameter is known here, only defaults that are no secret.

use std::collections::{BTreeMap, BTreeSet};

use aspire_sdk::{Construct, Error, Graph};

use crate::symbol::{PARAMETER, Port, percent_encode};

/// Variables that a shell has for itself. Compose would take those instead of `.env`.
const SHELL: [&str; 16] = [
    "EDITOR", "HOME", "HOSTNAME", "LANG", "LOGNAME", "MAIL", "OLDPWD", "PAGER", "PATH", "PWD",
    "SHELL", "TERM", "TMPDIR", "TZ", "UID", "USER",
];

/// One line of `.env.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Comment.
    pub(super) description: String,
    /// What stands there, ready to be used; none: it has to be filled in.
    pub(super) sample: Option<String>,
    /// Compose refuses to start without it.
    pub(super) required: bool,
}

#[derive(Debug, Clone)]
struct Parameter {
    variable: String,
    description: String,
    secret: bool,
    generated: bool,
    special: bool,
    default: Option<String>,
}

/// All that may be used and all that was.
#[derive(Debug)]
pub(super) struct Variables {
    parameters: BTreeMap<String, Parameter>,
    /// By what they are for: a parameter's encoded form, a port.
    further: BTreeMap<String, String>,
    taken: BTreeSet<String>,
    used: BTreeMap<String, Entry>,
}

impl Variables {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut variables = Self {
            parameters: BTreeMap::new(),
            further: BTreeMap::new(),
            taken: BTreeSet::new(),
            used: BTreeMap::new(),
        };
        for construct in graph
            .constructs
            .values()
            .filter(|node| node.type_name == PARAMETER)
        {
            let variable = variables.name(&construct.name);
            let parameter = Parameter::of(construct, variable);
            variables
                .parameters
                .insert(construct.name.clone(), parameter);
        }
        variables
    }

    /// Those that were used, by name.
    pub(super) fn used(&self) -> &BTreeMap<String, Entry> {
        &self.used
    }

    /// A name that nobody else has.
    fn name(&mut self, wish: &str) -> String {
        let mut name: String = wish
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_uppercase()
                } else {
                    '_'
                }
            })
            .collect();
        if SHELL.contains(&name.as_str())
            || name.starts_with("COMPOSE_")
            || name.starts_with("DOCKER_")
        {
            name = format!("APP_{name}");
        }
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    fn further(&mut self, wish: &str) -> String {
        if let Some(name) = self.further.get(wish) {
            return name.clone();
        }
        let name = self.name(wish);
        self.further.insert(wish.to_owned(), name.clone());
        name
    }

    /// What stands for a parameter's value, percent-encoded or not.
    pub(super) fn parameter(&mut self, name: &str, uri: bool) -> Result<String, Error> {
        let Some(parameter) = self.parameters.get(name).cloned() else {
            let message = format!("there is no parameter `{name}` in the graph");
            return Err(Error::new("compose:unknown-parameter", message));
        };
        let mut description = parameter.text(name);
        let mut variable = parameter.variable.clone();
        let mut default = parameter.default.clone();
        if uri {
            // What the host makes up of letters and digits is its own encoded form.
            if !parameter.generated || parameter.special {
                variable = self.further(&format!("{name}-uri"));
                description = format!(
                    "{}, percent-encoded for use in a URL: {description}",
                    parameter.variable
                );
                default = default.map(|text| percent_encode(&text));
            }
        }
        // What Compose 1.29 and 2 both take as a default, and read alike.
        let inline = default.as_ref().filter(|text| {
            !text
                .chars()
                .any(|c| matches!(c, '$' | '{' | '}') || c.is_control())
        });
        let text = match inline {
            Some(text) => format!("${{{variable}:-{text}}}"),
            None => format!("${{{variable}:?set {variable} in .env}}"),
        };
        let required = inline.is_none();
        self.used.insert(
            variable,
            Entry {
                description,
                sample: default,
                required,
            },
        );
        Ok(text)
    }

    /// What stands for a port of the machine.
    pub(super) fn port(&mut self, port: &Port) -> String {
        let variable = self.further(&port.variable);
        let text = format!("${{{variable}:-{}}}", port.published);
        let entry = Entry {
            description: port.description.clone(),
            sample: Some(port.published.clone()),
            required: false,
        };
        self.used.insert(variable, entry);
        text
    }
}

impl Parameter {
    fn of(construct: &Construct, variable: String) -> Self {
        let property = |name: &str| construct.properties.get(name);
        let flag = |name: &str| {
            property(name)
                .and_then(|value| value.as_bool())
                .unwrap_or(false)
        };
        let text = |name: &str| {
            property(name)
                .and_then(|value| value.as_str())
                .map(str::to_owned)
        };
        Self {
            variable,
            description: text("description").unwrap_or_default(),
            secret: flag("secret"),
            generated: property("generated")
                .and_then(|value| value.as_u64())
                .is_some_and(|n| n > 0),
            special: flag("special"),
            default: text("default"),
        }
    }

    /// Its line in `.env.example`.
    fn text(&self, name: &str) -> String {
        let mut text = self
            .description
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        if text.is_empty() {
            text = format!("The parameter `{name}`");
        }
        if self.secret {
            text.push_str(" (secret)");
        }
        if self.generated && !self.special {
            text.push_str(". Letters and digits only, such as from: openssl rand -hex 24");
        } else if self.generated {
            text.push_str(". Such as from: openssl rand -base64 24");
        }
        text
    }
}
