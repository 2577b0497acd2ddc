//! Requests to stop: Ctrl-C, and what a system or a closing terminal sends; and a terminal's new size.
//!
//! Doesn't know what stopping means.

use std::io;

#[cfg(unix)]
mod system {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// The signals that ask for an end.
    pub(crate) struct Signals {
        interrupt: Signal,
        terminate: Signal,
        hangup: Signal,
    }

    /// The signal that tells of a terminal's new size.
    pub(crate) struct Resizes(Signal);

    impl Resizes {
        pub(super) fn new() -> io::Result<Self> {
            signal(SignalKind::window_change()).map(Self)
        }

        /// The next one.
        pub(crate) async fn next(&mut self) {
            // A stream of signals doesn't end.
            let _ = self.0.recv().await;
        }
    }

    impl Signals {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hangup: signal(SignalKind::hangup())?,
            })
        }

        /// The next one.
        pub(crate) async fn next(&mut self) {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
                _ = self.hangup.recv() => {}
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    /// Ctrl-C.
    pub(crate) struct Signals;

    /// Not told here: the next change draws the table anew.
    pub(crate) struct Resizes;

    impl Resizes {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        /// Never.
        pub(crate) async fn next(&mut self) {
            std::future::pending::<()>().await;
        }
    }

    impl Signals {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        /// The next one.
        pub(crate) async fn next(&mut self) {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

pub(crate) use system::{Resizes, Signals};

/// From now on, signals ask instead of killing.
///
/// # Errors
/// The system's.
pub(crate) fn listen() -> io::Result<Signals> {
    Signals::new()
}

/// From now on, new sizes of the terminal are told.
///
/// # Errors
/// The system's.
pub(crate) fn resizes() -> io::Result<Resizes> {
    Resizes::new()
}
