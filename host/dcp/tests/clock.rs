//! The clock is put forward and back while a run goes on. Its own program, since all runs of one
//! see the same clock.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and a failure must end them"
)]

mod support;

use std::time::{Duration, Instant};

use aspire_api::aspire::{ProbeAction, Restart};
use aspire_api::container::{HealthStatus, RestartPolicy};
use aspire_api::executable::{Executable, ExecutableState as State};
use aspire_api::replicas::ExecutableReplicaSet;
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use aspire_dcp::testing::jump;
use aspire_dcp::{Outcome, Stop, Timestamp};
use support::*;

const DAY: i64 = 86_400_000_000;

fn at(text: Option<&String>) -> Timestamp {
    Timestamp::read(text.unwrap().as_bytes()).unwrap()
}

/// Restarts, probes, replicas, stops: nothing is done because of a clock, and nothing is left
/// undone. What people read says what the clock said.
#[tokio::test]
async fn it_is_put_forward_and_back() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    let mut stays = shell("stays", "echo begins; exec sleep 1000");
    let command = vec![
        "test".to_owned(),
        "!".to_owned(),
        "-e".to_owned(),
        "sick".to_owned(),
    ];
    let mut look = probe(ProbeAction::Command { command });
    (look.interval, look.retries) = (50, 1);
    aspire(&mut stays).probes = [("look".to_owned(), look)].into();
    client.create(stays).await.unwrap();
    let is = |wanted: HealthStatus| {
        move |object: &Executable| object.status.health_status == Some(wanted)
    };
    let before = until(&plane, "stays", is(HealthStatus::Healthy)).await;

    // One that fails at once, again and again, is not forgiven because of a clock; its pauses
    // double as they would.
    let mut fails = shell("fails", "sleep 0.5; exit 1");
    aspire(&mut fails).restart = Some(Restart {
        policy: RestartPolicy::OnFailure,
        maximum: Some(4),
    });
    let begun = Instant::now();
    client.create(fails).await.unwrap();
    for (attempt, by) in [(1, DAY), (2, -3 * DAY), (3, 10 * DAY)] {
        let name = match attempt {
            1 => "fails".to_owned(),
            more => format!("fails-r{}", more - 1),
        };
        let pause = 250 << (attempt - 1);
        let expected = match pause {
            1000 => format!("restarting in 1 s (exit code 1, attempt {attempt} of 4)"),
            _ => format!("restarting in {pause} ms (exit code 1, attempt {attempt} of 4)"),
        };
        state(&plane, &name, State::Running).await;
        jump(by);
        let found = until(&plane, &name, |it| it.status.restart_timestamp.is_some()).await;
        assert_eq!(found.status.message, expected);
        jump(by);
    }
    state(&plane, "fails-r3", State::Running).await;
    let pauses = Duration::from_millis(250 + 500 + 1000 + 3 * 500);
    let took = begun.elapsed();
    assert!(
        took >= pauses && took < pauses + Duration::from_secs(15),
        "{took:?}"
    );

    // Probes go on at their pace, whichever way.
    for by in [-30 * DAY, 40 * DAY] {
        jump(by);
        for (sick, health) in [
            (true, HealthStatus::Unhealthy),
            (false, HealthStatus::Healthy),
        ] {
            let begun = Instant::now();
            let file = folders.path().join("sick");
            match sick {
                true => std::fs::write(file, "").unwrap(),
                false => std::fs::remove_file(file).unwrap(),
            }
            until(&plane, "stays", is(health)).await;
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "{:?}",
                begun.elapsed()
            );
        }
    }
    // A set is scaled when its pause is over, not when the clock says so.
    let key = ObjectKey::new(Kind::ExecutableReplicaSet, "set");
    let mut set = ExecutableReplicaSet {
        metadata: ObjectMeta::of("set", "set"),
        ..ExecutableReplicaSet::default()
    };
    set.spec.replicas = 1;
    set.spec.template.spec = shell("x", "exec sleep 1000").spec;
    client.create(set.clone()).await.unwrap();
    for (replicas, by) in [(1, -50 * DAY), (2, 60 * DAY), (3, 0)] {
        set.spec.replicas = replicas;
        if replicas > 1 {
            client.update(set.clone()).await.unwrap();
        }
        let scaled = client.wait_for(&key, |object| match object {
            Object::ExecutableReplicaSet(set) => set.status.running_replicas == replicas,
            _ => false,
        });
        let waited = tokio::time::timeout(Duration::from_secs(15), scaled).await;
        assert!(waited.is_ok(), "{replicas} replicas");
        jump(by);
    }

    // Nothing was started anew, and what ends now ends when the clock says it is.
    let after = until(&plane, "stays", |_| true).await;
    assert_eq!(before.status.pid, after.status.pid);
    assert_eq!(after.status.restarts, 0);
    let mut object = after;
    object.spec.stop = true;
    let begun = Instant::now();
    client.update(object).await.unwrap();
    let ended = state(&plane, "stays", State::Terminated).await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    let (started, finished) = (
        at(ended.status.startup_timestamp.as_ref()),
        at(ended.status.finish_timestamp.as_ref()),
    );
    assert!(finished.0 - started.0 > 20 * DAY, "{:?}", ended.status);
    assert_eq!(text(&plane, &support::key("stays")), ["begins"]);
    jump(-100 * DAY);
    let begun = Instant::now();
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}
