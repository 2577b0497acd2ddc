//! The whole model as text: canonical, line by line, so that two prints can be compared.
//!
//! Values are shown as expressions, never evaluated: no secret can appear here.

use std::fmt::Write;

use crate::annotation::{MountKind, ProbeAction};
use crate::fact::FactValue;
use crate::model::{AppModel, Resource};

/// The model.
pub fn model(model: &AppModel) -> String {
    let mut text = format!("app {}\n", model.name);
    for one in model.iter() {
        text.push('\n');
        text.push_str(&resource(one));
    }
    text
}

/// One resource.
pub fn resource(resource: &Resource) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} ({}, {})",
        resource.name, resource.kind, resource.shape
    );
    for (key, fact) in &resource.facts {
        let _ = writeln!(text, "  {key} = {}", value(&fact.value));
    }
    text
}

/// One value, on one line.
pub fn value(value: &FactValue) -> String {
    match value {
        FactValue::Text(text) => quote(text),
        FactValue::Number(number) => number.to_string(),
        FactValue::Flag(flag) => flag.to_string(),
        FactValue::Value(expression) => quote(&expression.to_string()),
        FactValue::Values(list) => {
            let items: Vec<String> = list.iter().map(|e| quote(&e.to_string())).collect();
            format!("[{}]", items.join(", "))
        }
        FactValue::Texts(list) => {
            let items: Vec<String> = list.iter().map(|t| quote(t)).collect();
            format!("[{}]", items.join(", "))
        }
        FactValue::Endpoint(endpoint) => {
            let mut text = format!("{}/{}", endpoint.scheme, endpoint.protocol.as_str());
            if let Some(port) = endpoint.port {
                let _ = write!(text, " port {port}");
            }
            if let Some(port) = endpoint.target_port {
                let _ = write!(text, " target-port {port}");
            }
            for (set, word) in [
                (endpoint.external, " external"),
                (!endpoint.proxied, " not-proxied"),
                (endpoint.tls, " tls"),
            ] {
                if set {
                    text.push_str(word);
                }
            }
            if let Some(env) = &endpoint.env {
                let _ = write!(text, " env {env}");
            }
            text
        }
        FactValue::Mount(mount) => {
            let source = if mount.source.is_empty() {
                "(own)"
            } else {
                &mount.source
            };
            let mut text = match mount.kind {
                MountKind::Scratch => format!("scratch at {}", mount.target),
                kind => format!("{} {source} at {}", kind.as_str(), mount.target),
            };
            if mount.read_only {
                text.push_str(" read-only");
            }
            text
        }
        FactValue::File(file) if file.source.is_empty() => {
            format!(
                "{} mode {:o} {}",
                file.target,
                file.mode,
                quote(&file.contents.to_string())
            )
        }
        FactValue::File(file) => {
            format!(
                "{} mode {:o} from {}",
                file.target,
                file.mode,
                quote(&file.source)
            )
        }
        FactValue::Wait(wait) if wait.exit_code == 0 => wait.condition.as_str().to_owned(),
        FactValue::Wait(wait) => {
            format!("{} exit-code {}", wait.condition.as_str(), wait.exit_code)
        }
        FactValue::Probe(probe) => {
            let action = match &probe.action {
                ProbeAction::Http {
                    endpoint,
                    path,
                    status: None,
                } => format!("http {endpoint} {path}"),
                ProbeAction::Http {
                    endpoint,
                    path,
                    status: Some(status),
                } => {
                    format!("http {endpoint} {path} status {status}")
                }
                ProbeAction::Tcp { endpoint } => format!("tcp {endpoint}"),
                ProbeAction::Command { command } => {
                    let words: Vec<String> =
                        command.iter().map(|e| quote(&e.to_string())).collect();
                    format!("command [{}]", words.join(", "))
                }
            };
            format!(
                "{action} every {} ms, timeout {} ms, start-period {} ms, retries {}",
                probe.interval, probe.timeout, probe.start_period, probe.retries
            )
        }
        FactValue::Parameter(parameter) => {
            let mut text = if parameter.secret {
                "secret".to_owned()
            } else {
                "plain".to_owned()
            };
            if let Some(generate) = parameter.generate {
                let _ = write!(text, " generated length {}", generate.length);
                if generate.special {
                    text.push_str(" special");
                }
            }
            if let Some(default) = &parameter.default {
                let _ = write!(text, " default {}", quote(&default.to_string()));
            }
            if !parameter.description.is_empty() {
                let _ = write!(text, " {}", quote(&parameter.description));
            }
            text
        }
        FactValue::Watch(watch) => {
            let list = |texts: &[String]| {
                let items: Vec<String> = texts.iter().map(|text| quote(text)).collect();
                format!("[{}]", items.join(", "))
            };
            let mut words = Vec::new();
            words.extend(watch.action.map(|action| action.as_str().to_owned()));
            if watch.paths.is_empty() {
                words.push("own folder".to_owned());
            } else {
                words.push(format!("paths {}", list(&watch.paths)));
            }
            if !watch.ignore.is_empty() {
                words.push(format!("ignore {}", list(&watch.ignore)));
            }
            if !watch.target.is_empty() {
                words.push(format!("target {}", watch.target));
            }
            words.join(" ")
        }
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The lines of `after` that `before` has not, and the other way round, with their resource.
pub fn diff(before: &AppModel, after: &AppModel) -> String {
    let mut text = String::new();
    let names: std::collections::BTreeSet<&str> = before
        .iter()
        .chain(after.iter())
        .map(|r| r.name.as_str())
        .collect();
    for name in names {
        match (before.get(name), after.get(name)) {
            (Some(a), Some(b)) if a == b => {}
            (a, b) => {
                let lines = |r: Option<&Resource>| -> Vec<String> {
                    r.map(|r| resource(r).lines().map(str::to_owned).collect())
                        .unwrap_or_default()
                };
                let (old, new) = (lines(a), lines(b));
                let removed = old
                    .iter()
                    .filter(|line| !new.contains(line))
                    .map(|l| ("-", l));
                let added = new
                    .iter()
                    .filter(|line| !old.contains(line))
                    .map(|l| ("+", l));
                let mut body = String::new();
                for (sign, line) in removed.chain(added) {
                    let _ = writeln!(body, "{sign} {line}");
                }
                if !body.is_empty() {
                    let _ = write!(text, "{name}\n{body}");
                }
            }
        }
    }
    text
}
