//! Watched files: what `watch` says of a resource is done while its app runs, to it and nobody else.

use std::fs;

use aspire_host_tests::wait::{LONG, until};
use aspire_host_tests::{Project, Session, http, needs_engine, processes};

use crate::ODD;

/// A service that says which process it is, with more keys.
fn serving(name: &str, more: &str) -> String {
    format!(
        "[resources.{name}]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
         endpoints.http = {{ env = 'PORT', external = true }}\nhealth = '/'\n{more}\n"
    )
}

fn app(resources: &[String]) -> String {
    format!("name = 'watched'\n{}", resources.concat())
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

#[test]
fn a_burst_is_one_restart_of_one_resource() {
    let project = Project::new("watched-burst").app(&app(&[
        serving(
            "one",
            "watch = { paths = ['src', '*.conf'], ignore = ['*.tmp'] }",
        ),
        serving("two", "wait-for = ['one']"),
    ]));
    project.write("src/a", "1");
    let session = project.run(&["--runtime", "native"]);
    session.says("ready in ");
    let (one, two) = (session.url("one"), session.url("two"));
    let pids = (pid(&one), pid(&two));
    for file in ["src/a", "src/b", "src/deep/c", "main.conf", "src/a"] {
        project.write(file, &format!("2 {file}"));
    }
    session.says("changed: restarting");
    session.says_again(2, "ready in ");
    let second = pid(&one);
    assert_ne!(second, pids.0, "it is another process behind the same port");
    assert_eq!(processes::Process::of(pids.0), None, "the old one is left");
    assert_eq!(pid(&two), pids.1, "nobody touched it");
    assert_eq!(session.count("restarting"), 1, "{}", session.text());
    // No reasons: what is ignored, what is as it was, what is not named. Then one.
    for file in [
        "src/x.tmp",
        "src/x.log",
        "src/target/x",
        "src/.git/x",
        "other/x",
    ] {
        project.write(file, "2");
    }
    project.write("src/a", "2 src/a");
    project.write("src/deep/new/d", "1");
    session.says("one: src/deep/new/d changed: restarting");
    session.says_again(3, "ready in ");
    fs::remove_file(project.path("src/b")).expect("it is there");
    session.says("one: src/b changed: restarting");
    session.says_again(4, "ready in ");
    assert_eq!(session.count("restarting"), 3, "{}", session.text());
    assert_eq!(pid(&two), pids.1, "nobody touched it");
    end(&project, session);
}

/// A service whose program is built from `src/main`.
fn built(test: &str) -> Project {
    let script = format!(
        "set -e\n\
         if grep -q broken src/main; then echo 'src/main: broken' >&2; exit 3; fi\n\
         printf '#!/bin/sh\\nMODE=%s exec \"%s\" serve\\n' \"$(cat src/main)\" '{ODD}' > web.new\n\
         chmod +x web.new\nmv web.new web\n"
    );
    let text = serving("web", "build = ['sh', 'build.sh']\nwatch = {}");
    let text = text.replace(&format!("'{ODD}'\nargs = ['serve']"), "'./web'");
    let project = Project::new(test).app(&app(&[text, serving("two", "")]));
    project.write("build.sh", &script);
    project.write("src/main", "first");
    project
}

#[test]
fn only_a_good_build_replaces_what_runs() {
    let project = built("watched-build");
    let session = project.run(&["--runtime", "native"]);
    session.says("ready in ");
    let (web, two) = (session.url("web"), session.url("two"));
    let pids = (pid(&web), pid(&two));
    let mode = format!("{web}/env/MODE");
    assert_eq!(answer(&mode), "first");
    project.write("src/main", "broken");
    session.says("web: src/main changed: building");
    session.says("web: nothing is replaced: the build failed with exit code 3");
    session.says("| src/main: broken");
    assert_eq!((pid(&web), pid(&two)), pids, "both go on");
    assert_eq!(answer(&mode), "first");
    project.write("src/main", "mended");
    session.says("web: built: restarting");
    session.says_again(2, "ready in ");
    assert_eq!(answer(&mode), "mended");
    assert_ne!(pid(&web), pids.0, "it is another process");
    assert_eq!(pid(&two), pids.1, "nobody touched it");
    assert_eq!(session.count("building"), 2, "{}", session.text());
    assert_eq!(session.count("restarting"), 1, "{}", session.text());
    // Built by hand as ever, and nothing to tell from what the app says.
    project.host(&["restart", "web", "--wait"]).expect(0);
    let plan = project.host(&["plan", "--runtime", "native"]);
    plan.expect(0).says(&["nothing to do"]);
    end(&project, session);
}

#[test]
fn what_a_build_writes_does_not_make_it_go_round() {
    let build = "build = ['sh', '-c', 'date +%s%N > out; cat src/main > copy']";
    let project = Project::new("watched-round")
        .app(&app(&[serving("web", &format!("{build}\nwatch = {{}}"))]));
    project.write("src/main", "1");
    let session = project.run(&["--runtime", "native"]);
    // It may have been an edit.
    session.says("changed: building");
    session.says("web: built: restarting");
    session.says_again(1, "ready in ");
    for edit in 2..5 {
        project.write("src/main", &edit.to_string());
        session.says_again(edit, "changed: building");
        session.says_again(edit, "web: built: restarting");
    }
    assert_eq!(session.count("src/main changed: building"), 3);
    assert_eq!(session.count("changed: building"), 4, "{}", session.text());
    end(&project, session);
}

#[test]
fn a_change_starts_what_has_failed() {
    let job = "[resources.job]\nkind = 'executable'\ncommand = 'sh'\nargs = ['job.sh']\n\
               watch = { paths = ['job.sh'] }\n";
    let project = Project::new("watched-failed").app(&app(&[job.to_owned()]));
    project.write("job.sh", "exit 7\n");
    let session = project.run(&["--runtime", "native"]);
    session.says("job: failed: ");
    session.says("everything has ended; the next change of a watched file goes on");
    project.write("job.sh", "echo mended\n");
    session.says("job: job.sh changed: restarting");
    session.says("[job] mended");
    session.says_again(2, "everything has ended");
    session.interrupt();
    // What failed stays failed.
    session.finish().expect(1);
    project.assert_nothing_left();
}

#[test]
fn what_is_stopped_stays_so_and_nobody_has_to_watch() {
    let both = [serving("one", "watch = {}"), serving("two", "watch = {}")];
    let project = Project::new("watched-stopped").app(&app(&both));
    let session = project.run(&["--runtime", "native"]);
    session.says("ready in ");
    let one = session.url("one");
    project.host(&["stop", "one", "--wait"]).expect(0);
    project.write("a", "1");
    session.says("two: a changed: restarting");
    project.host(&["start", "one", "--wait"]).expect(0);
    let second = pid(&one);
    project.write("b", "1");
    session.says("one: b changed: restarting");
    session.says("two: b changed: restarting");
    session.says_again(3, "ready in ");
    assert_ne!(pid(&one), second);
    assert_eq!(session.count("restarting"), 3, "{}", session.text());
    end(&project, session);
    let session = project.run(&["--runtime", "native", "--no-watch"]);
    session.says("ready in ");
    let first = pid(&session.url("one"));
    project.write("c", "2");
    project.host(&["restart", "two", "--wait"]).expect(0);
    assert_eq!(pid(&session.url("one")), first);
    end(&project, session);
}

#[test]
fn an_edit_of_the_app_file_changes_what_is_watched() {
    let project = Project::new("watched-edit").app(&app(&[serving("one", "")]));
    project.write("src/a", "0");
    let session = project.run(&["--watch", "--runtime", "native"]);
    session.says("ready in ");
    let first = pid(&session.url("one"));
    project.write(
        "aspire.toml",
        &app(&[serving("one", "watch = { paths = ['src'] }")]),
    );
    session.says("nothing to do: what runs is what the app says");
    let mut count = 0;
    until(LONG, "a restart", || {
        count += 1;
        project.write("src/a", &count.to_string());
        (session.count("one: src/a changed: restarting") > 0).then_some(())
    });
    session.says_again(2, "ready in ");
    assert_ne!(pid(&session.url("one")), first);
    end(&project, session);
}

#[test]
fn what_cannot_be_watched_is_said_where_it_stands() {
    let wrong = serving("one", "watch = { do = 'sync', target = '/srv' }");
    let project = Project::new("watched-wrong").app(&app(&[wrong]));
    let found = project.host(&["check"]).expect(1);
    found.says(&["aspire.toml:8", "`one` is a process"]);
}

/// The container of a resource.
fn container(engine: aspire_host_tests::Engine, project: &Project, name: &str) -> String {
    let all = project.host(&["ps", "--output", "json"]).expect(0).json();
    let rows = all["resources"].as_array().expect("a list").clone();
    let row = rows.into_iter().find(|row| row["name"] == name);
    let row = row.unwrap_or_else(|| panic!("{name} is not in {all:#}"));
    let container = row["container"].as_str().expect("a container");
    engine.docker(&["inspect", "--format", "{{.Id}}", container])
}

/// A container that serves files of a folder, with more keys.
fn pages(more: &str) -> String {
    format!(
        "[resources.web]\nkind = 'container'\nbuild = 'web'\n\
         endpoints.http = {{ target-port = 80, external = true }}\nhealth = '/page'\n{more}\n"
    )
}

const DOCKERFILE: &str = "FROM standin.local/busybox:1\nCOPY static /www\n\
                          CMD [\"httpd\", \"-f\", \"-p\", \"80\", \"-h\", \"/www\"]\n";

#[test]
fn a_container_is_built_again() {
    let engine = needs_engine!();
    let project = Project::new("watched-image")
        .on(engine)
        .app(&app(&[pages("watch = {}"), serving("two", "")]));
    project.write("web/Dockerfile", DOCKERFILE);
    project.write("web/static/page", "first");
    let session = project.run(&[]);
    session.says("ready in ");
    let (page, two) = (format!("{}/page", session.url("web")), session.url("two"));
    assert_eq!(answer(&page), "first");
    let (first, other) = (container(engine, &project, "web"), pid(&two));
    project.write("web/Dockerfile", &DOCKERFILE.replace("static", "nowhere"));
    session.says("web: web/Dockerfile changed: building");
    session.says("web: nothing is replaced: image ");
    assert_eq!(answer(&page), "first");
    assert_eq!(container(engine, &project, "web"), first, "it goes on");
    project.write("web/Dockerfile", DOCKERFILE);
    project.write("web/static/page", "second");
    session.says("web: built: restarting");
    session.says_again(2, "ready in ");
    assert_eq!(answer(&page), "second");
    assert_ne!(container(engine, &project, "web"), first);
    assert_eq!(pid(&two), other, "nobody touched it");
    assert_eq!(session.count("restarting"), 1, "{}", session.text());
    end(&project, session);
}

#[test]
fn files_are_copied_into_a_container_that_goes_on() {
    let engine = needs_engine!();
    let watch = "watch = { paths = ['web/static'], do = 'sync', target = '/www' }";
    let project = Project::new("watched-sync")
        .on(engine)
        .app(&app(&[pages(watch)]));
    project.write("web/Dockerfile", DOCKERFILE);
    project.write("web/static/page", "first");
    let session = project.run(&[]);
    session.says("ready in ");
    let url = session.url("web");
    assert_eq!(answer(&format!("{url}/page")), "first");
    let first = container(engine, &project, "web");
    project.write("web/static/page", "second");
    project.write("web/static/deep/er", "new");
    session.says("web: web/static/deep/er and web/static/page changed: copied to /www");
    assert_eq!(answer(&format!("{url}/page")), "second");
    assert_eq!(answer(&format!("{url}/deep/er")), "new");
    fs::remove_file(project.path("web/static/deep/er")).expect("it is there");
    session.says("web: web/static/deep/er changed: copied to /www");
    let gone = http::get(&format!("{url}/deep/er")).expect("it answers");
    assert_eq!(gone.status, 404);
    assert_eq!(container(engine, &project, "web"), first, "it goes on");
    // The next container is built with them.
    project.host(&["restart", "web", "--wait"]).expect(0);
    assert_eq!(answer(&format!("{url}/page")), "second");
    end(&project, session);
}
