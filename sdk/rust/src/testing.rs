//! Native tests of a plugin's logic, without WebAssembly.
//!
//! ```
//! use aspire_sdk::serde_json::json;
//! use aspire_sdk::testing::declaration;
//!
//! let cache = declaration("cache", "redis", json!({ "port": 6379 }));
//! assert_eq!(cache.name(), "cache");
//! ```

mod fake;

pub use fake::FakeModel;
use serde_json::Value as Json;

use crate::construct::{Constructs, Graph};
use crate::declaration::Declaration;
use crate::edits::Edits;
use crate::error::Error;
use crate::hook::{Integration, Lowering, Pass, Plugin, Publisher};
use crate::model::Model;
use crate::output::Output;

/// A declaration with options (an object), in run mode, with nothing explicit.
pub fn declaration(name: &str, kind: &str, options: Json) -> Declaration {
    Declaration::new(name, kind, &options)
}

/// What an integration records for a declaration.
///
/// # Errors
/// The hook's own.
pub fn expand<T: Integration>(declaration: &Declaration) -> Result<Edits, Error> {
    let mut edits = Edits::new();
    T::expand(declaration, &mut edits).map(|()| edits)
}

/// The model as a pass sees it: through the selector that it was registered with.
fn seen<T: Plugin>(pass: &str, model: &FakeModel) -> Model {
    let described = T::describe();
    let registered = described.passes.iter().find(|one| one.name == pass);
    model
        .selecting(registered.map_or("", |one| &one.selector))
        .model()
}

/// What a pass records.
///
/// # Errors
/// The hook's own.
pub fn run<T: Plugin + Pass>(pass: &str, model: &FakeModel) -> Result<Edits, Error> {
    let mut edits = Edits::new();
    T::run(pass, &seen::<T>(pass, model), &mut edits).map(|()| edits)
}

/// What a lowering pass records, on an empty graph.
///
/// # Errors
/// The hook's own.
pub fn lower<T: Plugin + Lowering>(pass: &str, model: &FakeModel) -> Result<Constructs, Error> {
    let model = seen::<T>(pass, model);
    let mut constructs = Constructs::over(Graph::new(model.app(), model.target()));
    T::lower(pass, &model, &mut constructs).map(|()| constructs)
}

/// What a publisher writes.
///
/// # Errors
/// The hook's own.
pub fn publish<T: Publisher>(graph: &Graph, model: &FakeModel) -> Result<Output, Error> {
    let mut output = Output::new();
    T::publish(&graph.target, graph, &model.model(), &mut output).map(|()| output)
}
