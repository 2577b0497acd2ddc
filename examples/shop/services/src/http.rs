//! As much of an HTTP/1.1 server as the shop needs: a thread and one request for each connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Longest request that is read, in bytes.
const MAX_REQUEST: u64 = 256 * 1024;

/// What was asked for.
pub struct Request {
    pub method: String,
    pub path: String,
    pub body: String,
}

/// What is answered.
pub struct Response {
    status: u16,
    content_type: &'static str,
    location: Option<&'static str>,
    body: String,
}

impl Response {
    pub fn html(body: String) -> Self {
        Self {
            status: 200,
            content_type: "text/html; charset=utf-8",
            location: None,
            body,
        }
    }

    pub fn text(status: u16, body: impl Into<String>) -> Self {
        let body = body.into();
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            location: None,
            body,
        }
    }

    /// To another page, after a form.
    pub fn see_other(location: &'static str) -> Self {
        Self {
            location: Some(location),
            ..Self::text(303, "")
        }
    }

    /// The answer when something that is needed doesn't work.
    pub fn failed(error: &str) -> Self {
        eprintln!("{error}");
        Self::text(502, format!("{error}\n"))
    }
}

/// Serves until the process ends, on `PORT`, of this machine only unless `HOST` says otherwise.
///
/// # Errors
/// The port is missing or taken.
pub fn serve(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Result<(), String> {
    let port = crate::env("PORT")?;
    let host = crate::env("HOST").unwrap_or_else(|_| "127.0.0.1".to_owned());
    let listener = TcpListener::bind(format!("{host}:{port}"))
        .map_err(|error| format!("cannot listen on {host}:{port}: {error}"))?;
    println!("listening on {host}:{port}");
    let answer = Arc::new(answer);
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let answer = Arc::clone(&answer);
        // A caller that has gone away is no error of the server.
        thread::spawn(move || drop(exchange(&stream, &*answer)));
    }
    Ok(())
}

fn exchange(mut stream: &TcpStream, answer: &dyn Fn(&Request) -> Response) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.take(MAX_REQUEST));
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(());
    };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 && !line.trim().is_empty() {
        if let Some((name, value)) = line.split_once(':') {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        line.clear();
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    let response = answer(&Request {
        method,
        path: target.split('?').next().unwrap_or(&target).to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    stream.write_all(head(&response).as_bytes())?;
    stream.write_all(response.body.as_bytes())
}

fn head(response: &Response) -> String {
    let reason = match response.status {
        200..=299 => "OK",
        300..=399 => "See Other",
        _ => "Error",
    };
    let location = response
        .location
        .map(|to| format!("location: {to}\r\n"))
        .unwrap_or_default();
    format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: {}\r\n{location}content-length: {}\r\n\
         connection: close\r\n\r\n",
        response.status,
        response.content_type,
        response.body.len(),
    )
}
