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
    /// Addresses of workloads, by the endpoints' names.
    pub(crate) endpoints: Vec<(String, SocketAddr)>,
    /// The endpoint whose address it has; without a relay.
    pub(crate) chosen: Option<String>,
    /// Addresses at which tunnels want it.
    pub(crate) tunnelled: BTreeSet<IpAddr>,
    /// Which kind of workload serves it.
    pub(crate) producer: Option<Kind>,
    /// Addresses of the machine on the run's networks.
    pub(crate) gateways: BTreeSet<IpAddr>,
    /// The public port that we listen on.
    pub(crate) bound: Option<u16>,
    /// Networks' addresses that we listen on.
    pub(crate) bound_gateways: BTreeSet<IpAddr>,
    /// It was asked to listen elsewhere when that began.
    pub(crate) moved: bool,
    /// Listening failed, and it is not yet time to try again.
    pub(crate) failed: bool,
}

/// What is to be done, and what is true afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    /// Listen no longer at all.
    pub(crate) unbind: bool,
    /// Find a public port and listen.
    pub(crate) bind: bool,
    /// Listen on these, too.
    pub(crate) listen: BTreeSet<IpAddr>,
    /// Listen no longer on these.
    pub(crate) unlisten: BTreeSet<IpAddr>,
    /// Where it can be dialled without a relay.
    pub(crate) direct: Option<SocketAddr>,
    /// The endpoint that it has this address of.
    pub(crate) chosen: Option<String>,
}

/// Decides.
pub(crate) fn plan(observed: &Observed) -> Plan {
    if observed.proxyless {
        let localhost = |port| SocketAddr::from(([127, 0, 0, 1], port));
        // The first workload's address for as long as it is there, whoever comes after it.
        let is_chosen = |(name, _): &&(String, SocketAddr)| observed.chosen.as_ref() == Some(name);
        let known = observed.endpoints.iter().find(is_chosen);
        let (chosen, direct) = match known.or(observed.endpoints.first()) {
            Some((name, address)) => (Some(name.clone()), Some(*address)),
            None => (None, observed.fixed.map(localhost)),
        };
        return Plan {
            unbind: observed.bound.is_some(),
            direct,
            chosen,
            ..Plan::default()
        };
    }
    // One that may have any port keeps the one that it has.
    let elsewhere = observed.moved || observed.fixed.is_some() && observed.fixed != observed.bound;
    if observed.bound.is_some() && elsewhere {
        return Plan {
            unbind: true,
            bind: true,
            ..Plan::default()
        };
    }
    // Containers reach each other by name; a process they reach at the machine's address.
    let wanted = match (observed.producer, observed.bound) {
        (Some(Kind::Executable), Some(_)) => &observed.gateways | &observed.tunnelled,
        (_, Some(_)) => observed.tunnelled.clone(),
        (_, None) => BTreeSet::new(),
    };
    Plan {
        bind: observed.bound.is_none() && !observed.failed,
        listen: &wanted - &observed.bound_gateways,
        unlisten: &observed.bound_gateways - &wanted,
        ..Plan::default()
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
        // A tunnel wants it at one address, whoever serves it.
        observed.producer = Some(Kind::Container);
        observed.tunnelled = [ip].into();
        assert_eq!(plan(&observed), Plan::default());
        observed.tunnelled.clear();
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
    fn asked_to_listen_elsewhere() {
        let ip: IpAddr = "172.18.0.1".parse().unwrap();
        let mut observed = Observed {
            bound: Some(80),
            bound_gateways: [ip].into(),
            ..Observed::default()
        };
        let anew = Plan {
            unbind: true,
            bind: true,
            ..Plan::default()
        };
        observed.fixed = Some(81);
        assert_eq!(plan(&observed), anew);
        // What went wrong at the old place is no reason to stay there.
        observed.failed = true;
        assert_eq!(plan(&observed), anew);
        // It could not be had.
        observed.bound = None;
        observed.bound_gateways.clear();
        assert_eq!(plan(&observed), Plan::default());
        observed.failed = false;
        observed.bound = Some(81);
        assert_eq!(plan(&observed), Plan::default());
        observed.fixed = None;
        assert_eq!(plan(&observed), Plan::default());
        observed.moved = true;
        assert_eq!(plan(&observed), anew);
        observed.proxyless = true;
        assert!(plan(&observed).unbind && !plan(&observed).bind);
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
        observed.endpoints = vec![("b".into(), address)];
        let first = plan(&observed);
        assert_eq!(
            (first.direct, first.chosen),
            (Some(address), Some("b".into()))
        );
        // It stays, whoever comes before it in any order.
        let other: SocketAddr = "172.18.0.6:80".parse().unwrap();
        observed.endpoints.insert(0, ("a".into(), other));
        observed.chosen = Some("b".into());
        assert_eq!(plan(&observed).direct, Some(address));
        observed.endpoints.pop();
        assert_eq!(plan(&observed).direct, Some(other));
    }
}
