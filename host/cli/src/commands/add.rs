//! `add KIND [NAME]`: a resource more in `aspire.toml`, comments kept.

use anyhow::{Context as _, Result, bail};
use aspire_model::ResourceName;
use aspire_model::name::nearest;
use aspire_plugins::{Loaded, Source};
use serde_json::json;
use toml_edit::{DocumentMut, Item, Table, value};

use crate::app;
use crate::args::AddArgs;
use crate::error::{Exit, Problem};
use crate::host::Host;
use crate::{files, locate, plugins};

/// Kinds of the host itself, each with what a resource of it cannot do without.
const OWN: [(&str, &str, &str); 4] = [
    ("container", "image", "REPOSITORY:TAG"),
    ("executable", "command", "./PROGRAM"),
    ("external-service", "url", "https://example.com"),
    ("connection-string", "value", "VALUE"),
];

/// Adds it.
pub(super) fn run(host: &Host, args: &AddArgs) -> Result<Exit> {
    let Some(path) = app::find(host)? else {
        bail!(
            Problem::app("there is no aspire.toml here or above")
                .help("`aspire-host init` writes one")
        );
    };
    let app = app::read(host, &path)?;
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let mut document: DocumentMut = text.parse().map_err(|_| {
        Problem::app(format!("{} is no valid TOML", path.display()))
            .help("`aspire-host check` says where")
    })?;
    let kind = if OWN.iter().any(|(own, ..)| *own == args.kind) || args.kind == "parameter" {
        Kind {
            name: args.kind.clone(),
            plugin: None,
        }
    } else {
        find_kind(host, &app, &args.kind)?
    };
    let taken: Vec<String> = names(&document);
    let name = match &args.name {
        Some(name) => {
            ResourceName::new(name.clone()).map_err(|error| Problem::usage(error.to_string()))?;
            if taken.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                bail!(
                    Problem::app(format!("there is a resource or parameter `{name}` already"))
                        .help("choose another name")
                );
            }
            name.clone()
        }
        None => free_name(kind.name.rsplit('/').next().unwrap_or(&kind.name), &taken),
    };
    let before = document.to_string();
    insert(&mut document, &kind, &name)?;
    let after = document.to_string();
    files::write_atomically(&path, after.as_bytes(), mode(&path))?;
    let added = added_lines(&before, &after);
    if host.ui.json() {
        host.ui
            .out_json(&json!({ "file": path, "name": name, "kind": kind.name, "added": added }));
    } else {
        host.ui.note(format!("{}:", path.display()));
        host.ui.out(added.join("\n"));
    }
    Ok(Exit::Fine)
}

/// A kind, and the plugin that has to be named for it.
struct Kind {
    name: String,
    /// Alias and the permissions that it asks for.
    plugin: Option<(String, Vec<String>)>,
}

/// Among the app's plugins, then on the plugin path.
fn find_kind(host: &Host, app: &app::App, wanted: &str) -> Result<Kind> {
    let offers = |loaded: &Loaded| {
        let descriptor = loaded.descriptor();
        descriptor
            .kinds
            .iter()
            .any(|kind| kind.name == wanted || format!("{}/{}", descriptor.id, kind.name) == wanted)
    };
    let engine = plugins::engine(host)?;
    let sources: Vec<Source> = app
        .document
        .plugins
        .iter()
        .map(|entry| Source::named(entry.source.as_str(), app.folder.as_path()))
        .chain(
            host.options
                .plugins
                .iter()
                .map(|value| Source::named(value.as_str(), host.here.as_path())),
        )
        .collect();
    let in_app = engine.load(&sources[..app.document.plugins.len()]);
    if in_app.plugins.iter().any(|loaded| offers(loaded)) {
        return Ok(Kind {
            name: wanted.to_owned(),
            plugin: None,
        });
    }
    let found = aspire_plugins::list(&locate::plugin_path(&host.options.plugin_path));
    // A plugin of that name first, then whoever has the kind.
    let mut candidates: Vec<&(String, std::path::PathBuf)> = found.iter().collect();
    candidates.sort_by_key(|(name, _)| name != wanted);
    let mut known = Vec::new();
    for (name, file) in candidates {
        let Ok(loaded) = engine.load_one(&Source::File(file.clone())) else {
            continue;
        };
        if offers(&loaded) {
            let asked = loaded
                .descriptor()
                .requests
                .iter()
                .map(|(p, _)| p.to_string())
                .collect();
            return Ok(Kind {
                name: wanted.to_owned(),
                plugin: Some((name.clone(), asked)),
            });
        }
        known.extend(
            loaded
                .descriptor()
                .kinds
                .iter()
                .map(|kind| kind.name.clone()),
        );
    }
    known.extend(OWN.iter().map(|(kind, ..)| (*kind).to_owned()));
    known.push("parameter".to_owned());
    let help = match nearest(wanted, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are: {}", known.join(", ")),
    };
    bail!(
        Problem::app(format!(
            "no plugin on the plugin path has a kind `{wanted}`"
        ))
        .help(help)
    )
}

/// Names that are taken.
fn names(document: &DocumentMut) -> Vec<String> {
    ["resources", "parameters"]
        .iter()
        .filter_map(|table| document.get(table)?.as_table_like())
        .flat_map(|table| {
            table
                .iter()
                .map(|(name, _)| name.to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn free_name(kind: &str, taken: &[String]) -> String {
    let is_free = |name: &str| !taken.iter().any(|other| other.eq_ignore_ascii_case(name));
    if is_free(kind) {
        return kind.to_owned();
    }
    (2..)
        .map(|number| format!("{kind}{number}"))
        .find(|name| is_free(name))
        .unwrap_or_default()
}

/// Writes the plugin's entry, and the resource's table at the end of the file.
fn insert(document: &mut DocumentMut, kind: &Kind, name: &str) -> Result<()> {
    if let Some((alias, asked)) = &kind.plugin {
        let plugins = table(document, "plugins")?;
        if plugins.get(alias).is_none() {
            plugins.insert(alias, value(alias.as_str()));
            if !asked.is_empty()
                && let Some(mut key) = plugins.key_mut(alias)
            {
                let list: Vec<String> = asked.iter().map(|one| format!("\"{one}\"")).collect();
                key.leaf_decor_mut().set_prefix(format!(
                    "# asks for permissions; to grant them: {alias} = {{ source = \"{alias}\", allow = [{}] }}\n",
                    list.join(", ")
                ));
            }
        }
    }
    let mut resource = Table::new();
    let home = if kind.name == "parameter" {
        resource.insert("description", value(""));
        "parameters"
    } else {
        resource.insert("kind", value(kind.name.as_str()));
        if let Some((_, key, example)) = OWN.iter().find(|(own, ..)| *own == kind.name) {
            resource.insert(key, value(*example));
        }
        "resources"
    };
    // Comments at the end of the file stay where they are, before what is new.
    let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
    let gap = if trailing.is_empty() || trailing.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    resource
        .decor_mut()
        .set_prefix(format!("{trailing}{gap}\n"));
    document.set_trailing("");
    resource.set_position(Some(isize::MAX));
    table(document, home)?.insert(name, Item::Table(resource));
    Ok(())
}

/// A table of the top level, made when it is not there.
fn table<'a>(document: &'a mut DocumentMut, name: &str) -> Result<&'a mut Table> {
    if document.get(name).is_none() {
        let mut table = Table::new();
        table.set_implicit(name != "plugins");
        table.decor_mut().set_prefix("\n");
        table.set_position(Some(isize::MAX - 1));
        document.insert(name, Item::Table(table));
    }
    document
        .get_mut(name)
        .and_then(Item::as_table_mut)
        .ok_or_else(|| {
            Problem::app(format!("`{name}` is no table of its own in this file"))
                .help(format!(
                    "write it as [{name}] …, or add the resource by hand"
                ))
                .into()
        })
}

/// The lines of the new text that the old one has not, in order.
fn added_lines(before: &str, after: &str) -> Vec<String> {
    let mut old: Vec<&str> = before.lines().collect();
    after
        .lines()
        .filter(|line| match old.iter().position(|other| other == line) {
            Some(at) => {
                old.remove(at);
                false
            }
            None => true,
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(unix)]
fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).map_or(0o644, |found| found.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_: &std::path::Path) -> u32 {
    0o644
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    fn add(text: &str, kind: &Kind, name: &str) -> String {
        let mut document: DocumentMut = text.parse().unwrap();
        insert(&mut document, kind, name).unwrap();
        document.to_string()
    }

    #[test]
    fn comments_are_kept() {
        let redis = Kind {
            name: "redis".into(),
            plugin: Some(("redis".into(), vec!["run-process:redis-server".into()])),
        };
        let text = "# mine\nname = \"shop\" # the name\n\n[resources.api] # service\nkind = \"executable\"\n";
        assert_snapshot!(add(text, &redis, "cache"), @r#"
        # mine
        name = "shop" # the name

        [resources.api] # service
        kind = "executable"

        [plugins]
        # asks for permissions; to grant them: redis = { source = "redis", allow = ["run-process:redis-server"] }
        redis = "redis"

        [resources.cache]
        kind = "redis"
        "#);
        let container = Kind {
            name: "container".into(),
            plugin: None,
        };
        assert_snapshot!(add("name = \"x\"\n\n# the end\n", &container, "web"), @r#"
        name = "x"

        # the end

        [resources.web]
        kind = "container"
        image = "REPOSITORY:TAG"
        "#);
    }

    #[test]
    fn names_are_free() {
        let taken = ["redis".to_owned(), "Redis2".to_owned()];
        assert_eq!(free_name("redis", &taken), "redis3");
        assert_eq!(free_name("postgres", &taken), "postgres");
        let document: DocumentMut = "[resources.a]\n[parameters]\nb = {}\n".parse().unwrap();
        assert_eq!(names(&document), ["a", "b"]);
    }
}
