//! `check`: every diagnostic, nothing run.

use anyhow::Result;
use aspire_model::Mode;

use crate::error::Exit;
use crate::host::Host;
use crate::params::{self, Given};
use crate::{project, render};

/// Prints what is wrong with the app.
pub(super) fn run(host: &Host) -> Result<Exit> {
    let project = project::open(host)?;
    let mut diagnostics = project.diagnostics.clone();
    // What plugins say about half of an app that cannot be read would only confuse.
    if !diagnostics.has_errors() {
        let compilation = project.compile(host, Mode::Run, false)?;
        diagnostics.extend(compilation.diagnostics);
        let given = Given::read(&host.options.params, project.folder(), &[])?;
        diagnostics.extend(params::check_options(&compilation.model, &given));
    }
    if host.ui.json() {
        host.ui.out_json(&render::to_json(&diagnostics));
        return Ok(Exit::of(&diagnostics));
    }
    let exit = render::report(&host.ui, &project.app.sources, &diagnostics);
    if exit == Exit::Fine && !host.ui.quiet {
        let warnings = diagnostics
            .iter()
            .filter(|d| d.severity == aspire_model::Severity::Warning);
        match warnings.count() {
            0 => host.ui.out("no errors"),
            1 => host.ui.out("no errors, 1 warning"),
            many => host.ui.out(format!("no errors, {many} warnings")),
        }
    }
    Ok(exit)
}
