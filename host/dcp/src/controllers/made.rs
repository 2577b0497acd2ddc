//! The life of what an engine merely makes and removes: networks and volumes; pure.

use super::workload::Work;

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    pub(crate) make: Work,
    /// What went wrong; it is tried again.
    pub(crate) problem: Option<String>,
    /// What went wrong for good.
    pub(crate) failed: Option<String>,
    pub(crate) unmake: Work,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    /// The object carries our finalizer.
    pub(crate) finalizer: bool,
    /// The object is to go away.
    pub(crate) deleting: bool,
    /// Somebody still uses it.
    pub(crate) used: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Put our finalizer on the object.
    AddFinalizer,
    /// Make it.
    Make,
    /// Remove it.
    Unmake,
    /// Take our finalizer off.
    Release,
}

/// What follows.
pub(crate) fn step(facts: &Facts, wanted: &Wanted) -> (Facts, Vec<Effect>) {
    let mut facts = facts.clone();
    let mut effects = Vec::new();
    match (wanted.finalizer, wanted.deleting) {
        (false, false) => effects.push(Effect::AddFinalizer),
        (false, true) => {}
        (true, false) if facts.make == Work::Idle => {
            facts.make = Work::Busy;
            effects.push(Effect::Make);
        }
        (true, false) => {}
        (true, true) if wanted.used || facts.make == Work::Busy => {}
        (true, true) => match facts.unmake {
            Work::Idle if facts.make == Work::Idle => effects.push(Effect::Release),
            Work::Idle => {
                facts.unmake = Work::Busy;
                effects.push(Effect::Unmake);
            }
            Work::Busy => {}
            Work::Done => effects.push(Effect::Release),
        },
    }
    (facts, effects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let works = [Work::Idle, Work::Busy, Work::Done];
        for make in works {
            for unmake in works {
                for bits in 0..8u8 {
                    let facts = Facts {
                        make,
                        unmake,
                        ..Facts::default()
                    };
                    let (finalizer, deleting, used) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
                    let wanted = Wanted {
                        finalizer,
                        deleting,
                        used,
                    };
                    let (next, effects) = step(&facts, &wanted);
                    let free = deleting && finalizer && !used && make != Work::Busy;
                    let expected = if !finalizer && !deleting {
                        vec![Effect::AddFinalizer]
                    } else if finalizer && !deleting && make == Work::Idle {
                        vec![Effect::Make]
                    } else if free && make == Work::Done && unmake == Work::Idle {
                        vec![Effect::Unmake]
                    } else if free
                        && (unmake == Work::Done || make == Work::Idle && unmake == Work::Idle)
                    {
                        vec![Effect::Release]
                    } else {
                        vec![]
                    };
                    assert_eq!(effects, expected, "{facts:?} {wanted:?}");
                    let (again, repeated) = step(&next, &wanted);
                    assert_eq!(again, next);
                    let harmless = [Effect::AddFinalizer, Effect::Release];
                    assert!(repeated.iter().all(|effect| harmless.contains(effect)));
                }
            }
        }
    }
}
