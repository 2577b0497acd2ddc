//! What a plugin may use at most.
//!
//! Knows numbers and their names. Doesn't know how any of them is enforced.

use std::time::Duration;

/// Limits of one plugin, for models of up to a hundred resources
/// ([`for_model`](Self::for_model)). Every call of a hook starts again at zero.
///
/// All of them are on by default. Going over one is [`Limit`](aspire_model::hook::FailureKind) or,
/// for the deadlines, [`Timeout`](aspire_model::hook::FailureKind); the call's results are dropped
/// and nothing else is harmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size of the component's file: 32 MiB.
    pub component_bytes: u64,
    /// All linear memories together: 64 MiB.
    pub memory_bytes: usize,
    /// All tables together: 20,000 elements (CPython needs 5,678, SpiderMonkey 7,695).
    pub table_elements: usize,
    /// Fuel of `describe`, `expand` and `run`, about one per instruction: 2,000,000,000.
    pub fuel: u64,
    /// Fuel of `publish`: 10,000,000,000.
    pub publish_fuel: u64,
    /// Deadline of `describe`: 1 s.
    pub describe_deadline: Duration,
    /// Deadline of `expand` and `run`: 2 s.
    pub deadline: Duration,
    /// Deadline of `publish`: 10 s.
    pub publish_deadline: Duration,
    /// Handles that a guest holds at once: 10,000.
    pub handles: usize,
    /// Data that one call into the host may hand over: 16 MiB.
    pub host_call_bytes: usize,
    /// Edits of one transaction: 100,000.
    pub edits: usize,
    /// Resources that one transaction adds: 10,000.
    pub resources: usize,
    /// Everything that a call hands over in edits, constructs and files: 64 MiB.
    pub result_bytes: usize,
    /// Diagnostics of one call: 1,000.
    pub diagnostics: usize,
    /// Log lines of one call, together: 64 KiB. What goes beyond is left out, not an error.
    pub log_bytes: usize,
    /// What is kept of standard output and of standard error, from the end: 4 KiB each.
    pub stderr_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes: 32 << 20,
            memory_bytes: 64 << 20,
            table_elements: 20_000,
            fuel: 2_000_000_000,
            publish_fuel: 10_000_000_000,
            describe_deadline: Duration::from_secs(1),
            deadline: Duration::from_secs(2),
            publish_deadline: Duration::from_secs(10),
            handles: 10_000,
            host_call_bytes: 16 << 20,
            edits: 100_000,
            resources: 10_000,
            result_bytes: 64 << 20,
            diagnostics: 1_000,
            log_bytes: 64 << 10,
            stderr_bytes: 4 << 10,
        }
    }
}

/// Resources that the limits themselves have room for.
const SMALL: usize = 100;

impl Limits {
    /// The same for a hook that has a model of this many resources before it. A pass over ten
    /// thousand resources has to do more than one over ten, and equal models still have equal
    /// limits. For each resource after the first hundred it may use 1,000,000 more units of fuel,
    /// 5 ms, 32 KiB of memory and of results, 4 KiB in one call of the host, 100 edits, 2 added
    /// resources and 1 diagnostic.
    #[must_use]
    pub fn for_model(&self, resources: usize) -> Self {
        let more = resources.saturating_sub(SMALL);
        let add = |limit: usize, each: usize| limit.saturating_add(each.saturating_mul(more));
        let fuel = |limit: u64| limit.saturating_add((more as u64).saturating_mul(1_000_000));
        let time = Duration::from_millis((more as u64).saturating_mul(5));
        Self {
            memory_bytes: add(self.memory_bytes, 32 << 10),
            fuel: fuel(self.fuel),
            publish_fuel: fuel(self.publish_fuel),
            deadline: self.deadline.saturating_add(time),
            publish_deadline: self.publish_deadline.saturating_add(time),
            host_call_bytes: add(self.host_call_bytes, 4 << 10),
            edits: add(self.edits, 100),
            resources: add(self.resources, 2),
            result_bytes: add(self.result_bytes, 32 << 10),
            diagnostics: add(self.diagnostics, 1),
            ..self.clone()
        }
    }
}

/// A number of bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        n if n >= 1 << 20 && n % (1 << 20) == 0 => format!("{} MiB", n >> 20),
        n if n >= 1 << 20 => format!("{}.{} MiB", n >> 20, ((n % (1 << 20)) * 10) >> 20),
        n if n >= 1 << 10 => format!("{} KiB", n >> 10),
        n => format!("{n} bytes"),
    }
}

/// A number with a comma between each three digits.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_grow_with_the_model() {
        let limits = Limits::default();
        assert_eq!(limits.for_model(100), limits);
        let large = limits.for_model(10_100);
        assert_eq!(large.deadline, Duration::from_secs(52));
        assert_eq!(large.fuel, 12_000_000_000);
        assert_eq!(large.edits, 1_100_000);
        assert_eq!(large.describe_deadline, limits.describe_deadline);
        assert!(
            limits.for_model(usize::MAX).memory_bytes == usize::MAX,
            "no overflow"
        );
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(bytes(64 << 20), "64 MiB");
        assert_eq!(bytes((1 << 20) + (1 << 19)), "1.5 MiB");
        assert_eq!(bytes(65_536), "64 KiB");
        assert_eq!(bytes(12), "12 bytes");
        assert_eq!(grouped(2_000_000_000), "2,000,000,000");
        assert_eq!(grouped(100), "100");
    }
}
