//! Images: whether they are there, and pulling them.
//!
//! Knows what registries say when asking again is no use. Doesn't know credentials yet: what the
//! engine can pull by itself is what there is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;

use super::{DockerEngine, errors};
use crate::runtime::{EngineError, Progress};

/// An engine that says nothing for this long isn't pulling any more.
const SILENCE: Duration = Duration::from_secs(90);
/// Between lines that don't matter much.
const GAP: Duration = Duration::from_millis(100);
/// Between lines about one download.
const PERIOD: Duration = Duration::from_secs(5);

impl DockerEngine {
    pub(super) async fn image_exists(&self, image: &str) -> Result<bool, EngineError> {
        check_reference(image)?;
        match self.docker().inspect_image(image).await {
            Ok(_) => Ok(true),
            Err(error) if errors::is_missing(&error) => Ok(false),
            Err(error) => Err(self.image_error(image, &error)),
        }
    }

    pub(super) async fn pull_image(
        &self,
        image: &str,
        progress: Progress<'_>,
    ) -> Result<(), EngineError> {
        check_reference(image)?;
        let options = CreateImageOptionsBuilder::new()
            .from_image(&with_tag(image))
            .build();
        let client = self.patient(SILENCE);
        let mut stream = client.create_image(Some(options), None, None);
        let mut layers = Layers::default();
        loop {
            match tokio::time::timeout(SILENCE, stream.next()).await {
                Ok(None) => return Ok(()),
                Ok(Some(Ok(step))) => {
                    let amount = step.progress_detail.and_then(|it| it.current.zip(it.total));
                    let status = step.status.as_deref().unwrap_or_default();
                    if let Some(line) = layers.line(step.id.as_deref(), status, amount) {
                        progress(&line);
                    }
                }
                Ok(Some(Err(error))) => return Err(self.image_error(image, &error)),
                Err(_) => {
                    return Err(EngineError::Image {
                        image: image.to_owned(),
                        cause: format!(
                            "the engine has not reported progress for {} s",
                            SILENCE.as_secs()
                        ),
                        conclusive: false,
                    });
                }
            }
        }
    }

    /// What kept an image from being there.
    pub(super) fn image_error(&self, image: &str, error: &bollard::errors::Error) -> EngineError {
        match self.error(image, error) {
            kept @ (EngineError::Unreachable { .. } | EngineError::Refused { .. })
                if errors::status(error).is_none() =>
            {
                kept
            }
            _ => {
                let cause = errors::cause(error);
                EngineError::Image {
                    image: image.to_owned(),
                    conclusive: is_conclusive(errors::status(error), &cause),
                    cause,
                }
            }
        }
    }
}

/// References become part of a path of the API.
fn check_reference(image: &str) -> Result<(), EngineError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@+[]".contains(c);
    if !image.is_empty() && image.chars().all(allowed) && !image.contains("..") {
        return Ok(());
    }
    Err(EngineError::Image {
        image: image.to_owned(),
        cause: "this is no image reference".to_owned(),
        conclusive: true,
    })
}

/// Without a tag the engine would pull them all.
fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

/// Whether asking again is no use: the registry answered, and said no.
pub(super) fn is_conclusive(status: Option<u16>, cause: &str) -> bool {
    const NO: [&str; 10] = [
        "manifest unknown",
        "name unknown",
        "not found",
        "access denied",
        "access to the resource is denied",
        "does not exist",
        "unauthorized",
        "invalid reference",
        "must be lowercase",
        "no matching manifest",
    ];
    let cause = cause.to_ascii_lowercase();
    let told = NO.iter().any(|no| cause.contains(no));
    told || matches!(status, Some(400 | 401 | 403 | 404))
}

/// Turns the flood of reports about layers into a few lines.
#[derive(Default)]
pub(super) struct Layers {
    seen: BTreeMap<String, (String, Instant)>,
    last: Option<Instant>,
}

impl Layers {
    /// The line that a report is worth, if any: one for each change of a layer's state, fewer
    /// when they come fast, and a download's progress now and then.
    pub(super) fn line(
        &mut self,
        id: Option<&str>,
        status: &str,
        amount: Option<(i64, i64)>,
    ) -> Option<String> {
        if status.is_empty() {
            return None;
        }
        let now = Instant::now();
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            self.last = Some(now);
            return Some(status.to_owned());
        };
        let before = self.seen.get(id);
        let changed = before.is_none_or(|(known, _)| known != status);
        let again = before.is_some_and(|(_, told)| now.duration_since(*told) >= PERIOD);
        if !changed && !again {
            return None;
        }
        let told = before.map_or(now, |(_, told)| *told);
        let final_word = status.ends_with("complete") || status.starts_with("Already");
        let soon = self.last.is_some_and(|last| now.duration_since(last) < GAP);
        if soon && !final_word {
            self.seen.insert(id.to_owned(), (status.to_owned(), told));
            return None;
        }
        self.seen.insert(id.to_owned(), (status.to_owned(), now));
        self.last = Some(now);
        Some(match amount.filter(|(_, total)| *total > 0) {
            Some((current, total)) => {
                format!(
                    "{id}: {status} {} of {}",
                    megabytes(current),
                    megabytes(total)
                )
            }
            None => format!("{id}: {status}"),
        })
    }
}

fn megabytes(bytes: i64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_completed() {
        assert_eq!(with_tag("redis"), "redis:latest");
        assert_eq!(
            with_tag("localhost:5000/redis"),
            "localhost:5000/redis:latest"
        );
        assert_eq!(with_tag("localhost:5000/redis:8"), "localhost:5000/redis:8");
        assert_eq!(with_tag("redis@sha256:0a"), "redis@sha256:0a");
    }

    #[test]
    fn a_registry_that_says_no_is_conclusive() {
        for no in [
            "manifest for redis:0.0.1 not found: manifest unknown: manifest unknown",
            "pull access denied for nope, repository does not exist or may require 'docker login'",
            "no matching manifest for linux/arm64/v8 in the manifest list entries",
        ] {
            assert!(is_conclusive(Some(500), no), "{no}");
        }
        for perhaps in [
            "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no \
             such host",
            "Get \"https://registry-1.docker.io/v2/\": net/http: TLS handshake timeout",
            "toomanyrequests: You have reached your pull rate limit",
        ] {
            assert!(!is_conclusive(Some(500), perhaps), "{perhaps}");
        }
    }

    #[test]
    fn references_cannot_leave_their_path() {
        for bad in ["", "a b", "../info", "a?x=1", "a#b", "a%2f"] {
            assert!(check_reference(bad).is_err(), "{bad}");
        }
        assert!(check_reference("[::1]:5000/a/b_c:1.0+x@sha256:00").is_ok());
    }

    #[test]
    fn reports_become_few_lines() {
        let mut layers = Layers::default();
        let mut lines = Vec::new();
        lines.extend(layers.line(None, "Pulling from library/redis", None));
        for layer in ["a", "b"] {
            for current in 0..1000 {
                lines.extend(layers.line(Some(layer), "Downloading", Some((current, 1000))));
            }
            lines.extend(layers.line(Some(layer), "Pull complete", None));
        }
        assert_eq!(
            lines,
            [
                "Pulling from library/redis",
                "a: Pull complete",
                "b: Pull complete"
            ]
        );
    }
}
