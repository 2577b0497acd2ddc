//! The Docker engine, driven for real. Where none answers the tests say so and pass, except under
//! `CI=true`. What they make carries a label of its own and is removed whatever happens.

#[path = "engine/images.rs"]
mod images;
#[path = "engine/kinds.rs"]
mod kinds;
#[path = "engine/support.rs"]
mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aspire_dcp::runtime::docker::Attendant;
use aspire_dcp::runtime::{
    BuildRequest, ContainerEngine, ContainerRequest, EngineError, FileKind, FileRequest,
    MountRequest, NetworkRequest, OutputStream, PortRequest,
};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::try_join_all;

use support::{Bench, IMAGE};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn output_is_there_from_the_first_byte_of_a_container_that_ends_at_once() {
    let Some(bench) = Bench::open("first-byte").await else {
        return;
    };
    let request = bench.shell("quick", "printf out; printf err >&2; exit 3");
    let id = bench.engine.create(&request).await.unwrap();
    bench.engine.start(&id).await.unwrap();
    // Long after its end.
    bench.until(&id, "exited").await;
    let (out, err) = bench.output(&id).await;
    assert_eq!((&*out, &*err), ("out", "err"));
    let seen = bench.engine.inspect(&id).await.unwrap();
    assert_eq!(seen.exit_code, Some(3));
    assert_eq!(seen.name, request.name);
    // The image's labels are there, too.
    assert!(bench.owns(&seen.labels), "{:?}", seen.labels);
    // The second time it is the engine's record.
    assert_eq!(
        bench.output(&id).await,
        ("out".to_owned(), "err".to_owned())
    );
    bench.close().await;
}

#[tokio::test]
async fn output_is_followed_to_its_end_and_a_long_line_comes_in_pieces() {
    let Some(bench) = Bench::open("follow").await else {
        return;
    };
    let script = "head -c 20000000 /dev/zero | tr '\\0' x; sleep 0.3; echo end";
    let id = bench
        .engine
        .create(&bench.shell("long", script))
        .await
        .unwrap();
    let mut logs = bench.engine.logs(&id);
    bench.engine.start(&id).await.unwrap();
    let (mut total, mut largest, mut last) = (0, 0, Bytes::new());
    while let Some(piece) = logs.next().await {
        let (stream, bytes) = piece.unwrap();
        assert_eq!(stream, OutputStream::Stdout);
        total += bytes.len();
        largest = largest.max(bytes.len());
        last = bytes;
    }
    assert_eq!(total, 20_000_004);
    assert!(largest <= 64 * 1024, "a piece of {largest} bytes");
    assert!(last.ends_with(b"end\n"));
    bench.close().await;
}

#[tokio::test]
async fn files_are_there_before_the_start_with_their_mode() {
    let Some(bench) = Bench::open("files").await else {
        return;
    };
    let volume = bench.name("data");
    bench
        .engine
        .ensure_volume(&volume, &bench.labels())
        .await
        .unwrap();
    let mut request = bench.shell(
        "files",
        "stat -c '%a %u:%g %n' /etc/app/sub/a.conf /etc/app/sub /etc/app /etc /tmp /tmp/run.sh \
         /data /data/init.sql; cat /etc/app/sub/a.conf; /tmp/run.sh",
    );
    request.mounts.push(MountRequest::Volume {
        name: volume.clone(),
        target: "/data".to_owned(),
        read_only: false,
    });
    for (path, contents, mode) in [
        ("/etc/app/sub/a.conf", "secret\n", 0o600),
        ("/tmp/run.sh", "#!/bin/sh\necho ran\n", 0o755),
        ("/data/init.sql", "select 1", 0o644),
    ] {
        request.files.push(FileRequest {
            path: path.to_owned(),
            kind: FileKind::File(Bytes::from(contents)),
            mode,
            owner: 0,
            group: 0,
        });
    }
    let id = bench.engine.create(&request).await.unwrap();
    bench.engine.start(&id).await.unwrap();
    let (out, err) = bench.output(&id).await;
    assert_eq!(
        out,
        "600 0:0 /etc/app/sub/a.conf\n755 0:0 /etc/app/sub\n755 0:0 /etc/app\n755 0:0 /etc\n\
         1777 0:0 /tmp\n755 0:0 /tmp/run.sh\n755 0:0 /data\n644 0:0 /data/init.sql\n\
         secret\nran\n",
        "{err}"
    );
    bench.close().await;
}

#[tokio::test]
async fn containers_reach_each_other_by_name_and_the_machine_reaches_them() {
    let Some(bench) = Bench::open("net").await else {
        return;
    };
    let dials = bench.engine.info().await.unwrap().dials_containers;
    let front = bench.network("front").await;
    let back = bench.network("back").await;
    assert_eq!(front.1.gateways.len(), 1, "{front:?}");
    let mut server = bench.shell(
        "server",
        "mkdir /www; echo hello >/www/index.html; httpd -f -p 8080 -h /www",
    );
    server.networks = vec![
        (front.0.clone(), vec!["web".to_owned()]),
        (back.0.clone(), vec!["api".to_owned(), "other".to_owned()]),
    ];
    server.ports = vec![PortRequest {
        container_port: 8080,
        protocol: "tcp",
        host_port: None,
        host_ip: "127.0.0.1".to_owned(),
    }];
    let id = bench.engine.create(&server).await.unwrap();
    bench.engine.start(&id).await.unwrap();
    let seen = bench.engine.inspect(&id).await.unwrap();
    assert_eq!(seen.addresses.keys().count(), 2, "{seen:?}");

    let published = seen.ports[&(8080, "tcp".to_owned())];
    assert!(
        support::http_get("127.0.0.1", published)
            .await
            .ends_with("hello\n")
    );
    if dials {
        let address = &seen.addresses[&front.0];
        assert!(support::http_get(address, 8080).await.ends_with("hello\n"));
    }

    for (network, name) in [(&front.0, "web"), (&back.0, "api"), (&back.0, "other")] {
        let get = format!("wget -qO- http://{name}:8080/");
        let mut client = bench.shell(&format!("client-{name}"), &get);
        client.networks = vec![(network.clone(), vec![])];
        let id = bench.engine.create(&client).await.unwrap();
        bench.engine.start(&id).await.unwrap();
        assert_eq!(bench.output(&id).await.0, "hello\n", "{name}");
    }

    let mut rival = bench.shell("rival", "sleep 60");
    rival.ports = server.ports.clone();
    rival.ports[0].host_port = Some(published);
    let id = bench.engine.create(&rival).await.unwrap();
    let taken = bench.engine.start(&id).await.unwrap_err();
    assert!(
        matches!(&taken, EngineError::PortTaken(text) if text.contains(&published.to_string())),
        "{taken:?}"
    );
    bench.close().await;
}

#[tokio::test]
async fn a_stop_waits_for_the_grace_and_no_longer() {
    let Some(bench) = Bench::open("stop").await else {
        return;
    };
    let polite = "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done";
    let polite = bench.run(&bench.shell("polite", polite)).await;
    let stubborn = "trap '' TERM; while :; do sleep 0.05; done";
    let stubborn = bench.run(&bench.shell("stubborn", stubborn)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;

    let begun = Instant::now();
    bench.engine.stop(&polite, SOON).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(bench.output(&polite).await.0, "bye\n");
    assert_eq!(
        bench.engine.inspect(&polite).await.unwrap().exit_code,
        Some(0)
    );
    bench.engine.stop(&polite, SOON).await.unwrap();

    let begun = Instant::now();
    bench
        .engine
        .stop(&stubborn, Duration::from_millis(900))
        .await
        .unwrap();
    assert!(begun.elapsed() > Duration::from_millis(900));
    assert!(begun.elapsed() < Duration::from_secs(8));
    assert_eq!(
        bench.engine.inspect(&stubborn).await.unwrap().exit_code,
        Some(137)
    );

    bench.engine.remove(&polite).await.unwrap();
    bench.engine.remove(&polite).await.unwrap();
    let gone = bench.engine.stop(&polite, SOON).await.unwrap_err();
    assert!(matches!(gone, EngineError::NotFound(_)), "{gone:?}");
    bench.close().await;
}

#[tokio::test]
async fn somebody_is_at_a_command() {
    let Some(bench) = Bench::open("attend").await else {
        return;
    };
    let id = bench.run(&bench.shell("host", "sleep 60")).await;
    let said = std::sync::Mutex::new((Vec::new(), Vec::new()));
    let output = |stream: OutputStream, bytes: &[u8]| {
        let mut said = said.lock().unwrap();
        match stream {
            OutputStream::Stderr => said.1.extend_from_slice(bytes),
            _ => said.0.extend_from_slice(bytes),
        }
    };
    let attend =
        async |script: &str, terminal, end: &tokio::sync::watch::Sender<bool>, input: &[&str]| {
            let (send, typed) = tokio::sync::mpsc::channel(8);
            for text in input {
                send.send(text.as_bytes().to_vec()).await.unwrap();
            }
            drop(send);
            let command = ["sh", "-c", script].map(str::to_owned);
            let attendant = Attendant {
                input: typed,
                output: &output,
                terminal,
                end: end.subscribe(),
            };
            let code = bench.engine.attend(&id, &command, attendant).await;
            (code, std::mem::take(&mut *said.lock().unwrap()))
        };
    let end = tokio::sync::watch::Sender::new(false);
    let (code, (out, err)) = attend(
        "cat; echo err >&2; exit 7",
        None,
        &end,
        &["hi\n", "there\n"],
    )
    .await;
    assert_eq!(
        (code, &*out, &*err),
        (Ok(7), &b"hi\nthere\n"[..], &b"err\n"[..])
    );
    // One that does not read ends all the same.
    let (code, _) = attend("exit 0", None, &end, &["nobody reads this\n"]).await;
    assert_eq!(code, Ok(0));
    let (_sizes, size) = tokio::sync::watch::channel((77, 33));
    let script = "while [ \"$(stty size)\" != '33 77' ]; do sleep 0.02; done; tty; read line; echo got $line";
    let (code, (out, _)) = attend(script, Some(size), &end, &["typed\n"]).await;
    let out = String::from_utf8_lossy(&out).into_owned();
    assert_eq!(code, Ok(0), "{out}");
    assert!(
        out.contains("/dev/pts/") && out.contains("got typed"),
        "{out}"
    );
    if bench.engine.info().await.unwrap().dials_containers {
        end.send_replace(true);
        let (code, _) = attend("exec sleep 50", None, &end, &[]).await;
        // Asked to, or by force where it was too early to be asked.
        assert!(matches!(code, Ok(143 | 137)), "{code:?}");
    }
    bench.close().await;
}

#[tokio::test]
async fn commands_run_in_a_container() {
    let Some(bench) = Bench::open("exec").await else {
        return;
    };
    let id = bench.run(&bench.shell("host", "sleep 60")).await;
    let run = async |script: &str, timeout| {
        let command = ["sh", "-c", script].map(str::to_owned);
        bench.engine.exec(&id, &command, timeout).await
    };
    let ended = run("echo out; echo err >&2; exit 7", SOON).await.unwrap();
    assert_eq!(ended.exit_code, 7);
    let mut lines: Vec<_> = ended.output.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["err", "out"]);

    let long = run("seq 1 200000", SOON).await.unwrap();
    assert!(long.output.len() <= 4096 && long.output.ends_with("\n200000\n"));

    let begun = Instant::now();
    let late = run("exec sleep 50", Duration::from_millis(400))
        .await
        .unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(late.to_string().contains("0.4 s"), "{late}");
    if bench.engine.info().await.unwrap().dials_containers {
        let left = run("ps | grep -c '[s]leep 50'", SOON).await.unwrap();
        assert_eq!(left.output.trim(), "0");
    }

    let missing = bench
        .engine
        .exec(&id, &["nope".to_owned()], SOON)
        .await
        .unwrap();
    assert!([126, 127].contains(&missing.exit_code), "{missing:?}");
    bench.close().await;
}

#[tokio::test]
async fn events_tell_what_happens_and_can_be_resumed() {
    let Some(bench) = Bench::open("events").await else {
        return;
    };
    let label = bench.label();
    let since = i64::try_from(support::now().as_nanos()).unwrap() - 1_000_000;
    let other = Bench::open("events-other").await.unwrap();
    let noise = other.run(&other.shell("noise", "true")).await;
    let id = bench.run(&bench.shell("it", "sleep 0.3; exit 5")).await;
    let live = bench.engine.events(&label, Some(since));
    let mut seen = Vec::new();
    let mut live = std::pin::pin!(live.take_while(|event| {
        let end = matches!(event, Ok(event) if event.action == "die");
        seen.push(event.clone().unwrap());
        std::future::ready(!end)
    }));
    tokio::time::timeout(SOON, async { while live.next().await.is_some() {} })
        .await
        .unwrap();
    let actions: Vec<_> = seen.iter().map(|event| &*event.action).collect();
    assert_eq!(actions, ["create", "start", "die"]);
    assert!(
        seen.iter()
            .all(|event| event.container_id == id && event.container_id != noise)
    );
    assert_eq!(seen[2].exit_code, Some(5));

    // podman keeps no fractions of a second.
    let since = seen[2].time_nano - 1_000_000_000;
    let mut resumed = bench.engine.events(&label, Some(since));
    let again = async {
        while let Some(event) = resumed.next().await {
            if event.unwrap() == seen[2] {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(SOON, again).await.unwrap());
    other.close().await;
    bench.close().await;
}

#[tokio::test]
async fn leftovers_are_found_by_label_in_every_state() {
    let Some(bench) = Bench::open("left").await else {
        return;
    };
    let volume = bench.name("v");
    bench
        .engine
        .ensure_volume(&volume, &bench.labels())
        .await
        .unwrap();
    bench
        .engine
        .ensure_volume(&volume, &bench.labels())
        .await
        .unwrap();
    let network = bench.network("n").await;
    let created = bench
        .engine
        .create(&bench.shell("created", "true"))
        .await
        .unwrap();
    let ended = bench.run(&bench.shell("ended", "true")).await;
    bench.until(&ended, "exited").await;
    let running = bench.run(&bench.shell("running", "sleep 60")).await;
    let mut found: Vec<_> = bench
        .engine
        .leftovers(&bench.label())
        .await
        .unwrap()
        .into_iter()
        .map(|left| {
            assert!(bench.owns(&left.labels), "{left:?}");
            (left.what, left.id, left.name)
        })
        .collect();
    found.sort();
    let mut expected = vec![
        ("container", created, bench.name("created")),
        ("container", ended, bench.name("ended")),
        ("container", running, bench.name("running")),
        ("network", network.1.id, network.0),
        ("volume", volume.clone(), volume),
    ];
    expected.sort();
    assert_eq!(found, expected);
    bench.close().await;
}

#[tokio::test]
async fn a_create_that_fails_leaves_nothing() {
    let Some(bench) = Bench::open("fail").await else {
        return;
    };
    let (network, _) = bench.network("n").await;
    let create = async |change: fn(&mut ContainerRequest)| {
        let mut request = bench.shell("it", "true");
        request.networks = vec![(network.clone(), vec![])];
        change(&mut request);
        bench.engine.create(&request).await.unwrap_err()
    };
    // podman makes the folder.
    if bench.engine.info().await.unwrap().name == "docker" {
        let missing = create(|request| {
            request.mounts.push(MountRequest::Bind {
                source: "/no/such/folder".into(),
                target: "/x".to_owned(),
                read_only: false,
            });
        })
        .await;
        assert!(missing.to_string().contains("/no/such/folder"), "{missing}");
    }

    let bad_file = create(|request| {
        request.files.push(FileRequest {
            path: "/etc/passwd/x".to_owned(),
            kind: FileKind::File(Bytes::from("x")),
            mode: 0o644,
            owner: 0,
            group: 0,
        });
    })
    .await;
    assert!(matches!(bad_file, EngineError::Other(_)), "{bad_file:?}");

    let image = create(|request| request.image = "standin.local/nope:1".to_owned()).await;
    assert!(
        matches!(
            image,
            EngineError::Image {
                conclusive: true,
                ..
            }
        ),
        "{image:?}"
    );

    let privilege = create(|request| {
        request.privileges.insert("nope".to_owned(), String::new());
    })
    .await;
    assert!(privilege.to_string().contains("`nope`"), "{privilege}");

    let left = bench.engine.leftovers(&bench.label()).await.unwrap();
    assert!(left.iter().all(|left| left.what == "network"), "{left:?}");
    bench.close().await;
}

#[tokio::test]
async fn a_network_that_is_missing_is_named() {
    let Some(bench) = Bench::open("no-net").await else {
        return;
    };
    let (network, _) = bench.network("n").await;
    let mut request = bench.shell("it", "true");
    request.networks = vec![(network, vec![]), ("no-such-network".to_owned(), vec![])];
    // Docker accepts it until the start.
    let error = match bench.engine.create(&request).await {
        Ok(id) => bench.engine.start(&id).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(
        error,
        EngineError::NotFound("network no-such-network".to_owned())
    );
    bench.close().await;
}

#[tokio::test]
async fn concurrent_creators_make_one_network() {
    let Some(bench) = Bench::open("one-net").await else {
        return;
    };
    let request = NetworkRequest {
        name: bench.name("n"),
        labels: bench.labels(),
        ..NetworkRequest::default()
    };
    let made = try_join_all((0..8).map(|_| bench.engine.ensure_network(&request)))
        .await
        .unwrap();
    assert!(made.iter().all(|network| network == &made[0]), "{made:?}");
    // Of two engines that don't know each other, neither ends with a network of its own.
    let other = Bench::connect().await.unwrap();
    bench.engine.remove_network(&made[0].id).await.unwrap();
    let third = Bench::connect().await.unwrap();
    for _ in 0..5 {
        let engines = [&bench.engine, &other, &third, &other];
        let made = try_join_all(engines.map(|engine| engine.ensure_network(&request)))
            .await
            .unwrap();
        assert!(made.iter().all(|network| network == &made[0]), "{made:?}");
        let left = bench.engine.leftovers(&bench.label()).await.unwrap();
        assert_eq!(left.len(), 1, "{left:?}");
        bench.engine.remove_network(&left[0].id).await.unwrap();
        bench.engine.remove_network(&left[0].id).await.unwrap();
    }
    bench.close().await;
}

#[tokio::test]
async fn limits_and_settings_reach_the_container() {
    let Some(bench) = Bench::open("settings").await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f"), "bound").unwrap();
    let mut request = bench.shell(
        "it",
        "id -u; pwd; echo \"$A\"; cat /bound/f; echo; touch /bound/g || echo read-only; \
         touch /scratch/x && echo writable; echo end",
    );
    request.user = Some("65534".to_owned());
    request.working_directory = Some("/tmp".to_owned());
    request.env = vec![("A".to_owned(), "x = ü\ny".to_owned())];
    request.memory = Some(64 << 20);
    request.cpu_millis = Some(500);
    request.mounts = vec![
        MountRequest::Bind {
            source: folder.path().to_owned(),
            target: "/bound".to_owned(),
            read_only: true,
        },
        MountRequest::Scratch {
            target: "/scratch".to_owned(),
        },
    ];
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    request.privileges = BTreeMap::from([("cap-add:NET_ADMIN".to_owned(), String::new())]);
    let id = bench.run(&request).await;
    let (out, _) = bench.output(&id).await;
    let expected = "65534\n/tmp\nx = ü\ny\nbound\nread-only\nwritable\nend\n";
    assert_eq!(out, expected);
    if bench.engine.info().await.unwrap().name == "docker" {
        let hosts = bench.shell("hosts", "grep -c host.docker.internal /etc/hosts");
        let id = bench.run(&hosts).await;
        assert_eq!(bench.output(&id).await.0, "1\n");
    }
    bench.close().await;
}
