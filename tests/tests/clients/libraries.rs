//! Programs made with the client libraries of PyPI and npm.

use std::process::Command;

use aspire_host_tests::clients::{find, turn};
use aspire_host_tests::oracle::server::Server;
use aspire_host_tests::{Outcome, places, wait};

#[test]
fn pythons() {
    let _turn = turn();
    let Some(python) = find("python") else { return };
    let server = Server::find();
    server.clear();
    let story = places::repository().join("tests/clients/python/story.py");
    let mut command = Command::new(python);
    command.arg(story).env("KUBECONFIG", &server.kubeconfig);
    Outcome::of(&mut command, wait::LONG)
        .expect(0)
        .says(&["ok"]);
}

#[test]
fn nodes() {
    let _turn = turn();
    let Some(packages) = find("node") else { return };
    let server = Server::find();
    server.clear();
    let story = places::repository().join("tests/clients/node/story.mjs");
    let mut command = Command::new(packages.join("node"));
    command
        .arg(story)
        .arg(packages)
        .env("KUBECONFIG", &server.kubeconfig);
    Outcome::of(&mut command, wait::LONG)
        .expect(0)
        .says(&["ok"]);
}
