//! One Redis server: both of its forms, its connection string and properties.
//!
//! The container follows .NET Aspire's integration, so that its users find what they know. The
//! process gets everything that is secret by a file that only its user can read.

use aspire_sdk::expr::{host, if_tls, listen_port, param, path, port, scheme};
use aspire_sdk::{
    Declaration, Edits, Endpoint, Error, Expression, File, Mount, Parameter, Probe, Resource, expr,
};

use crate::options::{Options, Password, Persistence};

const IMAGE: &str = "docker.io/library/redis:8.6";
const PORT: u16 = 6379;
const ENDPOINT: &str = "tcp";
const HINT: &str = "install Redis (Debian and Ubuntu: apt-get install redis-server; macOS: brew \
                    install redis), or start a container engine";

pub(crate) fn expand(declaration: &Declaration, edits: &mut Edits) -> Result<(), Error> {
    let options = Options::of(declaration)?;
    let name = declaration.name();
    let password = options.password(name);
    let modules = options.modules();

    if let Password::Generated(parameter) = &password {
        // No punctuation: Redis clients read their connection string up to the next comma.
        let value = Parameter::generated(22).description(format!("Password of {name}"));
        edits.parameter(parameter, value);
    }
    let secret = password.parameter().map(param);

    edits
        .container(name, declaration.kind())
        .image(IMAGE)
        .endpoint(ENDPOINT, Endpoint::tcp("redis", PORT).port(options.port))
        .with(options.data_volume(), |redis, volume| {
            redis.mount("data", Mount::volume("/data").source(volume))
        })
        .container_only(|form| container(form, secret.as_ref(), options.persistence(), &modules))
        // Modules are files of the image.
        .when(modules.is_empty(), |redis| {
            let scratch = options.data_volume().is_none();
            redis.process(|form| {
                process(form, name, secret.as_ref(), options.persistence(), scratch)
            })
        })
        .connection_string(connection_string(name, secret.as_ref()))
        .property("Host", host(name, ENDPOINT))
        .property("Port", port(name, ENDPOINT))
        .with(secret.clone(), |redis, secret| {
            redis.property("Password", secret)
        })
        .property("Uri", uri(name, secret));
    Ok(())
}

fn container<'e>(
    form: Resource<'e>,
    secret: Option<&Expression>,
    persistence: Option<Persistence>,
    modules: &[String],
) -> Resource<'e> {
    // The configuration comes through standard input, where no list of processes shows it; `exec`,
    // so that the request to stop reaches Redis and not a shell that ignores it.
    let mut command = String::from("exec redis-server - <<END\n");
    if secret.is_some() {
        command.push_str("requirepass '$REDIS_PASSWORD'\n");
    }
    if let Some(Persistence { interval, keys }) = persistence {
        command.push_str(&format!("save {interval} {keys}\n"));
    }
    for module in modules {
        command.push_str(&format!("loadmodule {module}\n"));
    }
    command.push_str("END\n");
    form.entrypoint(["/bin/sh"])
        .args(["-c".to_owned(), command])
        .with(secret, |form, secret| {
            // redis-cli reads the second one, in the probe below and for whoever execs into it.
            form.env("REDIS_PASSWORD", secret)
                .env("REDISCLI_AUTH", secret)
        })
        // Its exit code is 0 even when the server answers with an error.
        .probe(Probe::command([
            "/bin/sh",
            "-c",
            "redis-cli ping | grep -q PONG",
        ]))
}

fn process<'e>(
    form: Resource<'e>,
    name: &str,
    secret: Option<&Expression>,
    persistence: Option<Persistence>,
    scratch: bool,
) -> Resource<'e> {
    let save = match persistence {
        Some(Persistence { interval, keys }) => format!("save {interval} {keys}\n"),
        // Without a word about it, Redis would write snapshots that nobody asked for.
        None => "save \"\"\n".to_owned(),
    };
    let config = match secret {
        // Single quotes: the only ones in which Redis takes a backslash for what it is.
        Some(secret) => expr!["requirepass '", secret, "'\n", save],
        None => save.into(),
    };
    form.command("redis-server")
        .requires("redis-server", HINT)
        .file(
            "config",
            File::new("/etc/redis/aspire.conf", config).mode(0o600),
        )
        .when(scratch, |form| form.mount("data", Mount::scratch("/data")))
        .arg(path(name, "config"))
        .args([expr!["--port"], listen_port(name, ENDPOINT)])
        .args(["--bind", "127.0.0.1"])
        .args([expr!["--dir"], path(name, "data")])
        // A command would need a shell on the developer's machine, and a grant for it.
        .probe(Probe::tcp(ENDPOINT))
}

fn connection_string(name: &str, secret: Option<&Expression>) -> Expression {
    let base = expr![host(name, ENDPOINT), ":", port(name, ENDPOINT)];
    let base = match secret {
        Some(secret) => expr![base, ",password=", secret],
        None => base,
    };
    expr![base, if_tls(name, ENDPOINT, ",ssl=true", "")]
}

fn uri(name: &str, secret: Option<Expression>) -> Expression {
    let login = secret.map_or_else(Expression::new, |secret| expr![":", secret.uri(), "@"]);
    expr![
        scheme(name, ENDPOINT),
        "://",
        login,
        host(name, ENDPOINT),
        ":",
        port(name, ENDPOINT)
    ]
}
