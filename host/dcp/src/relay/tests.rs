//! Connections through the relay: carried, parked, released, and ended.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::*;

async fn relayed() -> (SocketAddr, Arc<Backends>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let backends = Arc::new(Backends::default());
    tokio::spawn(serve_tcp(
        listener,
        Arc::clone(&backends),
        watch::channel(false).1,
    ));
    (address, backends)
}

/// Lets the others go on until something is so; by the real clock, since the other may stand still.
async fn until(is_so: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !is_so() {
        let waited = begin.elapsed();
        assert!(waited < Duration::from_secs(20), "it doesn't come");
        tokio::task::yield_now().await;
    }
}

/// A server that says its name to everybody, then echoes.
async fn server(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                stream.write_all(name.as_bytes()).await.unwrap();
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
        }
    });
    address
}

async fn name(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut name = [0; 1];
    stream.read_exact(&mut name).await.unwrap();
    String::from_utf8(name.to_vec()).unwrap()
}

#[tokio::test]
async fn both_ways_with_half_close() {
    let (address, backends) = relayed().await;
    backends.set(&[server("a").await]);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let payload = vec![7; 3 << 20];
    let (mut read, mut write) = stream.split();
    let sent = payload.clone();
    let send = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let receive = async {
        let mut all = Vec::new();
        read.read_to_end(&mut all).await.unwrap();
        all
    };
    let ((), all) = tokio::join!(send, receive);
    assert_eq!(all[0], b'a');
    assert!(all[1..] == payload[..]);
}

#[tokio::test]
async fn in_turn() {
    let (address, backends) = relayed().await;
    backends.set(&[server("a").await, server("b").await]);
    let mut names = Vec::new();
    for _ in 0..4 {
        names.push(name(address).await);
    }
    assert_eq!(names.concat().matches('a').count(), 2, "{names:?}");
}

#[tokio::test]
async fn parked_until_there_is_a_backend() {
    let (address, backends) = relayed().await;
    let early = tokio::spawn(name(address));
    tokio::task::yield_now().await;
    assert!(!early.is_finished());
    backends.set(&[server("a").await]);
    assert_eq!(early.await.unwrap(), "a");
}

#[tokio::test]
async fn a_workload_that_listens_late() {
    let (address, backends) = relayed().await;
    let place = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    backends.set(&[place]);
    let early = tokio::spawn(name(address));
    tokio::task::yield_now().await;
    let listener = TcpListener::bind(place).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"l").await.unwrap();
    assert_eq!(early.await.unwrap(), "l");
}

#[tokio::test(start_paused = true)]
async fn parked_for_a_bounded_time() {
    let backends = Backends::default();
    let start = Instant::now();
    assert!(backends.wait(start + PATIENCE).await.is_none());
    assert_eq!(start.elapsed(), PATIENCE);
}

#[tokio::test]
async fn one_too_many_costs_the_oldest() {
    let (address, backends) = relayed().await;
    let park = async |number: usize| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"early ").await.unwrap();
        until(|| backends.parked().len() >= number.min(PARKED)).await;
        stream
    };
    let mut oldest = park(1).await;
    let mut others = Vec::new();
    for number in 2..=PARKED + 1 {
        others.push(park(number).await);
    }
    let mut byte = [0];
    assert!(oldest.read(&mut byte).await.is_err(), "reset");
    backends.set(&[server("a").await]);
    for stream in &mut others {
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"aearly ");
    }
}

#[tokio::test]
async fn a_parked_client_that_hangs_up_is_noticed() {
    let (address, backends) = relayed().await;
    let silent = TcpStream::connect(address).await.unwrap();
    until(|| !backends.parked().is_empty()).await;
    drop(silent);
    until(|| backends.parked().is_empty()).await;
    // One that said everything still gets its answer.
    let mut asks = TcpStream::connect(address).await.unwrap();
    asks.write_all(b"question").await.unwrap();
    asks.shutdown().await.unwrap();
    until(|| !backends.parked().is_empty()).await;
    backends.set(&[server("a").await]);
    let mut answer = String::new();
    asks.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "aquestion");
}

#[tokio::test]
async fn the_fewest_connections_first_and_the_dead_skipped() {
    let (address, backends) = relayed().await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead_address = dead.local_addr().unwrap();
    drop(dead);
    backends.set(&[dead_address, server("a").await, server("b").await]);
    let mut held = Vec::new();
    let mut names = String::new();
    for _ in 0..6 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut name = [0; 1];
        stream.read_exact(&mut name).await.unwrap();
        names.push(char::from(name[0]));
        held.push((name[0], stream));
    }
    assert_eq!(names.matches('a').count(), 3, "{names}");
    // With those of one gone, it has the fewest.
    held.retain(|(name, _)| *name == b'b');
    let is_idle = || {
        let all = backends.all.borrow();
        let active = all.iter().map(|it| it.active.load(Ordering::Relaxed));
        active.sum::<usize>() == 3
    };
    while !is_idle() {
        tokio::task::yield_now().await;
    }
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut name = [0; 1];
        stream.read_exact(&mut name).await.unwrap();
        assert_eq!(name, *b"a");
        held.push((b'a', stream));
    }
}

#[tokio::test]
async fn datagrams_of_several_clients_reach_several_workloads() {
    let public = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = public.local_addr().unwrap();
    let backends = Arc::new(Backends::default());
    tokio::spawn(serve_udp(public, Arc::clone(&backends)));
    let servers = [
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
    ];
    backends.set(&servers.each_ref().map(|it| it.local_addr().unwrap()));
    let clients = [
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
    ];
    for client in &clients {
        client.send_to(b"x", address).await.unwrap();
    }
    let mut buffer = [0; 10];
    for server in &servers {
        server.recv_from(&mut buffer).await.unwrap();
    }
}

#[tokio::test]
async fn a_dead_workload_that_had_answered_is_refused_soon() {
    let (address, backends) = relayed().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    backends.set(&[listener.local_addr().unwrap()]);
    let first = TcpStream::connect(address).await.unwrap();
    drop(listener.accept().await.unwrap());
    drop((listener, first));
    let mut second = TcpStream::connect(address).await.unwrap();
    assert!(second.read_u8().await.is_err());
}

#[tokio::test]
async fn datagrams() {
    let public = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = public.local_addr().unwrap();
    let backends = Arc::new(Backends::default());
    tokio::spawn(serve_udp(public, Arc::clone(&backends)));
    let clients = [
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
    ];
    for (client, text) in clients.iter().zip([b"one", b"two"]) {
        client.send_to(text, address).await.unwrap();
    }
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    backends.set(&[server.local_addr().unwrap()]);
    let mut buffer = [0; 100];
    for _ in 0..2 {
        let (length, from) = server.recv_from(&mut buffer).await.unwrap();
        server
            .send_to(&buffer[..length].to_ascii_uppercase(), from)
            .await
            .unwrap();
    }
    for (client, text) in clients.iter().zip(["ONE", "TWO"]) {
        let (length, from) = client.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..length], from), (text.as_bytes(), address));
    }
}
