//! A server that a kubeconfig names: the real one, or ours started for a test.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::Value;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::wire::{Peer, Request};
use crate::{places, processes, wait};

/// The API group of the kinds.
pub const GROUP: &str = "usvc-dev.developer.microsoft.com";
/// Where a kubeconfig of a running server may be named; ours is started where it is not.
pub const GIVEN: &str = "ASPIRE_ORACLE_KUBECONFIG";
/// The kinds, by the word of their paths.
pub const KINDS: [&str; 10] = [
    "containerexecs",
    "containernetworkconnections",
    "containernetworks",
    "containernetworktunnelproxies",
    "containers",
    "containervolumes",
    "endpoints",
    "executablereplicasets",
    "executables",
    "services",
];

/// A server and the right to ask it.
#[derive(Debug)]
pub struct Server {
    /// Where it is.
    pub peer: Peer,
    /// The bearer token.
    pub token: String,
    /// The file that says so.
    pub kubeconfig: std::path::PathBuf,
    started: Option<Started>,
}

/// A control plane of ours.
#[derive(Debug)]
struct Started {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Started {
    fn drop(&mut self) {
        processes::signal(self.child.id(), Signal::TERM);
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        // It may have ended; then there is nothing to kill.
        let _ = self.child.kill();
        // Nothing more can be done about a child that cannot be waited for.
        let _ = self.child.wait();
    }
}

impl Server {
    /// The one that the environment names, or a control plane of ours without controllers.
    ///
    /// # Panics
    /// It doesn't start.
    pub fn find() -> Self {
        match std::env::var_os(GIVEN) {
            Some(path) => Self::of(Path::new(&path)),
            None => Self::start(&["--server-only"]),
        }
    }

    /// A control plane of ours with these arguments.
    ///
    /// # Panics
    /// It doesn't start.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("kubeconfig");
        let child = Command::new(places::binary())
            .args(["control-plane", "--kubeconfig"])
            .arg(&file)
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("the binary can be run");
        let mut started = Started {
            child,
            _folder: folder,
        };
        wait::until(wait::SOON, "the kubeconfig of the control plane", || {
            let ended = started.child.try_wait().expect("a child");
            assert!(ended.is_none(), "the control plane ended: {ended:?}");
            file.exists().then_some(())
        });
        let mut server = Self::of(&file);
        server.started = Some(started);
        server
    }

    /// The one that a kubeconfig names.
    ///
    /// # Panics
    /// The file is no kubeconfig with one cluster, its authority and a token.
    pub fn of(path: &Path) -> Self {
        let text = std::fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let config: Value = serde_saphyr::from_str(&text).expect("a kubeconfig");
        let of = |pointer: &str| {
            let found = config.pointer(pointer).and_then(Value::as_str);
            found.unwrap_or_else(|| panic!("{} has no {pointer}", path.display()))
        };
        let authority = STANDARD
            .decode(of("/clusters/0/cluster/certificate-authority-data"))
            .expect("base64");
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&authority) {
            roots
                .add(certificate.expect("a certificate"))
                .expect("an authority");
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let address = of("/clusters/0/cluster/server")
            .trim_start_matches("https://")
            .trim_end_matches('/');
        Self {
            peer: Peer {
                address: address.to_owned(),
                tls: Arc::new(tls),
            },
            token: of("/users/0/user/token").to_owned(),
            kubeconfig: path.to_owned(),
            started: None,
        }
    }

    /// The headers of whoever may ask.
    pub fn authority(&self) -> (String, String) {
        ("authorization".to_owned(), format!("Bearer {}", self.token))
    }

    /// Sends JSON below the group's path and reads JSON.
    ///
    /// # Panics
    /// Nobody answers.
    pub fn json(&self, method: &str, path: &str, kind: &str, body: &Value) -> (u16, Value) {
        let request = Request {
            method: method.to_owned(),
            target: format!("/apis/{GROUP}/v1/{path}"),
            headers: vec![
                self.authority(),
                ("accept".to_owned(), "application/json".to_owned()),
                ("content-type".to_owned(), kind.to_owned()),
            ],
            body: if body.is_null() {
                Vec::new()
            } else {
                body.to_string().into_bytes()
            },
        };
        let (head, body) = self.peer.call(&request).expect("the server answers");
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        (head.status, body)
    }

    /// Deletes every object of our kinds, finalizers or not.
    pub fn clear(&self) {
        for kind in KINDS {
            let (_, list) = self.json("GET", kind, "application/json", &Value::Null);
            for item in list["items"].as_array().into_iter().flatten() {
                let name = item["metadata"]["name"].as_str().unwrap_or_default();
                let path = format!("{kind}/{name}");
                if item["metadata"]["finalizers"].is_array() {
                    let free = serde_json::json!({"metadata": {"finalizers": null}});
                    self.json("PATCH", &path, "application/merge-patch+json", &free);
                }
                self.json("DELETE", &path, "application/json", &Value::Null);
            }
        }
    }
}
