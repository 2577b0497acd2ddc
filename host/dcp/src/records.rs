//! The journal of a run: what is about to be started, durably, before it is.
//!
//! One file for each run under `records/`, one JSON object a line: first the host, then every
//! intent and what came of it. Many intents are made durable together. A host that ends orderly
//! removes its file; one that is still there belongs to a dead host (or to a live one, which the
//! first line tells).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::identity::Creator;
use crate::os::{self, Identity};

/// A line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Entry {
    /// The host; the first line.
    Host {
        /// Machine and namespace.
        machine: String,
        /// The process, as in labels.
        creator: String,
        /// The run.
        run: String,
        /// What everything that it starts inherits; see `os::mark`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<u64>,
    },
    /// A process is about to be started.
    Intent {
        /// The object.
        of: String,
        /// The pipes of its output: whoever holds them came of it.
        pipes: Vec<u64>,
    },
    /// It was.
    Process {
        /// The object.
        of: String,
        /// Process id.
        pid: u32,
        /// Start time in ticks.
        start: u64,
    },
    /// A container of this name is about to be created.
    Container(String),
    /// A network of this name is about to be created.
    Network(String),
}

/// The journal of this run, open for writing.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// The file's name may not be on the disk yet.
    unnamed: bool,
}

impl Journal {
    /// Begins one in a folder. It is on the disk with the first thing that has to be: before that
    /// there is nothing to be found by it.
    pub(crate) fn begin(folder: &Path, run: &str) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{run}.jsonl"));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)?;
        let mut journal = Self {
            path,
            file,
            unnamed: true,
        };
        journal.add(&[Entry::Host {
            machine: os::machine().to_owned(),
            creator: Creator::myself().to_string(),
            run: run.to_owned(),
            mark: os::mark(),
        }])?;
        Ok(journal)
    }

    /// Adds lines and waits until they are on the disk.
    pub(crate) fn durably(&mut self, entries: &[Entry]) -> io::Result<()> {
        self.add(entries)?;
        self.file.sync_data()?;
        if self.unnamed {
            // The file's name, too, has to survive.
            let folder = self.path.parent().unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()?;
            self.unnamed = false;
        }
        Ok(())
    }

    /// Adds lines: they survive us, if not the machine.
    pub(crate) fn add(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut text = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
        }
        self.file.write_all(&text)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A journal that somebody left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// The run.
    pub(crate) run: String,
    /// What everything that it started inherited.
    pub(crate) mark: Option<u64>,
    /// The processes that it started.
    pub(crate) processes: Vec<(String, Identity)>,
    /// The pipes of their output.
    pub(crate) pipes: Vec<u64>,
    /// Processes may have been started without having been recorded.
    pub(crate) open: bool,
    /// Containers that it may have created, by name.
    pub(crate) containers: Vec<String>,
    /// Networks that it may have created, by name.
    pub(crate) networks: Vec<String>,
}

/// A journal, as far as it concerns this machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its host is alive.
    Live,
    /// Its host is dead and left this.
    Dead(Left),
}

/// What a journal says, if its host is one of this machine.
pub(crate) fn read(text: &str) -> Option<Found> {
    // The last line may be cut off; whatever can't be read is skipped, and so is what a newer
    // version may write.
    let mut entries = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Entry>(line).ok());
    let Some(Entry::Host {
        machine,
        creator,
        run,
        mark,
    }) = entries.next()
    else {
        return None;
    };
    let creator: Creator = creator.parse().ok()?;
    if machine != os::machine() {
        return None;
    }
    if creator.is_alive() {
        return Some(Found::Live);
    }
    let mut left = Left {
        run,
        mark: mark.filter(|_| creator.boot == os::boot_id()),
        ..Left::default()
    };
    let mut intents = 0usize;
    for entry in entries {
        match entry {
            Entry::Host { .. } => {}
            Entry::Intent { pipes, .. } => {
                intents += 1;
                // Numbers of an earlier boot mean nothing.
                if creator.boot == os::boot_id() {
                    left.pipes.extend(pipes);
                }
            }
            Entry::Process { of, pid, start } if creator.boot == os::boot_id() => {
                left.processes.push((of, Identity { pid, start }));
            }
            Entry::Process { .. } => intents = intents.saturating_sub(1),
            Entry::Container(name) => left.containers.push(name),
            Entry::Network(name) => left.networks.push(name),
        }
    }
    left.open = intents > left.processes.len();
    Some(Found::Dead(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_host_is_left_alone_and_a_dead_one_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::begin(folder.path(), "r1").unwrap();
        journal
            .durably(&[Entry::Intent {
                of: "executables/a".into(),
                pipes: vec![9],
            }])
            .unwrap();
        let process = Entry::Process {
            of: "executables/a".into(),
            pid: 7,
            start: 8,
        };
        journal
            .add(&[
                process,
                Entry::Intent {
                    of: "executables/b".into(),
                    pipes: vec![10],
                },
            ])
            .unwrap();
        journal.add(&[Entry::Container("c".into())]).unwrap();
        let text = fs::read_to_string(journal.path()).unwrap();
        assert_eq!(read(&text), Some(Found::Live));
        let me = os::myself();
        let dead = text.replace(&format!("{}:{}", me.pid, me.start), "1:0") + "{\"intent\":\"cu";
        let expected = Left {
            run: "r1".into(),
            mark: os::mark(),
            processes: vec![("executables/a".into(), Identity { pid: 7, start: 8 })],
            pipes: vec![9, 10],
            open: true,
            containers: vec!["c".into()],
            networks: Vec::new(),
        };
        assert_eq!(read(&dead), Some(Found::Dead(expected)));
        assert_eq!(read(&dead.replace(os::machine(), "elsewhere")), None);
        assert_eq!(read("rubbish"), None);
        assert!(Journal::begin(folder.path(), "r1").is_err());
    }

    #[test]
    fn an_older_and_a_newer_version() {
        let machine = os::machine();
        let host = |more: &str| {
            format!(
                r#"{{"host":{{"machine":"{machine}","creator":"1:0:{}","run":"r"{more}}}}}"#,
                os::boot_id()
            )
        };
        let process = r#"{"process":{"of":"executables/a","pid":7,"start":8,"colour":"red"}}"#;
        let newer = format!(
            "{}\n{{\"surprise\":1}}\n{process}\n",
            host(r#","colour":"red""#)
        );
        let older = format!("{}\n{process}\n", host(""));
        for text in [older, newer] {
            let Some(Found::Dead(left)) = read(&text) else {
                panic!("{text}")
            };
            assert_eq!((left.processes.len(), left.mark), (1, None));
        }
    }
}
