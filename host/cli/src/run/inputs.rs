//! What a run needs from its user: values of parameters, and other images for the model's.
//!
//! Knows what is missing and asks for it. Doesn't know what a value is used for.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use aspire_model::{AppModel, Diagnostic, Diagnostics};
use toml_edit::DocumentMut;

use crate::error::Problem;
use crate::files;
use crate::host::Host;
use crate::instance::Instance;
use crate::params::store::Store;
use crate::params::{self, Given, Origin, Resolved, Value, generate};

/// Values of parameters for one run.
pub(crate) struct Inputs<'a> {
    host: &'a Host,
    model: &'a AppModel,
    store: Store,
    resolved: Resolved,
}

impl<'a> Inputs<'a> {
    /// What the sources say; nothing is asked or made up yet.
    ///
    /// # Errors
    /// A source that cannot be read.
    pub(crate) fn gather(
        host: &'a Host,
        model: &'a AppModel,
        folder: &Path,
        instance: &Instance,
    ) -> Result<(Self, Diagnostics)> {
        let names: Vec<&str> = model
            .iter()
            .map(|resource| resource.name.as_str())
            .collect();
        let given = Given::read(&host.options.params, folder, &names)?;
        let mut diagnostics = params::check_options(model, &given);
        let store = Store::new(&instance.data);
        let resolved = params::resolve(model, &given, &store.load()?);
        let inputs = Self {
            host,
            model,
            store,
            resolved,
        };
        let secret_in_dotenv = inputs.resolved.values.iter().any(|(name, value)| {
            matches!(value.origin, Origin::DotEnv(_)) && inputs.is_secret(name)
        });
        if secret_in_dotenv && params::dotenv_is_committed(folder) {
            diagnostics.push(
                Diagnostic::warning(
                    "dotenv-not-ignored",
                    "`.env` holds a secret and git does not ignore it",
                )
                .help("add a line `.env` to .gitignore"),
            );
        }
        Ok((inputs, diagnostics))
    }

    fn is_secret(&self, name: &str) -> bool {
        self.model
            .get(name)
            .and_then(|r| r.parameter())
            .is_some_and(|p| p.secret)
    }

    /// Values that are not secret.
    pub(crate) fn plain(&self) -> BTreeMap<String, String> {
        self.values(false)
    }

    /// Secret values.
    pub(crate) fn secrets(&self) -> BTreeMap<String, String> {
        self.values(true)
    }

    /// Every value.
    pub(crate) fn all(&self) -> BTreeMap<String, String> {
        let values = self.resolved.values.iter();
        values
            .map(|(name, value)| (name.clone(), value.text.clone()))
            .collect()
    }

    fn values(&self, secret: bool) -> BTreeMap<String, String> {
        let values = self
            .resolved
            .values
            .iter()
            .filter(|(name, _)| self.is_secret(name) == secret);
        values
            .map(|(name, value)| (name.clone(), value.text.clone()))
            .collect()
    }

    /// What was found out about every parameter, for [`Inputs::keep`].
    pub(crate) fn known(&self) -> BTreeMap<String, Value> {
        self.resolved.values.clone()
    }

    /// Values of a run count as long as it lasts. Defaults are the app file's, which may change.
    pub(crate) fn keep(&mut self, known: &BTreeMap<String, Value>) {
        for (name, value) in known {
            let is_parameter = |name: &str| {
                let resource = self.model.get(name);
                resource.is_some_and(|resource| resource.parameter().is_some())
            };
            if !matches!(value.origin, Origin::Default) && is_parameter(name) {
                self.resolved.values.insert(name.clone(), value.clone());
            }
        }
    }

    /// Whether every one of these has a value.
    pub(crate) fn has_all(&self, needed: &[String]) -> bool {
        needed
            .iter()
            .all(|name| self.resolved.values.contains_key(name))
    }

    /// Makes up and asks for what is needed and not there. What nobody can be asked for is a
    /// diagnostic.
    ///
    /// # Errors
    /// The terminal's, or the store's.
    pub(crate) fn complete(&mut self, needed: &[String]) -> Result<Diagnostics> {
        let mut diagnostics = Diagnostics::new();
        let missing: Vec<&String> = needed
            .iter()
            .filter(|name| !self.resolved.values.contains_key(*name))
            .collect();
        let mut made = BTreeMap::new();
        for name in &missing {
            if let Some(wanted) = self.resolved.generate.get(*name) {
                made.insert((*name).clone(), generate::password(*wanted));
            }
        }
        if !made.is_empty() {
            // Somebody else may have made one up meanwhile: the first one counts.
            let kept = self.store.change(|values| {
                for (name, text) in &made {
                    values
                        .generated
                        .entry(name.clone())
                        .or_insert_with(|| text.clone());
                }
                values.generated.clone()
            })?;
            for name in made.into_keys() {
                if let Some(text) = kept.get(&name) {
                    let value = Value {
                        text: text.clone(),
                        origin: Origin::Generated,
                    };
                    self.resolved.values.insert(name, value);
                }
            }
        }
        for name in missing {
            if self.resolved.values.contains_key(name) {
                continue;
            }
            if self.host.ui.interactive {
                let text = self.ask(name)?;
                self.resolved.values.insert(
                    name.clone(),
                    Value {
                        text,
                        origin: Origin::Asked,
                    },
                );
            } else {
                diagnostics.push(params::missing_diagnostic(self.model, name));
            }
        }
        Ok(diagnostics)
    }

    fn ask(&self, name: &str) -> Result<String> {
        let ui = &self.host.ui;
        let parameter = self.model.get(name).and_then(|r| r.parameter());
        let description = parameter
            .map(|p| p.description.as_str())
            .unwrap_or_default();
        let description = if description.is_empty() {
            String::new()
        } else {
            format!(" ({description})")
        };
        let question = format!("{name}{description}: ");
        let text = if self.is_secret(name) {
            ui.hidden_line(&question)?
        } else {
            ui.line(&question)?
        };
        if ui.confirm("Keep it for the next runs (outside the project)?")? {
            self.store
                .change(|values| values.set.insert(name.to_owned(), text.clone()))?;
        }
        Ok(text)
    }
}

/// The file of `--image-map`: a table `[images]`, official names to what is used instead.
///
/// # Errors
/// A file that cannot be read or says something else.
pub(crate) fn image_map(host: &Host) -> Result<BTreeMap<String, String>> {
    let Some(path) = &host.options.image_map else {
        return Ok(BTreeMap::new());
    };
    let Some(text) = files::read_optional(&host.here.join(path))? else {
        bail!(Problem::usage(format!(
            "there is no image map {}",
            path.display()
        )));
    };
    parse_images(&text)
        .map_err(|message| Problem::app(format!("{}: {message}", path.display())).into())
}

fn parse_images(text: &str) -> Result<BTreeMap<String, String>, String> {
    let document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let mut images = BTreeMap::new();
    for (key, item) in document.iter() {
        if key != "images" {
            return Err(format!(
                "unknown key `{key}`: there is only a table [images]"
            ));
        }
        let table = item.as_table_like().ok_or("`images` is no table")?;
        for (from, to) in table.iter() {
            let to = to.as_str().ok_or_else(|| format!("`{from}` is no text"))?;
            images.insert(whole_name(from), to.to_owned());
        }
    }
    Ok(images)
}

/// An image's name with its registry written out.
fn whole_name(name: &str) -> String {
    match name.split_once('/') {
        Some((registry, _)) if registry.contains(['.', ':']) || registry == "localhost" => {
            name.to_owned()
        }
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_maps() {
        let text = "[images]\n\"redis\" = \"standin.local/redis\"\n\"ollama/ollama\" = \"x/y:1\"\n\
                    \"quay.io/a/b\" = \"c\"\n";
        let images = parse_images(text).unwrap();
        assert_eq!(
            images.keys().collect::<Vec<_>>(),
            [
                "docker.io/library/redis",
                "docker.io/ollama/ollama",
                "quay.io/a/b"
            ]
        );
        assert!(parse_images("[image]\na = \"b\"").is_err());
        assert!(parse_images("[images]\na = 1").is_err());
    }
}
