//! Lines of many logs in the order of their times.
//!
//! Pure. A line is held for a moment, since an older one of another log may still be on its way;
//! at first all are, until every log has told what it had. Doesn't know where lines come from.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::time::Micros;

/// A log that has said nothing for so long has told what it had.
const QUIET: Duration = Duration::from_millis(150);
/// At most that long is waited for all of them.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a line is held afterwards.
const HELD: Duration = Duration::from_millis(50);

/// One of the logs.
pub(crate) type Source = usize;

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line<T> {
    /// When it was written.
    pub(crate) time: Micros,
    /// What it is.
    pub(crate) what: T,
}

/// Lines on their way.
#[derive(Debug)]
pub(crate) struct Merger<T> {
    held: BTreeMap<(Micros, Source, u64), (Instant, T)>,
    count: u64,
    /// When each open log said something last.
    open: BTreeMap<Source, Instant>,
    began: Instant,
    /// What there was at the beginning has been told.
    settled: bool,
    follow: bool,
}

impl<T> Merger<T> {
    /// Of no log yet. Without `follow`, everything is held until all logs have ended.
    pub(crate) fn new(follow: bool, now: Instant) -> Self {
        Self {
            held: BTreeMap::new(),
            count: 0,
            open: BTreeMap::new(),
            began: now,
            settled: false,
            follow,
        }
    }

    /// One more log.
    pub(crate) fn open(&mut self, source: Source, now: Instant) {
        self.open.insert(source, now);
    }

    /// A log has ended.
    pub(crate) fn close(&mut self, source: Source) {
        self.open.remove(&source);
    }

    /// A log says something.
    pub(crate) fn push(&mut self, source: Source, line: Line<T>, now: Instant) {
        self.count += 1;
        self.open.insert(source, now);
        self.held
            .insert((line.time, source, self.count), (now, line.what));
    }

    /// Whether all logs have ended and everything was told.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.held.is_empty()
    }

    /// The first lines: all at once, when the time has come. Later ones come from [`Self::ready`].
    pub(crate) fn first(&mut self, now: Instant) -> Option<Vec<Line<T>>> {
        let done = if self.follow {
            let quiet = self.open.values().all(|last| now >= *last + QUIET);
            quiet || now >= self.began + PATIENCE
        } else {
            self.open.is_empty()
        };
        if self.settled || !done {
            return None;
        }
        self.settled = true;
        Some(self.take(|_| true))
    }

    /// The lines that need not be held any longer.
    pub(crate) fn ready(&mut self, now: Instant) -> Vec<Line<T>> {
        if !self.settled {
            return Vec::new();
        }
        let no_other = self.open.len() < 2;
        self.take(|came| no_other || now >= came + HELD)
    }

    /// Oldest first, as far as they are due.
    fn take(&mut self, due: impl Fn(Instant) -> bool) -> Vec<Line<T>> {
        let mut lines = Vec::new();
        while let Some(entry) = self.held.first_entry() {
            if !due(entry.get().0) {
                break;
            }
            let ((time, ..), (_, what)) = entry.remove_entry();
            lines.push(Line { time, what });
        }
        lines
    }

    /// When there may be something to do, if nothing comes.
    pub(crate) fn next_look(&self, now: Instant) -> Option<Instant> {
        if self.settled {
            return self
                .held
                .first_key_value()
                .map(|(_, (came, _))| *came + HELD);
        }
        self.follow.then(|| now + QUIET / 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(lines: Vec<Line<&'static str>>) -> String {
        let words: Vec<&str> = lines.into_iter().map(|line| line.what).collect();
        words.join(" ")
    }

    #[test]
    fn what_was_there_comes_in_order_once_all_have_told_it() {
        let start = Instant::now();
        let mut merger = Merger::new(true, start);
        merger.open(1, start);
        merger.open(2, start);
        let line = |time, what| Line { time, what };
        merger.push(1, line(1, "a"), start);
        merger.push(1, line(3, "c"), start);
        assert_eq!(merger.first(start), None);
        merger.push(2, line(2, "b"), start + QUIET / 2);
        assert_eq!(merger.first(start + QUIET), None, "2 may have more to tell");
        let first = merger.first(start + QUIET * 2).unwrap();
        assert_eq!(words(first), "a b c");
        assert_eq!(merger.first(start + QUIET * 3), None, "once");
        // From now on, a line is held for a moment.
        let now = start + QUIET * 3;
        merger.push(1, line(9, "late"), now);
        assert_eq!(words(merger.ready(now)), "");
        merger.push(2, line(8, "early"), now + HELD / 2);
        assert_eq!(words(merger.ready(now + HELD)), "");
        assert_eq!(words(merger.ready(now + HELD * 2)), "early late");
    }

    #[test]
    fn without_following_all_have_to_end() {
        let start = Instant::now();
        let mut merger = Merger::new(false, start);
        merger.open(1, start);
        merger.push(1, Line { time: 1, what: "a" }, start);
        assert_eq!(merger.first(start + PATIENCE * 2), None);
        merger.close(1);
        assert_eq!(words(merger.first(start).unwrap()), "a");
        assert!(merger.is_empty());
    }
}
