//! Files: written beside the compose file and mounted read-only.
//!
//! What is secret never gets into one. Doesn't read project files: those are copied by the host.

use aspire_sdk::serde_json::{Value as Json, json};
use aspire_sdk::{Construct, File, Grade, Segment};

use super::Lowerer;
use crate::symbol::{FILE, percent_encode};

/// Permission bits that a file of the output folder has.
const MODE: u32 = 0o644;

impl Lowerer<'_> {
    /// Adds the resource's `compose:file` constructs and gives their mounts.
    pub(super) fn files(&mut self, resource: &str, service: &mut Construct) -> Vec<Json> {
        let mut mounts = Vec::new();
        for (key, file) in self.model.files(resource) {
            let Some(property) = self.contents(resource, &key, &file) else {
                continue;
            };
            let path = artifact_path(resource, &file.target);
            let id = format!("file/{resource}/{key}");
            self.tell_mode(resource, &key, file.mode);
            self.out.add(
                Construct::new(&id, FILE, &path)
                    .origin(resource)
                    .property("path", path.as_str())
                    .property(property.0, property.1),
            );
            service.depends_on.push(id);
            mounts.push(json!({
                "type": "bind",
                "source": format!("./{path}"),
                "target": file.target,
                "read_only": true,
            }));
        }
        mounts
    }

    /// The property that says what is in it.
    fn contents(&mut self, resource: &str, key: &str, file: &File) -> Option<(&'static str, Json)> {
        if !file.source.is_empty() {
            return Some(("source", file.source.as_str().into()));
        }
        let fact = format!("files.{key}");
        let resolved = self.resolved(resource, &fact, file.contents.clone());
        let mut text = String::new();
        let mut is_complete = true;
        for Segment {
            op, subject, flags, ..
        } in resolved.segments()
        {
            if op == "lit" {
                text.push_str(subject);
                continue;
            }
            match self.parameter_in_file(resource, key, file, subject) {
                Some(value) if *flags == 0 => text.push_str(&value),
                Some(value) => text.push_str(&percent_encode(&value)),
                None => is_complete = false,
            }
        }
        is_complete.then(|| ("contents", text.into()))
    }

    fn parameter_in_file(
        &mut self,
        resource: &str,
        key: &str,
        file: &File,
        parameter: &str,
    ) -> Option<String> {
        let secret = self
            .model
            .parameter(parameter)
            .is_none_or(|found| found.secret);
        let default = if secret {
            None
        } else {
            self.default_of(parameter)
        };
        let target = &file.target;
        if secret {
            let message = format!(
                "file `{key}` of `{resource}` ({target}) holds the secret `{parameter}`, and no secret is written into a file"
            );
            let help = "use env instead: let the program read the secret from a variable";
            self.error(resource, "compose:secret-in-file", message, help);
        } else if let Some(default) = &default {
            let reason = format!(
                "the file holds the default of `{parameter}`, `{default}`: .env doesn't reach it"
            );
            self.row(resource, &format!("files.{key}"), Grade::Weakened, reason);
        } else {
            let message = format!(
                "file `{key}` of `{resource}` ({target}) holds `{parameter}`, and Compose puts no values into files"
            );
            let help = format!("give `{parameter}` a default, or use env instead");
            self.error(resource, "compose:parameter-in-file", message, &help);
        }
        default
    }

    fn tell_mode(&mut self, resource: &str, key: &str, mode: u32) {
        if mode != MODE {
            let reason =
                format!("mode {mode:04o} becomes that of the file that is mounted, {MODE:04o}");
            self.row(resource, &format!("files.{key}"), Grade::Weakened, reason);
        }
    }
}

/// Where in the output folder it is written: a path that is legal on every system.
fn artifact_path(resource: &str, target: &str) -> String {
    let names = target
        .split('/')
        .filter(|name| !matches!(*name, "" | "." | ".."));
    let legal = |name: &str| {
        let clean: String = name
            .chars()
            .map(|c| match c {
                '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
                c if c.is_control() => '_',
                c => c,
            })
            .collect();
        if clean.ends_with(['.', ' ']) {
            format!("{clean}_")
        } else {
            clean
        }
    };
    names
        .map(legal)
        .fold(format!("config/{resource}"), |path, name| {
            format!("{path}/{name}")
        })
}
