//! From an engine's error to a failure that says what happened, and where in the guest.

use std::time::Duration;

use aspire_model::hook::{FailureKind, HookFailure};
use wasmtime::{FrameInfo, Trap, WasmBacktrace};

use crate::limits;
use crate::state::{CallState, Identity};
use crate::text::{printable, shortened};

/// Characters of the digest that a message shows.
const DIGEST_SHOWN: usize = 12;
/// What a function without a name is called.
const UNNAMED: &str = "function ";
/// Frames of a backtrace that a message shows.
const FRAMES_SHOWN: usize = 16;

/// What the call may use, for the message that says that it was not enough.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) fuel: u64,
    pub(crate) deadline: Duration,
}

/// A failure of a call, of any kind.
pub(crate) fn failed(state: &CallState, kind: FailureKind, backtrace: Vec<String>) -> HookFailure {
    let Identity {
        id,
        version,
        digest,
    } = &*state.identity;
    HookFailure {
        kind,
        plugin: id.to_string(),
        version: version.to_string(),
        digest: digest.chars().take(DIGEST_SHOWN).collect(),
        call: state.call.clone(),
        backtrace,
        stderr: state.stderr.lines(),
    }
}

/// A failure of a call that the engine has ended.
pub(crate) fn stopped(
    mut state: CallState,
    error: &wasmtime::Error,
    budget: Budget,
) -> HookFailure {
    let kind = match state.stop.take() {
        Some(kind) => kind,
        None => classify(&state, error, budget),
    };
    let backtrace = error
        .downcast_ref::<WasmBacktrace>()
        .map(frames)
        .unwrap_or_default();
    failed(&state, kind, backtrace)
}

fn classify(state: &CallState, error: &wasmtime::Error, budget: Budget) -> FailureKind {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => {
            let units = limits::grouped(budget.fuel);
            FailureKind::Limit(format!("computation, {units} units of fuel"))
        }
        Some(Trap::Interrupt) => FailureKind::Timeout(budget.deadline),
        Some(trap) => {
            FailureKind::Trap(panic_text(&state.stderr.lines()).unwrap_or_else(|| trap.to_string()))
        }
        None => untyped(state, &error.root_cause().to_string()),
    }
}

/// Errors of the engine that have no type that we could see.
fn untyped(state: &CallState, text: &str) -> FailureKind {
    if text.contains("fuel allocated for hostcalls") {
        let limit = limits::bytes(state.limits.host_call_bytes as u64);
        FailureKind::Limit(format!("data in one call of the host, {limit}"))
    } else if text.contains("handle") && (text.contains("limit") || text.contains("too many")) {
        let limit = limits::grouped(state.limits.handles as u64);
        FailureKind::Limit(format!("handles, {limit} at once"))
    } else {
        FailureKind::Trap(shortened(text))
    }
}

/// The text of a Rust panic: place and message.
fn panic_text(stderr: &[String]) -> Option<String> {
    let at = stderr
        .iter()
        .rposition(|line| line.contains("panicked at "))?;
    let line = &stderr[at];
    let place = line.split_once("panicked at ")?.1.trim_end_matches(':');
    let message: Vec<&str> = stderr[at + 1..]
        .iter()
        .map(String::as_str)
        .take_while(|line| !line.starts_with("note: ") && !line.starts_with("stack backtrace:"))
        .collect();
    Some(match message.as_slice() {
        [] => format!("panicked at {place}"),
        lines => format!("panicked at {place}: {}", lines.join(" ")),
    })
}

/// Readable frames, innermost first, without those of panic machinery and glue.
fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    let all: Vec<(String, String)> = backtrace.frames().iter().map(name_and_place).collect();
    let own: Vec<String> = all
        .iter()
        .filter(|(name, _)| !is_runtime(name))
        .map(|(name, place)| format!("{name}{place}"))
        .collect();
    let shown = if own.is_empty() {
        all.into_iter().map(|(name, place)| name + &place).collect()
    } else {
        own
    };
    shown.into_iter().take(FRAMES_SHOWN).collect()
}

fn name_and_place(frame: &FrameInfo) -> (String, String) {
    let raw = frame
        .symbols()
        .first()
        .and_then(|symbol| symbol.name())
        .or(frame.func_name());
    let name = raw.map_or_else(
        || format!("{UNNAMED}{}", frame.func_index()),
        |raw| shortened_name(&format!("{:#}", rustc_demangle::demangle(raw))),
    );
    let place = frame.symbols().first().and_then(|symbol| {
        let file = printable(symbol.file()?, false);
        Some(format!(" ({file}:{})", symbol.line()?))
    });
    (name, place.unwrap_or_default())
}

fn shortened_name(name: &str) -> String {
    const KEPT: usize = 200;
    printable(&name[..name.floor_char_boundary(KEPT)], false)
}

/// Functions that are in every backtrace and say nothing: panic machinery, allocators, glue.
fn is_runtime(name: &str) -> bool {
    const PREFIXES: [&str; 17] = [
        "std::",
        "core::",
        "alloc::",
        "<std::",
        "<core::",
        "<alloc::",
        "__rust",
        "rust_",
        "__wasm",
        "__wasi",
        "_initialize",
        "cabi_realloc",
        "wit_bindgen",
        "streams_method_",
        "aspire_sdk::glue",
        "aspire_sdk::bindings",
        "<aspire_sdk::glue",
    ];
    const NAMES: [&str; 9] = [
        "abort", "calloc", "dlmalloc", "free", "malloc", "realloc", "sbrk", "write", "writev",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || NAMES.contains(&name)
        || name.starts_with(UNNAMED)
        || name.contains("::_export_")
        || name.contains("aspire:host/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_panic() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let stderr = lines(
            "hello\nthread '<unnamed>' (1) panicked at src/lib.rs:7:9:\nno such policy\nnote: run with `RUST_BACKTRACE=1`",
        );
        assert_eq!(
            panic_text(&stderr).as_deref(),
            Some("panicked at src/lib.rs:7:9: no such policy")
        );
        assert_eq!(panic_text(&lines("hello")), None);
    }
}
