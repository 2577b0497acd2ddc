//! PostgreSQL: the kind `postgres`, in a container or as a process, its databases as resources of
//! their own, and pgAdmin or pgweb for all of them.
//!
//! Knows what a PostgreSQL needs. Doesn't know where it will run or how anybody reaches it.

mod admin;
mod databases;
mod image;
mod native;
mod options;
mod quote;
mod schema;
mod scripts;
mod server;
#[cfg(test)]
mod tests;

use aspire_sdk::{
    Declaration, Edits, Error, Integration, Model, Pass, PassInfo, Phase, Plugin, Registration,
    unknown_pass,
};

/// The plugin.
#[derive(Debug)]
pub struct Postgres;

impl Plugin for Postgres {
    fn describe() -> Registration {
        Registration::new()
            .kind(schema::kind())
            .pass(PassInfo::new(admin::PASS, Phase::Expand).select("kind=postgres"))
    }
}

impl Integration for Postgres {
    fn expand(declaration: &Declaration, edits: &mut Edits) -> Result<(), Error> {
        server::expand(declaration, edits)
    }
}

impl Pass for Postgres {
    fn run(pass: &str, model: &Model, edits: &mut Edits) -> Result<(), Error> {
        match pass {
            admin::PASS => admin::run(model, edits),
            _ => Err(unknown_pass(pass)),
        }
    }
}

aspire_sdk::plugin! {
    id: "postgres",
    version: env!("CARGO_PKG_VERSION"),
    wishes: [
        "run-process:initdb" => "makes the data folder of a PostgreSQL that runs natively",
        "run-process:postgres" => "runs PostgreSQL natively where there is no container engine",
        "run-process:psql" => "asks a PostgreSQL that runs natively whether its databases are there",
    ],
    type: Postgres,
    hooks: [integration, pass],
}
