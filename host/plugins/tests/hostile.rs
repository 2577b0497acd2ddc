//! Hostile guests: each costs its own call and nothing else.

mod support;

use std::time::{Duration, Instant};

use aspire_model::hook::FailureKind;
use aspire_model::{Edit, Shape};
use aspire_plugins::{Config, Limits, PluginHost};
use support::{Guest, context, declaration, expand, granted, graph, guest_error, host, snapshot};

/// A guest that behaves.
fn good() -> Guest {
    Guest {
        id: "good",
        expand: r#"(call $add (local.get $t) (local.get $name) (local.get $len) "thing" "container")
                   (call $set-text (local.get $t) (local.get $name) (local.get $len) "image" "thing:1")"#,
        ..Guest::default()
    }
}

/// Whatever happened before, another plugin answers.
fn still_works(host: &PluginHost) {
    let transaction = expand(&good().load(host)).expect("the other plugin is fine");
    assert_eq!(transaction.edits.len(), 2);
}

fn failure_of(guest: Guest) -> FailureKind {
    let host = host();
    let plugin = guest.load(&host);
    let failure = expand(&plugin).expect_err("it is hostile");
    assert_eq!(failure.plugin, plugin.id());
    assert_eq!(failure.call, "expand(one)");
    let again = expand(&plugin).expect_err("it is hostile every time");
    assert_eq!(failure, again, "equal inputs, equal failures");
    still_works(&host);
    failure.kind
}

fn mistake_of(expand_body: &'static str) -> (String, String, Option<String>) {
    match failure_of(Guest {
        expand: expand_body,
        ..Guest::default()
    }) {
        FailureKind::Guest(error) => (error.code, error.message, error.help),
        other => panic!("expected a mistake, not {other:?}"),
    }
}

#[test]
fn a_good_guest() {
    let host = host();
    let plugin = good().load(&host);
    assert_eq!(plugin.id(), "good");
    assert!(plugin.is_provably_pure());
    let transaction = expand(&plugin).expect("it works");
    assert!(
        matches!(&transaction.edits[0], Edit::AddResource { name, shape: Shape::Container, .. } if name.as_str() == "one")
    );
    assert_eq!(transaction.author.plugin(), Some("good"));
}

#[test]
fn loops_for_ever() {
    let guest = || Guest {
        expand: "(loop $l (br $l))",
        ..Guest::default()
    };
    // With the default limits fuel runs out or time does, whichever is sooner on this machine.
    let host = host();
    let failure = expand(&guest().load(&host)).expect_err("it never comes back");
    assert!(
        matches!(
            failure.kind,
            FailureKind::Limit(_) | FailureKind::Timeout(_)
        ),
        "{failure:?}"
    );
    still_works(&host);

    let limits = |fuel, deadline| Limits {
        fuel,
        deadline,
        ..Limits::default()
    };
    let with = |limits| {
        PluginHost::new(Config {
            limits,
            ..Config::default()
        })
        .expect("a host")
    };
    let host = with(limits(1_000_000, Duration::from_secs(60)));
    let failure = expand(&guest().load(&host)).expect_err("it never comes back");
    assert_eq!(
        failure.kind,
        FailureKind::Limit("computation, 1,000,000 units of fuel".into())
    );
    assert_eq!(
        failure.to_string(),
        "plugin hostile 0.1.0, expand(one): it went over its limit of computation, 1,000,000 units of fuel"
    );

    let host = with(limits(u64::MAX, Duration::from_millis(100)));
    let plugin = guest().load(&host);
    let start = Instant::now();
    let failure = expand(&plugin).expect_err("it never comes back");
    assert_eq!(
        failure.kind,
        FailureKind::Timeout(Duration::from_millis(100))
    );
    assert!(
        start.elapsed() >= Duration::from_millis(100),
        "{:?}",
        start.elapsed()
    );
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    still_works(&host);
}

#[test]
fn loops_in_describe() {
    let limits = Limits {
        describe_deadline: Duration::from_millis(50),
        ..Limits::default()
    };
    let host = PluginHost::new(Config {
        limits,
        ..Config::default()
    })
    .expect("a host");
    let guest = Guest {
        describe: "(loop $l (br $l))",
        ..Guest::default()
    };
    let error = host
        .load_one(&guest.source())
        .expect_err("it never comes back");
    assert_eq!(error.code(), "plugin-timeout");
    still_works(&host);
}

#[test]
fn allocates_without_end() {
    let kind = failure_of(Guest {
        expand: "(loop $l (drop (memory.grow (i32.const 16))) (br $l))",
        ..Guest::default()
    });
    assert_eq!(kind, FailureKind::Limit("memory, 64 MiB".into()));
}

#[test]
fn grows_a_table_without_end() {
    let kind = failure_of(Guest {
        items: "(table $table 1 funcref)".into(),
        expand: "(loop $l (drop (table.grow $table (ref.null func) (i32.const 1000))) (br $l))",
        ..Guest::default()
    });
    assert_eq!(kind, FailureKind::Limit("tables, 20,000 elements".into()));
}

#[test]
fn recurses_without_end() {
    let kind = failure_of(Guest {
        items: "(func $deep (param i64) (call $deep (i64.add (local.get 0) (i64.const 1))))".into(),
        expand: "(call $deep (i64.const 0))",
        ..Guest::default()
    });
    assert!(
        matches!(&kind, FailureKind::Trap(text) if text.contains("stack")),
        "{kind:?}"
    );
}

#[test]
fn traps() {
    let host = host();
    let guest = Guest {
        items: "(func $culprit unreachable)".into(),
        expand: "(call $culprit)",
        ..Guest::default()
    };
    let failure = expand(&guest.load(&host)).expect_err("it traps");
    let FailureKind::Trap(text) = &failure.kind else {
        panic!("{failure:?}")
    };
    assert!(text.contains("unreachable"), "{text}");
    assert_eq!(
        failure.backtrace.first().map(String::as_str),
        Some("culprit"),
        "{failure:?}"
    );
    still_works(&host);
}

#[test]
fn returns_a_million_resources() {
    let kind = failure_of(Guest {
        expand: r#"(local.set $i (i32.const 1000000))
            (loop $l
              (call $add (local.get $t) (local.get $name) (local.get $len) "thing" "container")
              (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))"#,
        ..Guest::default()
    });
    assert_eq!(
        kind,
        FailureKind::Limit("added resources, 10,000 for each call".into())
    );
}

#[test]
fn edits_a_million_times() {
    let kind = failure_of(Guest {
        expand: r#"(local.set $i (i32.const 1000000))
            (loop $l
              (call $set-text (local.get $t) (local.get $name) (local.get $len) "image" "x")
              (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))"#,
        ..Guest::default()
    });
    assert_eq!(
        kind,
        FailureKind::Limit("edits, 100,000 for each call".into())
    );
}

#[test]
fn hands_over_too_much() {
    let much = r#"(drop (memory.grow (i32.const 200)))
        (loop $l
          (call $set-text (local.get $t) (local.get $name) (local.get $len) "image" (i32.const 0) (i32.const 10000000))
          (br $l))"#;
    let kind = failure_of(Guest {
        expand: much,
        ..Guest::default()
    });
    assert_eq!(kind, FailureKind::Limit("results, 64 MiB".into()));
    let at_once = r#"(drop (memory.grow (i32.const 400)))
        (call $set-text (local.get $t) (local.get $name) (local.get $len) "image" (i32.const 0) (i32.const 20000000))"#;
    let kind = failure_of(Guest {
        expand: at_once,
        ..Guest::default()
    });
    assert_eq!(
        kind,
        FailureKind::Limit("data in one call of the host, 16 MiB".into())
    );
}

#[test]
fn hoards_handles() {
    let kind = failure_of(Guest {
        expand: "(loop $l (drop (call $edits.begin)) (br $l))",
        ..Guest::default()
    });
    assert_eq!(kind, FailureKind::Limit("handles, 10,000 at once".into()));
}

#[test]
fn logs_without_end_and_lives() {
    let host = host();
    let guest = Guest {
        expand: r#"(local.set $i (i32.const 10000))
            (loop $l
              (call $log "info" "a line of log that is repeated")
              (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))"#,
        ..Guest::default()
    };
    assert!(
        expand(&guest.load(&host))
            .expect("logging is no crime")
            .edits
            .is_empty()
    );
}

#[test]
fn invalid_edits() {
    let (code, message, _) = mistake_of(r#"(call $add (local.get $t) "a b" "thing" "container")"#);
    assert_eq!(code, "invalid-edit");
    assert_eq!(
        message,
        "add-resource: `a b` contains ` `; letters, digits and hyphens are allowed"
    );
    let (_, message, help) = mistake_of(r#"(call $add (local.get $t) "a" "thing" "cluster")"#);
    assert_eq!(message, "add-resource: `cluster` is no shape");
    assert!(help.is_some_and(|help| help.contains("container, executable")));
    let (_, message, help) = mistake_of(r#"(call $set-text (local.get $t) "a" "imgae" "x")"#);
    assert_eq!(message, "set-text: there is no fact `imgae`");
    assert_eq!(help.as_deref(), Some("did you mean `image`?"));
    let (_, message, _) = mistake_of(r#"(call $set-text (local.get $t) "a" "env" "x")"#);
    assert_eq!(message, "set-text: `env` is a map, each entry a value");
    let (_, message, _) =
        mistake_of(r#"(call $set-number (local.get $t) "a" "replicas" (i64.const -1))"#);
    assert_eq!(message, "set-number: `replicas` cannot be -1");
}

#[test]
fn unknown_op() {
    // A list of one segment at 1024: op, subject, name, arg (pointer and length each), flags.
    let (_, message, _) = mistake_of(
        r#"(i32.store (i32.const 2048) (i32.const 0x67676c65))
           (i32.store (i32.const 1024) (i32.const 2048)) (i32.store (i32.const 1028) (i32.const 4))
           (call $set-value (local.get $t) "a" "command" (i32.const 1024) (i32.const 1))"#,
    );
    assert_eq!(
        message,
        "set-value: unknown op `elgg`; interface 0.1.0 has lit, param, endpoint, prop, conn, output, path, port, if, else, end"
    );
}

#[test]
fn garbage_strings() {
    // Not UTF-8, and out of bounds.
    let kind = failure_of(Guest {
        expand: r#"(i32.store (i32.const 1024) (i32.const 0xfffefdfc))
            (call $set-text (local.get $t) "a" "image" (i32.const 1024) (i32.const 4))"#,
        ..Guest::default()
    });
    assert!(
        matches!(&kind, FailureKind::Trap(text) if text.contains("utf-8")),
        "{kind:?}"
    );
    let kind = failure_of(Guest {
        expand: r#"(call $set-text (local.get $t) "a" "image" (i32.const -64) (i32.const 1024))"#,
        ..Guest::default()
    });
    assert!(matches!(&kind, FailureKind::Trap(_)), "{kind:?}");
    // Very long names must not take long to refuse.
    let start = Instant::now();
    let (_, message, _) = mistake_of(
        r#"(drop (memory.grow (i32.const 200)))
           (memory.fill (i32.const 200000) (i32.const 97) (i32.const 12000000))
           (call $set-text (local.get $t) (i32.const 200000) (i32.const 12000000) "image" "x")"#,
    );
    assert!(message.contains("longer than 64"), "{message}");
    let (_, message, _) = mistake_of(
        r#"(drop (memory.grow (i32.const 200)))
           (memory.fill (i32.const 200000) (i32.const 97) (i32.const 12000000))
           (call $set-text (local.get $t) "a" (i32.const 200000) (i32.const 12000000) "x")"#,
    );
    assert!(
        message.starts_with("set-text: there is no fact `aaaa"),
        "{message}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn reaches_for_what_is_not_there() {
    let (code, message, help) = mistake_of("(drop (call $model.current))");
    assert_eq!(code, "not-available");
    assert_eq!(message, "`model.current` is not available in expand(one)");
    assert_eq!(
        help.as_deref(),
        Some("it is there for passes and publishers")
    );
    let (code, ..) = mistake_of("(drop (call $artifacts.begin))");
    assert_eq!(code, "not-available");
    let (code, ..) = mistake_of("(drop (call $registry.begin))");
    assert_eq!(code, "not-available");
}

#[test]
fn a_pass_reads_and_the_reads_are_noted() {
    let host = host();
    let guest = Guest {
        run: r#"(call $select (local.get $s) "kind=thing" (i32.const 1024))
                (call $text (local.get $s) "r1" "image" (i32.const 1024))"#,
        ..Guest::default()
    };
    let plugin = granted(&guest.load(&host));
    let snapshot = snapshot(3);
    plugin.run("sweep", &snapshot).expect("it works");
    let reads: Vec<String> = snapshot.reads().0.into_iter().collect();
    assert_eq!(reads, ["*/kind=thing", "r1/image"]);

    let guest = Guest {
        run: r#"(call $select (local.get $s) "colour=red" (i32.const 1024))"#,
        ..Guest::default()
    };
    let failure = granted(&guest.load(&host))
        .run("sweep", &snapshot)
        .expect_err("a bad selector");
    let (code, message) = guest_error(&failure);
    assert_eq!(code, "invalid-read");
    assert!(
        message.starts_with("select: `colour=red` is no selector term"),
        "{message}"
    );
}

#[test]
fn artifacts_stay_where_they_belong() {
    use aspire_model::construct::Artifact;
    let host = host();
    let graph = std::sync::Arc::new(graph("files"));
    let publish = |body: &'static str| {
        let guest = Guest {
            publish: body,
            ..Guest::default()
        };
        granted(&guest.load(&host)).publish("files", &snapshot(1), &graph)
    };
    let publication = publish(r#"(call $write (local.get $o) "a/b.txt" "hello")"#).expect("fine");
    assert_eq!(
        publication.files["a/b.txt"],
        Artifact::Contents(b"hello".to_vec())
    );
    for outside in [
        r#"(call $write (local.get $o) "../b.txt" "hello")"#,
        r#"(call $write (local.get $o) "/etc/passwd" "hello")"#,
        r#"(call $copy (local.get $o) "passwd" "/etc/passwd")"#,
    ] {
        let failure = publish(outside).expect_err("it leaves the folder");
        assert_eq!(guest_error(&failure).0, "invalid-artifact");
    }
}

#[test]
fn ten_thousand_calls() {
    let host = host();
    let plugin = granted(&good().load(&host));
    let (declaration, context) = (declaration("one"), context());
    let batch = || {
        let start = Instant::now();
        for _ in 0..1_000 {
            plugin.expand(&declaration, &context).expect("it works");
        }
        start.elapsed() / 1_000
    };
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        status
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse::<u64>().ok())
            .unwrap_or(0)
            * 4
    };
    let (first, before) = (batch(), resident());
    let times: Vec<_> = (0..9).map(|_| batch()).collect();
    let after = resident();
    let best = times.iter().min().expect("nine");
    assert!(
        *best < first * 3,
        "calls become slower: {first:?}, then {times:?}"
    );
    assert!(
        after < before + 16_384,
        "calls leak: {before} KiB, then {after} KiB"
    );
}
