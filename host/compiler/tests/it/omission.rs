//! What publishing leaves out, before any target is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use aspire_compiler::{Options, publish};
use aspire_model::Mode;

use super::support::{cache_plugin, good, render};

#[test]
fn an_unknown_target_is_told() {
    let compilation = good("[resources.cache]\nkind = \"cache\"", &[cache_plugin()]);
    let options = Options {
        mode: Mode::Publish {
            target: Arc::from("compos"),
        },
        forced: BTreeMap::new(),
        parameters: BTreeMap::new(),
        keep_stages: false,
    };
    let published = publish::publish(&compilation, &[cache_plugin()], &options, "../");
    insta::assert_snapshot!(render(&published.diagnostics), @r"
    error[unknown-target]: no loaded plugin publishes to `compos`
      help: load one that does, such as `--plugin compos`
    ");
}
