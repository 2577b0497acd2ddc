//! Ways into a workload and how its health is looked at: `endpoints`, `health`.

use aspire_model::annotation::{Endpoint, Probe, ProbeAction, Protocol};
use aspire_model::diagnostic::Diagnostic;
use aspire_model::{FactKey, FactValue, Field, ResourceName};

use super::read::Reader;
use crate::tree::{Entry, Node, Value};

const ENDPOINT_KEYS: [&str; 8] = [
    "scheme",
    "port",
    "target-port",
    "protocol",
    "external",
    "proxied",
    "tls",
    "env",
];

pub(super) fn endpoints(reader: &mut Reader<'_>, node: &Node) {
    let Some(entries) = reader.get_open_table(node) else {
        return;
    };
    for entry in entries {
        if let Err(error) = ResourceName::new(entry.key.clone()) {
            reader.diagnostics.push(
                Diagnostic::error("bad-name", error.to_string())
                    .at(entry.span.clone())
                    .help("endpoints are named like resources"),
            );
            continue;
        }
        if let Some(endpoint) = endpoint(reader, entry) {
            let key = FactKey::entry(Field::Endpoints, entry.key.clone());
            reader.push(key, FactValue::Endpoint(endpoint), &entry.span);
        }
    }
}

fn endpoint(reader: &mut Reader<'_>, entry: &Entry) -> Option<Endpoint> {
    let mut endpoint = Endpoint::tcp("", None);
    if let Value::Integer(_) = entry.node.value {
        endpoint.target_port = Some(reader.get_port(&entry.node)?);
    } else {
        for option in reader.get_table(&entry.node, &ENDPOINT_KEYS)? {
            let node = &option.node;
            match option.key.as_str() {
                "scheme" => endpoint.scheme = reader.get_text(node)?,
                "port" => endpoint.port = Some(reader.get_port(node)?),
                "target-port" => endpoint.target_port = Some(reader.get_port(node)?),
                "protocol" => {
                    endpoint.protocol = match reader.get_text(node)?.as_str() {
                        "tcp" => Protocol::Tcp,
                        "udp" => Protocol::Udp,
                        other => {
                            let message = format!("`{other}` is no protocol");
                            reader.wrong_value(node, message, "there are tcp and udp");
                            return None;
                        }
                    }
                }
                "external" => endpoint.external = reader.get_flag(node)?,
                "proxied" => endpoint.proxied = reader.get_flag(node)?,
                "tls" => endpoint.tls = reader.get_flag(node)?,
                "env" => endpoint.env = Some(reader.get_text(node)?),
                _ => {}
            }
        }
    }
    if endpoint.scheme.is_empty() {
        endpoint.scheme = match entry.key.as_str() {
            "http" if endpoint.tls => "https".to_owned(),
            name @ ("http" | "https") => name.to_owned(),
            _ => endpoint.protocol.as_str().to_owned(),
        };
    }
    endpoint.tls |= endpoint.scheme == "https";
    Some(endpoint)
}

const HEALTH_KEYS: [&str; 10] = [
    "path",
    "endpoint",
    "status",
    "tcp",
    "command",
    "interval",
    "timeout",
    "start-period",
    "retries",
    "liveness",
];

pub(super) fn health(reader: &mut Reader<'_>, node: &Node) {
    let mut liveness = None;
    let probe = probe(reader, node, &mut liveness);
    if let Some(liveness) = liveness {
        let text = if liveness { "yes" } else { "no" };
        reader.push(
            FactKey::single(Field::Liveness),
            FactValue::Text(text.to_owned()),
            &node.span,
        );
    }
    if let Some(probe) = probe {
        reader.push(
            FactKey::single(Field::Health),
            FactValue::Probe(probe),
            &node.span,
        );
    }
}

fn probe(reader: &mut Reader<'_>, node: &Node, liveness: &mut Option<bool>) -> Option<Probe> {
    let http = |path: String| ProbeAction::Http {
        endpoint: String::new(),
        path,
        status: None,
    };
    if let Value::String(path) = &node.value {
        return Some(Probe::new(http(absolute(path))));
    }
    let (mut path, mut endpoint, mut status, mut tcp, mut command) = (None, None, None, None, None);
    let mut probe = Probe::new(http(String::new()));
    let entries = reader.get_table(node, &HEALTH_KEYS)?;
    // On an integration's resource the check itself is the plugin's.
    let only_liveness = entries.len() == 1 && entries[0].key == "liveness";
    for entry in entries {
        let value = &entry.node;
        match entry.key.as_str() {
            "path" => path = Some(reader.get_text(value)?),
            "endpoint" => endpoint = Some(reader.get_text(value)?),
            "status" => {
                let number = reader.get_number(value, 100..=599)?;
                status = u16::try_from(number).ok();
            }
            "tcp" => tcp = Some(reader.get_text(value)?),
            "command" => command = Some(reader.get_expressions(value)?),
            "liveness" => *liveness = Some(reader.get_flag(value)?),
            "interval" => probe.interval = reader.get_duration(value)?,
            "timeout" => probe.timeout = reader.get_duration(value)?,
            "start-period" => probe.start_period = reader.get_duration(value)?,
            "retries" => {
                let number = reader.get_number(value, 1..=1000)?;
                probe.retries = u32::try_from(number).ok()?;
            }
            _ => {}
        }
    }
    if only_liveness {
        return None;
    }
    probe.action = match (path, tcp, command) {
        (Some(path), None, None) => ProbeAction::Http {
            endpoint: endpoint.unwrap_or_default(),
            path: absolute(&path),
            status,
        },
        (None, Some(endpoint), None) => ProbeAction::Tcp { endpoint },
        (None, None, Some(command)) if !command.is_empty() => ProbeAction::Command { command },
        _ => {
            let help = "write one of path, tcp or command";
            reader.wrong_value(
                node,
                "a health check is one of `path`, `tcp` and `command`",
                help,
            );
            return None;
        }
    };
    Some(probe)
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}
