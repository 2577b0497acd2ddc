//! An HTTP client of a few lines.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Everything behind the head.
    pub body: String,
}

/// GETs a URL.
///
/// # Errors
/// Nobody answers, or not HTTP.
pub fn get(url: &str) -> std::io::Result<Answer> {
    call("GET", url, "")
}

/// POSTs a form or text to a URL; redirects are not followed.
///
/// # Errors
/// Nobody answers, or not HTTP.
pub fn post(url: &str, body: &str) -> std::io::Result<Answer> {
    call("POST", url, body)
}

fn call(method: &str, url: &str, body: &str) -> std::io::Result<Answer> {
    let bad = |what: &str| std::io::Error::other(format!("{url}: {what}"));
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| bad("no http URL"))?;
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        stream,
        "{method} /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| bad("no HTTP answer"))?;
    let status = head
        .split_whitespace()
        .nth(1)
        .and_then(|word| word.parse().ok());
    Ok(Answer {
        status: status.ok_or_else(|| bad("no status"))?,
        body: body.to_owned(),
    })
}
