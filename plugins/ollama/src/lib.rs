//! Ollama: the kind `ollama`, in a container or as a process, its models as resources of their own,
//! and Open WebUI for all of them.
//!
//! Knows what an Ollama needs. Doesn't know where it will run or how anybody reaches it. Pulling
//! models needs a running server and is not build-time work.

mod models;
mod options;
mod schema;
mod server;
#[cfg(test)]
mod tests;
mod webui;

use aspire_sdk::{
    Declaration, Edits, Error, Integration, Model, Pass, PassInfo, Phase, Plugin, Registration,
    unknown_pass,
};

/// The plugin.
#[derive(Debug)]
pub struct Ollama;

impl Plugin for Ollama {
    fn describe() -> Registration {
        Registration::new()
            .kind(schema::kind())
            .pass(PassInfo::new(webui::PASS, Phase::Expand).select("kind=ollama"))
    }
}

impl Integration for Ollama {
    fn expand(declaration: &Declaration, edits: &mut Edits) -> Result<(), Error> {
        server::expand(declaration, edits)
    }
}

impl Pass for Ollama {
    fn run(pass: &str, model: &Model, edits: &mut Edits) -> Result<(), Error> {
        match pass {
            webui::PASS => webui::run(model, edits),
            _ => Err(unknown_pass(pass)),
        }
    }
}

aspire_sdk::plugin! {
    id: "ollama",
    version: env!("CARGO_PKG_VERSION"),
    wishes: [
        "run-process:ollama" => "runs Ollama natively where there is no container engine",
        "privileged" => "hands the machine's GPUs to a container whose `gpu` option asks for them",
    ],
    type: Ollama,
    hooks: [integration, pass],
}
