//! The thread that starts processes: takes all that wait, makes their intents durable at once,
//! then starts one after the other.

use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

use crate::os::{self, Identity, Spawn, Spawned};
use crate::ports::Reservation;
use crate::records::{Entry, Journal};

/// The way to the thread.
#[derive(Debug, Clone)]
pub(crate) struct Spawner {
    jobs: mpsc::Sender<Job>,
}

#[derive(Debug)]
enum Job {
    Start {
        object: String,
        request: Box<Spawn>,
        reserved: Vec<Reservation>,
        reply: oneshot::Sender<io::Result<Spawned>>,
    },
    Note {
        entry: Entry,
        reply: oneshot::Sender<io::Result<()>>,
    },
}

impl Spawner {
    /// Starts the thread.
    pub(crate) fn new(journal: Journal) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || work(journal, &waiting))?;
        Ok(Self { jobs })
    }

    /// Starts a process for an object; its reserved ports are let go just before.
    pub(crate) async fn start(
        &self,
        object: String,
        request: Spawn,
        reserved: Vec<Reservation>,
    ) -> io::Result<Spawned> {
        let (reply, answer) = oneshot::channel();
        let request = Box::new(request);
        self.send(Job::Start {
            object,
            request,
            reserved,
            reply,
        })?;
        answer.await.map_err(|_| ended())?
    }

    /// Records something else that is about to be made.
    pub(crate) async fn note(&self, entry: Entry) -> io::Result<()> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Note { entry, reply })?;
        answer.await.map_err(|_| ended())?
    }

    fn send(&self, job: Job) -> io::Result<()> {
        self.jobs.send(job).map_err(|_| ended())
    }
}

fn ended() -> io::Error {
    io::Error::other("the thread that starts processes has ended")
}

/// Jobs that are made durable together; each holds four file descriptors meanwhile.
const BATCH: usize = 64;

fn work(mut journal: Journal, waiting: &mpsc::Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let jobs: Vec<Job> = std::iter::once(first)
            .chain(waiting.try_iter())
            .take(BATCH)
            .collect();
        let mut pipes = Vec::with_capacity(jobs.len());
        let mut intents = Vec::with_capacity(jobs.len());
        for job in &jobs {
            match job {
                Job::Note { entry, .. } => {
                    pipes.push(None);
                    intents.push(entry.clone());
                }
                Job::Start {
                    object, request, ..
                } => {
                    let prepared = os::Prepared::new(request);
                    // Known before the start: in case nothing of the process can be recorded
                    // after it.
                    let names = prepared
                        .as_ref()
                        .map(os::Prepared::pipes)
                        .unwrap_or_default();
                    // What is to outlive us is recorded elsewhere.
                    if request.files.is_none() {
                        intents.push(Entry::Intent {
                            of: object.clone(),
                            pipes: names,
                        });
                    }
                    pipes.push(Some(prepared));
                }
            }
        }
        let recorded = journal.durably(&intents);
        for (job, pipes) in jobs.into_iter().zip(pipes) {
            let recorded = match &recorded {
                Ok(()) => Ok(()),
                Err(error) => Err(io::Error::new(
                    error.kind(),
                    format!("cannot record the start: {error}"),
                )),
            };
            match (job, pipes) {
                (Job::Note { reply, .. }, _) => drop(reply.send(recorded)),
                (Job::Start { .. }, None) => {}
                (
                    Job::Start {
                        object,
                        request,
                        reserved,
                        reply,
                    },
                    Some(pipes),
                ) => {
                    let started = recorded.and(pipes).and_then(|pipes| {
                        drop(reserved);
                        os::spawn(&request, pipes)
                    });
                    if let Ok(Spawned {
                        id: Identity { pid, start },
                        ..
                    }) = started
                        && request.files.is_none()
                    {
                        // Not being able to is no reason to end it: it carries our mark as well.
                        let _ = journal.add(&[Entry::Process {
                            of: object,
                            pid,
                            start,
                        }]);
                    }
                    if let Err(Ok(unwanted)) = reply.send(started) {
                        os::end_group(unwanted.id, os::Urgency::Force);
                    }
                }
            }
        }
    }
}
