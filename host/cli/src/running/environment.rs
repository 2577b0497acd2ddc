//! The environment of a workload, as the app gives it and as it is.
//!
//! Knows where values come from: the status has them with secrets masked, the running process has
//! the real ones. Knows the written forms. Doesn't know who wants them.

use std::collections::BTreeMap;
use std::ffi::OsString;

use aspire_api::template::{self, Piece, Placeholder};

use crate::args::EnvFormat;
use crate::running::workloads::Workload;

/// What stands for a secret value.
pub(crate) const MASK: &str = "***";

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: String,
    /// Its value, as far as it is known.
    pub(crate) value: String,
    /// It is, or contains, a secret that is not shown.
    pub(crate) masked: bool,
}

/// Where real values come from.
#[derive(Default)]
pub(crate) struct Real<'a> {
    /// The environment of the running process.
    pub(crate) process: BTreeMap<String, String>,
    /// Values of secrets.
    pub(crate) secrets: Option<&'a BTreeMap<String, String>>,
}

/// What the app gives, in order of name. `reveal`: with real values instead of masks.
pub(crate) fn given(workload: &Workload, real: &Real<'_>, reveal: bool) -> Vec<Variable> {
    let mut all: BTreeMap<&str, Variable> = BTreeMap::new();
    let templates: BTreeMap<&str, &str> = workload
        .wanted_env
        .iter()
        .map(|variable| (variable.name.as_str(), variable.value.as_str()))
        .collect();
    let status: BTreeMap<&str, &str> = workload
        .env
        .iter()
        .map(|variable| (variable.name.as_str(), variable.value.as_str()))
        .collect();
    for name in templates.keys().chain(status.keys()) {
        let secrets = templates
            .get(name)
            .map_or_else(Vec::new, |text| secrets(text));
        let in_status = status.get(name).copied();
        let is_masked = !secrets.is_empty() || in_status.is_some_and(|text| text.contains(MASK));
        let real_value = real.process.get(*name).map(String::as_str);
        let (value, masked) = if !is_masked {
            let literal = templates.get(name).and_then(|text| literal(text));
            let known = in_status.or(real_value).map(str::to_owned);
            (known.or(literal).unwrap_or_default(), false)
        } else if reveal {
            let filled = || fill(in_status?, &secrets, real.secrets?);
            match real_value.map(str::to_owned).or_else(filled) {
                Some(value) => (value, false),
                None => (in_status.unwrap_or(MASK).to_owned(), true),
            }
        } else {
            (in_status.unwrap_or(MASK).to_owned(), true)
        };
        let variable = Variable {
            name: (*name).to_owned(),
            value,
            masked,
        };
        all.insert(name, variable);
    }
    all.into_values().collect()
}

/// The same with everything that the process inherits.
pub(crate) fn whole(workload: &Workload, real: &Real<'_>, reveal: bool) -> Vec<Variable> {
    let mut all: BTreeMap<String, Variable> = real
        .process
        .iter()
        .map(|(name, value)| {
            let variable = Variable {
                name: name.clone(),
                value: value.clone(),
                masked: false,
            };
            (name.clone(), variable)
        })
        .collect();
    for variable in given(workload, real, reveal) {
        all.insert(variable.name.clone(), variable);
    }
    all.into_values().collect()
}

/// Names of the secrets of a template, in order, and whether each is percent-encoded.
fn secrets(text: &str) -> Vec<(String, bool)> {
    let pieces = template::parse(text).unwrap_or_default();
    let secret = |piece| match piece {
        Piece::Placeholder(Placeholder::Secret { name, uri }) => Some((name, uri)),
        _ => None,
    };
    pieces.into_iter().filter_map(secret).collect()
}

/// The text of a template without placeholders.
fn literal(text: &str) -> Option<String> {
    match template::parse(text).ok()?.as_slice() {
        [] => Some(String::new()),
        [Piece::Text(text)] => Some(text.clone()),
        _ => None,
    }
}

/// A masked text with its secrets put back; none where masks and secrets don't match.
fn fill(
    masked: &str,
    secrets: &[(String, bool)],
    values: &BTreeMap<String, String>,
) -> Option<String> {
    let pieces: Vec<&str> = masked.split(MASK).collect();
    if pieces.len() != secrets.len() + 1 {
        return None;
    }
    let mut text = pieces[0].to_owned();
    for ((name, uri), piece) in secrets.iter().zip(&pieces[1..]) {
        let value = values.get(name)?;
        if *uri {
            text.push_str(&aspire_model::evaluate::percent_encode(value));
        } else {
            text.push_str(value);
        }
        text.push_str(piece);
    }
    Some(text)
}

/// The environment of a process of ours, where the system shows it.
pub(crate) fn of_process(pid: u32) -> Option<Vec<(OsString, OsString)>> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt as _;
        let bytes = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let pairs = bytes.split(|byte| *byte == 0).filter_map(|pair| {
            let split = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (pair[..split].to_vec(), pair[split + 1..].to_vec());
            Some((OsString::from_vec(name), OsString::from_vec(value)))
        });
        Some(pairs.collect())
    }
    #[cfg(not(unix))]
    {
        let _ = pid;
        None
    }
}

/// The same as text; what is no UTF-8 is left out.
pub(crate) fn text_of_process(pid: Option<u32>) -> BTreeMap<String, String> {
    let pairs = pid.and_then(of_process).unwrap_or_default();
    pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Variables as a text.
pub(crate) fn written(variables: &[Variable], format: EnvFormat) -> String {
    let mut text = String::new();
    match format {
        EnvFormat::Json => {
            let map: serde_json::Map<String, serde_json::Value> = variables
                .iter()
                .map(|variable| (variable.name.clone(), variable.value.clone().into()))
                .collect();
            text = format!("{:#}\n", serde_json::Value::Object(map));
        }
        EnvFormat::Dotenv => {
            for Variable { name, value, .. } in variables {
                text.push_str(&format!("{name}={}\n", dotenv(value)));
            }
        }
        EnvFormat::Shell => {
            for Variable { name, value, .. } in variables {
                let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if name.is_empty() || !name.chars().all(valid) {
                    // A shell has no such variable.
                    text.push_str(&format!("# {name} is no name in a shell\n"));
                    continue;
                }
                let quoted = value.replace('\'', r"'\''");
                text.push_str(&format!("export {name}='{quoted}'\n"));
            }
        }
    }
    text
}

/// A value as Docker Compose and our own `.env` read it back.
fn dotenv(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=&?;*".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    if !value.contains(['\'', '\n', '\r']) {
        return format!("'{value}'");
    }
    let mut text = String::from('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '$' => text.push_str("\\$"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::running::workloads::samples;
    use aspire_api::executable::EnvVar;

    fn variable(name: &str, value: &str) -> EnvVar {
        EnvVar {
            name: name.into(),
            value: value.into(),
        }
    }

    fn sample(status: bool) -> crate::running::workloads::Workloads {
        samples::of(vec![samples::process("api", |e| {
            e.spec.env = vec![
                variable("MODE", "fast"),
                variable("PORT", "{{- portForServing \"api-http\" -}}"),
                variable(
                    "DB",
                    "pg://u:{{- secretUri \"pw\" -}}@h/{{- secret \"name\" -}}?x",
                ),
            ];
            if status {
                e.status.effective_env = vec![
                    variable("MODE", "fast"),
                    variable("PORT", "8080"),
                    variable("DB", "pg://u:***@h/***?x"),
                    variable("FROM_FILE", "1"),
                ];
            }
        })])
    }

    fn shown(variables: &[Variable]) -> String {
        written(variables, EnvFormat::Dotenv)
    }

    #[test]
    fn secrets_are_masked_unless_revealed() {
        let all = sample(true);
        let api = all.one("api").unwrap();
        let secrets = BTreeMap::from([
            ("pw".to_owned(), "a b".to_owned()),
            ("name".to_owned(), "orders".to_owned()),
        ]);
        let real = Real {
            secrets: Some(&secrets),
            ..Real::default()
        };
        assert_eq!(
            shown(&given(api, &real, false)),
            "DB=pg://u:***@h/***?x\nFROM_FILE=1\nMODE=fast\nPORT=8080\n"
        );
        let revealed = given(api, &real, true);
        assert_eq!(revealed[0].value, "pg://u:a%20b@h/orders?x");
        // Nobody knows: the mask stays, and says so.
        let unknown = given(api, &Real::default(), true);
        assert!(unknown[0].masked);
    }

    #[test]
    fn a_running_process_knows_what_its_status_does_not() {
        let all = sample(false);
        let api = all.one("api").unwrap();
        let process = BTreeMap::from([
            ("PORT".to_owned(), "9000".to_owned()),
            ("DB".to_owned(), "pg://u:p@h/n?x".to_owned()),
            ("HOME".to_owned(), "/root".to_owned()),
        ]);
        let real = Real {
            process,
            ..Real::default()
        };
        assert_eq!(
            shown(&given(api, &real, false)),
            "DB=***\nMODE=fast\nPORT=9000\n"
        );
        assert_eq!(
            shown(&whole(api, &real, true)),
            "DB=pg://u:p@h/n?x\nHOME=/root\nMODE=fast\nPORT=9000\n"
        );
    }

    #[test]
    fn what_is_written_can_be_read_back() {
        for value in ["plain", "two words", "it's", "a\"b\\c$d\ne", "#x", ""] {
            let one = [Variable {
                name: "X".into(),
                value: value.into(),
                masked: false,
            }];
            let read = crate::params::dotenv::parse(&shown(&one)).unwrap();
            assert_eq!(read["X"], value);
        }
        let one = [Variable {
            name: "X".into(),
            value: "it's".into(),
            masked: false,
        }];
        assert_eq!(written(&one, EnvFormat::Shell), "export X='it'\\''s'\n");
        assert_eq!(written(&one, EnvFormat::Json), "{\n  \"X\": \"it's\"\n}\n");
    }
}
