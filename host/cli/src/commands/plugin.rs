//! `plugin build|inspect|list`: tools for authors and users of plugins.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use aspire_plugins::{Inspection, Source};
use serde_json::json;

use crate::args::{PluginBuildArgs, PluginCommand};
use crate::error::{Exit, Problem};
use crate::host::Host;
use crate::ui::visible;
use crate::{columns, files, locate, plugins};

/// Does one of them.
pub(super) fn run(host: &Host, command: &PluginCommand) -> Result<Exit> {
    match command {
        PluginCommand::Build(args) => build(host, args),
        PluginCommand::Inspect { plugin } => inspect(host, plugin),
        PluginCommand::List => list(host),
    }
}

fn build(host: &Host, args: &PluginBuildArgs) -> Result<Exit> {
    let module = host.here.join(&args.module);
    let bytes =
        std::fs::read(&module).with_context(|| format!("cannot read {}", args.module.display()))?;
    let origin = args.module.display().to_string();
    let component = aspire_plugins::build(&origin, &bytes).map_err(|error| {
        let problem = Problem::plugin(error.to_string());
        match error.help() {
            Some(help) => problem.help(help),
            None => problem,
        }
    })?;
    let out = output(&args.module, args.out.as_deref(), component == bytes);
    let path = host.here.join(&out);
    if path.exists() && args.out.is_none() && path != module {
        bail!(
            Problem::usage(format!("{} exists already", out.display()))
                .help("name the output: -o FILE")
        );
    }
    files::write_atomically(&path, &component, 0o644)?;
    if host.ui.json() {
        host.ui
            .out_json(&json!({ "written": out, "bytes": component.len() }));
    } else {
        host.ui.note(format!(
            "wrote {} ({} bytes)",
            out.display(),
            component.len()
        ));
    }
    Ok(Exit::Fine)
}

/// Beside the module: `name.wasm` becomes `name.component.wasm`; a component stays what it is.
fn output(module: &Path, wanted: Option<&Path>, unchanged: bool) -> PathBuf {
    match wanted {
        Some(path) => path.to_owned(),
        None if unchanged => module.to_owned(),
        None => module.with_extension("component.wasm"),
    }
}

fn inspect(host: &Host, plugin: &str) -> Result<Exit> {
    let engine = plugins::engine(host)?;
    let source = Source::named(plugin, host.here.as_path());
    let loaded = engine.load_one(&source).map_err(|error| {
        let problem = Problem::plugin(error.to_string());
        match error.help() {
            Some(help) => problem.help(help),
            None => problem,
        }
    })?;
    let inspection = loaded.inspection();
    if host.ui.json() {
        host.ui.out_json(&serde_json::to_value(&inspection)?);
    } else {
        host.ui.out(describe(&inspection));
    }
    Ok(Exit::Fine)
}

fn describe(inspection: &Inspection) -> String {
    let Inspection { manifest, .. } = inspection;
    let mut lines = vec![
        format!("{} {}", manifest.id, manifest.version),
        format!(
            "  file        {} ({} bytes)",
            inspection.origin, inspection.size
        ),
        format!("  sha256      {}", inspection.sha256),
        format!("  interface   {}", manifest.interface),
        format!(
            "  hooks       {}",
            inspection
                .hooks
                .iter()
                .map(|hook| hook.interface())
                .collect::<Vec<_>>()
                .join(", ")
        ),
        if inspection.provably_pure {
            "  purity      imports nothing but the model".to_owned()
        } else {
            "  purity      imports WASI, answered by inert stubs".to_owned()
        },
    ];
    let mut section = |title: &str, items: Vec<String>| {
        for (index, item) in items.into_iter().enumerate() {
            lines.push(format!(
                "  {:<12}{}",
                if index == 0 { title } else { "" },
                visible(&item, false)
            ));
        }
    };
    section(
        "kinds",
        inspection
            .kinds
            .iter()
            .map(|(name, text)| format!("{name}: {text}"))
            .collect(),
    );
    section(
        "passes",
        inspection
            .passes
            .iter()
            .map(|pass| {
                let phase = json!(pass.phase);
                let selector = if pass.selector.is_empty() {
                    "everything"
                } else {
                    &pass.selector
                };
                format!(
                    "{} ({}): {selector}",
                    pass.name,
                    phase.as_str().unwrap_or_default()
                )
            })
            .collect(),
    );
    section(
        "targets",
        inspection
            .targets
            .iter()
            .map(|t| format!("{}: {}", t.name, t.description))
            .collect(),
    );
    section(
        "asks for",
        inspection
            .permissions
            .iter()
            .map(|request| {
                let served = if request.served {
                    ""
                } else {
                    " (not served by this version)"
                };
                format!("{}: {}{served}", request.permission, request.reason)
            })
            .collect(),
    );
    section("imports", inspection.imports.clone());
    lines.join("\n")
}

fn list(host: &Host) -> Result<Exit> {
    let folders = locate::plugin_path(&host.options.plugin_path);
    let found = aspire_plugins::list(&folders);
    if found.is_empty() {
        if host.ui.json() {
            host.ui.out_json(&json!([]));
            return Ok(Exit::Fine);
        }
        let places: Vec<String> = folders
            .iter()
            .map(|folder| format!("  {}", folder.display()))
            .collect();
        host.ui
            .note(format!("there are no plugins in\n{}", places.join("\n")));
        return Ok(Exit::Fine);
    }
    let engine = plugins::engine(host)?;
    let sources: Vec<Source> = found
        .iter()
        .map(|(_, file)| Source::File(file.clone()))
        .collect();
    let result = engine.load(&sources);
    let mut errors = result.errors.iter();
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for ((name, file), loaded) in found.iter().zip(&result.sources) {
        let (id, version, offers) = match loaded {
            Some(loaded) => {
                let descriptor = loaded.descriptor();
                let kinds = descriptor.kinds.iter().map(|kind| kind.name.clone());
                let targets = descriptor
                    .targets
                    .iter()
                    .map(|t| format!("publish --to {}", t.name));
                let passes = match descriptor.passes.len() {
                    0 => None,
                    1 => Some("1 pass".to_owned()),
                    many => Some(format!("{many} passes")),
                };
                let offers: Vec<String> = kinds.chain(targets).chain(passes).collect();
                (
                    loaded.id().to_owned(),
                    descriptor.version.clone(),
                    offers.join(", "),
                )
            }
            None => {
                let error = errors.next().map(ToString::to_string).unwrap_or_default();
                (
                    String::new(),
                    String::new(),
                    format!("cannot be loaded: {error}"),
                )
            }
        };
        objects.push(json!({
            "name": name,
            "file": file,
            "id": id,
            "version": version,
            "loads": loaded.is_some(),
            "offers": offers,
        }));
        rows.push([
            name.clone(),
            version,
            visible(&offers, false),
            file.display().to_string(),
        ]);
    }
    if host.ui.json() {
        host.ui.out_json(&json!(objects));
    } else {
        host.ui.out(columns::table(
            &["NAME", "VERSION", "OFFERS", "FILE"],
            &rows,
        ));
    }
    Ok(Exit::Fine)
}
