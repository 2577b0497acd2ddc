//! Everything but containers and executables (reference/dcp.md 1.3 to 1.10).

use super::{FieldErrorReason, Findings, executable};
use crate::container::Mode;
use crate::object::Object;
use crate::service::AddressAllocationMode;

pub(super) fn check(findings: &mut Findings, object: &Object) {
    match object {
        Object::Endpoint(endpoint) => {
            let spec = &endpoint.spec;
            findings.required("spec.serviceName", spec.service_name.is_empty());
            findings.required("spec.address", spec.address.is_empty());
            findings.required("spec.port", spec.port == 0);
            if !spec.service_namespace.is_empty() {
                let message = "must be empty: services are cluster-scoped";
                findings.invalid("spec.serviceNamespace", message);
            }
        }
        Object::Service(service) => {
            let proxyless = AddressAllocationMode::Proxyless;
            if service.spec.address.is_some() && service.spec.address_allocation_mode == proxyless {
                let message = "a Proxyless service has its workload's address";
                findings.add(FieldErrorReason::Forbidden, "spec.address", message);
            }
        }
        Object::ContainerVolume(volume) => {
            findings.required("spec.name", volume.spec.name.is_empty());
        }
        Object::ContainerNetwork(network) => {
            if network.spec.effective_mode() != Mode::Session {
                findings.required("spec.networkName", network.spec.network_name.is_none());
            }
        }
        Object::ContainerNetworkConnection(connection) => {
            let spec = &connection.spec;
            findings.required(
                "spec.containerNetworkName",
                spec.container_network_name.is_empty(),
            );
            findings.required("spec.containerID", spec.container_id.is_empty());
        }
        Object::ContainerExec(exec) => {
            let spec = &exec.spec;
            findings.required("spec.containerName", spec.container_name.is_empty());
            findings.required("spec.command", spec.command.is_empty());
            let env = spec
                .env
                .iter()
                .map(|variable| ("spec.env", &variable.value));
            let args = spec.args.iter().map(|text| ("spec.args", text));
            findings.templates(env.chain(args).chain([("spec.command", &spec.command)]));
        }
        Object::ExecutableReplicaSet(set) => {
            if set.spec.replicas < 0 {
                findings.invalid("spec.replicas", "must not be negative");
            }
            let mut inner = Findings::default();
            executable::check(&mut inner, &set.spec.template.spec);
            if set.spec.template.spec.effective_mode() != Mode::Session {
                let message = "replicas have names that no other run knows";
                inner.add(FieldErrorReason::Forbidden, "spec.mode", message);
            }
            for mut error in inner.0 {
                error.field = format!("spec.template.{}", error.field);
                findings.0.push(error);
            }
        }
        Object::ContainerNetworkTunnelProxy(proxy) => {
            let spec = &proxy.spec;
            findings.required(
                "spec.containerNetworkName",
                spec.container_network_name.is_empty(),
            );
            for (index, tunnel) in spec.tunnels.iter().enumerate() {
                let at = |field: &str| format!("spec.tunnels[{index}].{field}");
                findings.required(at("name"), tunnel.name.is_empty());
                findings.required(
                    at("serverServiceName"),
                    tunnel.server_service_name.is_empty(),
                );
                findings.required(
                    at("clientServiceName"),
                    tunnel.client_service_name.is_empty(),
                );
                if spec.tunnels[..index]
                    .iter()
                    .any(|other| other.name == tunnel.name)
                {
                    let message = format!("`{}` is there twice", tunnel.name);
                    findings.add(FieldErrorReason::Duplicate, at("name"), message);
                }
            }
        }
        Object::Container(_) | Object::Executable(_) => {}
    }
}

pub(super) fn check_change(findings: &mut Findings, old: &Object, new: &Object) {
    match (old, new) {
        (Object::ContainerExec(old), Object::ContainerExec(new)) => {
            findings.fixed("spec", &old.spec, &new.spec);
        }
        (Object::ContainerNetwork(old), Object::ContainerNetwork(new)) => {
            findings.fixed("spec", &old.spec, &new.spec);
        }
        (Object::ContainerVolume(old), Object::ContainerVolume(new)) => {
            findings.fixed("spec", &old.spec, &new.spec);
        }
        (Object::ContainerNetworkConnection(old), Object::ContainerNetworkConnection(new)) => {
            findings.fixed("spec", &old.spec, &new.spec);
        }
        (Object::ContainerNetworkTunnelProxy(old), Object::ContainerNetworkTunnelProxy(new)) => {
            let name = "spec.containerNetworkName";
            findings.fixed(
                name,
                &old.spec.container_network_name,
                &new.spec.container_network_name,
            );
            for tunnel in &new.spec.tunnels {
                let before = old
                    .spec
                    .tunnels
                    .iter()
                    .find(|other| other.name == tunnel.name);
                if before.is_some_and(|before| before != tunnel) {
                    let message =
                        format!("`{}` can be added and removed, not changed", tunnel.name);
                    findings.add(FieldErrorReason::Forbidden, "spec.tunnels", message);
                }
            }
        }
        _ => {}
    }
}
