//! Steps from what runs to what is wanted, as they are shown.
//!
//! Pure. Knows words for steps and how a secret is not shown. Doesn't know who makes them.

use std::collections::BTreeSet;

use aspire_api::Kind;
use serde_json::{Value as Json, json};

use super::environment::MASK;
use crate::ui::visible;
use aspire_dcp::answers::{Action, Step};

/// Longest value that is shown.
const LONGEST: usize = 60;
/// There are no steps.
pub(crate) const NOTHING: &str = "nothing to do: what runs is what the app says";

/// One line for each step, and one for each field that causes it.
pub(crate) fn lines(steps: &[Step]) -> Vec<String> {
    let mut lines = Vec::new();
    for step in steps {
        lines.push(visible(&line(step), false));
        for difference in &step.because {
            let text = format!(
                "  {}: {} -> {}",
                difference.field,
                value(difference.old.as_ref()),
                value(difference.new.as_ref())
            );
            lines.push(visible(&text, false));
        }
    }
    lines
}

/// How many there are of each kind, and for how many resources.
pub(crate) fn summary(steps: &[Step]) -> String {
    let count = |action: Action| steps.iter().filter(|step| step.action == action).count();
    let counts: Vec<String> = [
        Action::Create,
        Action::Change,
        Action::Replace,
        Action::Stop,
    ]
    .into_iter()
    .filter(|action| count(*action) > 0)
    .map(|action| format!("{} to {}", count(action), action.word()))
    .collect();
    let resources: BTreeSet<&str> = steps.iter().map(|step| step.resource.as_str()).collect();
    format!("{} ({} resources)", counts.join(", "), resources.len())
}

fn line(step: &Step) -> String {
    let what = match step.key.kind {
        Kind::Container => "container",
        Kind::Executable => "process",
        Kind::Service => "service",
        Kind::ContainerNetwork => "network",
        Kind::ContainerVolume => "volume",
        _ => "object",
    };
    format!("{} {what} {}", step.action.word(), step.key.name)
}

/// One for programs.
pub(crate) fn to_json(step: &Step) -> Json {
    let because: Vec<Json> = step
        .because
        .iter()
        .map(|it| json!({ "field": it.field, "old": it.old, "new": it.new }))
        .collect();
    json!({
        "action": step.action.word(),
        "object": step.key.to_string(),
        "resource": step.resource,
        "because": because,
    })
}

/// A value of a field; placeholders of secrets say only that there is one.
fn value(value: Option<&Json>) -> String {
    let Some(value) = value else {
        return "(none)".to_owned();
    };
    let text = match value {
        Json::String(text) => match aspire_api::template::parse(text) {
            Ok(pieces) => pieces.iter().map(piece).collect(),
            Err(_) => text.clone(),
        },
        other => other.to_string(),
    };
    crate::columns::cut(&text.replace('\n', " "), LONGEST)
}

fn piece(piece: &aspire_api::template::Piece) -> String {
    use aspire_api::template::{Piece, Placeholder};
    match piece {
        Piece::Text(text) => text.clone(),
        Piece::Placeholder(Placeholder::Secret { .. }) => MASK.to_owned(),
        Piece::Placeholder(Placeholder::PortFor(service)) => format!("{{port of {service}}}"),
        Piece::Placeholder(Placeholder::PortForServing(service)) => {
            format!("{{own port for {service}}}")
        }
        Piece::Placeholder(Placeholder::AddressForServing(service)) => {
            format!("{{own address for {service}}}")
        }
        Piece::Placeholder(Placeholder::AddressFor(service)) => {
            format!("{{address of {service}}}")
        }
        Piece::Placeholder(Placeholder::DataFolder(key)) => format!("{{data folder {key}}}"),
        Piece::Placeholder(Placeholder::File(key)) => format!("{{file {key}}}"),
    }
}
