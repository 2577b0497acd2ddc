//! An app with its plugins, ready to be compiled: the steps that most commands share.
//!
//! Knows the order parse, load, compile. Doesn't know what a command does with the model.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use aspire_compiler::document::ParameterEntry;
use aspire_compiler::{Compilation, Options, pipeline, source};
use aspire_model::merge::ForcedOwners;
use aspire_model::{Diagnostics, Mode};

use crate::app::{self, App};
use crate::error::{Exit, Problem};
use crate::host::Host;
use crate::instance::Instance;
use crate::params::store::{Store, Values};
use crate::params::{self, Found, Given};
use crate::plugins::{self, Set};
use crate::render::{self, Sources};

/// An app with its plugins.
pub(crate) struct Project {
    /// The app as written.
    pub(crate) app: App,
    /// Its plugins.
    pub(crate) set: Set,
    /// What parsing and loading found.
    pub(crate) diagnostics: Diagnostics,
}

/// Parses the app and loads its plugins.
///
/// # Errors
/// No app, or files and options that cannot be read. What is wrong inside is a diagnostic.
pub(crate) fn open(host: &Host) -> Result<Project> {
    if let Some(app) = app::open(host)? {
        let in_app = app.file.is_some();
        let (set, found) = plugins::load(host, &app.document.plugins, &app.folder, in_app, true)?;
        let mut diagnostics = app.diagnostics.clone();
        diagnostics.extend(found);
        return Ok(Project {
            app,
            set,
            diagnostics,
        });
    }
    open_alone(host)
}

/// Plugins without an app file: each with kinds becomes one resource of its first kind.
fn open_alone(host: &Host) -> Result<Project> {
    let (set, diagnostics) = plugins::load(host, &[], &host.here, false, true)?;
    let mut document = None;
    for member in &set.members {
        let descriptor = member.loaded.descriptor();
        let Some(kind) = descriptor.kinds.first() else {
            continue;
        };
        let name = member.loaded.id();
        let kind = format!("{}/{}", descriptor.id, kind.name);
        let because = format!("--plugin {}", member.aliases.join(", "));
        let Some(single) = source::single(name, name, &kind, &because) else {
            continue;
        };
        match &mut document {
            None => document = Some(single),
            Some(whole) => whole.resources.extend(single.resources),
        }
    }
    let document = match document {
        Some(document) => document,
        None if diagnostics.has_errors() => {
            let exit = render::report(&host.ui, &Sources::default(), &diagnostics);
            bail!(Reported(exit));
        }
        None => bail!(
            Problem::app("none of these plugins has a kind that could run alone")
                .help("write an aspire.toml: `aspire-host init`")
        ),
    };
    let app = App {
        folder: host.here.clone(),
        file: None,
        document,
        sources: Sources::default(),
        diagnostics: Diagnostics::new(),
    };
    Ok(Project {
        app,
        set,
        diagnostics,
    })
}

/// Everything that had to be said has been said; only the exit code is left.
#[derive(Debug, thiserror::Error)]
#[error("errors were found")]
pub(crate) struct Reported(pub(crate) Exit);

impl Project {
    /// Runs the passes. With errors from parsing or loading there is no model to speak of.
    ///
    /// # Errors
    /// Options that make no sense.
    pub(crate) fn compile(
        &self,
        host: &Host,
        mode: Mode,
        keep_stages: bool,
    ) -> Result<Compilation> {
        let options = self.options(host, mode, keep_stages)?;
        Ok(pipeline::compile(
            &self.app.document,
            &self.set.plugins,
            &options,
        ))
    }

    /// The compiler's options.
    ///
    /// # Errors
    /// Options that make no sense.
    pub(crate) fn options(&self, host: &Host, mode: Mode, keep_stages: bool) -> Result<Options> {
        let mut forced = ForcedOwners::new();
        for option in &host.options.force_owner {
            let (place, plugin) = option
                .rsplit_once('=')
                .ok_or_else(|| force_owner_usage(option))?;
            let (resource, fact) = place
                .split_once(':')
                .ok_or_else(|| force_owner_usage(option))?;
            let id = self.set.id_of(plugin).ok_or_else(|| {
                Problem::usage(format!(
                    "--force-owner {option}: there is no plugin `{plugin}`"
                ))
            })?;
            forced.insert((resource.to_owned(), fact.to_owned()), id.to_owned());
        }
        Ok(Options {
            mode,
            forced,
            parameters: self.known_parameters(host)?,
            keep_stages,
        })
    }

    /// Plain parameters of the app file that have a value already. What plugins declare is not
    /// known yet.
    fn known_parameters(&self, host: &Host) -> Result<BTreeMap<String, String>> {
        let document = &self.app.document;
        if document
            .parameters
            .iter()
            .all(|entry| entry.parameter.secret)
        {
            return Ok(BTreeMap::new());
        }
        let wanted = host.options.instance.as_deref();
        let kept = match Instance::find(self.folder(), &document.name, wanted)? {
            Some(instance) => Store::new(instance.data).load()?,
            None => Values::default(),
        };
        let names: Vec<&str> = document
            .parameters
            .iter()
            .map(|entry| entry.name.as_str())
            .collect();
        let given = Given::read(&host.options.params, self.folder(), &names)?;
        let value = |entry: &ParameterEntry| {
            let name = entry.name.as_str();
            let text = match params::find(name, &entry.parameter, &given, &kept) {
                Found::Value(value) => value.text,
                Found::Default(default) => default.as_literal()?.to_owned(),
                Found::Generate(_) | Found::Missing => return None,
            };
            Some((name.to_owned(), text))
        };
        Ok(document
            .parameters
            .iter()
            .filter(|entry| !entry.parameter.secret)
            .filter_map(value)
            .collect())
    }

    /// The model, with everything that was found on the way told.
    ///
    /// # Errors
    /// [`Reported`], when there were errors.
    pub(crate) fn model(&self, host: &Host, mode: Mode) -> Result<Compilation> {
        self.stop_on_errors(host, &self.diagnostics)?;
        let compilation = self.compile(host, mode, false)?;
        let mut all = self.diagnostics.clone();
        all.extend(compilation.diagnostics.clone());
        self.tell(host, &all)?;
        Ok(compilation)
    }

    /// Tells findings.
    ///
    /// # Errors
    /// [`Reported`], when there are errors among them.
    pub(crate) fn tell(&self, host: &Host, diagnostics: &Diagnostics) -> Result<()> {
        match render::report(&host.ui, &self.app.sources, diagnostics) {
            Exit::Fine => Ok(()),
            exit => bail!(Reported(exit)),
        }
    }

    /// Tells findings when there are errors among them.
    fn stop_on_errors(&self, host: &Host, diagnostics: &Diagnostics) -> Result<()> {
        if diagnostics.has_errors() {
            self.tell(host, diagnostics)
        } else {
            Ok(())
        }
    }

    /// The folder of the app.
    pub(crate) fn folder(&self) -> &Path {
        &self.app.folder
    }
}

fn force_owner_usage(option: &str) -> Problem {
    Problem::usage(format!(
        "--force-owner {option}: RESOURCE:FACT=PLUGIN is needed"
    ))
    .help("such as --force-owner cache:env.MODE=redis")
}
