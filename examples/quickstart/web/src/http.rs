//! As much of HTTP/1.1 as a page needs: one request for each connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest request head that is read.
const MAX_HEAD: u64 = 64 * 1024;

/// What was asked for.
pub struct Request {
    pub method: String,
    pub path: String,
}

/// What is answered.
pub struct Response {
    status: u16,
    content_type: &'static str,
    body: String,
}

impl Response {
    pub fn html(body: String) -> Self {
        Self {
            status: 200,
            content_type: "text/html; charset=utf-8",
            body,
        }
    }

    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }
}

/// Reads a request, lets `answer` answer it, and closes the connection.
pub fn serve(stream: TcpStream, answer: impl FnOnce(&Request) -> Response) {
    // A caller that has gone away is no error of the server.
    let _ = try_serve(&stream, answer);
}

fn try_serve(
    mut stream: &TcpStream,
    answer: impl FnOnce(&Request) -> Response,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.take(MAX_HEAD));
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(());
    };
    let path = target.split('?').next().unwrap_or(target);
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
    };
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 && !line.trim().is_empty() {
        line.clear();
    }
    let Response {
        status,
        content_type,
        body,
    } = answer(&request);
    write!(
        stream,
        "HTTP/1.1 {status} {}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        if status == 200 { "OK" } else { "Error" },
        body.len(),
    )
}
