//! The order in which resources can start: waits as a graph, and the cycles in it.

use std::collections::BTreeMap;

use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::fact::{Field, Form};
use crate::model::{AppModel, Resource};

/// The resources that one has to wait for, as written, on any form.
fn waits_of(resource: &Resource) -> BTreeMap<&str, Option<&crate::provenance::Span>> {
    let mut waits = BTreeMap::new();
    for form in [Form::Container, Form::Process] {
        for (key, fact) in resource.entries(Field::Waits, form) {
            waits.insert(key, fact.authors.first().and_then(|author| author.span()));
        }
    }
    waits
}

/// Checks that waits are acyclic. A child waits where its workload waits, and waiting for a child
/// is waiting for its workload.
pub fn check_waits(model: &AppModel) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    let mut graph: DiGraph<&str, ()> = DiGraph::new();
    let nodes: BTreeMap<&str, NodeIndex> = model
        .iter()
        .map(|r| (r.name.as_str(), graph.add_node(r.name.as_str())))
        .collect();
    let home = |name: &str| model.workload_of(name).map(|r| r.name.as_str());
    for resource in model.iter() {
        let from = home(resource.name.as_str()).unwrap_or(resource.name.as_str());
        for (wait, span) in waits_of(resource) {
            let Some(to) = home(wait).or_else(|| model.get(wait).map(|r| r.name.as_str())) else {
                continue;
            };
            if from == to {
                diagnostics.push(
                    Diagnostic::error(
                        "self-wait",
                        if wait == resource.name.as_str() {
                            format!("`{wait}` waits for itself")
                        } else {
                            format!("`{}` waits for `{wait}`, which lives in `{to}`: it would wait for itself", resource.name)
                        },
                    )
                    .at(span.cloned())
                    .about(resource.name.as_str())
                    .help("remove the wait"),
                );
                continue;
            }
            if let (Some(a), Some(b)) = (nodes.get(from), nodes.get(to)) {
                graph.update_edge(*a, *b, ());
            }
        }
    }
    if toposort(&graph, None).is_err() {
        for component in kosaraju_scc(&graph).into_iter().filter(|c| c.len() > 1) {
            diagnostics.push(cycle(model, &graph, &component));
        }
    }
    diagnostics
}

/// One cycle through a strongly connected component, beginning at its smallest name.
fn cycle(model: &AppModel, graph: &DiGraph<&str, ()>, component: &[NodeIndex]) -> Diagnostic {
    let start = component
        .iter()
        .copied()
        .min_by_key(|node| graph[*node])
        .expect("a component has a node");
    let mut path = vec![start];
    let mut seen = vec![start];
    let mut stack = vec![start];
    let mut previous: BTreeMap<NodeIndex, NodeIndex> = BTreeMap::new();
    while let Some(node) = stack.pop() {
        let mut next: Vec<NodeIndex> = graph
            .neighbors(node)
            .filter(|n| component.contains(n))
            .collect();
        next.sort_by_key(|n| std::cmp::Reverse(graph[*n]));
        if next.contains(&start) {
            let mut back = node;
            path = vec![start];
            let mut tail = Vec::new();
            while back != start {
                tail.push(back);
                back = previous[&back];
            }
            path.extend(tail.into_iter().rev());
            break;
        }
        for neighbour in next {
            if !seen.contains(&neighbour) {
                seen.push(neighbour);
                previous.insert(neighbour, node);
                stack.push(neighbour);
            }
        }
    }
    let names: Vec<&str> = path
        .iter()
        .chain([&start])
        .map(|node| graph[*node])
        .collect();
    let mut diagnostic = Diagnostic::error(
        "wait-cycle",
        format!("resources wait for each other: {}", names.join(" → ")),
    )
    .help("remove one of these waits; references may form circles, waits may not");
    for pair in names.windows(2) {
        let span = model.get(pair[0]).and_then(|resource| {
            waits_of(resource)
                .into_iter()
                .find(|(wait, _)| {
                    *wait == pair[1]
                        || model
                            .workload_of(wait)
                            .is_some_and(|w| w.name.as_str() == pair[1])
                })
                .and_then(|(_, span)| span.cloned())
        });
        match (&diagnostic.span, span) {
            (None, span) => diagnostic = diagnostic.at(span),
            (Some(_), span) => {
                diagnostic =
                    diagnostic.related(span, format!("`{}` waits for `{}`", pair[0], pair[1]));
            }
        }
    }
    diagnostic
}
