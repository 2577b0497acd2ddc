//! The commands around the app: a first file, resources added to it, plugins looked at, data deleted.

use aspire_host_tests::redis::ask;
use aspire_host_tests::wait::{LONG, until};
use aspire_host_tests::{Engine, Project, Session, http, needs_engine, needs_program, places};

use crate::ODD;

#[test]
fn from_nothing_to_an_app_that_is_fine() {
    let project = Project::new("commands-init");
    project.host(&["init"]).expect(0).says(&["aspire.toml"]);
    let first = project.read("aspire.toml");
    project.host(&["check"]).expect(0);
    project.host(&["init"]).expect(1).says(&["aspire.toml"]);
    assert_eq!(
        project.read("aspire.toml"),
        first,
        "a file that is there is not overwritten"
    );
    project.host(&["add", "redis", "cache"]).expect(0);
    project.host(&["check"]).expect(0);
    let second = project.read("aspire.toml");
    for line in first.lines().filter(|line| line.starts_with('#')) {
        assert!(second.contains(line), "a comment is lost: {line}");
    }
    project
        .host(&["explain", "cache", "image"])
        .expect(0)
        .says(&["redis:8.6"]);
    project.host(&["add", "reddis"]).says(&["reddis"]);
    project
        .host(&["add", "redis", "cache"])
        .expect(1)
        .says(&["cache"]);
    assert_eq!(project.read("aspire.toml"), second);
}

#[test]
fn plugins_can_be_looked_at() {
    let project = Project::new("commands-plugins");
    project
        .host(&["plugin", "list"])
        .expect(0)
        .says(&["redis", "postgres", "ollama", "compose"]);
    let redis = project
        .host(&["plugin", "inspect", "redis", "--output", "json"])
        .expect(0)
        .json();
    assert_eq!(redis["manifest"]["id"], "redis", "{redis:#}");
    project
        .host(&["plugin", "inspect", "redis"])
        .expect(0)
        .says(&["run-process:redis-server", "kinds"]);
    project
        .host(&["plugin", "inspect", "rediss"])
        .expect(4)
        .says(&["did you mean `redis`"]);
    std::fs::write(
        project.path("core.wasm"),
        wat::parse_str("(module)").expect("valid"),
    )
    .expect("a file");
    project
        .host(&["plugin", "inspect", "./core.wasm"])
        .expect(4)
        .says(&["plugin build"]);
    project
        .host(&["doctor"])
        .says(&["container engine", "plugins"]);
    project
        .host(&["--version"])
        .expect(0)
        .says(&["aspire-host"]);
    project
        .host(&["--help"])
        .expect(0)
        .says(&["publish", "explain", "Exit codes"]);
}

#[test]
fn the_schema_knows_the_kinds_of_loaded_plugins() {
    let project = Project::new("commands-schema").example("shop");
    let schema = project.host(&["schema"]).expect(0).json();
    let text = schema.to_string();
    for kind in [
        "redis",
        "postgres",
        "ollama",
        "executable",
        "container",
        "external-service",
    ] {
        assert!(
            text.contains(&format!("\"{kind}\"")),
            "no {kind} in the schema"
        );
    }
    for key in ["persistence", "databases", "wait-for", "references"] {
        assert!(
            text.contains(&format!("\"{key}\"")),
            "no {key} in the schema"
        );
    }
}

fn variable(session: &Session, name: &str) -> String {
    let url = format!("{}/env/{name}", session.url("web"));
    until(LONG, &url, || http::get(&url).ok()).body
}

fn data_is_kept_until_it_is_cleaned(project: Project, engine: Option<Engine>, runtime: &str) {
    let project = project.app(&format!(
        "name = 'data'\n\
         [plugins]\nredis = {{ source = 'redis', allow = ['run-process:redis-server'] }}\n\
         [resources.cache]\nkind = 'redis'\ndata-volume = true\n\
         [resources.web]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
         references = ['cache']\nwait-for = ['cache']\n\
         endpoints.http = {{ env = 'PORT', external = true }}\nhealth = '/'\n"
    ));
    let visit = |commands: &str| {
        let session = project.run(&["--runtime", runtime]);
        let connection = variable(&session, "ConnectionStrings__cache");
        let answer = ask(&connection, commands).expect("it answers");
        session.stop().expect(130);
        project.assert_nothing_left();
        (
            connection
                .rsplit_once('=')
                .expect("a password")
                .1
                .to_owned(),
            answer,
        )
    };
    let (password, answer) = visit("SET kept yes\r\nSAVE");
    assert_eq!(answer, "+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
    let (again, answer) = visit("GET kept");
    assert_eq!(again, password);
    assert_eq!(answer, "+OK\r\n$3\r\nyes\r\n+OK\r\n");
    // Nobody is there to be asked.
    let refused = project.host(&["clean", "--data"]);
    assert_ne!(refused.code, Some(0), "{refused}");
    assert_eq!(visit("GET kept").1, answer);
    project.host(&["clean", "--data", "--yes"]).expect(0);
    if let Some(engine) = engine {
        let id = project.instance().expect("it ran");
        assert_eq!(engine.listed("volume", &id), Vec::<String>::new());
    }
    let (new, answer) = visit("GET kept");
    assert_ne!(
        new, password,
        "the password went with the data that it belonged to"
    );
    assert_eq!(answer, "+OK\r\n$-1\r\n+OK\r\n");
}

#[test]
fn data_of_native_programs() {
    needs_program!("redis-server", "apt-get install redis-server");
    data_is_kept_until_it_is_cleaned(Project::new("commands-clean-native"), None, "native");
}

#[test]
fn data_of_containers() {
    let engine = needs_engine!();
    let project = Project::new("commands-clean-docker").on(engine);
    data_is_kept_until_it_is_cleaned(project, Some(engine), "docker");
}

#[test]
fn a_plugin_is_built_from_a_core_module() {
    let project = Project::new("commands-build");
    // A component already: taken as it is, when it is a plugin.
    std::fs::copy(places::guest("left"), project.path("left.wasm")).expect("a copy");
    project
        .host(&["plugin", "build", "left.wasm", "-o", "built.wasm"])
        .expect(0);
    project
        .host(&["plugin", "inspect", "./built.wasm"])
        .expect(0)
        .says(&["left 0.1.0", "pass"]);
    project.write("text.wasm", "no module");
    let failed = project.host(&["plugin", "build", "text.wasm"]);
    assert_ne!(failed.code, Some(0), "{failed}");
    failed.says(&["text.wasm"]).lacks(&["panicked"]);
}
