//! Commands in containers of the real engine: clause 29.

use serde_json::json;

use crate::lab::{Lab, STAYS, shell, write};

#[tokio::test]
async fn a_command_runs_in_it_and_fails_where_it_has_ended() {
    let Some(lab) = Lab::docker("exec").await else {
        return;
    };
    let file = write(lab.folders.path(), "some.env", "FROM_FILE=1\nBOTH=file\n");
    let command = json!({
        "containerName": "c", "command": "/bin/sh",
        "args": ["-c", "echo $FROM_FILE $BOTH in $(pwd); echo no >&2; exit 3"],
        "env": [{"name": "BOTH", "value": "spec"}], "envFiles": [file], "workingDirectory": "/tmp",
    });
    lab.make("ContainerExec", "e", command.clone()).await;
    let path = "containerexecs/e";
    lab.until(path, |it| {
        it["status"]["message"] == "waiting for container c (not created yet)"
    })
    .await;
    lab.make("Container", "c", shell(STAYS)).await;
    let ended = lab.reaches(path, "Finished").await["status"].clone();
    assert_eq!(ended["exitCode"], 3);
    assert!(ended["startupTimestamp"].is_string() && ended["finishTimestamp"].is_string());
    assert_eq!(lab.log(path, "").await, "1 spec in /tmp\n");
    assert_eq!(lab.log(path, "?source=stderr").await, "no\n");
    let (code, status) = lab.patch(path, json!({"command": "/bin/true"})).await;
    assert_eq!(code, 422, "{status}");
    lab.change("containers/c", json!({"stop": true})).await;
    lab.reaches("containers/c", "Exited").await;
    lab.make("ContainerExec", "late", command).await;
    let failed = lab.reaches("containerexecs/late", "FailedToStart").await;
    assert_eq!(failed["status"]["message"], "container c is Exited");
    lab.end().await;
}
