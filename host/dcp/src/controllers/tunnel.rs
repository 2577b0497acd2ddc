//! What a tunnel proxy offers at this moment; pure.
//!
//! Where containers can dial this machine at their networks' addresses, a tunnel is nothing but a
//! service's relay that listens there, and no container is needed. Elsewhere it can't be had.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aspire_api::tunnel::{
    ContainerNetworkTunnelProxySpec, TunnelProxyState, TunnelState, TunnelStatus,
};

/// The network that a proxy is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Network {
    /// Not there yet; in words.
    NotYet(String),
    /// It will never be there; in words.
    Failed(String),
    /// There, with these addresses of this machine.
    Running(Vec<IpAddr>),
}

/// A service that is to be tunnelled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Served {
    /// The object exists.
    pub(crate) exists: bool,
    /// Its workload takes connections itself: there is no relay.
    pub(crate) proxyless: bool,
    pub(crate) port: Option<u16>,
    /// Where it listens for containers.
    pub(crate) gateways: Vec<IpAddr>,
    pub(crate) error: Option<String>,
}

/// What is true of a proxy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    pub(crate) state: TunnelProxyState,
    pub(crate) message: String,
    pub(crate) tunnels: Vec<TunnelStatus>,
    /// Services that have to listen at these addresses.
    pub(crate) listen: BTreeMap<String, Vec<IpAddr>>,
}

/// Decides. `before`: the tunnels as they were; `number`: gives a new tunnel its id.
pub(crate) fn plan(
    spec: &ContainerNetworkTunnelProxySpec,
    network: &Network,
    services: &BTreeMap<String, Served>,
    before: &[TunnelStatus],
    number: &mut dyn FnMut() -> i64,
    now: &str,
) -> Plan {
    let (state, message, gateways) = match network {
        Network::NotYet(words) => (TunnelProxyState::Pending, words.clone(), None),
        Network::Failed(words) => (TunnelProxyState::Failed, words.clone(), None),
        Network::Running(gateways) if gateways.is_empty() => {
            let words = "containers of this engine can't dial this machine at an address of \
                         their network; they find it as host.docker.internal";
            (TunnelProxyState::Failed, words.to_owned(), None)
        }
        Network::Running(gateways) => (TunnelProxyState::Running, String::new(), Some(gateways)),
    };
    let mut plan = Plan {
        state,
        message,
        ..Plan::default()
    };
    let none = Served::default();
    for tunnel in &spec.tunnels {
        let known = before.iter().find(|known| known.name == tunnel.name);
        let service = &tunnel.server_service_name;
        let served = services.get(service).unwrap_or(&none);
        let listening =
            |gateways: &Vec<IpAddr>| gateways.iter().all(|it| served.gateways.contains(it));
        let (state, error) = match (gateways, &served.error) {
            (None, _) if plan.state == TunnelProxyState::Failed => {
                (TunnelState::Failed, plan.message.clone())
            }
            (_, Some(error)) => (TunnelState::Failed, format!("service {service}: {error}")),
            (_, None) if served.proxyless => {
                let words = "has no relay (Proxyless), so nothing can listen for it";
                (TunnelState::Failed, format!("service {service} {words}"))
            }
            (Some(gateways), None) if served.port.is_some() && listening(gateways) => {
                (TunnelState::Ready, String::new())
            }
            (_, None) if !served.exists => {
                let words = format!("waiting for service {service}");
                (TunnelState::NotReady, words)
            }
            _ => (TunnelState::NotReady, String::new()),
        };
        if let (Some(gateways), true) = (gateways, served.exists && !served.proxyless) {
            let all = plan.listen.entry(service.clone()).or_default();
            all.clone_from(gateways);
        }
        let ready = state == TunnelState::Ready;
        let addresses = gateways.into_iter().flatten().filter(|_| ready);
        let mut status = TunnelStatus {
            name: tunnel.name.clone(),
            tunnel_id: known.map_or_else(&mut *number, |known| known.tunnel_id),
            state,
            error_message: error,
            client_proxy_addresses: addresses.map(ToString::to_string).collect(),
            client_proxy_port: served.port.filter(|_| ready).map(i32::from),
            timestamp: String::new(),
        };
        let same = known.filter(|known| known.state == status.state);
        status.timestamp = same.map_or(now, |known| &known.timestamp).to_owned();
        plan.tunnels.push(status);
    }
    plan
}

#[cfg(test)]
mod tests {
    use aspire_api::tunnel::TunnelConfiguration;

    use super::*;

    fn decide(network: &Network, served: &Served, before: &[TunnelStatus]) -> Plan {
        let spec = ContainerNetworkTunnelProxySpec {
            container_network_name: "app".into(),
            tunnels: vec![TunnelConfiguration {
                name: "t".into(),
                server_service_name: "web".into(),
                client_service_name: "web-in".into(),
                ..TunnelConfiguration::default()
            }],
            ..ContainerNetworkTunnelProxySpec::default()
        };
        let services = BTreeMap::from([("web".to_owned(), served.clone())]);
        plan(&spec, network, &services, before, &mut || 7, "now")
    }

    #[test]
    fn every_state() {
        let ip: IpAddr = "172.18.0.1".parse().unwrap();
        let running = Network::Running(vec![ip]);
        let mut web = Served::default();
        let waits = decide(&Network::NotYet("network app".into()), &web, &[]);
        assert_eq!(waits.state, TunnelProxyState::Pending);
        assert_eq!(waits.message, "network app");
        assert_eq!(waits.tunnels[0].state, TunnelState::NotReady);
        let far = decide(&Network::Running(Vec::new()), &web, &[]);
        assert_eq!(far.state, TunnelProxyState::Failed);
        assert_eq!(far.tunnels[0].state, TunnelState::Failed);
        assert!(far.message.contains("host.docker.internal"));
        let missing = decide(&running, &web, &[]);
        assert_eq!(missing.state, TunnelProxyState::Running);
        assert_eq!(missing.tunnels[0].error_message, "waiting for service web");
        assert!(missing.listen.is_empty());
        web.exists = true;
        web.port = Some(80);
        let listens = decide(&running, &web, &[]);
        assert_eq!(listens.listen["web"], [ip]);
        assert_eq!(listens.tunnels[0].state, TunnelState::NotReady);
        web.gateways = vec![ip];
        let ready = decide(&running, &web, &listens.tunnels);
        let tunnel = &ready.tunnels[0];
        assert_eq!((tunnel.state, tunnel.tunnel_id), (TunnelState::Ready, 7));
        assert_eq!(tunnel.client_proxy_addresses, ["172.18.0.1"]);
        assert_eq!(tunnel.client_proxy_port, Some(80));
        // What stays so, stays so since then.
        let mut before = ready.tunnels.clone();
        before[0].timestamp = "then".into();
        before[0].tunnel_id = 3;
        let again = decide(&running, &web, &before).tunnels.remove(0);
        assert_eq!((&*again.timestamp, again.tunnel_id), ("then", 3));
        web.proxyless = true;
        assert_eq!(
            decide(&running, &web, &[]).tunnels[0].state,
            TunnelState::Failed
        );
        web.proxyless = false;
        web.error = Some("port 80 is in use".into());
        let failed = decide(&running, &web, &[]).tunnels.remove(0);
        assert_eq!(failed.error_message, "service web: port 80 is in use");
    }
}
