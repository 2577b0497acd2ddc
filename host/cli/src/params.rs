//! Values of parameters: where they come from, in which order, and what is asked for.
//!
//! Knows sources. Doesn't know what a value is used for, and never prints one.

pub(crate) mod dotenv;
pub(crate) mod generate;
pub(crate) mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use aspire_model::annotation::{Generate, Parameter};
use aspire_model::expression::Op;
use aspire_model::name::variable_name;
use aspire_model::{AppModel, Diagnostic, Diagnostics, Expression};

use crate::error::Problem;
use crate::{env, files};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `--param`
    Option,
    /// An environment variable.
    Variable(String),
    /// The `.env` file beside the app.
    DotEnv(String),
    /// `param set`
    Store,
    /// Made up, once per instance.
    Generated,
    /// The declaration's default.
    Default,
    /// Asked for just now.
    Asked,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option => f.write_str("--param"),
            Self::Variable(name) => write!(f, "${name}"),
            Self::DotEnv(name) => write!(f, ".env ({name})"),
            Self::Store => f.write_str("param set"),
            Self::Generated => f.write_str("generated"),
            Self::Default => f.write_str("default"),
            Self::Asked => f.write_str("asked"),
        }
    }
}

/// A value. Its text has no `Debug`, so that it cannot slip into a log.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Value {
    /// The text.
    pub(crate) text: String,
    /// Where it came from.
    pub(crate) origin: Origin,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value(*** from {})", self.origin)
    }
}

/// The name of a parameter's environment variable.
pub(crate) fn variable_of(name: &str) -> String {
    format!("ASPIRE_PARAM_{}", variable_name(name))
}

/// Everything that was said before the store and the declaration are asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    options: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
    dotenv: BTreeMap<String, String>,
}

impl Given {
    /// Reads `--param`, the environment, and the `.env` beside the app.
    ///
    /// # Errors
    /// An option that is none, a file that cannot be read, a `.env` that makes no sense.
    pub(crate) fn read(options: &[String], folder: &Path, names: &[&str]) -> Result<Self> {
        let variables = names
            .iter()
            .filter_map(|name| {
                let variable = variable_of(name);
                // An empty variable is a value: the user set it.
                std::env::var(&variable).ok().map(|value| (variable, value))
            })
            .collect();
        let dotenv = match files::read_optional(&folder.join(".env"))? {
            Some(text) => dotenv::parse(&text).map_err(|line| {
                Problem::app(format!(".env:{line}: this is no `NAME=VALUE`"))
                    .help("quote values with spaces: NAME=\"a value\"; comments begin with #")
            })?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            options: parse_options(options)?,
            variables,
            dotenv,
        })
    }

    /// Names that `--param` gave.
    pub(crate) fn option_names(&self) -> impl Iterator<Item = &str> {
        self.options.keys().map(String::as_str)
    }
}

/// `NAME=VALUE` and `NAME=@FILE`; a file's last newline does not count.
fn parse_options(options: &[String]) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for option in options {
        // The value may be a secret: only the name is ever repeated.
        let Some((name, value)) = option.split_once('=') else {
            bail!(Problem::usage("--param needs NAME=VALUE or NAME=@FILE"));
        };
        values.insert(
            name.to_owned(),
            literal_or_file(value).with_context(|| format!("--param {name}"))?,
        );
    }
    Ok(values)
}

/// The text itself, or what is in the file behind an `@`.
pub(crate) fn literal_or_file(value: &str) -> Result<String> {
    let Some(path) = value.strip_prefix('@') else {
        return Ok(value.to_owned());
    };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    Ok(text
        .strip_suffix('\n')
        .map(|text| text.strip_suffix('\r').unwrap_or(text))
        .unwrap_or(&text)
        .to_owned())
}

/// What the sources say about one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// This.
    Value(Value),
    /// Nothing; the host makes one up.
    Generate(Generate),
    /// Nothing; this expression stands for it.
    Default(Expression),
    /// Nothing at all.
    Missing,
}

/// Asks the sources in their order.
pub(crate) fn find(
    name: &str,
    parameter: &Parameter,
    given: &Given,
    store: &store::Values,
) -> Found {
    let variable = variable_of(name);
    let value = |text: &String, origin: Origin| {
        Found::Value(Value {
            text: text.clone(),
            origin,
        })
    };
    if let Some(text) = given.options.get(name) {
        return value(text, Origin::Option);
    }
    if let Some(text) = given.variables.get(&variable) {
        return value(text, Origin::Variable(variable));
    }
    if let Some(text) = given.dotenv.get(&variable) {
        return value(text, Origin::DotEnv(variable));
    }
    if let Some(text) = store.set.get(name) {
        return value(text, Origin::Store);
    }
    if let Some(default) = &parameter.default {
        return Found::Default(default.clone());
    }
    match (parameter.generate, store.generated.get(name)) {
        (Some(_), Some(text)) => value(text, Origin::Generated),
        (Some(generate), None) => Found::Generate(generate),
        (None, _) => Found::Missing,
    }
}

/// Values of all parameters of a model, as far as the sources have them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resolved {
    /// By name.
    pub(crate) values: BTreeMap<String, Value>,
    /// To be made up.
    pub(crate) generate: BTreeMap<String, Generate>,
    /// Nobody knows.
    pub(crate) missing: Vec<String>,
}

/// Looks up every parameter of a model. Nothing is made up and nothing is asked.
pub(crate) fn resolve(model: &AppModel, given: &Given, store: &store::Values) -> Resolved {
    let mut resolved = Resolved::default();
    let mut defaults: Vec<(String, Expression)> = Vec::new();
    for resource in model.iter() {
        let Some(parameter) = resource.parameter() else {
            continue;
        };
        let name = resource.name.as_str();
        match find(name, parameter, given, store) {
            Found::Value(value) => {
                resolved.values.insert(name.to_owned(), value);
            }
            Found::Generate(generate) => {
                resolved.generate.insert(name.to_owned(), generate);
            }
            Found::Default(default) => defaults.push((name.to_owned(), default)),
            Found::Missing => resolved.missing.push(name.to_owned()),
        }
    }
    // A default may refer to other parameters, in any order.
    while !defaults.is_empty() {
        let before = defaults.len();
        defaults.retain(
            |(name, default)| match default_text(default, &resolved.values) {
                Some(text) => {
                    resolved.values.insert(
                        name.clone(),
                        Value {
                            text,
                            origin: Origin::Default,
                        },
                    );
                    false
                }
                None => true,
            },
        );
        if defaults.len() == before {
            resolved
                .missing
                .extend(defaults.into_iter().map(|(name, _)| name));
            break;
        }
    }
    resolved
}

fn default_text(default: &Expression, values: &BTreeMap<String, Value>) -> Option<String> {
    let mut text = String::new();
    for segment in default.segments() {
        let part = match &segment.op {
            Op::Literal(literal) => literal,
            Op::Parameter(name) => &values.get(name)?.text,
            _ => return None,
        };
        if segment.uri {
            text.push_str(&aspire_model::evaluate::percent_encode(part));
        } else {
            text.push_str(part);
        }
    }
    Some(text)
}

/// What to say about a parameter without a value where nobody can be asked.
pub(crate) fn missing_diagnostic(model: &AppModel, name: &str) -> Diagnostic {
    let resource = model.get(name);
    let secret = resource
        .and_then(|r| r.parameter())
        .is_some_and(|p| p.secret);
    let word = if secret {
        "secret parameter"
    } else {
        "parameter"
    };
    let mut diagnostic = Diagnostic::error(
        "missing-parameter",
        format!("the {word} `{name}` has no value"),
    )
    .about(name)
    .help(format!(
        "set it: `aspire-host param set {name}`, or the environment variable {}",
        variable_of(name)
    ));
    if let Some(resource) = resource {
        diagnostic = diagnostic.by(&resource.origin);
    }
    diagnostic
}

/// `--param` for something that is no parameter of the model.
pub(crate) fn check_options(model: &AppModel, given: &Given) -> Diagnostics {
    let names = || {
        model
            .iter()
            .filter(|r| r.parameter().is_some())
            .map(|r| r.name.as_str())
    };
    given
        .option_names()
        .filter(|name| !names().any(|known| known == *name))
        .map(|name| {
            Diagnostic::error(
                "unknown-parameter",
                format!("--param: there is no parameter `{name}`"),
            )
            .suggest(name, names())
        })
        .collect()
}

/// Whether git would commit the `.env` file beside the app: worth a warning when it holds a secret.
pub(crate) fn dotenv_is_committed(folder: &Path) -> bool {
    let repository = folder.ancestors().any(|above| above.join(".git").exists());
    if !repository || crate::programs::find("git", &env::program_path()).is_none() {
        return false;
    }
    std::process::Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["check-ignore", "--quiet", ".env"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.code() == Some(1))
}

#[cfg(test)]
mod tests;
