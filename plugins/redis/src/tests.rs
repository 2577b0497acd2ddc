//! What the plugin asks for, without a host.

use aspire_sdk::serde_json::{self, Value as Json, json};
use aspire_sdk::testing::{FakeModel, declaration, expand, run};
use aspire_sdk::{Edits, Identity, Plugin};
use insta::assert_snapshot;

use crate::Redis;

fn expanded(options: Json) -> Edits {
    expand::<Redis>(&declaration("cache", "redis", options)).unwrap()
}

/// The lines about some facts only.
fn lines(edits: &Edits, wanted: &[&str]) -> String {
    let all = edits.to_string();
    let about = |line: &&str| wanted.iter().any(|fact| line.contains(fact));
    all.lines().filter(about).collect::<Vec<_>>().join("\n")
}

#[test]
fn plain() {
    assert_snapshot!(expanded(json!({})), @r#"
    cache-password: add parameter of kind parameter
    cache-password: parameter = secret generated 22: Password of cache
    cache: add container of kind redis
    cache: image = docker.io/library/redis:8.6
    cache: endpoints.tcp = redis/tcp target 6379
    cache: container:entrypoint = [/bin/sh]
    cache: container:args = [-c, "exec redis-server - <<END\nrequirepass '$REDIS_PASSWORD'\nEND\n"]
    cache: container:env.REDIS_PASSWORD = {cache-password}
    cache: container:env.REDISCLI_AUTH = {cache-password}
    cache: container:health = command [/bin/sh, -c, redis-cli ping | grep -q PONG]
    cache: process:command = redis-server
    cache: process:requires.redis-server = install Redis (Debian and Ubuntu: apt-get install redis-server; macOS: brew install redis), or start a container engine
    cache: process:files.config = /etc/redis/aspire.conf 0600 "requirepass '{cache-password}'\nsave ""\n"
    cache: process:mounts.data = scratch at /data
    cache: process:args = [{path cache.config}, --port, {port cache.tcp}, --bind, 127.0.0.1, --dir, {path cache.data}]
    cache: process:health = tcp tcp
    cache: connection-string = {cache.tcp.host}:{cache.tcp.port},password={cache-password}{if cache.tcp tls},ssl=true{end}
    cache: properties.Host = {cache.tcp.host}
    cache: properties.Port = {cache.tcp.port}
    cache: properties.Password = {cache-password}
    cache: properties.Uri = {cache.tcp.scheme}://:{cache-password:uri}@{cache.tcp.host}:{cache.tcp.port}
    "#);
}

#[test]
fn data_volume_turns_persistence_on() {
    let edits = expanded(json!({ "data-volume": true }));
    assert_snapshot!(lines(&edits, &["args", "mounts", "files"]), @r#"
    cache: mounts.data = volume at /data
    cache: container:args = [-c, "exec redis-server - <<END\nrequirepass '$REDIS_PASSWORD'\nsave 60 1\nEND\n"]
    cache: process:files.config = /etc/redis/aspire.conf 0600 "requirepass '{cache-password}'\nsave 60 1\n"
    cache: process:args = [{path cache.config}, --port, {port cache.tcp}, --bind, 127.0.0.1, --dir, {path cache.data}]
    "#);
    let edits = expanded(json!({ "data-volume": "mine", "persistence": false }));
    assert_snapshot!(lines(&edits, &["args", "mounts", "files"]), @r#"
    cache: mounts.data = volume mine at /data
    cache: container:args = [-c, "exec redis-server - <<END\nrequirepass '$REDIS_PASSWORD'\nEND\n"]
    cache: process:files.config = /etc/redis/aspire.conf 0600 "requirepass '{cache-password}'\nsave ""\n"
    cache: process:args = [{path cache.config}, --port, {port cache.tcp}, --bind, 127.0.0.1, --dir, {path cache.data}]
    "#);
}

#[test]
fn persistence_port_and_no_password() {
    let edits = expanded(json!({
        "password": false,
        "port": 6380,
        "persistence": { "interval": 10, "keys": 5 },
    }));
    assert_snapshot!(edits, @r#"
    cache: add container of kind redis
    cache: image = docker.io/library/redis:8.6
    cache: endpoints.tcp = redis/tcp port 6380 target 6379
    cache: container:entrypoint = [/bin/sh]
    cache: container:args = [-c, "exec redis-server - <<END\nsave 10 5\nEND\n"]
    cache: container:health = command [/bin/sh, -c, redis-cli ping | grep -q PONG]
    cache: process:command = redis-server
    cache: process:requires.redis-server = install Redis (Debian and Ubuntu: apt-get install redis-server; macOS: brew install redis), or start a container engine
    cache: process:files.config = /etc/redis/aspire.conf 0600 "save 10 5\n"
    cache: process:mounts.data = scratch at /data
    cache: process:args = [{path cache.config}, --port, {port cache.tcp}, --bind, 127.0.0.1, --dir, {path cache.data}]
    cache: process:health = tcp tcp
    cache: connection-string = {cache.tcp.host}:{cache.tcp.port}{if cache.tcp tls},ssl=true{end}
    cache: properties.Host = {cache.tcp.host}
    cache: properties.Port = {cache.tcp.port}
    cache: properties.Uri = {cache.tcp.scheme}://{cache.tcp.host}:{cache.tcp.port}
    "#);
}

#[test]
fn given_password() {
    let edits = expanded(json!({ "password": "shared" }));
    assert!(
        !edits.to_string().contains("add parameter"),
        "it is the user's"
    );
    assert_snapshot!(lines(&edits, &["env", "files", "Uri", "connection-string"]), @r#"
    cache: container:env.REDIS_PASSWORD = {shared}
    cache: container:env.REDISCLI_AUTH = {shared}
    cache: process:files.config = /etc/redis/aspire.conf 0600 "requirepass '{shared}'\nsave ""\n"
    cache: connection-string = {cache.tcp.host}:{cache.tcp.port},password={shared}{if cache.tcp tls},ssl=true{end}
    cache: properties.Uri = {cache.tcp.scheme}://:{shared:uri}@{cache.tcp.host}:{cache.tcp.port}
    "#);
}

#[test]
fn modules_are_the_images() {
    let edits = expanded(json!({ "modules": ["json", "/opt/x.so", "json"] }));
    assert_snapshot!(lines(&edits, &["args", "process:"]), @r#"cache: container:args = [-c, "exec redis-server - <<END\nrequirepass '$REDIS_PASSWORD'\nloadmodule /usr/local/lib/redis/modules/rejson.so\nloadmodule /opt/x.so\nEND\n"]"#);
}

#[test]
fn secrets_are_in_no_argument() {
    for options in [json!({}), json!({ "password": "cache-password" })] {
        let edits = expanded(options);
        assert!(!lines(&edits, &["args", "command", "health"]).contains("{cache-password"));
    }
}

fn app(first: Json, second: Json) -> FakeModel {
    let one = expand::<Redis>(&declaration("a", "redis", first.clone())).unwrap();
    let two = expand::<Redis>(&declaration("b", "redis", second.clone())).unwrap();
    FakeModel::new("shop")
        .apply(&one)
        .apply(&two)
        .with_options("a", first)
        .with_options("b", second)
}

#[test]
fn one_insight_for_all() {
    let app = app(
        json!({ "insight": { "port": 5540 } }),
        json!({ "password": false }),
    );
    assert_snapshot!(run::<Redis>("redisinsight", &app).unwrap(), @r"
    redisinsight: add container of kind container
    redisinsight: description = RedisInsight, for every Redis of this app
    redisinsight: image = docker.io/redis/redisinsight:3.4
    redisinsight: endpoints.http = http/tcp port 5540 target 5540
    redisinsight: health = http http/
    redisinsight: publish = no
    redisinsight: env.RI_REDIS_HOST1 = {a.tcp.host}
    redisinsight: env.RI_REDIS_PORT1 = {a.tcp.port}
    redisinsight: env.RI_REDIS_ALIAS1 = a
    redisinsight: env.RI_REDIS_TLS1 = {if a.tcp tls}true{else}false{end}
    redisinsight: env.RI_REDIS_PASSWORD1 = {a.Password}
    redisinsight: env.RI_REDIS_HOST2 = {b.tcp.host}
    redisinsight: env.RI_REDIS_PORT2 = {b.tcp.port}
    redisinsight: env.RI_REDIS_ALIAS2 = b
    redisinsight: env.RI_REDIS_TLS2 = {if b.tcp tls}true{else}false{end}
    ");
}

#[test]
fn insight_only_when_asked_for() {
    let app = app(json!({}), json!({ "insight": false }));
    assert!(run::<Redis>("redisinsight", &app).unwrap().is_empty());
}

#[test]
fn insight_has_one_port() {
    let app = app(
        json!({ "insight": { "port": 1 } }),
        json!({ "insight": { "port": 2 } }),
    );
    let edits = run::<Redis>("redisinsight", &app).unwrap();
    let diagnostics: Vec<String> = edits.diagnostics().map(ToString::to_string).collect();
    assert_snapshot!(diagnostics.join("\n"), @"error redis:insight-ports: `b` wants RedisInsight on port 2, `a` on 1 (at b/insight/port); there is one RedisInsight for all; leave one of the two out");
}

#[test]
fn mistakes_are_errors_at_their_place() {
    let error = expand::<Redis>(&declaration("cache", "redis", json!({ "port": "x" })));
    assert_snapshot!(error.unwrap_err(), @r#"redis:bad-options: invalid type: string "x", expected u16 (at cache/port)"#);
    let error = run::<Redis>("nonsense", &FakeModel::new("shop")).unwrap_err();
    assert_snapshot!(error, @"sdk:unknown-pass: this plugin has no pass `nonsense`");
}

#[test]
fn description() {
    assert_eq!((Redis::ID, Redis::WISHES.len()), ("redis", 1));
    let described = Redis::describe();
    let schema: Json = serde_json::from_str(&described.kinds[0].schema()).unwrap();
    let options: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(
        options,
        [
            "data-volume",
            "insight",
            "modules",
            "password",
            "persistence",
            "port"
        ]
    );
    for option in schema["properties"].as_object().unwrap().values() {
        assert!(option["description"].is_string(), "{option}");
    }
}
