//! Logs: clauses 14 and 15 on the real engine, and a disk that is full.

use std::process::Command;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Method, Request};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::lab::{Lab, of, shell, skipped, state};
use crate::support::Folders;

const C: &str = "containers/c";

/// A log that is followed: pieces as they come.
async fn follow(
    lab: &Lab,
    query: &str,
) -> impl futures_util::Stream<Item = String> + Unpin + use<> {
    let path = of(&format!("{C}/log?follow=true{query}"));
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = lab.plane.api().router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let pieces = response.into_body().into_data_stream();
    Box::pin(pieces.map(|piece| String::from_utf8(piece.unwrap().to_vec()).unwrap()))
}

#[tokio::test]
async fn from_the_start_to_the_end_and_after_it() {
    let Some(lab) = Lab::docker("log").await else {
        return;
    };
    let script = "echo first; n=0; while [ $n -lt 5 ]; do sleep 0.5; n=$((n+1)); date +%s.%N; \
                  done; echo err >&2; printf last";
    lab.make("Container", "c", shell(script)).await;
    let mut pieces = follow(&lab, "").await;
    let mut text = String::new();
    // Each line as it comes, and not when there is a block of them.
    let mut slowest = Duration::ZERO;
    while let Some(piece) = pieces.next().await {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        for line in piece.lines() {
            if let Some((seconds, _)) = line.split_once('.') {
                let said = Duration::from_secs(seconds.parse().unwrap());
                slowest = slowest.max(now.saturating_sub(said + Duration::from_secs(1)));
            }
        }
        text += &piece;
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert!(
        text.starts_with("first\n") && text.ends_with("\nlast\n"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 7, "{text}");
    lab.reaches(C, "Exited").await;
    // After the end, followed or not, it is the same.
    assert_eq!(follow(&lab, "").await.collect::<String>().await, text);
    assert_eq!(lab.log(C, "").await, text);
    assert_eq!(lab.log(C, "?source=stderr").await, "err\n");
    assert_eq!(lab.log(C, "?tail=1").await, "last\n");
    assert_eq!(lab.log(C, "?limit=1&line_numbers=true").await, "1 first\n");
    let stamped = lab.log(C, "?tail=1&timestamps=true").await;
    assert!(
        stamped.starts_with("20") && stamped.ends_with("Z last\n"),
        "{stamped}"
    );
    for query in ["?tail=x", "?frobnicate=1", "?follow=true&limit=1"] {
        let path = format!("{C}/log{query}");
        let (code, status) = lab.send(Method::GET, &path, "", &Value::Null).await;
        assert_eq!((code, &status["kind"]), (400, &json!("Status")), "{query}");
    }
    lab.end().await;
}

#[tokio::test]
async fn followed_to_the_deletion() {
    let Some(lab) = Lab::docker("logend").await else {
        return;
    };
    let script = "echo begins; trap 'echo ends; exit 0' TERM; while :; do sleep 0.1; done";
    lab.make("Container", "c", shell(script)).await;
    let mut pieces = follow(&lab, "").await;
    assert_eq!(pieces.next().await.unwrap(), "begins\n");
    // A snapshot is one, however long it goes on.
    assert_eq!(lab.log(C, "").await, "begins\n");
    let end = pieces.collect::<String>();
    let ((), rest) = tokio::join!(lab.remove(C), end);
    assert_eq!(rest, "ends\n");
    lab.end().await;
}

/// A disk of the test's own, small; none: we may not have one.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(at: &std::path::Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(at)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            other => {
                let root =
                    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap())
                        == 0;
                let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
                assert!(!(ci && root), "no disk of one's own under CI: {other:?}");
                skipped("no small disk can be mounted here");
                None
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_costs_output_and_nothing_else() {
    let folders = Folders::new();
    let Some(disk) = Disk::mount(&folders.path().join("state")) else {
        return;
    };
    let lab = Lab::begin("full", folders, None).await;
    let folder = lab.folders.path().to_owned();
    let file = |name: &str| folder.join(name);
    // The last line is too long for what may be left of the last block.
    let script = "echo early; until [ -e go ]; do sleep 0.02; done; \
        i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done; \
        head -c 20000 /dev/zero | tr '\\0' x; echo; echo x > all; \
        until [ -e more ]; do sleep 0.02; done; echo after; exit 5";
    let spec = json!({
        "executablePath": "/bin/sh", "args": ["-c", script], "workingDirectory": folder,
    });
    lab.make("Executable", "a", spec).await;
    let path = "executables/a";
    let running = lab.reaches(path, "Running").await;
    lab.says(path, "", "early\n").await;
    let filler = disk.0.join("filler");
    let mut left = std::fs::File::create(&filler).unwrap();
    let block = vec![b'x'; 4 << 10];
    while std::io::Write::write_all(&mut left, &block).is_ok() {}
    drop(left);
    std::fs::write(file("go"), "").unwrap();
    // It says all that it has to say, and does not wait for anybody.
    let begun = Instant::now();
    while !file("all").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is held up");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let told = lab
        .until(path, |it| {
            it["status"]["message"] != Value::Null && state(it) == "Running"
        })
        .await;
    assert_eq!(
        told["status"]["message"],
        "its output is lost: No space left on device (os error 28)"
    );
    assert_eq!(told["status"]["pid"], running["status"]["pid"]);
    let early = lab.log(path, "").await;
    assert!(early.starts_with("early\n"), "{early}");
    assert!(!early.contains("xxx"), "there was no room for it");
    // There is room again.
    std::fs::remove_file(&filler).unwrap();
    std::fs::write(file("more"), "").unwrap();
    let ended = lab.reaches(path, "Finished").await;
    assert_eq!(ended["status"]["exitCode"], 5);
    let text = lab.log(path, "").await;
    assert!(
        text.starts_with(&early) && text.ends_with("\nafter\n"),
        "{text}"
    );
    // Some of it may have been on its way until there was room.
    let long = "x".repeat(20_000);
    let whole =
        |line: &str| matches!(line, "early" | "after") || line.starts_with("line ") || line == long;
    assert!(text.lines().all(whole), "whole lines only");
    let said = lab.log(path, "?source=system").await;
    let lost: usize = said
        .lines()
        .map(|remark| {
            let why = "lost: No space left on device (os error 28)";
            assert!(remark.ends_with(why), "{remark}");
            remark.split(' ').next().unwrap().parse::<usize>().unwrap()
        })
        .sum();
    assert!(lost > 0, "{said}");
    assert_eq!(
        lost + text.lines().count(),
        3003,
        "each is there, or counted"
    );
    lab.end().await;
    drop(disk);
}
