//! What the plugin asks for, without a host.

mod admin;
mod databases;
mod server;

use aspire_sdk::serde_json::Value as Json;
use aspire_sdk::testing::{declaration, expand};
use aspire_sdk::{Declaration, Edits, Error, Expression};

use crate::Postgres;

/// The edits of a server named `pg`.
fn expanded(options: Json) -> Edits {
    edits_of(&pg(options)).expect("it expands")
}

/// Why a server named `pg` is refused.
fn refused(options: Json) -> String {
    edits_of(&pg(options))
        .expect_err("it is refused")
        .to_string()
}

fn pg(options: Json) -> Declaration {
    declaration("pg", "postgres", options)
}

fn edits_of(declaration: &Declaration) -> Result<Edits, Error> {
    expand::<Postgres>(declaration)
}

/// SQL as the host passes it on.
fn sql(text: &str) -> Json {
    Expression::text(text).to_json()
}

/// The lines of the edits that begin like this, without that beginning.
fn about(edits: &Edits, prefix: &str) -> String {
    let text = edits.to_string();
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix(prefix))
        .collect();
    lines.join("\n")
}
