//! What every command starts from: the global options, the screen and the working folder.
//!
//! Doesn't know any app or plugin yet.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::args::Global;
use crate::ui::Ui;

/// The start of every command.
#[derive(Debug)]
pub(crate) struct Host {
    /// Options of every command.
    pub(crate) options: Global,
    /// The screen.
    pub(crate) ui: Ui,
    /// The working folder.
    pub(crate) here: PathBuf,
}

impl Host {
    /// From the command line.
    ///
    /// # Errors
    /// There is no working folder.
    pub(crate) fn new(options: Global) -> Result<Self> {
        let ui = Ui::new(options.output, options.quiet, options.verbose);
        let here = std::env::current_dir().context("the working folder is gone")?;
        Ok(Self { options, ui, here })
    }
}
