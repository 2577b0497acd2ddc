//! Docker Compose: the target `compose`, what every shape becomes there, and the files.
//!
//! Knows what Compose 1.29 and 2 both understand. Doesn't know any integration: it lowers shapes.
//! The two halves meet at the construct graph only, so that another plugin's pass can change it.

mod lower;
mod publish;
mod symbol;
#[cfg(test)]
mod tests;

use aspire_sdk::{
    Claim, Constructs, Error, Graph, Lowering, Model, Output, PassInfo, Phase, Plugin, Publisher,
    Registration, Shape, unknown_pass,
};

/// Name of the target.
const TARGET: &str = "compose";
/// Name of the lowering pass.
const PASS: &str = "services";

/// The plugin.
#[derive(Debug)]
pub struct Compose;

impl Plugin for Compose {
    fn describe() -> Registration {
        let registration = Registration::new()
            .pass(PassInfo::new(PASS, Phase::Lower))
            .target(
                TARGET,
                "Docker Compose: docker-compose.yaml, its files and .env.example",
            );
        Shape::ALL
            .into_iter()
            .fold(registration, |registration, shape| {
                registration.claim(Claim::new(PASS, shape, TARGET))
            })
    }
}

impl Lowering for Compose {
    fn lower(pass: &str, model: &Model, constructs: &mut Constructs) -> Result<(), Error> {
        if pass != PASS {
            return Err(unknown_pass(pass));
        }
        lower::run(model, constructs);
        Ok(())
    }
}

impl Publisher for Compose {
    fn publish(
        _target: &str,
        graph: &Graph,
        _model: &Model,
        output: &mut Output,
    ) -> Result<(), Error> {
        publish::run(graph, output)
    }
}

aspire_sdk::plugin! {
    id: "compose",
    version: env!("CARGO_PKG_VERSION"),
    wishes: [],
    type: Compose,
    hooks: [lowering, publisher],
}
