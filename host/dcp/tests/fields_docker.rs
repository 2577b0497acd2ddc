//! Fields of DCP that concern containers, each by what it does on a real engine, where one
//! answers; under CI one has to.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and a failure must end them"
)]

mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use aspire_api::container::{Container, ContainerState as State, NetworkAttachment};
use aspire_api::files::{CreateFileSystem, FileSystemEntry, FileSystemEntryKind};
use aspire_api::health::{ContainerPemCertificates, ImageLayer};
use aspire_api::network::ContainerNetwork;
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use aspire_dcp::runtime::ContainerEngine;
use aspire_dcp::runtime::docker::{DockerEngine, EngineEnvironment};
use aspire_dcp::watchdog::{self, WORD, Watchdog};
use aspire_dcp::{Config, ControlPlane, Stop};
use support::*;

const IMAGE: &str = "standin.local/busybox:1";

/// For a run on the real engine; none: there is no engine.
async fn config(folders: &Folders, instance: &str) -> Option<Config> {
    let engine = match DockerEngine::connect(&EngineEnvironment::from_process()).await {
        Ok(engine) if engine.has_image(IMAGE).await.unwrap() => engine,
        other => {
            let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!ci, "no engine with {IMAGE} under CI: {:?}", other.err());
            return None;
        }
    };
    let mut config = folders.config();
    config.instance = format!("fields-{instance}-{}", std::process::id());
    config.engine = Some(Arc::new(engine));
    config.stop_grace = Duration::from_secs(1);
    Some(config)
}

async fn plane(folders: &Folders, instance: &str) -> Option<ControlPlane> {
    let plane = ControlPlane::start(config(folders, instance).await?)
        .await
        .unwrap();
    let network = ContainerNetwork {
        metadata: ObjectMeta::of("app", "app"),
        ..ContainerNetwork::default()
    };
    plane.client().create(network).await.unwrap();
    Some(plane)
}

fn busybox(name: &str, script: &str) -> Container {
    let mut object = Container {
        metadata: ObjectMeta::of(name, name),
        ..Container::default()
    };
    object.spec.image = IMAGE.to_owned();
    object.spec.command = Some("/bin/sh".to_owned());
    object.spec.args = vec!["-c".to_owned(), script.to_owned()];
    object.spec.networks = Some(vec![NetworkAttachment {
        name: "app".into(),
        aliases: Vec::new(),
    }]);
    object
}

async fn reaches(plane: &ControlPlane, name: &str, state: State) -> Container {
    let key = ObjectKey::new(Kind::Container, name);
    let client = plane.client();
    let as_container = |object: &Object| match object {
        Object::Container(container) => container.clone(),
        other => panic!("{} is no container", other.key()),
    };
    let waited = client.wait_for(&key, |object| as_container(object).status.state == state);
    match tokio::time::timeout(Duration::from_secs(60), waited).await {
        Ok(object) => as_container(&object.unwrap()),
        Err(_) => {
            let stuck = as_container(&client.get(&key).await.unwrap()).status;
            panic!("{name} got stuck: {stuck:?} {:?}", text(plane, &key))
        }
    }
}

/// What a container that ran to its end said.
async fn said(plane: &ControlPlane, object: Container) -> Vec<String> {
    let name = object.metadata.name.clone();
    plane.client().create(object).await.unwrap();
    let ended = reaches(plane, &name, State::Exited).await;
    let said = text(plane, &ObjectKey::new(Kind::Container, &*name));
    assert_eq!(ended.status.exit_code, Some(0), "{said:?}");
    said
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[tokio::test]
async fn options_of_docker_run_are_seen_inside() {
    let folders = Folders::new();
    let Some(plane) = plane(&folders, "options").await else {
        return;
    };
    std::fs::create_dir(folders.path().join("bound")).unwrap();
    std::fs::write(folders.path().join("bound/file"), "here\n").unwrap();
    let bound = folders.path().join("bound").display().to_string();
    let script = "id -u; id -G; hostname; pwd; echo $A-$B; ulimit -n; ulimit -Hn; \
        grep -c ' the-other$\\|the-other' /etc/hosts; \
        touch /no 2>/dev/null || echo read-only; touch /scratch/x && echo scratch; \
        cat /bound/file; df -k /dev/shm | tail -1 | awk '{print $2}'; \
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start; \
        grep -o 'NoNewPrivs:.*' /proc/self/status | tr -d '\\t'; cat /proc/1/comm";
    let mut object = busybox("inside", script);
    object.spec.env = vec![env("A", "spec"), env("B", "spec")];
    object.spec.run_args = words(
        "-u 1000:1000 --group-add=2000 -h the-name -w /tmp --env=B=option \
         --ulimit nofile=100:200 --add-host the-other:10.9.8.7 --read-only \
         --tmpfs /scratch:mode=1777 --shm-size=32m --sysctl net.ipv4.ip_unprivileged_port_start=81 \
         --security-opt no-new-privileges --init",
    );
    object.spec.run_args.push(format!("-v={bound}:/bound:ro"));
    let expected = [
        "1000",
        "1000 2000",
        "the-name",
        "/tmp",
        "spec-option",
        "100",
        "200",
        "1",
        "read-only",
        "scratch",
        "here",
        "32768",
        "81",
        "NoNewPrivs:1",
    ];
    let mut found = said(&plane, object).await;
    // Its own first process is the engine's.
    let first = found.pop().unwrap();
    assert!(first.contains("init"), "{first}");
    assert_eq!(found, expected);

    // What shows outside only.
    let mut object = busybox("outside", "exec sleep 1000");
    object.spec.run_args = words(
        "--memory 64m --memory-reservation=32m --cpus=0.5 --cpu-shares 512 --pids-limit 50 \
         --cap-add NET_ADMIN --cap-drop=MKNOD --privileged=false --label mine=yes \
         --stop-signal SIGKILL --stop-timeout 7 --ipc private --oom-score-adj 5 \
         --dns=10.9.8.6 --device /dev/null:/dev/zilch:r -p 127.0.0.1::80 --expose 81 --health-cmd true \
         --health-interval 7s --platform linux/amd64",
    );
    plane.client().create(object).await.unwrap();
    let running = reaches(&plane, "outside", State::Running).await;
    let id = running.status.container_id.unwrap();
    let found: serde_json::Value =
        serde_json::from_str(&docker(&["inspect", "--format", "{{json .}}", &id])).unwrap();
    let (host, config) = (&found["HostConfig"], &found["Config"]);
    let shown = BTreeMap::from([
        ("memory", host["Memory"].to_string()),
        ("reservation", host["MemoryReservation"].to_string()),
        ("cpus", host["NanoCpus"].to_string()),
        ("shares", host["CpuShares"].to_string()),
        ("pids", host["PidsLimit"].to_string()),
        ("cap-add", host["CapAdd"].to_string()),
        ("cap-drop", host["CapDrop"].to_string()),
        ("label", config["Labels"]["mine"].to_string()),
        ("signal", config["StopSignal"].to_string()),
        ("timeout", config["StopTimeout"].to_string()),
        ("ipc", host["IpcMode"].to_string()),
        ("oom", host["OomScoreAdj"].to_string()),
        ("device", host["Devices"][0]["PathInContainer"].to_string()),
        ("dns", host["Dns"].to_string()),
        ("exposed", config["ExposedPorts"]["81/tcp"].to_string()),
        ("health", config["Healthcheck"]["Test"].to_string()),
    ]);
    let expected = BTreeMap::from([
        ("memory", "67108864"),
        ("reservation", "33554432"),
        ("cpus", "500000000"),
        ("shares", "512"),
        ("pids", "50"),
        ("cap-add", r#"["NET_ADMIN"]"#),
        ("cap-drop", r#"["MKNOD"]"#),
        ("label", r#""yes""#),
        ("signal", r#""SIGKILL""#),
        ("timeout", "7"),
        ("ipc", r#""private""#),
        ("oom", "5"),
        ("device", r#""/dev/zilch""#),
        ("dns", r#"["10.9.8.6"]"#),
        ("exposed", "{}"),
        ("health", r#"["CMD-SHELL","true"]"#),
    ]);
    let expected: BTreeMap<_, _> = expected
        .into_iter()
        .map(|(name, text)| (name, text.to_owned()))
        .collect();
    assert_eq!(shown, expected);
    let port = &found["NetworkSettings"]["Ports"]["80/tcp"][0];
    assert_eq!(port["HostIp"], "127.0.0.1");
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn the_machines_own_network_and_another_entry_point() {
    let folders = Folders::new();
    let Some(plane) = plane(&folders, "network").await else {
        return;
    };
    let mut object = busybox("host", "");
    object.spec.command = None;
    object.spec.args = vec!["/proc/self/ns/net".to_owned()];
    object.spec.run_args = words("--network=host --entrypoint /bin/readlink");
    let here = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(said(&plane, object).await, [here.to_str().unwrap()]);
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn a_container_finds_the_certificates_that_it_trusts() {
    let folders = Folders::new();
    let Some(plane) = plane(&folders, "certificates").await else {
        return;
    };
    let (certificate, hash) = certificate();
    let expected = certificate.contents.clone();
    let script = format!(
        "cmp /trust/cert.pem /etc/ssl/bundle.pem && cmp /trust/cert.pem /trust/certs/{hash}.0; \
         readlink /trust/certs/{hash}.0; readlink /own/{hash}.0; ls /trust/certs | wc -l; cat /own/a.pem"
    );
    let mut object = busybox("web", &script);
    object.spec.pem_certificates = Some(ContainerPemCertificates {
        certificates: vec![certificate],
        destination: "/trust".into(),
        overwrite_bundle_paths: vec!["/etc/ssl/bundle.pem".into()],
        continue_on_error: false,
    });
    object.spec.create_files = vec![CreateFileSystem {
        destination: "/own".into(),
        entries: vec![
            FileSystemEntry {
                name: "a.pem".into(),
                kind: Some(FileSystemEntryKind::Openssl),
                contents: Some(expected.clone()),
                ..FileSystemEntry::default()
            },
            FileSystemEntry {
                name: "bad.pem".into(),
                kind: Some(FileSystemEntryKind::Openssl),
                contents: Some("rubbish".into()),
                continue_on_error: true,
                ..FileSystemEntry::default()
            },
        ],
        ..CreateFileSystem::default()
    }];
    let found = said(&plane, object).await;
    assert_eq!(
        found[0],
        "left out: /own/bad.pem: it has no PEM certificate"
    );
    assert_eq!(found[1..4], ["00AB.pem", "a.pem", "2"]);
    assert_eq!(found[4..].join("\n"), expected.trim_end());
    plane.stop(Stop::Graceful).await;
}

/// An archive with one file, as `tar` makes it.
fn archive(folder: &std::path::Path, name: &str, text: &str) -> Vec<u8> {
    std::fs::create_dir_all(folder.join("added")).unwrap();
    std::fs::write(folder.join("added").join(name), text).unwrap();
    let made = Command::new("tar")
        .args(["-c", "--owner=1234", "--group=5678", "-C"])
        .arg(folder)
        .arg(format!("added/{name}"))
        .output()
        .unwrap();
    assert!(made.status.success());
    made.stdout
}

#[tokio::test]
async fn layers_are_put_on_an_image() {
    use base64::Engine as _;
    let folders = Folders::new();
    let Some(plane) = plane(&folders, "layers").await else {
        return;
    };
    let (first, second) = (
        archive(folders.path(), "a", "first\n"),
        archive(folders.path(), "b", "second\n"),
    );
    let over = archive(folders.path(), "a", "over\n");
    let file = folders.path().join("second.tar");
    std::fs::write(&file, &second).unwrap();
    let sha256 = {
        let output = Command::new("sha256sum").arg(&file).output().unwrap();
        String::from_utf8(output.stdout).unwrap()[..64].to_owned()
    };
    let raw = |bytes: &[u8], digest: &str| ImageLayer {
        digest: digest.into(),
        raw_contents: Some(base64::engine::general_purpose::STANDARD.encode(bytes)),
        ..ImageLayer::default()
    };
    let mut object = busybox(
        "web",
        "cat /added/a /added/b; stat -c %u:%g /added/b; ls /bin/sh",
    );
    object.spec.image_layers = vec![
        raw(&first, "sha256:1"),
        ImageLayer {
            digest: "sha256:2".into(),
            source: Some(file.display().to_string()),
            sha256: Some(sha256),
            ..ImageLayer::default()
        },
        raw(&over, "sha256:3"),
    ];
    let mut wrong = object.clone();
    let found = said(&plane, object).await;
    // What came before is the builder's.
    let found = &found[found.len() - 4..];
    assert_eq!(found, ["over", "second", "1234:5678", "/bin/sh"]);
    wrong.metadata = ObjectMeta::of("wrong", "wrong");
    wrong.spec.image_layers[1].sha256 = Some("00".into());
    plane.client().create(wrong).await.unwrap();
    let failed = reaches(&plane, "wrong", State::FailedToStart).await;
    assert!(
        failed.status.message.starts_with("image layer sha256:2: "),
        "{failed:?}"
    );
    let key = ObjectKey::new(Kind::Container, "web");
    let Object::Container(web) = plane.client().get(&key).await.unwrap().as_ref().clone() else {
        return;
    };
    let id = web.status.container_id.unwrap();
    let image = docker(&["inspect", "--format", "{{.Config.Image}}", &id]);
    assert!(image.starts_with("aspire-host.local/layers:"), "{image}");
    plane.stop(Stop::Graceful).await;
    docker(&["rmi", "-f", &image]);
}

#[tokio::test]
async fn a_container_ends_with_the_process_that_it_names() {
    let folders = Folders::new();
    let Some(plane) = plane(&folders, "monitor").await else {
        return;
    };
    let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
    let mut object = busybox("web", "exec sleep 1000");
    object.spec.monitor_pid = Some(i64::from(other.id()));
    object.spec.monitor_timestamp = Some(since_boot(other.id()));
    plane.client().create(object).await.unwrap();
    reaches(&plane, "web", State::Running).await;
    other.kill().unwrap();
    other.wait().unwrap();
    let ended = reaches(&plane, "web", State::Exited).await;
    let expected = format!("stopped because process {} has ended", other.id());
    assert_eq!(ended.status.message, expected);
    plane.stop(Stop::Graceful).await;
}

/// A minder: this test, started again with its word.
#[test]
fn dog() {
    let _ = watchdog::dispatch(std::env::args_os().skip_while(|word| word != WORD));
}

#[tokio::test]
async fn one_that_was_left_running_ends_with_the_process_that_it_names() {
    let folders = Folders::new();
    let Some(mut config) = config(&folders, "minded").await else {
        return;
    };
    config.watchdog = Some(Watchdog {
        args: ["--exact", "dog", "--nocapture"].map(Into::into).into(),
        ..Watchdog::this_program()
    });
    let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
    let name = format!("{}-db", config.instance);
    let mut object = busybox("db", "exec sleep 1000");
    object.spec.networks = None;
    object.spec.container_name = Some(name.clone());
    object.spec.persistent = true;
    object.spec.monitor_pid = Some(i64::from(other.id()));
    object.spec.monitor_timestamp = Some(since_boot(other.id()));
    let plane = ControlPlane::start(config).await.unwrap();
    plane.client().create(object).await.unwrap();
    reaches(&plane, "db", State::Running).await;
    plane.stop(Stop::Graceful).await;
    let is_running = || docker(&["inspect", "--format", "{{.State.Running}}", &name]) == "true";
    assert!(is_running(), "it went with the run");
    // As if its host had ended, too: this process lives on.
    let shared = aspire_dcp::state::State::new(folders.path().join("data/shared"));
    let mut record = shared.records().unwrap().remove(0);
    record.owner = "1:0:x".into();
    shared.put(&record).unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
    let stops = async {
        while is_running() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let stopped = tokio::time::timeout(Duration::from_secs(40), stops).await;
    docker(&["rm", "-fv", &name]);
    assert!(stopped.is_ok(), "it runs on");
}
