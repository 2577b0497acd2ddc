//! `clean --data`: volumes, data of native programs and the generated passwords that belong to
//! them, together: one without the other would be of no use.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use aspire_dcp::identity::{APP_LABEL, INSTANCE_LABEL};
use aspire_dcp::runtime::docker::{DockerEngine, EngineEnvironment};
use aspire_dcp::runtime::{ContainerEngine, Leftover};
use aspire_dcp::state::State;
use serde_json::json;

use crate::args::CleanArgs;
use crate::error::{Exit, Problem};
use crate::files;
use crate::host::Host;
use crate::instance::Instance;
use crate::params::store::Store;
use crate::running;

/// What there is to delete.
struct Found {
    engine: Option<DockerEngine>,
    volumes: Vec<Leftover>,
    native: bool,
    passwords: Vec<String>,
}

/// Deletes it, after asking.
pub(super) fn run(host: &Host, args: &CleanArgs) -> Result<Exit> {
    let (folder, name) = running::target(host)?;
    let Some(instance) = Instance::find(&folder, &name, host.options.instance.as_deref())? else {
        return nothing(host);
    };
    if !instance.data.is_dir() {
        return nothing(host);
    }
    let _lock = instance.lock()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime could not be started")?;
    runtime.block_on(async {
        let found = look(&instance, &name).await?;
        if found.volumes.is_empty() && !found.native && found.passwords.is_empty() {
            return nothing(host);
        }
        let list = describe(&instance, &found);
        if !args.yes {
            if !host.ui.interactive {
                bail!(
                    Problem::usage("this deletes data for good, and nobody can be asked")
                        .help("`aspire-host clean --data --yes` does it without asking")
                );
            }
            host.ui.err(format!(
                "Of {name} ({}), this would be deleted:",
                instance.id
            ));
            host.ui.err(list.join("\n"));
            if !host.ui.confirm("Delete it for good?")? {
                host.ui.note("nothing was deleted");
                return Ok(Exit::Fine);
            }
        }
        delete(&instance, &found).await?;
        if host.ui.json() {
            let volumes: Vec<&str> = found.volumes.iter().map(|v| v.name.as_str()).collect();
            host.ui.out_json(&json!({
                "volumes": volumes,
                "nativeData": found.native,
                "passwords": found.passwords,
            }));
        } else {
            host.ui.note(format!("deleted:\n{}", list.join("\n")));
        }
        Ok(Exit::Fine)
    })
}

fn nothing(host: &Host) -> Result<Exit> {
    if host.ui.json() {
        host.ui
            .out_json(&json!({ "volumes": [], "nativeData": false, "passwords": [] }));
    } else {
        host.ui.note("there is no data to delete");
    }
    Ok(Exit::Fine)
}

async fn look(instance: &Instance, app: &str) -> Result<Found> {
    let (engine, volumes) = match DockerEngine::connect(&EngineEnvironment::from_process()).await {
        Ok(engine) => {
            let all = engine
                .leftovers(&format!("{INSTANCE_LABEL}={}", instance.id))
                .await
                .map_err(|error| Problem::environment(error.to_string()))?;
            let ours = |one: &Leftover| {
                one.what == "volume" && one.labels.get(APP_LABEL).is_none_or(|name| name == app)
            };
            (Some(engine), all.into_iter().filter(ours).collect())
        }
        Err(error) if instance.has_used_engine() => bail!(Problem::environment(format!(
            "this instance has used a container engine, and its volumes cannot be reached: {error}"
        ))
        .help("start the engine and try again: passwords are deleted only together with their data")),
        Err(_) => (None, Vec::new()),
    };
    Ok(Found {
        engine,
        volumes,
        native: has_anything(&instance.native),
        passwords: Store::new(&instance.data)
            .load()?
            .generated
            .into_keys()
            .collect(),
    })
}

fn has_anything(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

fn describe(instance: &Instance, found: &Found) -> Vec<String> {
    let mut list: Vec<String> = found
        .volumes
        .iter()
        .map(|volume| format!("  volume {}", volume.name))
        .collect();
    if found.native {
        list.push(format!("  folder {}", instance.native.display()));
    }
    list.extend(
        found
            .passwords
            .iter()
            .map(|name| format!("  generated value of `{name}`")),
    );
    list
}

/// Data first: a password without data is harmless, data without its password is lost.
async fn delete(instance: &Instance, found: &Found) -> Result<()> {
    if let Some(engine) = &found.engine {
        for volume in &found.volumes {
            engine.remove_volume(&volume.id).await.map_err(|error| {
                Problem::environment(format!("volume {}: {error}", volume.name))
            })?;
        }
        let state = State::new(files::shared_folder()?);
        let forgotten = state.forget_missing(engine, &instance.id).await;
        forgotten.map_err(|error| Problem::environment(error.to_string()))?;
    }
    if found.native {
        std::fs::remove_dir_all(&instance.native)
            .with_context(|| format!("cannot delete {}", instance.native.display()))?;
    }
    Store::new(&instance.data).change(|values| values.generated.clear())?;
    instance.forget_engine()
}
