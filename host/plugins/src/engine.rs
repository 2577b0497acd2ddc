//! The one engine of the process, and the clock that stops guests which don't come back.
//!
//! Knows how code is generated: deterministically, metered by fuel, interruptible by epochs.
//! Doesn't know plugins.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::{Config, Engine, EngineWeak, WasmBacktraceDetails};

/// How often the epoch advances while a call is in flight.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Frames of a guest backtrace that are looked at.
const MAX_FRAMES: NonZeroUsize = NonZeroUsize::new(50).expect("50 is not zero");

/// The engine with its clock. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    ticker: Arc<Ticker>,
}

struct Ticker {
    calls: Arc<AtomicUsize>,
    thread: OnceLock<Thread>,
}

/// A call in flight. While one exists, the epoch advances.
pub(crate) struct InFlight {
    calls: Arc<AtomicUsize>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.calls.fetch_sub(1, Ordering::Release);
    }
}

impl Runtime {
    /// The process's engine; made at the first call.
    pub(crate) fn shared() -> Result<Self, String> {
        static SHARED: OnceLock<Result<Runtime, String>> = OnceLock::new();
        SHARED.get_or_init(Self::start).clone()
    }

    fn start() -> Result<Self, String> {
        let engine = Engine::new(&configuration()).map_err(|error| format!("{error:#}"))?;
        let ticker = Ticker {
            calls: Arc::default(),
            thread: OnceLock::new(),
        };
        Ok(Self {
            engine,
            ticker: Arc::new(ticker),
        })
    }

    /// Keeps the clock running until the result is dropped.
    pub(crate) fn begin_call(&self) -> InFlight {
        let calls = Arc::clone(&self.ticker.calls);
        if calls.fetch_add(1, Ordering::AcqRel) == 0 {
            self.ticker
                .thread
                .get_or_init(|| tick(self.engine.weak(), Arc::clone(&calls)))
                .unpark();
        }
        InFlight { calls }
    }

    /// Ticks until a deadline, rounded up, plus the one that may be about to come.
    pub(crate) fn ticks(wall: Duration) -> u64 {
        let ticks = wall
            .as_millis()
            .div_ceil(TICK.as_millis())
            .saturating_add(1);
        u64::try_from(ticks).unwrap_or(u64::MAX / 2)
    }

    /// What native code has to have in common to be exchangeable.
    pub(crate) fn compatibility(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.engine
            .precompile_compatibility_hash()
            .hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

fn configuration() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .wasm_backtrace_max_frames(Some(MAX_FRAMES));
    config
}

/// Starts the clock. It sleeps for good while no call is in flight, and ends with the engine.
fn tick(engine: EngineWeak, calls: Arc<AtomicUsize>) -> Thread {
    let body = move || {
        loop {
            if calls.load(Ordering::Acquire) == 0 {
                thread::park();
                continue;
            }
            thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    };
    // Without the clock a guest is still stopped by its fuel, so a machine that is out of threads
    // is no reason to give up.
    match thread::Builder::new()
        .name("plugin-clock".into())
        .spawn(body)
    {
        Ok(handle) => handle.thread().clone(),
        Err(_) => thread::current(),
    }
}
