//! Running the passes of a phase and applying what they propose: one stratum, one barrier.
//!
//! Every transaction is admitted as a whole or not at all: an edit without its grant, or one that
//! the phase has no place for, drops it with a diagnostic. Doesn't know what any pass does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aspire_model::diagnostic::{Blame, Diagnostic};
use aspire_model::grant::{self, Permission};
use aspire_model::hook::{FailureKind, HookFailure, Phase, Plugin, Snapshot};
use aspire_model::provenance::{Author, Span};
use aspire_model::{AppModel, Edit, Form, Mode, ResourceName, Shape, Transaction, evaluate, merge};

use crate::pipeline::Context;
use crate::strata::PassRef;

/// Runs every stratum of a phase.
pub fn run_phase(context: &mut Context<'_>, mut model: AppModel, phase: Phase) -> AppModel {
    let registry = context.registry;
    for stratum in registry.strata(phase) {
        let shared = Arc::new(model);
        let mut transactions = Vec::new();
        for (pass, outcome) in
            run_stratum(stratum, &registry.plugins, &shared, &context.options.mode)
        {
            let plugin = registry.plugins[pass.plugin].as_ref();
            match outcome {
                Ok(transaction) => {
                    let transaction = sign(transaction, plugin, &pass.info.name, None);
                    let admitted = if phase == Phase::Check {
                        only_diagnoses(transaction)
                    } else {
                        admit(transaction, plugin, &shared)
                    };
                    match admitted {
                        Ok(transaction) => transactions.push(transaction),
                        Err(diagnostic) => context.diagnostics.push(*diagnostic),
                    }
                }
                Err(failure) => context.diagnostics.push(failed(&failure, None)),
            }
        }
        let before = Arc::unwrap_or_clone(shared);
        let (merged, found) = merge::apply(before, transactions, &context.options.forced);
        context.diagnostics.extend(found);
        model = merged;
    }
    check_foreign_secrets(context, &model);
    model
}

type Outcome = Result<Transaction, HookFailure>;

/// The passes of a stratum, in parallel where there are several; results in order of the passes.
fn run_stratum<'a>(
    stratum: &'a [PassRef],
    plugins: &[Arc<dyn Plugin>],
    model: &Arc<AppModel>,
    mode: &Mode,
) -> Vec<(&'a PassRef, Outcome)> {
    let run = |pass: &PassRef| {
        let snapshot = Snapshot::new(Arc::clone(model), mode.clone(), pass.selector.clone());
        plugins[pass.plugin].run(&pass.info.name, &snapshot)
    };
    if let [pass] = stratum {
        return vec![(pass, run(pass))];
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = stratum
            .iter()
            .map(|pass| (pass, scope.spawn(move || run(pass))))
            .collect();
        threads
            .into_iter()
            .map(|(pass, thread)| {
                let outcome = thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                (pass, outcome)
            })
            .collect()
    })
}

/// Puts the author on a transaction: who, in which pass, for which declaration.
pub fn sign(
    mut transaction: Transaction,
    plugin: &dyn Plugin,
    pass: &str,
    cause: Option<Span>,
) -> Transaction {
    let descriptor = plugin.descriptor();
    if descriptor.id == crate::builtin::ID {
        return transaction;
    }
    let author = Author::Plugin {
        plugin: Arc::from(descriptor.id.as_str()),
        version: Arc::from(descriptor.version.as_str()),
        pass: Arc::from(pass),
        cause,
        operator: plugin.is_operator(),
    };
    for edit in &mut transaction.edits {
        if let Edit::Diagnose(diagnostic) = edit {
            let named = diagnostic.resource.clone();
            diagnostic.author = Some(author.clone());
            diagnostic.resource = named;
        }
    }
    transaction.author = author;
    transaction
}

fn only_diagnoses(transaction: Transaction) -> Result<Transaction, Box<Diagnostic>> {
    if transaction
        .edits
        .iter()
        .all(|edit| matches!(edit, Edit::Diagnose(_)))
    {
        return Ok(transaction);
    }
    Err(Box::new(
        Diagnostic::error(
            "check-edits",
            format!(
                "{} edits the model, but a check pass only looks",
                transaction.author
            ),
        )
        .blame(Blame::Plugin)
        .help("tell the plugin's author: edits belong into the phase enrich"),
    ))
}

/// What may be applied of a transaction: all of it, or all but the process forms of containers. A
/// plugin that may not run a program still has its container form; the model remembers why the
/// other is missing.
///
/// # Errors
/// The first edit that needs a permission which the plugin has not.
pub fn admit(
    mut transaction: Transaction,
    plugin: &dyn Plugin,
    model: &AppModel,
) -> Result<Transaction, Box<Diagnostic>> {
    let id = plugin.descriptor().id.as_str();
    if id == crate::builtin::ID {
        return Ok(transaction);
    }
    let added: BTreeMap<&str, Shape> = transaction
        .edits
        .iter()
        .filter_map(|edit| match edit {
            Edit::AddResource { name, shape, .. } => Some((name.as_str(), *shape)),
            _ => None,
        })
        .collect();
    let own = |name: &str| match model.get(name) {
        Some(resource) => resource.owner.as_deref() == Some(id),
        None => added.contains_key(name),
    };
    let mut withheld: BTreeSet<(ResourceName, Permission)> = BTreeSet::new();
    for edit in &transaction.edits {
        for needed in grant::required(edit, model, &own) {
            if plugin.grants().allows(&needed) {
                continue;
            }
            match process_form_of(edit, &needed) {
                Some(name) if added.get(name.as_str()) != Some(&Shape::Executable) => {
                    withheld.insert((name.clone(), needed));
                }
                _ => return Err(Box::new(not_granted(&transaction, edit, plugin, &needed))),
            }
        }
    }
    if !withheld.is_empty() {
        let names: BTreeSet<ResourceName> = withheld.iter().map(|(name, _)| name.clone()).collect();
        transaction.edits.retain(|edit| match edit {
            Edit::Set { resource, key, .. } | Edit::Remove { resource, key } => {
                key.form != Form::Process || !names.contains(resource)
            }
            _ => true,
        });
        transaction
            .edits
            .extend(
                withheld
                    .into_iter()
                    .map(|(resource, permission)| Edit::Withhold {
                        resource,
                        permission,
                    }),
            );
    }
    Ok(transaction)
}

/// The resource whose process form an edit belongs to, when it is a program that is not allowed.
fn process_form_of<'a>(edit: &'a Edit, needed: &Permission) -> Option<&'a ResourceName> {
    match edit {
        Edit::Set { resource, key, .. }
            if key.form == Form::Process && matches!(needed, Permission::RunProcess(_)) =>
        {
            Some(resource)
        }
        _ => None,
    }
}

fn not_granted(
    transaction: &Transaction,
    edit: &Edit,
    plugin: &dyn Plugin,
    needed: &Permission,
) -> Diagnostic {
    let descriptor = plugin.descriptor();
    let what = match edit {
        Edit::Set { resource, key, .. } => format!("set `{key}` of `{resource}`"),
        Edit::Remove { resource, key } => format!("remove `{key}` of `{resource}`"),
        _ => "do that".to_owned(),
    };
    let asked = descriptor
        .requests
        .iter()
        .find(|(asked, _)| asked.covers(needed));
    let mut diagnostic = Diagnostic::error(
        "not-granted",
        format!(
            "plugin {} wants to {what}, which needs the permission `{needed}`",
            descriptor.id
        ),
    )
    .by(&transaction.author)
    .blame(Blame::Plugin);
    if let Edit::Set { resource, .. } | Edit::Remove { resource, .. } = edit {
        diagnostic = diagnostic.about(resource.as_str());
    }
    match asked {
        Some((asked, reason)) => diagnostic
            .detail(format!("its reason: {reason}"))
            .help(format!("grant it with `--allow {}={asked}`, or with `allow = [\"{asked}\"]` in [plugins]", descriptor.id)),
        None => diagnostic.help("its manifest does not ask for this permission, so it cannot be granted; tell its author"),
    }
}

/// A failed call as a finding.
pub fn failed(failure: &HookFailure, cause: Option<&Span>) -> Diagnostic {
    let HookFailure {
        kind,
        plugin,
        version,
        digest,
        call,
        backtrace,
        stderr,
    } = failure;
    let own = plugin == crate::builtin::ID;
    let who = if own {
        String::new()
    } else {
        format!("plugin {plugin} {version}, {call}: ")
    };
    let mut diagnostic = match kind {
        FailureKind::Guest(error) => {
            let mut diagnostic =
                Diagnostic::error(error.code.clone(), format!("{who}{}", error.message));
            if let Some((resource, _)) = &error.location {
                diagnostic = diagnostic.about(resource.clone());
            }
            match &error.help {
                Some(help) => diagnostic.help(help.clone()),
                None => diagnostic,
            }
        }
        FailureKind::Trap(text) => {
            Diagnostic::error("plugin-trap", format!("{who}it crashed: {text}"))
                .help("this is a mistake in the plugin; tell its author")
        }
        FailureKind::Timeout(after) => {
            Diagnostic::error("plugin-timeout", format!("{who}no answer within {after:?}"))
                .help("this is a mistake in the plugin; tell its author")
        }
        FailureKind::Limit(limit) => Diagnostic::error(
            "plugin-limit",
            format!("{who}it went over its limit of {limit}"),
        )
        .help("tell its author"),
    };
    if !own && !matches!(kind, FailureKind::Guest(_)) {
        diagnostic = diagnostic
            .blame(Blame::Plugin)
            .detail(format!("digest {digest}"));
        for frame in backtrace {
            diagnostic = diagnostic.detail(format!("at {frame}"));
        }
        for line in stderr {
            diagnostic = diagnostic.detail(format!("stderr: {line}"));
        }
    } else if !own && matches!(kind, FailureKind::Guest(error) if error.code == "invalid-edit") {
        diagnostic = diagnostic.blame(Blame::Plugin);
    }
    diagnostic.at(cause.cloned())
}

/// A plugin's fact that reaches another resource's secret needs the permission for it, unless the
/// app itself handed the secret to one of the plugin's resources.
pub fn check_foreign_secrets(context: &mut Context<'_>, model: &AppModel) {
    for resource in model.iter() {
        for (key, fact) in &resource.facts {
            for author in &fact.authors {
                let Some(id) = author.plugin() else { continue };
                let Some(plugin) = context
                    .registry
                    .plugins
                    .iter()
                    .find(|plugin| plugin.descriptor().id == id)
                else {
                    continue;
                };
                if plugin.grants().allows(&Permission::ForeignSecret) {
                    continue;
                }
                for expression in fact.value.expressions() {
                    let foreign = evaluate::secrets(model, expression)
                        .into_iter()
                        .find(|secret| {
                            model
                                .get(secret)
                                .is_some_and(|found| found.owner.as_deref() != Some(id))
                                && !handed_over(model, id, secret)
                        });
                    if let Some(secret) = foreign {
                        context.diagnostics.push(
                            Diagnostic::error(
                                "not-granted",
                                format!("plugin {id} puts the secret `{secret}`, which is not its own, into `{key}` of `{}`; that needs the permission `foreign-secret`", resource.name),
                            )
                            .by(author)
                            .about(resource.name.as_str())
                            .blame(Blame::Plugin)
                            .help(format!("grant it with `--allow {id}=foreign-secret` if the plugin asks for it")),
                        );
                    }
                }
            }
        }
    }
}

/// Whether the app named a secret in the options of one of the plugin's resources.
fn handed_over(model: &AppModel, plugin: &str, secret: &str) -> bool {
    fn mentions(value: &serde_json::Value, secret: &str) -> bool {
        match value {
            serde_json::Value::String(text) => text == secret,
            serde_json::Value::Array(items) => items.iter().any(|item| mentions(item, secret)),
            serde_json::Value::Object(table) => table.values().any(|item| mentions(item, secret)),
            _ => false,
        }
    }
    model
        .iter()
        .filter(|resource| resource.owner.as_deref() == Some(plugin))
        .any(|resource| mentions(&resource.options, secret))
}
