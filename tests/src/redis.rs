//! A Redis client of a few lines, for connection strings as the plugin makes them.

use std::io::{Error, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends commands, one a line, to `HOST:PORT,password=PASSWORD`; everything that it answers.
///
/// # Errors
/// Nobody answers.
pub fn ask(connection: &str, commands: &str) -> std::io::Result<String> {
    let (address, password) = connection
        .split_once(",password=")
        .ok_or_else(|| Error::other(format!("`{connection}` is no connection string")))?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(format!("AUTH {password}\r\n{commands}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
