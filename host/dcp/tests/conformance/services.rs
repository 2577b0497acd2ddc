//! Services and their relays as clients of them see it: clauses 24 and 26.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::lab::{Lab, state};
use crate::support::Folders;

const SOON: Duration = Duration::from_secs(20);
const S: &str = "services/s";

async fn lab() -> Lab {
    Lab::begin("services", Folders::new(), None).await
}

fn port(service: &Value) -> u16 {
    let port = service["status"]["effectivePort"].as_u64();
    port.unwrap().try_into().unwrap()
}

/// Somebody who says their name to everybody who said something first.
async fn server(name: u8) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                while let Ok(byte) = stream.read_u8().await {
                    if stream.write_all(&[name, byte]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn endpoint(lab: &Lab, name: &str, address: SocketAddr) {
    let spec = json!({
        "serviceNamespace": "", "serviceName": "s", "address": address.ip().to_string(), "port": address.port(),
    });
    lab.make("Endpoint", name, spec).await;
}

async fn ask(stream: &mut TcpStream, byte: u8) -> [u8; 2] {
    stream.write_u8(byte).await.unwrap();
    let mut answer = [0; 2];
    timeout(SOON, stream.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn another_port_is_listened_at_and_the_old_one_no_longer() {
    let lab = lab().await;
    lab.make("Service", "s", json!({})).await;
    let any = port(&lab.reaches(S, "Ready").await);
    endpoint(&lab, "e", server(b'x').await).await;
    let mut early = TcpStream::connect(("127.0.0.1", any)).await.unwrap();
    assert_eq!(ask(&mut early, b'1').await, *b"x1");
    let other = free_port();
    lab.change(S, json!({"port": other})).await;
    let moved = lab
        .until(S, |it| it["status"]["effectivePort"] == other)
        .await;
    assert_eq!(state(&moved), "Ready");
    for host in ["127.0.0.1", "::1"] {
        let mut stream = TcpStream::connect((host, other)).await.unwrap();
        assert_eq!(ask(&mut stream, b'2').await, *b"x2");
        assert!(TcpStream::connect((host, any)).await.is_err(), "{host}");
    }
    // Whoever was there stays.
    assert_eq!(ask(&mut early, b'3').await, *b"x3");
    // One that is taken: told, tried again, and had in the end.
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().port();
    lab.change(S, json!({"port": taken})).await;
    let told = lab
        .until(S, |it| it["status"]["message"] != Value::Null)
        .await;
    let message = told["status"]["message"].as_str().unwrap();
    assert!(
        message.starts_with(&format!("port {taken} is in use by ")),
        "{message}"
    );
    assert_eq!(
        (state(&told), &told["status"]["effectivePort"]),
        ("NotReady", &Value::Null)
    );
    assert!(TcpStream::connect(("127.0.0.1", other)).await.is_err());
    drop(holder);
    let had = lab.reaches(S, "Ready").await;
    assert_eq!(
        (port(&had), &had["status"]["message"]),
        (taken, &Value::Null)
    );
    let mut late = TcpStream::connect(("127.0.0.1", taken)).await.unwrap();
    assert_eq!(ask(&mut late, b'4').await, *b"x4");
    // From one that can't be had to one that can.
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().port();
    lab.change(S, json!({"port": taken})).await;
    lab.until(S, |it| state(it) == "NotReady").await;
    lab.change(S, json!({"port": other})).await;
    assert_eq!(port(&lab.reaches(S, "Ready").await), other);
    // Another address, and none of one's own at all; any port will do, so it keeps the one it has.
    lab.change(S, json!({"port": null, "address": "127.0.0.9"}))
        .await;
    let moved = lab
        .until(S, |it| it["status"]["effectiveAddress"] == "127.0.0.9")
        .await;
    let mut stream = TcpStream::connect(("127.0.0.9", port(&moved)))
        .await
        .unwrap();
    assert_eq!(ask(&mut stream, b'5').await, *b"x5");
    lab.change(
        S,
        json!({"address": null, "addressAllocationMode": "Proxyless"}),
    )
    .await;
    let direct = lab
        .until(S, |it| it["status"]["proxylessEndpointName"] == "e")
        .await;
    assert_eq!(direct["status"].get("proxyProcessPid"), None);
    assert!(
        TcpStream::connect(("127.0.0.9", port(&moved)))
            .await
            .is_err()
    );
    assert_eq!(ask(&mut early, b'6').await, *b"x6");
    lab.end().await;
    // The run is over, and so is every connection.
    assert!(timeout(SOON, early.read_u8()).await.unwrap().is_err());
}

#[tokio::test]
async fn clients_that_come_too_early_are_parked_and_served_later() {
    let lab = lab().await;
    lab.make("Service", "s", json!({})).await;
    let port = port(&lab.reaches(S, "Ready").await);
    let mut clients = Vec::new();
    for number in 0..20u8 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_u8(number).await.unwrap();
        clients.push(stream);
    }
    // Five hang up without a word; their places are free for others, and nobody loses one.
    for _ in 0..5 {
        clients.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
        let quiet = clients.pop();
        drop(quiet);
    }
    // The first two go for those that are too many.
    let is_over = async |stream: &mut TcpStream| {
        let waited = timeout(SOON, stream.read_u8()).await;
        waited.expect("it is refused").is_err()
    };
    let mut lost = 0;
    while lost < 2 {
        // One at a time, each seen to have cost the oldest before the next.
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_u8(100).await.unwrap();
        clients.push(stream);
        let mut oldest = clients.remove(0);
        assert!(is_over(&mut oldest).await);
        lost += 1;
    }
    endpoint(&lab, "e", server(b'x').await).await;
    for (place, stream) in clients.iter_mut().enumerate() {
        let mut answer = [0; 2];
        let answered = timeout(SOON, stream.read_exact(&mut answer)).await;
        answered
            .unwrap()
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        let expected = u8::try_from(place + 2).unwrap();
        let expected = if expected < 20 { expected } else { 100 };
        assert_eq!(answer, [b'x', expected]);
    }
    assert_eq!(clients.len(), 20);
    lab.end().await;
}

#[tokio::test]
async fn datagrams_go_to_both_of_two_endpoints() {
    let lab = lab().await;
    lab.make("Service", "s", json!({"protocol": "UDP"})).await;
    let port = port(&lab.reaches(S, "Ready").await);
    for name in ["one", "two"] {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        endpoint(&lab, name, socket.local_addr().unwrap()).await;
        tokio::spawn(async move {
            let mut buffer = [0; 100];
            while let Ok((_, from)) = socket.recv_from(&mut buffer).await {
                socket.send_to(name.as_bytes(), from).await.unwrap();
            }
        });
    }
    lab.plane.wait_idle().await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..10 {
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(("127.0.0.1", port)).await.unwrap();
        let mut answers = std::collections::BTreeSet::new();
        for _ in 0..3 {
            client.send(b"hello").await.unwrap();
            let mut buffer = [0; 100];
            let read = timeout(SOON, client.recv(&mut buffer))
                .await
                .unwrap()
                .unwrap();
            answers.insert(String::from_utf8(buffer[..read].to_vec()).unwrap());
        }
        // Of one client all go to one of them.
        assert_eq!(answers.len(), 1);
        seen.append(&mut answers);
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
    lab.end().await;
}
