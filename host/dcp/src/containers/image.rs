//! A container's image: built, pulled, or there already.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aspire_api::ObjectKey;
use aspire_api::container::{Container, ContainerBuild, ContainerSpec, PullPolicy};

use super::launch;
use crate::context::Context;
use crate::controllers::workload::{Report, Stage};
use crate::engine::Engine;
use crate::processes::run::LastWords;
use crate::runtime::{BuildRequest, EngineError, OutputStream};
use crate::templates::Scope;

/// Makes sure that an image is there.
pub(super) async fn pull(
    context: &Context,
    engine: &Engine,
    key: &ObjectKey,
    image: &str,
    policy: PullPolicy,
) -> Result<(), EngineError> {
    let there = match policy {
        PullPolicy::Always => false,
        PullPolicy::Missing | PullPolicy::Never => engine.raw().has_image(image).await?,
    };
    if there {
        return Ok(());
    }
    if policy == PullPolicy::Never {
        return Err(EngineError::Image {
            image: image.to_owned(),
            cause: "it is not there, and it may not be pulled".to_owned(),
            conclusive: true,
        });
    }
    let log = context.log(key);
    log.system(&format!("pulling {image}"));
    context.tell(
        key,
        Report::Progress(Stage::Starting, format!("pulling {image}")),
    );
    let progress = |line: &str| {
        log.system(line);
        let note = context.redactor.text(&format!("pulling {image}: {line}"));
        context.tell(key, Report::Progress(Stage::Starting, note));
    };
    engine.raw().pull(image, &progress).await
}

/// Builds an image and gives it its tag.
pub(super) async fn build(
    context: &Context,
    engine: &Engine,
    key: &ObjectKey,
    build: &ContainerBuild,
    tag: &str,
    scope: &Scope<'_>,
    words: &LastWords,
) -> Result<(), BuildError> {
    let mut args = BTreeMap::new();
    for arg in &build.args {
        let value = scope
            .resolve(&arg.value)
            .await
            .map_err(BuildError::Template)?;
        args.insert(arg.name.clone(), value);
    }
    let dockerfile = build
        .dockerfile
        .clone()
        .unwrap_or_else(|| "Dockerfile".to_owned());
    let request = BuildRequest {
        context: PathBuf::from(&build.context),
        dockerfile: PathBuf::from(dockerfile),
        target: build.stage.clone(),
        args,
        tag: tag.to_owned(),
        tags: build.tags.clone(),
        platform: build.platform.clone(),
        labels: build
            .labels
            .iter()
            .map(|label| (label.key.clone(), label.value.clone()))
            .collect(),
    };
    context.tell(
        key,
        Report::Progress(Stage::Building, format!("building {tag}")),
    );
    let log = context.log(key);
    let keep = words.taker();
    let progress = |line: &str| {
        log.system(line);
        keep(OutputStream::System, format!("{line}\n").as_bytes());
    };
    engine
        .raw()
        .build(&request, &progress)
        .await
        .map_err(BuildError::Engine)
}

/// What an image is called that is built for a container.
pub(super) fn tag(context: &Context, key: &ObjectKey, spec: &ContainerSpec) -> String {
    if spec.image.is_empty() {
        format!("aspire-{}-{}:latest", context.config.instance, key.name).to_lowercase()
    } else {
        spec.image.clone()
    }
}

/// Builds the image of a container, whatever becomes of the container meanwhile.
pub(crate) async fn build_ahead(
    context: &Context,
    key: &ObjectKey,
    container: &Container,
    words: &LastWords,
) -> Result<(), String> {
    let engine = context.engine.as_ref().ok_or("no container engine")?;
    let Some(spec) = &container.spec.build else {
        return Ok(());
    };
    let info = engine.info().await.map_err(|error| error.to_string())?;
    let viewpoint = launch::viewpoint(context, container, info);
    let serving = launch::endpoints(container)
        .into_iter()
        .filter_map(|endpoint| Some((endpoint.service, endpoint.target_port?)))
        .collect();
    let scope = context.scope(key, viewpoint, serving, &|_| {});
    let tag = tag(context, key, &container.spec);
    let built = build(context, engine, key, spec, &tag, &scope, words).await;
    built.map_err(|error| match error {
        BuildError::Template(message) => message,
        BuildError::Engine(error) => error.to_string(),
    })
}

/// Why there is no image.
pub(super) enum BuildError {
    /// An argument can't be had.
    Template(String),
    /// The engine says so.
    Engine(EngineError),
}
