//! Run mode, from a checked model to the end of the run.
//!
//! [`choose`] the runtime and lower, find [`values`](inputs) of parameters, [`preflight`], then a
//! [`session`] of the control plane shown through [`view`] and [`screen`]. [`live`] follows the app
//! file meanwhile, [`watching`] the files of resources. Only `session`, `apply`, `live`, `watching`
//! and `choose` know the control plane's crate.

mod apply;
pub(crate) mod choose;
pub(crate) mod inputs;
pub(crate) mod live;
pub(crate) mod preflight;
pub(crate) mod screen;
pub(crate) mod session;
pub(crate) mod signals;
pub(crate) mod table;
pub(crate) mod view;
mod watching;
