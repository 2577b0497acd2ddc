//! The pieces that an [`Expression`] is made of, one function each.
//!
//! Where a piece evaluates depends on who reads it: a process reaches a container on another port
//! than a container does. Plugins need not care.

use crate::expression::{Expression, Segment};

fn one(op: &str, subject: impl Into<String>, name: impl Into<String>, arg: &str) -> Expression {
    Expression::of([Segment::new(op, subject, name, arg)])
}

/// A text that means itself.
pub fn text(text: impl Into<String>) -> Expression {
    Expression::text(text)
}

/// A parameter's value.
pub fn param(name: impl Into<String>) -> Expression {
    one("param", name, "", "")
}

/// A property of an endpoint: `url`, `host`, `port`, `scheme`, `targetPort` or `hostAndPort`.
pub fn endpoint(
    resource: impl Into<String>,
    endpoint: impl Into<String>,
    property: &str,
) -> Expression {
    one("endpoint", resource, endpoint, property)
}

/// `scheme://host:port` of an endpoint, as the reader reaches it.
pub fn url(resource: impl Into<String>, name: impl Into<String>) -> Expression {
    endpoint(resource, name, "url")
}

/// Host of an endpoint, as the reader reaches it.
pub fn host(resource: impl Into<String>, name: impl Into<String>) -> Expression {
    endpoint(resource, name, "host")
}

/// Port of an endpoint, as the reader reaches it.
pub fn port(resource: impl Into<String>, name: impl Into<String>) -> Expression {
    endpoint(resource, name, "port")
}

/// URI scheme of an endpoint.
pub fn scheme(resource: impl Into<String>, name: impl Into<String>) -> Expression {
    endpoint(resource, name, "scheme")
}

/// `host:port` of an endpoint, as the reader reaches it.
pub fn host_and_port(resource: impl Into<String>, name: impl Into<String>) -> Expression {
    endpoint(resource, name, "hostAndPort")
}

/// The port that the workload itself has to listen on. In a process form the host allocates it.
pub fn listen_port(resource: impl Into<String>, endpoint: impl Into<String>) -> Expression {
    one("port", resource, endpoint, "")
}

/// A named connection property.
pub fn prop(resource: impl Into<String>, property: impl Into<String>) -> Expression {
    one("prop", resource, property, "")
}

/// A resource's connection string.
pub fn connection(resource: impl Into<String>) -> Expression {
    one("conn", resource, "", "")
}

/// An output of a target's construct.
pub fn output(construct: impl Into<String>, output: impl Into<String>) -> Expression {
    one("output", construct, output, "")
}

/// Where the workload sees one of its mounts or files; `key` is its key there.
pub fn path(resource: impl Into<String>, key: impl Into<String>) -> Expression {
    one("path", resource, key, "")
}

fn branch(condition: Segment, then: Expression, otherwise: Expression) -> Expression {
    let mut all = vec![condition];
    all.extend(then.into_segments());
    if !otherwise.is_empty() {
        all.push(Segment::new("else", "", "", ""));
        all.extend(otherwise.into_segments());
    }
    all.push(Segment::new("end", "", "", ""));
    Expression::of(all)
}

/// One of two, depending on whether an endpoint speaks TLS.
pub fn if_tls(
    resource: impl Into<String>,
    endpoint: impl Into<String>,
    then: impl Into<Expression>,
    otherwise: impl Into<Expression>,
) -> Expression {
    branch(
        Segment::new("if", resource, endpoint, ""),
        then.into(),
        otherwise.into(),
    )
}

/// One of two, depending on whether a parameter has a value (compared without regard to case).
pub fn if_param(
    parameter: impl Into<String>,
    equals: impl Into<String>,
    then: impl Into<Expression>,
    otherwise: impl Into<Expression>,
) -> Expression {
    branch(
        Segment::new("if", parameter, "", equals),
        then.into(),
        otherwise.into(),
    )
}
