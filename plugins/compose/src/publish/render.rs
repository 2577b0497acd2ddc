//! Properties as YAML, with Compose's interpolation for what stands in `.env`.
//!
//! Relative paths are those of the app's folder, which the host says the way to.

use std::borrow::Cow;

use aspire_sdk::serde_json::{Map, Value as Json};
use aspire_sdk::yaml::Yaml;
use aspire_sdk::{Construct, Error, Expression, Segment};

use super::variables::Variables;
use crate::symbol::{Port, Symbol, percent_encode};

/// Keys that come first, in this order; the others follow by name.
const ORDER: [&str; 34] = [
    "image",
    "build",
    "context",
    "dockerfile",
    "type",
    "source",
    "target",
    "args",
    "pull_policy",
    "entrypoint",
    "command",
    "working_dir",
    "user",
    "environment",
    "env_file",
    "depends_on",
    "healthcheck",
    "test",
    "interval",
    "timeout",
    "start_period",
    "retries",
    "expose",
    "ports",
    "networks",
    "network_mode",
    "volumes",
    "scale",
    "cpus",
    "mem_limit",
    "deploy",
    "restart",
    "profiles",
    "stop_grace_period",
];

/// Makes YAML of properties and remembers the variables that it used.
pub(super) struct Renderer {
    variables: Variables,
    /// The way to the app's folder, ending with a slash.
    app: String,
}

impl Renderer {
    pub(super) fn new(variables: Variables, app: &str) -> Self {
        Self {
            variables,
            app: escaped(app).into_owned(),
        }
    }

    /// The variables, with those noted that were used.
    pub(super) fn into_variables(self) -> Variables {
        self.variables
    }

    /// All properties of a construct.
    pub(super) fn construct<'a>(&mut self, construct: &'a Construct) -> Result<Yaml<'a>, Error> {
        self.map(&construct.properties)
            .map_err(|error| error.at(&construct.origin, ""))
    }

    fn yaml<'a>(&mut self, value: &'a Json) -> Result<Yaml<'a>, Error> {
        match Symbol::of(value) {
            Some(Symbol::Expression(value)) => return self.expression(&value).map(Yaml::from),
            Some(Symbol::Path(path)) => return Ok(Yaml::from(self.path(&path))),
            Some(Symbol::Port(port)) => return Ok(Yaml::from(self.port(&port))),
            None => {}
        }
        match value {
            Json::String(text) => Ok(Yaml::Str(escaped(text))),
            Json::Array(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.push(self.yaml(item)?);
                }
                Ok(Yaml::List(list))
            }
            Json::Object(entries) => self.map(entries),
            other => Ok(Yaml::from(other)),
        }
    }

    fn map<'a>(&mut self, entries: &'a Map<String, Json>) -> Result<Yaml<'a>, Error> {
        let mut ranked: Vec<(usize, &String, &Json)> = entries
            .iter()
            .map(|(key, value)| (rank(key), key, value))
            .collect();
        ranked.sort_unstable_by_key(|(rank, key, _)| (*rank, *key));
        let mut map = Vec::with_capacity(ranked.len());
        for (_, key, value) in ranked {
            map.push((Cow::from(key), self.yaml(value)?));
        }
        Ok(Yaml::Map(map))
    }

    fn expression(&mut self, value: &Expression) -> Result<String, Error> {
        let mut text = String::new();
        for segment in value.segments() {
            let Segment { op, subject, .. } = segment;
            match op.as_str() {
                "lit" if segment.is_uri() => text.push_str(&percent_encode(subject)),
                "lit" => text.push_str(&escaped(subject)),
                "param" => text.push_str(&self.variables.parameter(subject, segment.is_uri())?),
                _ => {
                    let message = format!("{value} has no value in Compose");
                    return Err(Error::new("compose:unresolved", message));
                }
            }
        }
        Ok(text)
    }

    /// Absolute paths are the machine's; all others are in the app's folder.
    fn path(&self, path: &str) -> String {
        if path.starts_with('/') {
            return escaped(path).into_owned();
        }
        let inner = path.trim_start_matches("./").trim_end_matches('/');
        let inner = if inner == "." { "" } else { inner };
        format!("{}{}", self.app, escaped(inner))
    }

    fn port(&mut self, port: &Port) -> String {
        let published = self.variables.port(port);
        let protocol = if port.protocol == "udp" { "/udp" } else { "" };
        format!("{published}:{}{protocol}", port.target)
    }
}

/// Where a key stands among the others.
fn rank(key: &str) -> usize {
    // The first letter tells most of them apart; comparing texts is a call.
    let first = key.as_bytes().first();
    ORDER
        .iter()
        .position(|known| known.as_bytes().first() == first && *known == key)
        .unwrap_or(usize::MAX)
}

/// Text that Compose doesn't take for a variable.
fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains('$') {
        text.replace('$', "$$").into()
    } else {
        text.into()
    }
}
