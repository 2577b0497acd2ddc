//! Redis: the kind `redis`, in a container or as a process, and RedisInsight for all of them.
//!
//! Knows what a Redis needs. Doesn't know where it will run or how anybody reaches it.

mod insight;
mod options;
mod server;
#[cfg(test)]
mod tests;

use aspire_sdk::{
    Declaration, Edits, Error, Integration, Model, Pass, PassInfo, Phase, Plugin, Registration,
    unknown_pass,
};

/// The plugin.
#[derive(Debug)]
pub struct Redis;

impl Plugin for Redis {
    fn describe() -> Registration {
        Registration::new()
            .kind(options::kind())
            .pass(PassInfo::new(insight::PASS, Phase::Expand).select("kind=redis"))
    }
}

impl Integration for Redis {
    fn expand(declaration: &Declaration, edits: &mut Edits) -> Result<(), Error> {
        server::expand(declaration, edits)
    }
}

impl Pass for Redis {
    fn run(pass: &str, model: &Model, edits: &mut Edits) -> Result<(), Error> {
        match pass {
            insight::PASS => insight::run(model, edits),
            _ => Err(unknown_pass(pass)),
        }
    }
}

aspire_sdk::plugin! {
    id: "redis",
    version: env!("CARGO_PKG_VERSION"),
    wishes: ["run-process:redis-server" => "runs Redis natively where there is no container engine"],
    type: Redis,
    hooks: [integration, pass],
}
