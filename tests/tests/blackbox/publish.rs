//! The shop as Docker Compose: docker-compose runs it from the published files alone, and what is
//! published is the same every time, without a secret.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aspire_host_tests::compose::{self, Compose};
use aspire_host_tests::secrets::{Secret, files};
use aspire_host_tests::wait::{LONG, until};
use aspire_host_tests::{Engine, Outcome, Project, http, needs_engine};

const KEY: &str = "sk/live+4eC39H&qLyj=WDarjt?1zdp7dc";
const PUBLISH: [&str; 5] = ["publish", "--to", "compose", "-o", "out"];

fn shop(test: &str) -> Project {
    let key = format!("stripe-key={KEY}");
    Project::new(test)
        .example("shop")
        .option(&["--param", &key])
}

/// Every published file with its contents.
fn published(project: &Project) -> BTreeMap<String, Vec<u8>> {
    let folder = project.path("out");
    files(&folder)
        .into_iter()
        .map(|file| {
            let name = file
                .strip_prefix(&folder)
                .expect("below")
                .display()
                .to_string();
            (name, std::fs::read(file).expect("it is there"))
        })
        .collect()
}

#[test]
fn the_same_bytes_every_time_and_drift_is_found() {
    let project = shop("publish-same");
    let with = |more: &[&str]| {
        let mut args = PUBLISH.to_vec();
        args.extend(more);
        project.host(&args)
    };
    with(&["--check"]).expect(1);
    assert!(!project.path("out").exists(), "--check writes nothing");
    with(&[]).expect(0);
    let first = published(&project);
    assert!(
        first.contains_key("docker-compose.yaml"),
        "{:?}",
        first.keys()
    );
    assert!(first.contains_key(".env.example"), "{:?}", first.keys());
    with(&["--check"]).expect(0);
    std::fs::remove_dir_all(project.path("out")).expect("it is there");
    with(&[]).expect(0);
    assert_eq!(first, published(&project));

    // Somebody's own files are nobody's business, a changed one of ours is.
    project.write("out/.env", "MINE=1\n");
    project.write("out/notes.txt", "mine\n");
    with(&["--check"]).expect(0);
    with(&[]).expect(0);
    assert_eq!(project.read("out/.env"), "MINE=1\n");
    assert_eq!(project.read("out/notes.txt"), "mine\n");
    project.write(
        "out/docker-compose.yaml",
        &project
            .read("out/docker-compose.yaml")
            .replace("web", "wob"),
    );
    with(&["--check"]).expect(1).says(&["docker-compose.yaml"]);
    assert!(
        project.read("out/docker-compose.yaml").contains("wob"),
        "--check writes nothing"
    );
    with(&[]).expect(0);
    with(&["--check"]).expect(0);
    std::fs::remove_file(project.path("out/.env.example")).expect("it is there");
    with(&["--check"]).expect(1).says(&[".env.example"]);
}

#[test]
fn no_secret_in_any_file() {
    let project = shop("publish-secrets");
    // Generated passwords exist already when it is published.
    project
        .host(&["param", "set", "db-password", "generated-once/and+for=all"])
        .expect(0);
    let outcome = project.host(&PUBLISH).expect(0);
    for secret in [KEY, "generated-once/and+for=all"].map(Secret::new) {
        secret.assert_not_in("what publish prints", &outcome.text());
        secret.assert_not_below(project.folder());
    }
    let compose = project.read("out/docker-compose.yaml");
    assert!(
        compose.contains("${STRIPE_KEY:?"),
        "a required value is required:\n{compose}"
    );
    assert!(
        project
            .read("out/.env.example")
            .contains("Key of the payment service")
    );
}

#[test]
fn an_executable_without_an_image_is_an_error_at_its_line() {
    let project = shop("publish-unpublished");
    project.edit(
        "aspire.toml",
        "publish.build = { context = \"services\", args = { BIN = \"api\"",
        "x-build = { context = \"services\", args = { BIN = \"api\"",
    );
    let source = project.read("aspire.toml");
    let line = 1 + source
        .lines()
        .position(|line| line == "[resources.api]")
        .expect("it is there");
    project.host(&PUBLISH).expect(1).says(&[
        "`api`",
        "publish.build",
        &format!("aspire.toml:{line}"),
    ]);
    assert!(!project.path("out").exists(), "something was written");
}

#[test]
fn a_target_that_nobody_knows() {
    let project = shop("publish-target");
    project
        .host(&["publish", "--to", "compos", "-o", "out"])
        .says(&["compos", "did you mean `compose`"]);
}

/// `.env` from `.env.example`: every required value filled in, the page on a free port.
fn fill_in(project: &Project) {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a port")
        .port();
    let mut env = String::new();
    for line in project.read("out/.env.example").lines() {
        let Some((name, value)) = line.trim_start_matches('#').split_once('=') else {
            continue;
        };
        if name.contains(' ') {
            continue;
        }
        let value = match name {
            "STRIPE_KEY" => format!("'{KEY}'"),
            "DEBIAN_IMAGE" => "standin.local/debian:12-slim".to_owned(),
            "BUSYBOX_IMAGE" => "standin.local/busybox:1".to_owned(),
            name if name.contains("PASSWORD") => "published4everyoneXY22".to_owned(),
            name if name.contains("WEB") && name.ends_with("PORT") => port.to_string(),
            _ => value.to_owned(),
        };
        env.push_str(&format!("{name}={value}\n"));
    }
    project.write("out/.env", &env);
}

/// Takes everything down, also when the test fails.
struct Up<'a> {
    program: &'a Path,
    folder: &'a Path,
    name: &'a str,
}

impl Up<'_> {
    fn compose(&self, args: &[&str]) -> Outcome {
        let mut command = compose::command(self.program, self.folder, self.name);
        Outcome::of(command.args(args), Duration::from_secs(240))
    }

    /// The file as docker-compose understands it.
    fn config(&self) -> serde_json::Value {
        self.compose(&["config", "--format", "json"])
            .expect(0)
            .json()
    }

    fn down(&self) -> Outcome {
        self.compose(&[
            "down",
            "--volumes",
            "--rmi",
            "local",
            "--timeout",
            "5",
            "--remove-orphans",
        ])
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.down();
            if let Some(engine) = Engine::find() {
                engine.remove(self.name);
            }
        }
    }
}

#[test]
fn docker_compose_runs_it() {
    let engine = needs_engine!();
    let Some(compose) = Compose::find() else {
        return;
    };
    let project = shop("publish-compose").on(engine);
    build(&project);
    project.host(&PUBLISH).expect(0);
    fill_in(&project);
    let out = project.path("out");
    let old = Up {
        program: &compose.v1,
        folder: &out,
        name: "aspire-host-published-old",
    };
    old.compose(&["config", "--quiet"]).expect(0);
    let name = format!("aspire-host-published-{}", std::process::id());
    let up = Up {
        program: &compose.v2,
        folder: &out,
        name: &name,
    };
    up.compose(&["config", "--quiet"]).expect(0);
    up.compose(&["up", "--detach", "--build", "--quiet-pull"])
        .expect(0);
    let config = up.config();
    let published = &config["services"]["web"]["ports"][0]["published"];
    let port = published
        .as_str()
        .map_or_else(|| published.to_string(), str::to_owned);
    let url = format!("http://localhost:{port}");
    until(LONG, "a healthy page", || {
        http::get(&format!("{url}/health"))
            .ok()
            .filter(|answer| answer.status == 200)
    });
    let answer =
        http::post(&format!("{url}/orders"), "item=published+teapot&quantity=2").expect("served");
    assert_eq!(answer.status, 303, "{}", answer.body);
    let query = "PGPASSWORD=$POSTGRES_PASSWORD psql -h localhost -U $POSTGRES_USER -d orders -tAc \
                 'SELECT item, quantity FROM orders'";
    let rows = up
        .compose(&["exec", "-T", "db", "sh", "-c", query])
        .expect(0)
        .stdout;
    assert_eq!(rows.trim(), "published teapot|2");
    until(LONG, "the mailer's note", || {
        http::get(&url)
            .ok()
            .filter(|answer| answer.body.contains("Thank a customer for ordering 2"))
    });
    up.down().expect(0);
    // Images that were built have no other name than this; compose does not remove all of them.
    for image in engine.listed("image", &name) {
        engine.docker(&["image", "rm", image.trim_start_matches("image ")]);
    }
    assert_eq!(engine.with_text(&name), Vec::<String>::new());
    assert_eq!(engine.listed("volume", &name), Vec::<String>::new());
}

/// The programs that the Dockerfiles copy.
fn build(project: &Project) {
    let mut command = Command::new("cargo");
    command
        .args(["build", "--quiet", "--manifest-path", "services/Cargo.toml"])
        .args(["--target-dir", "services/target"])
        .current_dir(project.folder());
    for (name, value) in project.command(&[]).get_envs() {
        if let (Some(value), Some("CARGO_BUILD_BUILD_DIR")) = (value, name.to_str()) {
            command.env(name, value);
        }
    }
    Outcome::of(&mut command, Duration::from_secs(300)).expect(0);
}
