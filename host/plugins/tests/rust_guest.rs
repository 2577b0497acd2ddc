//! Plugins built with the SDK, when they are there: `cargo build --target wasm32-wasip2
//! --profile plugin -p aspire-plugin-redis -p aspire-guest-hostile`.

#![expect(
    clippy::print_stderr,
    reason = "a test that was skipped, or measured, says so"
)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aspire_model::hook::FailureKind;
use aspire_model::{Declaration, Edit, Field};
use aspire_plugins::Loaded;
use support::{built, caching, context, declaration, granted, host};

fn redis() -> Option<Arc<Loaded>> {
    let source = built("redis")?;
    Some(
        host()
            .load_one(&source)
            .unwrap_or_else(|error| panic!("{error}\n{error:?}")),
    )
}

fn of_kind(kind: &str, options: serde_json::Value) -> Arc<Declaration> {
    let mut declaration = (*declaration("cache")).clone();
    declaration.kind = kind.into();
    declaration.options = Arc::new(options);
    Arc::new(declaration)
}

#[test]
fn describes_itself() {
    let Some(redis) = redis() else { return };
    assert_eq!(redis.id(), "redis");
    assert!(!redis.is_provably_pure(), "Rust's own runtime imports WASI");
    assert_eq!(redis.descriptor().kinds[0].name, "redis");
    assert!(redis.warnings().is_empty(), "{:?}", redis.warnings());
    let inspection = redis.inspection();
    assert!(
        inspection
            .imports
            .iter()
            .any(|import| import.starts_with("aspire:host/edits@"))
    );
    assert_eq!(inspection.sha256.len(), 64);
}

#[test]
fn expands_a_declaration() {
    let Some(redis) = redis() else { return };
    let plugin = granted(&redis);
    let transaction = plugin
        .expand(&of_kind("redis", serde_json::json!({})), &context())
        .unwrap_or_else(|failure| panic!("{failure}\n{failure:?}"));
    let sets = |wanted: Field| {
        transaction
            .edits
            .iter()
            .any(|edit| matches!(edit, Edit::Set { key, .. } if key.field == wanted))
    };
    for field in [
        Field::Image,
        Field::Endpoints,
        Field::Health,
        Field::ConnectionString,
    ] {
        assert!(sets(field), "{field:?} in {:#?}", transaction.edits);
    }
    let again = plugin.expand(&of_kind("redis", serde_json::json!({})), &context());
    assert_eq!(
        again.as_ref(),
        Ok(&transaction),
        "equal inputs, equal results"
    );
}

/// Measures; the bounds are wide, since tests run unoptimised and beside each other.
#[test]
fn is_fast_enough() {
    let Some(source) = built("redis") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let start = Instant::now();
    let cold = caching(folder.path()).load_one(&source).expect("it loads");
    let compiled = start.elapsed();
    assert!(!cold.from_cache());

    let host = caching(folder.path());
    let mut loads: Vec<Duration> = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        let warm = host.load_one(&source).expect("it loads");
        loads.push(start.elapsed());
        assert!(warm.from_cache());
    }
    let plugin = granted(&cold);
    let declaration = of_kind("redis", serde_json::json!({}));
    let mut calls: Vec<Duration> = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        plugin.expand(&declaration, &context()).expect("it works");
        calls.push(start.elapsed());
    }
    loads.sort();
    calls.sort();
    eprintln!(
        "compiling {compiled:?}, a warm load {:?}, a call of expand {:?} (medians)",
        loads[loads.len() / 2],
        calls[calls.len() / 2]
    );
    assert!(loads[0] < Duration::from_millis(50), "{loads:?}");
    assert!(calls[0] < Duration::from_millis(20), "{calls:?}");
}

#[test]
fn failures_of_a_rust_guest_say_where() {
    let Some(source) = built("hostile") else {
        return;
    };
    let host = host();
    let loaded = host.load_one(&source).expect("it loads");
    let plugin = granted(&loaded);
    let fail = |does: &str| {
        let declaration = of_kind("hostile", serde_json::json!({ "does": does }));
        plugin.expand(&declaration, &context()).expect_err(does)
    };
    let panic = fail("panic");
    let FailureKind::Trap(text) = &panic.kind else {
        panic!("{panic:?}")
    };
    assert!(
        text.starts_with("panicked at") && text.ends_with(": the guest gives up on purpose"),
        "{text}"
    );
    assert!(
        panic
            .stderr
            .iter()
            .any(|line| line == "the guest gives up on purpose"),
        "{panic:?}"
    );
    let expand = "<hostile::Hostile as aspire_sdk::hook::Integration>::expand";
    assert_eq!(panic.backtrace, [expand]);
    let details = aspire_plugins::failure_diagnostic(&panic).details;
    assert!(details.contains(&format!("at {expand}")), "{details:?}");
    assert!(matches!(fail("trap").kind, FailureKind::Trap(text) if text.contains("unreachable")));
    assert_eq!(
        fail("allocate").kind,
        FailureKind::Limit("memory, 64 MiB".into())
    );
    let spin = fail("loop");
    assert!(
        matches!(spin.kind, FailureKind::Limit(_) | FailureKind::Timeout(_)),
        "{spin:?}"
    );
    assert_eq!(spin.backtrace, ["hostile::spin", expand]);
    assert!(matches!(fail("million").kind, FailureKind::Limit(_)));
    let FailureKind::Guest(error) = fail("error").kind else {
        panic!("a guest error")
    };
    assert_eq!(error.code, "hostile:refused");
    assert_eq!(error.location, Some(("cache".into(), "/does".into())));
    let FailureKind::Guest(error) = fail("bad-name").kind else {
        panic!("a mistake")
    };
    assert_eq!(error.code, "invalid-edit");
}
