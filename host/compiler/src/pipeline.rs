//! The passes, in order.

use std::sync::Arc;

use aspire_model::hook::{Phase, Plugin};
use aspire_model::merge::ForcedOwners;
use aspire_model::{AppModel, Diagnostics, Mode};

use crate::document::Document;
use crate::registry::Registry;
use crate::{barrier, expand, resolve, wire};

/// What a compilation depends on beside the document and the plugins.
#[derive(Debug, Clone)]
pub struct Options {
    /// What will be lowered to.
    pub mode: Mode,
    /// Conflicts between plugins that the user decided.
    pub forced: ForcedOwners,
    /// Values of plain parameters that are known already. Only names of variables depend on them:
    /// the scheme of an external service's URL is part of one.
    pub parameters: std::collections::BTreeMap<String, String>,
    /// Keep the model after every pass, for `explain --after` and `--diff`.
    pub keep_stages: bool,
}

/// The model after a pass.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The pass.
    pub pass: &'static str,
    /// The model after it.
    pub model: Arc<AppModel>,
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Compilation {
    /// After every pass, when they were kept.
    pub stages: Vec<Stage>,
    /// After the last pass. Not to be lowered when there are errors.
    pub model: Arc<AppModel>,
    /// Everything found, in the order of reading.
    pub diagnostics: Diagnostics,
}

/// State that the passes hand on.
pub struct Context<'a> {
    /// What was read.
    pub document: &'a Document,
    /// Who knows which kind, pass and target.
    pub registry: &'a Registry,
    /// See [`Options`].
    pub options: &'a Options,
    /// Everything found so far.
    pub diagnostics: Diagnostics,
}

/// One pass over the model.
pub type Pass = fn(&mut Context<'_>, AppModel) -> AppModel;

/// Every pass between parsing and lowering, in order. Parsing comes before ([`crate::source`]);
/// lowering to workloads ([`crate::run`]) or to constructs and files ([`crate::publish`]) after.
pub fn passes() -> [(&'static str, Pass); 6] {
    [
        ("expand", expand::run),
        ("resolve", resolve::run),
        ("check", |context, model| {
            barrier::run_phase(context, model, Phase::Check)
        }),
        ("enrich", |context, model| {
            barrier::run_phase(context, model, Phase::Enrich)
        }),
        ("recheck", |context, model| {
            let model = resolve::run(context, model);
            barrier::run_phase(context, model, Phase::Check)
        }),
        ("wire", wire::run),
    ]
}

/// Makes the app model. Stops after the pass that found errors; what it found is all told.
pub fn compile(document: &Document, plugins: &[Arc<dyn Plugin>], options: &Options) -> Compilation {
    let (registry, diagnostics) = Registry::new(plugins);
    let mut context = Context {
        document,
        registry: &registry,
        options,
        diagnostics,
    };
    let mut model = AppModel::new(document.name.clone());
    let mut stages = Vec::new();
    for (pass, run) in passes() {
        if context.diagnostics.has_errors() {
            break;
        }
        model = run(&mut context, model);
        if options.keep_stages {
            stages.push(Stage {
                pass,
                model: Arc::new(model.clone()),
            });
        }
    }
    Compilation {
        stages,
        model: Arc::new(model),
        diagnostics: context.diagnostics.sorted(),
    }
}
