//! Where images come from, and executables.

use aspire_sdk::{Edits, Fact, Prepare, expr};
use insta::assert_snapshot;

use super::composed;

fn build(context: &str) -> Fact {
    Fact::Text(context.into())
}

#[test]
fn builds() {
    let text = composed(|edits: &mut Edits| {
        edits
            .container("web", "container")
            .image("nginx:1")
            .set("build-context", build("web"))
            .set("build-dockerfile", build("Dockerfile.web"))
            .set("build-target", build("final"))
            .put("build-args", "VERSION", Fact::Value("1$".into()));
        edits
            .container("Job", "container")
            .set("build-context", build("/opt/job"));
    });
    assert_snapshot!(text, @r#"
    services:
      Job:
        image: shop-job
        build:
          context: /opt/job
      web:
        build:
          context: "../web"
          dockerfile: Dockerfile.web
          target: final
          args:
            VERSION: "1$$"
    web.image adapted: built here instead
    "#);
}

#[test]
fn executables() {
    let text = composed(|edits: &mut Edits| {
        edits
            .executable("api", "executable")
            .command("./target/debug/api")
            .args(["--verbose"])
            .working_directory("api")
            .user("nobody")
            .requires("cargo", "install Rust")
            .set(
                "build-command",
                Fact::Values(vec!["cargo".into(), "build".into()]),
            )
            .prepare("10-init", Prepare::new("initdb"))
            .env("PORT", "8080")
            .set("publish-build-context", build("."))
            .set("publish-image", build("registry.example/api:1"));
        edits
            .executable("worker", "executable")
            .command("worker")
            .set("publish-image", build("w:1"));
    });
    assert_snapshot!(text, @r#"
    services:
      api:
        image: "registry.example/api:1"
        build:
          context: "../"
        command:
          - "--verbose"
        environment:
          PORT: "8080"
      worker:
        image: "w:1"
    api.args adapted: they follow the image's own entry point
    api.build-command adapted: the image is what is published
    api.command adapted: the image's own program takes its place
    api.prepare.10-init dropped: a step before a process starts; the image has to do it
    api.requires.cargo adapted: the image has to bring it
    api.user dropped: a user of the developer's machine; the image has its own
    api.working-directory adapted: a folder of the developer's machine; the image has its own
    worker.command adapted: the image's own program takes its place
    "#);
}

#[test]
fn an_executable_without_a_published_form_is_an_error() {
    let text = composed(|edits: &mut Edits| {
        edits
            .executable("api", "executable")
            .command(expr!["./api"]);
        edits.container("web", "container");
    });
    assert_snapshot!(text, @r#"
    services:
      api:
      web:
    error compose:no-image: `api` is an executable: say how it is published (at api); publish.build = { context = "." } or publish.image = "IMAGE"
    error compose:no-image: `web` has neither an image nor a build (at web); set `image` or `build`
    api.command adapted: the image's own program takes its place
    "#);
}
