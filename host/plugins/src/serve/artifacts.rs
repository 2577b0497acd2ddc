//! `aspire:host/artifacts`: the files of a publisher. Nothing is written here; they are collected.

use aspire_model::construct::Artifact;
use aspire_model::{AppModel, FactValue};
use wasmtime::component::Resource;

use super::handle;
use crate::bindings::artifacts::{Host, HostOutput};
use crate::bindings::types as wit;
use crate::handles::OutputHandle;
use crate::state::{CallState, Mistake, Role};
use crate::text::shortened;

const CODE: &str = "invalid-artifact";
/// Longest path, and longest name in it, as file systems have them.
const MAX_PATH: usize = 1_024;
const MAX_NAME: usize = 255;

type Handle = Resource<OutputHandle>;

impl CallState {
    fn publishing(&mut self, function: &str) -> wasmtime::Result<()> {
        match self.role {
            Role::Publish { .. } => Ok(()),
            _ => Err(self.unavailable(function, "`publisher.publish`")),
        }
    }

    fn add_file(
        &mut self,
        function: &str,
        path: String,
        artifact: Artifact,
    ) -> wasmtime::Result<()> {
        let path = self.checked(CODE, function, check_path(path))?;
        let same = self
            .output
            .publication
            .files
            .get(&path)
            .map(|before| *before == artifact);
        if same == Some(false) {
            let mistake = Mistake::new(format!("`{path}` is written twice, with other contents"));
            return self.checked(CODE, function, Err(mistake));
        }
        self.output.publication.files.insert(path, artifact);
        Ok(())
    }
}

impl Host for CallState {
    fn begin(&mut self) -> wasmtime::Result<Handle> {
        self.publishing("artifacts.begin")?;
        Ok(handle())
    }
}

impl HostOutput for CallState {
    fn write(&mut self, _: Handle, path: String, contents: Vec<u8>) -> wasmtime::Result<()> {
        self.publishing("output.write")?;
        self.charge(1_024 + path.len() + contents.len())?;
        self.add_file("write", path, Artifact::Contents(contents))
    }

    fn copy(&mut self, _: Handle, path: String, source: String) -> wasmtime::Result<()> {
        self.publishing("output.copy")?;
        self.charge(1_024 + path.len() + source.len())?;
        // A publisher has no business with files that the app itself doesn't use.
        let known = self
            .role
            .snapshot()
            .is_some_and(|snapshot| names_source(&snapshot.model, &source));
        if !known {
            let mistake = Mistake::new(format!("no resource has a file `{}`", shortened(&source)))
                .with_help(Some(
                    "only sources of files, bind mounts and environment files are copied".into(),
                ));
            return self.checked(CODE, "copy", Err(mistake));
        }
        self.add_file("copy", path, Artifact::Copy(source))
    }

    fn diagnose(&mut self, _: Handle, value: wit::Diagnostic) -> wasmtime::Result<()> {
        self.publishing("output.diagnose")?;
        let diagnostic = self.diagnostic(value)?;
        self.output.publication.diagnostics.push(diagnostic);
        Ok(())
    }

    fn drop(&mut self, _: Handle) -> wasmtime::Result<()> {
        Ok(())
    }
}

fn names_source(model: &AppModel, source: &str) -> bool {
    !source.is_empty()
        && model
            .iter()
            .flat_map(|resource| resource.facts.values())
            .any(|fact| match &fact.value {
                FactValue::File(file) => file.source == source,
                FactValue::Mount(mount) => mount.source == source,
                FactValue::Texts(files) => files.iter().any(|file| file == source),
                _ => false,
            })
}

/// A relative path that means the same on every system.
fn check_path(path: String) -> Result<String, Mistake> {
    let legal =
        |c: char| !c.is_control() && !matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    let names_fit = path.split('/').all(|name| {
        !name.is_empty()
            && name != "."
            && name != ".."
            && name.len() <= MAX_NAME
            && !name.ends_with(['.', ' '])
    });
    if path.len() > MAX_PATH || !path.chars().all(legal) || !names_fit {
        return Err(Mistake::new(format!("`{}` is no path of an artifact", shortened(&path)))
            .with_help(Some(
                "paths are relative, with `/`, without `..` and without characters that some system forbids".into(),
            )));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for good in ["compose.yaml", ".env.example", "init/db/00 ä.sql"] {
            assert!(check_path(good.into()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            "C:x",
            "a\\b",
            "a\0b",
            "a.",
        ] {
            assert!(check_path(bad.into()).is_err(), "{bad}");
        }
    }
}
