//! Which files are watched while a workload runs: `watch`.

use aspire_model::annotation::{Watch, WatchAction};
use aspire_model::{FactKey, FactValue, Field};

use super::read::Reader;
use crate::tree::Node;

const KEYS: [&str; 4] = ["paths", "ignore", "do", "target"];

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) {
    let Some(entries) = reader.get_table(node, &KEYS) else {
        return;
    };
    let mut watch = Watch::default();
    for entry in entries {
        match entry.key.as_str() {
            "paths" => watch.paths = texts(reader, &entry.node),
            "ignore" => watch.ignore = texts(reader, &entry.node),
            "do" => {
                watch.action = match reader.get_text(&entry.node).as_deref() {
                    Some("restart") => Some(WatchAction::Restart),
                    Some("rebuild") => Some(WatchAction::Rebuild),
                    Some("sync") => Some(WatchAction::Sync),
                    Some(other) => {
                        let message = format!("`{other}` is nothing that can follow");
                        let help = "there are restart, rebuild and sync";
                        reader.wrong_value(&entry.node, message, help);
                        None
                    }
                    None => None,
                };
            }
            "target" => {
                watch.target = reader.get_text(&entry.node).unwrap_or_default();
                if !watch.target.starts_with('/') {
                    let help = "write the absolute path of a folder in the container";
                    reader.wrong_value(&entry.node, "this is no absolute path", help);
                }
            }
            _ => {}
        }
    }
    let syncs = watch.action == Some(WatchAction::Sync);
    let target = entries.iter().find(|entry| entry.key == "target");
    match target {
        None if syncs => reader.wrong_value(
            node,
            "`sync` needs a `target`",
            "write target = \"/…\", the folder of the container that files are copied to",
        ),
        Some(target) if !syncs => reader.wrong_value(
            &target.node,
            "only `sync` has a `target`",
            "write do = \"sync\", or remove it",
        ),
        _ => {}
    }
    let key = FactKey::single(Field::Watch);
    reader.push(key, FactValue::Watch(watch), &node.span);
}

/// Paths or patterns; an empty one would mean everything.
fn texts(reader: &mut Reader<'_>, node: &Node) -> Vec<String> {
    let texts = reader.get_texts(node).unwrap_or_default();
    if texts.iter().any(String::is_empty) {
        reader.wrong_value(node, "this has an empty path", "write \".\", or remove it");
    }
    texts
}
