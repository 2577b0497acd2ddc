//! Which containers are put on which networks after they were created; pure.
//!
//! Only what we connected is disconnected again: what somebody else did stays.

use std::collections::{BTreeMap, BTreeSet};

/// A container on a network: the network's object, the container's id.
pub(crate) type Place = (String, String);

/// How far it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// Being connected.
    Joining,
    /// Connected by us.
    Joined,
    /// Being disconnected.
    Leaving,
    /// It could not be; it is tried again after a while.
    Paused(String),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Connect, under these names.
    Connect(Place, Vec<String>),
    /// Disconnect.
    Disconnect(Place),
}

/// What follows. `wanted`: names by place; `networks`: those that are there; `containers`: those
/// that live.
pub(crate) fn step(
    links: &BTreeMap<Place, Link>,
    wanted: &BTreeMap<Place, Vec<String>>,
    networks: &BTreeSet<String>,
    containers: &BTreeSet<String>,
) -> (BTreeMap<Place, Link>, Vec<Effect>) {
    let mut links = links.clone();
    let mut effects = Vec::new();
    // With either of the two gone, there is nothing to undo.
    links.retain(|(network, container), link| {
        let under_way = matches!(link, Link::Joining | Link::Leaving);
        under_way || networks.contains(network) && containers.contains(container)
    });
    for (place, link) in &mut links {
        if *link == Link::Joined && !wanted.contains_key(place) {
            *link = Link::Leaving;
            effects.push(Effect::Disconnect(place.clone()));
        }
    }
    links.retain(|place, link| !matches!(link, Link::Paused(_)) || wanted.contains_key(place));
    for (place, names) in wanted {
        let possible = networks.contains(&place.0) && containers.contains(&place.1);
        if possible && !links.contains_key(place) {
            links.insert(place.clone(), Link::Joining);
            effects.push(Effect::Connect(place.clone(), names.clone()));
        }
    }
    (links, effects)
}

/// What is true after an effect ended.
pub(crate) fn learn(links: &mut BTreeMap<Place, Link>, place: &Place, result: Result<(), String>) {
    let next = match (links.get(place), result) {
        (Some(Link::Joining), Ok(())) => Some(Link::Joined),
        (Some(Link::Joining), Err(problem)) => Some(Link::Paused(problem)),
        // Asked again at the next occasion, if it is still there.
        (Some(Link::Leaving), Err(_)) => Some(Link::Joined),
        (Some(Link::Leaving), Ok(())) | (None, _) => None,
        (Some(other), _) => Some(other.clone()),
    };
    match next {
        Some(link) => drop(links.insert(place.clone(), link)),
        None => drop(links.remove(place)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        ("net".into(), "id".into())
    }

    #[test]
    fn the_whole_table() {
        let all = [
            None,
            Some(Link::Joining),
            Some(Link::Joined),
            Some(Link::Leaving),
            Some(Link::Paused("no".into())),
        ];
        for before in &all {
            for bits in 0..8u8 {
                let (wants, network, container) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
                let links: BTreeMap<_, _> =
                    before.iter().map(|link| (place(), link.clone())).collect();
                let wanted: BTreeMap<_, _> = [(place(), vec!["a".to_owned()])]
                    .into_iter()
                    .filter(|_| wants)
                    .collect();
                let networks: BTreeSet<String> =
                    ["net".to_owned()].into_iter().filter(|_| network).collect();
                let containers: BTreeSet<String> = ["id".to_owned()]
                    .into_iter()
                    .filter(|_| container)
                    .collect();
                let (after, effects) = step(&links, &wanted, &networks, &containers);
                let there = network && container;
                let (expected, effect) = match before {
                    Some(Link::Joining) => (Some(Link::Joining), None),
                    Some(Link::Leaving) => (Some(Link::Leaving), None),
                    _ if !there => (None, None),
                    Some(Link::Joined) if !wants => {
                        (Some(Link::Leaving), Some(Effect::Disconnect(place())))
                    }
                    Some(link) if wants => (Some(link.clone()), None),
                    None if wants => {
                        let connect = Effect::Connect(place(), vec!["a".into()]);
                        (Some(Link::Joining), Some(connect))
                    }
                    _ => (None, None),
                };
                assert_eq!(
                    after.get(&place()),
                    expected.as_ref(),
                    "{before:?} {bits:03b}"
                );
                assert_eq!(effects, effect.into_iter().collect::<Vec<_>>());
                let (again, repeated) = step(&after, &wanted, &networks, &containers);
                assert_eq!((again, repeated), (after, Vec::new()));
            }
        }
    }

    #[test]
    fn results() {
        let after = |link: Link, result: Result<(), String>| {
            let mut links = BTreeMap::from([(place(), link)]);
            learn(&mut links, &place(), result);
            links.remove(&place())
        };
        let no = || Err("no".to_owned());
        assert_eq!(after(Link::Joining, Ok(())), Some(Link::Joined));
        assert_eq!(after(Link::Joining, no()), Some(Link::Paused("no".into())));
        assert_eq!(after(Link::Leaving, Ok(())), None);
        assert_eq!(after(Link::Leaving, no()), Some(Link::Joined));
    }
}
