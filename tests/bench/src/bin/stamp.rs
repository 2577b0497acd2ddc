//! A child of the benchmarks: writes the time of its start (nanoseconds of the monotonic clock) to
//! the file that is named, and stays.

use std::process::ExitCode;

use rustix::time::{ClockId, clock_gettime};

fn main() -> ExitCode {
    // First of all: everything after this is no part of what is measured.
    let now = clock_gettime(ClockId::Monotonic);
    let Some(path) = std::env::args_os().nth(1) else {
        return ExitCode::from(2);
    };
    let stamp = format!("{}{:09}\n", now.tv_sec, now.tv_nsec);
    if std::fs::write(path, stamp).is_err() {
        return ExitCode::FAILURE;
    }
    loop {
        std::thread::park();
    }
}
