//! A container engine's API, raw: HTTP/1.1 over its Unix socket, one connection for each request.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value as Json;

use crate::Result;

/// A network or a container may take this long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where an engine answers.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    socket: PathBuf,
}

/// An answer.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Engine {
    /// The one that the environment names, else Docker's.
    pub(crate) fn find() -> Result<Self> {
        let socket = match std::env::var("DOCKER_HOST") {
            Ok(address) if !address.is_empty() => address
                .strip_prefix("unix://")
                .map(PathBuf::from)
                .ok_or_else(|| format!("{address} is no Unix socket"))?,
            _ => PathBuf::from("/var/run/docker.sock"),
        };
        let engine = Self { socket };
        let answer = engine.call("GET", "/_ping", None);
        answer.map_err(|error| format!("no container engine answers: {error}"))?;
        Ok(engine)
    }

    /// A call that has to work; what it answers.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Json>) -> Result<Json> {
        let body = self.bytes(method, path, body)?;
        Ok(serde_json::from_slice(&body).unwrap_or(Json::Null))
    }

    /// The same for an answer that is no JSON.
    pub(crate) fn bytes(&self, method: &str, path: &str, body: Option<&Json>) -> Result<Vec<u8>> {
        let failed = |reason: String| format!("{method} {path}: {reason}");
        let mut stream = self
            .send(method, path, body, "close")
            .map_err(|e| failed(e.to_string()))?;
        let answer = read(&mut stream).map_err(|error| failed(error.to_string()))?;
        if answer.status < 400 {
            return Ok(answer.body);
        }
        Err(failed(format!(
            "{}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        )))
    }

    /// Attaches to a container's output: a stream that stays open.
    pub(crate) fn attach(&self, id: &str) -> Result<UnixStream> {
        let path = format!("/containers/{id}/attach?stream=1&stdout=1&stderr=1");
        let mut stream = self
            .send("POST", &path, None, "Upgrade\r\nupgrade: tcp")
            .map_err(|error| format!("POST {path}: {error}"))?;
        // Byte by byte: what comes behind the head is the container's.
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream
                .read_exact(&mut byte)
                .map_err(|error| format!("POST {path}: {error}"))?;
            head.push(byte[0]);
        }
        if head.starts_with(b"HTTP/1.1 101") || head.starts_with(b"HTTP/1.1 200") {
            return Ok(stream);
        }
        Err(format!("POST {path}: {}", String::from_utf8_lossy(&head)))
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Json>,
        connection: &str,
    ) -> std::io::Result<UnixStream> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = body.map(Json::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: engine\r\nconnection: {connection}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        Ok(stream)
    }
}

fn read(stream: &mut UnixStream) -> std::io::Result<Answer> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or(0);
    let mut chunked = false;
    let mut length = None;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        chunked |= header == "transfer-encoding: chunked";
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
    }
    let mut body = Vec::new();
    if !chunked {
        // An answer that has no body may leave the connection open.
        let limit = length.unwrap_or(if matches!(status, 204 | 304) {
            0
        } else {
            u64::MAX
        });
        reader.take(limit).read_to_end(&mut body)?;
        return Ok(Answer { status, body });
    }
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
        if size == 0 {
            return Ok(Answer { status, body });
        }
        reader.by_ref().take(size).read_to_end(&mut body)?;
        line.clear();
        reader.read_line(&mut line)?;
    }
}
