//! A controller of somebody else, made with controller-runtime, keeps replica sets where ours don't
//! run: cached reads, watches, an index, a finalizer, owners, status and optimistic patches.

use std::process::Command;

use aspire_host_tests::clients::{Running, find, turn};
use aspire_host_tests::oracle::server::{GROUP, Server};
use aspire_host_tests::wait;
use serde_json::{Value, json};

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

fn children(server: &Server) -> Vec<Value> {
    let (code, list) = server.json(
        "GET",
        "executables?labelSelector=example.com%2Fset%3Dweb",
        JSON,
        &Value::Null,
    );
    assert_eq!(code, 200, "{list:#}");
    list["items"].as_array().expect("a list").clone()
}

fn settles(server: &Server, replicas: u64) -> Value {
    wait::until(
        wait::SOON,
        &format!("{replicas} replicas in the status"),
        || {
            let (_, set) = server.json("GET", "executablereplicasets/web", JSON, &Value::Null);
            let told = set["status"]["observedReplicas"].as_u64() == Some(replicas);
            let there = children(server).len() as u64 == replicas;
            (told && there).then_some(set)
        },
    )
}

#[test]
fn keeps_replica_sets() {
    let _turn = turn();
    let Some(program) = find("controller") else {
        return;
    };
    let server = Server::find();
    server.clear();
    let set = json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": "ExecutableReplicaSet",
        "metadata": {"name": "web"},
        "spec": {"replicas": 3, "template": {"spec": {"executablePath": "/bin/true"}}},
    });
    let (code, made) = server.json("POST", "executablereplicasets", JSON, &set);
    assert_eq!(code, 201, "{made:#}");
    let mut controller =
        Running::start(Command::new(program).env("KUBECONFIG", &server.kubeconfig));
    controller.hears("ready", wait::SOON);

    let set = settles(&server, 3);
    assert_eq!(set["metadata"]["finalizers"], json!(["example.com/toy"]));
    // The patch that says so has a lock: where the controller's cache of the set was behind, it
    // was refused, so it need not be the last child.
    let scaled = set["metadata"]["annotations"]["example.com/scaled"].as_str();
    assert!(
        scaled.is_some_and(|name| ["web-0", "web-1", "web-2"].contains(&name)),
        "{set:#}"
    );
    assert_eq!(
        set["metadata"]["generation"], 1,
        "metadata and status don't count as a change of what is wanted"
    );
    for child in children(&server) {
        let owner = &child["metadata"]["ownerReferences"][0];
        assert_eq!(owner["uid"], set["metadata"]["uid"]);
        assert_eq!(owner["controller"], true);
    }

    // A child that somebody deletes comes back.
    let (code, _) = server.json("DELETE", "executables/web-1", JSON, &Value::Null);
    assert_eq!(code, 200);
    wait::until(wait::SOON, "the child is back", || {
        let (code, _) = server.json("GET", "executables/web-1", JSON, &Value::Null);
        (code == 200).then_some(())
    });

    // The status of a child reaches the set.
    let state = json!({"status": {"state": "Running"}});
    let (code, answer) = server.json("PATCH", "executables/web-0/status", MERGE, &state);
    assert_eq!(code, 200, "{answer:#}");
    wait::until(wait::SOON, "one replica that runs", || {
        let (_, set) = server.json("GET", "executablereplicasets/web", JSON, &Value::Null);
        (set["status"]["runningReplicas"] == 1).then_some(())
    });

    let fewer = json!({"spec": {"replicas": 1}});
    let (code, _) = server.json("PATCH", "executablereplicasets/web", MERGE, &fewer);
    assert_eq!(code, 200);
    settles(&server, 1);

    let (code, _) = server.json("DELETE", "executablereplicasets/web", JSON, &Value::Null);
    assert_eq!(code, 200);
    wait::until(wait::SOON, "the set is gone", || {
        let (code, _) = server.json("GET", "executablereplicasets/web", JSON, &Value::Null);
        (code == 404).then_some(())
    });
    assert!(children(&server).is_empty(), "children go before the set");
    assert!(controller.runs());
}
