//! `.dockerignore` and `.gitignore`: comments, `!` exceptions, `*`, `?`, `[a-z]` and `**`; the last
//! rule that matches a path, or a folder above it, decides.
//!
//! Knows nothing of the file system.

/// The rules of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    exception: bool,
    parts: Vec<Vec<char>>,
}

impl Ignore {
    /// Reads a `.dockerignore`: every pattern begins at the root.
    pub fn parse(text: &str) -> Self {
        let rules = text
            .trim_start_matches('\u{feff}')
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let line = line.trim();
                let (exception, pattern) = match line.strip_prefix('!') {
                    Some(pattern) => (true, pattern.trim()),
                    None => (false, line),
                };
                let parts: Vec<Vec<char>> = pattern
                    .split('/')
                    .filter(|part| !part.is_empty() && *part != ".")
                    .map(|part| part.chars().collect())
                    .collect();
                (!parts.is_empty()).then_some(Rule { exception, parts })
            })
            .collect();
        Self { rules }
    }

    /// Reads a `.gitignore`: a pattern without a slash, but for one at its end, means a name
    /// wherever it is.
    pub fn parse_git(text: &str) -> Self {
        let anchored = |line: &str| {
            let line = line.trim_end();
            let (sign, pattern) = match line.strip_prefix('!') {
                Some(pattern) => ("!", pattern),
                None => ("", line),
            };
            let name = pattern.trim_end_matches('/');
            if line.starts_with('#') || name.is_empty() || name.contains('/') {
                format!("{line}\n")
            } else {
                format!("{sign}**/{pattern}\n")
            }
        };
        let lines: String = text.lines().map(anchored).collect();
        Self::parse(&lines)
    }

    /// Nothing is ignored.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether something in an ignored folder may be taken back in.
    pub fn has_exceptions(&self) -> bool {
        self.rules.iter().any(|rule| rule.exception)
    }

    /// Whether a path (relative, with `/`) is ignored.
    pub fn matches(&self, path: &str) -> bool {
        let parts: Vec<Vec<char>> = path.split('/').map(|part| part.chars().collect()).collect();
        let hit = |rule: &&Rule| (1..=parts.len()).any(|end| covers(&rule.parts, &parts[..end]));
        let last = self.rules.iter().rev().find(hit);
        last.is_some_and(|rule| !rule.exception)
    }
}

fn covers(pattern: &[Vec<char>], path: &[Vec<char>]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if **first == ['*', '*'] => {
            covers(rest, path)
                || path
                    .split_first()
                    .is_some_and(|(_, below)| covers(pattern, below))
        }
        (Some((first, rest)), Some((name, below))) => glob(first, name) && covers(rest, below),
        _ => false,
    }
}

fn glob(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => (0..=name.len()).any(|skip| glob(rest, &name[skip..])),
        (Some(('[', rest)), Some((c, below))) => {
            let Some(end) = rest.iter().position(|c| *c == ']') else {
                return false;
            };
            class(&rest[..end], *c) && glob(&rest[end + 1..], below)
        }
        (Some(('\\', rest)), Some((c, below))) => {
            rest.first() == Some(c) && glob(&rest[1..], below)
        }
        (Some((p, rest)), Some((c, below))) => (*p == '?' || p == c) && glob(rest, below),
        _ => false,
    }
}

fn class(set: &[char], c: char) -> bool {
    let (negated, mut set) = match set.split_first() {
        Some(('^' | '!', rest)) => (true, rest),
        _ => (false, set),
    };
    let mut found = false;
    while let Some((first, rest)) = set.split_first() {
        if let ['-', last, ..] = rest {
            found |= (*first..=*last).contains(&c);
            set = &rest[2..];
        } else {
            found |= *first == c;
            set = rest;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_match_as_docker_does() {
        let cases = [
            ("target", "target", true),
            ("target", "target/debug/a", true),
            ("target", "src/target", false),
            ("/target/", "target/a", true),
            ("./target", "target/a", true),
            ("**/target", "a/b/target/c", true),
            ("**/target", "target", true),
            ("*.log", "a.log", true),
            ("*.log", "a/b.log", false),
            ("**/*.log", "a/b.log", true),
            ("a/**", "a/b/c", true),
            ("a/?/c", "a/b/c", true),
            ("file[0-9]", "file7", true),
            ("file[^0-9]", "file7", false),
            ("# target", "target", false),
            ("*\n!README.md", "README.md", false),
            ("*\n!README.md", "main.rs", true),
            ("docs\n!docs/keep", "docs/keep", false),
            ("!docs/keep\ndocs", "docs/keep", true),
            ("", "anything", false),
        ];
        for (rules, path, ignored) in cases {
            assert_eq!(
                Ignore::parse(rules).matches(path),
                ignored,
                "{rules:?} {path}"
            );
        }
    }

    #[test]
    fn rules_match_as_git_does() {
        let cases = [
            ("target/", "a/target/x", true),
            ("/target", "a/target", false),
            ("docs/*.md", "a/docs/x.md", false),
            ("docs/*.md", "docs/x.md", true),
            ("*.log\n!keep.log", "a/keep.log", false),
            ("*.log\n!keep.log", "a/other.log", true),
            ("# all\n\n", "all", false),
        ];
        for (rules, path, ignored) in cases {
            let found = Ignore::parse_git(rules).matches(path);
            assert_eq!(found, ignored, "{rules:?} {path}");
        }
    }

    #[test]
    fn odd_patterns_end() {
        for rules in ["[", "[a", "\\", "***", "!", "a\\", "[]", "[-]", "[a-]"] {
            let _ = Ignore::parse(rules).matches("a/b");
        }
    }
}
