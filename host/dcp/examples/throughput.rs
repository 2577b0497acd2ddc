//! How fast the relay is against a bare copy loop: many clients that send a burst of small requests
//! and wait for the answers, as benchmarks of key-value stores do, and one that sends all it can.
//!
//! `cargo run --release -p aspire-dcp --example throughput [seconds]`. Prints one JSON object.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for people that measure"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use aspire_api::ObjectMeta;
use aspire_api::service::{Endpoint, EndpointSpec, Service};
use aspire_dcp::{Config, ControlPlane, Stop};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of a request, and of its answer.
const REQUEST: usize = 32;
const CLIENTS: usize = 50;

/// Answers every request with as many bytes, on threads of its own.
fn echo() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        runtime().block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 << 10];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
    });
    address
}

/// The loop to compare with.
fn bare(to: SocketAddr) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        runtime().block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(to).await.unwrap();
                    client.set_nodelay(true).unwrap();
                    server.set_nodelay(true).unwrap();
                    let size = 64 << 10;
                    let _ =
                        copy_bidirectional_with_sizes(&mut client, &mut server, size, size).await;
                });
            }
        });
    });
    address
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Requests per second, with so many at once on each connection.
fn requests(to: SocketAddr, pipeline: usize, time: Duration) -> f64 {
    runtime().block_on(async move {
        let mut tasks = tokio::task::JoinSet::new();
        let start = Instant::now();
        for _ in 0..CLIENTS {
            tasks.spawn(async move {
                let mut stream = TcpStream::connect(to).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let burst = vec![b'x'; REQUEST * pipeline];
                let mut answer = vec![0; burst.len()];
                let mut count = 0usize;
                while start.elapsed() < time {
                    stream.write_all(&burst).await.unwrap();
                    stream.read_exact(&mut answer).await.unwrap();
                    count += pipeline;
                }
                count
            });
        }
        let count: usize = tasks.join_all().await.into_iter().sum();
        f64::from(u32::try_from(count).unwrap()) / start.elapsed().as_secs_f64()
    })
}

/// Megabytes per second there and back, on one connection.
fn bulk(to: SocketAddr, time: Duration) -> f64 {
    runtime().block_on(async move {
        let stream = TcpStream::connect(to).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let start = Instant::now();
        let sender = tokio::spawn(async move {
            let piece = vec![b'x'; 256 << 10];
            while start.elapsed() < time && write.write_all(&piece).await.is_ok() {}
        });
        let mut buffer = vec![0; 256 << 10];
        let mut total = 0u64;
        while let Ok(length @ 1..) = read.read(&mut buffer).await {
            total += length as u64;
        }
        sender.await.unwrap();
        let megabytes = u32::try_from(total >> 20).unwrap();
        f64::from(megabytes) / start.elapsed().as_secs_f64()
    })
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let time = Duration::from_secs_f64(seconds.unwrap_or(2.0));
    let folder = tempfile::tempdir().unwrap();
    let echo = echo();
    let bare = bare(echo);
    let runtime = runtime();
    let path = folder.path().to_owned();
    let (relayed, plane) = runtime.block_on(async move {
        let config = Config::new("t", "t-1", path.join("state"), path.join("data"));
        let plane = ControlPlane::start(config).await.unwrap();
        let service = Service {
            metadata: ObjectMeta::of("s", "s"),
            ..Service::default()
        };
        plane.client().create(service).await.unwrap();
        let endpoint = Endpoint {
            metadata: ObjectMeta::of("e", "e"),
            spec: EndpointSpec {
                service_name: "s".into(),
                address: echo.ip().to_string(),
                port: echo.port(),
                ..EndpointSpec::default()
            },
            ..Endpoint::default()
        };
        plane.client().create(endpoint).await.unwrap();
        plane.wait_idle().await;
        let port = plane.last_port("s").unwrap();
        (SocketAddr::from(([127, 0, 0, 1], port)), plane)
    });
    let (done, ended) = tokio::sync::oneshot::channel::<()>();
    let relay = std::thread::spawn(move || {
        runtime.block_on(async move {
            let _ = ended.await;
            plane.stop(Stop::Graceful).await;
        });
    });
    let mut lines = Vec::new();
    for pipeline in [1, 16, 256] {
        let (mut bare_rate, mut relayed_rate) = (0.0f64, 0.0f64);
        // In turns, and the best of each: others use the machine, too.
        for _ in 0..3 {
            bare_rate = bare_rate.max(requests(bare, pipeline, time));
            relayed_rate = relayed_rate.max(requests(relayed, pipeline, time));
        }
        lines.push(format!(
            "\"P{pipeline}\": {{\"bare\": {bare_rate:.0}, \"relay\": {relayed_rate:.0}, \
             \"ratio\": {:.3}}}",
            relayed_rate / bare_rate
        ));
    }
    let (mut bare_rate, mut relayed_rate) = (0.0f64, 0.0f64);
    for _ in 0..3 {
        bare_rate = bare_rate.max(bulk(bare, time));
        relayed_rate = relayed_rate.max(bulk(relayed, time));
    }
    lines.push(format!(
        "\"MB/s\": {{\"bare\": {bare_rate:.0}, \"relay\": {relayed_rate:.0}, \"ratio\": {:.3}}}",
        relayed_rate / bare_rate
    ));
    println!("{{{}}}", lines.join(", "));
    let _ = done.send(());
    let _ = relay.join();
}
