//! The address book of services: what a template has to know of one, and who waits for it.
//!
//! Filled by the controller of services; read by whoever starts a workload. Waiting is for a
//! state, not for an event, so nothing is missed and nothing polled.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::relay::Backends;

/// What is known of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Its public port.
    pub(crate) port: Option<u16>,
    /// The workload takes connections itself.
    pub(crate) proxyless: bool,
    /// Where this machine's programs dial it; none: no port yet.
    pub(crate) address: Option<String>,
    /// Addresses of networks of containers under which it is reached, too.
    pub(crate) gateways: BTreeSet<IpAddr>,
    /// Why it can't be had.
    pub(crate) error: Option<String>,
}

/// A service's entry.
#[derive(Debug, Default)]
pub(crate) struct Page {
    view: watch::Sender<View>,
    /// Where its connections go.
    pub(crate) backends: Arc<Backends>,
}

/// All services of a run.
#[derive(Debug, Default)]
pub(crate) struct ServiceBook(Mutex<BTreeMap<String, Arc<Page>>>);

impl ServiceBook {
    /// The entry of a service, whether it exists yet or not.
    pub(crate) fn page(&self, service: &str) -> Arc<Page> {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(pages.entry(service.to_owned()).or_default())
    }

    /// Changes what is known of a service.
    pub(crate) fn set(&self, service: &str, view: View) {
        self.page(service).view.send_if_modified(|known| {
            let changed = *known != view;
            *known = view;
            changed
        });
    }

    /// What is known of a service at this moment.
    pub(crate) fn view(&self, service: &str) -> View {
        self.page(service).view.borrow().clone()
    }

    /// Its public port, once it has one.
    pub(crate) async fn port(&self, service: &str) -> Result<u16, String> {
        self.when(service, |view| view.port).await
    }

    /// What is known of it, once that is enough for its own workload.
    pub(crate) async fn allocated(&self, service: &str) -> Result<View, String> {
        let enough = |view: &View| view.port.is_some() || view.proxyless;
        self.when(service, |view| enough(view).then(|| view.clone()))
            .await
    }

    /// An address on one of some networks under which it is reached, once there is one.
    pub(crate) async fn gateway(&self, service: &str, among: &[IpAddr]) -> Result<IpAddr, String> {
        self.when(service, |view| {
            among.iter().find(|ip| view.gateways.contains(ip)).copied()
        })
        .await
    }

    async fn when<T>(&self, service: &str, find: impl Fn(&View) -> Option<T>) -> Result<T, String> {
        let mut views = self.page(service).view.subscribe();
        loop {
            {
                let view = views.borrow_and_update();
                if let Some(found) = find(&view) {
                    return Ok(found);
                }
                if let Some(error) = &view.error {
                    return Err(format!("service {service}: {error}"));
                }
            }
            if views.changed().await.is_err() {
                return Err(format!("service {service} is gone"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_the_state() {
        let book = Arc::new(ServiceBook::default());
        let asking = Arc::clone(&book);
        let port = tokio::spawn(async move { asking.port("a").await });
        tokio::task::yield_now().await;
        book.set(
            "a",
            View {
                port: Some(80),
                ..View::default()
            },
        );
        assert_eq!(port.await.unwrap(), Ok(80));
        assert_eq!(book.port("a").await, Ok(80));
        book.set(
            "b",
            View {
                error: Some("port 80 is taken".into()),
                ..View::default()
            },
        );
        assert_eq!(
            book.port("b").await,
            Err("service b: port 80 is taken".into())
        );
        let ip: IpAddr = "172.18.0.1".parse().unwrap();
        book.set(
            "a",
            View {
                gateways: [ip].into(),
                ..View::default()
            },
        );
        assert_eq!(book.gateway("a", &[ip]).await, Ok(ip));
    }
}
