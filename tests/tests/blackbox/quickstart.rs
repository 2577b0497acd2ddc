//! The quickstart runs, natively and in containers: its page counts visits in a real Redis.

use aspire_host_tests::wait::{LONG, until};
use aspire_host_tests::{Project, Session, http, needs_engine, needs_program};

/// The number on the page.
fn visits(url: &str) -> u64 {
    let answer = http::get(url).expect("the page is served");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let number = answer
        .body
        .split("<b>")
        .nth(1)
        .and_then(|rest| rest.split('<').next());
    number
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{}", answer.body))
}

/// The page's address, once it is healthy.
fn page(session: &Session) -> String {
    let url = session.url("web");
    until(LONG, "a healthy page", || {
        http::get(&format!("{url}/health"))
            .ok()
            .filter(|answer| answer.status == 200)
    });
    url
}

fn counts(project: &Project, args: &[&str]) {
    let session = project.run(args);
    let url = page(&session);
    assert_eq!([visits(&url), visits(&url), visits(&url)], [1, 2, 3]);
    session.says("visit 3");
    let left = project.processes().len() + project.containers().len();
    assert!(
        left >= 3,
        "the host, its service and Redis: what is looked for at the end is found now"
    );
    let again = session.stop().expect(130);
    again.lacks(&["panicked"]);
    project.assert_nothing_left();
    assert!(http::get(&url).is_err(), "somebody still answers at {url}");
}

#[test]
fn natively() {
    needs_program!("redis-server", "apt-get install redis-server");
    let project = Project::new("quickstart-native").example("quickstart");
    counts(&project, &["--runtime", "native"]);
}

#[test]
fn in_a_container() {
    let engine = needs_engine!();
    let project = Project::new("quickstart-docker")
        .example("quickstart")
        .on(engine);
    counts(&project, &["--runtime", "docker"]);
}

#[test]
fn the_command_may_be_left_out_and_the_folder_may_have_any_name() {
    needs_program!("redis-server", "apt-get install redis-server");
    let project = Project::named("quickstart-umlaut", "mein schönes Projekt").example("quickstart");
    let session = Session::start(project.command(&["--runtime", "native"]));
    let url = page(&session);
    assert_eq!(visits(&url), 1);
    session.stop().expect(130);
    project.assert_nothing_left();
}
