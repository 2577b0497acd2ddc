//! What makes an API server behave as Kubernetes' does, over plain JSON values.
//!
//! Selectors, patches, server-side apply with field ownership, tables, the documents that describe
//! the API, and the errors with their wording. Everything here is a pure function of what it is
//! given: it knows no store, no HTTP, no clock, and none of the kinds that are served.
//!
//! A write goes through, in this order:
//! 1. [`options`] for the parameters, [`strict::read_json`] for the body;
//! 2. [`patch`] or [`apply::apply`] for a patch; the status is put back by the caller, except by
//!    `apply`, which does that itself;
//! 3. the kind's own decoding and defaults, [`names::validate_metadata`], the kind's validation;
//! 4. [`apply::track_update`] for everything but an apply patch;
//! 5. the store, if the result differs from what is stored.
//!
//! A read: [`negotiate::negotiate`], [`selector`], [`continue_token::page`] or
//! [`watch_filter::translate`], [`table`]. Every error is, or turns into, a [`status::Status`].

pub mod apply;
pub mod continue_token;
pub mod field_error;
mod field_selector;
pub mod fields_v1;
mod label_selector;
pub mod last_applied;
pub mod managed_fields;
pub mod merge;
pub mod names;
pub mod negotiate;
pub mod openapi;
mod openapi_schema;
pub mod openapi_v2;
pub mod openapi_v3;
pub mod options;
pub mod patch;
pub mod schema;
pub mod selector;
pub mod status;
pub mod strict;
pub mod table;
pub mod types;
pub mod watch_filter;

#[cfg(test)]
mod properties;
