//! The `.env` file: `NAME=VALUE` lines.
//!
//! Knows quoting as Docker Compose has it, without interpolation. Doesn't know any name.

use std::collections::BTreeMap;

/// Reads a file.
///
/// # Errors
/// The number of the first line that is no assignment (never its text: it may hold a secret).
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut values = BTreeMap::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or(index + 1)?;
        let name = name.trim();
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.is_empty() || !name.chars().all(valid) {
            return Err(index + 1);
        }
        values.insert(name.to_owned(), unquote(value.trim()).ok_or(index + 1)?);
    }
    Ok(values)
}

fn unquote(value: &str) -> Option<String> {
    match value.chars().next() {
        Some('\'') => {
            let (inside, after) = value[1..].split_once('\'')?;
            rest_is_comment(after).then(|| inside.to_owned())
        }
        Some('"') => {
            let mut inside = String::new();
            let mut characters = value[1..].chars();
            loop {
                match characters.next()? {
                    '"' => break,
                    '\\' => match characters.next()? {
                        'n' => inside.push('\n'),
                        'r' => inside.push('\r'),
                        't' => inside.push('\t'),
                        other => inside.push(other),
                    },
                    other => inside.push(other),
                }
            }
            rest_is_comment(characters.as_str()).then_some(inside)
        }
        _ => {
            let end = value.find(" #").unwrap_or(value.len());
            Some(value[..end].trim_end().to_owned())
        }
    }
}

fn rest_is_comment(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_values() {
        let text = "\u{feff}# comment\n\nA=1\nexport B = two words # not this\nC='single $X #'\n\
                    D=\"a \\\"quote\\\"\\n\" # comment\nE=\nF=a#b\nG=x=y\r\n";
        let values = parse(text).unwrap();
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "single $X #"),
            ("D", "a \"quote\"\n"),
            ("E", ""),
            ("F", "a#b"),
            ("G", "x=y"),
        ];
        assert_eq!(
            values,
            expected
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect()
        );
    }

    #[test]
    fn errors_name_the_line_only() {
        assert_eq!(parse("A=1\nhunter2\n").unwrap_err(), 2);
        assert_eq!(parse("A=\"open").unwrap_err(), 1);
        assert_eq!(parse("two words=1").unwrap_err(), 1);
    }
}
