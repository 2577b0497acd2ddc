//! Who is let in, and the end of a run: clause 30, through the socket.

use std::time::Duration;

use aspire_dcp::server::{ListenConfig, listen};
use aspire_dcp::{ControlPlane, Outcome};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::lab::{Lab, of};
use crate::support::Folders;

/// A client with a token of its own choice; none: the one of the file.
async fn client(file: &std::path::Path, token: Option<&str>) -> Client {
    let mut kubeconfig = Kubeconfig::read_from(file).unwrap();
    if let Some(token) = token {
        for user in &mut kubeconfig.auth_infos {
            let auth = user.auth_info.as_mut().unwrap();
            auth.token = Some(token.to_owned().into());
        }
    }
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Client::try_from(config.unwrap()).unwrap()
}

async fn patch(client: &Client, body: Value) -> u16 {
    let request = http::Request::patch("/admin/execution")
        .header("content-type", "application/merge-patch+json")
        .body(body.to_string().into_bytes())
        .unwrap();
    send(client, request).await
}

async fn send(client: &Client, request: http::Request<Vec<u8>>) -> u16 {
    let request = request.map(kube::client::Body::from);
    client.send(request).await.unwrap().status().as_u16()
}

async fn get(client: &Client, path: &str) -> u16 {
    send(client, http::Request::get(path).body(Vec::new()).unwrap()).await
}

async fn ends(plane: &ControlPlane) {
    let ended = tokio::time::timeout(Duration::from_secs(20), plane.ended()).await;
    assert_eq!(ended.unwrap(), Outcome::Stopped);
}

#[tokio::test]
async fn only_whoever_has_the_token_can_end_a_run() {
    for end in ["CleaningResources", "Stopping"] {
        let lab = Lab::begin("server", Folders::new(), None).await;
        let config = ListenConfig {
            port: None,
            kubeconfig: lab.folders.path().join("kubeconfig"),
            token: None,
        };
        let listening = listen(lab.plane.api(), config).await.unwrap();
        let sleeps = json!({"executablePath": "/bin/sh", "args": ["-c", "exec sleep 1000"]});
        lab.make("Executable", "e", sleeps).await;
        lab.reaches("executables/e", "Running").await;
        for token in ["wrong", ""] {
            let stranger = client(listening.kubeconfig(), Some(token)).await;
            assert_eq!(patch(&stranger, json!({"status": "Stopping"})).await, 401);
            assert_eq!(get(&stranger, &of("executables")).await, 401);
            assert_eq!(get(&stranger, "/version").await, 401);
        }
        let user = client(listening.kubeconfig(), None).await;
        assert_eq!(get(&user, &of("executables/e")).await, 200);
        for wrong in ["CleanupComplete", "Dancing"] {
            assert_eq!(patch(&user, json!({"status": wrong})).await, 422);
        }
        assert_eq!(patch(&user, json!({"status": end})).await, 202);
        ends(&lab.plane).await;
        // Serving goes on until whoever runs this ends it; nothing new is let in.
        assert_eq!(get(&user, &of("executables/e")).await, 404);
        let late = json!({
            "apiVersion": "usvc-dev.developer.microsoft.com/v1", "kind": "Executable",
            "metadata": {"name": "late"}, "spec": {"executablePath": "/bin/true"},
        });
        let request = http::Request::post(of("executables"))
            .header("content-type", "application/json")
            .body(late.to_string().into_bytes())
            .unwrap();
        assert_eq!(send(&user, request).await, 422);
        // Back to life there is no way.
        assert_eq!(patch(&user, json!({"status": "Running"})).await, 422);
    }
}
