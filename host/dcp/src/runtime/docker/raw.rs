//! Questions whose answers bollard's types can't hold: it refuses a whole list for one state that
//! it doesn't know (podman's `stopped`, or whatever a newer engine calls one), and a container
//! that can't be listed can't be tidied up.
//!
//! Knows just enough HTTP for one `GET` on a connection of its own.

use std::fmt::Write as _;
use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};

use super::DockerEngine;
use crate::runtime::EngineError;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl DockerEngine {
    /// Asks for a path that tells of `what`, with `filters` as JSON.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        what: &str,
        path: &str,
        filters: Option<&str>,
    ) -> Result<T, EngineError> {
        let (major, minor) = self.shared.api;
        let mut uri = format!("/v{major}.{minor}{path}");
        if let Some(filters) = filters {
            uri.push_str(if path.contains('?') { "&" } else { "?" });
            uri.push_str("filters=");
            uri.push_str(&encoded(filters));
        }
        let uri = uri
            .parse()
            .map_err(|error| EngineError::Other(format!("{what}: {path}: {error}")))?;
        let fetched = tokio::time::timeout(self.docker().timeout(), self.fetch(uri)).await;
        let (status, body) = match fetched {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.lost(&error.to_string())),
            Err(_) => return Err(self.lost("no answer in time")),
        };
        if status != StatusCode::OK {
            #[derive(Deserialize)]
            struct Told {
                message: String,
            }
            let message = serde_json::from_slice::<Told>(&body).map_or_else(
                |_| String::from_utf8_lossy(&body).into_owned(),
                |told| told.message,
            );
            return Err(self.response(what, status.as_u16(), &message));
        }
        serde_json::from_slice(&body)
            .map_err(|error| EngineError::Other(format!("{what}: {path}: {error}")))
    }

    async fn fetch(&self, uri: Uri) -> io::Result<(StatusCode, Bytes)> {
        let stream = TokioIo::new(dial(&self.shared.address).await?);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(io::Error::other)?;
        let request = Request::get(uri)
            .header("Host", "engine")
            .header("Connection", "close")
            .body(Empty::<Bytes>::new())
            .map_err(io::Error::other)?;
        let answer = async move {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            Ok((status, body))
        };
        let (answer, _) = futures_util::future::join(answer, connection).await;
        answer.map_err(|error: hyper::Error| io::Error::other(error))
    }
}

async fn dial(address: &str) -> io::Result<Box<dyn Stream>> {
    if let Some(authority) = address.strip_prefix("tcp://") {
        return Ok(Box::new(tokio::net::TcpStream::connect(authority).await?));
    }
    #[cfg(unix)]
    if let Some(path) = address.strip_prefix("unix://") {
        return Ok(Box::new(tokio::net::UnixStream::connect(path).await?));
    }
    #[cfg(windows)]
    if let Some(path) = address.strip_prefix("npipe://") {
        use tokio::net::windows::named_pipe::ClientOptions;
        return Ok(Box::new(ClientOptions::new().open(path)?));
    }
    Err(io::Error::other(format!("{address} can't be dialled")))
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
