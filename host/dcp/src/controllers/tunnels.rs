//! Tunnel proxies in the loop: what the pure plan of `tunnel` asks for is done here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use aspire_api::network::ContainerNetworkState;
use aspire_api::service::{Endpoint, EndpointSpec};
use aspire_api::tunnel::{
    ContainerNetworkTunnelProxy, ContainerNetworkTunnelProxyStatus, TunnelConfiguration,
    TunnelState, TunnelStatus,
};
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};

use super::tunnel::{Network, Plan, Served, plan};
use super::workloads::owner;
use super::{Controllers, has_finalizer};
use crate::clock::Timestamp;

/// Tunnel proxies that are known.
#[derive(Debug, Default)]
pub(super) struct Tunnels {
    known: BTreeMap<ObjectKey, Proxy>,
    /// The last id that a tunnel got.
    last: i64,
}

#[derive(Debug, Default)]
struct Proxy {
    /// Services that listen for it, and where.
    listen: BTreeMap<String, Vec<IpAddr>>,
    /// What was tunnelled when its version was counted last.
    tunnels: Vec<TunnelConfiguration>,
    version: i32,
    /// Addresses in the network, by tunnel.
    endpoints: BTreeMap<String, ObjectKey>,
    since: Option<Timestamp>,
}

impl Controllers {
    /// Where tunnels want a service to listen.
    pub(super) fn tunnelled(&self, service: &str) -> BTreeSet<IpAddr> {
        let proxies = self.tunnels.known.values();
        let lists = proxies.filter_map(|proxy| proxy.listen.get(service));
        lists.flatten().copied().collect()
    }

    pub(super) fn reconcile_proxy(&mut self, key: &ObjectKey) {
        let object = self.context.store.get(key).ok();
        let Some(Object::ContainerNetworkTunnelProxy(proxy)) = object.as_deref() else {
            self.forget_proxy(key);
            return;
        };
        if proxy.metadata.deletion_timestamp.is_some() {
            self.forget_proxy(key);
            self.release(key);
            return;
        }
        if !object.as_deref().is_some_and(has_finalizer) {
            self.add_finalizer(key);
            return;
        }
        let network = self.network_of(proxy);
        let names = proxy.spec.tunnels.iter();
        let names = names.map(|tunnel| tunnel.server_service_name.clone());
        let services = names.map(|name| (name.clone(), self.look_at_service(&name)));
        let services: BTreeMap<String, Served> = services.collect();
        let last = &mut self.tunnels.last;
        let mut number = || {
            *last += 1;
            *last
        };
        let (now, before) = (Timestamp::now(), &proxy.status.tunnel_statuses);
        let text = now.to_string();
        let plan = plan(&proxy.spec, &network, &services, before, &mut number, &text);
        let known = self.tunnels.known.entry(key.clone()).or_default();
        if known.tunnels != proxy.spec.tunnels {
            known.tunnels.clone_from(&proxy.spec.tunnels);
            known.version += 1;
        }
        let since = *known.since.get_or_insert(now);
        let version = known.version;
        self.listen_for(key, plan.listen.clone());
        self.publish(proxy, &plan);
        let status = ContainerNetworkTunnelProxyStatus {
            state: plan.state,
            message: plan.message,
            tunnel_statuses: plan.tunnels,
            tunnel_configuration_version: Some(version),
            server_proxy_process_id: Some(i64::from(std::process::id())),
            server_proxy_startup_timestamp: Some(since.to_string()),
            ..ContainerNetworkTunnelProxyStatus::default()
        };
        let written = self.context.store.modify(key, |object| {
            if let Object::ContainerNetworkTunnelProxy(proxy) = object {
                proxy.status = status;
            }
        });
        if let Err(error) = written {
            tracing::debug!(%error, "a status was not written");
        }
    }

    fn network_of(&self, proxy: &ContainerNetworkTunnelProxy) -> Network {
        let name = &proxy.spec.container_network_name;
        let key = ObjectKey::new(Kind::ContainerNetwork, name.clone());
        let object = self.context.store.get(&key).ok();
        let Some(Object::ContainerNetwork(network)) = object.as_deref() else {
            return Network::NotYet(format!("network {name} (not created yet)"));
        };
        let status = &network.status;
        match status.state {
            ContainerNetworkState::Running => {
                let gateways = status.gateways.iter().filter_map(|it| it.parse().ok());
                Network::Running(gateways.collect())
            }
            ContainerNetworkState::FailedToStart => {
                Network::Failed(format!("network {name}: {}", status.message))
            }
            _ => Network::NotYet(format!("network {name}")),
        }
    }

    fn look_at_service(&self, name: &str) -> Served {
        let key = ObjectKey::new(Kind::Service, name);
        let view = self.context.book.view(name);
        Served {
            exists: self.context.store.get(&key).is_ok(),
            proxyless: view.proxyless,
            port: view.port,
            gateways: view.gateways.into_iter().collect(),
            error: view.error,
        }
    }

    /// Services that are to listen, and those that no longer have to.
    fn listen_for(&mut self, key: &ObjectKey, listen: BTreeMap<String, Vec<IpAddr>>) {
        let known = self.tunnels.known.entry(key.clone()).or_default();
        if known.listen == listen {
            return;
        }
        let before = std::mem::replace(&mut known.listen, listen);
        let names: BTreeSet<&String> = before.keys().chain(known.listen.keys()).collect();
        for name in names {
            self.queue.add(ObjectKey::new(Kind::Service, name.clone()));
        }
    }

    /// Gives the services in the network the addresses of their tunnels, and takes them away.
    fn publish(&mut self, proxy: &ContainerNetworkTunnelProxy, plan: &Plan) {
        let object = Object::ContainerNetworkTunnelProxy(proxy.clone());
        let known = self.tunnels.known.entry(object.key()).or_default();
        let ready = |status: &&TunnelStatus| status.state == TunnelState::Ready;
        let mut stay = BTreeSet::new();
        for status in plan.tunnels.iter().filter(ready) {
            let mut tunnels = proxy.spec.tunnels.iter();
            let tunnel = tunnels.find(|tunnel| tunnel.name == status.name);
            let port = status
                .client_proxy_port
                .and_then(|it| u16::try_from(it).ok());
            let address = status.client_proxy_addresses.first();
            let (Some(tunnel), Some(port), Some(address)) = (tunnel, port, address) else {
                continue;
            };
            stay.insert(status.name.clone());
            let name = format!("{}-{}", proxy.metadata.name, status.name);
            let key = ObjectKey::new(Kind::Endpoint, name.clone());
            let spec = EndpointSpec {
                service_name: tunnel.client_service_name.clone(),
                address: address.clone(),
                port,
                ..EndpointSpec::default()
            };
            let there = self.context.store.get(&key).ok();
            if matches!(there.as_deref(), Some(Object::Endpoint(it)) if it.spec == spec) {
                continue;
            }
            // It moved.
            let _ = self.context.store.delete(&key);
            let endpoint = Endpoint {
                metadata: ObjectMeta {
                    owner_references: vec![owner(&object)],
                    ..ObjectMeta::of(name, object.metadata().resource())
                },
                spec,
                ..Endpoint::default()
            };
            if let Err(error) = self.context.store.create(endpoint.into()) {
                tracing::debug!(%error, "a tunnel's endpoint is not published");
            }
            known.endpoints.insert(status.name.clone(), key);
        }
        known.endpoints.retain(|tunnel, key| {
            let stays = stay.contains(tunnel);
            if !stays {
                // Somebody else may have removed it.
                let _ = self.context.store.delete(key);
            }
            stays
        });
    }

    fn forget_proxy(&mut self, key: &ObjectKey) {
        self.listen_for(key, BTreeMap::new());
        if let Some(proxy) = self.tunnels.known.remove(key) {
            for endpoint in proxy.endpoints.values() {
                // Its owner's end may have ended it.
                let _ = self.context.store.delete(endpoint);
            }
        }
    }
}
