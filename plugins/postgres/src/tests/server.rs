//! A server: both forms, its connection string, its data.

use aspire_sdk::serde_json::json;
use insta::assert_snapshot;

use super::{about, edits_of, expanded, pg, sql};

#[test]
fn plain() {
    assert_snapshot!(expanded(json!({})), @r#"
    pg-password: add parameter of kind parameter
    pg-password: parameter = secret generated 22 with punctuation: Password of pg
    pg: add container of kind postgres
    pg: image = docker.io/library/postgres:18.3
    pg: endpoints.tcp = tcp/tcp target 5432
    pg: container:env.POSTGRES_HOST_AUTH_METHOD = scram-sha-256
    pg: container:env.POSTGRES_INITDB_ARGS = --auth-host=scram-sha-256 --auth-local=scram-sha-256
    pg: container:env.POSTGRES_USER = postgres
    pg: container:env.POSTGRES_PASSWORD = {pg-password}
    pg: container:health = command [/bin/sh, -c, PGUSER="$POSTGRES_USER" PGPASSWORD="$POSTGRES_PASSWORD" PGDATABASE="$1" exec psql -h 127.0.0.1 -X -w -A -t -q -c "select 1", sh, postgres] start period 30000 ms
    pg: process:command = postgres
    pg: process:user = postgres
    pg: process:stop-signal = SIGINT
    pg: process:requires.initdb = install PostgreSQL (Debian and Ubuntu: apt-get install postgresql, then put /usr/lib/postgresql/VERSION/bin on the PATH; macOS: brew install postgresql), or start a container engine
    pg: process:requires.postgres = install PostgreSQL (Debian and Ubuntu: apt-get install postgresql, then put /usr/lib/postgresql/VERSION/bin on the PATH; macOS: brew install postgresql), or start a container engine
    pg: process:requires.psql = install PostgreSQL (Debian and Ubuntu: apt-get install postgresql, then put /usr/lib/postgresql/VERSION/bin on the PATH; macOS: brew install postgresql), or start a container engine
    pg: process:files.pwfile = /etc/aspire/postgres-password 0600 "{pg-password}\n"
    pg: process:mounts.data = scratch at /var/lib/postgresql
    pg: process:env.PGUSER = postgres
    pg: process:env.PGPASSWORD = {pg-password}
    pg: process:args = [-D, {path pg.data}, -p, {port pg.tcp}, -c, listen_addresses=127.0.0.1, -c, unix_socket_directories=]
    pg: process:health = command [psql, -h, 127.0.0.1, -p, {port pg.tcp}, -d, postgres, -X, -w, -A, -t, -q, -c, select 1]
    pg: process:prepare.1-initdb = initdb [-D, {path pg.data}, --username=postgres, --pwfile={path pg.pwfile}, --auth=scram-sha-256, --encoding=UTF8, --locale=C.UTF-8, --no-sync] creates {path pg.data}/PG_VERSION
    pg: connection-string = Host={pg.tcp.host};Port={pg.tcp.port};Username=postgres;Password={pg-password}
    pg: properties.Host = {pg.tcp.host}
    pg: properties.Port = {pg.tcp.port}
    pg: properties.Username = postgres
    pg: properties.Password = {pg-password}
    pg: properties.Uri = postgresql://postgres:{pg-password:uri}@{pg.tcp.host}:{pg.tcp.port}
    pg: properties.JdbcConnectionString = jdbc:postgresql://{pg.tcp.host}:{pg.tcp.port}
    "#);
}

/// Vectors from .NET Aspire's own tests: `user` goes into the string and the environment, and a
/// password that is given is not generated.
#[test]
fn given_credentials() {
    let edits = expanded(json!({ "user": "login", "password": "pass", "port": 5432 }));
    assert_snapshot!(edits, @r#"
    pg: add container of kind postgres
    pg: image = docker.io/library/postgres:18.3
    pg: endpoints.tcp = tcp/tcp port 5432 target 5432
    pg: container:env.POSTGRES_HOST_AUTH_METHOD = scram-sha-256
    pg: container:env.POSTGRES_INITDB_ARGS = --auth-host=scram-sha-256 --auth-local=scram-sha-256
    pg: container:env.POSTGRES_USER = {login}
    pg: container:env.POSTGRES_PASSWORD = {pass}
    pg: container:health = command [/bin/sh, -c, PGUSER="$POSTGRES_USER" PGPASSWORD="$POSTGRES_PASSWORD" PGDATABASE="$1" exec psql -h 127.0.0.1 -X -w -A -t -q -c "select 1", sh, postgres] start period 30000 ms
    pg: process:command = postgres
    pg: process:user = postgres
    pg: process:stop-signal = SIGINT
    pg: process:requires.initdb = install PostgreSQL (Debian and Ubuntu: apt-get install postgresql, then put /usr/lib/postgresql/VERSION/bin on the PATH; macOS: brew install postgresql), or start a container engine
    pg: process:requires.postgres = install PostgreSQL (Debian and Ubuntu: apt-get install postgresql, then put /usr/lib/postgresql/VERSION/bin on the PATH; macOS: brew install postgresql), or start a container engine
    pg: process:requires.psql = install PostgreSQL (Debian and Ubuntu: apt-get install postgresql, then put /usr/lib/postgresql/VERSION/bin on the PATH; macOS: brew install postgresql), or start a container engine
    pg: process:files.pwfile = /etc/aspire/postgres-password 0600 "{pass}\n"
    pg: process:mounts.data = scratch at /var/lib/postgresql
    pg: process:env.PGUSER = {login}
    pg: process:env.PGPASSWORD = {pass}
    pg: process:args = [-D, {path pg.data}, -p, {port pg.tcp}, -c, listen_addresses=127.0.0.1, -c, unix_socket_directories=]
    pg: process:health = command [psql, -h, 127.0.0.1, -p, {port pg.tcp}, -d, postgres, -X, -w, -A, -t, -q, -c, select 1]
    pg: process:prepare.1-initdb = initdb [-D, {path pg.data}, --username={login}, --pwfile={path pg.pwfile}, --auth=scram-sha-256, --encoding=UTF8, --locale=C.UTF-8, --no-sync] creates {path pg.data}/PG_VERSION
    pg: connection-string = Host={pg.tcp.host};Port={pg.tcp.port};Username={login};Password={pass}
    pg: properties.Host = {pg.tcp.host}
    pg: properties.Port = {pg.tcp.port}
    pg: properties.Username = {login}
    pg: properties.Password = {pass}
    pg: properties.Uri = postgresql://{login:uri}:{pass:uri}@{pg.tcp.host}:{pg.tcp.port}
    pg: properties.JdbcConnectionString = jdbc:postgresql://{pg.tcp.host}:{pg.tcp.port}
    "#);
}

#[test]
fn kept_data() {
    let mounts = |options, image: Option<&str>| {
        let declaration = match image {
            Some(image) => pg(options).explicit("image", Some(image)),
            None => pg(options),
        };
        about(
            &edits_of(&declaration).expect("it expands"),
            "pg: mounts.data = ",
        )
    };
    let kept = || json!({ "data-volume": true });
    assert_eq!(mounts(kept(), None), "volume at /var/lib/postgresql");
    assert_eq!(
        mounts(kept(), Some("postgres:17")),
        "volume at /var/lib/postgresql/data"
    );
    assert_eq!(
        mounts(
            json!({ "data-volume": "pgdata" }),
            Some("postgres:18-alpine")
        ),
        "volume pgdata at /var/lib/postgresql"
    );
    assert_eq!(mounts(json!({ "data-volume": false }), None), "");
    let edits = expanded(kept());
    assert_eq!(about(&edits, "pg: process:mounts.data"), "");
    assert!(!edits.to_string().contains("--no-sync"));
}

#[test]
fn a_guessed_version_is_told() {
    let unclear = pg(json!({ "data-volume": true })).explicit("image", Some("team/db:main"));
    let warnings: Vec<String> = edits_of(&unclear)
        .expect("it expands")
        .diagnostics()
        .map(ToString::to_string)
        .collect();
    assert_snapshot!(warnings.join("\n"), @"warning postgres:unclear-version: the image's name does not tell PostgreSQL's major version, which decides where the volume belongs; taken for 18 or newer (at pg/data-volume); use a tag that begins with the version, such as 17.2 or pg17");
    let built = pg(json!({ "data-volume": true })).explicit("build", None);
    assert_eq!(
        edits_of(&built).expect("it expands").diagnostics().count(),
        1
    );
    let not_kept = pg(json!({})).explicit("image", Some("team/db:main"));
    assert_eq!(
        edits_of(&not_kept)
            .expect("it expands")
            .diagnostics()
            .count(),
        0
    );
}

#[test]
fn nothing_secret_is_an_argument() {
    let edits =
        expanded(json!({ "databases": ["orders"], "init-scripts": { "a": sql("select 1") } }));
    let lists = ["args = ", "health = command ", "prepare.", "entrypoint = "];
    let text = edits.to_string();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| lists.iter().any(|list| line.contains(list)))
        .collect();
    assert_eq!(lines.len(), 8, "{lines:#?}");
    for line in lines {
        assert!(!line.contains("{pg-password"), "{line}");
    }
}
