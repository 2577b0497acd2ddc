//! The web UIs: one for all servers, whoever asks for it.

use aspire_sdk::serde_json::{self, Value as Json, json};
use aspire_sdk::testing::{FakeModel, declaration, expand, run};
use aspire_sdk::{Edits, Plugin};
use insta::assert_snapshot;

use crate::Postgres;
use crate::admin::PASS;

/// What the pass adds to an app with these servers.
fn added(servers: &[(&str, Json)]) -> Edits {
    let model = servers
        .iter()
        .fold(FakeModel::new("shop"), |model, (name, options)| {
            let declaration = declaration(name, "postgres", options.clone());
            let edits = expand::<Postgres>(&declaration).expect("it expands");
            model.apply(&edits).with_options(name, options.clone())
        });
    run::<Postgres>(PASS, &model).expect("the pass runs")
}

#[test]
fn nobody_asks() {
    assert!(
        added(&[
            ("a", json!({})),
            ("b", json!({ "admin": { "pgweb": false } }))
        ])
        .is_empty()
    );
}

#[test]
fn pgadmin_lists_every_server() {
    let edits = added(&[
        ("a", json!({ "admin": "pgadmin", "databases": ["orders"] })),
        (
            "b",
            json!({ "user": "login", "admin": { "pgadmin": { "port": 5050 } } }),
        ),
    ]);
    assert_snapshot!(edits, @r#"
    pgadmin: add container of kind container
    pgadmin: description = pgAdmin, for every PostgreSQL of this app
    pgadmin: image = docker.io/dpage/pgadmin4:9.15.0
    pgadmin: endpoints.http = http/tcp port 5050 target 80
    pgadmin: env.PGADMIN_CONFIG_SERVER_MODE = False
    pgadmin: env.PGADMIN_CONFIG_MASTER_PASSWORD_REQUIRED = False
    pgadmin: env.PGADMIN_DEFAULT_EMAIL = admin@domain.com
    pgadmin: env.PGADMIN_DEFAULT_PASSWORD = admin
    pgadmin: files.servers = /pgadmin4/servers.json 0644 "{{"Servers":{{"1":{{"Name":"a","Group":"Servers","Host":"{a.tcp.host}","Port":{a.tcp.port},"Username":"{a.Username}","SSLMode":"prefer","MaintenanceDB":"postgres","PasswordExecCommand":"printenv POSTGRES_PASSWORD_1"},"2":{{"Name":"b","Group":"Servers","Host":"{b.tcp.host}","Port":{b.tcp.port},"Username":"{b.Username}","SSLMode":"prefer","MaintenanceDB":"postgres","PasswordExecCommand":"printenv POSTGRES_PASSWORD_2"}}}\n"
    pgadmin: health = http http/browser
    pgadmin: publish = no
    pgadmin: env.POSTGRES_PASSWORD_1 = {a.Password}
    pgadmin: env.POSTGRES_PASSWORD_2 = {b.Password}
    "#);
}

#[test]
fn pgweb_has_a_bookmark_for_every_database() {
    let edits = added(&[
        ("a", json!({ "databases": ["orders", "stock"] })),
        ("b", json!({ "admin": "pgweb" })),
    ]);
    assert_snapshot!(edits, @r#"
    pgweb: add container of kind container
    pgweb: description = pgweb, for every PostgreSQL of this app
    pgweb: image = docker.io/sosedoff/pgweb:0.17.0
    pgweb: endpoints.http = http/tcp target 8081
    pgweb: args = [--bookmarks-dir=/.pgweb/bookmarks, --sessions]
    pgweb: health = http http/
    pgweb: publish = no
    pgweb: files.bookmark-orders = /.pgweb/bookmarks/orders.toml 0644 "url = "{orders.Uri}?sslmode=disable"\n"
    pgweb: files.bookmark-stock = /.pgweb/bookmarks/stock.toml 0644 "url = "{stock.Uri}?sslmode=disable"\n"
    pgweb: files.bookmark-b = /.pgweb/bookmarks/b.toml 0644 "url = "{b.Uri}/postgres?sslmode=disable"\n"
    "#);
}

#[test]
fn two_fixed_ports() {
    let edits = added(&[
        ("a", json!({ "admin": { "pgweb": { "port": 8081 } } })),
        ("b", json!({ "admin": { "pgweb": { "port": 8082 } } })),
    ]);
    let told: Vec<String> = edits.diagnostics().map(ToString::to_string).collect();
    assert_snapshot!(told.join("\n"), @"error postgres:admin-ports: `b` wants pgweb on port 8082, `a` on 8081 (at b/admin/pgweb/port); there is one pgweb for all; leave one of the two out");
}

#[test]
fn description() {
    let registration = Postgres::describe();
    assert_eq!(registration.kinds[0].name, "postgres");
    assert_eq!(registration.passes[0].selector, "kind=postgres");
    let schema: Json =
        serde_json::from_str(&registration.kinds[0].schema()).expect("the schema is JSON");
    assert_eq!(schema["additionalProperties"], false);
    for (name, option) in schema["properties"].as_object().expect("options") {
        assert!(
            option["description"].is_string(),
            "{name} has no description"
        );
    }
}
