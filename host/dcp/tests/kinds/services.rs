//! Services: every way to an address, several workloads, tunnels.

use std::net::{IpAddr, SocketAddr, TcpListener};

use aspire_api::network::ContainerNetwork;
use aspire_api::service::{
    AddressAllocationMode as Mode, Endpoint, EndpointSpec, Service, ServiceState, ServiceStatus,
};
use aspire_api::tunnel::{
    ContainerNetworkTunnelProxy, ContainerNetworkTunnelProxyStatus, TunnelConfiguration,
    TunnelProxyState, TunnelState,
};
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use aspire_dcp::testing::FakeEngine;
use aspire_dcp::{ControlPlane, Stop};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::common::{container, gone, id, plane, running, until};
use crate::support::{Folders, service};

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Service, name)
}

fn status(object: &Object) -> &ServiceStatus {
    match object {
        Object::Service(service) => &service.status,
        other => panic!("{} is no service", other.key()),
    }
}

async fn ready(plane: &ControlPlane, name: &str) -> ServiceStatus {
    let is_ready = |object: &Object| status(object).state == ServiceState::Ready;
    status(&until(plane, &key(name), is_ready).await).clone()
}

fn of(name: &str, mode: Mode) -> Service {
    let mut service = service(name);
    service.spec.address_allocation_mode = mode;
    service
}

fn endpoint(name: &str, service: &str, address: SocketAddr) -> Endpoint {
    Endpoint {
        metadata: ObjectMeta::of(name, name),
        spec: EndpointSpec {
            service_name: service.into(),
            address: match address.ip() {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            },
            port: address.port(),
            ..EndpointSpec::default()
        },
        ..Endpoint::default()
    }
}

/// A server that says its name to everybody.
async fn server(at: &str, name: u8) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(at).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_u8(&mut stream, name)
                .await
                .unwrap();
        }
    });
    address
}

async fn says(address: &str, port: u16) -> u8 {
    let mut stream = TcpStream::connect(format!("{address}:{port}"))
        .await
        .unwrap();
    stream.read_u8().await.unwrap()
}

#[tokio::test]
async fn every_mode_listens_where_it_says() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let modes = [
        (Mode::Localhost, "localhost", "[::1]"),
        (Mode::IPv4ZeroOne, "127.0.0.1", "127.0.0.1"),
        (Mode::IPv4Loopback, "127.", ""),
        (Mode::IPv6ZeroOne, "[::1]", "[::1]"),
        (Mode::AllInterfaces, "localhost", "127.0.0.9"),
        (Mode::IPv4AllInterfaces, "127.0.0.1", "127.0.0.9"),
        (Mode::IPv6AllInterfaces, "[::1]", "[::1]"),
    ];
    let behind = server("[::1]:0", b'x').await;
    for (mode, address, also) in modes {
        let name = format!("{mode:?}").to_lowercase();
        plane.client().create(of(&name, mode)).await.unwrap();
        let end = endpoint(&format!("{name}-end"), &name, behind);
        plane.client().create(end).await.unwrap();
        let status = ready(&plane, &name).await;
        let found = status.effective_address.unwrap();
        assert!(found.starts_with(address), "{mode:?}: {found}");
        let port = status.effective_port.unwrap();
        assert_eq!(
            status.proxy_process_pid,
            Some(i64::from(std::process::id()))
        );
        assert_eq!(says(&found, port).await, b'x', "{mode:?}");
        if !also.is_empty() {
            assert_eq!(says(also, port).await, b'x', "{mode:?}");
        }
        // And nowhere else.
        let elsewhere = match mode {
            Mode::IPv4ZeroOne | Mode::IPv4AllInterfaces => format!("[::1]:{port}"),
            Mode::IPv4Loopback | Mode::IPv6ZeroOne | Mode::IPv6AllInterfaces => {
                format!("127.0.0.1:{port}")
            }
            _ => continue,
        };
        assert!(TcpStream::connect(&elsewhere).await.is_err(), "{mode:?}");
    }
    let mut fixed = service("fixed");
    fixed.spec.address = Some("127.0.0.77".into());
    plane.client().create(fixed).await.unwrap();
    let status = ready(&plane, "fixed").await;
    assert_eq!(status.effective_address.as_deref(), Some("127.0.0.77"));
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn without_a_relay_it_sticks_to_its_first_endpoint() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    client.create(of("direct", Mode::Proxyless)).await.unwrap();
    let first: SocketAddr = "127.0.0.1:1001".parse().unwrap();
    client.create(endpoint("b", "direct", first)).await.unwrap();
    let status = ready(&plane, "direct").await;
    assert_eq!(status.effective_port, Some(1001));
    assert_eq!(status.proxyless_endpoint_name.as_deref(), Some("b"));
    assert_eq!(status.proxy_process_pid, None);
    let other: SocketAddr = "127.0.0.1:1002".parse().unwrap();
    client.create(endpoint("a", "direct", other)).await.unwrap();
    plane.wait_idle().await;
    let same = client.get(&key("direct")).await.unwrap();
    assert_eq!(self::status(&same).effective_port, Some(1001));
    let first = ObjectKey::new(Kind::Endpoint, "b");
    client.delete(&first).await.unwrap();
    until(&plane, &key("direct"), |object| {
        self::status(object).effective_port == Some(1002)
    })
    .await;
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn a_port_that_becomes_free_is_taken() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut wants = service("wants");
    wants.spec.port = Some(holder.local_addr().unwrap().port());
    plane.client().create(wants).await.unwrap();
    until(&plane, &key("wants"), |object| {
        status(object).message.contains("is in use")
    })
    .await;
    drop(holder);
    assert_eq!(ready(&plane, "wants").await.message, "");
    plane.stop(Stop::Graceful).await;
}

fn proxy_status(object: &Object) -> &ContainerNetworkTunnelProxyStatus {
    match object {
        Object::ContainerNetworkTunnelProxy(proxy) => &proxy.status,
        other => panic!("{} is no proxy", other.key()),
    }
}

fn tunnel(name: &str, server: &str, client: &str) -> TunnelConfiguration {
    TunnelConfiguration {
        name: name.into(),
        server_service_name: server.into(),
        client_service_name: client.into(),
        ..TunnelConfiguration::default()
    }
}

fn proxy(tunnels: Vec<TunnelConfiguration>) -> ContainerNetworkTunnelProxy {
    let mut proxy = ContainerNetworkTunnelProxy {
        metadata: ObjectMeta::of("proxy", "proxy"),
        ..ContainerNetworkTunnelProxy::default()
    };
    proxy.spec.container_network_name = "app".into();
    proxy.spec.aliases = vec!["machine".into()];
    proxy.spec.tunnels = tunnels;
    proxy
}

fn network() -> ContainerNetwork {
    ContainerNetwork {
        metadata: ObjectMeta::of("app", "app"),
        ..ContainerNetwork::default()
    }
}

#[tokio::test]
async fn tunnels_without_a_container() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    let proxy_key = ObjectKey::new(Kind::ContainerNetworkTunnelProxy, "proxy");
    client.create(of("web", Mode::Localhost)).await.unwrap();
    let behind = server("127.0.0.1:0", b'w').await;
    client
        .create(endpoint("web-end", "web", behind))
        .await
        .unwrap();
    client.create(of("web-in", Mode::Proxyless)).await.unwrap();
    client.create(of("two-in", Mode::Proxyless)).await.unwrap();
    client
        .create(proxy(vec![tunnel("t", "web", "web-in")]))
        .await
        .unwrap();
    until(&plane, &proxy_key, |object| {
        proxy_status(object).message.contains("network app")
    })
    .await;
    client.create(network()).await.unwrap();
    let found = until(&plane, &proxy_key, |object| {
        let all = &proxy_status(object).tunnel_statuses;
        all.len() == 1 && all[0].state == TunnelState::Ready
    })
    .await;
    let found = proxy_status(&found);
    assert_eq!(found.state, TunnelProxyState::Running);
    assert_eq!(found.client_proxy_container_id, None);
    let one = &found.tunnel_statuses[0];
    assert_eq!(one.client_proxy_addresses, ["127.77.0.1"]);
    let inside = ready(&plane, "web-in").await;
    assert_eq!(inside.effective_address.as_deref(), Some("127.77.0.1"));
    let port = inside.effective_port.unwrap();
    assert_eq!(i32::from(port), one.client_proxy_port.unwrap());
    assert_eq!(says("127.77.0.1", port).await, b'w');
    // Its names are known to containers of the network.
    let mut db = container("db");
    db.spec.networks = Some(vec![aspire_api::container::NetworkAttachment {
        name: "app".into(),
        aliases: Vec::new(),
    }]);
    client.create(db).await.unwrap();
    running(&plane, "db").await;
    let hosts = engine.containers()[&id("db")].request.hosts.clone();
    assert_eq!(hosts, [("machine".to_owned(), "127.77.0.1".to_owned())]);
    // One more, and the first one gone.
    client.create(of("two", Mode::Localhost)).await.unwrap();
    let mut changed = proxy(vec![tunnel("u", "two", "two-in")]);
    let now = client.get(&proxy_key).await.unwrap();
    changed.metadata = now.metadata().clone();
    changed.metadata.resource_version.clear();
    client.update(changed).await.unwrap();
    let inside = ready(&plane, "two-in").await;
    assert_eq!(inside.effective_address.as_deref(), Some("127.77.0.1"));
    until(&plane, &key("web-in"), |object| {
        status(object).state == ServiceState::NotReady
    })
    .await;
    let now = client.get(&proxy_key).await.unwrap();
    assert_eq!(proxy_status(&now).tunnel_configuration_version, Some(2));
    let refused = TcpStream::connect(("127.77.0.1", port)).await;
    assert!(
        refused.is_err(),
        "nobody listens for the first one any more"
    );
    client.delete(&proxy_key).await.unwrap();
    gone(&plane, &proxy_key).await;
    until(&plane, &key("two-in"), |object| {
        status(object).state == ServiceState::NotReady
    })
    .await;
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn tunnels_to_an_engine_elsewhere_fail_and_say_so() {
    let (folders, engine) = (Folders::new(), FakeEngine::new().far_away());
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    client.create(network()).await.unwrap();
    client
        .create(proxy(vec![tunnel("t", "web", "web-in")]))
        .await
        .unwrap();
    let proxy_key = ObjectKey::new(Kind::ContainerNetworkTunnelProxy, "proxy");
    let found = until(&plane, &proxy_key, |object| {
        proxy_status(object).state == TunnelProxyState::Failed
    })
    .await;
    let found = proxy_status(&found);
    assert!(found.message.contains("host.docker.internal"), "{found:?}");
    assert_eq!(found.tunnel_statuses[0].state, TunnelState::Failed);
    plane.stop(Stop::Graceful).await;
}
