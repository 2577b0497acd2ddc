//! What the three programs of the shop share: a little HTTP, a little Redis, the database.
//!
//! Every address comes from the environment, where aspire-host puts it.

pub mod client;
pub mod database;
pub mod form;
pub mod http;
pub mod redis;

/// The value of an environment variable.
///
/// # Errors
/// It is not set.
pub fn env(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set"))
}
