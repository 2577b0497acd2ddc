//! One of two plugins that touch the same resources; see `meddler.rs`.

use aspire_sdk::{Edits, Error, Model, Pass, PassInfo, Phase, Plugin, Registration};

#[path = "../../meddler.rs"]
mod meddler;

use meddler::meddle;

/// The plugin.
#[derive(Debug)]
pub struct Left;

impl Plugin for Left {
    fn describe() -> Registration {
        Registration::new().pass(PassInfo::new("meddle", Phase::Enrich))
    }
}

impl Pass for Left {
    fn run(_pass: &str, model: &Model, edits: &mut Edits) -> Result<(), Error> {
        meddle("left", model, edits);
        Ok(())
    }
}

aspire_sdk::plugin! {
    id: "left",
    version: env!("CARGO_PKG_VERSION"),
    wishes: ["edit:*" => "meddles with everything"],
    type: Left,
    hooks: [pass],
}
