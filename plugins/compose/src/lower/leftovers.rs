//! Facts that no property of a service carries, so that nothing is left out silently.

use aspire_sdk::{Grade, Shape};

use super::Lowerer;

impl Lowerer<'_> {
    /// What belongs to an executable's own machine.
    pub(super) fn process_leftovers(&mut self, resource: &str) {
        if self.shape(resource) != Some(Shape::Executable) {
            return;
        }
        if self.model.value(resource, "command").is_some() {
            let reason = "the image's own program takes its place";
            self.row(resource, "command", Grade::Adapted, reason);
        }
        if !self.model.args(resource).is_empty() {
            let reason = "they follow the image's own entry point";
            self.row(resource, "args", Grade::Adapted, reason);
        }
        if self.model.text(resource, "working-directory").is_some() {
            let reason = "a folder of the developer's machine; the image has its own";
            self.row(resource, "working-directory", Grade::Adapted, reason);
        }
        if self.model.text(resource, "user").is_some() {
            let reason = "a user of the developer's machine; the image has its own";
            self.row(resource, "user", Grade::Dropped, reason);
        }
        if !self.model.values(resource, "build-command").is_empty() {
            let reason = "the image is what is published";
            self.row(resource, "build-command", Grade::Adapted, reason);
        }
        for program in self.model.keys(resource, "requires") {
            let reason = "the image has to bring it";
            self.row(
                resource,
                &format!("requires.{program}"),
                Grade::Adapted,
                reason,
            );
        }
        for (step, _) in self.model.prepares(resource) {
            let reason = "a step before a process starts; the image has to do it";
            self.row(resource, &format!("prepare.{step}"), Grade::Dropped, reason);
        }
    }

    /// A resource that Compose runs nothing for: what it says reaches others by reference.
    pub(super) fn without_service(&mut self, name: &str) {
        let lives_in = self.owner(name);
        if self.model.probe(name).is_some() && lives_in.is_none() {
            let reason = "Compose runs nothing for it, and looks after nothing";
            self.row(name, "health", Grade::Dropped, reason);
        }
        for key in self.model.keys(name, "labels") {
            let reason = "Compose runs nothing for it that could be labelled";
            self.row(name, &format!("labels.{key}"), Grade::Dropped, reason);
        }
        for (target, _) in self.model.waits(name) {
            let reason = "Compose runs nothing for it that could wait";
            self.row(name, &format!("waits.{target}"), Grade::Dropped, reason);
        }
    }

    /// The workload that a value lives in.
    fn owner(&self, name: &str) -> Option<String> {
        if self.shape(name) != Some(Shape::Value) {
            return None;
        }
        let parent = self.model.parent(name)?;
        if self.is_workload(&parent) {
            Some(parent)
        } else {
            self.owner(&parent)
        }
    }
}
