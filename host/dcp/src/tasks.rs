//! The tasks of a run: a panic in any of them is fatal to the run, never swallowed.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// The tasks of a run.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    fatal: watch::Sender<Option<String>>,
    running: Mutex<Vec<AbortHandle>>,
}

impl Tasks {
    /// Starts a task.
    pub(crate) fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        self.spawn_or(name, task, || ())
    }

    /// Starts a task that somebody waits for: who is told, should it panic.
    pub(crate) fn spawn_or(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
        panicked: impl FnOnce() + Send + 'static,
    ) -> AbortHandle {
        let fatal = self.fatal.clone();
        let handle = tokio::spawn(async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                let text = format!("the control plane failed in `{name}`: {}", words(&*panic));
                tracing::error!("{text}");
                fatal.send_if_modified(|known| {
                    let first = known.is_none();
                    known.get_or_insert(text);
                    first
                });
                panicked();
            }
        })
        .abort_handle();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.len() == running.capacity() {
            running.retain(|task| !task.is_finished());
        }
        running.push(handle.clone());
        handle
    }

    /// The first panic, in words, when there is one.
    pub(crate) fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.fatal.subscribe()
    }

    /// Ends all of them where they are.
    pub(crate) fn abort(&self) {
        for task in self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            task.abort();
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.abort();
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told() {
        let tasks = Tasks::default();
        let mut fatal = tasks.fatal();
        tasks.spawn("fine", async {});
        tasks.spawn("test", async { panic!("on purpose {}", 1) });
        let text = fatal
            .wait_for(Option::is_some)
            .await
            .unwrap()
            .clone()
            .unwrap();
        assert_eq!(text, "the control plane failed in `test`: on purpose 1");
    }
}
