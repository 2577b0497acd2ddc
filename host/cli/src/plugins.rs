//! The adapter to the plugin host: sources from the app and the command line become plugins with
//! grants.
//!
//! Knows who named a plugin and what it may do. Doesn't know components, and starts no engine
//! before the first plugin is to be loaded.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use aspire_compiler::document::PluginEntry;
use aspire_model::grant::Permission;
use aspire_model::hook::Plugin;
use aspire_model::name::nearest;
use aspire_model::provenance::Span;
use aspire_model::{Author, Diagnostic, Diagnostics};
use aspire_plugins::lock::Lock;
use aspire_plugins::{Config, Loaded, PluginHost, Source};

use crate::error::Problem;
use crate::grants::policy::Policies;
use crate::grants::{self, Subject};
use crate::host::Host;
use crate::{files, locate};

/// Name of the lock file beside the app file.
const LOCK: &str = "aspire.lock";

/// Somebody who names a plugin.
#[derive(Debug, Clone)]
struct Mention {
    alias: String,
    source: Source,
    operator: bool,
    author: Author,
    allow: Vec<(String, Span)>,
}

/// A loaded plugin and everybody's word on it.
#[derive(Debug)]
pub(crate) struct Member {
    /// The plugin.
    pub(crate) loaded: Arc<Loaded>,
    /// The names that the app and the command line have for it.
    pub(crate) aliases: Vec<String>,
    /// It speaks for the operator.
    operator: bool,
    /// Where it was named first.
    author: Author,
    /// It is named in the app file.
    in_app: bool,
    by_app: Vec<Permission>,
    by_command: Vec<Permission>,
}

/// The plugins of an app.
#[derive(Default)]
pub(crate) struct Set {
    /// As the compiler calls them, in order of id.
    pub(crate) plugins: Vec<Arc<dyn Plugin>>,
    /// The same, in the same order.
    pub(crate) members: Vec<Member>,
    /// What `aspire.lock` should say.
    lock: Lock,
}

impl Set {
    /// Writes `aspire.lock` where it differs; without plugins in the app file there is none.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn save_lock(&self, folder: &Path) -> Result<()> {
        let path = folder.join(LOCK);
        if self.lock.plugins.is_empty() && !path.exists() {
            return Ok(());
        }
        self.lock
            .write(&path)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The manifest id behind an id or alias.
    pub(crate) fn id_of(&self, name: &str) -> Option<&str> {
        self.members
            .iter()
            .find(|member| member.answers_to(name))
            .map(|member| member.loaded.id())
    }
}

impl Member {
    fn answers_to(&self, name: &str) -> bool {
        self.loaded.id() == name || self.aliases.iter().any(|alias| alias == name)
    }

    /// The name that the user knows it by.
    fn shown(&self) -> &str {
        self.aliases
            .first()
            .map_or(self.loaded.id(), String::as_str)
    }
}

/// A plugin host with this user's folders.
///
/// # Errors
/// The machine cannot run WebAssembly.
pub(crate) fn engine(host: &Host) -> Result<PluginHost> {
    let config = Config {
        cache_dir: files::user_cache()
            .ok()
            .map(|folder| folder.join("plugins")),
        plugin_path: locate::plugin_path(&host.options.plugin_path),
        ..Config::default()
    };
    PluginHost::new(config).map_err(|error| Problem::environment(error.to_string()).into())
}

/// Loads every plugin that the app and the command line name and settles what each may do.
///
/// # Errors
/// Options that make no sense, files of grants that cannot be read. What is wrong with a plugin
/// is a diagnostic.
pub(crate) fn load(
    host: &Host,
    entries: &[PluginEntry],
    folder: &Path,
    in_app: bool,
    may_ask: bool,
) -> Result<(Set, Diagnostics)> {
    let mut diagnostics = Diagnostics::new();
    let mentions = mentions(host, entries, folder);
    if mentions.is_empty() {
        if let Some(option) = host.options.allow.first() {
            bail!(Problem::usage(format!(
                "--allow {option}: no plugin is loaded"
            )));
        }
        return Ok((Set::default(), diagnostics));
    }
    let engine = engine(host)?;
    diagnostics.extend(engine.warnings().iter().cloned());
    let sources: Vec<Source> = mentions
        .iter()
        .map(|mention| mention.source.clone())
        .collect();
    let result = engine.load(&sources);
    let mut errors = result.errors.iter();
    let mut members: BTreeMap<String, Member> = BTreeMap::new();
    for (mention, loaded) in mentions.into_iter().zip(result.sources) {
        let Some(loaded) = loaded else {
            if let Some(error) = errors.next() {
                diagnostics.push(error.to_diagnostic().by(&mention.author));
            }
            continue;
        };
        diagnostics.extend(loaded.warnings().iter().cloned());
        let member = members
            .entry(loaded.id().to_owned())
            .or_insert_with(|| Member {
                loaded,
                aliases: Vec::new(),
                operator: false,
                author: mention.author.clone(),
                in_app: false,
                by_app: Vec::new(),
                by_command: Vec::new(),
            });
        member.in_app |= matches!(mention.author, Author::App { .. });
        member.operator |= mention.operator;
        if !member.aliases.contains(&mention.alias) {
            member.aliases.push(mention.alias.clone());
        }
        for (text, span) in &mention.allow {
            // What is no permission is the parser's to tell.
            if let Ok(permission) = Permission::parse(text) {
                check_wanted(member, &permission, Some(span), &mut diagnostics);
                member.by_app.push(permission);
            }
        }
    }
    let mut members: Vec<Member> = members.into_values().collect();
    for member in &mut members {
        member.aliases.sort();
    }
    apply_options(host, &mut members, &diagnostics)?;
    let mut set = Set {
        members,
        ..Set::default()
    };
    settle(
        host,
        &mut set,
        in_app.then_some(folder),
        may_ask,
        &mut diagnostics,
    )?;
    Ok((set, diagnostics))
}

fn mentions(host: &Host, entries: &[PluginEntry], folder: &Path) -> Vec<Mention> {
    let in_app = entries.iter().map(|entry| Mention {
        alias: entry.alias.clone(),
        source: Source::named(entry.source.as_str(), folder),
        operator: entry.operator,
        author: Author::App {
            span: entry.span.clone(),
        },
        allow: entry.allow.clone(),
    });
    let on_command_line = host.options.plugins.iter().map(|value| Mention {
        alias: locate::alias_of(value).to_owned(),
        source: Source::named(value.as_str(), host.here.as_path()),
        operator: false,
        author: Author::Option {
            text: format!("--plugin {value}").into(),
        },
        allow: Vec::new(),
    });
    in_app.chain(on_command_line).collect()
}

/// A grant that nobody asked for does nothing: worth telling.
fn check_wanted(
    member: &Member,
    permission: &Permission,
    span: Option<&Span>,
    diagnostics: &mut Diagnostics,
) {
    let asked = &member.loaded.descriptor().requests;
    if asked.iter().any(|(wanted, _)| permission.covers(wanted)) {
        return;
    }
    diagnostics.push(
        Diagnostic::warning(
            "unused-grant",
            format!(
                "plugin `{}` does not ask for `{permission}`: granting it does nothing",
                member.shown()
            ),
        )
        .at(span.cloned()),
    );
}

/// `--allow`, by alias or id.
fn apply_options(host: &Host, members: &mut [Member], found: &Diagnostics) -> Result<()> {
    for option in &host.options.allow {
        let (name, permissions) = grants::parse_allow(option).map_err(Problem::usage)?;
        let Some(member) = members.iter_mut().find(|member| member.answers_to(&name)) else {
            if found.has_errors() {
                // It may be the one that could not be loaded.
                continue;
            }
            let names: Vec<&str> = members.iter().map(Member::shown).collect();
            let help = match nearest(&name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("loaded are: {}", names.join(", ")),
            };
            bail!(
                Problem::usage(format!("--allow {option}: there is no plugin `{name}`")).help(help)
            );
        };
        member.by_command.extend(permissions);
    }
    Ok(())
}

/// Decides what every plugin may do, asking where somebody can answer.
fn settle(
    host: &Host,
    set: &mut Set,
    folder: Option<&Path>,
    may_ask: bool,
    diagnostics: &mut Diagnostics,
) -> Result<()> {
    let policies = Policies::load()?;
    let before = match folder {
        Some(folder) => Lock::read(&folder.join(LOCK))
            .map_err(|error| Problem::app(error.to_string()).help(error.help()))?,
        None => Lock::default(),
    };
    let nothing = Lock::default();
    let mut answered = false;
    for member in &set.members {
        let subject = Subject {
            loaded: &member.loaded,
            shown: member.shown(),
            author: &member.author,
            by_app: &member.by_app,
            by_command: &member.by_command,
        };
        // Only what the app file names is remembered beside it.
        let lock = if member.in_app { &before } else { &nothing };
        let (decision, asked) = grants::settle(host, subject, lock, &policies, may_ask)?;
        answered |= asked && member.in_app;
        grants::tell(subject, &decision, diagnostics);
        if member.in_app {
            set.lock
                .plugins
                .insert(member.loaded.id().to_owned(), decision.entry);
        }
        set.plugins
            .push(member.loaded.with_grants(decision.granted, member.operator));
    }
    if answered
        && !diagnostics.has_errors()
        && let Some(folder) = folder
    {
        set.save_lock(folder)?;
    }
    Ok(())
}
