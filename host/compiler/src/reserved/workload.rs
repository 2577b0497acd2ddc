//! The reserved keys with a structure of their own.

use std::collections::BTreeMap;

use aspire_model::annotation::{Build, Limits, Reference, Wait, WaitCondition};
use aspire_model::{Expression, FactKey, FactValue, Field, ResourceName};

use super::read::{Reader, parse_bytes};
use crate::tree::{Node, Value};

fn build_table(reader: &mut Reader<'_>, node: &Node) -> Option<Build> {
    if let Value::String(context) = &node.value {
        return Some(Build {
            context: context.clone(),
            ..Build::default()
        });
    }
    let mut build = Build::default();
    for entry in reader.get_table(node, &["context", "dockerfile", "target", "args"])? {
        match entry.key.as_str() {
            "context" => build.context = reader.get_text(&entry.node)?,
            "dockerfile" => build.dockerfile = reader.get_text(&entry.node)?,
            "target" => build.target = reader.get_text(&entry.node)?,
            "args" => {
                for arg in reader.get_open_table(&entry.node)? {
                    let value = reader.get_expression(&arg.node)?;
                    build.args.insert(arg.key.clone(), value);
                }
            }
            _ => {}
        }
    }
    if build.context.is_empty() {
        reader.wrong_value(
            node,
            "a build needs a `context`",
            "write context = \".\" or another folder",
        );
        return None;
    }
    Some(build)
}

/// What `restart` may be.
pub(super) const RESTART_POLICIES: [&str; 3] = ["no", "on-failure", "always"];

/// `restart`; the fact is the policy, and after a colon how often.
pub(super) fn restart(reader: &mut Reader<'_>, node: &Node) {
    let Value::Table(_) = node.value else {
        return reader.choice(Field::Restart, node, &RESTART_POLICIES);
    };
    let (mut policy, mut maximum) = (None, None);
    let Some(entries) = reader.get_table(node, &["policy", "maximum"]) else {
        return;
    };
    for entry in entries {
        match entry.key.as_str() {
            "policy" => policy = reader.get_text(&entry.node),
            "maximum" => maximum = reader.get_number(&entry.node, 1..=1_000_000),
            _ => {}
        }
    }
    match policy.as_deref() {
        Some(policy) if RESTART_POLICIES.contains(&policy) => {
            let text = match maximum {
                Some(maximum) if policy != "no" => format!("{policy}:{maximum}"),
                _ => policy.to_owned(),
            };
            let key = FactKey::single(Field::Restart);
            reader.push(key, FactValue::Text(text), &node.span);
        }
        _ => reader.wrong_value(
            node,
            "`policy` is one of `no`, `on-failure` and `always`",
            "write policy = \"on-failure\"",
        ),
    }
}

pub(super) fn build(reader: &mut Reader<'_>, node: &Node) {
    if let Value::Array(_) = node.value {
        match reader.get_texts(node) {
            Some(words) if words.is_empty() => {
                reader.wrong_value(
                    node,
                    "the command is empty",
                    "write the program and its arguments",
                );
            }
            Some(words) => {
                reader.push(
                    FactKey::single(Field::BuildCommand),
                    FactValue::Texts(words),
                    &node.span,
                );
            }
            None => {}
        }
    } else if let Some(build) = build_table(reader, node) {
        reader.push(
            FactKey::single(Field::Build),
            FactValue::Build(build),
            &node.span,
        );
    }
}

pub(super) fn command(reader: &mut Reader<'_>, node: &Node) {
    // Both facts are written; expansion keeps the one that the resource's shape has a use for.
    match &node.value {
        Value::Array(_) => {
            if let Some(values) = reader.get_expressions(node) {
                reader.push(
                    FactKey::single(Field::Entrypoint),
                    FactValue::Values(values),
                    &node.span,
                );
            }
        }
        Value::String(_) => {
            if let Some(value) = reader.get_expression(node) {
                if value.is_empty() {
                    reader.wrong_value(node, "the command is empty", "write a program");
                    return;
                }
                reader.push(
                    FactKey::single(Field::Command),
                    FactValue::Value(value.clone()),
                    &node.span,
                );
                reader.push(
                    FactKey::single(Field::Entrypoint),
                    FactValue::Values(vec![value]),
                    &node.span,
                );
            }
        }
        _ => reader.wrong_type(node, "a string, or an array of strings"),
    }
}

/// The name of a resource that an item of a list means.
fn resource_name(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.get_text(node)?;
    match ResourceName::new(text.clone()) {
        Ok(_) => Some(text),
        Err(error) => {
            reader.wrong_value(node, error.to_string(), "write the name of a resource");
            None
        }
    }
}

fn list<'n>(reader: &mut Reader<'_>, node: &'n Node) -> &'n [Node] {
    match &node.value {
        Value::Array(items) => items,
        _ => {
            reader.wrong_type(node, "an array of names");
            &[]
        }
    }
}

pub(super) fn references(reader: &mut Reader<'_>, node: &Node) {
    for item in list(reader, node) {
        let mut reference = Reference {
            alias: String::new(),
            optional: false,
        };
        let mut resource = None;
        if let Value::Table(_) = item.value {
            let Some(entries) = reader.get_table(item, &["resource", "as", "optional"]) else {
                continue;
            };
            for entry in entries {
                match entry.key.as_str() {
                    "resource" => resource = resource_name(reader, &entry.node),
                    "as" => reference.alias = reader.get_text(&entry.node).unwrap_or_default(),
                    "optional" => {
                        reference.optional = reader.get_flag(&entry.node).unwrap_or(false);
                    }
                    _ => {}
                }
            }
        } else {
            resource = resource_name(reader, item);
        }
        if let Some(resource) = resource {
            let key = FactKey::entry(Field::References, resource);
            reader.push(key, FactValue::Reference(reference), &item.span);
        }
    }
}

pub(super) fn waits(reader: &mut Reader<'_>, node: &Node) {
    for item in list(reader, node) {
        let mut wait = Wait {
            condition: WaitCondition::Healthy,
            exit_code: 0,
        };
        let mut resource = None;
        if let Value::Table(_) = item.value {
            let Some(entries) = reader.get_table(item, &["resource", "for", "exit-code"]) else {
                continue;
            };
            for entry in entries {
                match entry.key.as_str() {
                    "resource" => resource = resource_name(reader, &entry.node),
                    "for" => match reader.get_text(&entry.node).as_deref() {
                        Some("healthy") => wait.condition = WaitCondition::Healthy,
                        Some("started") => wait.condition = WaitCondition::Started,
                        Some("completed") => wait.condition = WaitCondition::Completed,
                        Some(other) => {
                            let message = format!("`{other}` is nothing to wait for");
                            reader.wrong_value(
                                &entry.node,
                                message,
                                "there are healthy, started and completed",
                            );
                        }
                        None => {}
                    },
                    "exit-code" => {
                        let code = reader.get_number(&entry.node, -255..=255).unwrap_or(0);
                        wait.exit_code = i32::try_from(code).unwrap_or(0);
                    }
                    _ => {}
                }
            }
        } else {
            resource = resource_name(reader, item);
        }
        if let Some(resource) = resource {
            let key = FactKey::entry(Field::Waits, resource);
            reader.push(key, FactValue::Wait(wait), &item.span);
        }
    }
}

pub(super) fn replicas(reader: &mut Reader<'_>, node: &Node) {
    if let Some(number) = reader.get_number(node, 1..=100) {
        reader.push(
            FactKey::single(Field::Replicas),
            FactValue::Number(number),
            &node.span,
        );
    }
}

pub(super) fn limits(reader: &mut Reader<'_>, node: &Node) {
    let Some(entries) = reader.get_table(node, &["cpu", "memory"]) else {
        return;
    };
    let mut limits = Limits::default();
    for entry in entries {
        match (entry.key.as_str(), &entry.node.value) {
            ("cpu", Value::Integer(cores)) if *cores > 0 => {
                limits.cpu_millis = u64::try_from(*cores).ok().map(|cores| cores * 1000);
            }
            ("cpu", Value::Float(cores)) if *cores > 0.0 => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "positive, and far below the limit"
                )]
                let millis = (cores * 1000.0).round() as u64;
                limits.cpu_millis = Some(millis);
            }
            ("cpu", _) => reader.wrong_type(&entry.node, "a number of cores above 0"),
            ("memory", Value::String(text)) => match parse_bytes(text) {
                Some(bytes) => limits.memory = Some(bytes),
                None => {
                    let message = format!("`{text}` is no size");
                    reader.wrong_value(&entry.node, message, "write it like 512MiB or 1GB");
                }
            },
            ("memory", _) => reader.wrong_type(&entry.node, "a size such as \"512MiB\""),
            _ => {}
        }
    }
    reader.push(
        FactKey::single(Field::Limits),
        FactValue::Limits(limits),
        &node.span,
    );
}

pub(super) fn publish(reader: &mut Reader<'_>, node: &Node) {
    let text = match &node.value {
        Value::Boolean(true) => "yes",
        Value::Boolean(false) => "no",
        Value::String(text) if text == "connection-string" => "connection-string",
        Value::Table(entries) => {
            for entry in entries {
                match entry.key.as_str() {
                    "image" => reader.text(Field::PublishImage, &entry.node),
                    "build" => {
                        if let Some(build) = build_table(reader, &entry.node) {
                            let key = FactKey::single(Field::PublishBuild);
                            reader.push(key, FactValue::Build(build), &entry.node.span);
                        }
                    }
                    target => {
                        let Some(options) = reader.get_table(&entry.node, &["variant"]) else {
                            continue;
                        };
                        for option in options.iter().filter(|option| option.key == "variant") {
                            if let Some(text) = reader.get_text(&option.node) {
                                let key = FactKey::entry(Field::Variants, target);
                                let value = FactValue::Value(Expression::literal(text));
                                reader.push(key, value, &option.node.span);
                            }
                        }
                    }
                }
            }
            return;
        }
        _ => {
            reader.wrong_type(node, "true, false, \"connection-string\" or a table");
            return;
        }
    };
    reader.push(
        FactKey::single(Field::Publish),
        FactValue::Text(text.to_owned()),
        &node.span,
    );
}

const HOST_KEYS: [&str; 9] = [
    "user",
    "stop-grace",
    "pull",
    "gpus",
    "devices",
    "cap-add",
    "privileged",
    "network",
    "description",
];

pub(super) fn host(reader: &mut Reader<'_>, node: &Node) {
    let Some(entries) = reader.get_table(node, &HOST_KEYS) else {
        return;
    };
    let mut privileges: BTreeMap<String, (String, &Node)> = BTreeMap::new();
    for entry in entries {
        let value = &entry.node;
        match entry.key.as_str() {
            "user" => reader.text(Field::User, value),
            "description" => reader.text(Field::Description, value),
            "pull" => reader.choice(Field::Pull, value, &["missing", "always", "never"]),
            "stop-grace" => {
                if let Some(grace) = reader.get_duration(value) {
                    let fact = FactValue::Number(i64::from(grace));
                    reader.push(FactKey::single(Field::StopGrace), fact, &value.span);
                }
            }
            "gpus" => {
                if let Some(text) = reader.get_text(value) {
                    privileges.insert("gpus".into(), (text, value));
                }
            }
            key @ ("devices" | "cap-add") => {
                let prefix = if key == "devices" {
                    "device"
                } else {
                    "cap-add"
                };
                for text in reader.get_texts(value).unwrap_or_default() {
                    privileges.insert(format!("{prefix}:{text}"), (String::new(), value));
                }
            }
            "privileged" => {
                let wanted = reader.get_flag(value) == Some(true);
                privileges.extend(wanted.then(|| ("privileged".into(), (String::new(), value))));
            }
            "network" => {
                if reader.get_text(value).as_deref() == Some("host") {
                    privileges.insert("network:host".into(), (String::new(), value));
                } else {
                    reader.wrong_value(value, "this is no network", "there is \"host\"");
                }
            }
            _ => {}
        }
    }
    for (name, (text, value)) in privileges {
        let key = FactKey::entry(Field::Privileges, name);
        reader.push(
            key,
            FactValue::Value(Expression::literal(text)),
            &value.span,
        );
    }
}
