//! Where the values of secrets come from: outside. They are asked for when a workload starts and
//! never stored or listed.

use std::collections::BTreeMap;

/// Gives secret values by name.
pub trait SecretSource: Send + Sync {
    /// The value of a secret.
    fn secret(&self, name: &str) -> Option<String>;
}

/// A fixed set, for tests and small tools.
impl SecretSource for BTreeMap<String, String> {
    fn secret(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}

/// None at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

impl SecretSource for NoSecrets {
    fn secret(&self, _: &str) -> Option<String> {
        None
    }
}
