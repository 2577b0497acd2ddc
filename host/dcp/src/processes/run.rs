//! A process that is run to its end for its exit code: a build, a preparing step, a probe.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::spawner::Spawner;
use crate::os::{self, Identity, Spawn, Urgency};
use crate::runtime::OutputStream;

/// Takes output as it comes.
pub(crate) type Output = Arc<dyn Fn(OutputStream, &[u8]) + Send + Sync>;

/// Ends the group when whoever waited no longer does.
struct Group(Option<Identity>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            os::end_group(leader, Urgency::Force);
        }
    }
}

/// Runs a process to its end; dropping the future ends it by force.
pub(crate) async fn run(
    spawner: &Spawner,
    object: String,
    request: Spawn,
    stdin: Vec<u8>,
    output: Output,
) -> io::Result<i32> {
    let spawned = spawner.start(object, request, Vec::new()).await?;
    let mut group = Group(Some(spawned.id));
    let mut pumps = JoinSet::new();
    for (stream, pipe) in [
        (OutputStream::Stdout, spawned.stdout),
        (OutputStream::Stderr, spawned.stderr),
    ] {
        let output = Arc::clone(&output);
        pumps.spawn(async move {
            let Ok(mut reader) = os::Reader::new(pipe) else {
                return;
            };
            let mut buffer = vec![0; 16 << 10];
            while reader.ready().await.is_ok() {
                match reader.try_read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => output(stream, &buffer[..read]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => break,
                }
            }
        });
    }
    if let Some(pipe) = spawned.stdin {
        let mut writer = os::writer(pipe)?;
        pumps.spawn(async move {
            // It may not want to read it.
            let _ = writer.write_all(&stdin).await;
        });
    }
    let code = spawned.exit.wait().await?;
    group.0 = None;
    let drained = async { while pumps.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(std::time::Duration::from_millis(500), drained).await;
    Ok(code)
}

/// Keeps the last part of what a process says.
#[derive(Debug, Default, Clone)]
pub(crate) struct LastWords(Arc<Mutex<Vec<u8>>>);

impl LastWords {
    const KEPT: usize = 4 << 10;

    /// Takes output.
    pub(crate) fn taker(&self) -> Output {
        let words = Arc::clone(&self.0);
        Arc::new(move |_, bytes| {
            let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
            words.extend_from_slice(bytes);
            let extra = words.len().saturating_sub(Self::KEPT);
            words.drain(..extra);
        })
    }

    /// The last lines, so many at most.
    pub(crate) fn lines(&self, count: usize) -> Vec<String> {
        let words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&words);
        let mut lines: Vec<String> = text.lines().rev().take(count).map(str::to_owned).collect();
        lines.reverse();
        lines
    }

    /// The last line that says something.
    pub(crate) fn line(&self) -> String {
        let words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last_line(&String::from_utf8_lossy(&words))
    }
}

/// The last line of a text that says something, shortened.
pub(crate) fn last_line(text: &str) -> String {
    let line = text
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    line.chars().take(200).collect()
}
