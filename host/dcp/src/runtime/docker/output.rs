//! What a container writes, from its first byte to its end.
//!
//! Knows that only a stream attached before the start misses nothing: engines answer a request
//! for the log of a container that hasn't started with an empty log, and at once.

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{AttachContainerOptionsBuilder, LogsOptionsBuilder};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, TryFutureExt};

use super::{Attached, DockerEngine};
use crate::runtime::{EngineError, OutputStream};

type Output<'a> = BoxStream<'a, Result<(OutputStream, Bytes), EngineError>>;

impl DockerEngine {
    /// Both streams of a container that has not started.
    pub(super) async fn attach(&self, id: &str) -> Result<Attached, EngineError> {
        let options = AttachContainerOptionsBuilder::new()
            .stream(true)
            .stdout(true)
            .stderr(true)
            .build();
        self.docker()
            .attach_container(id, Some(options))
            .await
            .map(|attached| attached.output)
            .map_err(|error| self.error(&format!("container {id}"), &error))
    }

    pub(super) fn output<'a>(&'a self, id: &'a str) -> Output<'a> {
        match self.take_attached(id) {
            Some(attached) => self.translated(id, attached),
            None => self.recorded(id).try_flatten_stream().boxed(),
        }
    }

    /// The output of a container that we didn't create, or whose output was taken before: what
    /// the engine has recorded, and what follows.
    async fn recorded<'a>(&'a self, id: &'a str) -> Result<Output<'a>, EngineError> {
        let state = self.inspect_container(id).await?.state;
        if state == "created" {
            return Ok(self.translated(id, self.attach(id).await?));
        }
        let running = matches!(&*state, "running" | "paused" | "restarting");
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .follow(running)
            .build();
        let stream = self.docker().logs(id, Some(options)).boxed();
        Ok(self.translated(id, stream))
    }

    fn translated<'a>(&'a self, id: &'a str, stream: Attached) -> Output<'a> {
        stream
            .map(move |item| self.piece(id, item))
            .chain(self.farewell(id).into_stream().filter_map(async |it| it))
            .filter(|item| {
                let empty = matches!(item, Ok((_, bytes)) if bytes.is_empty());
                std::future::ready(!empty)
            })
            .boxed()
    }

    fn piece(
        &self,
        id: &str,
        item: Result<LogOutput, Error>,
    ) -> Result<(OutputStream, Bytes), EngineError> {
        match item {
            Ok(LogOutput::StdErr { message }) => Ok((OutputStream::Stderr, message)),
            Ok(other) => Ok((OutputStream::Stdout, other.into_bytes())),
            Err(error) => Err(self.error(&format!("container {id}"), &error)),
        }
    }

    /// An engine that goes away ends the stream like a container that ends.
    async fn farewell(&self, id: &str) -> Option<Result<(OutputStream, Bytes), EngineError>> {
        match self.inspect_container(id).await {
            Err(lost @ EngineError::Unreachable { .. }) => Some(Err(lost)),
            _ => None,
        }
    }
}
