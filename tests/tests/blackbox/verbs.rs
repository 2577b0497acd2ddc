//! Verbs: a running app is looked at, waited for and steered from another process.

use aspire_host_tests::wait::{LONG, SOON, until};
use aspire_host_tests::{Project, Session, http, needs_engine, needs_program};

use crate::ODD;

/// A database that is late, a service that waits for it, a job that fails, one that waits for a
/// hand.
fn shop(test: &str) -> Project {
    Project::new(test).app(&format!(
        "name = 'shop'\n\
         [parameters.pass]\nsecret = true\n\
         [resources.db]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['late', '1500', 'db.times']\n\
         endpoints.tcp = {{ env = 'PORT' }}\nhealth = {{ tcp = 'tcp', interval = '100ms', retries = 100 }}\n\
         [resources.web]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
         wait-for = ['db']\nendpoints.http = {{ env = 'PORT', external = true }}\nhealth = '/'\n\
         env.MODE = 'fast lane'\nenv.PASS = 'a-{{pass}}'\n\
         [resources.hand]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['stamp', 'hand.times']\n\
         start = 'manual'\n"
    ))
    .option(&["--param", "pass=hunter2-hunter2"])
}

fn run(project: &Project) -> Session {
    let session = project.run(&["--runtime", "native"]);
    until(LONG, "the kubeconfig of the run", || {
        project
            .path(".aspire-host/kubeconfig")
            .exists()
            .then_some(())
    });
    session
}

fn state(project: &Project, name: &str) -> serde_json::Value {
    let all = project.host(&["ps", "--output", "json"]).expect(0).json();
    let rows = all["resources"].as_array().expect("a list").clone();
    let found = rows.into_iter().find(|row| row["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not in {all:#}"))
}

#[test]
fn what_does_not_run_is_said_at_once() {
    let project = shop("verbs-not-running");
    for verb in [
        &["ps"][..],
        &["logs"],
        &["wait", "--timeout", "1ms"],
        &["wait", "--for", "stopped"],
        &["stop"],
        &["why", "web"],
        &["exec", "web", "--", "true"],
    ] {
        project
            .host(verb)
            .expect(1)
            .says(&["`shop` is not running", "aspire-host run"]);
    }
    // What a killed host has left is not taken for a running app.
    let session = run(&project);
    let kubeconfig = project.read(".aspire-host/kubeconfig");
    session.signal(rustix::process::Signal::KILL);
    let _ = session.finish();
    project.write(".aspire-host/kubeconfig", &kubeconfig);
    project
        .host(&["ps"])
        .expect(1)
        .says(&["`shop` is not running"]);
    project
        .host(&["ps", "--all"])
        .expect(0)
        .says(&["no app of yours runs"]);
}

#[test]
fn what_is_about_to_begin_is_waited_for() {
    let project = shop("verbs-begins");
    // Nobody has started it yet.
    let waiter = Session::start(project.command(&["wait", "--timeout", "100s"]));
    let session = project.run(&["--runtime", "native"]);
    // It has begun, as its lock says, and cannot be spoken to yet.
    let instances = project.home().join("data/aspire-host/instances");
    until(LONG, "the lock of the instance", || {
        let folders = std::fs::read_dir(&instances).ok()?;
        let mut locks = folders.flatten().map(|folder| folder.path().join("lock"));
        locks
            .any(|lock| std::fs::read_to_string(lock).is_ok_and(|text| text.contains("pid ")))
            .then_some(())
    });
    project.host(&["ps"]).expect(0).says(&["web", "db"]);
    waiter.finish().expect(0).says(&["web: healthy"]);
    // `stop` needs no pause after the start either.
    session.stop().expect(130);
    let session = project.run(&["--runtime", "native"]);
    project.host(&["wait", "db"]).expect(0);
    project.host(&["stop"]).expect(0).says(&["shop: stopped"]);
    session.finish().expect(0);
    project.assert_nothing_left();
}

#[test]
fn an_app_is_looked_at_while_it_starts_and_runs() {
    let project = shop("verbs-looks");
    let session = run(&project);
    // While the database is late, everybody says whose fault it is.
    let why = project.host(&["why", "web"]).expect(0);
    why.says(&["web waits for db (healthy)", "db"]);
    project
        .host(&["wait", "web", "--timeout", "1ms"])
        .expect(1)
        .says(&["not healthy within", "web waits for db (healthy)"]);
    project.host(&["wait", "web"]).expect(0);
    let web = state(&project, "web");
    assert_eq!(web["state"], "running", "{web:#}");
    assert_eq!(web["health"], "Healthy", "{web:#}");
    assert_eq!(web["kind"], "executable", "{web:#}");
    let url = web["urls"][0].as_str().expect("a URL").to_owned();
    assert!(http::get(&url).is_ok(), "{url}");
    project
        .host(&["ps"])
        .expect(0)
        .says(&["RESOURCE", "web", "healthy", "hand", "not started"]);
    // All but the one that waits for a hand.
    project.host(&["wait"]).expect(0);
    project
        .host(&["wait", "hand"])
        .expect(1)
        .says(&["hand is started by hand", "aspire-host start hand"]);
    project
        .host(&["describe", "web"])
        .expect(0)
        .says(&[
            "Endpoints",
            &url,
            "GET / of http",
            "MODE=fast lane",
            "db: done",
        ])
        .lacks(&["hunter2"]);
    project
        .host(&["logs", "web"])
        .expect(0)
        .says(&["[web] listening on"]);
    project
        .host(&["logs", "--grep", "nothing-like-that"])
        .expect(0)
        .lacks(&["listening"]);
    let lines = project.host(&["logs", "--output", "json"]).expect(0);
    let times: Vec<String> = lines
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|line| line["time"].as_str().expect("a time").to_owned())
        .collect();
    assert!(times.len() >= 2 && times.is_sorted(), "{times:?}");
    project
        .host(&["ps", "--all"])
        .expect(0)
        .says(&["shop", "2 of 3 ready"]);
    project
        .host(&["why", "wbe"])
        .expect(1)
        .says(&["did you mean `web`?"]);
    session.stop().expect(130);
    project.assert_nothing_left();
}

#[test]
fn commands_and_editors_get_the_environment_of_a_process() {
    let project = shop("verbs-environment");
    let session = run(&project);
    project.host(&["wait"]).expect(0);
    let masked = project.host(&["env", "web"]).expect(0);
    masked
        .says(&["MODE='fast lane'", "PORT="])
        .lacks(&["hunter2", "HOME="]);
    let json = project
        .host(&["env", "web", "--reveal", "--format", "json"])
        .expect(0)
        .json();
    assert_eq!(json["PASS"], "a-hunter2-hunter2", "{json:#}");
    assert_eq!(json["MODE"], "fast lane", "{json:#}");
    project
        .host(&["env", "web", "--format", "shell", "--reveal"])
        .expect(0)
        .says(&["export MODE='fast lane'"]);
    let all = project.host(&["env", "web", "--all"]).expect(0);
    all.says(&["HOME=", "MODE='fast lane'"]).lacks(&["hunter2"]);
    let script = "echo \"$MODE $PASS\"; pwd; exit 7";
    let done = project.host(&["exec", "web", "--", "sh", "-c", script]);
    let folder = project.folder().display().to_string();
    done.expect(7)
        .says(&["fast lane a-hunter2-hunter2", &folder]);
    project
        .host(&["exec", "web", "--", "no-such-program"])
        .expect(3)
        .says(&["`no-such-program` cannot be started"]);
    session.stop().expect(130);
}

#[test]
fn resources_are_stopped_and_started_by_hand() {
    let project = shop("verbs-switch");
    let session = run(&project);
    let watcher = Session::start(project.command(&["ps", "--watch"]));
    watcher.says("web: waiting for db: healthy");
    watcher.says("web: healthy at http://");
    project.host(&["wait"]).expect(0);
    project.host(&["start", "hand"]).expect(0);
    watcher.says("hand: running");
    project
        .host(&["wait", "hand", "--for", "running"])
        .expect(0);
    assert!(project.path("hand.times").exists());
    project.host(&["stop", "web", "--wait"]).expect(0);
    assert_eq!(state(&project, "web")["state"], "finished");
    project
        .host(&["why", "web"])
        .expect(0)
        .says(&["web was stopped by hand"]);
    // Its gate means the same at every start.
    project.host(&["stop", "db", "--wait"]).expect(0);
    project.host(&["start", "web"]).expect(0);
    until(SOON, "web waits for db", || {
        let web = state(&project, "web");
        (web["state"] == "waiting" && web["waitingFor"][0].as_str()?.contains("db")).then_some(())
    });
    project.host(&["start", "db"]).expect(0);
    project.host(&["wait", "web", "db"]).expect(0);
    let before = state(&project, "web")["pid"].clone();
    project.host(&["restart", "web", "--wait"]).expect(0);
    let web = state(&project, "web");
    assert_ne!(web["pid"], before);
    let url = web["urls"][0].as_str().expect("a URL").to_owned();
    assert!(http::get(&url).is_ok(), "{url}");
    // Everything stopped by hand is no end of the app.
    project
        .host(&["stop", "web", "db", "hand", "--wait"])
        .expect(0);
    project.host(&["start", "db", "--wait"]).expect(0);
    session.stop().expect(130);
    watcher.finish().expect(0);
    project.assert_nothing_left();
}

#[test]
fn logs_are_followed_across_restarts_to_the_end() {
    let project = shop("verbs-follow");
    let session = run(&project);
    project.host(&["wait"]).expect(0);
    let follower = Session::start(project.command(&["logs", "web", "hand", "-f"]));
    let first = follower.says("[web] listening on");
    project.host(&["restart", "web", "--wait"]).expect(0);
    follower.line("the new one's first line", |line| {
        line.starts_with("[web] listening on") && line != first
    });
    project.host(&["stop", "web", "--wait"]).expect(0);
    project.host(&["start", "hand"]).expect(0);
    project
        .host(&["wait", "hand", "--for", "running"])
        .expect(0);
    project.host(&["stop", "hand", "--wait"]).expect(0);
    let said = follower.finish().expect(0).stdout;
    let times = said.matches(&first).count();
    assert_eq!(times, 1, "what was told before is told again:\n{said}");
    // Nobody has to read to the end.
    let mut reader = project.command(&["logs", "db", "-f"]);
    let mut child = reader
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary");
    drop(child.stdout.take());
    project.host(&["restart", "db", "--wait"]).expect(0);
    let code = until(LONG, "the end of a reader without a pipe", || {
        child.try_wait().expect("a child of ours")
    });
    assert_eq!(code.code(), Some(0));
    session.stop().expect(130);
}

#[test]
fn what_starts_again_by_itself_stays_one_resource() {
    let project = Project::new("verbs-again").app(
        "name = 'again'\n\
         [resources.life]\nkind = 'executable'\ncommand = 'sh'\n\
         args = ['-c', 'echo life $$; read line < again; exit 1']\nrestart = 'always'\n",
    );
    let made = std::process::Command::new("mkfifo")
        .arg(project.path("again"))
        .status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    let session = run(&project);
    project.host(&["wait"]).expect(0);
    let follower = Session::start(project.command(&["logs", "life", "-f"]));
    let first = follower.says("[life] life");
    let die = || std::fs::write(project.path("again"), "now\n").expect("it reads");
    die();
    let second = follower.line("its second life", |line| {
        line.starts_with("[life] life") && line != first
    });
    let life = until(SOON, "it was started again", || {
        let life = state(&project, "life");
        (life["restarts"] == 1 && life["state"] == "running").then_some(life)
    });
    assert_eq!(life["resource"], "life", "{life:#}");
    let all = project.host(&["ps", "--output", "json"]).expect(0).json();
    assert_eq!(
        all["resources"].as_array().map(Vec::len),
        Some(1),
        "{all:#}"
    );
    project
        .host(&["why", "life"])
        .expect(0)
        .says(&["life runs", "was started again 1 time"]);
    // By hand, all begins anew.
    project.host(&["restart", "life"]).expect(0);
    project.host(&["wait", "life"]).expect(0);
    assert_eq!(state(&project, "life")["restarts"], 0);
    follower.line("its third life", |line| {
        line.starts_with("[life] life") && line != first && line != second
    });
    session.stop().expect(130);
    let said = follower.finish().expect(0).stdout;
    for line in [&first, &second] {
        assert_eq!(
            said.matches(line.as_str()).count(),
            1,
            "told twice:\n{said}"
        );
    }
    project.assert_nothing_left();
}

/// What a command says to an input.
fn with_input(project: &Project, args: &[&str], input: &[u8]) -> Vec<u8> {
    let file = project.path("input");
    std::fs::write(&file, input).expect("a file for the input");
    let done = project
        .command(args)
        .stdin(std::fs::File::open(&file).expect("it is there"))
        .output()
        .expect("it can be started");
    assert!(done.status.success(), "{done:?}");
    done.stdout
}

#[test]
fn a_command_beside_a_process_reads_our_input() {
    let project = shop("verbs-input");
    let session = run(&project);
    project.host(&["wait", "web"]).expect(0);
    let said = with_input(&project, &["exec", "web", "--", "cat"], b"hi\n\xff");
    assert_eq!(said, b"hi\n\xff");
    session.stop().expect(130);
}

#[test]
fn a_command_in_a_container_has_our_terminal() {
    let engine = needs_engine!();
    needs_program!("script", "part of bsdutils");
    let project = Project::new("verbs-tty")
        .on(engine)
        .app("name = 'inside'\n[plugins]\nredis = 'redis'\n[resources.cache]\nkind = 'redis'\n");
    let session = project.run(&["--runtime", "docker"]);
    session.says("ready in");
    // An old engine tells the size only once it runs.
    let script = "until [ \"$(stty size)\" = '33 77' ]; do sleep 0.02; done; tty; exit 7";
    let inner = project.command(&["exec", "-t", "cache", "--", "sh", "-c", script]);
    let words: Vec<String> = std::iter::once(inner.get_program())
        .chain(inner.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy().replace('\'', "'\\''")))
        .collect();
    let mut outer = project.command(&[]);
    let variables: Vec<_> = outer
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    let line = format!("stty rows 33 cols 77; exec {}", words.join(" "));
    outer = std::process::Command::new("script");
    outer
        .current_dir(project.folder())
        .env_clear()
        .envs(variables)
        .args(["-qec", &line, "/dev/null"]);
    let done = aspire_host_tests::Outcome::of(&mut outer, LONG).expect(7);
    done.says(&["/dev/pts/"]);
    session.stop().expect(130);
    project.assert_nothing_left();
}

#[test]
fn commands_run_in_containers() {
    let engine = needs_engine!();
    let project = Project::new("verbs-container")
        .on(engine)
        .app("name = 'inside'\n[plugins]\nredis = 'redis'\n[resources.cache]\nkind = 'redis'\n");
    let session = project.run(&["--runtime", "docker"]);
    session.says("ready in");
    project
        .host(&["exec", "cache", "--", "redis-cli", "ping"])
        .expect(0)
        .says(&["PONG"]);
    let script = "echo out; echo err >&2; exit 7";
    let done = project.host(&["exec", "cache", "--", "sh", "-c", script]);
    let done = done.expect(7);
    assert_eq!((&*done.stdout, &*done.stderr), ("out\n", "err\n"));
    // Bytes in, bytes out, and the end of the input.
    let count = with_input(&project, &["exec", "cache", "--", "cat"], b"hi\n\xff\0end");
    assert_eq!(count, b"hi\n\xff\0end");
    let big = vec![b'x'; 1 << 20];
    let count = with_input(&project, &["exec", "cache", "--", "wc", "-c"], &big);
    assert_eq!(String::from_utf8_lossy(&count).trim(), "1048576");
    let missing = project.host(&["exec", "cache", "--", "no-such-program"]);
    assert!(matches!(missing.code, Some(1 | 126 | 127)), "{missing}");
    missing.says(&["no-such-program"]);
    project
        .host(&["exec", "-t", "cache", "--", "true"])
        .expect(2)
        .says(&["--tty needs a terminal"]);
    let masked = project.host(&["env", "cache"]).expect(0);
    masked.says(&["REDIS_PASSWORD=***"]);
    project
        .host(&["env", "cache", "--reveal"])
        .expect(0)
        .lacks(&["***"])
        .says(&["REDIS_PASSWORD="]);
    session.stop().expect(130);
    project.assert_nothing_left();
}
