//! From the records of `wit/types.wit` to the model's types.
//!
//! Everything from a guest is checked here. Doesn't know who writes what, or where it goes.

mod outgoing;

use std::collections::BTreeMap;

use aspire_model::annotation::{
    Endpoint, File, Generate, Mount, MountKind, Parameter, Prepare, Probe, ProbeAction, Protocol,
    Wait, WaitCondition,
};
use aspire_model::expression::WireSegment;
use aspire_model::hook::GuestError;
use aspire_model::name::MAX_NAME;
use aspire_model::{Diagnostic, Expression, ResourceName, Severity};

use crate::bindings::types as wit;
use crate::state::Mistake;
use crate::text::{printable, shortened};

pub(crate) use outgoing::*;

/// Longest key of a map, in bytes.
const MAX_KEY: usize = 1_024;
/// Longest path.
const MAX_PATH: usize = 4_096;
/// Fewest characters of a generated value.
const MIN_GENERATED: u32 = 22;

type Checked<T> = Result<T, Mistake>;

/// A resource's name.
pub(crate) fn name(text: String) -> Checked<ResourceName> {
    if text.len() > MAX_NAME * 4 {
        return Err(Mistake::new(format!(
            "`{}` is longer than {MAX_NAME} characters",
            shortened(&text)
        )));
    }
    ResourceName::new(text).map_err(|error| Mistake::new(error.to_string()))
}

/// A key of a map.
pub(crate) fn key(text: String, what: &str) -> Checked<String> {
    if text.is_empty() {
        return Err(Mistake::new(format!(
            "an entry of `{what}` has an empty key"
        )));
    }
    if text.len() > MAX_KEY || text.chars().any(char::is_control) {
        return Err(Mistake::new(format!(
            "`{}` is no key of `{what}`: keys have at most {MAX_KEY} bytes and no control characters",
            shortened(&text)
        )));
    }
    if what == "env" && text.contains('=') {
        return Err(Mistake::new(format!(
            "`{}` is no name of an environment variable: it contains `=`",
            shortened(&text)
        )));
    }
    Ok(text)
}

fn one_of<T: Copy>(what: &str, text: &str, choices: &[(&str, T)]) -> Checked<T> {
    choices
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            Mistake::new(format!("`{}` is no {what}", shortened(text)))
                .with_help(Some(format!("there are {}", names.join(", "))))
        })
}

/// An absolute path of a container.
fn absolute(what: &str, path: &str) -> Checked<()> {
    if path.starts_with('/') && path.len() <= MAX_PATH && !path.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Mistake::new(format!(
        "`{}` is no absolute path for {what}",
        shortened(path)
    )))
}

/// Text that lands in messages or file names: no control characters.
fn plain(what: &str, text: String) -> Checked<String> {
    if text.len() > MAX_PATH || text.chars().any(char::is_control) {
        return Err(Mistake::new(format!(
            "`{}` cannot be {what}",
            shortened(&text)
        )));
    }
    Ok(text)
}

/// How much memory an expression takes, about.
pub(crate) fn size_of(segments: &wit::Expression) -> usize {
    segments
        .iter()
        .map(|s| 128 + s.op.len() + s.subject.len() + s.name.len() + s.arg.len())
        .sum()
}

/// How much memory a JSON text takes once it is read, about: it may be sixteen times its length.
pub(crate) fn size_of_json(text: &str) -> usize {
    let values = text
        .bytes()
        .filter(|byte| matches!(byte, b',' | b'[' | b'{' | b':'))
        .count();
    text.len() + 48 * values
}

pub(crate) fn expression(segments: wit::Expression) -> Checked<Expression> {
    if let Some(segment) = segments.iter().find(|segment| segment.flags > 1) {
        return Err(Mistake::new(format!(
            "a segment has flags {:#x}; this version of the interface knows bit 0 only",
            segment.flags
        )));
    }
    let wire = segments.into_iter().map(|segment| {
        let wit::Segment {
            op,
            subject,
            name,
            arg,
            flags,
        } = segment;
        WireSegment {
            op,
            subject,
            name,
            arg,
            flags,
        }
    });
    Expression::from_wire(wire).map_err(|error| Mistake::new(error.to_string()))
}

pub(crate) fn expressions(values: Vec<wit::Expression>) -> Checked<Vec<Expression>> {
    values.into_iter().map(expression).collect()
}

pub(crate) fn endpoint(value: wit::Endpoint) -> Checked<Endpoint> {
    let wit::Endpoint {
        scheme,
        protocol,
        port,
        target_port,
        external,
        proxied,
        tls,
        env,
    } = value;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(legal) {
        return Err(Mistake::new(format!(
            "`{}` is no URI scheme",
            shortened(&scheme)
        )));
    }
    if port == Some(0) || target_port == Some(0) {
        return Err(Mistake::new("0 is no port")
            .with_help(Some("leave the port out, and the host picks one".into())));
    }
    let env = if env.is_empty() {
        None
    } else {
        Some(key(env, "env")?)
    };
    Ok(Endpoint {
        scheme,
        protocol: one_of(
            "protocol",
            &protocol,
            &[("tcp", Protocol::Tcp), ("udp", Protocol::Udp)],
        )?,
        port,
        target_port,
        external,
        proxied,
        tls,
        env,
    })
}

pub(crate) fn mount(value: wit::Mount) -> Checked<Mount> {
    let wit::Mount {
        kind,
        source,
        target,
        read_only,
    } = value;
    absolute("a mount", &target)?;
    let kinds = [
        ("volume", MountKind::Volume),
        ("bind", MountKind::Bind),
        ("scratch", MountKind::Scratch),
    ];
    let kind = one_of("kind of mount", &kind, &kinds)?;
    Ok(Mount {
        kind,
        source: plain("the source of a mount", source)?,
        target,
        read_only,
    })
}

pub(crate) fn file(value: wit::File) -> Checked<File> {
    let wit::File {
        target,
        contents,
        source,
        mode,
    } = value;
    absolute("a file", &target)?;
    if mode > 0o7777 {
        return Err(Mistake::new(format!(
            "{mode:#o} are no permission bits of a file"
        )));
    }
    let contents = expression(contents)?;
    if !source.is_empty() && !contents.is_empty() {
        return Err(Mistake::new(format!(
            "the file `{}` has contents and a source",
            shortened(&target)
        )));
    }
    Ok(File {
        target,
        contents,
        source: plain("the source of a file", source)?,
        mode,
    })
}

pub(crate) fn wait(value: &wit::Wait) -> Checked<Wait> {
    let conditions = [
        ("healthy", WaitCondition::Healthy),
        ("started", WaitCondition::Started),
        ("completed", WaitCondition::Completed),
    ];
    let condition = one_of("state to wait for", &value.condition, &conditions)?;
    Ok(Wait {
        condition,
        exit_code: value.exit_code,
    })
}

pub(crate) fn probe(value: wit::Probe) -> Checked<Probe> {
    let wit::Probe {
        kind,
        endpoint,
        path,
        status,
        command,
        interval,
        timeout,
        start_period,
        retries,
    } = value;
    let needs_endpoint = || {
        if endpoint.is_empty() {
            return Err(Mistake::new(format!(
                "a probe of kind {kind} names no endpoint"
            )));
        }
        Ok(endpoint.clone())
    };
    let action = match kind.as_str() {
        "http" => {
            let path = if path.is_empty() {
                "/".to_owned()
            } else {
                path
            };
            absolute("an HTTP probe", &path)?;
            if status != 0 && !(100..=599).contains(&status) {
                return Err(Mistake::new(format!("{status} is no HTTP status")));
            }
            let status = (status != 0).then_some(status);
            ProbeAction::Http {
                endpoint: needs_endpoint()?,
                path,
                status,
            }
        }
        "tcp" => ProbeAction::Tcp {
            endpoint: needs_endpoint()?,
        },
        "command" if command.is_empty() => {
            return Err(Mistake::new("a probe of kind command has no command"));
        }
        "command" => ProbeAction::Command {
            command: expressions(command)?,
        },
        other => one_of(
            "kind of probe",
            other,
            &[("http", ()), ("tcp", ()), ("command", ())],
        )
        .and(Err(Mistake::new("unknown probe")))?,
    };
    let mut probe = Probe::new(action);
    let default = |given: u32, default: u32| if given == 0 { default } else { given };
    probe.interval = default(interval, probe.interval);
    probe.timeout = default(timeout, probe.timeout);
    probe.start_period = default(start_period, probe.start_period);
    probe.retries = default(retries, probe.retries);
    Ok(probe)
}

pub(crate) fn prepare(value: wit::Prepare) -> Checked<Prepare> {
    let wit::Prepare {
        command,
        args,
        env,
        stdin,
        creates,
    } = value;
    let command = expression(command)?;
    if command.is_empty() {
        return Err(Mistake::new("a step of preparation has no command"));
    }
    let env: Checked<BTreeMap<String, Expression>> = env
        .into_iter()
        .map(|(name, value)| Ok((key(name, "env")?, expression(value)?)))
        .collect();
    Ok(Prepare {
        command,
        args: expressions(args)?,
        env: env?,
        stdin: expression(stdin)?,
        creates: expression(creates)?,
    })
}

pub(crate) fn parameter(value: wit::Parameter) -> Checked<Parameter> {
    let wit::Parameter {
        secret,
        description,
        generate_length,
        generate_special,
        default_value,
    } = value;
    if generate_length != 0 && generate_length < MIN_GENERATED {
        return Err(Mistake::new(format!(
            "a generated value of {generate_length} characters is too easy to guess"
        ))
        .with_help(Some(format!("{MIN_GENERATED} is the least"))));
    }
    let default = expression(default_value)?;
    Ok(Parameter {
        secret,
        description: printable(&description, false),
        generate: (generate_length != 0).then_some(Generate {
            length: generate_length,
            special: generate_special,
        }),
        default: (!default.is_empty()).then_some(default),
    })
}

/// A code under the plugin's own name.
fn code(plugin: &str, code: &str) -> String {
    let code = shortened(code);
    match code.as_str() {
        "" => format!("{plugin}:error"),
        code if code.contains(':') => code.to_owned(),
        code => format!("{plugin}:{code}"),
    }
}

/// A message of a guest, at most a few lines.
fn message(text: &str) -> String {
    const KEPT: usize = 4_000;
    printable(&text[..text.floor_char_boundary(KEPT)], true)
}

pub(crate) fn diagnostic(plugin: &str, value: wit::Diagnostic) -> Checked<Diagnostic> {
    let severities = [
        ("error", Severity::Error),
        ("warning", Severity::Warning),
        ("note", Severity::Note),
    ];
    let severity = one_of("severity", &value.severity, &severities)?;
    let mut diagnostic =
        Diagnostic::new(severity, code(plugin, &value.code), message(&value.message));
    if let Some(location) = value.location {
        diagnostic.resource = Some(shortened(&location.resource));
        diagnostic.pointer = Some(location.pointer).filter(|pointer| !pointer.is_empty());
    }
    diagnostic.help = value.help.map(|help| message(&help));
    Ok(diagnostic)
}

pub(crate) fn guest_error(plugin: &str, value: wit::PluginError) -> GuestError {
    GuestError {
        code: code(plugin, &value.code),
        message: message(&value.message),
        location: value
            .location
            .map(|at| (shortened(&at.resource), shortened(&at.pointer))),
        help: value.help.map(|help| message(&help)),
    }
}
