//! One of two plugins that touch the same resources; see `meddler.rs`.

use aspire_sdk::{Edits, Error, Model, Pass, PassInfo, Phase, Plugin, Registration};

#[path = "../../meddler.rs"]
mod meddler;

use meddler::meddle;

/// The plugin.
#[derive(Debug)]
pub struct Right;

impl Plugin for Right {
    fn describe() -> Registration {
        Registration::new().pass(PassInfo::new("meddle", Phase::Enrich))
    }
}

impl Pass for Right {
    fn run(_pass: &str, model: &Model, edits: &mut Edits) -> Result<(), Error> {
        meddle("right", model, edits);
        Ok(())
    }
}

aspire_sdk::plugin! {
    id: "right",
    version: env!("CARGO_PKG_VERSION"),
    wishes: ["edit:*" => "meddles with everything"],
    type: Right,
    hooks: [pass],
}
