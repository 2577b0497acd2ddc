//! An HTTP/1.1 client of a few lines, over TLS: one connection a request, answers as a whole or
//! line by line until a moment.
//!
//! Doesn't know what is asked.

use std::io::{BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

/// A whole answer takes at most this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who is asked.
#[derive(Debug, Clone)]
pub struct Peer {
    /// `HOST:PORT`
    pub address: String,
    /// Whom it trusts.
    pub tls: Arc<ClientConfig>,
}

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// GET, POST …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Name and value.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Vec<u8>,
}

/// The head of an answer.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// Name (in small letters) and value.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Every value of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// An answer whose body is still coming.
pub struct Stream {
    /// What came first.
    pub head: Head,
    reader: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    rest: Rest,
    line: Vec<u8>,
    end: Instant,
}

/// What is left of a body.
enum Rest {
    Bytes(usize),
    /// Of the current chunk; none: a chunk's length comes next.
    Chunks(usize),
    UntilClosed,
    Nothing,
}

/// How reading lines ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Text(String),
    /// The body is complete.
    End,
    /// The time is over.
    Late,
}

impl Peer {
    /// Sends a request; everything is read by `end` or not at all.
    ///
    /// # Errors
    /// Nobody answers, or not HTTP.
    pub fn open(&self, request: &Request, end: Instant) -> Result<Stream> {
        let host = self
            .address
            .rsplit_once(':')
            .map_or("", |(host, _)| host)
            .trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned()).map_err(Error::other)?;
        let tls = ClientConnection::new(self.tls.clone(), name).map_err(Error::other)?;
        let socket = TcpStream::connect(&self.address)?;
        socket.set_nodelay(true)?;
        let mut stream = StreamOwned::new(tls, socket);
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
            request.method,
            request.target,
            self.address,
            request.body.len()
        );
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&request.body);
        stream.write_all(&bytes)?;
        stream.flush()?;
        let mut stream = Stream {
            head: Head::default(),
            reader: BufReader::new(stream),
            rest: Rest::Nothing,
            line: Vec::new(),
            end,
        };
        stream.read_head(request.method == "HEAD")?;
        Ok(stream)
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// Nobody answers, or not HTTP.
    pub fn call(&self, request: &Request) -> Result<(Head, Vec<u8>)> {
        let mut stream = self.open(request, Instant::now() + PATIENCE)?;
        let mut body = Vec::new();
        while let Some(byte) = stream.byte()? {
            body.push(byte);
        }
        Ok((stream.head, body))
    }
}

impl Stream {
    fn read_head(&mut self, bare: bool) -> Result<()> {
        let first = self.raw_line()?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        self.head.status = status.ok_or_else(|| Error::other(format!("not HTTP: {first}")))?;
        loop {
            let line = self.raw_line()?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            self.head
                .headers
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = self.head.all("content-length").next();
        let length: Option<usize> = length.and_then(|text| text.parse().ok());
        self.rest = if bare || matches!(self.head.status, 204 | 304) {
            Rest::Nothing
        } else if self.head.all("transfer-encoding").any(|v| v == "chunked") {
            Rest::Chunks(0)
        } else {
            length.map_or(Rest::UntilClosed, Rest::Bytes)
        };
        Ok(())
    }

    /// The next line of the body.
    ///
    /// # Errors
    /// The connection broke, or not HTTP.
    pub fn line(&mut self) -> Result<Line> {
        loop {
            match self.byte() {
                Ok(Some(b'\n')) => {
                    let bytes = std::mem::take(&mut self.line);
                    return Ok(Line::Text(String::from_utf8_lossy(&bytes).into_owned()));
                }
                Ok(Some(byte)) => self.line.push(byte),
                Ok(None) if self.line.is_empty() => return Ok(Line::End),
                Ok(None) => {
                    let bytes = std::mem::take(&mut self.line);
                    return Ok(Line::Text(String::from_utf8_lossy(&bytes).into_owned()));
                }
                Err(error) if late(&error) => return Ok(Line::Late),
                Err(error) => return Err(error),
            }
        }
    }

    /// The next byte of the body.
    fn byte(&mut self) -> Result<Option<u8>> {
        match &mut self.rest {
            Rest::Nothing | Rest::Bytes(0) => return Ok(None),
            Rest::Bytes(left) => *left -= 1,
            Rest::UntilClosed => return self.raw(),
            Rest::Chunks(0) => {
                let size = self.raw_line()?;
                let size = size.split(';').next().unwrap_or_default().trim().to_owned();
                let size = usize::from_str_radix(&size, 16)
                    .map_err(|_| Error::other(format!("not the length of a chunk: `{size}`")))?;
                if size == 0 {
                    self.rest = Rest::Nothing;
                    return Ok(None);
                }
                self.rest = Rest::Chunks(size);
                return self.byte();
            }
            Rest::Chunks(left) => {
                *left -= 1;
                let last = *left == 0;
                let byte = self.raw()?;
                if last {
                    self.raw_line()?;
                }
                return Ok(byte);
            }
        }
        self.raw()
    }

    fn raw_line(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        while let Some(byte) = self.raw()? {
            if byte == b'\n' {
                let text = String::from_utf8_lossy(&bytes);
                return Ok(text.trim_end_matches('\r').to_owned());
            }
            bytes.push(byte);
        }
        Err(ErrorKind::UnexpectedEof.into())
    }

    fn raw(&mut self) -> Result<Option<u8>> {
        if self.reader.buffer().is_empty() {
            let left = self.end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.reader.get_ref().sock.set_read_timeout(Some(left))?;
        }
        let mut byte = [0];
        match self.reader.read(&mut byte) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(byte[0])),
            // A server that closes without TLS's goodbye: the framing says what is missing.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn late(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
