//! The hooks: one trait for each thing that a plugin can do.
//!
//! Hooks are pure and have no state: the host makes a fresh instance for every call, and equal
//! inputs give equal results. Hence no `self`.

use crate::construct::{Constructs, Graph};
use crate::declaration::Declaration;
use crate::edits::Edits;
use crate::error::Error;
use crate::model::Model;
use crate::output::Output;
use crate::registration::Registration;

/// Who the plugin is; [`plugin!`](crate::plugin!) implements it.
pub trait Identity {
    /// Manifest id.
    const ID: &'static str;
    /// Its version.
    const VERSION: &'static str;
    /// Permissions that it asks for, each with the reason that the user is shown.
    const WISHES: &'static [(&'static str, &'static str)];
}

/// Every plugin says what it offers.
pub trait Plugin {
    /// Kinds, passes, claims and targets.
    fn describe() -> Registration;
}

/// `integration`: what a declaration of the plugin's kinds means.
pub trait Integration {
    /// Called once for each declaration. Adds its resource, with whatever belongs to it.
    ///
    /// # Errors
    /// The declaration makes no sense. Nothing that was recorded happens.
    fn expand(declaration: &Declaration, edits: &mut Edits) -> Result<(), Error>;
}

/// `pass`: passes of the phases expand, check and enrich.
pub trait Pass {
    /// Runs one of the passes that were registered.
    ///
    /// # Errors
    /// It can't do its work. Nothing that was recorded happens. What is wrong with the app is
    /// better told by [`Edits::diagnose`].
    fn run(pass: &str, model: &Model, edits: &mut Edits) -> Result<(), Error>;
}

/// `lowering`: passes of the phases lower and refine.
pub trait Lowering {
    /// Runs one of the passes that were registered.
    ///
    /// # Errors
    /// It can't do its work. Nothing that was recorded happens.
    fn lower(pass: &str, model: &Model, constructs: &mut Constructs) -> Result<(), Error>;
}

/// `publisher`: construct graph in, files out.
pub trait Publisher {
    /// Writes the files of a target.
    ///
    /// # Errors
    /// It can't do its work. No file is written.
    fn publish(
        target: &str,
        graph: &Graph,
        model: &Model,
        output: &mut Output,
    ) -> Result<(), Error>;
}

/// The error for a pass that [`Plugin::describe`] did not register.
pub fn unknown_pass(pass: &str) -> Error {
    Error::new(
        "sdk:unknown-pass",
        format!("this plugin has no pass `{pass}`"),
    )
}
