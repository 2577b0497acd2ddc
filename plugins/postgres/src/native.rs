//! The process form: a data folder made once, databases and scripts in single-user mode, a server
//! on 127.0.0.1 only. What is secret goes by files and the environment.

use aspire_sdk::expr::{listen_port, param, path};
use aspire_sdk::{Expression, File, Mount, Prepare, Resource, expr};

use crate::databases::{Database, MAINTENANCE, process_probe};
use crate::scripts::{self, Script};
use crate::server::{DATA, ENDPOINT, Server};

const HINT: &str = "install PostgreSQL (Debian and Ubuntu: apt-get install postgresql, then put \
                    /usr/lib/postgresql/VERSION/bin on the PATH; macOS: brew install \
                    postgresql), or start a container engine";

/// Key of the file that initdb reads the password from.
const PASSWORD_FILE: &str = "pwfile";

/// The user that it runs as where the host is root: PostgreSQL refuses that.
const ACCOUNT: &str = "postgres";

/// Describes the form. `data_path`: where the container form has its data, if it is not kept.
pub(crate) fn describe<'e>(
    form: Resource<'e>,
    server: &Server<'_>,
    databases: &[Database],
    scripts: &[Script],
    scratch: Option<&str>,
) -> Resource<'e> {
    let name = server.name;
    let data = || path(name, DATA);
    let marker = |what: &str| expr![data(), format!("/.aspire-{what}")];
    let password = expr![param(&server.password), "\n"];
    let form = form
        .command("postgres")
        .user(ACCOUNT)
        // SIGTERM would wait until every client has left.
        .stop_signal("SIGINT")
        .requires("initdb", HINT)
        .requires("postgres", HINT)
        .requires("psql", HINT)
        .file(
            PASSWORD_FILE,
            File::new("/etc/aspire/postgres-password", password).mode(0o600),
        )
        .with(scratch, |form, target| {
            form.mount(DATA, Mount::scratch(target))
        })
        .env("PGUSER", server.user())
        .env("PGPASSWORD", param(&server.password))
        .args([expr!["-D"], data()])
        .args([expr!["-p"], listen_port(name, ENDPOINT)])
        .args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
        ])
        .probe(process_probe(name, MAINTENANCE))
        .prepare("1-initdb", initdb(server, scratch.is_some()));
    let form = databases.iter().filter(|database| database.is_made()).fold(
        form,
        |form, Database { resource, name }| {
            let marker = marker(&format!("database-{resource}"));
            let step = single_user(&data(), MAINTENANCE, false)
                .stdin(scripts::create_one(name, &marker))
                .creates(marker);
            form.prepare(format!("2-database-{resource}"), step)
        },
    );
    scripts.iter().fold(form, |form, script| {
        let marker = marker(&format!("script-{}", script.name));
        let step = single_user(&data(), &script.database, true)
            .stdin(script.for_single_user(&marker))
            .creates(marker);
        form.prepare(format!("3-script-{}", script.name), step)
    })
}

/// Makes the data folder, once. The locale is the container's default, so that both sort alike.
fn initdb(server: &Server<'_>, scratch: bool) -> Prepare {
    let data = path(server.name, DATA);
    let step = Prepare::new("initdb")
        .args([expr!["-D"], data.clone()])
        .arg(expr!["--username=", server.user()])
        .arg(expr!["--pwfile=", path(server.name, PASSWORD_FILE)])
        .args([
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ])
        .creates(expr![data, "/PG_VERSION"]);
    // What ends with the process need not outlive the machine.
    if scratch { step.arg("--no-sync") } else { step }
}

/// A server without a network that reads statements from its standard input.
fn single_user(data: &Expression, database: &str, whole_scripts: bool) -> Prepare {
    let step = Prepare::new("postgres").args([expr!["--single"], expr!["-D"], data.clone()]);
    let step = if whole_scripts {
        step.args(["-j", "-c", "exit_on_error=on"])
    } else {
        step
    };
    step.arg(database)
}
