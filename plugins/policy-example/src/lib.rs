//! What a company might want of every app: pinned images, from its own registry, with an owner.
//!
//! An example to copy. A policy has no options: what it wants is written down in the constants
//! here, so that the component *is* the policy and its digest pins it. Knows images by their
//! names only and never looks into one.

mod image;
#[cfg(test)]
mod tests;

use aspire_sdk::{
    Diagnostic, Edits, Error, Model, Pass, PassInfo, Phase, Plugin, Registration, unknown_pass,
};

/// Where the company mirrors Docker Hub.
const REGISTRY: &str = "registry.example.com";
/// What every container carries, and what it says.
const LABEL: (&str, &str) = ("com.example.owned-by", "platform");

const REFUSE_LATEST: &str = "refuse-latest";
const REWRITE_REGISTRY: &str = "rewrite-registry";
const ADD_LABEL: &str = "add-label";

/// The plugin.
#[derive(Debug)]
pub struct Policy;

impl Plugin for Policy {
    fn describe() -> Registration {
        let containers = "shape=container";
        Registration::new()
            // Executables too: they may be published as an image.
            .pass(PassInfo::new(REFUSE_LATEST, Phase::Check))
            .pass(
                PassInfo::new(REWRITE_REGISTRY, Phase::Enrich)
                    .select(containers)
                    .provides("registry"),
            )
            .pass(
                PassInfo::new(ADD_LABEL, Phase::Enrich)
                    .select(containers)
                    .provides("labels"),
            )
    }
}

impl Pass for Policy {
    fn run(pass: &str, model: &Model, edits: &mut Edits) -> Result<(), Error> {
        match pass {
            REFUSE_LATEST => refuse_latest(model, edits),
            REWRITE_REGISTRY => rewrite_registry(model, edits),
            ADD_LABEL => add_label(model, edits),
            _ => return Err(unknown_pass(pass)),
        }
        Ok(())
    }
}

/// An image that means something else tomorrow is an error.
fn refuse_latest(model: &Model, edits: &mut Edits) {
    for name in model.select("") {
        for fact in ["image", "publish-image"] {
            let Some(image) = model.text(&name, fact) else {
                continue;
            };
            if image::is_pinned(&image) {
                continue;
            }
            edits.diagnose(
                Diagnostic::error(
                    "policy-example:unpinned-image",
                    format!("`{name}` uses the image `{image}`, which may change at any time"),
                )
                .at(&name, "")
                .help("name a tag other than `latest`, or a digest"),
            );
        }
    }
}

/// Docker Hub is reached through the company's mirror.
fn rewrite_registry(model: &Model, edits: &mut Edits) {
    for name in model.select("") {
        if let Some(image) = model
            .image(&name)
            .and_then(|image| image::mirrored(&image, REGISTRY))
        {
            edits.edit(&name).image(image);
        }
    }
}

fn add_label(model: &Model, edits: &mut Edits) {
    let (label, value) = LABEL;
    for name in model.select("") {
        edits.edit(&name).label(label, value);
    }
}

aspire_sdk::plugin! {
    id: "policy-example",
    version: env!("CARGO_PKG_VERSION"),
    wishes: ["edit:*" => "a policy is about every resource, whoever added it"],
    type: Policy,
    hooks: [pass],
}
