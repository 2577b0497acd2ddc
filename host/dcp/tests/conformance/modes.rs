//! Containers that outlast a run, or are somebody else's: clauses 10 and 11, on the real engine.

use serde_json::{Value, json};

use crate::lab::{IMAGE, Lab, STAYS, Thing, docker, shell, there_is, with};

const C: &str = "containers/c";

fn running(name: &str, script: &str) -> String {
    docker(&["run", "-d", "--name", name, IMAGE, "sh", "-c", script])
}

#[tokio::test]
async fn persistent_ones_are_kept_adopted_and_made_anew() {
    let Some(lab) = Lab::docker("kept").await else {
        return;
    };
    let thing = Thing::new("container", lab.name("it"));
    let spec = |size: &str| {
        let more = json!({
            "containerName": thing.1, "persistent": true,
            "env": [{"name": "SIZE", "value": size}],
        });
        with(shell(STAYS), &more)
    };
    let id = |object: &Value| object["status"]["containerId"].as_str().unwrap().to_owned();
    lab.make("Container", "c", spec("1")).await;
    let first = lab.reaches(C, "Running").await;
    lab.remove(C).await;
    assert_eq!(
        docker(&["inspect", "-f", "{{.State.Running}}", &thing.1]),
        "true"
    );
    // Another run, the same key.
    let folders = lab.end().await;
    let lab = Lab::docker_in("kept", folders).await.unwrap();
    lab.make("Container", "c", spec("1")).await;
    let second = lab.reaches(C, "Running").await;
    assert_eq!(id(&first), id(&second));
    assert_eq!(
        first["status"]["lifecycleKey"],
        second["status"]["lifecycleKey"]
    );
    // Started again by somebody else, it is noticed as with any other.
    docker(&["stop", "-t", "1", &thing.1]);
    lab.reaches(C, "Exited").await;
    docker(&["start", &thing.1]);
    lab.reaches(C, "Running").await;
    lab.remove(C).await;
    // Another key.
    lab.make("Container", "c", spec("2")).await;
    let third = lab.reaches(C, "Running").await;
    assert_ne!(id(&second), id(&third));
    assert!(!there_is("container", &id(&second)));
    assert_eq!(third["status"]["message"], "made anew: env SIZE changed");
    lab.remove(C).await;
    assert!(there_is("container", &thing.1));
    lab.end().await;
}

#[tokio::test]
async fn existing_ones_are_never_made() {
    let Some(lab) = Lab::docker("existing").await else {
        return;
    };
    let thing = Thing::new("container", lab.name("it"));
    let spec = json!({"image": IMAGE, "containerName": thing.1, "mode": "existing"});
    lab.make("Container", "c", spec).await;
    lab.reaches(C, "NotFound").await;
    assert!(!there_is("container", &thing.1));
    let id = running(
        &thing.1,
        "echo mine; trap 'exit 4' TERM; while :; do sleep 0.1; done",
    );
    let found = lab.reaches(C, "Running").await;
    assert_eq!(found["status"]["containerId"], id);
    lab.says(C, "", "mine").await;
    // Its end, and that it is started again, although nothing of ours is on it.
    docker(&["stop", "-t", "5", &thing.1]);
    let ended = lab.reaches(C, "Exited").await;
    assert_eq!(ended["status"]["exitCode"], 4);
    docker(&["start", &thing.1]);
    lab.reaches(C, "Running").await;
    lab.says(C, "", "mine\nmine\n").await;
    lab.remove(C).await;
    assert_eq!(
        docker(&["inspect", "-f", "{{.State.Running}}", &thing.1]),
        "true"
    );
    lab.end().await;
}

#[tokio::test]
async fn those_to_clean_up_go_even_if_they_were_never_adopted() {
    let Some(lab) = Lab::docker("cleanup").await else {
        return;
    };
    let things = ["adopted", "stopped"].map(|name| Thing::new("container", lab.name(name)));
    let spec = |name: &str, more: &Value| {
        let spec = json!({"image": IMAGE, "containerName": name, "mode": "cleanup"});
        with(spec, more)
    };
    for thing in &things {
        running(&thing.1, STAYS);
    }
    lab.make("Container", "c", spec(&things[0].1, &json!({})))
        .await;
    lab.reaches(C, "Running").await;
    docker(&["restart", "-t", "1", &things[0].1]);
    lab.reaches(C, "Running").await;
    // It is there, and was never looked at.
    let waits = spec(&things[1].1, &json!({"start": false}));
    lab.make("Container", "never", waits).await;
    let missing = spec(&lab.name("missing"), &json!({}));
    lab.make("Container", "missing", missing).await;
    lab.reaches("containers/missing", "NotFound").await;
    for name in [C, "containers/never", "containers/missing"] {
        lab.remove(name).await;
    }
    for thing in &things {
        assert!(!there_is("container", &thing.1), "{}", thing.1);
    }
    lab.end().await;
}
