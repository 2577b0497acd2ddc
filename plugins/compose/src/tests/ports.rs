//! Endpoints.

use aspire_sdk::{Edits, Endpoint};
use insta::assert_snapshot;

use super::composed;

#[test]
fn internal_and_external() {
    let text = composed(|edits: &mut Edits| {
        edits
            .container("dns", "container")
            .image("dns:1")
            .endpoint("tcp", Endpoint::tcp("dns", 53))
            .endpoint("udp", Endpoint::udp("dns", 53).external())
            .endpoint("web", Endpoint::http(8080).port(9000));
        // Three want 8080; the one that says so gets it.
        edits
            .container("a", "container")
            .image("a:1")
            .endpoint("http", Endpoint::http(8080).external());
        edits
            .container("b", "container")
            .image("b:1")
            .endpoint("http", Endpoint::http(80).port(8080).external());
        edits
            .container("c", "container")
            .image("c:1")
            .replicas(2)
            .endpoint("http", Endpoint::http(8080).external());
    });
    assert_snapshot!(text, @r#"
    services:
      a:
        image: "a:1"
        ports:
          - "${A_HTTP_PORT:-8081}:8080"
      b:
        image: "b:1"
        ports:
          - "${B_HTTP_PORT:-8080}:80"
      c:
        image: "c:1"
        ports:
          - "${C_HTTP_PORT:-8082-8083}:8080"
        scale: 2
      dns:
        image: "dns:1"
        expose:
          - "53"
          - "8080"
        ports:
          - "${DNS_UDP_PORT:-53}:53/udp"
    a.endpoints.http adapted: port 8080 is another service's: 8081, or what .env says
    c.endpoints.http weakened: Compose puts nothing in front of replicas: each has a port of its own, 8082-8083; port 8080 is another service's: 8082, or what .env says
    dns.endpoints.web adapted: a port of the developer's machine; Compose publishes external endpoints only
    "#);
}

#[test]
fn two_on_one_port_and_none() {
    let text = composed(|edits: &mut Edits| {
        for name in ["a", "b"] {
            let endpoint = Endpoint::http(80).port(8080).external();
            edits
                .container(name, "container")
                .image("a:1")
                .endpoint("http", endpoint);
        }
        let mut endpoint = Endpoint::http(80);
        endpoint.target_port = None;
        edits
            .container("c", "container")
            .image("c:1")
            .endpoint("http", endpoint);
    });
    assert_snapshot!(text, @r#"
    services:
      a:
        image: "a:1"
        ports:
          - "${A_HTTP_PORT:-8080}:80"
      b:
        image: "a:1"
        ports:
          - "${B_HTTP_PORT:-8080}:80"
      c:
        image: "c:1"
    error compose:port-taken: port 8080 of endpoint `http` of `b` is given twice (at b); give one of the two another `port`
    error compose:no-port: nobody knows on which port endpoint `http` of `c` listens (at c); give it a `target-port`
    "#);
}
