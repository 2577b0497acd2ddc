//! Lines for whoever debugs the plugin. Never a way to report to the user: that is a
//! [`Diagnostic`](crate::Diagnostic). In native tests they go nowhere.

#[cfg(target_family = "wasm")]
use crate::bindings::passing::aspire::host::log::write;

#[cfg(not(target_family = "wasm"))]
fn write(_level: &str, _message: &str) {}

/// A detail.
pub fn debug(message: &str) {
    write("debug", message);
}

/// Something worth knowing.
pub fn info(message: &str) {
    write("info", message);
}

/// Something odd.
pub fn warn(message: &str) {
    write("warn", message);
}
