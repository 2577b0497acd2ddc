//! The files of one log: written at the end of the last, dropped from the first.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::LogLimits;

/// One file.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// Its number, counted from 0.
    pub(super) number: u64,
    /// Where it is.
    pub(super) path: PathBuf,
    /// Bytes in it.
    pub(super) bytes: u64,
    records: u64,
}

/// The files, oldest first.
#[derive(Debug)]
pub(super) struct Segments {
    folder: PathBuf,
    limits: LogLimits,
    file: Option<File>,
    pub(super) files: VecDeque<Segment>,
    /// Bytes ever written.
    pub(super) written: u64,
    /// Records that were dropped or could not be written.
    pub(super) dropped: u64,
    /// What can't be written at the moment.
    pub(super) trouble: Option<Trouble>,
}

/// Records that could not be written, since the last that could.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) lost: u64,
    /// Why.
    pub(super) why: String,
}

impl Segments {
    pub(super) fn new(folder: PathBuf, limits: LogLimits) -> Self {
        Self {
            folder,
            limits,
            file: None,
            files: VecDeque::new(),
            written: 0,
            dropped: 0,
            trouble: None,
        }
    }

    /// Appends whole records; the first of them may be a remark about those that were lost before.
    pub(super) fn append(&mut self, bytes: &[u8], records: u64, remark: bool) {
        if bytes.is_empty() {
            return;
        }
        match self.try_append(bytes, records + u64::from(remark)) {
            Ok(()) => {
                self.written += bytes.len() as u64;
                self.trouble = None;
            }
            Err(error) => {
                // A full disk must not stop the workload: its output is lost, and counted.
                self.dropped += records;
                let trouble = self.trouble.get_or_insert_with(|| {
                    tracing::warn!(folder = %self.folder.display(), %error, "log output lost");
                    Trouble {
                        lost: 0,
                        why: error.to_string(),
                    }
                });
                trouble.lost += records;
            }
        }
    }

    fn try_append(&mut self, bytes: &[u8], records: u64) -> io::Result<()> {
        let size = (self.limits.bytes / self.limits.segments.max(1)).max(1);
        if self.file.is_none() || self.files.back().is_none_or(|last| last.bytes >= size) {
            self.rotate()?;
        }
        let (Some(file), Some(last)) = (&mut self.file, self.files.back_mut()) else {
            return Err(io::Error::other("no log file"));
        };
        if let Err(error) = file.write_all(bytes) {
            // Readers rely on whole records: cut off what was written of these.
            if file.set_len(last.bytes).is_err() {
                self.file = None;
            }
            return Err(error);
        }
        last.bytes += bytes.len() as u64;
        last.records += records;
        let mut kept: u64 = self.files.iter().map(|segment| segment.bytes).sum();
        while kept > self.limits.bytes && self.files.len() > 1 {
            if let Some(oldest) = self.files.pop_front() {
                kept -= oldest.bytes;
                self.dropped += oldest.records;
                remove(&oldest.path);
            }
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let number = self.files.back().map_or(0, |last| last.number + 1);
        let path = self.folder.join(format!("{number:06}.log"));
        self.file = Some(OpenOptions::new().append(true).create(true).open(&path)?);
        self.files.push_back(Segment {
            number,
            path,
            bytes: 0,
            records: 0,
        });
        Ok(())
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "an old log file stays");
    }
}
