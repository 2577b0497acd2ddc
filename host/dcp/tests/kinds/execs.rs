//! Commands in containers.

use aspire_api::container::ContainerState;
use aspire_api::exec::{ContainerExec, ContainerExecStatus};
use aspire_api::executable::ExecutableState;
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use aspire_dcp::testing::FakeEngine;
use aspire_dcp::{ControlPlane, Outcome, Stop};

use crate::common::{container, gone, id, plane, reaches, running, until};
use crate::support::{Folders, env, text};

fn exec(name: &str, command: &str) -> ContainerExec {
    let mut exec = ContainerExec {
        metadata: ObjectMeta::of(name, name),
        ..ContainerExec::default()
    };
    exec.spec.container_name = "db".to_owned();
    exec.spec.command = command.to_owned();
    exec
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::ContainerExec, name)
}

async fn state(plane: &ControlPlane, name: &str, state: ExecutableState) -> ContainerExecStatus {
    let found = until(plane, &key(name), |object| status(object).state == state).await;
    status(&found).clone()
}

fn status(object: &Object) -> &ContainerExecStatus {
    match object {
        Object::ContainerExec(exec) => &exec.status,
        other => panic!("{} is no exec", other.key()),
    }
}

#[tokio::test]
async fn waits_for_its_container_runs_and_ends() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    engine.set_exec("migrate", 3);
    let file = folders.path().join("some.env");
    std::fs::write(&file, "FROM_FILE=1\nBOTH=file\n").unwrap();
    let mut migrate = exec("migrate", "migrate");
    migrate.spec.args = vec!["--now".into()];
    migrate.spec.env = vec![env("BOTH", "spec")];
    migrate.spec.env_files = vec![file.display().to_string()];
    migrate.spec.working_directory = Some("/srv".into());
    client.create(migrate).await.unwrap();
    let waits = until(&plane, &key("migrate"), |object| {
        status(object).message.starts_with("waiting")
    })
    .await;
    assert_eq!(
        status(&waits).message,
        "waiting for container db (not created yet)"
    );
    client.create(container("db")).await.unwrap();
    let ended = state(&plane, "migrate", ExecutableState::Finished).await;
    assert_eq!(ended.exit_code, Some(3));
    assert_eq!(ended.message, "ended with exit code 3");
    assert!(ended.startup_timestamp <= ended.finish_timestamp);
    assert_eq!(ended.effective_args, ["--now"]);
    assert_eq!(
        ended.effective_env,
        [env("BOTH", "spec"), env("FROM_FILE", "1")]
    );
    let (target, request) = engine.runs().remove(0);
    assert_eq!(target, id("db"));
    assert_eq!(request.command, ["migrate", "--now"]);
    assert_eq!(request.working_directory.as_deref(), Some("/srv"));
    assert_eq!(
        text(&plane, &key("migrate")),
        ["migrate begins", "an error"]
    );
    assert!(engine.runs().len() == 1, "it runs once");
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn a_container_that_ended_fails_it() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    plane.client().create(container("db")).await.unwrap();
    running(&plane, "db").await;
    engine.end(&id("db"), 0, false);
    reaches(&plane, "db", ContainerState::Exited).await;
    plane.client().create(exec("late", "x")).await.unwrap();
    let failed = state(&plane, "late", ExecutableState::FailedToStart).await;
    assert_eq!(failed.message, "container db is Exited");
    assert!(failed.finish_timestamp.is_some());
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn deletion_ends_it() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    engine.set_hanging("serve");
    plane.client().create(container("db")).await.unwrap();
    plane.client().create(exec("serve", "serve")).await.unwrap();
    plane.client().create(exec("two", "serve")).await.unwrap();
    state(&plane, "serve", ExecutableState::Running).await;
    plane.client().delete(&key("serve")).await.unwrap();
    gone(&plane, &key("serve")).await;
    state(&plane, "two", ExecutableState::Running).await;
    // What runs in a container ends before the container.
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}
