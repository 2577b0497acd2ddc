//! Run mode, from a checked model to the end of the run.
//!
//! [`choose`] the runtime and lower, find [`values`](inputs) of parameters, [`preflight`], then a
//! [`session`] of the control plane shown through [`view`] and [`screen`]. Only `session` and
//! `choose` know the control plane's crate.

pub(crate) mod choose;
pub(crate) mod inputs;
pub(crate) mod preflight;
pub(crate) mod screen;
pub(crate) mod session;
pub(crate) mod signals;
pub(crate) mod table;
pub(crate) mod view;
