//! A resource of the benchmarks that has a health: listens on the port that `PORT` names.

use std::net::TcpListener;
use std::process::ExitCode;

fn main() -> ExitCode {
    let port = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok());
    let Some(Ok(listener)) = port.map(|port: u16| TcpListener::bind(("127.0.0.1", port))) else {
        return ExitCode::from(2);
    };
    for connection in listener.incoming() {
        // Answered is answered.
        drop(connection);
    }
    ExitCode::SUCCESS
}
