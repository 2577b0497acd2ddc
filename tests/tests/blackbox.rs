//! Black-box tests of the binary: one module for each story.
//!
//! `cargo test -p aspire-host-tests --test blackbox STORY` runs one. They need the binary
//! (`cargo build -p aspire-host`) and the plugins (`make plugins`); those that need a container
//! engine say so and end where there is none.

#[path = "blackbox/bad_app.rs"]
mod bad_app;
#[path = "blackbox/bad_machine.rs"]
mod bad_machine;
#[path = "blackbox/bad_plugin.rs"]
mod bad_plugin;
#[path = "blackbox/commands.rs"]
mod commands;
#[path = "blackbox/control_plane.rs"]
mod control_plane;
#[path = "blackbox/crash.rs"]
mod crash;
#[path = "blackbox/detached.rs"]
mod detached;
#[path = "blackbox/explain.rs"]
mod explain;
#[path = "blackbox/instances.rs"]
mod instances;
#[path = "blackbox/killed.rs"]
mod killed;
#[path = "blackbox/live.rs"]
mod live;
#[path = "blackbox/order.rs"]
mod order;
#[path = "blackbox/processes.rs"]
mod processes;
#[path = "blackbox/publish.rs"]
mod publish;
#[path = "blackbox/quickstart.rs"]
mod quickstart;
#[path = "blackbox/secrets.rs"]
mod secrets;
#[path = "blackbox/shop.rs"]
mod shop;
#[path = "blackbox/terminal.rs"]
mod terminal;
#[path = "blackbox/values.rs"]
mod values;
#[path = "blackbox/verbs.rs"]
mod verbs;
#[path = "blackbox/waits.rs"]
mod waits;
#[path = "blackbox/watched.rs"]
mod watched;

/// The program of `tests/src/bin/odd.rs`.
const ODD: &str = env!("CARGO_BIN_EXE_odd");

/// A file of the stories that is not a module would never run.
#[test]
fn every_story_is_told() {
    let folder = aspire_host_tests::places::repository().join("tests/tests/blackbox");
    let here = include_str!("blackbox.rs");
    for entry in std::fs::read_dir(folder).expect("the stories").flatten() {
        let name = entry.file_name().into_string().expect("a plain name");
        assert!(
            here.contains(&format!("blackbox/{name}\"")),
            "{name} is no module of blackbox.rs"
        );
    }
}
