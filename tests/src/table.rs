//! Table tests: every row is tried, and all rows that fail are told together.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::places;

/// Tries every row.
///
/// # Panics
/// Some failed; what went wrong with each was printed when it happened.
pub fn each<T>(rows: impl IntoIterator<Item = T>, name: impl Fn(&T) -> &str, check: impl Fn(&T)) {
    let mut failed = Vec::new();
    for row in rows {
        places::say(&format!("--- row: {}", name(&row)));
        if catch_unwind(AssertUnwindSafe(|| check(&row))).is_err() {
            failed.push(name(&row).to_owned());
        }
    }
    assert!(
        failed.is_empty(),
        "{} rows failed: {failed:#?}",
        failed.len()
    );
}
