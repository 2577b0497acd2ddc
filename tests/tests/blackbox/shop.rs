//! The shop runs in containers and processes: an order that is written through its page goes to the
//! API, into PostgreSQL, to the mailer in its container, to the model, and back.

use aspire_host_tests::wait::{LONG, SOON, until};
use aspire_host_tests::{Project, http, needs_engine};

#[test]
fn an_order_goes_all_the_way() {
    let engine = needs_engine!();
    let project = Project::new("shop-docker")
        .example("shop")
        .on(engine)
        .option(&[
            "--param",
            "stripe-key=sk_test_4eC39HqLyjWDarjtT1zdp7dc",
            "--param",
            "busybox-image=standin.local/busybox:1",
        ]);
    let session = project.run(&["--runtime", "docker"]);
    session.says("the table is ready; orders so far: 0");
    let url = session.url("web");
    until(LONG, "a healthy page", || {
        http::get(&format!("{url}/health"))
            .ok()
            .filter(|answer| answer.status == 200)
    });
    // Process to process, process to container.
    let answer =
        http::post(&format!("{url}/orders"), "item=tea+%26+cake&quantity=3").expect("served");
    assert_eq!(answer.status, 303, "{}", answer.body);
    let page = || http::get(&url).expect("served").body;
    let listed = page();
    assert!(
        listed.contains("<td>tea &amp; cake</td><td>3</td>"),
        "{listed}"
    );
    assert!(listed.contains("Visits: <b>1</b>"), "{listed}");
    // Container to process (the outbox and the note), container to container (the model).
    session.line("the mailer's note", |line| {
        line.contains("mailer") && line.contains("order 1:")
    });
    until(SOON, "the note on the page", || {
        page()
            .contains("Thank a customer for ordering 3 of tea &amp; cake")
            .then_some(())
    });
    session
        .stop()
        .expect(130)
        .lacks(&["panicked", "sk_test_4eC39HqLyjWDarjtT1zdp7dc"]);
    project.assert_nothing_left();

    // The data is kept: the worker sees the order of the first run.
    let session = project.run(&["--runtime", "docker"]);
    session.says("the table is ready; orders so far: 1");
    session.stop().expect(130);
    project.assert_nothing_left();
}

/// Init scripts run on an empty volume only: a database that is added later is missing, and that is
/// told instead of waited for in silence.
#[test]
fn a_database_that_an_existing_volume_lacks_is_named() {
    let engine = needs_engine!();
    let project = Project::new("shop-database").on(engine);
    let app = |databases: &str, wait: &str| {
        let text = format!(
            "name = 'databases'\n[plugins]\npostgres = 'postgres'\n\
             [resources.db]\nkind = 'postgres'\ndata-volume = true\ndatabases = {databases}\n\
             [resources.job]\nkind = 'executable'\ncommand = 'true'\nwait-for = ['{wait}']\n"
        );
        project.write("aspire.toml", &text);
    };
    app("['orders']", "orders");
    let session = project.run(&["--runtime", "docker"]);
    session.says("job: finished");
    session.stop().expect(130);
    app("['orders', 'more']", "more");
    let session = project.run(&["--runtime", "docker"]);
    session.says("database \"more\" does not exist");
    session.stop().expect(130).lacks(&["job: finished"]);
    project.host(&["clean", "--data", "--yes"]).expect(0);
    project.assert_nothing_left();
}
