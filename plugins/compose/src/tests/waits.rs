//! `depends_on`.

use aspire_sdk::{Edits, Probe, Wait};
use insta::assert_snapshot;

use super::composed;

#[test]
fn conditions() {
    let text = composed(|edits: &mut Edits| {
        edits
            .container("db", "container")
            .image("db:1")
            .probe(Probe::command(["true"]));
        edits.container("cache", "container").image("cache:1");
        edits.container("migrate", "container").image("migrate:1");
        edits.container("seed", "container").image("seed:1");
        edits.value("orders", "database").parent("db");
        edits.add("tools", "group", aspire_sdk::Shape::Group);
        edits
            .container("tool", "container")
            .image("tool:1")
            .parent("tools");
        edits
            .container("api", "container")
            .image("api:1")
            .wait_for("db", Wait::started())
            .wait_for("orders", Wait::healthy())
            .wait_for("cache", Wait::healthy())
            .wait_for("migrate", Wait::completed(0))
            .wait_for("seed", Wait::completed(3))
            .wait_for("tools", Wait::started());
    });
    assert_snapshot!(text, @r#"
    services:
      api:
        image: "api:1"
        depends_on:
          cache:
            condition: service_started
          db:
            condition: service_healthy
          migrate:
            condition: service_completed_successfully
          seed:
            condition: service_started
          tool:
            condition: service_started
      cache:
        image: "cache:1"
      db:
        image: "db:1"
        healthcheck:
          test:
            - CMD
            - "true"
          interval: "5s"
          timeout: "3s"
          start_period: "60s"
          retries: 3
      migrate:
        image: "migrate:1"
        restart: "no"
      seed:
        image: "seed:1"
        restart: "no"
      tool:
        image: "tool:1"
    api.waits.seed weakened: Compose only knows exit code 0, not 3: it waits for the start
    db.health adapted: failures in the first minute don't count: in Compose they would end `up`
    "#);
}
