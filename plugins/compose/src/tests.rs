//! What the plugin makes of a model, without a host.

mod files;
mod health;
mod images;
mod ports;
mod publishing;
mod services;
mod values;
mod waits;

use aspire_sdk::testing::{FakeModel, lower, publish};
use aspire_sdk::{Constructs, Edits, Output};

use crate::{Compose, PASS};

/// A model with the resources that a closure describes.
fn model(describe: impl FnOnce(&mut Edits)) -> FakeModel {
    FakeModel::new("shop").for_target("compose").with(describe)
}

fn lowered(describe: impl FnOnce(&mut Edits)) -> Constructs {
    lower::<Compose>(PASS, &model(describe)).unwrap()
}

fn output(model: &FakeModel) -> Output {
    let constructs = lower::<Compose>(PASS, model).unwrap();
    publish::<Compose>(&constructs.applied(), model).unwrap()
}

/// The services and volumes of the compose file, and what there was to say about them.
fn composed(describe: impl FnOnce(&mut Edits)) -> String {
    compose(&model(describe))
}

fn compose(model: &FakeModel) -> String {
    let constructs = lower::<Compose>(PASS, model).unwrap();
    let output = publish::<Compose>(&constructs.applied(), model).unwrap();
    let file = output.text("docker-compose.yaml").unwrap();
    let services = file.split_once("\n\n").unwrap().1;
    // What is the same for every service.
    let plain: Vec<&str> = services
        .lines()
        .filter(|line| {
            let line = line.trim();
            line != "labels:"
                && !line.starts_with("aspire-host.dev/app:")
                && !line.starts_with("aspire-host.dev/resource:")
                && line != "restart: unless-stopped"
        })
        .collect();
    format!("{}\n{}", plain.join("\n"), said(&constructs))
}

/// Diagnostics and rows of the fidelity report.
fn said(constructs: &Constructs) -> String {
    use aspire_sdk::ConstructEdit::{Diagnose, Fidelity};
    let lines = constructs.recorded().iter().filter_map(|edit| match edit {
        Fidelity {
            resource,
            fact,
            grade,
            reason,
        } => Some(format!("{resource}.{fact} {}: {reason}", grade.as_str())),
        Diagnose(diagnostic) => Some(diagnostic.to_string()),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}
