//! What is done for a workload while it goes on: the build of its next start, files for its
//! container.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and a failure must end them"
)]

mod support;

use std::path::Path;
use std::sync::Arc;

use aspire_api::aspire::Restart;
use aspire_api::container::{Container, ContainerBuild, ContainerState, Mode, RestartPolicy};
use aspire_api::executable::{Executable, ExecutableState as State};
use aspire_api::meta::{BUILT_ANEW, BUILT_ANNOTATION};
use aspire_api::template::Placeholder;
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use aspire_dcp::testing::FakeEngine;
use aspire_dcp::{ControlPlane, Outcome, Stop};
use support::*;

/// A process with a build that writes a line, and fails once there is a file `broken`.
fn built(name: &str, script: &str) -> Executable {
    let mut object = shell(name, script);
    let build = "echo built for $WHO >> builds; echo $PORT >> ports; \
                 if [ -e broken ]; then echo it is broken >&2; exit 3; fi";
    aspire(&mut object).build_command = ["sh", "-c", build].map(str::to_owned).to_vec();
    object.spec.env = vec![env("WHO", "me")];
    object
}

fn builds(folder: &Path) -> usize {
    let text = std::fs::read_to_string(folder.join("builds"));
    text.unwrap_or_default().lines().count()
}

#[tokio::test]
async fn a_build_leaves_the_process_alone() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    plane
        .client()
        .create(built("web", "sleep 100"))
        .await
        .unwrap();
    let before = state(&plane, "web", State::Running).await;
    assert_eq!(builds(folders.path()), 1);
    plane.build(&key("web")).await.unwrap();
    assert_eq!(builds(folders.path()), 2);
    std::fs::write(folders.path().join("broken"), "").unwrap();
    let failure = plane.build(&key("web")).await.unwrap_err();
    assert_eq!(failure.message, "the build failed with exit code 3");
    assert_eq!(failure.lines, ["it is broken"]);
    assert!(text(&plane, &key("web")).contains(&"it is broken".to_owned()));
    let after = state(&plane, "web", State::Running).await;
    assert_eq!(after.status.pid, before.status.pid);
    let none = plane.build(&key("none")).await.unwrap_err();
    assert!(none.message.contains("does not exist"), "{none}");
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}

#[tokio::test]
async fn a_build_has_the_environment_of_the_process() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    client.create(service("web-http")).await.unwrap();
    let mut web = built("web", "sleep 100");
    aspire(&mut web).endpoints = vec![endpoint("http", "web-http")];
    let port = Placeholder::PortForServing("web-http".into());
    web.spec.env.push(env("PORT", &port.write()));
    client.create(web).await.unwrap();
    state(&plane, "web", State::Running).await;
    plane.build(&key("web")).await.unwrap();
    let ports = std::fs::read_to_string(folders.path().join("ports")).unwrap();
    let ports: Vec<u16> = ports.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(ports.len(), 2, "{ports:?}");
    let builds = std::fs::read_to_string(folders.path().join("builds")).unwrap();
    assert_eq!(builds, "built for me\nbuilt for me\n");
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn what_was_built_is_not_built_again_until_it_ends() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let mut web = built(
        "web",
        "echo run >> runs; [ $(wc -l < runs) -gt 1 ] && sleep 100; exit 1",
    );
    aspire(&mut web).restart = Some(Restart {
        policy: RestartPolicy::OnFailure,
        maximum: None,
    });
    let annotations = &mut web.metadata.annotations;
    annotations.insert(BUILT_ANNOTATION.to_owned(), "true".to_owned());
    plane.client().create(web).await.unwrap();
    let first = until(&plane, "web", |it| it.status.replaced_by.is_some()).await;
    let next = first.status.replaced_by.unwrap();
    let next = state(&plane, &next, State::Running).await;
    assert!(!next.metadata.is_built());
    assert_eq!(builds(folders.path()), 1, "the second start builds it");
    plane.stop(Stop::Graceful).await;
}

async fn container(plane: &ControlPlane, key: &ObjectKey) -> Container {
    let client = plane.client();
    let runs = client.wait_for(key, |object| {
        matches!(object, Object::Container(it) if it.status.state == ContainerState::Running)
    });
    match runs.await.unwrap().as_ref() {
        Object::Container(container) => container.clone(),
        other => panic!("{}", other.key()),
    }
}

#[tokio::test]
async fn images_and_files_of_containers() {
    let folders = Folders::new();
    let engine = FakeEngine::new();
    let mut config = folders.config();
    config.engine = Some(Arc::new(engine.clone()));
    let plane = ControlPlane::start(config).await.unwrap();
    let mut web = Container {
        metadata: ObjectMeta::of("web", "web"),
        ..Container::default()
    };
    web.spec.image = "web:1".into();
    web.spec.build = Some(ContainerBuild {
        context: folders.path().display().to_string(),
        ..ContainerBuild::default()
    });
    let key = ObjectKey::new(Kind::Container, "web");
    plane.client().create(web.clone()).await.unwrap();
    let id = container(&plane, &key).await.status.container_id.unwrap();
    plane.build(&key).await.unwrap();
    assert_eq!(engine.builds().len(), 2);
    assert_eq!(engine.builds()[1].tag, "web:1");
    // One that is told of is not built once more.
    let mut next = web;
    next.metadata = ObjectMeta::of("next", "web");
    next.metadata
        .annotations
        .insert(BUILT_ANNOTATION.to_owned(), "true".to_owned());
    plane.client().create(next).await.unwrap();
    container(&plane, &ObjectKey::new(Kind::Container, "next")).await;
    assert_eq!(engine.builds().len(), 2);
    let page = folders.path().join("page");
    std::fs::write(&page, "hello").unwrap();
    let gone = folders.path().join("gone");
    let files = vec![
        (page, "/www/page".to_owned()),
        (gone, "/www/gone".to_owned()),
    ];
    plane.copy_into(&key, files.clone()).await.unwrap();
    let all = engine.containers();
    let found = all.values().find(|it| it.id == id).unwrap();
    let paths: Vec<&str> = found.request.files.iter().map(|file| &*file.path).collect();
    assert_eq!(paths, ["/www/page"]);
    engine.set_exec("rm", 1);
    let problem = plane.copy_into(&key, files).await.unwrap_err();
    assert!(problem.contains("could not be removed"), "{problem}");
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}

#[tokio::test]
async fn a_container_that_stays_is_made_anew_when_its_image_was_built() {
    let folders = Folders::new();
    let engine = FakeEngine::new();
    let mut config = folders.config();
    config.engine = Some(Arc::new(engine.clone()));
    let plane = ControlPlane::start(config).await.unwrap();
    for (name, word, said) in [
        ("one", None, ""),
        ("two", Some("before"), ""),
        ("three", Some(BUILT_ANEW), "made anew: its image was built"),
    ] {
        let mut object = Container {
            metadata: ObjectMeta::of(name, "web"),
            ..Container::default()
        };
        object.spec.container_name = Some("kept".into());
        object.spec.mode = Some(Mode::Persistent);
        object.spec.build = Some(ContainerBuild {
            context: folders.path().display().to_string(),
            ..ContainerBuild::default()
        });
        object.spec.image = "web:1".into();
        if let Some(word) = word {
            let annotations = &mut object.metadata.annotations;
            annotations.insert(BUILT_ANNOTATION.to_owned(), word.to_owned());
        }
        let key = ObjectKey::new(Kind::Container, name);
        plane.client().create(object).await.unwrap();
        let found = container(&plane, &key).await;
        assert_eq!(found.status.message, said, "{name}");
        plane.client().delete(&key).await.unwrap();
        plane.wait_idle().await;
    }
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}
