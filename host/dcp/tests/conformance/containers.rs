//! The life of a container on the real engine: clauses 1 to 9, 17, 25 and 34.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use crate::lab::{IMAGE, Lab, STAYS, Thing, docker, shell, state, there_is, with, write};

const C: &str = "containers/c";

#[tokio::test]
async fn it_runs_and_is_known_by_id_name_and_time() {
    let Some(lab) = Lab::docker("runs").await else {
        return;
    };
    let name = lab.name("mine");
    let spec = with(shell(STAYS), &json!({ "containerName": name }));
    lab.make("Container", "c", spec).await;
    let status = lab.reaches(C, "Running").await["status"].clone();
    assert_eq!(status["containerName"], name);
    assert_eq!(
        status["containerId"],
        docker(&["inspect", "-f", "{{.Id}}", &name])
    );
    let time = status["startupTimestamp"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.len() == 27, "{time}");
    assert_eq!(lab.states(C), ["", "Pending", "Starting", "Running"]);
    lab.end().await;
}

#[tokio::test]
async fn what_cannot_be_created_or_started_says_why() {
    let Some(lab) = Lab::docker("fails").await else {
        return;
    };
    let taken = Thing::new("container", lab.name("taken"));
    docker(&["create", "--name", &taken.1, IMAGE, "true"]);
    let creation = with(shell("true"), &json!({ "containerName": taken.1 }));
    let start = with(shell("true"), &json!({"command": "/no/such/program"}));
    for (name, spec, why) in [
        ("creation", creation, &*taken.1),
        ("start", start, "/no/such/program"),
    ] {
        let path = format!("containers/{name}");
        lab.make("Container", name, spec).await;
        let status = lab.reaches(&path, "FailedToStart").await["status"].clone();
        let message = status["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
        assert!(status["finishTimestamp"].is_string(), "{status}");
        assert_eq!(status.get("startupTimestamp"), None, "{status}");
        let log = lab.log(&path, "?source=system").await;
        assert!(log.contains(message), "{log}");
        assert_eq!(lab.log(&path, "").await, "");
    }
    assert_eq!(lab.left(&["ps", "-aq"]), "");
    lab.end().await;
}

#[tokio::test]
async fn started_when_asked_and_never_unasked() {
    let Some(lab) = Lab::docker("later").await else {
        return;
    };
    let spec = with(shell(STAYS), &json!({"start": false}));
    lab.make("Container", "c", spec).await;
    lab.plane.wait_idle().await;
    assert_eq!(lab.left(&["ps", "-aq"]), "");
    lab.change(C, json!({"start": true})).await;
    lab.reaches(C, "Running").await;
    let (code, status) = lab.patch(C, json!({"start": false})).await;
    assert_eq!(code, 422, "{status}");
    assert_eq!(status["details"]["causes"][0]["field"], "spec.start");
    assert_eq!(state(&lab.get(C).await.unwrap()), "Running");
    lab.end().await;
}

#[tokio::test]
async fn a_stop_is_first_seen_with_its_exit_code() {
    let Some(lab) = Lab::docker("stop").await else {
        return;
    };
    let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done";
    lab.make("Container", "c", shell(script)).await;
    lab.says(C, "", "ready").await;
    lab.reaches(C, "Running").await;
    lab.change(C, json!({"stop": true})).await;
    lab.reaches(C, "Exited").await;
    let states = lab.states(C);
    assert_eq!(
        states[states.len() - 3..],
        ["Running", "Stopping", "Exited"]
    );
    let events = lab.events(C);
    let first = events
        .iter()
        .find(|event| state(&event["object"]) == "Exited");
    let status = &first.unwrap()["object"]["status"];
    assert_eq!(status["exitCode"], 7);
    assert!(status["finishTimestamp"].is_string());
    lab.end().await;
}

#[tokio::test]
async fn it_is_gone_before_its_object() {
    let Some(lab) = Lab::docker("gone").await else {
        return;
    };
    lab.make("Container", "c", shell(STAYS)).await;
    let running = lab.reaches(C, "Running").await;
    let id = running["status"]["containerId"].as_str().unwrap();
    let (code, _) = lab.send(Method::DELETE, C, "", &Value::Null).await;
    assert!(matches!(code, 200 | 202));
    // Asked of the engine as soon as the object is not to be had any more.
    while lab.get(C).await.is_some() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(!there_is("container", id));
    lab.end().await;
}

/// Between the lives, and in them, nothing of the output is lost or told twice.
#[tokio::test]
async fn started_again_by_somebody_else() {
    let Some(lab) = Lab::docker("again").await else {
        return;
    };
    // Ends by itself the first time, and stays the second.
    let script = "echo life; if [ -e /was ]; then trap 'exit 0' TERM; while :; do sleep 0.1; done; \
                  fi; touch /was; exit 3";
    lab.make("Container", "c", shell(script)).await;
    let ended = lab.reaches(C, "Exited").await["status"].clone();
    assert_eq!(ended["exitCode"], 3);
    let id = ended["containerId"].as_str().unwrap();
    docker(&["start", id]);
    let again = lab.reaches(C, "Running").await["status"].clone();
    assert_eq!(again["containerId"], id);
    assert_eq!(
        (again.get("exitCode"), again.get("finishTimestamp")),
        (None, None)
    );
    let later = |one: &Value, other: &Value| {
        let time = |of: &Value| of["startupTimestamp"].as_str().unwrap().to_owned();
        time(one) > time(other)
    };
    assert!(later(&again, &ended));
    lab.says(C, "", "life\nlife\n").await;
    // So quickly that it need not be seen ended.
    docker(&["restart", "-t", "1", id]);
    let third = lab
        .until(C, |it| {
            state(it) == "Running" && later(&it["status"], &again)
        })
        .await;
    lab.says(C, "", "life\nlife\nlife\n").await;
    assert_eq!(lab.log(C, "").await, "life\nlife\nlife\n");
    assert_eq!(third["status"]["containerId"], id);
    // And it ends as any other.
    docker(&["kill", id]);
    let killed = lab.reaches(C, "Exited").await;
    assert_eq!(killed["status"]["exitCode"], 137);
    lab.end().await;
}

#[tokio::test]
async fn one_that_ends_at_once_has_not_failed_to_start() {
    let Some(lab) = Lab::docker("fast").await else {
        return;
    };
    lab.make("ContainerNetwork", "net", json!({})).await;
    let networks = json!([{"name": "net", "aliases": ["x"]}]);
    let spec = with(
        shell("echo first; echo last; exit 7"),
        &json!({ "networks": networks }),
    );
    let names: Vec<String> = (0..6).map(|number| format!("c{number}")).collect();
    for name in &names {
        lab.make("Container", name, spec.clone()).await;
    }
    for name in &names {
        let path = format!("containers/{name}");
        let ended = lab.reaches(&path, "Exited").await;
        assert_eq!(ended["status"]["exitCode"], 7);
        assert_eq!(lab.log(&path, "").await, "first\nlast\n");
        let states = lab.states(&path);
        assert!(!states.contains(&"FailedToStart".to_owned()), "{states:?}");
    }
    lab.end().await;
}

#[tokio::test]
async fn removed_behind_our_back() {
    let Some(lab) = Lab::docker("lost").await else {
        return;
    };
    lab.make("Container", "c", shell(STAYS)).await;
    lab.make("Container", "over", shell("true")).await;
    let running = lab.reaches(C, "Running").await;
    let over = lab.reaches("containers/over", "Exited").await;
    for object in [&running, &over] {
        let id = object["status"]["containerId"].as_str().unwrap();
        docker(&["rm", "-f", id]);
    }
    let lost = lab
        .until(C, |it| !matches!(state(it), "Running" | "Exited"))
        .await;
    assert_eq!(state(&lost), "Unknown", "{lost}");
    assert_eq!(lost["status"]["message"], "removed from outside");
    // One that had ended has.
    assert_eq!(state(&lab.get("containers/over").await.unwrap()), "Exited");
    lab.remove(C).await;
    lab.remove("containers/over").await;
    lab.end().await;
}

#[tokio::test]
async fn the_images_own_check_is_a_probe() {
    let Some(lab) = Lab::docker("check").await else {
        return;
    };
    let text = format!(
        "FROM {IMAGE}\nHEALTHCHECK --interval=1s --retries=1 CMD echo looked; test -e /ok\n"
    );
    write(lab.folders.path(), "Dockerfile", &text);
    let image = format!("standin.local/{}:1", lab.name("image"));
    let spec = json!({
        "image": image, "build": {"context": lab.folders.path()}, "command": "/bin/sh",
        "args": ["-c", "sleep 3; touch /ok; exec sleep 1000"],
    });
    lab.make("Container", "c", spec).await;
    for (health, outcome) in [("Unhealthy", "Failure"), ("Healthy", "Success")] {
        let found = lab
            .until(C, |it| {
                let results = &it["status"]["healthProbeResults"];
                it["status"]["healthStatus"] == health && results[0]["outcome"] == outcome
            })
            .await;
        let result = &found["status"]["healthProbeResults"][0];
        assert_eq!(result["probeName"], "__runtime");
    }
    lab.end().await;
    docker(&["rmi", "-f", &image]);
}

/// A probe whose URL has the container's own port in it, and one that hangs beside it.
#[tokio::test]
async fn probed_at_a_port_from_a_template() {
    let Some(lab) = Lab::docker("probe").await else {
        return;
    };
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs = format!("http://{}/", silent.local_addr().unwrap());
    lab.make("Service", "web", json!({})).await;
    let schedule = json!({"kind": "Continuous", "interval": "50ms", "timeout": "60s"});
    let probe = |name: &str, url: &str| json!({"name": name, "type": "HTTP", "httpProbe": {"url": url}, "schedule": schedule});
    let spec = with(
        shell("mkdir /w; echo hello > /w/index.html; exec httpd -f -p 80 -h /w"),
        &json!({
            "ports": [{"containerPort": 80}],
            "healthProbes": [
                probe("hangs", &hangs),
                probe("web", r#"http://localhost:{{- portFor "web" -}}/index.html"#),
            ],
        }),
    );
    let produced = r#"[{"serviceName": "web", "port": 80}]"#;
    let metadata = json!({"name": "c", "annotations": {"service-producer": produced}});
    lab.make_with("Container", metadata, spec).await;
    let found = lab
        .until(C, |it| {
            let results = &it["status"]["healthProbeResults"];
            results[0]["outcome"] == "Success"
        })
        .await;
    // One of two has said nothing yet.
    assert_eq!(found["status"]["healthProbeResults"][0]["probeName"], "web");
    assert_eq!(found["status"]["healthStatus"], "Caution");
    lab.end().await;
}

/// The engine publishes another port after a restart, and the endpoint follows.
#[tokio::test]
async fn endpoints_come_and_go_with_it_and_follow_its_port() {
    let Some(lab) = Lab::docker("endpoint").await else {
        return;
    };
    lab.make("Service", "web", json!({})).await;
    let spec = with(shell(STAYS), &json!({"ports": [{"containerPort": 80}]}));
    let produced = r#"[{"serviceName": "web", "port": 80}]"#;
    let metadata = json!({"name": "c", "annotations": {"service-producer": produced}});
    lab.make_with("Container", metadata, spec).await;
    let id = lab.reaches(C, "Running").await["status"]["containerId"].clone();
    let id = id.as_str().unwrap();
    let published = || {
        let text = docker(&["port", id, "80/tcp"]);
        let port = text.lines().next().unwrap().rsplit_once(':').unwrap().1;
        port.parse::<u16>().unwrap()
    };
    let endpoint = "endpoints/c-web";
    let is_at = |port: u16| move |it: &Value| it["spec"]["port"] == port;
    let before = published();
    let first = lab.until(endpoint, is_at(before)).await;
    assert_eq!(first["spec"]["address"], "127.0.0.1");
    let owner = &first["metadata"]["ownerReferences"][0];
    assert_eq!(owner["name"], "c");
    docker(&["stop", "-t", "1", id]);
    lab.reaches(C, "Exited").await;
    lab.plane.wait_idle().await;
    assert!(lab.get(endpoint).await.is_none());
    // Somebody takes the port meanwhile, so that it has to be another one.
    let taken = std::net::TcpListener::bind(("0.0.0.0", before));
    docker(&["start", id]);
    let after = published();
    assert!(taken.is_err() || after != before);
    let second = lab.until(endpoint, is_at(after)).await;
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
    drop(taken);
    // Without having been seen ended.
    docker(&["restart", "-t", "1", id]);
    lab.until(endpoint, is_at(published())).await;
    lab.end().await;
}

#[tokio::test]
async fn files_with_owners_modes_and_what_may_be_missing() {
    let Some(lab) = Lab::docker("files").await else {
        return;
    };
    let source = write(lab.folders.path(), "source", "copied\n");
    let files = json!([
        {"destination": "/srv", "defaultOwner": 7, "defaultGroup": 8, "entries": [
            {"name": "plain", "contents": "text\n"},
            {"name": "raw", "rawContents": "AAEC", "mode": 0o4711},
            {"name": "dir", "type": "directory", "owner": 5, "entries": [
                {"name": "inner", "type": "directory", "mode": 0o700, "entries": [
                    {"name": "copy", "source": source, "group": 6},
                ]},
            ]},
            {"name": "lost", "source": "/no/such/file", "continueOnError": true},
        ]},
        {"destination": "/etc", "umask": 0o077, "entries": [{"name": "private", "contents": "x"}]},
    ]);
    let script = "cd /srv; stat -c '%n %u %g %a' plain raw dir dir/inner dir/inner/copy lost \
                  /etc/private; cat plain dir/inner/copy; od -An -tx1 raw";
    lab.make(
        "Container",
        "c",
        with(shell(script), &json!({ "createFiles": files })),
    )
    .await;
    lab.reaches(C, "Exited").await;
    let said = lab.log(C, "").await;
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "plain 7 8 644",
            "raw 7 8 4711",
            "dir 5 8 755",
            "dir/inner 7 8 700",
            "dir/inner/copy 7 6 644",
            "/etc/private 0 0 600",
            "text",
            "copied",
            "00 01 02",
        ]
    );
    let told = lab.log(C, "?source=system").await;
    assert!(told.starts_with("left out: /srv/lost: "), "{told}");
    // What may not be missing fails the start.
    let files = json!([{"destination": "/srv", "entries": [
        {"name": "lost", "source": "/no/such/file"},
    ]}]);
    lab.make(
        "Container",
        "d",
        with(shell("true"), &json!({ "createFiles": files })),
    )
    .await;
    let failed = lab.reaches("containers/d", "FailedToStart").await;
    let message = failed["status"]["message"].as_str().unwrap();
    assert!(message.starts_with("/srv/lost: "), "{message}");
    lab.end().await;
}
