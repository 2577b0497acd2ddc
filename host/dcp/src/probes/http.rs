//! One HTTP request to a workload.

use std::net::SocketAddr;

use aspire_api::container::ProbeOutcome;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{connect, tls};
use crate::controllers::health::Attempt;

/// So much of an answer is read.
const BODY: usize = 10 << 10;

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
    let response = exchange(stream, request, async |response| response.status().as_u16()).await;
    let status = response.map_err(failed)?;
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

/// Sends a request and looks at the answer while the connection is kept going.
async fn exchange<T>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Empty<Bytes>>,
    look: impl AsyncFnOnce(Response<Incoming>) -> T,
) -> hyper::Result<T> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let response = sender.send_request(request).await?;
        Ok(look(response).await)
    };
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        // The connection may end right after it has delivered the answer.
        _ = &mut connection => answer.await,
    }
}

/// Gets a URL as DCP's probes do: 2xx is success, 3xx is unknown, everything else failure.
pub(super) async fn get_url(url: &str, headers: &[(String, String)]) -> Attempt {
    match try_url(url, headers).await {
        Ok(attempt) => attempt,
        Err(reason) => Err(reason).into(),
    }
}

async fn try_url(url: &str, headers: &[(String, String)]) -> Result<Attempt, String> {
    let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
    let is_secure = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(format!("{url}: neither http nor https")),
    };
    let authority = uri.authority().ok_or_else(|| format!("{url}: no host"))?;
    let usual = if is_secure { 443 } else { 80 };
    let port = authority.port_u16().unwrap_or(usual);
    let stream = dial(authority.host(), port).await?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::get(path)
        .header(USER_AGENT, "aspire-host")
        .header(CONNECTION, "close");
    let named = |name: &str| {
        headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    if !named("host") {
        request = request.header(HOST, authority.as_str());
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("{url}: {error}"))?;
    let look = async |response: Response<Incoming>| {
        let status = response.status();
        (status, beginning(response.into_body()).await)
    };
    let answer = if is_secure {
        let host = bare(authority.host());
        let stream = tls::connect(host, stream).await;
        let stream = stream.map_err(|reason| format!("{reason} at {url}"))?;
        exchange(stream, request, look).await
    } else {
        exchange(stream, request, look).await
    };
    let (status, body) = answer.map_err(|error| format!("{error} at {url}"))?;
    let outcome = if status.is_success() {
        ProbeOutcome::Success
    } else if status.is_redirection() {
        ProbeOutcome::Unknown
    } else {
        ProbeOutcome::Failure
    };
    let words = String::from_utf8_lossy(&body);
    let words = words.lines().map(str::trim).find(|line| !line.is_empty());
    let words: String = words.unwrap_or_default().chars().take(200).collect();
    let status = status.as_u16();
    let reason = match (outcome, words.is_empty()) {
        (ProbeOutcome::Success, _) => String::new(),
        (_, true) => format!("HTTP {status} at {url}"),
        (_, false) => format!("HTTP {status} at {url}: {words}"),
    };
    Ok(Attempt { outcome, reason })
}

async fn dial(host: &str, port: u16) -> Result<TcpStream, String> {
    if host == "localhost" {
        return connect(SocketAddr::from(([127, 0, 0, 1], port))).await;
    }
    let host = bare(host);
    let failed = |error: std::io::Error| format!("{host}:{port}: {error}");
    let mut last = format!("{host} has no address");
    for address in tokio::net::lookup_host((host, port))
        .await
        .map_err(failed)?
    {
        match connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(reason) => last = reason,
        }
    }
    Err(last)
}

/// A host without the brackets of IPv6.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The first part of a body; what comes after it is nobody's business.
async fn beginning(mut body: Incoming) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
        if bytes.len() >= BODY {
            bytes.truncate(BODY);
            break;
        }
    }
    bytes
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

    #[tokio::test]
    async fn urls() {
        async fn probe(answer: &'static [u8], headers: &[(String, String)]) -> Attempt {
            let address = answering(answer).await;
            let url = format!("http://localhost:{}/health", address.port());
            let mut attempt = get_url(&url, headers).await;
            attempt.reason = attempt.reason.replace(&url, "URL");
            attempt
        }
        let good = probe(b"HTTP/1.1 204 No Content\r\n\r\n", &[]).await;
        assert_eq!(good, Ok(()).into());
        let moved = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n";
        let moved = probe(moved, &[("X-Key".into(), "1".into())]).await;
        assert_eq!(moved.outcome, ProbeOutcome::Unknown);
        assert_eq!(moved.reason, "HTTP 302 at URL");
        let bad = b"HTTP/1.1 503 Oh\r\nContent-Length: 9\r\n\r\n\nno db\nxx";
        let bad = probe(bad, &[]).await;
        assert_eq!(bad, Err("HTTP 503 at URL: no db".to_owned()).into());
        let wrong = get_url("ftp://localhost:1/", &[]).await;
        assert_eq!(wrong.reason, "ftp://localhost:1/: neither http nor https");
    }

    #[tokio::test]
    async fn over_tls_with_a_certificate_that_nobody_signed() {
        use tokio_rustls::rustls::ServerConfig;
        use tokio_rustls::rustls::crypto::ring::default_provider;
        use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
        let made = rcgen::generate_simple_self_signed(["else.where".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /health HTTP/1.1\r\n"));
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let attempt = get_url(&format!("https://localhost:{port}/health"), &[]).await;
        assert_eq!(attempt, Ok(()).into());
        // Somebody who doesn't speak TLS.
        let plain = answering_anything(b"HTTP/1.1 200 OK\r\n\r\n").await;
        let attempt = get_url(&format!("https://{plain}/health"), &[]).await;
        assert!(attempt.reason.starts_with("no TLS: "), "{attempt:?}");
    }

    async fn answering_anything(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 16]).await;
            stream.write_all(answer).await.unwrap();
        });
        address
    }

    #[tokio::test]
    async fn an_endless_body_is_not_read_to_its_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\n\r\n";
            stream.write_all(head).await.unwrap();
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        });
        let attempt = get_url(&format!("http://127.0.0.1:{port}"), &[]).await;
        assert_eq!(attempt, Ok(()).into());
        // Hung up on, or this would write for ever.
        server.await.unwrap();
    }
}
