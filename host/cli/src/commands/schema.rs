//! `schema`: the JSON Schema of `aspire.toml`, for editors.

use anyhow::Result;
use aspire_compiler::schema;
use aspire_model::Diagnostics;

use crate::app;
use crate::error::Exit;
use crate::host::Host;
use crate::plugins;
use crate::render::{self, Sources};

/// Prints the schema with the kinds of the app's plugins, or of those on the command line.
pub(super) fn run(host: &Host) -> Result<Exit> {
    let (set, diagnostics, sources) = match app::find(host)? {
        Some(file) => {
            let app = app::read(host, &file)?;
            let (set, found) =
                plugins::load(host, &app.document.plugins, &app.folder, true, false)?;
            (set, found, app.sources)
        }
        None => {
            let (set, found) = plugins::load(host, &[], &host.here, false, false)?;
            (set, found, Sources::default())
        }
    };
    // Grants don't matter to a schema, and an editor reads only standard output.
    let errors: Diagnostics = diagnostics
        .into_iter()
        .filter(|d| d.severity == aspire_model::Severity::Error)
        .collect();
    let exit = render::report(&host.ui, &sources, &errors);
    if exit == Exit::Fine {
        host.ui.out_json(&schema::schema(&set.plugins));
    }
    Ok(exit)
}
