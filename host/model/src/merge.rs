//! The barrier: the edits of one stratum applied together, so that the order of authors cannot
//! matter.
//!
//! Equal writes merge. Different writes of one rank to one fact are an error that shows both; a
//! higher rank (operator over app over plugin over host) overrules a lower one; a later stratum
//! replaces an earlier one. Every fact keeps the chain. Doesn't know phases or grants.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Blame, Diagnostic, Diagnostics};
use crate::edit::{Edit, Transaction};
use crate::fact::{Assignment, Fact, FactKey, FactValue};
use crate::grant::Permission;
use crate::model::{AppModel, Resource, Shape};
use crate::name::ResourceName;
use crate::provenance::Author;

/// Decisions between plugins that the user made: `RESOURCE FACT` to the plugin that wins.
pub type ForcedOwners = BTreeMap<(String, String), String>;

/// What was proposed for one fact.
struct Proposal<'a> {
    author: &'a Author,
    /// None: it is removed. Taken out where it ends up in the model.
    value: Option<&'a mut FactValue>,
}

impl Proposal<'_> {
    fn take(&mut self) -> Option<FactValue> {
        let value = self.value.as_deref_mut()?;
        Some(std::mem::replace(value, FactValue::Flag(false)))
    }
}

/// What was proposed for one new resource.
struct Addition<'a> {
    author: &'a Author,
    kind: &'a str,
    shape: Shape,
}

/// Applies the transactions of one stratum. Resources that nobody else holds are changed in place.
pub fn apply(
    model: AppModel,
    mut transactions: Vec<Transaction>,
    forced: &ForcedOwners,
) -> (AppModel, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let mut additions: BTreeMap<&ResourceName, Vec<Addition<'_>>> = BTreeMap::new();
    let mut proposals: BTreeMap<&ResourceName, BTreeMap<&FactKey, Vec<Proposal<'_>>>> =
        BTreeMap::new();
    let mut withheld: Vec<(&ResourceName, &Permission)> = Vec::new();
    for Transaction { author, edits } in &mut transactions {
        let author = &*author;
        for edit in edits {
            match edit {
                Edit::AddResource { name, kind, shape } => {
                    additions.entry(name).or_default().push(Addition {
                        author,
                        kind,
                        shape: *shape,
                    });
                }
                Edit::Set {
                    resource,
                    key,
                    value,
                } => {
                    propose(&mut proposals, resource, key, author, Some(value));
                }
                Edit::Remove { resource, key } => {
                    propose(&mut proposals, resource, key, author, None);
                }
                Edit::Withhold {
                    resource,
                    permission,
                } => {
                    withheld.push((resource, permission));
                }
                Edit::Diagnose(diagnostic) => diagnostics.push(diagnostic.clone()),
            }
        }
    }
    let mut merged = model;
    // Names are one without regard to case; looked up in an index, since there may be thousands.
    let mut folded: BTreeMap<String, ResourceName> = if additions.is_empty() {
        BTreeMap::new()
    } else {
        merged
            .resources
            .keys()
            .map(|name| (name.as_str().to_ascii_lowercase(), name.clone()))
            .collect()
    };
    for (name, additions) in additions {
        add(&mut merged, name, &additions, &mut folded, &mut diagnostics);
    }
    for (name, permission) in withheld {
        if let Some(resource) = merged.get_mut(name.as_str()) {
            resource.withheld.insert(permission.clone());
        }
    }
    for (name, facts) in proposals {
        let Some(resource) = merged.resources.get_mut(name) else {
            for proposal in facts.values().flatten().take(1) {
                diagnostics.push(
                    Diagnostic::error(
                        "unknown-resource",
                        format!("an edit names `{name}`, which is no resource"),
                    )
                    .by(proposal.author)
                    .blame(blame(proposal.author)),
                );
            }
            continue;
        };
        let resource = Arc::make_mut(resource);
        for (key, mut proposals) in facts {
            proposals.sort_by(|a, b| a.author.cmp(b.author));
            settle(resource, key, &mut proposals, forced, &mut diagnostics);
        }
    }
    (merged, diagnostics)
}

fn propose<'a>(
    proposals: &mut BTreeMap<&'a ResourceName, BTreeMap<&'a FactKey, Vec<Proposal<'a>>>>,
    resource: &'a ResourceName,
    key: &'a FactKey,
    author: &'a Author,
    value: Option<&'a mut FactValue>,
) {
    let list = proposals
        .entry(resource)
        .or_default()
        .entry(key)
        .or_default();
    // Within one transaction the last word counts.
    list.retain(|proposal| !std::ptr::eq(proposal.author, author));
    list.push(Proposal { author, value });
}

fn blame(author: &Author) -> Blame {
    if author.plugin().is_some() {
        Blame::Plugin
    } else {
        Blame::App
    }
}

fn add(
    model: &mut AppModel,
    name: &ResourceName,
    additions: &[Addition<'_>],
    folded: &mut BTreeMap<String, ResourceName>,
    diagnostics: &mut Diagnostics,
) {
    let Some(first) = additions.iter().min_by(|a, b| a.author.cmp(b.author)) else {
        return;
    };
    let clash = additions.iter().find(|other| {
        (other.kind, other.shape) != (first.kind, first.shape)
            || other.author.plugin() != first.author.plugin()
    });
    let existing = folded
        .get(&name.as_str().to_ascii_lowercase())
        .and_then(|existing| model.get(existing.as_str()));
    if let Some(existing) = existing {
        let same = existing.name == *name
            && *existing.kind == *first.kind
            && existing.shape == first.shape
            && existing.owner.as_deref() == first.author.plugin();
        if !same {
            diagnostics.push(
                Diagnostic::error(
                    "duplicate-resource",
                    format!("there are two resources named `{name}`"),
                )
                .by(first.author)
                .related(
                    existing.origin.span().cloned(),
                    format!("the other one, from {}", existing.origin),
                )
                .help("rename one of them"),
            );
        }
        return;
    }
    if let Some(clash) = clash {
        diagnostics.push(
            Diagnostic::error(
                "conflict",
                format!(
                    "`{name}` is added by {} and, differently, by {}",
                    first.author, clash.author
                ),
            )
            .by(first.author)
            .related(clash.author.span().cloned(), "the other one")
            .blame(Blame::Plugin)
            .help("remove one of the plugins, or rename the resource"),
        );
        return;
    }
    folded.insert(name.as_str().to_ascii_lowercase(), name.clone());
    model.insert(Resource::new(
        name.clone(),
        first.kind,
        first.shape,
        first.author.clone(),
    ));
}

fn settle(
    resource: &mut Resource,
    key: &FactKey,
    proposals: &mut [Proposal<'_>],
    forced: &ForcedOwners,
    diagnostics: &mut Diagnostics,
) {
    let ranks = proposals.iter().map(|proposal| proposal.author.rank());
    let Some(top) = ranks.max() else {
        return;
    };
    let ranks_first = |proposal: &Proposal<'_>| proposal.author.rank() == top;
    let owns = |proposal: &Proposal<'_>, owner: &str| proposal.author.plugin() == Some(owner);
    let owner = (!forced.is_empty())
        .then(|| forced.get(&(resource.name.to_string(), key.to_string())))
        .flatten()
        .filter(|owner| {
            proposals
                .iter()
                .any(|one| ranks_first(one) && owns(one, owner))
        });
    let wins = |proposal: &Proposal<'_>| {
        ranks_first(proposal) && owner.is_none_or(|owner| owns(proposal, owner))
    };
    let Some(first) = proposals.iter().position(wins) else {
        return;
    };
    let winner = &proposals[first];
    let differs = |other: &&Proposal<'_>| wins(other) && other.value != winner.value;
    if let Some(other) = proposals.iter().find(differs) {
        diagnostics.push(conflict(resource, key, winner, other));
        return;
    }
    let winners = proposals.iter().filter(|proposal| wins(proposal));
    let authors: Vec<Author> = winners.map(|winner| winner.author.clone()).collect();
    let mut losers: Vec<Assignment> = proposals
        .iter_mut()
        .filter(|proposal| !wins(proposal))
        .map(|loser| Assignment {
            author: loser.author.clone(),
            value: loser.take(),
        })
        .collect();
    match (resource.facts.get_mut(key), proposals[first].take()) {
        (Some(fact), value) if fact.rank() > top => {
            fact.overruled.append(&mut losers);
            fact.overruled
                .extend(authors.into_iter().map(|author| Assignment {
                    author,
                    value: value.clone(),
                }));
        }
        (Some(fact), Some(value)) if fact.value == value => {
            fact.overruled.append(&mut losers);
            for author in authors {
                if !fact.authors.contains(&author) {
                    fact.authors.push(author);
                }
            }
        }
        (Some(fact), Some(value)) => {
            let before = std::mem::replace(&mut fact.value, value);
            let previous = std::mem::replace(&mut fact.authors, authors);
            fact.overruled
                .extend(previous.into_iter().map(|author| Assignment {
                    author,
                    value: Some(before.clone()),
                }));
            fact.overruled.append(&mut losers);
        }
        (Some(_), None) => {
            resource.facts.remove(key);
        }
        (None, Some(value)) => {
            let fact = Fact {
                value,
                authors,
                overruled: losers,
            };
            resource.facts.insert(key.clone(), fact);
        }
        (None, None) => {}
    }
}

fn conflict(
    resource: &Resource,
    key: &FactKey,
    one: &Proposal<'_>,
    other: &Proposal<'_>,
) -> Diagnostic {
    let show = |proposal: &Proposal<'_>| match &proposal.value {
        Some(value) => crate::print::value(value),
        None => "(removed)".to_owned(),
    };
    let plugin = one.author.plugin().unwrap_or("PLUGIN");
    Diagnostic::error(
        "conflict",
        format!(
            "`{}` `{key}` is given two values in one step",
            resource.name
        ),
    )
    .by(one.author)
    .about(resource.name.as_str())
    .detail(format!("{} by {}", show(one), one.author))
    .detail(format!("{} by {}", show(other), other.author))
    .blame(Blame::Plugin)
    .help(format!(
        "decide with `--force-owner {}:{key}={plugin}`, set it in aspire.toml, or drop one plugin",
        resource.name
    ))
}
