//! `publish`: files for a target; written, or compared with what is there.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use aspire_compiler::publish::{self, Place, Published};
use aspire_model::annotation::MountKind;
use aspire_model::construct::{Artifact, Fidelity, Grade};
use aspire_model::{AppModel, Diagnostic, Diagnostics, FactValue, Mode};
use serde_json::json;

use crate::args::PublishArgs;
use crate::error::{Exit, Problem};
use crate::files;
use crate::host::Host;
use crate::project::{self, Project};
use crate::run::inputs;
use crate::{columns, render};

/// Name of the file that belongs to the user.
const USERS: &str = ".env";

/// A file as it has to be.
struct Wanted {
    path: PathBuf,
    contents: Vec<u8>,
    mode: u32,
}

/// Publishes or compares.
pub(super) fn run(host: &Host, args: &PublishArgs) -> Result<Exit> {
    // The process ends with the command: taking its largest values apart would only take time.
    let project = ManuallyDrop::new(project::open(host)?);
    let mode = Mode::Publish {
        target: Arc::from(args.to.as_str()),
    };
    let compilation = ManuallyDrop::new(project.model(host, mode.clone())?);
    let options = project.options(host, mode, false)?;
    let out = host.here.join(&args.out);
    let place = Place {
        app_folder: &files::way_back(&out, project.folder()),
        images: &inputs::image_map(host)?,
    };
    let published = publish::publish(&compilation, &project.set.plugins, &options, &place);
    let published = ManuallyDrop::new(published);
    let mut found = published.diagnostics.clone();
    if args.strict {
        found.extend(refusals(&published.fidelity));
    }
    project.tell(host, &found)?;
    // Everything is read and computed before the first write.
    let (wanted, found) = artifacts(&project, &compilation.model, &published, &out)?;
    project.tell(host, &found)?;
    tell_fidelity(host, &published.fidelity);
    if args.check {
        return check(host, args, &wanted);
    }
    let written = write(&out, &wanted)?;
    if project.app.file.is_some() {
        project.set.save_lock(project.folder())?;
    }
    if host.ui.json() {
        host.ui.out_json(&json!({
            "folder": out,
            "files": wanted.keys().collect::<Vec<_>>(),
            "written": written,
            "fidelity": published.fidelity,
            "diagnostics": render::to_json(&published.diagnostics)["diagnostics"],
        }));
    } else {
        for name in wanted.keys() {
            host.ui.note(format!("{}/{name}", args.out.display()));
        }
    }
    Ok(Exit::Fine)
}

/// With `--strict`, what does not survive the trip is an error.
fn refusals(fidelity: &[Fidelity]) -> Diagnostics {
    fidelity
        .iter()
        .filter(|row| row.grade >= Grade::Weakened)
        .map(|row| {
            let grade = if row.grade == Grade::Dropped {
                "dropped"
            } else {
                "weakened"
            };
            Diagnostic::error(
                "not-faithful",
                format!(
                    "`{}` of `{}` is {grade}: {}",
                    row.fact, row.resource, row.reason
                ),
            )
            .about(row.resource.as_str())
            .help("change it, or publish without --strict")
        })
        .collect()
}

fn tell_fidelity(host: &Host, fidelity: &[Fidelity]) {
    let lossy = fidelity.iter().any(|row| row.grade >= Grade::Weakened);
    if host.ui.quiet || host.ui.json() || !(lossy || host.ui.verbose) {
        return;
    }
    let rows: Vec<[String; 4]> = fidelity
        .iter()
        .filter(|row| host.ui.verbose || row.grade >= Grade::Weakened)
        .map(|row| {
            let grade = json!(row.grade).as_str().unwrap_or_default().to_owned();
            [
                row.resource.clone(),
                row.fact.clone(),
                grade,
                row.reason.clone(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        host.ui.err(columns::table(
            &["RESOURCE", "FACT", "FIDELITY", "REASON"],
            &rows,
        ));
    }
}

/// The files by relative name, contents at hand.
fn artifacts(
    project: &Project,
    model: &AppModel,
    published: &Published,
    out: &Path,
) -> Result<(BTreeMap<String, Wanted>, Diagnostics)> {
    let mut wanted = BTreeMap::new();
    let mut found = Diagnostics::new();
    for (name, artifact) in &published.publication.files {
        let path = files::inside(out, name)
            .with_context(|| format!("the publisher names a file `{name}`"))?;
        if path.file_name().is_some_and(|file| file == USERS) {
            bail!(
                Problem::plugin(format!(
                    "the publisher wants to write `{name}`, which belongs to the user"
                ))
                .help("tell the plugin's author: keys with descriptions go to .env.example")
            );
        }
        match artifact {
            Artifact::Contents(contents) => {
                wanted.insert(
                    name.clone(),
                    Wanted {
                        path,
                        contents: contents.clone(),
                        mode: 0o644,
                    },
                );
            }
            Artifact::Copy(source) if !is_named(model, source) => {
                bail!(
                    Problem::plugin(format!(
                        "the publisher wants to copy {source}, which the app names nowhere"
                    ))
                    .help("tell the plugin's author: only files of the model can be copied")
                );
            }
            Artifact::Copy(source) => {
                if let Err(error) = copy(&project.folder().join(source), &path, name, &mut wanted) {
                    found.push(
                        Diagnostic::error("no-file", format!("cannot read {source}: {error}"))
                            .help("it is named in aspire.toml and has to be published"),
                    );
                }
            }
        }
    }
    Ok((wanted, found))
}

/// Whether the model names a file, or a folder that it is in. Nothing else of this machine is a
/// publisher's to copy.
fn is_named(model: &AppModel, source: &str) -> bool {
    let plain = |text: &str| -> PathBuf {
        Path::new(text)
            .components()
            .filter(|part| *part != Component::CurDir)
            .collect()
    };
    let source = plain(source);
    let holds = |named: &str| {
        let below = if named.is_empty() {
            None
        } else {
            source.strip_prefix(plain(named)).ok()
        };
        below.is_some_and(|rest| {
            rest.components()
                .all(|part| matches!(part, Component::Normal(_)))
        })
    };
    model
        .iter()
        .flat_map(|resource| resource.facts.values())
        .any(|fact| match &fact.value {
            FactValue::Mount(mount) => mount.kind == MountKind::Bind && holds(&mount.source),
            FactValue::File(file) => holds(&file.source),
            FactValue::Build(build) => holds(&build.context),
            FactValue::Texts(texts) => texts.iter().any(|text| holds(text)),
            _ => false,
        })
}

/// A project file, or a folder with everything in it.
fn copy(
    source: &Path,
    path: &Path,
    name: &str,
    wanted: &mut BTreeMap<String, Wanted>,
) -> std::io::Result<()> {
    let metadata = std::fs::metadata(source)?;
    if !metadata.is_dir() {
        let contents = std::fs::read(source)?;
        let mode = mode_of(&metadata);
        wanted.insert(
            name.to_owned(),
            Wanted {
                path: path.to_owned(),
                contents,
                mode,
            },
        );
        return Ok(());
    }
    for entry in std::fs::read_dir(source)? {
        let entry = entry?;
        let file = entry.file_name();
        let name = format!("{name}/{}", file.to_string_lossy());
        copy(&entry.path(), &path.join(&file), &name, wanted)?;
    }
    Ok(())
}

#[cfg(unix)]
fn mode_of(metadata: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    // Whether it can be run is part of the file; whose it is and who else may read it is not.
    if metadata.permissions().mode() & 0o100 == 0 {
        0o644
    } else {
        0o755
    }
}

#[cfg(not(unix))]
fn mode_of(_: &std::fs::Metadata) -> u32 {
    0o644
}

/// Writes what differs; the names of those files.
fn write(out: &Path, wanted: &BTreeMap<String, Wanted>) -> Result<Vec<String>> {
    std::fs::create_dir_all(out)
        .with_context(|| format!("cannot make the folder {}", out.display()))?;
    let mut written = Vec::new();
    for (name, file) in wanted {
        if std::fs::read(&file.path).is_ok_and(|there| there == file.contents) {
            continue;
        }
        if let Some(folder) = file.path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        files::write_atomically(&file.path, &file.contents, file.mode)?;
        written.push(name.clone());
    }
    Ok(written)
}

/// Names the generated files that are missing or differ.
fn check(host: &Host, args: &PublishArgs, wanted: &BTreeMap<String, Wanted>) -> Result<Exit> {
    let mut drifted = Vec::new();
    for (name, file) in wanted {
        match std::fs::read(&file.path) {
            Ok(there) if there == file.contents => {}
            Ok(there) => drifted.push((name, "differs", excerpt(&there, &file.contents))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                drifted.push((name, "is missing", String::new()));
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.path.display()));
            }
        }
    }
    if host.ui.json() {
        let list: Vec<_> = drifted
            .iter()
            .map(|(name, how, diff)| json!({ "file": name, "problem": how, "diff": diff }))
            .collect();
        host.ui
            .out_json(&json!({ "upToDate": drifted.is_empty(), "drifted": list }));
    } else {
        for (name, how, diff) in &drifted {
            host.ui.err(format!("{}/{name} {how}", args.out.display()));
            if !diff.is_empty() {
                host.ui.err(diff);
            }
        }
        if drifted.is_empty() {
            host.ui.note("up to date");
        } else {
            host.ui.err("the same command without --check writes them");
        }
    }
    Ok(if drifted.is_empty() {
        Exit::Fine
    } else {
        Exit::App
    })
}

/// The first lines that differ: `-` as on disk, `+` as it would be.
fn excerpt(there: &[u8], wanted: &[u8]) -> String {
    const LINES: usize = 5;
    let (Ok(there), Ok(wanted)) = (std::str::from_utf8(there), std::str::from_utf8(wanted)) else {
        return "  (not text)".to_owned();
    };
    let (old, new): (Vec<&str>, Vec<&str>) = (there.lines().collect(), wanted.lines().collect());
    let same_start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[same_start..], &new[same_start..]);
    let same_end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (old, new) = (&old[..old.len() - same_end], &new[..new.len() - same_end]);
    let mut text = vec![format!("  line {}:", same_start + 1)];
    for (sign, lines) in [('-', old), ('+', new)] {
        text.extend(
            lines
                .iter()
                .take(LINES)
                .map(|line| format!("  {sign} {}", crate::ui::visible(line, false))),
        );
        if lines.len() > LINES {
            text.push(format!("  {sign} … {} more", lines.len() - LINES));
        }
    }
    text.join("\n")
}

#[cfg(test)]
mod tests;
