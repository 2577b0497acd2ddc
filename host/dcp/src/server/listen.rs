//! The listener: TLS on a loopback address, and the token in front of the router.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::auth::Token;
use super::kubeconfig::{Kubeconfig, KubeconfigError};
use super::tls::{self, TlsError};
use super::{Api, answer};

/// How to listen.
#[derive(Debug, Clone)]
pub struct ListenConfig {
    /// Port; none: one that is free.
    pub port: Option<u16>,
    /// Where clients find out.
    pub kubeconfig: PathBuf,
    /// The token that clients have already, which is then not written; none: a random one.
    pub token: Option<String>,
}

/// Why nobody listens.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The port can't be had.
    #[error("port {port} of 127.0.0.1: {error}")]
    Port {
        /// Which one; 0: any.
        port: u16,
        /// Why.
        error: io::Error,
    },
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No file.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
}

/// A server that listens until this is dropped.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    kubeconfig: Kubeconfig,
    task: JoinHandle<()>,
}

impl Listening {
    /// Where.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file by which clients find it.
    pub fn kubeconfig(&self) -> &std::path::Path {
        self.kubeconfig.path()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// 32 letters and digits.
fn random_token() -> String {
    use rand::Rng as _;
    let letters = rand::rng().sample_iter(rand::distr::Alphanumeric);
    letters.take(32).map(char::from).collect()
}

pub(super) async fn listen(api: &Api, config: ListenConfig) -> Result<Listening, ListenError> {
    let port = config.port.unwrap_or(0);
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let refused = |error| ListenError::Port { port, error };
    let listener = TcpListener::bind((ip, port)).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let identity = tls::make(ip)?;
    let known = config.token.is_some();
    let token = config.token.unwrap_or_else(random_token);
    let guard = Token::new(&token);
    let router = api
        .router()
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            let checked = guard.check(request.headers());
            async move {
                match checked {
                    Ok(()) => next.run(request).await,
                    Err(status) => answer::status(&status),
                }
            }
        }));
    let acceptor = TlsAcceptor::from(identity.config);
    let task = tokio::spawn(serve(listener, acceptor, router));
    let written = (!known).then_some(&*token);
    let written = Kubeconfig::write(&config.kubeconfig, address, &identity.authority, written);
    match written {
        Ok(kubeconfig) => Ok(Listening {
            address,
            kubeconfig,
            task,
        }),
        Err(error) => {
            task.abort();
            Err(error.into())
        }
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, router: Router) {
    // With this task, all connections end.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, mostly: others have to close theirs first.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let (acceptor, router) = (acceptor.clone(), router.clone());
        connections.spawn(async move {
            let _ = stream.set_nodelay(true);
            // Whoever doesn't speak TLS, or goes away, is no concern of ours.
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = TowerToHyperService::new(router);
            let mut http = hyper::server::conn::http1::Builder::new();
            let connection = http
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            let _ = connection.await;
        });
    }
}
