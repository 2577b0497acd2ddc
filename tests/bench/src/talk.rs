//! What the processes say whose output is measured. Parts that run in processes of their own.

use std::io::{self, Write as _};
use std::time::Duration;

use crate::Result;
use crate::clock::now;

/// A line of a server's log, about as long as such lines are.
pub(crate) const LINE: &str =
    "a line of a server's log, about as long as such lines are: GET /orders 200";
/// Between two lines of somebody who says little.
const PAUSE: Duration = Duration::from_millis(20);

/// `bench part talk`: says so many lines, each with a write of its own, as programs do that want to
/// be heard; then stamps its first and its last one.
pub(crate) fn lines(count: &str, stamp: &str) -> Result<()> {
    let count: usize = count.parse().map_err(|_| "a number of lines is expected")?;
    let said = |error: io::Error| error.to_string();
    // Not line by line by itself, but exactly as it is told.
    let mut out = std::fs::File::from(
        std::os::fd::AsFd::as_fd(&io::stdout())
            .try_clone_to_owned()
            .map_err(said)?,
    );
    let start = now();
    for number in 0..count {
        out.write_all(format!("{number:06} {LINE}\n").as_bytes())
            .map_err(said)?;
    }
    std::fs::write(stamp, format!("{start} {}\n", now())).map_err(said)
}

/// `bench part tick`: says what time it is, so many times.
pub(crate) fn ticks(count: &str) -> Result<()> {
    let count: usize = count.parse().map_err(|_| "a number of lines is expected")?;
    let mut out = io::stdout().lock();
    for _ in 0..count {
        std::thread::sleep(PAUSE);
        writeln!(out, "{}", now()).map_err(|error| error.to_string())?;
    }
    Ok(())
}
