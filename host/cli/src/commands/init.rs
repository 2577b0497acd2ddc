//! `init`: a first `aspire.toml`.

use anyhow::{Result, bail};

use crate::app;
use crate::error::{Exit, Problem};
use crate::files;
use crate::host::Host;

/// Writes the file into the working folder (or where `--app` says); never over another.
pub(super) fn run(host: &Host) -> Result<Exit> {
    let path = match &host.options.app {
        Some(path) => host.here.join(path),
        None => host.here.join(app::FILE),
    };
    if std::fs::symlink_metadata(&path).is_ok() {
        bail!(
            Problem::app(format!("{} exists already", path.display()))
                .help("`aspire-host add KIND` adds a resource to it")
        );
    }
    let folder = path.parent().unwrap_or(&host.here);
    let name = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    files::write_atomically(
        &path,
        text(&app_name(&name.unwrap_or_default())).as_bytes(),
        0o644,
    )?;
    if host.ui.json() {
        host.ui
            .out_json(&serde_json::json!({ "written": path.display().to_string() }));
    } else {
        host.ui.note(format!(
            "wrote {}\nnext: `aspire-host add redis`, then `aspire-host`",
            path.display()
        ));
    }
    Ok(Exit::Fine)
}

/// A name for the app, made from its folder's.
fn app_name(folder: &str) -> String {
    let mut name = String::new();
    for character in folder.chars() {
        let folded = match character {
            'ä' | 'Ä' => "ae",
            'ö' | 'Ö' => "oe",
            'ü' | 'Ü' => "ue",
            'ß' => "ss",
            c if c.is_ascii_alphanumeric() => {
                name.push(c.to_ascii_lowercase());
                continue;
            }
            _ => "-",
        };
        if folded != "-" || !name.ends_with('-') {
            name.push_str(folded);
        }
    }
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let name: String = name.chars().take(aspire_model::name::MAX_NAME).collect();
    let name = name.trim_end_matches('-');
    if name.is_empty() {
        "app".to_owned()
    } else {
        name.to_owned()
    }
}

fn text(name: &str) -> String {
    format!(
        r#"# The resources of one app and how they refer to each other.
# `aspire-host` runs it; `aspire-host check` says what is wrong; `aspire-host schema` is for editors.
name = "{name}"

# Plugins bring kinds, publishers and policies: by name, or by path ("./my-plugin.wasm").
[plugins]
# redis = "redis"
# postgres = {{ source = "postgres", allow = ["run-process:initdb", "run-process:postgres"] }}

# Values from outside. `aspire-host param set NAME` keeps one outside this folder.
# [parameters.api-key]
# secret = true
# description = "Key of the API"

# [resources.cache]
# kind = "redis"

# [resources.api]
# kind = "executable"
# command = "./target/debug/api"
# references = ["cache"]               # ConnectionStrings__cache, CACHE_HOST, CACHE_PORT, …
# wait-for = ["cache"]                 # starts when the cache is healthy
# endpoints.http = {{ env = "PORT", external = true }}
# health = {{ path = "/health" }}
# env.API_KEY = "{{api-key}}"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_become_names() {
        for (folder, name) in [
            ("Shop", "shop"),
            ("my shop", "my-shop"),
            ("Müller & Söhne", "mueller-soehne"),
            ("42-things", "things"),
            ("…", "app"),
            ("", "app"),
        ] {
            assert_eq!(app_name(folder), name, "{folder}");
            assert!(aspire_model::ResourceName::new(app_name(folder)).is_ok());
        }
    }

    #[test]
    fn the_first_file_has_no_errors() {
        let source = aspire_compiler::document::Source {
            file: "f".into(),
            text: text("x").into(),
        };
        let (document, diagnostics) = aspire_compiler::source::parse(&source);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        assert_eq!(&*document.name, "x");
        // With its examples switched on too.
        let all: String = text("x")
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.contains('=') || rest.starts_with('[') => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let source = aspire_compiler::document::Source {
            file: "f".into(),
            text: all.into(),
        };
        let (document, diagnostics) = aspire_compiler::source::parse(&source);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        assert_eq!(document.resources.len(), 2);
    }
}
