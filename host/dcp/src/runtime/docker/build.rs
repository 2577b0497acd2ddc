//! Builds an image from a folder, with the engine's own builder (BuildKit would need a session).
//!
//! Knows how the builder is asked and what it reports. The folder is the business of `context`.

use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::{BuildImageOptions, TagImageOptionsBuilder};
use futures_util::StreamExt;

use super::context::Context;
use super::images::{Layers, is_conclusive};
use super::{DockerEngine, errors};
use crate::runtime::{BuildRequest, EngineError, Progress};

/// The engine answers once it has all of the context, and a build may think for long.
const ANSWER: Duration = Duration::from_secs(24 * 60 * 60);

impl DockerEngine {
    pub(super) async fn build_image(
        &self,
        request: &BuildRequest,
        progress: Progress<'_>,
    ) -> Result<(), EngineError> {
        let fail = |cause: String, conclusive| EngineError::Image {
            image: request.tag.clone(),
            cause,
            conclusive,
        };
        let context = Context::open(&request.context, &request.dockerfile)
            .await
            .map_err(|cause| fail(cause, true))?;
        let options = BuildImageOptions {
            dockerfile: context.dockerfile().to_owned(),
            t: Some(request.tag.clone()),
            target: request.target.clone().unwrap_or_default(),
            buildargs: Some(request.args.clone().into_iter().collect()),
            labels: Some(request.labels.clone().into_iter().collect()),
            platform: request.platform.clone().unwrap_or_default(),
            rm: true,
            forcerm: true,
            ..BuildImageOptions::default()
        };
        let (body, problem) = context.archive();
        let client = self.patient(ANSWER);
        let mut stream = client.build_image(options, None, Some(body));
        let mut layers = Layers::default();
        let mut lines = Lines::default();
        while let Some(step) = stream.next().await {
            match step {
                Ok(step) => {
                    lines.push(step.stream.as_deref().unwrap_or_default(), progress);
                    let amount = step.progress_detail.and_then(|it| it.current.zip(it.total));
                    let status = step.status.as_deref().unwrap_or_default();
                    if let Some(line) = layers.line(step.id.as_deref(), status, amount) {
                        progress(&line);
                    }
                }
                Err(error) => {
                    lines.finish(progress);
                    // A context that can't be read shows as a broken connection.
                    if let Some(cause) = problem.get() {
                        return Err(fail(cause.clone(), true));
                    }
                    let cause = errors::cause(&error);
                    return Err(match error {
                        Error::DockerStreamError { .. } => {
                            let conclusive = is_conclusive(None, &cause) || !is_network(&cause);
                            fail(cause, conclusive)
                        }
                        Error::DockerResponseServerError { .. } => fail(cause, true),
                        _ => self.error(&request.tag, &error),
                    });
                }
            }
        }
        lines.finish(progress);
        for tag in &request.tags {
            self.tag_image(&request.tag, tag).await?;
        }
        Ok(())
    }

    /// Gives an image one more name.
    async fn tag_image(&self, image: &str, tag: &str) -> Result<(), EngineError> {
        // The last colon belongs to the version unless a slash follows: then it is a port's.
        let (repository, version) = match tag.rsplit_once(':') {
            Some((repository, version)) if !version.contains('/') => (repository, version),
            _ => (tag, "latest"),
        };
        let options = TagImageOptionsBuilder::new()
            .repo(repository)
            .tag(version)
            .build();
        self.docker()
            .tag_image(image, Some(options))
            .await
            .map_err(|error| self.error(tag, &error))
    }
}

/// A step may fail because a registry could not be reached.
fn is_network(cause: &str) -> bool {
    [
        "dial tcp",
        "no such host",
        "timeout",
        "net/http",
        "toomanyrequests",
    ]
    .iter()
    .any(|word| cause.contains(word))
}

/// The builder's output comes in pieces that are not lines.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn push(&mut self, text: &str, progress: Progress<'_>) {
        self.0.push_str(text);
        while let Some(end) = self.0.find('\n') {
            let line: String = self.0.drain(..=end).collect();
            tell(&line, progress);
        }
    }

    fn finish(&mut self, progress: Progress<'_>) {
        tell(&std::mem::take(&mut self.0), progress);
    }
}

fn tell(line: &str, progress: Progress<'_>) {
    let line = line.trim_end();
    if !line.is_empty() {
        progress(line);
    }
}
