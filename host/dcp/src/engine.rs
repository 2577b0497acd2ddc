//! The container engine as the control plane uses it: a bounded number of calls at once, none of
//! them for ever.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore, SemaphorePermit, watch};

use crate::containers::Hub;
use crate::runtime::{ContainerEngine, EngineError, EngineInfo};

/// Calls at once.
const CALLS: usize = 16;

/// A container engine.
pub(crate) struct Engine {
    inner: Arc<dyn ContainerEngine>,
    calls: Semaphore,
    info: OnceCell<EngineInfo>,
    /// Who wants to know of which container.
    pub(crate) hub: Hub,
    /// What dead hosts left there was removed.
    harvested: watch::Sender<bool>,
}

impl Engine {
    pub(crate) fn new(inner: Arc<dyn ContainerEngine>) -> Self {
        Self {
            inner,
            calls: Semaphore::new(CALLS),
            info: OnceCell::new(),
            hub: Hub::default(),
            harvested: watch::Sender::new(false),
        }
    }

    /// The engine itself.
    pub(crate) fn raw(&self) -> &dyn ContainerEngine {
        &*self.inner
    }

    /// What it is; asked once.
    pub(crate) async fn info(&self) -> Result<&EngineInfo, EngineError> {
        self.info.get_or_try_init(|| self.inner.info()).await
    }

    /// Waits for one's turn.
    pub(crate) async fn turn(&self) -> SemaphorePermit<'_> {
        self.calls
            .acquire()
            .await
            .expect("the semaphore is never closed")
    }

    /// From now on new things can be made.
    pub(crate) fn set_harvested(&self) {
        self.harvested.send_replace(true);
    }

    /// Waits until what dead hosts left is gone, so that nothing of theirs is in the way.
    pub(crate) async fn harvested(&self) {
        let _ = self.harvested.subscribe().wait_for(|done| *done).await;
    }
}

/// A call that may not last for ever.
pub(crate) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
        Err(EngineError::Other(format!(
            "no answer within {} s",
            limit.as_secs()
        )))
    })
}
