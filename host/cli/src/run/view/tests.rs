//! Tests of `view`.

use super::*;
use aspire_api::ObjectMeta;
use aspire_api::aspire::{Probe, ProbeAction};
use aspire_api::executable::Executable;
use aspire_api::service::{Protocol, Service};
use insta::assert_snapshot;

fn process(name: &str, change: impl FnOnce(&mut Executable)) -> Object {
    let mut executable = Executable {
        metadata: ObjectMeta::of(name, name),
        ..Executable::default()
    };
    let probe = Probe {
        action: ProbeAction::Tcp {
            endpoint: "http".into(),
        },
        interval: 5000,
        timeout: 3000,
        start_period: 0,
        retries: 3,
        liveness: false,
    };
    executable.spec.aspire = Some(Aspire {
        kind: "executable".into(),
        probes: [("ready".to_owned(), probe)].into(),
        endpoints: vec![WorkloadEndpoint {
            name: "http".into(),
            scheme: "http".into(),
            service: format!("{name}-http"),
            target_port: None,
            protocol: Protocol::Tcp,
            external: true,
        }],
        ..Aspire::default()
    });
    change(&mut executable);
    executable.into()
}

#[test]
fn a_life_in_lines() {
    let mut view = View::default();
    let mut lines = Vec::new();
    let mut service = Service {
        metadata: ObjectMeta::of("api-http", "api"),
        ..Service::default()
    };
    service.status.state = ServiceState::Ready;
    service.status.effective_address = Some("127.0.0.1".into());
    service.status.effective_port = Some(5000);
    view.apply(&service.into());
    let mut tell = |view: &mut View, object: Object| {
        if let Some(row) = view.apply(&object).cloned() {
            lines.push(view.line(&row));
        }
    };
    tell(
        &mut view,
        process("api", |e| {
            e.status.waiting_for = vec!["db to be healthy".into()];
        }),
    );
    tell(
        &mut view,
        process("api", |e| {
            e.status.waiting_for = vec!["db to be healthy".into()];
        }),
    );
    tell(
        &mut view,
        process("api", |e| e.status.state = ExecutableState::Starting),
    );
    assert!(!view.is_ready());
    tell(
        &mut view,
        process("api", |e| {
            e.status.state = ExecutableState::Running;
            e.status.health_status = Some(HealthStatus::Caution);
        }),
    );
    assert!(!view.is_ready());
    tell(
        &mut view,
        process("api", |e| {
            e.status.state = ExecutableState::Running;
            e.status.health_status = Some(HealthStatus::Healthy);
        }),
    );
    assert!(view.is_ready() && !view.is_over());
    let key = process("api", |_| {}).key();
    view.fail(&key, "exited with code 3");
    tell(
        &mut view,
        process("api", |e| {
            e.status.state = ExecutableState::Finished;
            e.status.exit_code = Some(3);
        }),
    );
    assert!(view.is_over());
    assert_snapshot!(lines.join("\n"), @r"
    api: waiting for db to be healthy
    api: starting
    api: running, not healthy yet at http://localhost:5000
    api: healthy at http://localhost:5000
    api: failed: exited with code 3
    ");
}

#[test]
fn an_expected_end_is_no_failure() {
    let mut view = View::default();
    view.apply(&process("job", |e| {
        e.status.state = ExecutableState::Finished;
        e.status.exit_code = Some(3);
    }));
    view.apply(&process("later", |e| e.spec.start = false));
    assert!(view.is_ready() && view.is_over());
    assert_eq!(view.stuck().count(), 0);
    view.apply(&process("web", |e| {
        e.status.waiting_for = vec!["job".into()];
    }));
    assert_eq!(view.stuck().count(), 1);
}

#[test]
fn what_the_host_makes_itself_is_no_wait() {
    assert!(is_shown("db: healthy"));
    assert!(!is_shown("network network"));
    assert!(!is_shown("volume shop-data"));
    assert!(is_shown(
        "network network: failed to start (no container engine)"
    ));
}

#[test]
fn one_that_is_started_again_stays_one_row() {
    let mut view = View::default();
    let told = |view: &mut View, object: Object| {
        view.apply(&object)
            .cloned()
            .map(|row| (row.phase.word(), row.message))
    };
    let message = "restarting in 250 ms (exit code 7, attempt 1)";
    let pending = process("web", |e| {
        e.status.state = ExecutableState::Finished;
        e.status.exit_code = Some(7);
        e.status.restart_timestamp = Some("soon".into());
        e.status.message = message.into();
    });
    assert_eq!(
        told(&mut view, pending),
        Some(("starting", message.to_owned()))
    );
    // Nobody may take that for the end.
    assert!(!view.is_over());
    let next = process("web-r1", |e| {
        let first = aspire_api::meta::FIRST_ANNOTATION.to_owned();
        e.metadata.annotations.insert(first, "web".into());
        e.status.state = ExecutableState::Running;
    });
    assert_eq!(told(&mut view, next), Some(("running", String::new())));
    let replaced = process("web", |e| {
        e.status.state = ExecutableState::Finished;
        e.status.replaced_by = Some("web-r1".into());
    });
    assert_eq!(told(&mut view, replaced), None);
    let names: Vec<_> = view.rows().map(|row| row.name.clone()).collect();
    assert_eq!(names, ["web"]);
}
