//! Where and with what the programs of an executable run: its folder, its environment, its user.
//!
//! Knows steps that have to succeed, such as a build, which may also be made ahead of a start.
//! Doesn't know the start itself.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use aspire_api::ObjectKey;
use aspire_api::aspire::Aspire;
use aspire_api::executable::{AmbientBehavior, AmbientEnvironment, Executable, ExecutableSpec};
use aspire_api::service;

use super::environment::{find_program, is_control, parse_file};
use super::run::{LastWords, run};
use crate::context::Context;
use crate::identity;
use crate::os::{Spawn, User};
use crate::ports;
use crate::runtime::OutputStream;
use crate::templates::{Scope, Viewpoint};

/// Folder, environment and user.
pub(super) struct Place {
    pub(super) folder: PathBuf,
    env: BTreeMap<OsString, OsString>,
    /// What its object and its files gave it.
    pub(super) given: BTreeMap<String, String>,
    path: Option<OsString>,
    user: Option<User>,
}

impl Place {
    /// The one of an executable.
    pub(super) async fn of(
        context: &Context,
        key: &ObjectKey,
        executable: &Executable,
        scope: &Scope<'_>,
        user: Option<User>,
    ) -> Result<Self, String> {
        let spec = &executable.spec;
        let folder = working_folder(context, spec.working_directory.as_deref())?;
        let mut own = BTreeMap::new();
        if let Some(user) = &user {
            own.insert("HOME".to_owned(), user.home.display().to_string());
            own.insert("USER".to_owned(), user.name.clone());
            own.insert("LOGNAME".to_owned(), user.name.clone());
        }
        let given = given(scope, spec).await?;
        own.extend(given.clone());
        let mut marks = super::launch::marks(context, key);
        let creator = context.creator.clone();
        marks.insert(identity::CREATOR_VARIABLE.to_owned(), creator);
        let env = surroundings(context, spec.ambient_environment.as_ref(), &own, marks);
        // One that inherits nothing is found all the same.
        let name = OsStr::new("PATH");
        let path = env.get(name).or(context.config.environment.get(name));
        Ok(Self {
            path: path.cloned(),
            folder,
            env,
            given,
            user,
        })
    }

    /// The program of a name.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        find_program(name, &self.folder, self.path.as_deref())
    }

    /// A start here.
    pub(super) fn spawn(
        &self,
        program: PathBuf,
        name: String,
        args: Vec<String>,
        stdin: bool,
    ) -> Spawn {
        Spawn {
            program,
            args: std::iter::once(name)
                .chain(args)
                .map(OsString::from)
                .collect(),
            env: self.env.clone().into_iter().collect(),
            directory: self.folder.clone(),
            stdin,
            user: self.user.clone(),
            files: None,
        }
    }

    /// The same for a process that is known by other marks than those of this run.
    pub(super) fn marked(mut self, marks: BTreeMap<String, String>) -> Self {
        for name in [
            identity::RUN_VARIABLE,
            identity::OBJECT_VARIABLE,
            identity::CREATOR_VARIABLE,
        ] {
            self.env.remove(OsStr::new(name));
        }
        let marks = marks.into_iter();
        self.env
            .extend(marks.map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Builds the program.
    pub(super) async fn build(
        &self,
        context: &Context,
        key: &ObjectKey,
        aspire: &Aspire,
        words: &LastWords,
    ) -> Result<(), String> {
        let Some((name, args)) = aspire.build_command.split_first() else {
            return Ok(());
        };
        let program = self.find(name).ok_or_else(|| missing(aspire, name))?;
        // Building needs nobody else's rights, and its results belong to whoever runs the host.
        let request = Spawn {
            user: None,
            ..self.spawn(program, name.clone(), args.to_vec(), false)
        };
        step(context, key, "the build", request, Vec::new(), words).await
    }
}

/// Builds the program of an executable, whatever becomes of the process that runs it meanwhile.
pub(crate) async fn build_ahead(
    context: &Context,
    key: &ObjectKey,
    executable: &Executable,
    words: &LastWords,
) -> Result<(), String> {
    let plain = Aspire::default();
    let aspire = executable.spec.aspire.as_ref().unwrap_or(&plain);
    // Its own ports are its own: a build that asks for one gets one that nothing listens on.
    let mut serving = BTreeMap::new();
    let mut reserved = Vec::new();
    for endpoint in service::endpoints(&executable.metadata, executable.spec.aspire.as_ref()) {
        let port = match endpoint.target_port {
            Some(port) => port,
            None => {
                let port = ports::reserve(endpoint.protocol).map_err(|error| error.to_string())?;
                let number = port.port;
                reserved.push(port);
                number
            }
        };
        serving.insert(endpoint.service, port);
    }
    let scope = context.scope(key, Viewpoint::Machine, serving, &|_| {});
    let place = Place::of(context, key, executable, &scope, None).await?;
    place.build(context, key, aspire, words).await
}

/// What is said of a program that is not there.
pub(super) fn missing(aspire: &Aspire, name: &str) -> String {
    match aspire.requires.get(name) {
        Some(hint) if !hint.is_empty() => format!("program `{name}` is missing: {hint}"),
        _ if name.contains('/') => format!("program `{name}` is missing or not executable"),
        _ => format!("program `{name}` is not on the PATH"),
    }
}

/// The variables that an object and its files give a process.
pub(crate) async fn given(
    scope: &Scope<'_>,
    spec: &ExecutableSpec,
) -> Result<BTreeMap<String, String>, String> {
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    for file in &spec.env_files {
        let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        given.extend(parse_file(&text).map_err(|error| format!("{file}: {error}"))?);
    }
    for variable in &spec.env {
        given.insert(variable.name.clone(), scope.resolve(&variable.value).await?);
    }
    given.retain(|name, _| !is_control(name.as_ref()));
    Ok(given)
}

/// The whole environment of a process: what it inherits, what it is given, our marks.
pub(crate) fn surroundings(
    context: &Context,
    ambient: Option<&AmbientEnvironment>,
    given: &BTreeMap<String, String>,
    marks: BTreeMap<String, String>,
) -> BTreeMap<OsString, OsString> {
    let mut env = match ambient.map(|ambient| ambient.behavior).unwrap_or_default() {
        AmbientBehavior::Inherit => context.config.environment.clone(),
        AmbientBehavior::DoNotInherit => BTreeMap::new(),
    };
    env.retain(|name, _| !is_control(name));
    let given = given.iter();
    env.extend(given.map(|(name, value)| (name.into(), value.into())));
    let marks = marks.into_iter();
    env.extend(marks.map(|(name, value)| (name.into(), value.into())));
    env
}

/// Where a process works, as the object says it.
pub(crate) fn working_folder(context: &Context, wanted: Option<&str>) -> Result<PathBuf, String> {
    let folder = context.config.app_folder.join(wanted.unwrap_or_default());
    if !folder.is_dir() {
        return Err(format!("working directory {} is missing", folder.display()));
    }
    Ok(folder)
}

/// A step before the start; its output becomes remarks in the log.
pub(super) async fn step(
    context: &Context,
    key: &ObjectKey,
    what: &str,
    request: Spawn,
    stdin: Vec<u8>,
    words: &LastWords,
) -> Result<(), String> {
    let log = context.log(key);
    let output = {
        let (log, keep) = (Arc::clone(&log), words.taker());
        Arc::new(move |stream, bytes: &[u8]| {
            log.write(OutputStream::System, bytes);
            keep(stream, bytes);
        })
    };
    let code = run(&context.spawner, key.to_string(), request, stdin, output).await;
    log.finish(OutputStream::System);
    match code {
        Ok(0) => Ok(()),
        Ok(code) => Err(format!("{what} failed with exit code {code}")),
        Err(error) => Err(format!("{what}: {error}")),
    }
}
