//! pgAdmin and pgweb: one of each for every PostgreSQL of the app, if any of them asks for it.
//!
//! A pass, because it needs to see all of them. It goes by their endpoints, properties and
//! children; how each was declared doesn't matter.

use aspire_sdk::expr::{host, port, prop};
use aspire_sdk::{Diagnostic, Edits, Endpoint, Error, Expression, File, Model, Probe, Shape, expr};

use crate::databases::MAINTENANCE;
use crate::options::{Options, Ui};
use crate::server::ENDPOINT;

/// Name of the pass.
pub(crate) const PASS: &str = "admin";

const PGADMIN_IMAGE: &str = "docker.io/dpage/pgadmin4:9.15.0";
const PGWEB_IMAGE: &str = "docker.io/sosedoff/pgweb:0.17.0";
const BOOKMARKS: &str = "/.pgweb/bookmarks";

pub(crate) fn run(model: &Model, edits: &mut Edits) -> Result<(), Error> {
    let servers = model.select("");
    if let Some(port) = wanted(model, &servers, Ui::Pgadmin, edits)? {
        pgadmin(&servers, port, edits);
    }
    if let Some(port) = wanted(model, &servers, Ui::Pgweb, edits)? {
        pgweb(model, &servers, port, edits);
    }
    Ok(())
}

/// Whether anybody wants it, and on which fixed port.
#[expect(
    clippy::option_option,
    reason = "wanted or not, on a fixed port or not"
)]
fn wanted(
    model: &Model,
    servers: &[String],
    ui: Ui,
    edits: &mut Edits,
) -> Result<Option<Option<u16>>, Error> {
    let mut wanted = false;
    let mut fixed: Option<(u16, &str)> = None;
    for server in servers {
        let Some(options) = model.options::<Options>(server)?.admin(ui) else {
            continue;
        };
        wanted = true;
        match (options.port, fixed) {
            (Some(port), Some((other, of))) if port != other => {
                let name = ui.name();
                let message = format!("`{server}` wants {name} on port {port}, `{of}` on {other}");
                edits.diagnose(
                    Diagnostic::error("postgres:admin-ports", message)
                        .at(server, format!("/admin/{name}/port"))
                        .help(format!(
                            "there is one {name} for all; leave one of the two out"
                        )),
                );
            }
            (Some(port), None) => fixed = Some((port, server)),
            _ => {}
        }
    }
    Ok(wanted.then_some(fixed.map(|(port, _)| port)))
}

fn pgadmin(servers: &[String], fixed: Option<u16>, edits: &mut Edits) {
    let list = servers
        .iter()
        .zip(1..)
        .fold(Expression::new(), |list, (server, number)| {
            let comma = if number == 1 { "" } else { "," };
            list.then(comma).then(entry(server, number))
        });
    let contents = expr!["{\"Servers\":{", list, "}}\n"];
    let ui = edits
        .container(Ui::Pgadmin.name(), "container")
        .description("pgAdmin, for every PostgreSQL of this app")
        .image(PGADMIN_IMAGE)
        .endpoint("http", Endpoint::http(80).port(fixed))
        // A desktop program for the one who runs the app: no accounts, no password of its own.
        .env("PGADMIN_CONFIG_SERVER_MODE", "False")
        .env("PGADMIN_CONFIG_MASTER_PASSWORD_REQUIRED", "False")
        .env("PGADMIN_DEFAULT_EMAIL", "admin@domain.com")
        .env("PGADMIN_DEFAULT_PASSWORD", "admin")
        .file("servers", File::new("/pgadmin4/servers.json", contents))
        .probe(Probe::http("http", "/browser"))
        .publish("no");
    servers.iter().zip(1..).fold(ui, |ui, (server, number)| {
        ui.env(password_variable(number), prop(server, "Password"))
    });
}

/// A server in pgAdmin's list. It asks a command for the password: no quoting can go wrong there.
fn entry(server: &str, number: u32) -> Expression {
    let command = format!("printenv {}", password_variable(number));
    expr![
        // Names of resources need no quoting.
        format!("\"{number}\":{{\"Name\":\"{server}\",\"Group\":\"Servers\",\"Host\":\""),
        host(server, ENDPOINT),
        "\",\"Port\":",
        port(server, ENDPOINT),
        ",\"Username\":\"",
        prop(server, "Username"),
        format!("\",\"SSLMode\":\"prefer\",\"MaintenanceDB\":\"{MAINTENANCE}\","),
        format!("\"PasswordExecCommand\":\"{command}\"}}"),
    ]
}

fn password_variable(number: u32) -> String {
    format!("POSTGRES_PASSWORD_{number}")
}

fn pgweb(model: &Model, servers: &[String], fixed: Option<u16>, edits: &mut Edits) {
    let ui = edits
        .container(Ui::Pgweb.name(), "container")
        .description("pgweb, for every PostgreSQL of this app")
        .image(PGWEB_IMAGE)
        .endpoint("http", Endpoint::http(8081).port(fixed))
        .args([
            format!("--bookmarks-dir={BOOKMARKS}"),
            "--sessions".to_owned(),
        ])
        .probe(Probe::http("http", "/"))
        .publish("no");
    servers
        .iter()
        .flat_map(|server| bookmarks(model, server))
        .fold(ui, |ui, (name, uri)| {
            // Everything in the URI is encoded, so that TOML has nothing to misread.
            let contents = expr!["url = \"", uri, "?sslmode=disable\"\n"];
            let target = format!("{BOOKMARKS}/{name}.toml");
            ui.file(format!("bookmark-{name}"), File::new(target, contents))
        });
}

/// Every database of a server, or the server where it has none.
fn bookmarks(model: &Model, server: &str) -> Vec<(String, Expression)> {
    let databases: Vec<_> = model
        .children(server)
        .into_iter()
        .filter(|child| model.shape(child) == Some(Shape::Value))
        .map(|database| (database.clone(), prop(&database, "Uri")))
        .collect();
    if databases.is_empty() {
        let uri = expr![prop(server, "Uri"), format!("/{MAINTENANCE}")];
        return vec![(server.to_owned(), uri)];
    }
    databases
}
