//! Several plugins, one model: equal writes, conflicts, precedence, grants.

use std::sync::Arc;

use aspire_compiler::forms;
use aspire_model::expression::{Expression, Op};
use aspire_model::hook::{Phase, Plugin, Snapshot};
use aspire_model::{FactKey, FactValue, Field, Form, Transaction};

use super::support::{Scripted, cache_plugin, compile, good, name, render};

const APP: &str = "[resources.cache]\nkind = \"cache\"\n[resources.x]\nkind = \"container\"\nimage = \"docker.io/x:1\"\n";

fn image(to: &str) -> FactValue {
    FactValue::Text(to.into())
}

fn set_image_a(_: &Snapshot, edits: &mut Transaction) {
    edits.set(&name("cache"), FactKey::single(Field::Image), image("a:1"));
}

fn set_image_b(_: &Snapshot, edits: &mut Transaction) {
    edits.set(&name("cache"), FactKey::single(Field::Image), image("b:1"));
}

fn set_x(_: &Snapshot, edits: &mut Transaction) {
    edits.set(
        &name("x"),
        FactKey::single(Field::Image),
        image("mirror/x:1"),
    );
}

fn plugin(id: &str, script: fn(&Snapshot, &mut Transaction)) -> Scripted {
    Scripted::new(id)
        .pass("rewrite", Phase::Enrich, script)
        .asks("edit:*", "it rewrites")
        .granted("edit:*")
}

fn outcome(plugins: &[Arc<dyn Plugin>], resource: &str) -> String {
    let compilation = compile(APP, plugins);
    let mut text = render(&compilation.diagnostics);
    let found = compilation.model.get(resource).unwrap();
    let fact = found.fact(Field::Image, Form::Container).unwrap();
    text.push_str(&aspire_model::print::value(&fact.value));
    for author in &fact.authors {
        text.push_str(&format!("\n  by {author}"));
    }
    for old in &fact.overruled {
        let value = old
            .value
            .as_ref()
            .map(aspire_model::print::value)
            .unwrap_or_default();
        text.push_str(&format!("\n  not {value} by {}", old.author));
    }
    text
}

#[test]
fn equal_writes_share_and_different_ones_are_refused_in_both_orders() {
    let (a, b, c) = (
        plugin("a", set_image_a).arc(),
        plugin("b", set_image_b).arc(),
        plugin("c", set_image_a).arc(),
    );
    insta::assert_snapshot!(outcome(&[cache_plugin(), Arc::clone(&a), Arc::clone(&c)], "cache"), @r#"
    "a:1"
      by plugin a 1.0.0, pass rewrite
      by plugin c 1.0.0, pass rewrite
      not "docker.io/library/redis:8.6" by plugin cache 1.0.0, pass expand, for aspire.toml:2
    "#);
    let one = outcome(&[cache_plugin(), Arc::clone(&a), Arc::clone(&b)], "cache");
    insta::assert_snapshot!(one, @r#"
    error[conflict]: `cache` `image` is given two values in one step
      "a:1" by plugin a 1.0.0, pass rewrite
      "b:1" by plugin b 1.0.0, pass rewrite
      help: decide with `--force-owner cache:image=a`, set it in aspire.toml, or drop one plugin
    "docker.io/library/redis:8.6"
      by plugin cache 1.0.0, pass expand, for aspire.toml:2
    "#);
    assert_eq!(one, outcome(&[b, a, cache_plugin()], "cache"));
}

#[test]
fn the_app_beats_plugins_and_the_operator_beats_the_app() {
    insta::assert_snapshot!(outcome(&[cache_plugin(), plugin("p", set_x).arc()], "x"), @r#"
    "docker.io/x:1"
      by aspire.toml:6
      not "mirror/x:1" by plugin p 1.0.0, pass rewrite
    "#);
    insta::assert_snapshot!(outcome(&[cache_plugin(), plugin("p", set_x).operator().arc()], "x"), @r#"
    "mirror/x:1"
      by plugin p 1.0.0, pass rewrite
      not "docker.io/x:1" by aspire.toml:6
    "#);
}

#[test]
fn edits_without_a_grant_are_dropped() {
    let ungranted = Scripted::new("p")
        .pass("rewrite", Phase::Enrich, set_x)
        .asks("edit:*", "it rewrites")
        .arc();
    insta::assert_snapshot!(outcome(&[cache_plugin(), ungranted], "x"), @r#"
    error[not-granted]: plugin p wants to set `image` of `x`, which needs the permission `edit:container`
      its reason: it rewrites
      help: grant it with `--allow p=edit:*`, or with `allow = ["edit:*"]` in [plugins]
    "docker.io/x:1"
      by aspire.toml:6
    "#);
    let unasked = Scripted::new("p")
        .pass("rewrite", Phase::Enrich, set_x)
        .arc();
    insta::assert_snapshot!(outcome(&[cache_plugin(), unasked], "x"), @r#"
    error[not-granted]: plugin p wants to set `image` of `x`, which needs the permission `edit:container`
      help: its manifest does not ask for this permission, so it cannot be granted; tell its author
    "docker.io/x:1"
      by aspire.toml:6
    "#);
}

#[test]
fn what_a_plugin_may_not_write() {
    fn shell(_: &Snapshot, edits: &mut Transaction) {
        edits.add(name("evil"), "evil", aspire_model::Shape::Executable);
        edits.set(
            &name("evil"),
            FactKey::single(Field::Command),
            FactValue::Value(Expression::literal("/bin/sh")),
        );
    }
    fn bind(_: &Snapshot, edits: &mut Transaction) {
        edits.add(name("evil"), "evil", aspire_model::Shape::Container);
        edits.set(
            &name("evil"),
            FactKey::entry(Field::Mounts, "root"),
            FactValue::Mount(aspire_model::annotation::Mount {
                kind: aspire_model::annotation::MountKind::Bind,
                source: "/".into(),
                target: "/host".into(),
                read_only: false,
            }),
        );
    }
    fn privileged(_: &Snapshot, edits: &mut Transaction) {
        edits.add(name("evil"), "evil", aspire_model::Shape::Container);
        edits.set(
            &name("evil"),
            FactKey::entry(Field::Privileges, "privileged"),
            FactValue::Value(Expression::literal("yes")),
        );
    }
    fn secret(_: &Snapshot, edits: &mut Transaction) {
        edits.add(name("evil"), "evil", aspire_model::Shape::Container);
        edits.set(
            &name("evil"),
            FactKey::single(Field::Image),
            image("evil:1"),
        );
        edits.set(
            &name("evil"),
            FactKey::entry(Field::Env, "PW"),
            FactValue::Value(Expression::of(Op::Property {
                resource: "cache".into(),
                name: "Uri".into(),
            })),
        );
    }
    fn probe(_: &Snapshot, edits: &mut Transaction) {
        edits.add(name("evil"), "evil", aspire_model::Shape::Container);
        edits.set(
            &name("evil"),
            FactKey::single(Field::Health),
            FactValue::Probe(aspire_model::annotation::Probe::new(
                aspire_model::annotation::ProbeAction::Command {
                    command: vec![Expression::literal("rm")],
                },
            )),
        );
    }
    let told = |script| {
        let plugin = Scripted::new("evil")
            .pass("go", Phase::Enrich, script)
            .arc();
        let compilation = compile(APP, &[cache_plugin(), plugin]);
        render(&compilation.diagnostics)
    };
    insta::assert_snapshot!(told(shell), @r"
    error[not-granted]: plugin evil wants to set `command` of `evil`, which needs the permission `run-process:/bin/sh`
      help: its manifest does not ask for this permission, so it cannot be granted; tell its author
    ");
    insta::assert_snapshot!(told(bind), @r"
    error[not-granted]: plugin evil wants to set `mounts.root` of `evil`, which needs the permission `host-path`
      help: its manifest does not ask for this permission, so it cannot be granted; tell its author
    ");
    insta::assert_snapshot!(told(privileged), @r"
    error[not-granted]: plugin evil wants to set `privileges.privileged` of `evil`, which needs the permission `privileged`
      help: its manifest does not ask for this permission, so it cannot be granted; tell its author
    ");
    insta::assert_snapshot!(told(secret), @r"
    error[not-granted]: plugin evil puts the secret `cache-password`, which is not its own, into `env.PW` of `evil`; that needs the permission `foreign-secret`
      help: grant it with `--allow evil=foreign-secret` if the plugin asks for it
    ");
    insta::assert_snapshot!(told(probe), @r"
    error[not-granted]: plugin evil wants to set `health` of `evil`, which needs the permission `run-process:rm`
      help: its manifest does not ask for this permission, so it cannot be granted; tell its author
    ");
}

#[test]
fn a_printed_model() {
    let text = format!(
        "{APP}env.A = \"{{cache.uri}} and {{{{braces\"\nvolumes.v = \"/v\"\nendpoints.http = 80\nhealth = \"/ok\"\n"
    );
    insta::assert_snapshot!(aspire_model::print::model(&good(&text, &[cache_plugin()]).model), @r#"
    app shop

    cache (cache, container)
      image = "docker.io/library/redis:8.6"
      command = "redis-server"
      process:args = ["--port", "{port cache.tcp}", "--dir", "{path cache.data}"]
      env.REDIS_PASSWORD = "{cache-password}"
      endpoints.tcp = redis/tcp target-port 6379
      mounts.data = volume (own) at /data
      properties.Host = "{cache.tcp.host}"
      properties.Password = "{cache-password}"
      properties.Port = "{cache.tcp.port}"
      properties.Uri = "redis://:{cache-password:uri}@{cache.tcp.hostAndPort}"
      connection-string = "{cache.tcp.hostAndPort},password={cache-password}"

    cache-password (parameter, parameter)
      parameter = secret generated length 22

    x (container, container)
      image = "docker.io/x:1"
      env.A = "{cache.uri} and {{braces"
      endpoints.http = http/tcp target-port 80
      mounts.v = volume (own) at /v
      health = http http /ok every 5000 ms, timeout 3000 ms, start-period 0 ms, retries 3
    "#);
}

#[test]
fn without_its_grant_only_the_native_form_is_missing() {
    let plugin = Scripted::new("cache")
        .cache()
        .asks("run-process:redis-server", "it serves")
        .arc();
    let compilation = good("[resources.cache]\nkind = \"cache\"", &[plugin]);
    let cache = compilation.model.get("cache").unwrap();
    assert!(cache.has_form(Form::Container) && !cache.has_form(Form::Process));
    let (_, found) = forms::choose(&compilation.model, forms::Preference::Process);
    insta::assert_snapshot!(render(&found), @r"
    error[not-granted]: `cache` may not run natively: plugin cache lacks the permission `run-process:redis-server` (aspire.toml:2)
      help: grant it with `--allow cache=run-process:redis-server`, or start a container engine
    ");
}
