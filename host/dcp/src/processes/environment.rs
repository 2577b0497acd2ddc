//! What a process finds in its environment, and where its program is.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The environment of this process, without what is ours alone: settings of the host itself and
/// values of parameters.
pub(crate) fn inherited(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> BTreeMap<OsString, OsString> {
    variables
        .filter(|(name, _)| {
            let name = name.as_encoded_bytes();
            !name.starts_with(b"ASPIRE_HOST_") && !name.starts_with(b"ASPIRE_PARAM_")
        })
        .collect()
}

/// What a process must not inherit from whoever controls it, wherever it comes from: as in DCP.
pub(crate) fn is_control(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b"DEBUG_SESSION") || name.starts_with(b"DCP_")
}

/// The variables of a file: `NAME=VALUE` a line, `#` comments, optional `export` and quotes.
pub(crate) fn parse_file(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut variables = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| format!("line {}: no `=`", number + 1))?;
        let value = value.trim();
        let quoted = ['"', '\''].iter().find_map(|quote| {
            value
                .strip_prefix(*quote)
                .and_then(|rest| rest.strip_suffix(*quote))
        });
        variables.push((name.trim().to_owned(), quoted.unwrap_or(value).to_owned()));
    }
    Ok(variables)
}

/// An environment as the machine has it: `NAME=VALUE`, each ended by a zero byte.
#[cfg(unix)]
pub(crate) fn parse_block(block: &[u8]) -> Vec<(OsString, OsString)> {
    use std::os::unix::ffi::OsStringExt;
    let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let pairs = block.split(|byte| *byte == 0).filter_map(|pair| {
        let end = pair.iter().position(|byte| *byte == b'=')?;
        Some((text(&pair[..end]), text(&pair[end + 1..])))
    });
    pairs.collect()
}

#[cfg(not(unix))]
pub(crate) fn parse_block(_: &[u8]) -> Vec<(OsString, OsString)> {
    Vec::new()
}

/// Where a program is: a path from a folder, or a name on the PATH.
pub(crate) fn find_program(name: &str, folder: &Path, path: Option<&OsStr>) -> Option<PathBuf> {
    if name.contains('/') {
        let program = folder.join(name);
        return is_program(&program).then_some(program);
    }
    std::env::split_paths(path?)
        .map(|place| folder.join(place).join(name))
        .find(|p| is_program(p))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_variables() {
        let text = "# note\n\nA=1\nexport B = \"two words\"\nC='x=y'\nD=\n";
        let expected = [("A", "1"), ("B", "two words"), ("C", "x=y"), ("D", "")];
        let found = parse_file(text).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(parse_file("A=1\nB").unwrap_err(), "line 2: no `=`");
    }

    #[test]
    fn ours_is_not_inherited() {
        let pair = |name: &str| (OsString::from(name), OsString::from("x"));
        let given = ["PATH", "ASPIRE_PARAM_KEY", "ASPIRE_HOST_RUN"].map(pair);
        assert_eq!(
            inherited(given.into_iter()).into_iter().collect::<Vec<_>>(),
            [pair("PATH")]
        );
    }

    #[test]
    fn what_controls_is_kept_away() {
        for (name, expected) in [
            ("DEBUG_SESSION_TOKEN", true),
            ("DCP_SECURE_TOKEN", true),
            ("DCP", false),
            ("MY_DCP_X", false),
        ] {
            assert_eq!(is_control(OsStr::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn programs() {
        let path = OsStr::new("/nowhere:/usr/bin:/bin");
        assert!(find_program("sh", Path::new("/"), Some(path)).is_some());
        assert!(find_program("bin/sh", Path::new("/"), None).is_some());
        assert_eq!(
            find_program("no-such-program", Path::new("/"), Some(path)),
            None
        );
        assert_eq!(
            find_program("/etc/passwd", Path::new("/"), Some(path)),
            None
        );
    }
}
