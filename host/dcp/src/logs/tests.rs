//! Lines in, lines out: whole, stamped, bounded, and without a secret.

use std::time::Duration;

use aspire_api::Kind;

use super::*;
use crate::runtime::OutputStream;

fn logs(limits: LogLimits, secrets: &[&str]) -> (tempfile::TempDir, Arc<Logs>) {
    let folder = tempfile::tempdir().unwrap();
    let redactor = Arc::new(Redactor::new(secrets.iter().copied()));
    let logs = Logs::new(folder.path().join("logs"), limits, redactor).unwrap();
    (folder, Arc::new(logs))
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Executable, name)
}

fn texts(records: &[LogRecord]) -> Vec<String> {
    records
        .iter()
        .map(|record| String::from_utf8_lossy(&record.text).into_owned())
        .collect()
}

fn records(items: Vec<LogItem>) -> Vec<LogRecord> {
    items
        .into_iter()
        .map(|item| match item {
            LogItem::Record(record) => record,
            LogItem::Dropped => panic!("something was dropped"),
        })
        .collect()
}

#[test]
fn tail_and_follow_have_no_gap() {
    let (_folder, logs) = logs(LogLimits::default(), &[]);
    let log = logs.of(&key("a"));
    for number in 0..100 {
        log.write(OutputStream::Stdout, format!("line {number}\n").as_bytes());
    }
    let (last, mut reader) = log.tail(3);
    assert_eq!(texts(&last), ["line 97", "line 98", "line 99"]);
    assert!(reader.try_next().is_empty());
    log.write(OutputStream::Stderr, b"more\npart");
    assert_eq!(texts(&records(reader.try_next())), ["more"]);
    log.system("remark");
    assert_eq!(texts(&records(reader.try_next())), ["remark"]);
    log.finish(OutputStream::Stderr);
    assert_eq!(texts(&records(reader.try_next())), ["part"]);
    assert_eq!(logs.tail(&key("a"), 1000).len(), 103);
    assert_eq!(logs.tail(&key("none"), 10), []);
}

#[test]
fn bounded_by_bytes_and_counted() {
    let (folder, logs) = logs(
        LogLimits {
            bytes: 40_000,
            segments: 4,
        },
        &[],
    );
    let log = logs.of(&key("a/../b ü"));
    let mut early = log.follow();
    log.write(OutputStream::Stdout, b"first\n");
    assert_eq!(texts(&records(early.try_next())), ["first"]);
    let mut late = log.follow();
    for number in 0..5000 {
        log.write(OutputStream::Stdout, format!("line {number}\n").as_bytes());
    }
    let on_disk: u64 = walk(folder.path());
    assert!(on_disk <= 41_000, "{on_disk}");
    let tail = log.tail(10_000).0;
    assert_eq!(log.dropped() + tail.len() as u64, 5001);
    assert_eq!(texts(&tail).last().unwrap(), "line 4999");
    // One that had the first file open reads it to its end, then is told of the gap.
    let mut seen = 0;
    let mut gaps = 0;
    loop {
        let items = early.try_next();
        if items.is_empty() {
            break;
        }
        gaps += items
            .iter()
            .filter(|item| **item == LogItem::Dropped)
            .count();
        seen += items
            .iter()
            .filter(|item| **item != LogItem::Dropped)
            .count();
    }
    assert_eq!(gaps, 1);
    assert!(seen > tail.len());
    assert_eq!(late.try_next()[0], LogItem::Dropped);
}

fn walk(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| {
            let found = entry.metadata().unwrap();
            if found.is_dir() {
                walk(&entry.path())
            } else {
                found.len()
            }
        })
        .sum()
}

/// Lets a process write into a log through a pipe, as a workload does.
async fn run(log: &Arc<Log>, script: &str) {
    let request = crate::os::Spawn {
        program: "/bin/sh".into(),
        args: ["sh", "-c", script].map(Into::into).to_vec(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        directory: "/".into(),
        stdin: false,
        user: None,
        files: None,
    };
    let spawned = crate::os::spawn(&request, crate::os::Prepared::new(&request).unwrap()).unwrap();
    log.pump(OutputStream::Stdout, spawned.stdout);
    log.pump(OutputStream::Stderr, spawned.stderr);
    assert_eq!(spawned.exit.wait().await.unwrap(), 0);
    log.drained(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_line_of_100_mb_in_bounded_memory() {
    let (folder, logs) = logs(LogLimits::default(), &["a-secret-value"]);
    let log = logs.of(&key("a"));
    run(
        &log,
        "head -c 104857600 /dev/zero | tr '\\0' x; echo; echo done",
    )
    .await;
    let tail = log.tail(3).0;
    assert_eq!(texts(&tail[2..]), ["done"]);
    assert!(!tail[1].continues && tail[0].continues);
    assert_eq!(tail[0].text.len(), 64 << 10);
    assert!(log.dropped() > 1000);
    assert!(walk(folder.path()) < 17 << 20);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap();
    assert!(peak < 90_000, "{peak} kB");
}

#[tokio::test]
async fn any_bytes_and_a_secret_cut_in_two() {
    let (folder, logs) = logs(LogLimits::default(), &["hunter22-secret"]);
    let log = logs.of(&key("a"));
    // Two writes, and time for the first to be read.
    run(
        &log,
        "printf 'a\\0b\\377c\\r\\npw=hunter22'; sleep 0.1; printf -- '-secret!\\nhunter22-se'",
    )
    .await;
    let tail = log.tail(10).0;
    assert_eq!(tail[0].text, b"a\0b\xffc\r"[..]);
    assert_eq!(texts(&tail[1..]), ["pw=***!", "hunter22-se"]);
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder.path().join("logs/0000-a"))
        .unwrap()
        .flatten()
    {
        found.extend(std::fs::read(file.path()).unwrap());
    }
    assert!(!String::from_utf8_lossy(&found).contains("hunter22-secret"));
}

#[tokio::test]
async fn everybody_is_followed_in_turn() {
    let (_folder, logs) = logs(LogLimits::default(), &[]);
    let mut follower = logs.follow_all();
    logs.of(&key("early")).write(OutputStream::Stdout, b"1\n");
    let (name, items) = follower.next().await;
    assert_eq!(
        (name, texts(&records(items))),
        (key("early"), vec!["1".to_owned()])
    );
    let writer = Arc::clone(&logs);
    let written = tokio::spawn(async move {
        for number in 0..100 {
            for name in ["early", "late"] {
                writer
                    .of(&key(name))
                    .write(OutputStream::Stdout, format!("{number}\n").as_bytes());
            }
            tokio::task::yield_now().await;
        }
    });
    let mut seen: BTreeMap<ObjectKey, Vec<String>> = BTreeMap::new();
    while seen.values().map(Vec::len).sum::<usize>() < 200 {
        let (name, items) = follower.next().await;
        seen.entry(name).or_default().extend(texts(&records(items)));
    }
    written.await.unwrap();
    let expected: Vec<String> = (0..100).map(|number: u32| number.to_string()).collect();
    assert_eq!(seen[&key("early")], expected);
    assert_eq!(seen[&key("late")], expected);
    assert!(follower.try_next().is_none());
}
