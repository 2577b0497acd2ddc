//! One HTTP request to a workload.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;

use super::connect;

/// Gets a path; the status is the expected one, or any from 200 to 399.
pub(super) async fn get(
    address: SocketAddr,
    path: &str,
    expected: Option<u16>,
) -> Result<(), String> {
    let url = format!("http://{address}{path}");
    let failed = |error: hyper::Error| format!("{error} at {url}");
    let stream = connect(address).await?;
    let request = Request::get(path)
        .header(HOST, format!("localhost:{}", address.port()))
        .header(USER_AGENT, "aspire-host")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("{path}: {error}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let exchange = sender.send_request(request);
    tokio::pin!(exchange, connection);
    let response = tokio::select! {
        response = &mut exchange => response,
        // The connection may end right after it has delivered the answer.
        _ = &mut connection => exchange.await,
    };
    let status = response.map_err(failed)?.status().as_u16();
    let is_good = match expected {
        Some(expected) => status == expected,
        None => (200..400).contains(&status),
    };
    if is_good {
        Ok(())
    } else {
        Err(format!("HTTP {status} at {url}"))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn answering(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /health HTTP/1.1\r\n"));
            stream.write_all(answer).await.unwrap();
        });
        address
    }

    #[tokio::test]
    async fn statuses() {
        let address = answering(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(get(address, "/health", None).await, Ok(()));
        let address = answering(b"HTTP/1.1 503 Oh\r\nContent-Length: 1000\r\n\r\npart").await;
        assert_eq!(
            get(address, "/health", None).await,
            Err(format!("HTTP 503 at http://{address}/health"))
        );
        let address = answering(b"HTTP/1.1 503 Oh\r\n\r\n").await;
        assert_eq!(get(address, "/health", Some(503)).await, Ok(()));
        let address = answering(b"SSH-2.0-x\r\n").await;
        assert!(
            get(address, "/health", None)
                .await
                .unwrap_err()
                .contains(" at http://")
        );
    }
}
