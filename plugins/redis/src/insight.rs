//! RedisInsight: one web UI for every Redis of the app, if any of them asks for it.
//!
//! A pass, because it needs to see all of them. Doesn't know what kind of Redis each is: it goes
//! by their endpoints and properties.

use aspire_sdk::expr::{host, if_tls, port, prop};
use aspire_sdk::{Diagnostic, Edits, Endpoint, Error, Model, Probe};

use crate::options::{Insight, Options, Switch};

/// Name of the pass.
pub(crate) const PASS: &str = "redisinsight";

const NAME: &str = "redisinsight";
const IMAGE: &str = "docker.io/redis/redisinsight:3.4";

pub(crate) fn run(model: &Model, edits: &mut Edits) -> Result<(), Error> {
    let servers = model.select("");
    let mut wanted = false;
    let mut data_volume = false;
    let mut fixed: Option<(u16, String)> = None;
    for server in &servers {
        let details = match model.options::<Options>(server)?.insight {
            None | Some(Switch::Flag(false)) => continue,
            Some(Switch::Flag(true)) => Insight::default(),
            Some(Switch::Details(details)) => details,
        };
        wanted = true;
        data_volume |= details.data_volume;
        match (details.port, &fixed) {
            (Some(port), Some((other, of))) if port != *other => {
                let message =
                    format!("`{server}` wants RedisInsight on port {port}, `{of}` on {other}");
                edits.diagnose(
                    Diagnostic::error("redis:insight-ports", message)
                        .at(server, "/insight/port")
                        .help("there is one RedisInsight for all; leave one of the two out"),
                );
            }
            (Some(port), None) => fixed = Some((port, server.clone())),
            _ => {}
        }
    }
    if !wanted {
        return Ok(());
    }
    let endpoint = Endpoint::http(5540).port(fixed.map(|(port, _)| port));
    let ui = edits
        .container(NAME, "container")
        .description("RedisInsight, for every Redis of this app")
        .image(IMAGE)
        .endpoint("http", endpoint)
        .when(data_volume, |ui| ui.volume("data", "/data"))
        .probe(Probe::http("http", "/"))
        .publish("no");
    servers.iter().enumerate().fold(ui, |ui, (index, server)| {
        let number = index + 1;
        let variable = |what: &str| format!("RI_REDIS_{what}{number}");
        ui.env(variable("HOST"), host(server, "tcp"))
            .env(variable("PORT"), port(server, "tcp"))
            .env(variable("ALIAS"), server)
            .env(variable("TLS"), if_tls(server, "tcp", "true", "false"))
            .when(
                model.entry(server, "properties", "Password").is_some(),
                |ui| ui.env(variable("PASSWORD"), prop(server, "Password")),
            )
    });
    Ok(())
}
