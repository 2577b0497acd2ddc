//! Containers that are there already: persistent ones that are still what is wanted, and those
//! that somebody else makes (modes `existing` and `cleanup`).

use std::sync::Arc;

use aspire_api::aspire::Aspire;
use aspire_api::container::Container;
use aspire_api::{Kind, ObjectKey};

use super::end::Running;
use super::events::Happening;
use super::launch::{Problem, QUICK, addresses, viewpoint};
use super::output::{self, Said};
use crate::clock::Timestamp;
use crate::context::{Context, Live, Slot};
use crate::controllers::workload::{Report, Started};
use crate::engine::{Engine, within};
use crate::lifecycle::{KEY_LABEL, Lifecycle};
use crate::runtime::{EngineError, Inspection};

/// A persistent container that is there already and still what is wanted. One that isn't is
/// removed, and its object says why.
pub(super) async fn same(
    context: &Context,
    engine: &Engine,
    key: &ObjectKey,
    container: &Container,
    name: &str,
) -> Result<Option<Inspection>, Problem> {
    let lifecycle = Lifecycle::of(container);
    context.containers.change(key, |page| {
        page.lifecycle_key = Some(lifecycle.key.clone());
    });
    let note = |note: &str| {
        context.log(key).system(note);
        context
            .containers
            .change(key, |page| note.clone_into(&mut page.note));
    };
    let found = match within(QUICK, engine.raw().inspect(name)).await {
        Ok(found) => found,
        Err(EngineError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let is_ours = found.labels.contains_key(crate::identity::PERSISTENT_LABEL);
    if !is_ours && container.spec.aspire.is_some() {
        // The name was made up for us, so whatever has it is there by mistake.
        let message = format!("a container named {name} exists, and it is not ours");
        return Err(Problem::Conclusive(message));
    }
    if !is_ours {
        note("adopted as it is: nothing tells what it was made from");
        return Ok(Some(found));
    }
    let why = if !lifecycle.is_of(&found.labels) {
        lifecycle.changes(&found.labels)
    } else if container.metadata.is_built_anew() {
        "its image was built".to_owned()
    } else {
        return Ok(Some(found));
    };
    note(&format!("made anew: {why}"));
    within(QUICK, engine.raw().remove(&found.id)).await?;
    Ok(None)
}

/// A container that somebody else makes: as it is, whatever it is.
pub(super) async fn take(
    context: &Arc<Context>,
    engine: &Engine,
    container: &Container,
    slot: &Slot,
    said: &Said,
) -> Result<Running, Problem> {
    let key = ObjectKey::new(Kind::Container, container.metadata.name.clone());
    let name = container.spec.container_name.clone().unwrap_or_default();
    let info = engine.info().await?.clone();
    let found = match within(QUICK, engine.raw().inspect(&name)).await {
        Ok(found) => found,
        Err(EngineError::NotFound(_)) => {
            context.containers.change(&key, |page| page.missing = true);
            return Err(Problem::Missing(format!("no container named {name}")));
        }
        Err(error) => return Err(error.into()),
    };
    let id = found.id.clone();
    context.containers.change(&key, |page| {
        page.missing = false;
        page.lifecycle_key = found.labels.get(KEY_LABEL).cloned();
        // What it is on is somebody else's doing.
        page.joined = Some((id.clone(), Vec::new()));
    });
    let happenings = engine.hub.listen(&id);
    context.tell(&key, Report::Created(id.clone(), found.name.clone()));
    output::follow(context, &key, &id, said);
    let plain = Aspire::default();
    let aspire = container.spec.aspire.as_ref().unwrap_or(&plain);
    let served = aspire.endpoints.iter();
    let serving = served.filter_map(|it| Some((it.service.clone(), it.target_port?)));
    // Filled before, if the engine went away between two attempts.
    let _ = slot.set(Live::Container {
        id: id.clone(),
        viewpoint: viewpoint(context, container, &info),
        serving: serving.collect(),
    });
    let started = Started {
        at: Timestamp::now(),
        pid: None,
        addresses: addresses(container, &found, &info),
        // What it was made with is somebody else's doing, too.
        ..Started::default()
    };
    context.tell(&key, Report::Started(started));
    // It may have ended long ago.
    engine.hub.tell(&id, Happening::Look);
    Ok(Running::new(id, happenings, Some(found.began)))
}
