//! Databases and scripts: resources of their own, made in both forms, and what is refused.

use aspire_sdk::serde_json::json;
use insta::assert_snapshot;

use super::{about, expanded, refused, sql};

#[test]
fn two() {
    let edits = expanded(json!({ "databases": [
        "orders",
        { "name": "stock", "database": "in stock" },
    ] }));
    assert_snapshot!(about(&edits, "orders: "), @r#"
    add value of kind postgres-database
    parent = pg
    description = Database orders of pg
    connection-string = {pg};Database=orders
    properties.Host = {pg.tcp.host}
    properties.Port = {pg.tcp.port}
    properties.Username = postgres
    properties.Password = {pg-password}
    properties.DatabaseName = orders
    properties.Uri = postgresql://postgres:{pg-password:uri}@{pg.tcp.host}:{pg.tcp.port}/orders
    properties.JdbcConnectionString = jdbc:postgresql://{pg.tcp.host}:{pg.tcp.port}/orders
    container:health = command [/bin/sh, -c, PGUSER="$POSTGRES_USER" PGPASSWORD="$POSTGRES_PASSWORD" PGDATABASE="$1" exec psql -h 127.0.0.1 -X -w -A -t -q -c "select 1", sh, orders]
    process:health = command [psql, -h, 127.0.0.1, -p, {port pg.tcp}, -d, orders, -X, -w, -A, -t, -q, -c, select 1]
    "#);
    assert_snapshot!(about(&edits, "stock: "), @r#"
    add value of kind postgres-database
    parent = pg
    description = Database in stock of pg
    connection-string = {pg};Database="in stock"
    properties.Host = {pg.tcp.host}
    properties.Port = {pg.tcp.port}
    properties.Username = postgres
    properties.Password = {pg-password}
    properties.DatabaseName = in stock
    properties.Uri = postgresql://postgres:{pg-password:uri}@{pg.tcp.host}:{pg.tcp.port}/{"in stock":uri}
    properties.JdbcConnectionString = jdbc:postgresql://{pg.tcp.host}:{pg.tcp.port}/{"in stock":uri}
    container:health = command [/bin/sh, -c, PGUSER="$POSTGRES_USER" PGPASSWORD="$POSTGRES_PASSWORD" PGDATABASE="$1" exec psql -h 127.0.0.1 -X -w -A -t -q -c "select 1", sh, in stock]
    process:health = command [psql, -h, 127.0.0.1, -p, {port pg.tcp}, -d, in stock, -X, -w, -A, -t, -q, -c, select 1]
    "#);
    assert_snapshot!(about(&edits, "pg: container:files."), @r#"init-databases = /docker-entrypoint-initdb.d/000-databases.sql 0644 "SELECT 'CREATE DATABASE "orders";' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'orders')\gexec\nSELECT 'CREATE DATABASE "in stock";' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'in stock')\gexec\n""#);
    assert_snapshot!(about(&edits, "pg: process:prepare."), @r#"
    1-initdb = initdb [-D, {path pg.data}, --username=postgres, --pwfile={path pg.pwfile}, --auth=scram-sha-256, --encoding=UTF8, --locale=C.UTF-8, --no-sync] creates {path pg.data}/PG_VERSION
    2-database-orders = postgres [--single, -D, {path pg.data}, postgres] stdin "CREATE DATABASE "orders";\nSET exit_on_error = on;\nSELECT 1 / count(*) FROM pg_database WHERE datname = 'orders';\nCOPY (SELECT 1) TO $aspire${path pg.data}/.aspire-database-orders$aspire$;\n" creates {path pg.data}/.aspire-database-orders
    2-database-stock = postgres [--single, -D, {path pg.data}, postgres] stdin "CREATE DATABASE "in stock";\nSET exit_on_error = on;\nSELECT 1 / count(*) FROM pg_database WHERE datname = 'in stock';\nCOPY (SELECT 1) TO $aspire${path pg.data}/.aspire-database-stock$aspire$;\n" creates {path pg.data}/.aspire-database-stock
    "#);
}

#[test]
fn quoted_everywhere() {
    let edits = expanded(json!({ "databases": [{ "name": "odd", "database": "o\"d'd;=" }] }));
    assert_snapshot!(about(&edits, "odd: "), @r#"
    add value of kind postgres-database
    parent = pg
    description = Database o"d'd;= of pg
    connection-string = {pg};Database="o""d'd;="
    properties.Host = {pg.tcp.host}
    properties.Port = {pg.tcp.port}
    properties.Username = postgres
    properties.Password = {pg-password}
    properties.DatabaseName = o"d'd;=
    properties.Uri = postgresql://postgres:{pg-password:uri}@{pg.tcp.host}:{pg.tcp.port}/{"o"d'd;=":uri}
    properties.JdbcConnectionString = jdbc:postgresql://{pg.tcp.host}:{pg.tcp.port}/{"o"d'd;=":uri}
    container:health = command [/bin/sh, -c, PGUSER="$POSTGRES_USER" PGPASSWORD="$POSTGRES_PASSWORD" PGDATABASE="$1" exec psql -h 127.0.0.1 -X -w -A -t -q -c "select 1", sh, o"d'd;=]
    process:health = command [psql, -h, 127.0.0.1, -p, {port pg.tcp}, -d, dbname='o"d\'d;=', -X, -w, -A, -t, -q, -c, select 1]
    "#);
    assert_snapshot!(about(&edits, "pg: container:files."), @r#"init-databases = /docker-entrypoint-initdb.d/000-databases.sql 0644 "SELECT 'CREATE DATABASE "o""d''d;=";' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'o"d''d;=')\gexec\n""#);
    assert_snapshot!(about(&edits, "pg: process:prepare.2"), @r#"-database-odd = postgres [--single, -D, {path pg.data}, postgres] stdin "CREATE DATABASE "o""d'd;=";\nSET exit_on_error = on;\nSELECT 1 / count(*) FROM pg_database WHERE datname = 'o"d''d;=';\nCOPY (SELECT 1) TO $aspire${path pg.data}/.aspire-database-odd$aspire$;\n" creates {path pg.data}/.aspire-database-odd"#);
}

#[test]
fn one_that_is_always_there() {
    let edits = expanded(json!({ "databases": ["postgres"] }));
    assert_eq!(about(&edits, "pg: container:files."), "");
    assert_eq!(about(&edits, "pg: process:prepare.2"), "");
    assert!(about(&edits, "postgres: ").contains("connection-string = {pg};Database=postgres"));
}

#[test]
fn scripts() {
    let edits = expanded(json!({
        "databases": [{ "name": "orders", "database": "Orders" }],
        "init-scripts": {
            "schema": { "database": "orders", "sql": sql("create table t (i int);\n\ninsert into t values (1);") },
            "roles": { "$expr": [
                { "op": "lit", "subject": "create role app password '" },
                { "op": "param", "subject": "app-password" },
                { "op": "lit", "subject": "'" },
            ] },
        },
    }));
    assert_snapshot!(about(&edits, "pg: container:files."), @r#"
    init-databases = /docker-entrypoint-initdb.d/000-databases.sql 0644 "SELECT 'CREATE DATABASE "Orders";' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'Orders')\gexec\n"
    init-001-roles = /docker-entrypoint-initdb.d/001-roles.sql 0644 "\connect -reuse-previous=on "postgres"\ncreate role app password '{app-password}'\n"
    init-002-schema = /docker-entrypoint-initdb.d/002-schema.sql 0644 "\connect -reuse-previous=on "Orders"\ncreate table t (i int);\n\ninsert into t values (1);\n"
    "#);
    assert_snapshot!(about(&edits, "pg: process:prepare.3"), @r#"
    -script-001-roles = postgres [--single, -D, {path pg.data}, -j, -c, exit_on_error=on, postgres] stdin "create role app password '{app-password}'\n;\n\nCOPY (SELECT 1) TO $aspire${path pg.data}/.aspire-script-001-roles$aspire$;\n\n" creates {path pg.data}/.aspire-script-001-roles
    -script-002-schema = postgres [--single, -D, {path pg.data}, -j, -c, exit_on_error=on, Orders] stdin "create table t (i int);\n \ninsert into t values (1);\n;\n\nCOPY (SELECT 1) TO $aspire${path pg.data}/.aspire-script-002-schema$aspire$;\n\n" creates {path pg.data}/.aspire-script-002-schema
    "#);
}

#[test]
fn what_only_psql_runs_has_no_process_form() {
    for text in [
        "\\copy t from x",
        "select 1;\n  \\echo done",
        "copy t FROM STDIN;\n1\n\\.\n",
        "select 'create role x'\\gexec",
    ] {
        let edits =
            expanded(json!({ "databases": ["orders"], "init-scripts": { "a": sql(text) } }));
        assert!(!edits.to_string().contains("process:"), "{text}");
    }
    let edits = expanded(json!({ "init-scripts": { "a": sql("select E'a\\nb' from stdin_log") } }));
    assert!(
        edits
            .to_string()
            .contains("pg: process:prepare.3-script-001-a = ")
    );
}

#[test]
fn refusals() {
    let list = [
        json!({ "databases": ["orders", "Orders"] }),
        json!({ "databases": ["a", { "name": "b", "database": "a" }] }),
        json!({ "databases": ["pg"] }),
        json!({ "databases": ["template1"] }),
        json!({ "databases": [{ "name": "a", "database": "" }] }),
        json!({ "databases": [{ "name": "a", "database": "a\nb" }] }),
        json!({ "databases": [{ "name": "a", "database": "ö".repeat(32) }] }),
        json!({ "databases": [1] }),
        json!({ "init-scripts": { "a": { "database": "orders", "sql": sql("select 1") } } }),
        json!({ "databases": ["a", "b"], "init-scripts": { "a": { "database": "c", "sql": sql("") } } }),
        json!({ "init-scripts": { "a": 1 } }),
        json!({ "init-scripts": { "a/b": sql("") } }),
        json!({ "data-volume": 1 }),
        json!({ "admin": "phpmyadmin" }),
    ];
    let told: Vec<String> = list.into_iter().map(refused).collect();
    assert_snapshot!(told.join("\n"), @r#"
    postgres:duplicate-database: there are two databases named `Orders` (at pg/databases/1); leave one out, or write { name = "…", database = "Orders" } to name it otherwise
    postgres:duplicate-database: `b` is the same database as `a`: a (at pg/databases/1); leave one of the two out
    postgres:duplicate-database: the server itself is named `pg` (at pg/databases/0); write { name = "…", database = "pg" } to name it otherwise
    postgres:bad-database-name: `template1` is PostgreSQL's own and nothing to connect to (at pg/databases/0)
    postgres:bad-database-name: a database needs a name (at pg/databases/0/database)
    postgres:bad-database-name: the name of a database has no line breaks or other control characters (at pg/databases/0/database)
    postgres:bad-database-name: the name of a database has at most 63 bytes; this one has 64 (at pg/databases/0/database)
    postgres:bad-options: data did not match any variant of untagged enum DatabaseOption (at pg/databases)
    postgres:unknown-database: `pg` has no database `orders` (at pg/init-scripts/a/database); add databases = ["orders"]
    postgres:unknown-database: `pg` has no database `c` (at pg/init-scripts/a/database); its databases are: a, b
    postgres:bad-options: data did not match any variant of untagged enum ScriptOption (at pg/init-scripts)
    postgres:bad-script-name: `a/b` is no name of a script (at pg/init-scripts/a~1b); use letters, digits and hyphens
    postgres:bad-options: data did not match any variant of untagged enum Switch (at pg)
    postgres:bad-options: data did not match any variant of untagged enum Admin (at pg)
    "#);
}
