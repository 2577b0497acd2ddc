//! What a workload finds in its file system: `volumes`, `mounts`, `files`.

use aspire_model::annotation::{File, Mount, MountKind};
use aspire_model::{Expression, FactKey, FactValue, Field};

use super::read::Reader;
use crate::tree::{Node, Value};

/// A path in a container has to be absolute.
fn container_path(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let path = reader.get_text(node)?;
    if path.starts_with('/') {
        return Some(path);
    }
    reader.wrong_value(
        node,
        format!("`{path}` is no absolute path"),
        "a path in a container begins with /",
    );
    None
}

pub(super) fn volumes(reader: &mut Reader<'_>, node: &Node) {
    let Some(entries) = reader.get_open_table(node) else {
        return;
    };
    for entry in entries {
        let mut mount = Mount {
            kind: MountKind::Volume,
            source: String::new(),
            target: String::new(),
            read_only: false,
        };
        if let Value::Table(_) = entry.node.value {
            let Some(options) = reader.get_table(&entry.node, &["target", "name", "read-only"])
            else {
                continue;
            };
            for option in options {
                match option.key.as_str() {
                    "target" => {
                        mount.target = container_path(reader, &option.node).unwrap_or_default();
                    }
                    "name" => mount.source = reader.get_text(&option.node).unwrap_or_default(),
                    "read-only" => mount.read_only = reader.get_flag(&option.node).unwrap_or(false),
                    _ => {}
                }
            }
        } else {
            mount.target = container_path(reader, &entry.node).unwrap_or_default();
        }
        if !mount.target.is_empty() {
            let key = FactKey::entry(Field::Mounts, entry.key.clone());
            reader.push(key, FactValue::Mount(mount), &entry.span);
        }
    }
}

pub(super) fn mounts(reader: &mut Reader<'_>, node: &Node) {
    let Some(entries) = reader.get_open_table(node) else {
        return;
    };
    for entry in entries {
        let Some(options) = reader.get_table(&entry.node, &["source", "target", "read-only"])
        else {
            continue;
        };
        let mut mount = Mount {
            kind: MountKind::Bind,
            source: String::new(),
            target: String::new(),
            read_only: false,
        };
        for option in options {
            match option.key.as_str() {
                "source" => mount.source = reader.get_text(&option.node).unwrap_or_default(),
                "target" => mount.target = container_path(reader, &option.node).unwrap_or_default(),
                "read-only" => mount.read_only = reader.get_flag(&option.node).unwrap_or(false),
                _ => {}
            }
        }
        if mount.source.is_empty() || mount.target.is_empty() {
            reader.wrong_value(
                &entry.node,
                "a mount needs `source` and `target`",
                "write both",
            );
            continue;
        }
        let key = FactKey::entry(Field::Mounts, entry.key.clone());
        reader.push(key, FactValue::Mount(mount), &entry.span);
    }
}

pub(super) fn files(reader: &mut Reader<'_>, node: &Node) {
    let Some(entries) = reader.get_open_table(node) else {
        return;
    };
    for entry in entries {
        let known = ["target", "contents", "source", "mode"];
        let Some(options) = reader.get_table(&entry.node, &known) else {
            continue;
        };
        let mut file = File {
            target: String::new(),
            contents: Expression::default(),
            source: String::new(),
            mode: 0o644,
        };
        for option in options {
            match option.key.as_str() {
                "target" => file.target = container_path(reader, &option.node).unwrap_or_default(),
                "contents" => {
                    file.contents = reader.get_expression(&option.node).unwrap_or_default();
                }
                "source" => file.source = reader.get_text(&option.node).unwrap_or_default(),
                "mode" => {
                    let text = reader.get_text(&option.node).unwrap_or_default();
                    match u32::from_str_radix(&text, 8) {
                        Ok(mode) if mode <= 0o7777 => file.mode = mode,
                        _ => reader.wrong_value(
                            &option.node,
                            format!("`{text}` is no file mode"),
                            "write it in octal, like \"0644\"",
                        ),
                    }
                }
                _ => {}
            }
        }
        if file.target.is_empty() {
            reader.wrong_value(
                &entry.node,
                "a file needs a `target`",
                "write the path that the workload sees",
            );
            continue;
        }
        if !file.source.is_empty() && !file.contents.is_empty() {
            reader.wrong_value(
                &entry.node,
                "a file has `contents` or a `source`, not both",
                "remove one",
            );
            continue;
        }
        let key = FactKey::entry(Field::Files, entry.key.clone());
        reader.push(key, FactValue::File(file), &entry.span);
    }
}
