//! One PostgreSQL server: its container form, its connection string and properties.
//!
//! The container follows .NET Aspire's integration, so that its users find what they know.

use aspire_sdk::expr::{host, param, port};
use aspire_sdk::{
    Declaration, Edits, Endpoint, Error, Expression, File, Mount, Parameter, Resource, expr,
};

use crate::databases::{self, Database, MAINTENANCE, container_probe};
use crate::image::Major;
use crate::native;
use crate::options::Options;
use crate::scripts::{self, Script};

const IMAGE: &str = "docker.io/library/postgres:18.3";
const PORT: u16 = 5432;
const INIT_FOLDER: &str = "/docker-entrypoint-initdb.d";

/// Making the data folder and running every script takes a while on a slow disk; a container that
/// is found unhealthy meanwhile would keep whatever waits for it from starting.
const SET_UP: u32 = 30_000;

/// Name of the endpoint.
pub(crate) const ENDPOINT: &str = "tcp";
/// Key of the mount with the data.
pub(crate) const DATA: &str = "data";

/// What everything about a server is made of.
#[derive(Debug)]
pub(crate) struct Server<'d> {
    /// Its resource.
    pub(crate) name: &'d str,
    /// The parameter with the superuser's name.
    user: Option<String>,
    /// The parameter with the superuser's password.
    pub(crate) password: String,
}

impl Server<'_> {
    /// The superuser's name.
    pub(crate) fn user(&self) -> Expression {
        match &self.user {
            Some(parameter) => param(parameter),
            None => "postgres".into(),
        }
    }

    fn connection_string(&self) -> Expression {
        expr![
            "Host=",
            host(self.name, ENDPOINT),
            ";Port=",
            port(self.name, ENDPOINT),
            ";Username=",
            self.user(),
            ";Password=",
            param(&self.password),
        ]
    }

    fn address(&self) -> Expression {
        expr![host(self.name, ENDPOINT), ":", port(self.name, ENDPOINT)]
    }

    /// Without a database.
    pub(crate) fn uri(&self) -> Expression {
        let user = match &self.user {
            Some(parameter) => param(parameter).uri(),
            None => self.user(),
        };
        expr![
            "postgresql://",
            user,
            ":",
            param(&self.password).uri(),
            "@",
            self.address()
        ]
    }

    /// Without a database and, as JDBC wants it, without a user.
    pub(crate) fn jdbc(&self) -> Expression {
        expr!["jdbc:postgresql://", self.address()]
    }
}

pub(crate) fn expand(declaration: &Declaration, edits: &mut Edits) -> Result<(), Error> {
    let options = Options::of(declaration)?;
    let name = declaration.name();
    let databases = databases::of(declaration, &options)?;
    let scripts = scripts::of(declaration, &options, &databases)?;
    let data_path = data_path(declaration, &options, edits);
    let process = !scripts.iter().any(Script::needs_psql);

    if options.password.is_none() {
        let value = Parameter::generated(22)
            .special()
            .description(format!("Password of {name}"));
        edits.parameter(format!("{name}-password"), value);
    }
    let server = Server {
        name,
        user: options.user.clone(),
        password: options
            .password
            .clone()
            .unwrap_or_else(|| format!("{name}-password")),
    };
    let volume = options.data_volume();
    let scratch = volume.is_none().then_some(data_path);

    edits
        .container(name, declaration.kind())
        .image(IMAGE)
        .endpoint(ENDPOINT, Endpoint::tcp("tcp", PORT).port(options.port))
        .with(volume, |postgres, volume| {
            postgres.mount(DATA, Mount::volume(data_path).source(volume))
        })
        .container_only(|form| container(form, &server, &databases, &scripts))
        .when(process, |postgres| {
            postgres.process(|form| native::describe(form, &server, &databases, &scripts, scratch))
        })
        .connection_string(server.connection_string())
        .property("Host", host(name, ENDPOINT))
        .property("Port", port(name, ENDPOINT))
        .property("Username", server.user())
        .property("Password", param(&server.password))
        .property("Uri", server.uri())
        .property("JdbcConnectionString", server.jdbc());
    for database in &databases {
        databases::add(edits, &server, database, process);
    }
    Ok(())
}

/// Where the image has its data. A volume in the wrong place would lose it, so a guess is told.
fn data_path(declaration: &Declaration, options: &Options, edits: &mut Edits) -> &'static str {
    let major = match declaration.explicit_text("image") {
        Some(image) => Major::of(image),
        None if declaration.is_explicit("build") => Major::Unclear,
        None => Major::of(IMAGE),
    };
    if major == Major::Unclear && options.data_volume().is_some() {
        let message = "the image's name does not tell PostgreSQL's major version, which decides \
                       where the volume belongs; taken for 18 or newer";
        edits.diagnose(
            declaration
                .warning("/data-volume", "postgres:unclear-version", message)
                .help("use a tag that begins with the version, such as 17.2 or pg17"),
        );
    }
    major.data_path()
}

fn container<'e>(
    form: Resource<'e>,
    server: &Server<'_>,
    databases: &[Database],
    scripts: &[Script],
) -> Resource<'e> {
    let form = form
        .env("POSTGRES_HOST_AUTH_METHOD", "scram-sha-256")
        .env(
            "POSTGRES_INITDB_ARGS",
            "--auth-host=scram-sha-256 --auth-local=scram-sha-256",
        )
        .env("POSTGRES_USER", server.user())
        .env("POSTGRES_PASSWORD", param(&server.password))
        .with(scripts::create_all(databases), |form, sql| {
            form.file(
                "init-databases",
                File::new(format!("{INIT_FOLDER}/000-databases.sql"), sql),
            )
        });
    scripts
        .iter()
        .fold(form, |form, script| {
            let target = format!("{INIT_FOLDER}/{}.sql", script.name);
            form.file(
                format!("init-{}", script.name),
                File::new(target, script.for_psql()),
            )
        })
        .probe(container_probe(MAINTENANCE).start_period(SET_UP))
}
