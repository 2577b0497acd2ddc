//! Waiting for something that nobody announces, with an end.

use std::time::{Duration, Instant};

/// For what usually takes a moment, on a machine with other things to do.
pub const SOON: Duration = Duration::from_secs(30);
/// For what starts containers or compiles.
pub const LONG: Duration = Duration::from_secs(120);

/// Looks again and again until there is something.
///
/// # Panics
/// It takes too long; the message says what was waited for.
pub fn until<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {limit:?} for this: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
