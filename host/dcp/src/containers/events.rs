//! What happens to the containers of this run: one subscription for all, resumed where it broke
//! off, and a slow look at each in case something was missed all the same.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval_at};

use crate::clock::Timestamp;
use crate::context::Context;
use crate::identity::INSTANCE_LABEL;
use crate::runtime::EngineEvent;

/// Between two looks at everything.
const RESYNC: Duration = Duration::from_secs(30);

/// Something that may concern a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    /// It ended.
    Died(Option<i32>),
    /// It was paused or went on.
    Paused(bool),
    /// Something may have happened: look at it.
    Look,
}

/// Who wants to know of which container.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    listeners: Mutex<BTreeMap<String, mpsc::UnboundedSender<Happening>>>,
    subscribed: AtomicBool,
    everything: AtomicBool,
    appeared: watch::Sender<u64>,
}

impl Hub {
    fn listeners(&self) -> MutexGuard<'_, BTreeMap<String, mpsc::UnboundedSender<Happening>>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that happens to a container from now on.
    pub(crate) fn listen(&self, id: &str) -> mpsc::UnboundedReceiver<Happening> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.listeners().insert(id.to_owned(), sender);
        receiver
    }

    /// No more of this one.
    pub(crate) fn forget(&self, id: &str) {
        self.listeners().remove(id);
    }

    /// Tells whoever listens to a container.
    pub(crate) fn tell(&self, id: &str, happening: Happening) {
        if let Some(listener) = self.listeners().get(id) {
            // It has just stopped listening.
            let _ = listener.send(happening);
        }
    }

    fn look_at_all(&self) {
        for listener in self.listeners().values() {
            let _ = listener.send(Happening::Look);
        }
    }

    /// Subscribes, once in a run.
    pub(crate) fn subscribe(&self, context: &Arc<Context>) {
        if !self.subscribed.swap(true, Ordering::Relaxed) {
            // Not the run: containers that are kept are not made by one.
            let label = format!("{INSTANCE_LABEL}={}", context.config.instance);
            let task = follow(Arc::clone(context), label, Timestamp::now());
            context.tasks.spawn("engine events", task);
        }
    }

    /// Subscribes to what happens to containers that aren't ours, once in a run.
    pub(crate) fn subscribe_to_all(&self, context: &Arc<Context>) {
        if !self.everything.swap(true, Ordering::Relaxed) {
            let task = follow(Arc::clone(context), String::new(), Timestamp::now());
            context.tasks.spawn("all engine events", task);
        }
    }

    /// Changes whenever a container was created, started or renamed.
    pub(crate) fn appeared(&self) -> watch::Receiver<u64> {
        self.appeared.subscribe()
    }
}

async fn follow(context: Arc<Context>, label: String, since: Timestamp) {
    let Some(engine) = &context.engine else {
        return;
    };
    let mut since_nano = since.0.saturating_mul(1000);
    let mut pause = Duration::from_millis(100);
    let mut resync = interval_at(Instant::now() + RESYNC, RESYNC);
    resync.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let mut events = engine.raw().events(&label, Some(since_nano));
        let broken = loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        pause = Duration::from_millis(100);
                        since_nano = since_nano.max(event.time_nano);
                        deliver(&engine.hub, &event);
                    }
                    Some(Err(error)) => break error.to_string(),
                    None => break "the stream of events ended".to_owned(),
                },
                _ = resync.tick() => engine.hub.look_at_all(),
            }
        };
        drop(events);
        tracing::debug!(broken, "engine events are subscribed to again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
        // The engine may have forgotten what happened while it was away.
        engine.hub.look_at_all();
    }
}

fn deliver(hub: &Hub, event: &EngineEvent) {
    let happening = match event.action.as_str() {
        "die" | "died" => Happening::Died(event.exit_code),
        "pause" => Happening::Paused(true),
        "unpause" => Happening::Paused(false),
        "destroy" | "remove" | "health_status" => Happening::Look,
        "create" | "start" | "rename" => {
            hub.appeared.send_modify(|count| *count += 1);
            Happening::Look
        }
        _ => return,
    };
    hub.tell(&event.container_id, happening);
}
