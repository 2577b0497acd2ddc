//! Random numbers for tests that try moments at random; the seed is told, so that a failure can be
//! repeated with `ASPIRE_SEED`.

use std::time::{SystemTime, UNIX_EPOCH};

/// A generator (splitmix64).
#[derive(Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Seeded by `ASPIRE_SEED`, else by the clock.
    pub fn new() -> Self {
        let state = std::env::var("ASPIRE_SEED")
            .ok()
            .and_then(|text| text.parse().ok())
            .or_else(|| {
                let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
                u64::try_from(elapsed.as_nanos() & u128::from(u64::MAX)).ok()
            })
            .unwrap_or(1);
        crate::places::say(&format!("random moments from ASPIRE_SEED={state}"));
        Self { state }
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}
