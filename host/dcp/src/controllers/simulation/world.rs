//! What there is beside the control plane: processes, containers, a network, an engine that comes
//! and goes. It does what effects ask of it and knows nothing of objects.

use std::collections::BTreeMap;

/// Deterministic numbers (splitmix64).
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below a bound.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(1).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// Once in so many times.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// A process or container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thing {
    /// A container that was made and not started.
    Created,
    Running,
    Paused,
    Ended(i32),
}

impl Thing {
    pub(super) fn lives(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// Everything that would be left behind.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) engine_down: bool,
    /// By object: it has at most one.
    pub(super) things: BTreeMap<String, Thing>,
    /// What the engine told, or a look found, and whose watcher has not heard of it yet.
    pub(super) news: BTreeMap<String, bool>,
    /// How often a container was started.
    pub(super) starts: BTreeMap<String, u32>,
    pub(super) network: bool,
}

impl World {
    pub(super) fn is_container(name: &str) -> bool {
        name.starts_with('c')
    }

    /// It ends by itself.
    pub(super) fn end(&mut self, name: &str, code: i32, told: bool) {
        if let Some(thing) = self.things.get_mut(name)
            && thing.lives()
        {
            *thing = Thing::Ended(code);
            if let Some(news) = self.news.get_mut(name) {
                *news |= told;
            }
        }
    }

    /// Whether a container can be started.
    pub(super) fn can_start(&self) -> bool {
        self.network && !self.engine_down
    }

    /// Somebody else starts a container again.
    pub(super) fn start(&mut self, name: &str, told: bool) {
        self.things.insert(name.to_owned(), Thing::Running);
        *self.starts.entry(name.to_owned()).or_default() += 1;
        if let Some(news) = self.news.get_mut(name) {
            *news |= told;
        }
    }

    /// Somebody looks at everything.
    pub(super) fn look(&mut self) {
        for news in self.news.values_mut() {
            *news = true;
        }
    }
}
