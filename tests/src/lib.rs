//! What the black-box tests share: temporary projects, sessions of the real binary, and looks at
//! what it leaves on the machine.
//!
//! Knows the command line and the files of `aspire-host`, and no code of it. Every wait has an end
//! and a reason that is told; nothing waits for a time to pass.

pub mod clients;
pub mod compose;
pub mod engine;
pub mod http;
pub mod oracle;
pub mod outcome;
pub mod places;
pub mod processes;
pub mod project;
pub mod random;
pub mod redis;
pub mod secrets;
pub mod session;
pub mod table;
pub mod terminal;
pub mod wait;

pub use engine::Engine;
pub use outcome::Outcome;
pub use project::Project;
pub use session::Session;

/// The container engine; ends the test where there is none (and fails it under CI).
#[macro_export]
macro_rules! needs_engine {
    () => {
        match $crate::Engine::find() {
            Some(engine) => engine,
            None => return,
        }
    };
}

/// A program of the machine; ends the test where it is missing (and fails it under CI).
#[macro_export]
macro_rules! needs_program {
    ($program:literal, $hint:literal) => {
        if !$crate::places::has_program($program) {
            let message = concat!("no `", $program, "` on the PATH: ", $hint);
            assert!(!$crate::places::under_ci(), "{message}");
            $crate::places::say(&format!("skipped: {message}"));
            return;
        }
    };
}
