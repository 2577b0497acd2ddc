//! Replaces the placeholders of a workload's strings when it is started.
//!
//! Ports and addresses are awaited: a service has its public port long before its workload runs,
//! so this never depends on an order. Secrets are handed to the redactor before they are handed to
//! the workload. The grammar is `aspire_api::template`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use aspire_api::template::{self, Piece, Placeholder};

use crate::logs::Redactor;
use crate::logs::redact::percent_encode;
use crate::secrets::SecretSource;
use crate::services::ServiceBook;

/// Where a workload sees services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Viewpoint {
    /// On this machine.
    Machine,
    /// In a container on networks with these addresses of the machine.
    Networks(Vec<IpAddr>),
    /// In a container of an engine that isn't on this machine; this name is the machine.
    Named(&'static str),
}

/// All that placeholders may ask for.
pub(crate) struct Scope<'a> {
    pub(crate) book: &'a ServiceBook,
    pub(crate) secrets: &'a dyn SecretSource,
    pub(crate) redactor: &'a Redactor,
    pub(crate) viewpoint: Viewpoint,
    /// Private port by service.
    pub(crate) serving: BTreeMap<String, u16>,
    /// Where it listens for a service, if that is not on this machine alone.
    pub(crate) listening: BTreeMap<String, String>,
    /// Folder of the data folders; none: a container.
    pub(crate) data: Option<PathBuf>,
    /// Folder of the private files; none: a container.
    pub(crate) files: Option<PathBuf>,
    /// Told which service is waited for.
    pub(crate) waiting: &'a (dyn Fn(&str) + Send + Sync),
}

impl Scope<'_> {
    /// The text with everything replaced.
    pub(crate) async fn resolve(&self, text: &str) -> Result<String, String> {
        if !text.contains("{{") {
            return Ok(text.to_owned());
        }
        let mut resolved = String::new();
        for piece in template::parse(text).map_err(|error| error.to_string())? {
            match piece {
                Piece::Text(text) => resolved.push_str(&text),
                Piece::Placeholder(placeholder) => {
                    resolved.push_str(&self.replace(&placeholder).await?);
                }
            }
        }
        Ok(resolved)
    }

    /// Each of some texts with everything replaced.
    pub(crate) async fn resolve_all(&self, texts: &[String]) -> Result<Vec<String>, String> {
        let mut resolved = Vec::with_capacity(texts.len());
        for text in texts {
            resolved.push(self.resolve(text).await?);
        }
        Ok(resolved)
    }

    async fn replace(&self, placeholder: &Placeholder) -> Result<String, String> {
        match placeholder {
            Placeholder::PortForServing(service) => self
                .serving
                .get(service)
                .map(u16::to_string)
                .ok_or_else(|| format!("this workload does not serve {service}")),
            Placeholder::AddressForServing(service) => {
                if !self.serving.contains_key(service) {
                    return Err(format!("this workload does not serve {service}"));
                }
                let address = self.listening.get(service).map(String::as_str);
                Ok(address.unwrap_or("localhost").to_owned())
            }
            Placeholder::PortFor(service) => Ok(self.port(service).await?.to_string()),
            Placeholder::AddressFor(service) => self.address(service).await,
            Placeholder::Secret { name, uri } => {
                let value = self
                    .secrets
                    .secret(name)
                    .ok_or_else(|| format!("the secret {name} has no value"))?;
                self.redactor.add(&value);
                Ok(if *uri { percent_encode(&value) } else { value })
            }
            Placeholder::DataFolder(key) => folder(self.data.as_ref(), key, "data folders"),
            Placeholder::File(key) => folder(self.files.as_ref(), key, "private files"),
        }
    }

    async fn port(&self, service: &str) -> Result<u16, String> {
        if self.book.view(service).port.is_none() {
            (self.waiting)(service);
        }
        self.book.port(service).await
    }

    async fn address(&self, service: &str) -> Result<String, String> {
        match &self.viewpoint {
            // A process has the name of what it serves itself before it listens.
            Viewpoint::Machine => {
                let view = self.book.view(service);
                Ok(view.address.unwrap_or_else(|| "localhost".to_owned()))
            }
            Viewpoint::Named(name) => Ok((*name).to_owned()),
            Viewpoint::Networks(addresses) => {
                if addresses.is_empty() {
                    return Err(format!(
                        "service {service} cannot be reached: this container is on no network"
                    ));
                }
                self.port(service).await?;
                if self.book.view(service).proxyless {
                    // It is reached where it listens, and only it knows whether that is here.
                    return Ok(addresses[0].to_string());
                }
                Ok(self.book.gateway(service, addresses).await?.to_string())
            }
        }
    }
}

fn folder(base: Option<&PathBuf>, key: &str, what: &str) -> Result<String, String> {
    let base = base.ok_or_else(|| format!("a container has no {what}"))?;
    let path = base.join(key);
    path.into_os_string()
        .into_string()
        .map_err(|path| format!("{}: not a path that can be written as text", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::NoSecrets;
    use crate::services::View;

    async fn resolve(viewpoint: Viewpoint, text: &str) -> Result<String, String> {
        let book = ServiceBook::default();
        let gateways = ["172.18.0.1".parse().unwrap()].into();
        book.set(
            "db",
            View {
                port: Some(5432),
                gateways,
                ..View::default()
            },
        );
        let secrets = BTreeMap::from([("pw".to_owned(), "a b/c d".to_owned())]);
        let redactor = Redactor::default();
        let scope = Scope {
            book: &book,
            secrets: &secrets,
            redactor: &redactor,
            viewpoint,
            serving: [("me".to_owned(), 4000), ("us".to_owned(), 4001)].into(),
            listening: [("us".to_owned(), "0.0.0.0".to_owned())].into(),
            data: Some("/data".into()),
            files: None,
            waiting: &|_| {},
        };
        let resolved = scope.resolve(text).await;
        if text.contains("secret") {
            assert_eq!(redactor.text("a b/c d"), "***");
        }
        resolved
    }

    #[tokio::test]
    async fn where_it_listens_itself() {
        let text = |name: &str| format!(r#"{{{{- addressForServing "{name}" -}}}}"#);
        for (name, expected) in [("me", Ok("localhost")), ("us", Ok("0.0.0.0"))] {
            let found = resolve(Viewpoint::Machine, &text(name)).await;
            assert_eq!(found.as_deref(), expected, "{name}");
        }
        assert!(resolve(Viewpoint::Machine, &text("db")).await.is_err());
    }

    #[tokio::test]
    async fn everything() {
        let text = r#"{{- portForServing "me" -}} u:{{- secretUri "pw" -}}@{{- addressFor "db" -}}:{{- portFor "db" -}} {{- dataFolder "x" -}}{{- lit "{{" -}}"#;
        assert_eq!(
            resolve(Viewpoint::Machine, text).await.unwrap(),
            "4000 u:a%20b%2Fc%20d@localhost:5432 /data/x{{"
        );
        let network = Viewpoint::Networks(vec!["172.18.0.1".parse().unwrap()]);
        assert_eq!(
            resolve(network, r#"{{- addressFor "db" -}}"#)
                .await
                .unwrap(),
            "172.18.0.1"
        );
        let text = r#"{{- file "x" -}}"#;
        let refusal = resolve(Viewpoint::Machine, text).await.unwrap_err();
        assert_eq!(refusal, "a container has no private files");
        let text = r#"{{- portForServing "db" -}}"#;
        assert!(resolve(Viewpoint::Machine, text).await.is_err());
        assert!(
            resolve(Viewpoint::Networks(vec![]), r#"{{- addressFor "db" -}}"#)
                .await
                .is_err()
        );
        let _ = NoSecrets;
    }
}
