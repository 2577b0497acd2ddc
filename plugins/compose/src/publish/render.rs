//! Properties as YAML, with Compose's interpolation for what stands in `.env`.
//!
//! Relative paths are those of the app's folder, which the host says the way to.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aspire_sdk::serde_json::{Map, Value as Json};
use aspire_sdk::yaml::Yaml;
use aspire_sdk::{Construct, Error, Expression, Segment};

use super::variables::Variables;
use crate::symbol::{Port, Symbol, percent_encode};

/// Keys that come first, in this order; the others follow by name.
const ORDER: &str = "image build context dockerfile type source target args pull_policy entrypoint \
    command working_dir user environment env_file depends_on healthcheck test interval timeout \
    start_period retries expose ports networks network_mode volumes scale cpus mem_limit deploy \
    restart profiles stop_grace_period";

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
            app: escaped(app),
        }
    }

    /// The variables, with those noted that were used.
    pub(super) fn into_variables(self) -> Variables {
        self.variables
    }

    /// All properties of a construct.
    pub(super) fn construct(&mut self, construct: &Construct) -> Result<Yaml, Error> {
        self.map(&construct.properties)
            .map_err(|error| error.at(&construct.origin, ""))
    }

    fn yaml(&mut self, value: &Json) -> Result<Yaml, Error> {
        match Symbol::of(value) {
            Some(Symbol::Expression(value)) => return self.expression(&value).map(Yaml::Str),
            Some(Symbol::Path(path)) => return Ok(Yaml::Str(self.path(&path))),
            Some(Symbol::Port(port)) => return Ok(Yaml::Str(self.port(&port))),
            None => {}
        }
        match value {
            Json::String(text) => Ok(Yaml::Str(escaped(text))),
            Json::Array(items) => {
                let items: Result<Vec<Yaml>, Error> =
                    items.iter().map(|item| self.yaml(item)).collect();
                items.map(Yaml::List)
            }
            Json::Object(entries) => self.map(entries),
            other => Ok(Yaml::from(other)),
        }
    }

    fn map(&mut self, entries: &Map<String, Json>) -> Result<Yaml, Error> {
        let mut entries: Vec<(&String, &Json)> = entries.iter().collect();
        entries.sort_by_cached_key(|(key, _)| (rank(key), *key));
        let entries: Result<Vec<(String, Yaml)>, Error> = entries
            .into_iter()
            .map(|(key, value)| Ok((key.clone(), self.yaml(value)?)))
            .collect();
        entries.map(Yaml::Map)
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
            return escaped(path);
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
    static RANKS: LazyLock<BTreeMap<&str, usize>> =
        LazyLock::new(|| ORDER.split(' ').zip(0..).collect());
    RANKS.get(key).copied().unwrap_or(usize::MAX)
}

/// Text that Compose doesn't take for a variable.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}
