//! Everything that can be known before the first effect: ports, programs, files, folders. All of
//! it is looked at, so that all of it is told at once.
//!
//! Knows this machine and workload objects. Starts nothing.

use std::fs::File;
use std::path::{Path, PathBuf};

use aspire_api::aspire::Aspire;
use aspire_api::container::{ContainerSpec, VolumeMountKind};
use aspire_api::executable::ExecutableSpec;
use aspire_api::object::Object;
use aspire_api::service::{Protocol, Service};
use aspire_api::template::{self, Piece};
use aspire_compiler::run::RunPlan;
use aspire_model::diagnostic::{Blame, Diagnostic, Diagnostics};
use aspire_model::provenance::Author;
use aspire_model::{AppModel, Field, Form};

use crate::programs;

/// What is looked at, and what was found.
struct Preflight<'a> {
    model: &'a AppModel,
    path: Vec<PathBuf>,
    found: Diagnostics,
}

/// Looks at everything but ports.
pub(crate) fn check(model: &AppModel, plan: &RunPlan, folders: &[&Path]) -> Diagnostics {
    let mut preflight = Preflight {
        model,
        path: crate::env::program_path(),
        found: Diagnostics::new(),
    };
    for object in &plan.objects {
        match object {
            Object::Executable(executable) => {
                preflight.executable(executable.metadata.resource(), &executable.spec);
            }
            Object::Container(container) => {
                preflight.container(container.metadata.resource(), &container.spec);
            }
            _ => {}
        }
    }
    for folder in folders {
        if let Err(error) = tempfile::tempfile_in(folder).and_then(|mut file| {
            std::io::Write::write_all(&mut file, &[0; 4096]).and_then(|()| file.sync_all())
        }) {
            preflight.found.push(
                Diagnostic::error(
                    "cannot-write",
                    format!("cannot write to {}: {error}", folder.display()),
                )
                .blame(Blame::Environment)
                .help("make room there, or make it writable"),
            );
        }
    }
    preflight.found
}

/// Looks at the fixed ports.
pub(crate) fn check_ports(model: &AppModel, plan: &RunPlan) -> Diagnostics {
    let mut preflight = Preflight {
        model,
        path: Vec::new(),
        found: Diagnostics::new(),
    };
    for object in &plan.objects {
        if let Object::Service(service) = object {
            preflight.service(service);
        }
    }
    preflight.found
}

impl Preflight<'_> {
    /// An error about a resource, at the fact that it comes from.
    fn error(&mut self, resource: &str, field: Field, code: &str, message: String, help: &str) {
        self.found.push(
            self.place(resource, field, Diagnostic::error(code, message))
                .blame(Blame::Environment)
                .help(help),
        );
    }

    fn place(&self, resource: &str, field: Field, diagnostic: Diagnostic) -> Diagnostic {
        let diagnostic = diagnostic.about(resource);
        let Some(found) = self.model.get(resource) else {
            return diagnostic;
        };
        let fact = found
            .facts
            .iter()
            .find(|(key, _)| key.field == field && key.form != Form::Any)
            .or_else(|| found.facts.iter().find(|(key, _)| key.field == field))
            .map(|(_, fact)| fact);
        match fact.and_then(|fact| fact.authors.first()) {
            Some(author @ Author::App { .. }) => diagnostic.at(author.span().cloned()),
            Some(author) => diagnostic.by(author),
            None => diagnostic.by(&found.origin),
        }
    }

    fn executable(&mut self, resource: &str, spec: &ExecutableSpec) {
        let aspire = spec.aspire.clone().unwrap_or_default();
        self.requires(resource, &aspire);
        let built = aspire.build_command.first();
        if let Some(program) = built {
            self.program(resource, Field::BuildCommand, program, &aspire);
        } else if let Some(program) = literal(&spec.executable_path) {
            self.program(resource, Field::Command, &program, &aspire);
        }
        for step in &aspire.prepare {
            if let Some(program) = literal(&step.command) {
                self.program(resource, Field::Prepare, &program, &aspire);
            }
        }
        if let Some(folder) = &spec.working_directory
            && !Path::new(folder).is_dir()
        {
            let message = format!("`{resource}` starts in {folder}, which is no folder");
            self.error(
                resource,
                Field::WorkingDirectory,
                "no-folder",
                message,
                "make it, or correct `cwd`",
            );
        }
        self.env_files(resource, &spec.env_files);
        for file in aspire.files.values() {
            self.source(resource, file.source.as_deref());
        }
    }

    fn requires(&mut self, resource: &str, aspire: &Aspire) {
        for (program, hint) in &aspire.requires {
            if programs::find(program, &self.path).is_none() {
                let message =
                    format!("`{resource}` needs the program `{program}`, which is not on the PATH");
                let help = if hint.is_empty() { "install it" } else { hint };
                self.error(resource, Field::Requires, "no-program", message, help);
            }
        }
    }

    fn program(&mut self, resource: &str, field: Field, program: &str, aspire: &Aspire) {
        if aspire.requires.contains_key(program) || programs::find(program, &self.path).is_some() {
            return;
        }
        let (message, help) = if !program.contains('/') {
            (
                format!("`{resource}` runs `{program}`, which is not on the PATH"),
                "install it, or give its path",
            )
        } else if Path::new(program).is_dir() {
            (
                format!("`{resource}` runs {program}, which is a folder"),
                "name the program in it",
            )
        } else if Path::new(program).exists() {
            (
                format!("`{resource}` runs {program}, which is not executable"),
                "make it executable: chmod +x",
            )
        } else {
            (
                format!("`{resource}` runs {program}, which does not exist"),
                "build it first, say how with `build`, or correct `command`",
            )
        };
        self.error(resource, field, "no-program", message, help);
    }

    fn container(&mut self, resource: &str, spec: &ContainerSpec) {
        self.env_files(resource, &spec.env_files);
        for file in &spec.create_files {
            for entry in &file.entries {
                self.source(resource, entry.source.as_deref());
            }
        }
        for mount in &spec.volume_mounts {
            if mount.kind == VolumeMountKind::Bind && !Path::new(&mount.source).exists() {
                let message = format!("`{resource}` mounts {}, which does not exist", mount.source);
                self.error(
                    resource,
                    Field::Mounts,
                    "no-file",
                    message,
                    "make it, or correct the mount's source",
                );
            }
        }
        if let Some(build) = &spec.build {
            let context = Path::new(&build.context);
            if !context.is_dir() {
                let message = format!(
                    "`{resource}` is built from {}, which is no folder",
                    build.context
                );
                self.error(
                    resource,
                    Field::Build,
                    "no-folder",
                    message,
                    "correct `build.context`",
                );
                return;
            }
            let dockerfile = match &build.dockerfile {
                Some(path) => context.join(path),
                None => context.join("Dockerfile"),
            };
            if let Err(error) = File::open(&dockerfile) {
                let message = format!(
                    "`{resource}`: cannot read {}: {error}",
                    dockerfile.display()
                );
                self.error(
                    resource,
                    Field::Build,
                    "no-file",
                    message,
                    "correct `build.dockerfile`",
                );
            }
        }
    }

    fn env_files(&mut self, resource: &str, files: &[String]) {
        for file in files {
            if let Err(error) = open(file) {
                let message = format!("`{resource}`: cannot read {file}: {error}");
                self.error(
                    resource,
                    Field::EnvFiles,
                    "no-file",
                    message,
                    "make it readable, or correct `env-files`",
                );
            }
        }
    }

    fn source(&mut self, resource: &str, source: Option<&str>) {
        if let Some(source) = source
            && let Err(error) = open(source)
        {
            let message = format!("`{resource}`: cannot read {source}: {error}");
            self.error(
                resource,
                Field::Files,
                "no-file",
                message,
                "make it readable, or correct the file's source",
            );
        }
    }

    fn service(&mut self, service: &Service) {
        let Some(port) = service.spec.port else {
            return;
        };
        let udp = service.spec.protocol == Protocol::Udp;
        let Some(problem) = programs::port_problem(port, udp) else {
            return;
        };
        let resource = service.metadata.resource();
        let protocol = service.spec.protocol;
        let mut message = format!("`{resource}` wants {protocol} port {port}: {problem}");
        if problem.kind() == std::io::ErrorKind::AddrInUse {
            message = match programs::port_holder(port, udp) {
                Some(holder) => {
                    format!("`{resource}` wants {protocol} port {port}, which {holder} holds")
                }
                None => format!(
                    "`{resource}` wants {protocol} port {port}, which another process holds"
                ),
            };
        }
        self.error(
            resource,
            Field::Endpoints,
            "port-taken",
            message,
            "stop that process, choose another port, or leave `port` out and let the host pick one",
        );
    }
}

/// Opens a file; a folder can be opened, but not read.
fn open(path: &str) -> std::io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

/// The text of a template without placeholders.
fn literal(text: &str) -> Option<String> {
    match template::parse(text).ok()?.as_slice() {
        [] => None,
        [Piece::Text(text)] => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aspire_api::ObjectMeta;
    use aspire_api::executable::Executable;

    fn check_one(change: impl FnOnce(&mut ExecutableSpec)) -> Vec<String> {
        let mut executable = Executable {
            metadata: ObjectMeta::of("api", "api"),
            ..Executable::default()
        };
        executable.spec.executable_path = "sh".into();
        change(&mut executable.spec);
        let plan = RunPlan {
            objects: vec![executable.into()],
            ..RunPlan::default()
        };
        let found = check(&AppModel::new("app"), &plan, &[]);
        found
            .iter()
            .map(|d| format!("{}: {}", d.code, d.message))
            .collect()
    }

    #[test]
    fn all_problems_are_found_at_once() {
        assert!(check_one(|_| {}).is_empty());
        let found = check_one(|spec| {
            spec.executable_path = "/etc/passwd".into();
            spec.working_directory = Some("/no/where".into());
            spec.env_files = vec!["/no/file".into()];
            spec.aspire = Some(Aspire {
                requires: [("no-such-server".to_owned(), "get it".to_owned())].into(),
                ..Aspire::default()
            });
        });
        assert_eq!(
            found,
            [
                "no-program: `api` needs the program `no-such-server`, which is not on the PATH",
                "no-program: `api` runs /etc/passwd, which is not executable",
                "no-folder: `api` starts in /no/where, which is no folder",
                "no-file: `api`: cannot read /no/file: No such file or directory (os error 2)",
            ]
        );
    }

    #[test]
    fn what_is_built_need_not_be_there() {
        let found = check_one(|spec| {
            spec.executable_path = "/no/where/program".into();
            spec.aspire = Some(Aspire {
                build_command: vec!["true".into()],
                ..Aspire::default()
            });
        });
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn taken_ports_name_their_holder() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut service = Service {
            metadata: ObjectMeta::of("s", "api"),
            ..Service::default()
        };
        service.spec.port = Some(port);
        let plan = RunPlan {
            objects: vec![service.into()],
            ..RunPlan::default()
        };
        let found = check_ports(&AppModel::new("app"), &plan);
        let pid = format!("(pid {}) holds", std::process::id());
        assert!(found.iter().next().unwrap().message.ends_with(&pid));
    }
}
