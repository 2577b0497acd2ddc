//! The words around grants: `--allow`, the operator's ceiling ([`policy`]), the question on a
//! terminal, and what is told about a plugin that does not get what it asks for.
//!
//! The decision itself is the plugin host's ([`aspire_plugins::lock::decide`]). Doesn't know which
//! edit needs which permission.

pub(crate) mod policy;

use anyhow::Result;
use aspire_model::diagnostic::Blame;
use aspire_model::grant::Permission;
use aspire_model::{Author, Diagnostic, Diagnostics, Severity};
use aspire_plugins::Loaded;
use aspire_plugins::lock::{Allowed, Decision, Lock, LockEntry, Missing, decide};

use crate::host::Host;
use crate::ui::visible;
use policy::Policies;

/// A plugin as its user knows it, and what was said about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// The plugin.
    pub(crate) loaded: &'a Loaded,
    /// The name that the user has for it.
    pub(crate) shown: &'a str,
    /// Who named it.
    pub(crate) author: &'a Author,
    /// `allow` in `aspire.toml`.
    pub(crate) by_app: &'a [Permission],
    /// `--allow`
    pub(crate) by_command: &'a [Permission],
}

/// Decides what a plugin may do, asking where somebody can answer. Whether somebody was asked, is
/// returned beside.
///
/// # Errors
/// The terminal's.
pub(crate) fn settle(
    host: &Host,
    subject: Subject<'_>,
    lock: &Lock,
    policies: &Policies,
    may_ask: bool,
) -> Result<(Decision, bool)> {
    let loaded = subject.loaded;
    let manifest = loaded.manifest();
    let ceiling = policies.ceiling(loaded.id(), &manifest.wishes);
    let entry = lock.plugins.get(loaded.id());
    let allowed = Allowed {
        by_app: subject.by_app,
        by_command: subject.by_command,
        ceiling: ceiling.as_deref(),
    };
    let decision = decide(manifest, loaded.digest(), entry, allowed);
    // A no is an answer too: what aspire.lock has for this very file is not asked again.
    let answered = |one: &Permission| {
        entry.is_some_and(|entry| entry.sha256 == loaded.digest() && entry.asked.contains(one))
    };
    let open: Vec<Permission> = decision
        .to_ask()
        .filter(|one| !answered(one))
        .cloned()
        .collect();
    if open.is_empty() || !may_ask || !host.ui.interactive {
        return Ok((decision, false));
    }
    let yes = ask(host, subject, &decision, &open)?;
    let by_command = [subject.by_command, &yes].concat();
    // The change has been seen: what was not granted now is no longer news.
    let seen = entry.map(|entry| LockEntry {
        sha256: loaded.digest().to_owned(),
        asked: manifest.wishes.clone(),
        ..entry.clone()
    });
    let allowed = Allowed {
        by_command: &by_command,
        ..allowed
    };
    Ok((
        decide(manifest, loaded.digest(), seen.as_ref(), allowed),
        true,
    ))
}

/// Asks for each permission; gives the granted ones.
fn ask(
    host: &Host,
    subject: Subject<'_>,
    decision: &Decision,
    open: &[Permission],
) -> Result<Vec<Permission>> {
    let loaded = subject.loaded;
    host.ui.err(format!(
        "The plugin {} {} ({}) asks for permission.",
        loaded.id(),
        loaded.manifest().version,
        loaded.origin()
    ));
    let added = decision
        .changed
        .as_ref()
        .map_or(&[][..], |change| &change.added);
    let mut yes = Vec::new();
    for permission in open {
        let new = if added.contains(permission) {
            "\n    The version in aspire.lock did not ask for it."
        } else {
            ""
        };
        let reason = visible(reason(loaded, permission), false);
        host.ui
            .err(format!("  {permission}\n    It says: {reason}{new}"));
        if host.ui.confirm("  Grant it?")? {
            yes.push(permission.clone());
        }
    }
    Ok(yes)
}

fn reason<'a>(loaded: &'a Loaded, permission: &Permission) -> &'a str {
    loaded
        .descriptor()
        .requests
        .iter()
        .find(|(asked, _)| asked == permission)
        .map_or("(nothing)", |(_, reason)| reason)
}

/// What a decision means for the user.
pub(crate) fn tell(subject: Subject<'_>, decision: &Decision, diagnostics: &mut Diagnostics) {
    let shown = subject.shown;
    if let Some(change) = &decision.changed {
        let short = |(version, digest): &(String, String)| {
            format!("{version} ({})", digest.get(..12).unwrap_or(digest))
        };
        let mut diagnostic = Diagnostic::error(
            "plugin-asks-for-more",
            format!(
                "plugin `{shown}` {} asks for more than {} did, which is in aspire.lock",
                short(&change.now),
                short(&change.before)
            ),
        )
        .by(subject.author)
        .blame(Blame::Plugin)
        .help(format!(
            "if you trust it: {}",
            command_with(shown, &change.added)
        ));
        for permission in &change.added {
            let reason = reason(subject.loaded, permission);
            diagnostic = diagnostic.detail(format!("+ {permission}: {reason}"));
        }
        for permission in &change.removed {
            diagnostic = diagnostic.detail(format!("- {permission}"));
        }
        diagnostics.push(diagnostic);
        return;
    }
    let open: Vec<&Permission> = decision.to_ask().collect();
    if !open.is_empty() {
        let list: Vec<String> = open
            .iter()
            .map(|permission| format!("`{permission}`"))
            .collect();
        // Whether it is missed shows later; then this is told with the error.
        let mut diagnostic = Diagnostic::new(
            Severity::Note,
            crate::render::NOT_GRANTED,
            format!(
                "plugin `{shown}` asks for {}, which nobody has granted",
                list.join(", ")
            ),
        )
        .by(subject.author)
        .help(format!(
            "to grant: {}",
            command_with(shown, open.iter().copied())
        ));
        for permission in &open {
            let reason = reason(subject.loaded, permission);
            diagnostic = diagnostic.detail(format!("{permission}: {reason}"));
        }
        diagnostics.push(diagnostic);
    }
    for (permission, why) in &decision.missing {
        let (severity, code, text) = match why {
            Missing::NotGranted => continue,
            Missing::Forbidden => (
                Severity::Warning,
                "forbidden-by-operator",
                "which the policy of this machine's operator forbids",
            ),
            Missing::NotServed => (
                Severity::Note,
                "not-served",
                "which is not served by this version",
            ),
        };
        let message = format!("plugin `{shown}` asks for `{permission}`, {text}");
        diagnostics.push(Diagnostic::new(severity, code, message).by(subject.author));
    }
}

/// This command again, with the permissions granted. Values of parameters are left out of it.
fn command_with<'a>(plugin: &str, permissions: impl IntoIterator<Item = &'a Permission>) -> String {
    let words = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    let allow = permissions
        .into_iter()
        .map(|permission| format!("--allow {}", quote(&format!("{plugin}={permission}"))));
    let mut all = vec!["aspire-host".to_owned()];
    all.extend(without_values(words).iter().map(|word| quote(word)));
    all.extend(allow);
    all.join(" ")
}

/// Words of a command line, values of `--param` replaced.
fn without_values(words: impl Iterator<Item = String>) -> Vec<String> {
    let hide = |assignment: &str| {
        format!(
            "{}=VALUE",
            assignment.split_once('=').map_or("NAME", |(name, _)| name)
        )
    };
    let mut shown: Vec<String> = Vec::new();
    let mut is_value = false;
    for word in words {
        // `param set NAME VALUE`
        let before = |back: usize| shown.len().checked_sub(back).map(|at| shown[at].as_str());
        let is_set = before(3) == Some("param") && before(2) == Some("set");
        shown.push(if is_value {
            hide(&word)
        } else if let Some(assignment) = word.strip_prefix("--param=") {
            format!("--param={}", hide(assignment))
        } else if is_set && !word.starts_with('-') {
            "VALUE".to_owned()
        } else {
            word.clone()
        });
        is_value = !is_value && word == "--param";
    }
    shown
}

/// A word as a shell takes it.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Reads `PLUGIN=PERMISSION,PERMISSION…`.
///
/// # Errors
/// In words.
pub(crate) fn parse_allow(option: &str) -> Result<(String, Vec<Permission>), String> {
    let (plugin, list) = option
        .split_once('=')
        .filter(|(plugin, list)| !plugin.is_empty() && !list.is_empty())
        .ok_or_else(|| format!("--allow {option}: PLUGIN=PERMISSION is needed"))?;
    let permissions: Result<Vec<Permission>, _> = list
        .split(',')
        .map(|one| Permission::parse(one.trim()))
        .collect();
    Ok((
        plugin.to_owned(),
        permissions.map_err(|error| format!("--allow {option}: {error}"))?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let (plugin, list) = parse_allow("redis=host-path,edit:redis").unwrap();
        assert_eq!(plugin, "redis");
        assert_eq!(
            list,
            [Permission::HostPath, Permission::Edit("redis".into())]
        );
        assert!(parse_allow("redis").is_err());
        assert!(parse_allow("redis=").is_err());
        assert!(
            parse_allow("x=fly")
                .unwrap_err()
                .contains("`fly` is no permission")
        );
    }

    #[test]
    fn commands_hide_values() {
        let words = [
            "--param",
            "a=hunter2",
            "--param=b=hunter2",
            "run",
            "--param",
            "hunter2",
        ];
        let shown = without_values(words.into_iter().map(str::to_owned));
        assert_eq!(
            shown,
            [
                "--param",
                "a=VALUE",
                "--param=b=VALUE",
                "run",
                "--param",
                "NAME=VALUE"
            ]
        );
        let words = ["param", "set", "key", "hunter2", "--quiet"].map(str::to_owned);
        assert_eq!(
            without_values(words.into_iter()),
            ["param", "set", "key", "VALUE", "--quiet"]
        );
        assert_eq!(quote("edit:*"), "'edit:*'");
        assert_eq!(quote("it's"), "'it'\\''s'");
    }
}
