//! Open WebUI: one chat page for every Ollama of the app, if any of them asks for it.
//!
//! A pass, because it needs to see all of them.

use aspire_sdk::expr::url;
use aspire_sdk::{Diagnostic, Edits, Endpoint, Error, Expression, Model, Mount, Probe, Wait};

use crate::options::Options;
use crate::server::ENDPOINT;

/// Name of the pass.
pub(crate) const PASS: &str = "open-webui";

const NAME: &str = "open-webui";
const IMAGE: &str = "ghcr.io/open-webui/open-webui:0.11.0";

/// What all servers wish together; a value with the server that wished it first.
#[derive(Debug, Default)]
struct Wishes<'s> {
    wanted: bool,
    kept: bool,
    port: Option<(u16, &'s str)>,
    volume: Option<(String, &'s str)>,
}

pub(crate) fn run(model: &Model, edits: &mut Edits) -> Result<(), Error> {
    let servers = model.select("");
    let mut wishes = Wishes::default();
    for server in &servers {
        let Some(options) = model.options::<Options>(server)?.webui() else {
            continue;
        };
        let volume = options.data_volume();
        wishes.wanted = true;
        wishes.kept |= volume.is_some();
        agree(&mut wishes.port, options.port, server, "port", edits);
        // The host's own choice of a name gives way to a name.
        let named = volume.filter(|name| !name.is_empty());
        agree(&mut wishes.volume, named, server, "data-volume", edits);
    }
    if wishes.wanted {
        add(&servers, wishes, edits);
    }
    Ok(())
}

/// Takes up a wish, or tells that it contradicts another server's.
fn agree<'s, T: PartialEq + std::fmt::Display>(
    known: &mut Option<(T, &'s str)>,
    wish: Option<T>,
    server: &'s str,
    option: &str,
    edits: &mut Edits,
) {
    match (&*known, wish) {
        (_, None) => {}
        (None, Some(wish)) => *known = Some((wish, server)),
        (Some((other, _)), Some(wish)) if *other == wish => {}
        (Some((other, of)), Some(wish)) => {
            let message =
                format!("`{server}` wants Open WebUI with {option} {wish}, `{of}` with {other}");
            edits.diagnose(
                Diagnostic::error("ollama:webui-conflict", message)
                    .at(server, format!("/webui/{option}"))
                    .help("there is one Open WebUI for all; leave one of the two out"),
            );
        }
    }
}

fn add(servers: &[String], wishes: Wishes<'_>, edits: &mut Edits) {
    let urls = servers
        .iter()
        .enumerate()
        .fold(Expression::new(), |urls, (index, server)| {
            urls.then(if index == 0 { "" } else { ";" })
                .then(url(server, ENDPOINT))
        });
    let ui = edits
        .container(NAME, "container")
        .description("Open WebUI, for every Ollama of this app")
        .image(IMAGE)
        .endpoint(
            "http",
            Endpoint::http(8080).port(wishes.port.map(|(port, _)| port)),
        )
        // A page for the one who runs the app: no accounts, nothing shared with anybody.
        .env("ENABLE_SIGNUP", "false")
        .env("ENABLE_COMMUNITY_SHARING", "false")
        .env("WEBUI_AUTH", "false")
        .env("OLLAMA_BASE_URLS", urls)
        .when(wishes.kept, |ui| {
            let name = wishes.volume.map(|(name, _)| name).unwrap_or_default();
            ui.mount("data", Mount::volume("/app/backend/data").source(name))
        })
        .probe(Probe::http("http", "/health"))
        .publish("no");
    servers
        .iter()
        .fold(ui, |ui, server| ui.wait_for(server, Wait::healthy()));
}
