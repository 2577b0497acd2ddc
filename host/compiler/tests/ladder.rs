//! The ladder from text to model, objects and diagnostics, with a plugin written in Rust.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod it {
    mod bad_input;
    mod contract;
    mod documentation;
    mod merging;
    mod omission;
    mod run;
    pub(crate) mod support;
}
