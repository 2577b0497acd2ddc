//! What is watched while an app runs: paths made absolute, and what follows where nothing is said.
//!
//! Doesn't look at any file.

use std::path::PathBuf;

use aspire_model::annotation::WatchAction;
use aspire_model::{Field, Form, Resource};

use super::{Lowering, Watched};

impl Lowering<'_> {
    /// What is watched for the sake of a resource.
    pub(super) fn watched(&mut self, resource: &Resource) -> Option<Watched> {
        let watch = resource.watch()?;
        let form = self.input.forms.of(resource);
        let folder = &self.input.folder;
        let build = match form {
            Form::Container => resource.build(Field::Build),
            _ => None,
        };
        let context = build.map(|build| folder.join(&build.context));
        let builds_here = form == Form::Process
            && !resource
                .texts(Field::BuildCommand, Form::Process)
                .is_empty();
        let action = match watch.action {
            Some(WatchAction::Sync) if form == Form::Process => {
                let message = format!(
                    "`{}` runs as a process, and files can be copied into containers only",
                    resource.name
                );
                self.error(resource, "not-served", message);
                return None;
            }
            Some(action) => action,
            None if builds_here || context.is_some() => WatchAction::Rebuild,
            None => WatchAction::Restart,
        };
        let own = || match (&context, form) {
            (Some(context), _) => context.clone(),
            (None, _) => match resource.text(Field::WorkingDirectory, form) {
                Some(relative) => folder.join(relative),
                None => folder.clone(),
            },
        };
        let paths: Vec<PathBuf> = if watch.paths.is_empty() {
            vec![own()]
        } else {
            watch.paths.iter().map(|path| folder.join(path)).collect()
        };
        let program = resource
            .value(Field::Command, Form::Process)
            .and_then(|command| command.as_literal())
            .filter(|command| builds_here && command.contains('/'))
            .map(|command| folder.join(command));
        Some(Watched {
            resource: resource.name.to_string(),
            workloads: self.keys_of(resource.name.as_str()),
            action,
            paths,
            ignore: watch.ignore.clone(),
            folder: folder.clone(),
            context,
            builds_here,
            program,
            target: watch.target.clone(),
        })
    }
}
