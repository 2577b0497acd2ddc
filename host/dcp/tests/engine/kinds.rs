//! What the kinds around containers ask of an engine: commands, connections, IPv6, names.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use aspire_dcp::runtime::{ContainerEngine, EngineError, NetworkRequest, OutputStream, RunRequest};
use futures_util::StreamExt;
use tokio::sync::watch;

use crate::support::{Bench, now};

#[tokio::test]
async fn a_command_tells_everything_and_can_be_ended() {
    let Some(bench) = Bench::open("run").await else {
        return;
    };
    let id = bench
        .engine
        .create(&bench.shell("host", "sleep 1000"))
        .await
        .unwrap();
    bench.engine.start(&id).await.unwrap();
    let said = Mutex::new((Vec::new(), Vec::new()));
    let take = |stream: OutputStream, bytes: &[u8]| {
        let mut said = said.lock().unwrap();
        match stream {
            OutputStream::Stderr => said.1.extend_from_slice(bytes),
            _ => said.0.extend_from_slice(bytes),
        }
    };
    let request = |script: &str| RunRequest {
        command: vec!["sh".into(), "-c".into(), script.into()],
        env: vec![("WHO".into(), "me".into())],
        working_directory: Some("/tmp".into()),
    };
    let (end, ended) = watch::channel(false);
    let quick = request("echo $WHO in $(pwd); echo no >&2; exit 3");
    let code = bench.engine.run(&id, &quick, &take, ended.clone()).await;
    assert_eq!(code, Ok(3));
    let (out, err) = std::mem::take(&mut *said.lock().unwrap());
    assert_eq!((&*out, &*err), (&b"me in /tmp\n"[..], &b"no\n"[..]));
    // One with a child that holds its output and doesn't listen.
    let begun = Instant::now();
    let slow = request("trap '' TERM; sleep 1000 & echo begun; wait; sleep 1000");
    let run = bench.engine.run(&id, &slow, &take, ended);
    let stop = async {
        while said.lock().unwrap().0.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        end.send_replace(true);
    };
    let (code, ()) = tokio::join!(run, stop);
    assert!(code.is_ok(), "{code:?}");
    assert!(begun.elapsed() < Duration::from_secs(15));
    let ps = ["ps".to_owned()];
    let left = bench.engine.exec(&id, &ps, Duration::from_secs(9)).await;
    let left = left.unwrap().output;
    assert_eq!(left.matches("sleep 1000").count(), 1, "{left}");
    bench.close().await;
}

#[tokio::test]
async fn containers_join_and_leave_networks() {
    let Some(bench) = Bench::open("join").await else {
        return;
    };
    let (name, made) = bench.network("one").await;
    assert_eq!(made.driver, "bridge");
    assert_eq!(made.subnets.len(), 1);
    assert!(bench.owns(&made.labels));
    let id = bench
        .engine
        .create(&bench.shell("it", "sleep 1000"))
        .await
        .unwrap();
    bench.engine.start(&id).await.unwrap();
    let names = ["alias".to_owned()];
    for _ in 0..2 {
        bench.engine.connect(&made.id, &id, &names).await.unwrap();
    }
    let seen = bench.engine.inspect_network(&name).await.unwrap();
    assert_eq!(seen.containers, std::slice::from_ref(&id));
    assert_eq!(seen.gateways, made.gateways);
    assert!(
        bench
            .engine
            .inspect(&id)
            .await
            .unwrap()
            .addresses
            .contains_key(&name)
    );
    for _ in 0..2 {
        bench.engine.disconnect(&made.id, &id).await.unwrap();
    }
    let seen = bench.engine.inspect_network(&made.id).await.unwrap();
    assert!(seen.containers.is_empty());
    let nothing = bench.engine.inspect_network(&bench.name("nothing")).await;
    assert!(
        matches!(nothing, Err(EngineError::NotFound(_))),
        "{nothing:?}"
    );
    bench.close().await;
}

#[tokio::test]
async fn a_network_with_both_families() {
    let Some(bench) = Bench::open("ipv6").await else {
        return;
    };
    let request = NetworkRequest {
        name: bench.name("six"),
        labels: bench.labels(),
        ipv6: true,
    };
    match bench.engine.ensure_network(&request).await {
        Ok(made) => {
            assert!(made.ipv6);
            assert!(made.subnets.iter().any(|it| it.contains(':')), "{made:?}");
        }
        // Machines without IPv6.
        Err(error) => assert!(error.to_string().to_lowercase().contains("ipv6"), "{error}"),
    }
    bench.close().await;
}

#[tokio::test]
async fn names_of_hosts_and_events_of_everything() {
    let Some(bench) = Bench::open("hosts").await else {
        return;
    };
    let since = i64::try_from(now().as_nanos()).unwrap();
    let mut events = bench.engine.events("", Some(since));
    let mut request = bench.shell("it", "grep machine /etc/hosts");
    request.hosts = vec![("machine".into(), "10.9.8.7".into())];
    // Without any label of ours.
    let id = bench.engine.create(&request).await.unwrap();
    bench.engine.start(&id).await.unwrap();
    let (out, _) = bench.output(&id).await;
    assert!(out.contains("10.9.8.7"), "{out}");
    let told = async {
        while let Some(event) = events.next().await {
            let event = event.unwrap();
            if event.container_id == id && event.action == "die" {
                return event.exit_code;
            }
        }
        None
    };
    let code = tokio::time::timeout(Duration::from_secs(20), told).await;
    assert_eq!(code.unwrap(), Some(0));
    bench.close().await;
}
