//! A Redis client of fifty lines: one command, one reply.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Where a Redis is, and its password.
pub struct Address {
    pub host: String,
    pub port: u16,
    password: Option<String>,
}

/// A connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Address {
    /// What a reference to the resource `cache` put into the environment.
    ///
    /// # Errors
    /// Something is missing.
    pub fn from_env() -> Result<Self, String> {
        let port = crate::env("CACHE_PORT")?;
        Ok(Self {
            host: crate::env("CACHE_HOST")?,
            port: port
                .parse()
                .map_err(|_| format!("CACHE_PORT is `{port}`"))?,
            password: crate::env("CACHE_PASSWORD").ok(),
        })
    }

    /// A connection that is authenticated already.
    ///
    /// # Errors
    /// Nobody answers, or the password is wrong.
    pub fn connect(&self) -> io::Result<Client> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut client = Client {
            stream: BufReader::new(stream),
        };
        if let Some(password) = &self.password {
            client.call(&["AUTH", password])?;
        }
        Ok(client)
    }
}

impl Client {
    /// Sends a command; its reply as text, empty where there is none.
    ///
    /// # Errors
    /// The connection broke, or Redis refused.
    pub fn call(&mut self, words: &[&str]) -> io::Result<String> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(command.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let line = line.trim_end();
        match line.split_at_checked(1) {
            Some(("+" | ":", text)) => Ok(text.to_owned()),
            Some(("$", length)) => self.bulk(length),
            Some(("-", error)) => Err(io::Error::other(error.to_owned())),
            Some(_) => Err(io::Error::other(format!("unexpected reply `{line}`"))),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn bulk(&mut self, length: &str) -> io::Result<String> {
        // -1 is the reply of a key that does not exist.
        let Ok(length) = length.parse::<usize>() else {
            return Ok(String::new());
        };
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        String::from_utf8(bytes).map_err(io::Error::other)
    }
}
