//! Loading: from sources to plugins that can be called, several at once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use aspire_model::diagnostic::Blame;
use aspire_model::hook::Descriptor;
use aspire_model::{Author, Diagnostic};
use wasmtime::component::{Component, Linker};

use crate::cache::{Cache, Record, sha256};
use crate::call::{self, Guest};
use crate::descriptor;
use crate::engine::Runtime;
use crate::error::{HostError, LoadError};
use crate::limits::Limits;
use crate::loaded::Loaded;
use crate::locate::{Source, locate};
use crate::state::{CallState, Identity, Role};
use crate::survey::{Hook, Survey};
use crate::text::printable;

/// What a host works with.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// What plugins may use.
    pub limits: Limits,
    /// Where compiled code is kept; none: nowhere, everything is compiled at every start.
    pub cache_dir: Option<PathBuf>,
    /// Folders in which plugins are found by name, in order.
    pub plugin_path: Vec<PathBuf>,
}

/// Loads plugins. One is enough for a process; the engine below is shared in any case.
pub struct PluginHost {
    runtime: Runtime,
    linker: Linker<CallState>,
    limits: Arc<Limits>,
    cache: Option<Cache>,
    plugin_path: Vec<PathBuf>,
    warnings: Vec<Diagnostic>,
}

impl std::fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginHost")
            .field("plugin_path", &self.plugin_path)
            .finish_non_exhaustive()
    }
}

/// What became of a list of sources.
#[derive(Debug, Default)]
pub struct LoadResult {
    /// The plugins, in order of id, each once.
    pub plugins: Vec<Arc<Loaded>>,
    /// For each source the plugin that it is, if it could be loaded.
    pub sources: Vec<Option<Arc<Loaded>>>,
    /// What went wrong, in order of the sources.
    pub errors: Vec<LoadError>,
}

impl PluginHost {
    /// Starts the engine and opens the cache.
    ///
    /// # Errors
    /// The machine cannot run WebAssembly. A cache that cannot be used is a
    /// [warning](Self::warnings) and no error.
    pub fn new(config: Config) -> Result<Self, HostError> {
        let runtime = Runtime::shared().map_err(HostError)?;
        let linker = call::linker(&runtime).map_err(|error| HostError(format!("{error:#}")))?;
        let mut warnings = Vec::new();
        let cache = config.cache_dir.as_deref().and_then(|folder| {
            Cache::open(folder, &runtime)
                .map_err(|reason| warnings.push(no_cache(&reason)))
                .ok()
        });
        Ok(Self {
            runtime,
            linker,
            limits: Arc::new(config.limits),
            cache,
            plugin_path: config.plugin_path,
            warnings,
        })
    }

    /// What there was to say about the cache.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Folders in which plugins are found by name.
    pub fn plugin_path(&self) -> &[PathBuf] {
        &self.plugin_path
    }

    /// Loads several plugins in parallel. The result does not depend on the order of the sources,
    /// but for the order of errors.
    pub fn load(&self, sources: &[Source]) -> LoadResult {
        let mut result = LoadResult::default();
        let mut by_id: BTreeMap<String, Arc<Loaded>> = BTreeMap::new();
        for loaded in self.load_all(sources) {
            match loaded {
                Ok(loaded) => {
                    let known = by_id
                        .entry(loaded.id().to_owned())
                        .or_insert_with(|| loaded.clone());
                    let same = known.digest() == loaded.digest();
                    if !same {
                        result.errors.push(twice(known, &loaded));
                    }
                    result.sources.push(same.then(|| Arc::clone(known)));
                }
                Err(error) => {
                    result.errors.push(error);
                    result.sources.push(None);
                }
            }
        }
        result.plugins = by_id.into_values().collect();
        result
    }

    /// Loads one plugin.
    ///
    /// # Errors
    /// The first reason why it cannot be used.
    pub fn load_one(&self, source: &Source) -> Result<Arc<Loaded>, LoadError> {
        match source {
            Source::Named { value, base } => {
                let file = locate(value, base, &self.plugin_path)?;
                let origin = if file.parent() == Some(base) {
                    value
                } else {
                    &shown(&file)
                };
                self.load_file(origin, &file)
            }
            Source::File(file) => self.load_file(&shown(file), file),
            Source::Bytes { name, contents } => {
                let size = contents.len() as u64;
                self.check_size(name, size)?;
                let from = Origin {
                    name,
                    file: None,
                    size,
                };
                self.load_contents(from, contents, &sha256(contents))
            }
        }
    }

    fn load_all(&self, sources: &[Source]) -> Vec<Result<Arc<Loaded>, LoadError>> {
        let workers = thread::available_parallelism()
            .map_or(1, usize::from)
            .min(sources.len());
        if workers < 2 {
            return sources.iter().map(|source| self.load_one(source)).collect();
        }
        let next = AtomicUsize::new(0);
        let done = Mutex::new(BTreeMap::new());
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(source) = sources.get(index) else {
                    break;
                };
                let loaded = self.load_one(source);
                done.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(index, loaded);
            }
        };
        thread::scope(|scope| {
            // This thread works too, so that a machine without threads to spare only takes longer.
            for _ in 1..workers {
                let _ = thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
        done.into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .into_values()
            .collect()
    }

    fn check_size(&self, origin: &str, size: u64) -> Result<(), LoadError> {
        let limit = self.limits.component_bytes;
        if size > limit {
            return Err(LoadError::TooLarge {
                origin: origin.into(),
                size,
                limit,
            });
        }
        Ok(())
    }

    fn load_file(&self, origin: &str, file: &Path) -> Result<Arc<Loaded>, LoadError> {
        let unreadable = |error: std::io::Error| LoadError::Unreadable {
            origin: origin.into(),
            reason: error.to_string(),
        };
        let metadata = fs::metadata(file).map_err(unreadable)?;
        if !metadata.is_file() {
            let reason = "it is no file".into();
            return Err(LoadError::Unreadable {
                origin: origin.into(),
                reason,
            });
        }
        self.check_size(origin, metadata.len())?;
        let from = Origin {
            name: origin,
            file: Some(file),
            size: metadata.len(),
        };
        if let Some(cache) = &self.cache
            && let Some(digest) = cache.digest_of(&metadata)
            && let Some((component, record)) = cache.find(&self.runtime.engine, &digest)
        {
            return self.use_cached(from, &digest, &component, record);
        }
        let contents = fs::read(file).map_err(unreadable)?;
        self.check_size(origin, contents.len() as u64)?;
        let digest = sha256(&contents);
        let loaded = self.load_contents(from, &contents, &digest)?;
        if let Some(cache) = &self.cache {
            cache.remember(&metadata, &digest);
        }
        Ok(loaded)
    }

    fn load_contents(
        &self,
        from: Origin<'_>,
        contents: &[u8],
        digest: &str,
    ) -> Result<Arc<Loaded>, LoadError> {
        let survey = Survey::of(from.name, contents)?;
        let cached = self
            .cache
            .as_ref()
            .and_then(|c| c.find(&self.runtime.engine, digest));
        match cached {
            Some((component, record)) => self.use_cached(from, digest, &component, record),
            None => self.compile(from, contents, digest, survey),
        }
    }

    fn use_cached(
        &self,
        from: Origin<'_>,
        digest: &str,
        component: &Component,
        record: Record,
    ) -> Result<Arc<Loaded>, LoadError> {
        let guest = self.link(from.name, digest, component, &record.survey)?;
        Ok(self.finish(from, guest, record, true, Vec::new()))
    }

    fn compile(
        &self,
        from: Origin<'_>,
        contents: &[u8],
        digest: &str,
        survey: Survey,
    ) -> Result<Arc<Loaded>, LoadError> {
        let origin = from.name;
        let component = Component::from_binary(&self.runtime.engine, contents)
            .map_err(|error| refused(origin, &error))?;
        let guest = self.link(origin, digest, &component, &survey)?;
        let (descriptor, impure) = describe(origin, &guest, &survey)?;
        let record = Record {
            survey,
            descriptor,
            impure,
        };
        let mut warnings = Vec::new();
        if let Some(cache) = &self.cache {
            let stored = match component.serialize() {
                Ok(code) => cache
                    .store(digest, &code, record.clone())
                    .map_err(|error| error.to_string()),
                Err(error) => Err(format!("{error:#}")),
            };
            if let Err(reason) = stored {
                warnings.push(no_cache(&reason));
            }
        }
        Ok(self.finish(from, guest, record, false, warnings))
    }

    fn link(
        &self,
        origin: &str,
        digest: &str,
        component: &Component,
        survey: &Survey,
    ) -> Result<Guest, LoadError> {
        let identity = Identity {
            id: Arc::from(survey.manifest.id.as_str()),
            version: Arc::from(survey.manifest.version.to_string()),
            digest: Arc::from(digest),
        };
        let limits = Arc::clone(&self.limits);
        let identity = Arc::new(identity);
        Guest::link(
            &self.runtime,
            &self.linker,
            component,
            survey,
            identity,
            limits,
        )
        .map_err(|error| refused(origin, &error))
    }

    fn finish(
        &self,
        from: Origin<'_>,
        guest: Guest,
        record: Record,
        from_cache: bool,
        mut warnings: Vec<Diagnostic>,
    ) -> Arc<Loaded> {
        let Record {
            survey,
            descriptor,
            impure,
        } = record;
        let id = &guest.identity.id;
        warnings.extend(
            impure
                .iter()
                .map(|what| impurity(format!("plugin {id}, describe: it asked for {what}"))),
        );
        Arc::new(Loaded {
            descriptor,
            origin: from.name.to_owned(),
            file: from.file.map(Path::to_owned),
            size: from.size,
            from_cache,
            warnings,
            guest,
            survey,
        })
    }
}

/// Where a plugin comes from, as far as it is known before it is read.
#[derive(Clone, Copy)]
struct Origin<'a> {
    name: &'a str,
    file: Option<&'a Path>,
    size: u64,
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn refused(origin: &str, error: &wasmtime::Error) -> LoadError {
    let reason = format!("{error:#}");
    LoadError::Refused {
        origin: origin.into(),
        reason: printable(&reason, false),
    }
}

/// Calls `describe` and checks what comes of it.
fn describe(
    origin: &str,
    guest: &Guest,
    survey: &Survey,
) -> Result<(Descriptor, Vec<String>), LoadError> {
    let author = Author::Plugin {
        plugin: Arc::clone(&guest.identity.id),
        version: Arc::clone(&guest.identity.version),
        pass: "describe".into(),
        cause: None,
        operator: false,
    };
    let (identity, limits) = (Arc::clone(&guest.identity), Arc::clone(&guest.limits));
    let state = CallState::new(identity, limits, Role::Describe, author, "describe".into());
    let state = guest
        .call(Hook::Descriptor, "", state)
        .map_err(|failure| LoadError::Describe(Box::new(failure)))?;
    let descriptor = state.output.descriptor;
    descriptor::check(&descriptor, survey).map_err(|reason| LoadError::Descriptor {
        origin: origin.into(),
        id: survey.manifest.id.clone(),
        reason,
    })?;
    Ok((descriptor, state.impure.into_iter().collect()))
}

fn twice(one: &Loaded, other: &Loaded) -> LoadError {
    let mut both = [one, other].map(|plugin| {
        let digest = plugin.digest();
        format!(
            "{} (sha256 {})",
            plugin.origin(),
            digest.get(..12).unwrap_or(digest)
        )
    });
    both.sort();
    let [first, second] = both;
    LoadError::Twice {
        id: one.id().to_owned(),
        first,
        second,
    }
}

fn no_cache(reason: &str) -> Diagnostic {
    let message = format!("compiled plugins cannot be kept: {reason}");
    Diagnostic::warning("plugin-cache", message)
        .help("plugins are compiled at every start until that is solved")
        .blame(Blame::Environment)
}

/// A stub that matters was called.
pub(crate) fn impurity(what: String) -> Diagnostic {
    Diagnostic::warning(
        "impure-plugin",
        format!("{what}, which build-time hooks don't have"),
    )
    .help(
        "it got a fixed answer, so that equal inputs give equal outputs; tell the plugin's author",
    )
    .blame(Blame::Plugin)
}
