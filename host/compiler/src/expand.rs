//! The expand pass: declarations become resources with a shape.
//!
//! Kinds are looked up, options are checked against the kind's schema, the kind's integration is
//! asked once for each declaration, and the app's explicit settings are laid over what it said.
//! Doesn't know what any kind means.

mod options;

use std::sync::Arc;

use aspire_model::diagnostic::{Blame, Diagnostic, Diagnostics};
use aspire_model::hook::{ExpandContext, FailureKind, HookFailure, Phase, Plugin};
use aspire_model::provenance::Author;
use aspire_model::{AppModel, Declaration, Edit, Field, Shape, Transaction, merge};

use crate::barrier;
use crate::document::ResourceEntry;
use crate::pipeline::Context;
use crate::reserved::{self, ReservedKey};

/// A declaration, ready to be explained.
struct Ready<'a> {
    entry: &'a ResourceEntry,
    plugin: Arc<dyn Plugin>,
    declaration: Arc<Declaration>,
    keys: Vec<&'static ReservedKey>,
}

/// Runs the pass.
pub fn run(context: &mut Context<'_>, model: AppModel) -> AppModel {
    let (model, found) = merge::apply(model, parameters(context), &context.options.forced);
    context.diagnostics.extend(found);
    let document = context.document;
    let ready: Vec<Ready<'_>> = document
        .resources
        .iter()
        .filter_map(|entry| prepare(context, entry))
        .collect();
    let expand = ExpandContext {
        app: Arc::clone(&document.name),
        mode: context.options.mode.clone(),
    };
    let mut transactions = Vec::new();
    let mut options = Vec::new();
    let outcomes = explain(&ready, &expand);
    for (mut ready, outcome) in ready.into_iter().zip(outcomes) {
        let span = &ready.entry.span;
        match outcome {
            Ok(transaction) => {
                let plugin = Arc::clone(&ready.plugin);
                let plugin = plugin.as_ref();
                let transaction = barrier::sign(transaction, plugin, "expand", Some(span.clone()));
                match barrier::admit(transaction, plugin, &model) {
                    Ok(transaction) => {
                        let Some(shape) = shape_of(context, &ready, &transaction) else {
                            continue;
                        };
                        options.push((
                            ready.declaration.name.clone(),
                            Arc::clone(&ready.declaration.options),
                        ));
                        transactions.extend(explicit(context, &mut ready, shape));
                        transactions.push(transaction);
                    }
                    Err(diagnostic) => context.diagnostics.push(*diagnostic),
                }
            }
            Err(failure) => {
                let place = place(&ready, &failure);
                context
                    .diagnostics
                    .push(barrier::failed(&failure, Some(&place)));
            }
        }
    }
    let (mut model, found) = merge::apply(model, transactions, &context.options.forced);
    context.diagnostics.extend(found);
    for (name, options) in options {
        if let Some(resource) = model.get_mut(name.as_str()) {
            resource.options = options;
        }
    }
    barrier::run_phase(context, model, Phase::Expand)
}

/// `[parameters]`.
fn parameters(context: &Context<'_>) -> Vec<Transaction> {
    context
        .document
        .parameters
        .iter()
        .map(|entry| {
            let mut edits = Transaction::new(Author::App {
                span: entry.span.clone(),
            });
            edits.add_parameter(entry.name.clone(), entry.parameter.clone());
            edits
        })
        .collect()
}

/// Looks up the kind and checks options.
fn prepare<'a>(context: &mut Context<'_>, entry: &'a ResourceEntry) -> Option<Ready<'a>> {
    let owner = match context.registry.kind(&entry.kind) {
        Ok(owner) => Arc::clone(owner),
        Err(diagnostic) => {
            let diagnostic = diagnostic
                .at(entry.kind_span.clone())
                .about(entry.name.as_str());
            context.diagnostics.push(diagnostic);
            return None;
        }
    };
    let mut found = Diagnostics::new();
    let (explicit, keys) = reserved::read(&entry.body, &mut found);
    let options = options::read(entry, &owner, &mut found);
    let failed = found.has_errors();
    context
        .diagnostics
        .extend(found.into_iter().map(|d| d.about(entry.name.as_str())));
    if failed {
        return None;
    }
    let declaration = Declaration {
        name: entry.name.clone(),
        kind: Arc::from(entry.kind.as_str()),
        options: Arc::new(options),
        explicit,
        author: Author::App {
            span: entry.span.clone(),
        },
    };
    Some(Ready {
        entry,
        plugin: Arc::clone(&owner.plugin),
        declaration: Arc::new(declaration),
        keys,
    })
}

/// Asks the integrations. Many declarations are spread over two threads.
fn explain(ready: &[Ready<'_>], context: &ExpandContext) -> Vec<Result<Transaction, HookFailure>> {
    let one = |ready: &Ready<'_>| ready.plugin.expand(&ready.declaration, context);
    if ready.len() < 32 {
        return ready.iter().map(one).collect();
    }
    let (first, second) = ready.split_at(ready.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(move || second.iter().map(one).collect::<Vec<_>>());
        let mut all: Vec<_> = first.iter().map(one).collect();
        all.extend(
            other
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        );
        all
    })
}

/// Where a guest's error points to, else the declaration.
fn place(ready: &Ready<'_>, failure: &HookFailure) -> aspire_model::Span {
    let pointer = match &failure.kind {
        FailureKind::Guest(error) => error.location.as_ref().map(|(_, pointer)| pointer),
        _ => None,
    };
    pointer
        .and_then(|pointer| ready.entry.body.pointers().remove(pointer))
        .unwrap_or_else(|| ready.entry.span.clone())
}

/// The shape that an integration gave a declaration.
fn shape_of(
    context: &mut Context<'_>,
    ready: &Ready<'_>,
    transaction: &Transaction,
) -> Option<Shape> {
    let name = &ready.declaration.name;
    let shape = transaction.edits.iter().find_map(|edit| match edit {
        Edit::AddResource {
            name: added, shape, ..
        } if added == name => Some(*shape),
        _ => None,
    });
    if shape.is_none() {
        context.diagnostics.push(
            Diagnostic::error(
                "no-shape",
                format!(
                    "plugin {} gave `{name}` no shape",
                    ready.plugin.descriptor().id
                ),
            )
            .at(ready.entry.kind_span.clone())
            .about(name.as_str())
            .blame(Blame::Plugin)
            .help("tell its author: expand has to add the resource that it was called for"),
        );
    }
    shape
}

/// The app's explicit settings of a resource, one transaction each, since each has its own place.
fn explicit(context: &mut Context<'_>, ready: &mut Ready<'_>, shape: Shape) -> Vec<Transaction> {
    for key in &ready.keys {
        if !key.on.allows(shape) {
            let span = ready
                .entry
                .body
                .entries()
                .iter()
                .find(|entry| entry.key == key.name)
                .map(|entry| entry.span.clone());
            let finding =
                reserved::misplaced(key, shape, span).about(ready.declaration.name.as_str());
            context.diagnostics.push(finding);
        }
    }
    let host = ready.plugin.descriptor().id == crate::builtin::ID;
    let checked = host.then(|| check_host_kind(context, ready, shape));
    if checked == Some(false) {
        return Vec::new();
    }
    // Whoever was asked has given the declaration back.
    let settings = match Arc::get_mut(&mut ready.declaration) {
        Some(declaration) => std::mem::take(&mut declaration.explicit),
        None => ready.declaration.explicit.clone(),
    };
    settings
        .into_iter()
        .filter(|(key, _, _)| match key.field {
            // `command` is written as both; each shape has a use for one.
            Field::Command => shape == Shape::Executable,
            Field::Entrypoint => shape == Shape::Container,
            _ => true,
        })
        .map(|(key, value, author)| {
            let mut edits = Transaction::new(author);
            edits.set(&ready.declaration.name, key, value);
            edits
        })
        .collect()
}

/// What a resource of the host's own kinds cannot do without.
fn check_host_kind(context: &mut Context<'_>, ready: &Ready<'_>, shape: Shape) -> bool {
    let has = |field: Field| {
        ready
            .declaration
            .explicit
            .iter()
            .any(|(key, _, _)| key.field == field)
    };
    let mut need = |code: &str, message: String, help: &str| {
        context.diagnostics.push(
            Diagnostic::error(code, message)
                .at(ready.entry.span.clone())
                .about(ready.declaration.name.as_str())
                .help(help),
        );
        false
    };
    let name = &ready.declaration.name;
    match shape {
        Shape::Executable if !has(Field::Command) && has(Field::Entrypoint) => need(
            "wrong-type",
            format!("the command of `{name}` is an array"),
            "on an executable, `command` is the program and `args` are its arguments",
        ),
        Shape::Executable if !has(Field::Command) => need(
            "no-command",
            format!("`{name}` has no command"),
            "write command = \"…\"",
        ),
        Shape::Executable if has(Field::Build) => need(
            "wrong-type",
            format!("the build of `{name}` is no command"),
            "on an executable, `build` is an array: program and arguments; a Dockerfile goes under publish.build",
        ),
        Shape::Container if has(Field::BuildCommand) => need(
            "wrong-type",
            format!("the build of `{name}` is a command"),
            "on a container, `build` is a folder or a table with `context`",
        ),
        Shape::Container if !has(Field::Image) && !has(Field::Build) => need(
            "no-image",
            format!("`{name}` has neither an image nor a build"),
            "write image = \"…\" or build = \"FOLDER\"",
        ),
        _ => true,
    }
}
