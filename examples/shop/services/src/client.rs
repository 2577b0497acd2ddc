//! As much of an HTTP client as the shop needs: `http://HOST:PORT` and text.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// GETs a path.
///
/// # Errors
/// No answer, or one that isn't a success.
pub fn get(base: &str, path: &str) -> Result<String, String> {
    call("GET", base, path, "")
}

/// POSTs a text to a path.
///
/// # Errors
/// No answer, or one that isn't a success.
pub fn post(base: &str, path: &str, body: &str) -> Result<String, String> {
    call("POST", base, path, body)
}

fn call(method: &str, base: &str, path: &str, body: &str) -> Result<String, String> {
    let address = base
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'))
        .ok_or_else(|| format!("`{base}` is no http URL"))?;
    let answer = exchange(method, address, path, body)
        .map_err(|error| format!("{method} {base}{path}: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split_whitespace().nth(1) {
        Some(status) if status.starts_with('2') => Ok(body.to_owned()),
        status => Err(format!(
            "{method} {base}{path}: {} {}",
            status.unwrap_or("no answer"),
            body.trim()
        )),
    }
}

fn exchange(method: &str, address: &str, path: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
