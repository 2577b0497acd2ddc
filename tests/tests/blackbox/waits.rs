//! Waits and health: nothing starts before what it waits for, and nobody is healthy too early.

use aspire_host_tests::wait::{SOON, until};
use aspire_host_tests::{Project, http};

use crate::ODD;

/// A time that `odd` has stamped into a file, in milliseconds.
fn stamp(project: &Project, file: &str, word: &str) -> u128 {
    until(SOON, &format!("`{word}` in {file}"), || {
        let text = std::fs::read_to_string(project.path(file)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(word))?;
        line.trim().parse().ok()
    })
}

#[test]
fn a_server_that_listens_late_is_not_healthy_before() {
    let project = Project::new("waits-late").app(&format!(
        "name = 'late'\n\
         [resources.http]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['late', '3000', 'http.times']\n\
         endpoints.http = {{ env = 'PORT' }}\nhealth = {{ path = '/', interval = '200ms', retries = 100 }}\n\
         [resources.tcp]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['late', '3000', 'tcp.times']\n\
         endpoints.main = {{ env = 'PORT' }}\nhealth = {{ tcp = 'main', interval = '200ms', retries = 100 }}\n\
         [resources.after-http]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['stamp', 'after-http']\n\
         wait-for = ['http']\n\
         [resources.after-tcp]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['stamp', 'after-tcp']\n\
         wait-for = ['tcp']\n\
         [resources.after-start]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['stamp', 'after-start']\n\
         wait-for = [{{ resource = 'http', for = 'started' }}]\n"
    ));
    let session = project.run(&["--runtime", "native"]);
    for name in ["http", "tcp"] {
        let listens = stamp(&project, &format!("{name}.times"), "listen");
        let start = stamp(&project, &format!("{name}.times"), "start");
        let after = stamp(&project, &format!("after-{name}"), "start");
        assert!(listens - start >= 3000);
        assert!(
            after >= listens,
            "{name} was taken for healthy {} ms early",
            listens - after
        );
        assert!(
            after < listens + 5000,
            "{name} was found healthy {} ms late",
            after - listens
        );
    }
    let early = stamp(&project, "after-start", "start");
    assert!(
        early < stamp(&project, "http.times", "listen"),
        "`started` does not wait for health"
    );
    session.stop().expect(130);
    project.assert_nothing_left();
}

#[test]
fn callers_that_come_early_wait_at_the_stable_port() {
    let project = Project::new("waits-early").app(&format!(
        "name = 'early'\n\
         [resources.late]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['late', '1500', 'times']\n\
         endpoints.http = {{ env = 'PORT', external = true }}\nhealth = {{ path = '/', interval = '100ms', retries = 100 }}\n"
    ));
    let session = project.run(&["--runtime", "native"]);
    let url = session.url("late");
    stamp(&project, "times", "start");
    assert!(
        http::get(&url)
            .expect("it is parked, not refused")
            .body
            .starts_with("ok from")
    );
    session.stop().expect(130);
    project.assert_nothing_left();
}

#[test]
fn completion_with_the_expected_code() {
    let project = Project::new("waits-completed").app(&format!(
        "name = 'completed'\n\
         [resources.job]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['once', 'job']\n\
         [resources.seven]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['exit', '7']\n\
         [resources.after]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['stamp', 'after']\n\
         wait-for = [{{ resource = 'job', for = 'completed' }}, {{ resource = 'seven', for = 'completed', exit-code = 7 }}]\n"
    ));
    let session = project.run(&["--runtime", "native"]);
    assert!(stamp(&project, "after", "start") >= stamp(&project, "job", "start"));
    session.stop().expect(130).says(&["leaving with 7"]);
    project.assert_nothing_left();
}

#[test]
fn a_failure_marks_its_resource_and_the_others_keep_running() {
    let project = Project::new("waits-failure").app(&format!(
        "name = 'failure'\n\
         [resources.broken]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['exit', '3']\n\
         [resources.after]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['stamp', 'after']\n\
         wait-for = [{{ resource = 'broken', for = 'completed' }}]\n\
         [resources.other]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
         endpoints.http = {{ env = 'PORT', external = true }}\nhealth = '/'\n"
    ));
    let session = project.run(&["--runtime", "native"]);
    let url = session.url("other");
    session.line("the failure of `broken` with its code", |line| {
        line.contains("broken") && line.contains('3') && line.contains("exit")
    });
    session.line("that `after` waits for `broken`", |line| {
        line.contains("after") && line.contains("broken")
    });
    assert!(http::get(&url).is_ok(), "the other one runs");
    assert!(
        !project.path("after").exists(),
        "a dependent of a failed resource was started"
    );
    // It failed, so that is how it ends.
    session.stop().expect(1).says(&["leaving with 3", "broken"]);
    project.assert_nothing_left();
}

#[test]
fn fail_fast_stops_everything() {
    let project = Project::new("waits-fail-fast").app(&format!(
        "name = 'fast'\n\
         [resources.broken]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['exit', '3']\n\
         wait-for = ['other']\n\
         [resources.other]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
         endpoints.http = {{ env = 'PORT' }}\nhealth = '/'\n"
    ));
    let session = project.run(&["--runtime", "native", "--fail-fast"]);
    session
        .finish()
        .expect(1)
        .says(&["broken", "leaving with 3"]);
    project.assert_nothing_left();
}

#[test]
fn an_app_whose_jobs_are_done_ends_by_itself() {
    let project = Project::new("waits-done").app(&format!(
        "name = 'done'\n[resources.job]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['once', 'job']\n"
    ));
    project
        .run(&["--runtime", "native"])
        .finish()
        .expect(0)
        .says(&["job: finished"]);
    stamp(&project, "job", "start");
    project.assert_nothing_left();
}

#[test]
fn a_build_runs_first_and_its_failure_is_the_resources() {
    let project = Project::new("waits-build").app(&format!(
        "name = 'build'\n\
         [resources.good]\nkind = 'executable'\nbuild = ['cp', '{ODD}', 'built']\ncommand = './built'\nargs = ['stamp', 'good']\n\
         [resources.bad]\nkind = 'executable'\nbuild = ['sh', '-c', 'echo this cannot be built; exit 4']\ncommand = './never'\n"
    ));
    let session = project.run(&["--runtime", "native"]);
    stamp(&project, "good", "start");
    session.says("this cannot be built");
    session.line("the failed build", |line| {
        line.contains("bad") && line.contains('4')
    });
    session.stop().expect(1);
    project.assert_nothing_left();
}
