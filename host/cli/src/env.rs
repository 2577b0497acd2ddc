//! The environment variables that the binary itself reads, in one place.
//!
//! Knows their names. Doesn't know what they decide, and never writes one.

use std::ffi::OsString;
use std::path::PathBuf;

/// A variable as text; a value that is no UTF-8 counts as not set.
pub(crate) fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Colour is unwanted: <https://no-color.org>.
pub(crate) fn no_color() -> bool {
    text("NO_COLOR").is_some() || text("TERM").as_deref() == Some("dumb")
}

/// More folders with plugins, like `PATH`.
pub(crate) fn plugin_path() -> Vec<PathBuf> {
    std::env::var_os("ASPIRE_HOST_PLUGIN_PATH")
        .map(split)
        .unwrap_or_default()
}

/// The operator's policy, beside the one of the machine.
pub(crate) fn policy() -> Option<PathBuf> {
    std::env::var_os("ASPIRE_HOST_POLICY")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// The token of a control plane, where clients have it already; by our own name or by DCP's.
pub(crate) fn control_plane_token() -> Option<String> {
    text("ASPIRE_HOST_TOKEN").or_else(|| text("DCP_SECURE_TOKEN"))
}

/// Folders with programs.
pub(crate) fn program_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(split).unwrap_or_default()
}

/// The editor's or the user's number of columns, for output that is no terminal.
pub(crate) fn columns() -> Option<usize> {
    text("COLUMNS")?.parse().ok()
}

/// Backtraces of the host itself are wanted.
pub(crate) fn backtrace() -> bool {
    text("RUST_BACKTRACE").is_some_and(|value| value != "0")
}

fn split(value: OsString) -> Vec<PathBuf> {
    std::env::split_paths(&value)
        .filter(|path| !path.as_os_str().is_empty())
        .collect()
}
