//! The queue of a controller: each key at most once, in the order of asking.
//!
//! Pure; the loop that takes from it handles one key at a time, so no key is ever handled twice
//! at once.

use std::collections::{BTreeSet, VecDeque};

/// Keys that wait to be handled.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    order: VecDeque<K>,
    waiting: BTreeSet<K>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            waiting: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Clone> Queue<K> {
    /// As soon as possible; nothing new when it waits already.
    pub(crate) fn add(&mut self, key: K) {
        if self.waiting.insert(key.clone()) {
            self.order.push_back(key);
        }
    }

    /// The next one.
    pub(crate) fn take(&mut self) -> Option<K> {
        let key = self.order.pop_front()?;
        self.waiting.remove(&key);
        Some(key)
    }

    /// Nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_in_order() {
        let mut queue = Queue::default();
        for key in ["a", "b", "a", "c", "b"] {
            queue.add(key);
        }
        assert_eq!(queue.take(), Some("a"));
        // Asked for while it is being handled: again, later.
        queue.add("a");
        queue.add("b");
        let taken: Vec<_> = std::iter::from_fn(|| queue.take()).collect();
        assert_eq!(taken, ["b", "c", "a"]);
        assert!(queue.is_empty());
    }
}
