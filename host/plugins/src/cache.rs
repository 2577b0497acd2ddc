//! Compiled plugins on disk.
//!
//! An entry is two files: native code, and a record with the code's SHA-256, the manifest and the
//! descriptor, so that a warm start neither compiles nor instantiates nor even reads the plugin.
//! The folder's name carries the engine's hash and the host's version. Whatever is missing,
//! damaged or foreign is thrown away and made again; nothing here ever fails a load.

use std::fmt::Write;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aspire_model::hook::Descriptor;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::engine::Runtime;
use crate::native;
use crate::platform::{self, Stamp};
use crate::survey::Survey;

/// Counted up when what is in a record, or what is checked before it is written, changes.
const FORMAT: u32 = 1;
/// Compiled code of other versions of the host is kept this long after its folder last changed.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);
/// A file that changed later than this before now may change again within one tick of its clock.
const SETTLED: i128 = 2_000_000_000;

/// An open cache folder.
#[derive(Debug)]
pub(crate) struct Cache {
    code: PathBuf,
    seen: PathBuf,
}

/// What is known about a compiled plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) survey: Survey,
    pub(crate) descriptor: Descriptor,
    /// Stubs that `describe` called and that matter.
    pub(crate) impure: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    code_sha256: String,
    stamp: Stamp,
    record: Record,
}

impl Cache {
    /// Opens or makes the folder; the error says why it cannot be trusted or used.
    pub(crate) fn open(folder: &Path, runtime: &Runtime) -> Result<Self, String> {
        let version = env!("CARGO_PKG_VERSION");
        let code = folder.join(format!("{version}-{}-{FORMAT}", runtime.compatibility()));
        let seen = folder.join("seen");
        let is_new = !code.exists();
        for folder in [folder, &code, &seen] {
            platform::private_folder(folder)?;
        }
        if is_new {
            forget_old_versions(folder, &[&code, &seen]);
        }
        Ok(Self { code, seen })
    }

    fn code_file(&self, digest: &str) -> PathBuf {
        self.code.join(format!("{digest}.cwasm"))
    }

    fn record_file(&self, digest: &str) -> PathBuf {
        self.code.join(format!("{digest}.json"))
    }

    /// The compiled plugin of a digest, checked and mapped.
    pub(crate) fn find(&self, engine: &Engine, digest: &str) -> Option<(Component, Record)> {
        let (code, record) = (self.code_file(digest), self.record_file(digest));
        let found = self.open_entry(engine, digest);
        if found.is_none() {
            // Removing what is not there, or cannot be removed, changes nothing: it is replaced
            // or ignored anyway.
            let _ = fs::remove_file(code);
            let _ = fs::remove_file(record);
        }
        found
    }

    fn open_entry(&self, engine: &Engine, digest: &str) -> Option<(Component, Record)> {
        let mut stored = self.read_record(digest)?;
        let code = self.code_file(digest);
        let metadata = fs::symlink_metadata(&code).ok()?;
        if !metadata.is_file() || platform::is_private(&metadata).is_err() {
            return None;
        }
        let stamp = Stamp::of(&metadata);
        if stamp != stored.stamp {
            if sha256(&fs::read(&code).ok()?) != stored.code_sha256 {
                return None;
            }
            stored.stamp = stamp;
            let _ = self.write_record(digest, &stored);
        }
        let component = native::map(engine, &code).ok()?;
        Some((component, stored.record))
    }

    /// A record is a line with the SHA-256 of the rest, and the rest.
    fn read_record(&self, digest: &str) -> Option<Stored> {
        let text = fs::read_to_string(self.record_file(digest)).ok()?;
        let (sum, body) = text.split_once('\n')?;
        if sha256(body.as_bytes()) != sum {
            return None;
        }
        serde_json::from_str(body).ok()
    }

    fn write_record(&self, digest: &str, stored: &Stored) -> io::Result<()> {
        let body = serde_json::to_string(stored)?;
        let text = format!("{}\n{body}", sha256(body.as_bytes()));
        platform::replace(&self.record_file(digest), text.as_bytes())
    }

    /// Keeps compiled code. The error only means that the next start compiles again.
    pub(crate) fn store(&self, digest: &str, code: &[u8], record: Record) -> io::Result<()> {
        let path = self.code_file(digest);
        platform::replace(&path, code)?;
        let stamp = Stamp::of(&fs::symlink_metadata(&path)?);
        self.write_record(
            digest,
            &Stored {
                code_sha256: sha256(code),
                stamp,
                record,
            },
        )
    }

    fn seen_file(&self, stamp: &Stamp) -> PathBuf {
        self.seen
            .join(format!("{:x}-{:x}", stamp.device, stamp.inode))
    }

    /// The digest of a file that was hashed before and has not changed since.
    pub(crate) fn digest_of(&self, metadata: &Metadata) -> Option<String> {
        let stamp = Stamp::of(metadata);
        let text = fs::read_to_string(self.seen_file(&stamp)).ok()?;
        let digest = text.strip_prefix(&stamp_line(&stamp))?;
        (digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()))
            .then(|| digest.to_owned())
    }

    /// Remembers a file's digest, unless the file is so new that its times could stay the same
    /// through another change.
    pub(crate) fn remember(&self, metadata: &Metadata, digest: &str) {
        let stamp = Stamp::of(metadata);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        let now = now
            .and_then(|now| i128::try_from(now.as_nanos()).ok())
            .unwrap_or(0);
        if stamp.inode == 0 || stamp.changed.max(stamp.modified) + SETTLED > now {
            return;
        }
        let text = stamp_line(&stamp) + digest;
        let _ = platform::replace(&self.seen_file(&stamp), text.as_bytes());
    }
}

/// Removes what other versions have left, once in a version's life. Code that is mapped at this
/// moment stays readable for whoever has mapped it.
fn forget_old_versions(folder: &Path, current: &[&Path]) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let age = entry
            .metadata()
            .ok()
            .and_then(|m| m.modified().ok()?.elapsed().ok());
        if !current.contains(&path.as_path()) && age.is_some_and(|age| age > KEPT) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn stamp_line(stamp: &Stamp) -> String {
    format!("{} {} {}\n", stamp.size, stamp.modified, stamp.changed)
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
