//! A Redis client of a hundred lines: one command, one reply.

use std::env;
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
    /// What a reference to the resource `name` put into the environment.
    pub fn from_env(name: &str) -> Result<Self, String> {
        let uri = format!("{}_URI", name.to_uppercase().replace('-', "_"));
        let connection = format!("ConnectionStrings__{name}");
        if let Ok(text) = env::var(&uri) {
            return Self::from_uri(&text).ok_or(format!("{uri} is no URI of a Redis"));
        }
        if let Ok(text) = env::var(&connection) {
            return Self::from_connection_string(&text)
                .ok_or(format!("{connection} is no connection string of a Redis"));
        }
        Err(format!("neither {uri} nor {connection} is set"))
    }

    /// `redis://[:PASSWORD@]HOST:PORT`.
    fn from_uri(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("redis://")?.trim_end_matches('/');
        let (user, address) = match rest.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, rest),
        };
        let (host, port) = address.rsplit_once(':')?;
        let password = user
            .and_then(|user| user.split_once(':'))
            .map(|(_, p)| percent_decode(p));
        Some(Self {
            host: host.to_owned(),
            port: port.parse().ok()?,
            password,
        })
    }

    /// `HOST:PORT[,password=PASSWORD]`.
    fn from_connection_string(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let (host, port) = parts.next()?.rsplit_once(':')?;
        let password = parts
            .find_map(|part| part.strip_prefix("password="))
            .map(str::to_owned);
        Some(Self {
            host: host.to_owned(),
            port: port.parse().ok()?,
            password,
        })
    }

    /// A connection that is authenticated already.
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

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| {
                text.get(at + 1..at + 3)
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            })
            .flatten();
        decoded.push(hex.unwrap_or(bytes[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
