//! What a watcher with a selector is told when an object changes.
//!
//! A table. Doesn't know selectors: the caller has already asked them.

/// What happened to an object in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was created.
    Created,
    /// It was changed.
    Changed,
    /// It was removed.
    Removed,
}

/// The type of an event, as a watcher sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEventType {
    /// `ADDED`: it exists, and matches, from now on.
    Added,
    /// `MODIFIED`
    Modified,
    /// `DELETED`: it doesn't exist, or doesn't match, any more.
    Deleted,
}

impl WatchEventType {
    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// An event to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Its type.
    pub event: WatchEventType,
    /// Whether the object is shown as it was before the change, with the resource version of the
    /// change: so it is when an object leaves a selector, as it matched only then.
    pub shows_previous: bool,
}

/// What to tell about a change, given whether the object matched before and matches after it.
/// Nothing, for what never matched. `before` doesn't count for [`Change::Created`], nor `after`
/// for [`Change::Removed`].
pub fn translate(change: Change, before: bool, after: bool) -> Option<Told> {
    let (event, shows_previous) = match (change, before, after) {
        (Change::Created, _, true) | (Change::Changed, false, true) => {
            (WatchEventType::Added, false)
        }
        (Change::Changed, true, true) => (WatchEventType::Modified, false),
        (Change::Changed, true, false) => (WatchEventType::Deleted, true),
        (Change::Removed, true, _) => (WatchEventType::Deleted, false),
        (Change::Created, _, false)
        | (Change::Changed, false, false)
        | (Change::Removed, false, _) => return None,
    };
    Some(Told {
        event,
        shows_previous,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        for (change, before, after, expected) in [
            (Change::Created, false, true, Some("ADDED")),
            (Change::Created, true, true, Some("ADDED")),
            (Change::Created, false, false, None),
            (Change::Created, true, false, None),
            (Change::Changed, false, false, None),
            (Change::Changed, false, true, Some("ADDED")),
            (Change::Changed, true, true, Some("MODIFIED")),
            (Change::Changed, true, false, Some("DELETED")),
            (Change::Removed, true, true, Some("DELETED")),
            (Change::Removed, true, false, Some("DELETED")),
            (Change::Removed, false, true, None),
            (Change::Removed, false, false, None),
        ] {
            let told = translate(change, before, after);
            assert_eq!(told.map(|t| t.event.as_str()), expected);
            let leaves = matches!((change, before, after), (Change::Changed, true, false));
            assert_eq!(told.is_some_and(|t| t.shows_previous), leaves);
        }
    }
}
