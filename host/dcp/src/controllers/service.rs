//! What a service needs at this moment; pure.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use aspire_api::Kind;

/// What is known of a service and its surroundings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Observed {
    /// The workload takes connections itself.
    pub(crate) proxyless: bool,
    /// `spec.port`.
    pub(crate) fixed: Option<u16>,
    /// Addresses of workloads.
    pub(crate) endpoints: Vec<SocketAddr>,
    /// Which kind of workload serves it.
    pub(crate) producer: Option<Kind>,
    /// Addresses of the machine on the run's networks.
    pub(crate) gateways: BTreeSet<IpAddr>,
    /// The public port that we listen on.
    pub(crate) bound: Option<u16>,
    /// Networks' addresses that we listen on.
    pub(crate) bound_gateways: BTreeSet<IpAddr>,
    /// Listening failed, for good.
    pub(crate) failed: bool,
}

/// What is to be done, and what is true afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    /// Find a public port and listen.
    pub(crate) bind: bool,
    /// Listen on these, too.
    pub(crate) listen: BTreeSet<IpAddr>,
    /// Listen no longer on these.
    pub(crate) unlisten: BTreeSet<IpAddr>,
    /// Where it can be dialled without a relay.
    pub(crate) direct: Option<SocketAddr>,
}

/// Decides.
pub(crate) fn plan(observed: &Observed) -> Plan {
    if observed.proxyless {
        let localhost = |port| SocketAddr::from(([127, 0, 0, 1], port));
        // The first workload's address for as long as it is there.
        let direct = observed
            .endpoints
            .first()
            .copied()
            .or(observed.fixed.map(localhost));
        return Plan {
            direct,
            ..Plan::default()
        };
    }
    // Containers reach each other by name; a process they reach at the machine's address.
    let wanted = match (observed.producer, observed.bound) {
        (Some(Kind::Executable), Some(_)) => observed.gateways.clone(),
        _ => BTreeSet::new(),
    };
    Plan {
        bind: observed.bound.is_none() && !observed.failed,
        listen: &wanted - &observed.bound_gateways,
        unlisten: &observed.bound_gateways - &wanted,
        direct: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_bound_once_and_follows_the_networks() {
        let mut observed = Observed::default();
        assert!(plan(&observed).bind);
        observed.failed = true;
        assert!(!plan(&observed).bind);
        observed.failed = false;
        observed.bound = Some(80);
        assert_eq!(plan(&observed), Plan::default());
        let ip: IpAddr = "172.18.0.1".parse().unwrap();
        observed.gateways = [ip].into();
        observed.producer = Some(Kind::Container);
        assert_eq!(plan(&observed), Plan::default());
        observed.producer = Some(Kind::Executable);
        assert_eq!(
            plan(&observed),
            Plan {
                listen: [ip].into(),
                ..Plan::default()
            }
        );
        observed.bound_gateways = [ip].into();
        assert_eq!(plan(&observed), Plan::default());
        observed.gateways.clear();
        assert_eq!(
            plan(&observed),
            Plan {
                unlisten: [ip].into(),
                ..Plan::default()
            }
        );
    }

    #[test]
    fn without_a_relay() {
        let mut observed = Observed {
            proxyless: true,
            ..Observed::default()
        };
        assert_eq!(plan(&observed), Plan::default());
        observed.fixed = Some(8080);
        assert_eq!(
            plan(&observed).direct,
            Some("127.0.0.1:8080".parse().unwrap())
        );
        let address: SocketAddr = "172.18.0.5:80".parse().unwrap();
        observed.endpoints = vec![address];
        assert_eq!(plan(&observed).direct, Some(address));
    }
}
