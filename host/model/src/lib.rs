//! The pure core of aspire-host: names, expressions, facts, provenance, edits, merging, and the
//! app model that they add up to.
//!
//! Knows what a topology *is*. Doesn't know files, clocks, processes, engines, plugins' insides,
//! or where any value will come from: nothing here does I/O, and equal inputs give equal outputs.

pub mod annotation;
pub mod construct;
pub mod declaration;
pub mod diagnostic;
pub mod edit;
pub mod evaluate;
pub mod expression;
pub mod fact;
pub mod grant;
pub mod graph;
pub mod hook;
pub mod merge;
pub mod model;
pub mod name;
pub mod print;
pub mod provenance;
pub mod selector;

pub use declaration::Declaration;
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use edit::{Edit, Transaction};
pub use expression::{Expression, Segment};
pub use fact::{Fact, FactKey, FactValue, Field, Form};
pub use model::{AppModel, Mode, Resource, Shape};
pub use name::ResourceName;
pub use provenance::{Author, Span};
