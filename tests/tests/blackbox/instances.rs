//! A run without an app file, and instances: two checkouts side by side, one instance once.

use std::path::PathBuf;

use aspire_host_tests::redis::ask;
use aspire_host_tests::wait::{LONG, SOON, until};
use aspire_host_tests::{Project, Session, http, needs_engine, needs_program, places};

use crate::ODD;

/// The connection string that a run without an app file prints.
fn connection_string(session: &Session) -> String {
    let line = session.line("a connection string", |line| line.contains(",password="));
    let mut words = line.split_whitespace();
    words
        .rfind(|word| word.contains(",password="))
        .expect("looked for")
        .to_owned()
}

fn a_plugin_alone(project: &Project, args: &[&str]) {
    std::fs::copy(places::plugin("redis"), project.path("redis.wasm")).expect("a copy");
    let session = Session::start(project.command(args));
    let connection = connection_string(&session);
    let answer = until(LONG, "a Redis that answers", || {
        ask(&connection, "SET greeting hello\r\nGET greeting").ok()
    });
    assert_eq!(answer, "+OK\r\n+OK\r\n$5\r\nhello\r\n+OK\r\n");
    session.stop().expect(130);
    project.assert_nothing_left();
}

#[test]
fn a_plugin_alone_runs_natively() {
    needs_program!("redis-server", "apt-get install redis-server");
    let project = Project::new("alone-native");
    a_plugin_alone(
        &project,
        &[
            "--plugin",
            "./redis.wasm",
            "--allow",
            "redis=run-process:redis-server",
            "--runtime",
            "native",
        ],
    );
}

#[test]
fn a_plugin_alone_needs_no_other_word_where_an_engine_answers() {
    let engine = needs_engine!();
    let project = Project::new("alone-docker").on(engine);
    a_plugin_alone(&project, &["--plugin", "./redis.wasm"]);
}

fn checkout(test: &str) -> Project {
    Project::new(test).app(&format!(
        "name = 'twins'\n\
         [plugins]\nredis = {{ source = 'redis', allow = ['run-process:redis-server'] }}\n\
         [resources.cache]\nkind = 'redis'\n\
         [resources.web]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
         references = ['cache']\nwait-for = ['cache']\n\
         endpoints.http = {{ env = 'PORT', external = true }}\nhealth = '/'\n"
    ))
}

fn variable(url: &str, name: &str) -> String {
    let url = format!("{url}/env/{name}");
    until(LONG, &url, || http::get(&url).ok()).body
}

#[test]
fn two_checkouts_side_by_side() {
    needs_program!("redis-server", "apt-get install redis-server");
    let (one, two) = (checkout("twins-one"), checkout("twins-two"));
    let sessions = [
        one.run(&["--runtime", "native"]),
        two.run(&["--runtime", "native"]),
    ];
    let urls = [sessions[0].url("web"), sessions[1].url("web")];
    assert_ne!(urls[0], urls[1]);
    let passwords = urls.each_ref().map(|url| variable(url, "CACHE_PASSWORD"));
    assert_ne!(passwords[0], passwords[1]);
    let connections = urls
        .each_ref()
        .map(|url| variable(url, "ConnectionStrings__cache"));
    assert!(
        ask(&connections[0], "SET who one")
            .expect("it answers")
            .contains("+OK")
    );
    assert!(
        ask(&connections[1], "SET who two")
            .expect("it answers")
            .contains("+OK")
    );
    assert!(
        ask(&connections[0], "GET who")
            .expect("it answers")
            .contains("one")
    );
    let [first, second] = sessions;
    first.stop().expect(130);
    one.assert_nothing_left();
    assert!(
        ask(&connections[1], "GET who")
            .expect("it answers")
            .contains("two"),
        "the other one never noticed"
    );
    second.stop().expect(130);
    two.assert_nothing_left();
}

#[test]
fn two_checkouts_side_by_side_in_containers() {
    let engine = needs_engine!();
    let (one, two) = (
        checkout("twins-docker-one").on(engine),
        checkout("twins-docker-two").on(engine),
    );
    let sessions = [
        one.run(&["--runtime", "docker"]),
        two.run(&["--runtime", "docker"]),
    ];
    let connections = sessions
        .each_ref()
        .map(|session| variable(&session.url("web"), "ConnectionStrings__cache"));
    assert!(
        ask(&connections[0], "SET who one")
            .expect("it answers")
            .contains("+OK")
    );
    assert!(
        ask(&connections[1], "SET who two")
            .expect("it answers")
            .contains("+OK")
    );
    assert!(
        ask(&connections[0], "GET who")
            .expect("it answers")
            .contains("one")
    );
    let [first, second] = sessions;
    first.stop().expect(130);
    one.assert_nothing_left();
    assert!(
        ask(&connections[1], "GET who")
            .expect("it answers")
            .contains("two"),
        "the other one never noticed"
    );
    second.stop().expect(130);
    two.assert_nothing_left();
}

#[test]
fn one_instance_runs_once() {
    let project = Project::new("instances-once").app(&format!(
        "name = 'once'\n[resources.web]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
         endpoints.http = {{ env = 'PORT', external = true }}\nhealth = '/'\n"
    ));
    let session = project.run(&["--runtime", "native"]);
    let url = session.url("web");
    until(SOON, "the service", || http::get(&url).ok());
    let second = project.host(&["run", "--runtime", "native"]).expect(1);
    second.says(&["runs already", "process", "--instance"]);
    let other = project.run(&["--runtime", "native", "--instance", "second"]);
    let other_url = other.url("web");
    assert_ne!(url, other_url);
    until(SOON, "the second instance", || http::get(&other_url).ok());
    other.stop().expect(130);
    assert!(http::get(&url).is_ok(), "the first one never noticed");
    session.stop().expect(130);
    project.assert_nothing_left();
}

#[test]
fn a_copied_folder_is_another_instance_and_a_moved_one_the_same() {
    let project = Project::new("instances-copied").app(&format!(
        "name = 'copied'\n[parameters.word]\nsecret = true\ngenerate = true\n\
         [resources.web]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
         endpoints.http = {{ env = 'PORT', external = true }}\nhealth = '/'\nenv.WORD = '{{word}}'\n"
    ));
    let word = |folder: PathBuf| {
        let mut command = project.command(&["run", "--runtime", "native"]);
        command.current_dir(folder);
        let session = Session::start(command);
        let word = variable(&session.url("web"), "WORD");
        session.stop().expect(130);
        word
    };
    let (copy, moved) = (project.path("../copy"), project.path("../moved"));
    let first = word(project.path("."));
    std::fs::create_dir_all(copy.join(".aspire-host")).expect("a folder");
    for file in ["aspire.toml", ".aspire-host/instance"] {
        std::fs::copy(project.path(file), copy.join(file)).expect("a copy");
    }
    let second = word(copy.clone());
    assert_ne!(first, second);
    std::fs::rename(&copy, &moved).expect("it moves");
    assert_eq!(word(moved), second);
    assert_eq!(word(project.path(".")), first);
    project.assert_nothing_left();
}
