//! The databases of a server: resources of their own, each with a probe that looks for it.
//!
//! They exist before their dependents start because those wait for that probe; who creates them is
//! the form's business. A database that an older data volume lacks stays unhealthy, and the text
//! of the probe names it.

use aspire_sdk::expr::{connection, host, listen_port, param, port};
use aspire_sdk::{Declaration, Edits, Error, Expression, Probe, expr};

use crate::options::{DatabaseOption, Options};
use crate::quote;
use crate::server::{ENDPOINT, Server};

/// The kind of a database's resource.
const KIND: &str = "postgres-database";

/// Longest name of a database, in bytes: PostgreSQL cuts longer ones.
const MAX_DATABASE: usize = 63;

/// One that every server has from the start.
pub(crate) const MAINTENANCE: &str = "postgres";

/// A database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Database {
    /// Name of its resource.
    pub(crate) resource: String,
    /// Its own.
    pub(crate) name: String,
}

impl Database {
    /// Whether it has to be created.
    pub(crate) fn is_made(&self) -> bool {
        self.name != MAINTENANCE
    }
}

/// Reads and checks the option.
pub(crate) fn of(declaration: &Declaration, options: &Options) -> Result<Vec<Database>, Error> {
    let mut found: Vec<Database> = Vec::new();
    for (index, option) in options.databases.iter().enumerate() {
        let (database, at) = match option {
            DatabaseOption::Name(name)
            | DatabaseOption::Named {
                name,
                database: None,
            } => (
                Database {
                    resource: name.clone(),
                    name: name.clone(),
                },
                String::new(),
            ),
            DatabaseOption::Named {
                name,
                database: Some(database),
            } => {
                let database = Database {
                    resource: name.clone(),
                    name: database.clone(),
                };
                (database, "/database".to_owned())
            }
        };
        check_database(
            declaration,
            &format!("/databases/{index}{at}"),
            &database.name,
        )?;
        check_resource(
            declaration,
            &format!("/databases/{index}"),
            &database,
            &found,
        )?;
        found.push(database);
    }
    Ok(found)
}

fn check_database(declaration: &Declaration, pointer: &str, name: &str) -> Result<(), Error> {
    let wrong =
        |message: String| Err(declaration.error(pointer, "postgres:bad-database-name", &message));
    if name.is_empty() {
        return wrong("a database needs a name".to_owned());
    }
    if name.len() > MAX_DATABASE {
        return wrong(format!(
            "the name of a database has at most {MAX_DATABASE} bytes; this one has {}",
            name.len()
        ));
    }
    if name.contains(char::is_control) {
        return wrong(
            "the name of a database has no line breaks or other control characters".into(),
        );
    }
    if matches!(name, "template0" | "template1") {
        return wrong(format!(
            "`{name}` is PostgreSQL's own and nothing to connect to"
        ));
    }
    Ok(())
}

fn check_resource(
    declaration: &Declaration,
    pointer: &str,
    database: &Database,
    before: &[Database],
) -> Result<(), Error> {
    let Database { resource, name } = database;
    let taken = |other: &str| other.eq_ignore_ascii_case(resource);
    let rename = format!("write {{ name = \"…\", database = \"{name}\" }} to name it otherwise");
    if taken(declaration.name()) {
        let message = format!("the server itself is named `{}`", declaration.name());
        let error = declaration.error(pointer, "postgres:duplicate-database", &message);
        return Err(error.help(rename));
    }
    if before.iter().any(|other| taken(&other.resource)) {
        let message = format!("there are two databases named `{resource}`");
        return Err(declaration
            .error(pointer, "postgres:duplicate-database", &message)
            .help(format!("leave one out, or {rename}")));
    }
    if let Some(other) = before.iter().find(|other| other.name == *name) {
        let message = format!(
            "`{resource}` is the same database as `{}`: {name}",
            other.resource
        );
        return Err(declaration
            .error(pointer, "postgres:duplicate-database", &message)
            .help("leave one of the two out"));
    }
    Ok(())
}

/// Adds a database's resource. `process`: the server has a process form.
pub(crate) fn add(edits: &mut Edits, server: &Server<'_>, database: &Database, process: bool) {
    let Database { resource, name } = database;
    let parent = server.name;
    let path = expr!["/", quote::uri(name)];
    let connection_string = expr![
        connection(parent),
        ";Database=",
        quote::connection_value(name)
    ];
    edits
        .value(resource, KIND)
        .parent(parent)
        .description(format!("Database {name} of {parent}"))
        .connection_string(connection_string)
        .property("Host", host(parent, ENDPOINT))
        .property("Port", port(parent, ENDPOINT))
        .property("Username", server.user())
        .property("Password", param(&server.password))
        .property("DatabaseName", name)
        .property("Uri", server.uri().then(&path))
        .property("JdbcConnectionString", server.jdbc().then(&path))
        .container_only(|form| form.probe(container_probe(name)))
        .when(process, |database| {
            database.process(|form| form.probe(process_probe(parent, name)))
        });
}

/// Asks a database whether it is there, inside the server's container. Over TCP: while the image
/// sets a new server up, it listens on its Unix socket only. Nothing secret is an argument.
pub(crate) fn container_probe(database: &str) -> Probe {
    let script = "PGUSER=\"$POSTGRES_USER\" PGPASSWORD=\"$POSTGRES_PASSWORD\" PGDATABASE=\"$1\" \
                  exec psql -h 127.0.0.1 -X -w -A -t -q -c \"select 1\"";
    Probe::command(["/bin/sh", "-c", script, "sh", database])
}

/// The same on the developer's machine; user and password are in the process's environment.
pub(crate) fn process_probe(server: &str, database: &str) -> Probe {
    let port = listen_port(server, ENDPOINT);
    let command = [
        expr!["psql"],
        expr!["-h"],
        expr!["127.0.0.1"],
        expr!["-p"],
        port,
        expr!["-d"],
        Expression::text(quote::conninfo(database)),
    ];
    let rest = ["-X", "-w", "-A", "-t", "-q", "-c", "select 1"].map(Expression::text);
    Probe::command(command.into_iter().chain(rest))
}
