//! Live editing: `run --watch` follows the app file, and only what differs is changed.

use std::fs;

use aspire_host_tests::wait::{LONG, until};
use aspire_host_tests::{Project, Session, http, needs_engine, processes};

use crate::ODD;

/// In one line of every compilation that a save leads to.
const SAVED: &str = "aspire.toml was saved: ";

fn serving(name: &str, mode: &str) -> String {
    format!(
        "[resources.{name}]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
         endpoints.http = {{ env = 'PORT', external = true }}\nhealth = '/'\nenv.MODE = '{mode}'\n"
    )
}

fn app(resources: &[String]) -> String {
    format!("name = 'live'\n{}", resources.concat())
}

/// Two services that run.
fn start(test: &str) -> (Project, Session) {
    let project = Project::new(test).app(&app(&[serving("one", "slow"), serving("two", "slow")]));
    let session = project.run(&["--watch", "--runtime", "native"]);
    session.says("ready in ");
    (project, session)
}

fn end(project: &Project, session: Session) {
    session.stop().expect(130);
    project.assert_nothing_left();
}

/// What is said at an address.
fn answer(url: &str) -> String {
    until(LONG, url, || {
        let answer = http::get(url).ok()?;
        (answer.status == 200).then_some(answer.body)
    })
}

/// The process that answers.
fn pid(url: &str) -> u32 {
    let text = answer(url);
    let last = text.rsplit(' ').next().expect("`ok from PID`");
    last.parse().expect("a number")
}

/// What of the app runs.
fn names(project: &Project) -> Vec<String> {
    let all = project.host(&["ps", "--output", "json"]).expect(0).json();
    let rows = all["resources"].as_array().expect("a list").clone();
    let name = |row: &serde_json::Value| row["name"].as_str().expect("a name").to_owned();
    rows.iter().map(name).collect()
}

#[test]
fn a_resource_comes_and_goes_and_the_others_stay() {
    let (project, session) = start("live-add");
    let (one, two) = (session.url("one"), session.url("two"));
    let pids = (pid(&one), pid(&two));
    let with = |more: &str| {
        let text = app(&[
            serving("one", "slow"),
            serving("two", "slow"),
            more.to_owned(),
        ]);
        project.write("aspire.toml", &text);
    };
    with(&serving("three", "slow"));
    session.says("create process three");
    session.says("aspire.toml was saved: 2 to create (1 resources)");
    session.says_again(2, "ready in ");
    let three = session.url("three");
    let third = pid(&three);
    assert_eq!((pid(&one), pid(&two)), pids, "nobody touched them");
    assert_eq!(names(&project), ["one", "three", "two"]);
    with("");
    session.says("stop process three");
    session.says_again(3, "ready in ");
    assert_eq!(processes::Process::of(third), None, "it is left");
    assert!(http::get(&three).is_err(), "its port is open");
    assert_eq!(names(&project), ["one", "two"]);
    assert_eq!((pid(&one), pid(&two)), pids, "nobody touched them");
    end(&project, session);
}

#[test]
fn only_what_differs_is_replaced_and_keeps_its_port() {
    let (project, session) = start("live-change");
    let (one, two) = (session.url("one"), session.url("two"));
    let pids = (pid(&one), pid(&two));
    let text = app(&[serving("one", "fast"), serving("two", "slow")]);
    project.write("aspire.toml", &text);
    session.says("replace process one");
    session.says("spec.env.MODE: slow -> fast");
    session.says("aspire.toml was saved: 1 to replace (1 resources)");
    session.says_again(2, "ready in ");
    assert_eq!(answer(&format!("{one}/env/MODE")), "fast");
    assert_ne!(pid(&one), pids.0, "it is another process");
    assert_eq!(pid(&two), pids.1, "nobody touched it");
    assert_eq!(processes::Process::of(pids.0), None, "the old one is left");
    end(&project, session);
}

#[test]
fn a_broken_edit_changes_nothing() {
    let (project, session) = start("live-broken");
    let (one, two) = (session.url("one"), session.url("two"));
    let pids = (pid(&one), pid(&two));
    let good = project.read("aspire.toml");
    project.write(
        "aspire.toml",
        &good.replace("kind = 'executable'", "kind = 'exicutable'"),
    );
    session.says("aspire.toml was saved: nothing changed (2 errors)");
    session.says("did you mean `executable`?");
    project.write(
        "aspire.toml",
        &good.replace("name = 'live'", "name = 'live"),
    );
    session.says_again(2, "was saved: nothing changed (");
    // A secret that nobody has, and how to set it.
    let secret = format!("{good}env.KEY = '{{key}}'\n[parameters.key]\nsecret = true\n");
    project.write("aspire.toml", &secret);
    session.says("aspire-host param set key");
    session.says_again(3, "was saved: nothing changed (");
    assert_eq!((pid(&one), pid(&two)), pids, "nobody touched them");
    project
        .host(&["param", "set", "key", "hunter2-hunter2"])
        .expect(0);
    project.write("aspire.toml", &secret);
    session.says_again(2, "ready in ");
    assert_eq!(answer(&format!("{two}/env/KEY")), "hunter2-hunter2");
    assert_eq!(pid(&one), pids.0, "nobody touched it");
    assert!(!session.text().contains("hunter2"), "{}", session.text());
    end(&project, session);
}

#[test]
fn every_way_to_save_is_one_save() {
    let (project, session) = start("live-save");
    let one = session.url("one");
    let with = |mode: &str| app(&[serving("one", mode), serving("two", "slow")]);
    let file = project.path("aspire.toml");
    // Another file in its place.
    project.write(".aspire.toml.swp", &with("renamed"));
    fs::rename(project.path(".aspire.toml.swp"), &file).expect("renamed");
    session.says("spec.env.MODE: slow -> renamed");
    session.says_again(2, "ready in ");
    assert_eq!(session.count(SAVED), 1, "{}", session.text());
    // Emptied, then written in two pieces.
    fs::write(&file, "").expect("emptied");
    let text = with("truncated");
    let (first, rest) = text.split_at(text.len() / 2);
    let mut open = fs::OpenOptions::new()
        .append(true)
        .open(&file)
        .expect("it is there");
    std::io::Write::write_all(&mut open, first.as_bytes()).expect("written");
    std::io::Write::write_all(&mut open, rest.as_bytes()).expect("written");
    drop(open);
    session.says("spec.env.MODE: renamed -> truncated");
    session.says_again(3, "ready in ");
    assert_eq!(session.count(SAVED), 2, "{}", session.text());
    // Twice at once; the first is never seen.
    project.write("aspire.toml", &with("never"));
    project.write("aspire.toml", &with("last"));
    session.says("spec.env.MODE: truncated -> last");
    session.says_again(4, "ready in ");
    // What is no change, or another file's, is none.
    project.write("other.toml", "nothing");
    project.write("aspire.toml", &format!("# a remark\n{}", with("last")));
    session.says("nothing to do: what runs is what the app says");
    assert_eq!(session.count(SAVED), 4, "{}", session.text());
    assert_eq!(answer(&format!("{one}/env/MODE")), "last");
    end(&project, session);
}

#[test]
fn what_has_ended_waits_for_the_next_save() {
    let job = |code: u8| {
        format!(
            "name = 'live'\n[resources.job]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['exit', '{code}']\n"
        )
    };
    let project = Project::new("live-over").app(&job(7));
    let session = project.run(&["--watch", "--runtime", "native"]);
    session.says("job: failed: ");
    session.says("everything has ended");
    project.write("aspire.toml", &job(0));
    session.says("leaving with 0");
    session.says_again(2, "everything has ended");
    session.interrupt();
    // What failed stays failed.
    session.finish().expect(1);
    project.assert_nothing_left();
}

#[test]
fn what_was_started_again_is_no_difference_and_is_replaced_as_one() {
    let life = |word: &str| {
        format!(
            "[resources.life]\nkind = 'executable'\ncommand = 'sh'\n\
             args = ['-c', 'echo {word} $$; read line < again; exit 1']\nrestart = 'always'\n"
        )
    };
    let hand = serving("hand", "slow") + "start = 'manual'\n";
    let write = |project: &Project, resources: &[&str]| {
        let mut all: Vec<String> = resources.iter().map(|text| (*text).to_owned()).collect();
        all.push(hand.clone());
        project.write("aspire.toml", &app(&all));
    };
    let nothing_to_do = |project: &Project| {
        project
            .host(&["plan", "--runtime", "native"])
            .expect(0)
            .says(&["nothing to do"]);
    };
    let project = Project::new("live-again");
    write(&project, &[&life("life")]);
    let made = std::process::Command::new("mkfifo")
        .arg(project.path("again"))
        .status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    let session = project.run(&["--watch", "--runtime", "native"]);
    session.says("[life] life");
    nothing_to_do(&project);
    project.host(&["start", "hand", "--wait"]).expect(0);
    fs::write(project.path("again"), "now\n").expect("it reads");
    session.says_again(2, "[life] life");
    nothing_to_do(&project);
    let hands = pid(&session.url("hand"));
    let ready = session.count("ready in ");
    // Something else changes: it goes on as it is.
    let one = serving("one", "slow");
    write(&project, &[&life("life"), &one]);
    session.says_again(ready + 1, "ready in ");
    nothing_to_do(&project);
    assert_eq!(names(&project), ["hand", "life", "one"]);
    assert_eq!(session.count("[life] life"), 2, "{}", session.text());
    // It changes itself.
    write(&project, &[&life("other"), &one]);
    session.says("replace process life");
    session.says("[life] other");
    session.says_again(ready + 2, "ready in ");
    nothing_to_do(&project);
    assert_eq!(names(&project), ["hand", "life", "one"]);
    // It goes away, with all that was kept of it.
    write(&project, &[&one]);
    session.says_again(ready + 3, "ready in ");
    nothing_to_do(&project);
    assert_eq!(names(&project), ["hand", "one"]);
    assert_eq!(pid(&session.url("hand")), hands, "nobody touched it");
    end(&project, session);
}

#[test]
fn containers_come_and_go() {
    let engine = needs_engine!();
    let cache = |name: &str, more: &str| format!("[resources.{name}]\nkind = 'redis'\n{more}");
    let with = |resources: &[String]| {
        app(resources).replace("name = 'live'", "name = 'live'\n[plugins]\nredis = 'redis'")
    };
    // The first container comes when the app already runs.
    let project = Project::new("live-container")
        .on(engine)
        .app(&with(&[serving("one", "slow")]));
    let session = project.run(&["--watch"]);
    session.says("ready in ");
    project.write(
        "aspire.toml",
        &with(&[serving("one", "slow"), cache("cache", "")]),
    );
    session.says("create container cache");
    session.says_again(2, "ready in ");
    let id = |name: &str| {
        let all = project.host(&["ps", "--output", "json"]).expect(0).json();
        let rows = all["resources"].as_array().expect("a list").clone();
        let found = rows.into_iter().find(|row| row["name"] == name);
        let row = found.unwrap_or_else(|| panic!("{name} is not in {all:#}"));
        let container = row["container"].as_str().expect("a container");
        // The name stays; the id is the container's own.
        engine.docker(&["inspect", "--format", "{{.Id}}", container])
    };
    let first = id("cache");
    project.write(
        "aspire.toml",
        &with(&[
            serving("one", "slow"),
            cache("cache", ""),
            cache("other", ""),
        ]),
    );
    session.says_again(3, "ready in ");
    let other = id("other");
    assert_eq!(id("cache"), first, "nobody touched it");
    project.write(
        "aspire.toml",
        &with(&[
            serving("one", "slow"),
            cache("cache", "env.MODE = 'fast'\n"),
            cache("other", ""),
        ]),
    );
    session.says("replace container cache");
    session.says_again(4, "ready in ");
    assert_ne!(id("cache"), first, "it is another container");
    assert_eq!(id("other"), other, "nobody touched it");
    project.write("aspire.toml", &with(&[serving("one", "slow")]));
    session.says("stop container cache");
    session.says_again(5, "ready in ");
    assert_eq!(names(&project), ["one"]);
    session.stop().expect(130);
    project.assert_nothing_left();
}

#[test]
fn another_public_port_is_no_other_process() {
    let free = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("it has one").port()
    };
    let with = |port: u16| {
        let fixed = format!("env = 'PORT', port = {port}");
        app(&[serving("one", "slow").replace("env = 'PORT'", &fixed)])
    };
    let (before, after) = (free(), free());
    let project = Project::new("live-port").app(&with(before));
    let session = project.run(&["--watch", "--runtime", "native"]);
    session.says("ready in ");
    let old = format!("http://localhost:{before}");
    let first = pid(&old);
    project.write("aspire.toml", &with(after));
    session.says("change service one-http");
    session.says_again(2, "ready in ");
    assert_eq!(pid(&format!("http://localhost:{after}")), first);
    assert!(http::get(&old).is_err(), "the old port is closed");
    end(&project, session);
}
