//! Inert WASI for language runtimes that insist on it.
//!
//! Whatever `wasi:*` a component imports is linked, by name, to a stub: an empty environment, no
//! files, a clock that stands still, random bytes that follow from the plugin and the call,
//! standard streams whose end is kept for messages. Everything else is a trap that says what is
//! missing. Nothing here reaches the machine, which is what makes build-time hooks pure.
//!
//! All WASI resources are one host type without contents: a handle only has to be there.

use aspire_model::hook::FailureKind;
use sha2::{Digest, Sha256};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, Resource, ResourceType, Val};
use wasmtime::{Engine, StoreContextMut};

use crate::state::CallState;
use crate::text::printable;

/// Any resource of WASI.
struct Inert;

/// `rep` of the handle of standard error; every other handle has 0.
const STDERR: u32 = 2;
const STDOUT: u32 = 1;

/// Random bytes handed out by one call of `get-random-bytes`.
const MAX_RANDOM: u64 = 64 << 10;

/// What a stub does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Nothing to return, or `ok` without a value.
    Done,
    EmptyList,
    None,
    /// A handle of this `rep`.
    Handle(u32),
    Number(u64),
    Yes,
    /// How much may be written now.
    Room,
    /// Writes the bytes in the second parameter.
    Write,
    /// The stream is closed.
    Closed,
    /// Every pollable is ready.
    AllReady,
    WallClock,
    RandomBytes,
    RandomNumber,
    /// A seed of hash tables.
    Seed,
    Text,
    Exit,
    Refuse,
}

/// Whether calling the stub says something about the plugin.
fn concern(interface: &str, function: &str) -> Option<&'static str> {
    match (interface, function) {
        ("wasi:clocks/monotonic-clock" | "wasi:clocks/wall-clock", "resolution")
        | ("wasi:random/insecure-seed", _) => None,
        ("wasi:clocks/monotonic-clock" | "wasi:clocks/wall-clock", _) => Some("the time"),
        ("wasi:random/random" | "wasi:random/insecure", _) => Some("random bytes"),
        _ => None,
    }
}

/// The answer of a function; `interface` is without version.
fn answer(interface: &str, function: &str) -> Answer {
    match (interface, function) {
        ("wasi:cli/environment", "get-environment" | "get-arguments")
        | ("wasi:filesystem/preopens", "get-directories") => Answer::EmptyList,
        ("wasi:cli/environment", "initial-cwd")
        | ("wasi:filesystem/types", "filesystem-error-code")
        | (
            "wasi:cli/terminal-stdin" | "wasi:cli/terminal-stdout" | "wasi:cli/terminal-stderr",
            _,
        ) => Answer::None,
        ("wasi:cli/exit", _) => Answer::Exit,
        ("wasi:cli/stdin", "get-stdin") => Answer::Handle(0),
        ("wasi:cli/stdout", "get-stdout") => Answer::Handle(STDOUT),
        ("wasi:cli/stderr", "get-stderr") => Answer::Handle(STDERR),
        ("wasi:io/error", "[method]error.to-debug-string") => Answer::Text,
        ("wasi:io/poll", "poll") => Answer::AllReady,
        ("wasi:io/poll", "[method]pollable.ready") => Answer::Yes,
        ("wasi:io/poll", "[method]pollable.block") => Answer::Done,
        ("wasi:io/streams", method) => match method.rsplit_once('.').map(|(_, name)| name) {
            Some("check-write") => Answer::Room,
            Some("write" | "blocking-write-and-flush") => Answer::Write,
            Some("flush" | "blocking-flush") => Answer::Done,
            Some("read" | "blocking-read" | "skip" | "blocking-skip") => Answer::Closed,
            Some("subscribe") => Answer::Handle(0),
            _ => Answer::Refuse,
        },
        ("wasi:clocks/monotonic-clock", "now") => Answer::Number(0),
        ("wasi:clocks/monotonic-clock", "resolution") => Answer::Number(1),
        ("wasi:clocks/monotonic-clock", "subscribe-instant" | "subscribe-duration") => {
            Answer::Handle(0)
        }
        ("wasi:clocks/wall-clock", "now" | "resolution") => Answer::WallClock,
        ("wasi:random/insecure-seed", _) => Answer::Seed,
        ("wasi:random/random", "get-random-bytes")
        | ("wasi:random/insecure", "get-insecure-random-bytes") => Answer::RandomBytes,
        ("wasi:random/random", "get-random-u64")
        | ("wasi:random/insecure", "get-insecure-random-u64") => Answer::RandomNumber,
        _ => Answer::Refuse,
    }
}

/// Links a stub for everything under `wasi:` that a component imports.
pub(crate) fn add_to_linker(
    linker: &mut Linker<CallState>,
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<()> {
    for (import, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            continue;
        };
        if !import.starts_with("wasi:") {
            continue;
        }
        let interface = import.split_once('@').map_or(import, |(name, _)| name);
        let mut linked = linker.instance(import)?;
        for (name, item) in instance.exports(engine) {
            match item.ty {
                ComponentItem::Resource(_) => {
                    linked.resource(name, ResourceType::host::<Inert>(), |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) => {
                    let (stub, concern) = (answer(interface, name), concern(interface, name));
                    let full = format!("{interface} {name}");
                    linked.func_new(name, move |store, _, parameters, results| {
                        call(store, stub, concern, &full, parameters, results)
                    })?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn call(
    mut store: StoreContextMut<'_, CallState>,
    stub: Answer,
    concern: Option<&str>,
    full: &str,
    parameters: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    if let Some(what) = concern {
        store.data_mut().impure.insert(format!("{what} (`{full}`)"));
    }
    let stream = release(&mut store, parameters)?;
    let value = match stub {
        Answer::Done if results.is_empty() => return Ok(()),
        Answer::Done => Val::Result(Ok(None)),
        Answer::EmptyList => Val::List(Vec::new()),
        Answer::None => Val::Option(None),
        Answer::Text => Val::String(String::new()),
        Answer::Yes => Val::Bool(true),
        Answer::Number(number) => Val::U64(number),
        Answer::Room => Val::Result(Ok(Some(Box::new(Val::U64(4_096))))),
        Answer::Closed => Val::Result(Err(Some(Box::new(Val::Variant("closed".to_owned(), None))))),
        Answer::WallClock => Val::Record(vec![
            ("seconds".to_owned(), Val::U64(0)),
            ("nanoseconds".to_owned(), Val::U32(0)),
        ]),
        Answer::Handle(rep) => {
            let handle = Resource::<Inert>::new_own(rep);
            Val::Resource(handle.try_into_resource_any(&mut store)?)
        }
        Answer::AllReady => {
            let [Val::List(pollables)] = parameters else {
                return Err(unexpected(full));
            };
            Val::List((0u32..).map(Val::U32).take(pollables.len()).collect())
        }
        Answer::Write => {
            let [_, Val::List(bytes)] = parameters else {
                return Err(unexpected(full));
            };
            write(store.data_mut(), stream, bytes);
            Val::Result(Ok(None))
        }
        Answer::Seed => {
            let state = store.data_mut();
            Val::Tuple(vec![Val::U64(random(state)), Val::U64(random(state))])
        }
        Answer::RandomNumber => Val::U64(random(store.data_mut())),
        Answer::RandomBytes => {
            let [Val::U64(count)] = parameters else {
                return Err(unexpected(full));
            };
            random_bytes(store.data_mut(), *count, full)?
        }
        Answer::Exit => {
            let code = match parameters {
                [Val::Result(Ok(_))] => 0,
                [Val::U8(code)] => *code,
                _ => 1,
            };
            return Err(store
                .data_mut()
                .stop(FailureKind::Trap(format!("it called exit({code})"))));
        }
        Answer::Refuse => {
            let text = format!(
                "`{}` is not available to build-time hooks",
                printable(full, false)
            );
            return Err(store.data_mut().stop(FailureKind::Trap(text)));
        }
    };
    if let Some(result) = results.first_mut() {
        *result = value;
    }
    Ok(())
}

fn unexpected(full: &str) -> wasmtime::Error {
    wasmtime::Error::msg(format!("`{full}` has unexpected parameters"))
}

/// Gives back every handle among the parameters, borrowed ones too: a call that keeps one is a
/// trap. The result is the `rep` of the first.
fn release(
    store: &mut StoreContextMut<'_, CallState>,
    parameters: &[Val],
) -> wasmtime::Result<Option<u32>> {
    let mut first = None;
    for parameter in parameters {
        let rep = match parameter {
            Val::Resource(handle) => Some(handle.try_into_resource::<Inert>(&mut *store)?.rep()),
            Val::List(values) if matches!(values.first(), Some(Val::Resource(_))) => {
                release(store, values)?
            }
            _ => None,
        };
        first = first.or(rep);
    }
    Ok(first)
}

/// Keeps the end of what is written to the standard streams.
fn write(state: &mut CallState, stream: Option<u32>, bytes: &[Val]) {
    let bytes = bytes.iter().filter_map(|byte| match byte {
        Val::U8(byte) => Some(*byte),
        _ => None,
    });
    let bytes: Vec<u8> = bytes.collect();
    let tail = if stream == Some(STDERR) {
        &mut state.stderr
    } else {
        &mut state.stdout
    };
    tail.write(&bytes);
}

/// A number that follows from the plugin, the call and how many were drawn before.
fn random(state: &mut CallState) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(state.identity.digest.as_bytes());
    hasher.update(state.call.as_bytes());
    hasher.update(state.random.to_le_bytes());
    state.random += 1;
    let digest = hasher.finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn random_bytes(state: &mut CallState, count: u64, full: &str) -> wasmtime::Result<Val> {
    if count > MAX_RANDOM {
        return Err(state.over(format!("random bytes, 64 KiB for each call of `{full}`")));
    }
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < count {
        bytes.extend(random(state).to_le_bytes().map(Val::U8));
    }
    bytes.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    Ok(Val::List(bytes))
}
