//! Lowering for publish mode: model → constructs of one target → files.
//!
//! Finds who lowers what, runs lowering, refinement and the publisher, and merges their constructs
//! like the model's edits: the order of plugins cannot matter. Knows no target.

mod omit;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aspire_model::construct::{
    ConstructEdit, ConstructGraph, ConstructTransaction, Fidelity, Publication,
};
use aspire_model::diagnostic::{Blame, Diagnostic, Diagnostics};
use aspire_model::expression::{Expression, Op};
use aspire_model::hook::{Phase, Plugin, Snapshot};
use aspire_model::provenance::Author;
use aspire_model::selector::Selector;
use aspire_model::{AppModel, FactKey, FactValue, Field, Form, Mode, Resource, Transaction, merge};

use crate::barrier;
use crate::pipeline::{Compilation, Options};
use crate::registry::Registry;

/// Where the files go, and what is there instead of the images that are named.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The way from the output folder to the app's folder, ending with `/`.
    pub app_folder: &'a str,
    /// `repository` or `repository:tag` to what is used instead.
    pub images: &'a BTreeMap<String, String>,
}

/// What a target made of the model.
#[derive(Debug, Clone)]
pub struct Published {
    /// The constructs.
    pub graph: Arc<ConstructGraph>,
    /// The files.
    pub publication: Publication,
    /// How well every fact survived.
    pub fidelity: Vec<Fidelity>,
    /// What was found; with errors, nothing may be written.
    pub diagnostics: Diagnostics,
}

/// The passes from the model to files, in order: `omit` takes out what is not published, `lower`
/// makes constructs, `refine` reworks them, `emit` makes files.
pub fn publish(
    compilation: &Compilation,
    plugins: &[Arc<dyn Plugin>],
    options: &Options,
    place: &Place<'_>,
) -> Published {
    let (registry, mut diagnostics) = Registry::new(plugins);
    let target: Arc<str> = Arc::from(options.mode.target());
    let mut published = Published {
        graph: Arc::new(ConstructGraph {
            app: Arc::clone(&compilation.model.name),
            target: Arc::clone(&target),
            app_folder: Arc::from(place.app_folder),
            nodes: BTreeMap::new(),
            authors: BTreeMap::new(),
        }),
        publication: Publication::default(),
        fidelity: Vec::new(),
        diagnostics: Diagnostics::new(),
    };
    let Some(publisher) = registry.target(&target) else {
        diagnostics.push(unknown_target(&registry, &target));
        published.diagnostics = diagnostics;
        return published;
    };
    let publisher = Arc::clone(publisher);
    let mut lowering = Lowering {
        registry: &registry,
        mode: &options.mode,
        target: &target,
        diagnostics,
        graph: Arc::clone(&published.graph),
        fidelity: BTreeSet::new(),
    };
    let model = omit::run(&compilation.model, place.images, &mut lowering.diagnostics);
    if !lowering.diagnostics.has_errors() {
        let model = lowering.lower(model, options);
        if !lowering.diagnostics.has_errors() {
            lowering.refine(&model);
        }
        published.graph = Arc::clone(&lowering.graph);
        if !lowering.diagnostics.has_errors() {
            let snapshot = Snapshot::new(model, options.mode.clone(), Selector::default());
            match publisher.publish(&target, &snapshot, &published.graph) {
                Ok(publication) => {
                    lowering.diagnostics.extend(publication.diagnostics.clone());
                    published.publication = publication;
                }
                Err(failure) => lowering.diagnostics.push(barrier::failed(&failure, None)),
            }
        }
    }
    published.fidelity = lowering.fidelity.into_iter().collect();
    published.diagnostics = lowering.diagnostics.sorted();
    published
}

fn unknown_target(registry: &Registry, target: &str) -> Diagnostic {
    let names: Vec<&str> = registry.targets().map(|info| info.name.as_str()).collect();
    let diagnostic = Diagnostic::error(
        "unknown-target",
        format!("no loaded plugin publishes to `{target}`"),
    );
    if names.is_empty() {
        return diagnostic.help(format!("load one that does, such as `--plugin {target}`"));
    }
    diagnostic
        .help(format!(
            "there are {}; others need their plugin, such as `--plugin {target}`",
            names.join(", ")
        ))
        .suggest(target, names.iter().copied())
}

/// A plugin names a resource; the reader wants a line of `aspire.toml`.
fn locate(diagnostic: Diagnostic, model: &AppModel) -> Diagnostic {
    let span = diagnostic
        .resource
        .as_deref()
        .and_then(|name| model.get(name))
        .and_then(|resource| resource.origin.span().cloned());
    if diagnostic.span.is_some() {
        diagnostic
    } else {
        diagnostic.at(span)
    }
}

struct Lowering<'a> {
    registry: &'a Registry,
    mode: &'a Mode,
    target: &'a Arc<str>,
    diagnostics: Diagnostics,
    /// Shared with the passes that read it, and copied only if one of them outlives its stratum.
    graph: Arc<ConstructGraph>,
    fidelity: BTreeSet<Fidelity>,
}

/// The resources that each lowering pass has claimed, by plugin id and pass.
type Claimed = BTreeMap<(String, String), BTreeSet<String>>;

impl Lowering<'_> {
    /// Narrow claims first, since they bind properties that the general ones read.
    fn lower(&mut self, model: AppModel, options: &Options) -> Arc<AppModel> {
        let (narrow, general) = self.claims(&model);
        let mut model = Arc::new(model);
        if self.diagnostics.has_errors() {
            return model;
        }
        let bound = self.run_claims(&model, &narrow);
        if !bound.is_empty() {
            let (merged, found) = merge::apply(Arc::unwrap_or_clone(model), bound, &options.forced);
            self.diagnostics.extend(found);
            model = Arc::new(merged);
        }
        self.run_claims(&model, &general);
        model
    }

    fn claims(&mut self, model: &AppModel) -> (Claimed, Claimed) {
        let mut narrow = Claimed::new();
        let mut general = Claimed::new();
        for resource in model
            .iter()
            .filter(|r| r.text(Field::Publish, Form::Any) != Some("no"))
        {
            let variant = self.variant(resource);
            let claim = self
                .registry
                .claim(self.target, resource.shape, &resource.kind, &variant);
            let Some((plugin, claim)) = claim else {
                let missing = self.unclaimed(resource, &variant);
                self.diagnostics.push(missing);
                continue;
            };
            let list = if claim.kind.is_empty() && claim.variant.is_empty() {
                &mut general
            } else {
                &mut narrow
            };
            list.entry((plugin.descriptor().id.clone(), claim.pass.clone()))
                .or_default()
                .insert(resource.name.to_string());
        }
        (narrow, general)
    }

    fn variant(&self, resource: &Resource) -> String {
        resource
            .variants(Form::Any)
            .find(|(target, _)| **target == **self.target)
            .and_then(|(_, value)| value.as_literal().map(str::to_owned))
            .unwrap_or_default()
    }

    fn unclaimed(&self, resource: &Resource, variant: &str) -> Diagnostic {
        let target = self.target;
        let diagnostic = if variant.is_empty() {
            Diagnostic::error(
                "unclaimed",
                format!(
                    "no loaded plugin lowers `{}` (kind {}, shape {}) to {target}",
                    resource.name, resource.kind, resource.shape
                ),
            )
            .help(format!(
                "write publish = false on it, or load a plugin that lowers {} to {target}",
                resource.shape
            ))
        } else {
            let known = self.registry.variants(target);
            Diagnostic::error(
                "unknown-variant",
                format!(
                    "no loaded plugin has the variant `{variant}` for `{}` (kind {}) on {target}",
                    resource.name, resource.kind
                ),
            )
            .help(if known.is_empty() {
                format!("there are no variants for {target}; remove publish.{target}.variant")
            } else {
                format!("there are {}", known.join(", "))
            })
            .suggest(variant, known.iter().copied())
        };
        diagnostic
            .by(&resource.origin)
            .about(resource.name.as_str())
    }

    /// Runs passes over what they claimed; returns the bindings of properties to outputs.
    fn run_claims(&mut self, model: &Arc<AppModel>, claimed: &Claimed) -> Vec<Transaction> {
        let mut bound = Vec::new();
        for ((id, pass), names) in claimed {
            let Some(plugin) = self
                .registry
                .plugins
                .iter()
                .find(|plugin| plugin.descriptor().id == *id)
            else {
                continue;
            };
            let snapshot = Snapshot::new(Arc::clone(model), self.mode.clone(), Selector::default())
                .scoped(names.clone());
            match plugin.lower(pass, &snapshot) {
                Ok(transaction) => {
                    bound.extend(self.apply(transaction, plugin.as_ref(), pass, model));
                }
                Err(failure) => self.diagnostics.push(barrier::failed(&failure, None)),
            }
        }
        bound
    }

    fn refine(&mut self, model: &Arc<AppModel>) {
        for stratum in self.registry.strata(Phase::Refine) {
            let graph = Arc::clone(&self.graph);
            for pass in stratum {
                let plugin = Arc::clone(&self.registry.plugins[pass.plugin]);
                let snapshot =
                    Snapshot::new(Arc::clone(model), self.mode.clone(), pass.selector.clone());
                match plugin.refine(&pass.info.name, &snapshot, &graph) {
                    Ok(transaction) => {
                        self.apply(transaction, plugin.as_ref(), &pass.info.name, model);
                    }
                    Err(failure) => self.diagnostics.push(barrier::failed(&failure, None)),
                }
            }
        }
    }

    fn apply(
        &mut self,
        transaction: ConstructTransaction,
        plugin: &dyn Plugin,
        pass: &str,
        model: &AppModel,
    ) -> Vec<Transaction> {
        let descriptor = plugin.descriptor();
        let author = Author::Plugin {
            plugin: Arc::from(descriptor.id.as_str()),
            version: Arc::from(descriptor.version.as_str()),
            pass: Arc::from(pass),
            cause: None,
            operator: plugin.is_operator(),
        };
        let mut bound = Vec::new();
        let graph = Arc::make_mut(&mut self.graph);
        for edit in transaction.edits {
            match edit {
                ConstructEdit::Add(node) => {
                    if let Some(other) = graph.nodes.get(&node.id) {
                        if *other != node {
                            let conflict = conflict(graph, &node.id, &author);
                            self.diagnostics.push(conflict);
                        }
                        continue;
                    }
                    graph.authors.insert(node.id.clone(), author.clone());
                    graph.nodes.insert(node.id.clone(), node);
                }
                ConstructEdit::SetProperty { id, name, value } => match graph.nodes.get_mut(&id) {
                    Some(node) => node.properties.set(name, value),
                    None => self.diagnostics.push(
                        Diagnostic::error(
                            "unknown-construct",
                            format!("{author} sets a property of `{id}`, which is no construct"),
                        )
                        .blame(Blame::Plugin)
                        .help("tell the plugin's author"),
                    ),
                },
                ConstructEdit::BindProperty {
                    resource,
                    property,
                    construct,
                    output,
                } => {
                    let Ok(name) = aspire_model::ResourceName::new(resource) else {
                        continue;
                    };
                    let mut edits = Transaction::new(author.clone());
                    let op = Op::Output {
                        construct,
                        name: output,
                    };
                    let value = FactValue::Value(Expression::of(op));
                    edits.set(&name, FactKey::entry(Field::Properties, property), value);
                    bound.push(edits);
                }
                ConstructEdit::Fidelity(row) => {
                    self.fidelity.insert(row);
                }
                ConstructEdit::Diagnose(diagnostic) => {
                    self.diagnostics.push(locate(diagnostic, model));
                }
            }
        }
        bound
    }
}

fn conflict(graph: &ConstructGraph, id: &str, author: &Author) -> Diagnostic {
    let other = graph
        .authors
        .get(id)
        .map(ToString::to_string)
        .unwrap_or_default();
    Diagnostic::error(
        "conflict",
        format!("the construct `{id}` is made by {other} and, differently, by {author}"),
    )
    .blame(Blame::Plugin)
    .help("load only one of these plugins")
}
