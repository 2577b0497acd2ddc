//! What publishing leaves out, before any target is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use aspire_compiler::{Options, publish};
use aspire_model::Mode;
use aspire_model::construct::Artifact;

use super::support::{Scripted, cache_plugin, good, render};

/// The model that the target is given, and what was found.
fn published(text: &str, target: &str) -> String {
    let plugins = [cache_plugin(), Scripted::new("paper").paper().arc()];
    let compilation = good(text, &plugins);
    let options = Options {
        mode: Mode::Publish {
            target: Arc::from(target),
        },
        forced: BTreeMap::new(),
        parameters: BTreeMap::new(),
        keep_stages: false,
    };
    let images = BTreeMap::from([("docker.io/library/api".to_owned(), "mirror/api".to_owned())]);
    let place = publish::Place {
        app_folder: "../",
        images: &images,
    };
    let published = publish::publish(&compilation, &plugins, &options, &place);
    let model = match published.publication.files.get("model") {
        Some(Artifact::Contents(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    };
    render(&published.diagnostics) + &model
}

const APP: &str = "[resources.cache]\nkind = \"cache\"\n";
const API: &str =
    "[resources.api]\nkind = \"container\"\nimage = \"api:1\"\nwait-for = [\"cache\"]\n";

#[test]
fn an_unknown_target_is_told() {
    insta::assert_snapshot!(published(APP, "papr"), @r"
    error[unknown-target]: no loaded plugin publishes to `papr`
      help: did you mean `paper`?
    ");
}

#[test]
fn what_is_not_published_is_not_waited_for() {
    insta::assert_snapshot!(published(&format!("{APP}publish = false\n{API}"), "paper"), @r#"
    app shop

    api (container, container)
      image = "mirror/api:1"

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
      publish = "no"
    "#);
}

#[test]
fn what_is_published_must_not_need_what_isnt() {
    let text = format!("{APP}publish = false\n{API}env.CACHE = \"{{cache.uri}}\"\n");
    insta::assert_snapshot!(published(&text, "paper"), @r#"
    error[not-published]: `env.CACHE` of `api` needs `cache`, which is not published (aspire.toml:9)
      help: publish `cache` too, as itself or with publish = "connection-string"
    "#);
}

#[test]
fn a_connection_string_becomes_a_parameter() {
    let text = format!("{APP}publish = \"connection-string\"\n{API}references = [\"cache\"]\n");
    insta::assert_snapshot!(published(&text, "paper"), @r#"
    app shop

    api (container, container)
      image = "mirror/api:1"
      env.CACHE_HOST = "{cache.Host}"
      env.CACHE_PASSWORD = "{cache.Password}"
      env.CACHE_PORT = "{cache.Port}"
      env.CACHE_URI = "{cache.Uri}"
      env.ConnectionStrings__cache = "{cache}"
      references.cache = {"alias":"","optional":false}

    cache (cache, value)
      properties.Host = "{cache-host}"
      properties.Password = "{cache-password}"
      properties.Port = "{cache-port}"
      properties.Uri = "{cache-uri}"
      connection-string = "{cache-connection-string}"

    cache-connection-string (parameter, parameter)
      parameter = secret "The connection string of cache."

    cache-host (parameter, parameter)
      parameter = secret "The property Host of cache."

    cache-password (parameter, parameter)
      parameter = secret "The property Password of cache."

    cache-port (parameter, parameter)
      parameter = secret "The property Port of cache."

    cache-uri (parameter, parameter)
      parameter = secret "The property Uri of cache."
    "#);
}

#[test]
fn an_unknown_variant_is_told() {
    let text = format!("{APP}publish.paper.variant = \"origami\"\n");
    insta::assert_snapshot!(published(&text, "paper"), @r"
    error[unknown-variant]: no loaded plugin has the variant `origami` for `cache` (kind cache) on paper (aspire.toml:2)
      help: there are no variants for paper; remove publish.paper.variant
    ");
}
