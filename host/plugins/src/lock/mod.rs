//! `aspire.lock`: which plugins an app was last run with, and what they may do.
//!
//! Pure but for [`Lock::write`]: reads and prints the file, and decides what a plugin is granted.
//! Asking the user is the command line's business; checking an edit is the compiler's.
//!
//! The file is TOML, sorted, committed, and readable:
//!
//! ```toml
//! version = 1
//!
//! [plugins."redis"]
//! version = "0.1.0"
//! sha256 = "9f86d0…"
//! asked = ["run-process:redis-server"]
//! granted = ["run-process:redis-server"]
//! ```

mod decide;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;

use aspire_model::grant::Permission;
use thiserror::Error;
use toml_edit::{DocumentMut, Item, TableLike};

use crate::platform;

pub use decide::{Allowed, Change, Decision, Missing, decide};

/// The version of the file's own format.
const FORMAT: i64 = 1;

const HEADER: &str =
    "# Written by aspire-host: the plugins of this app and what they may do. Commit it.\n";

/// The file's contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// By plugin id.
    pub plugins: BTreeMap<String, LockEntry>,
}

/// One plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockEntry {
    /// Its version.
    pub version: String,
    /// SHA-256 of its file, in hexadecimal.
    pub sha256: String,
    /// What it asked for.
    pub asked: Vec<Permission>,
    /// What the user answered yes to, on a terminal or with `--allow`. What `aspire.toml` allows
    /// is not repeated here, so that taking it out there takes it back.
    pub granted: Vec<Permission>,
}

/// A file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("aspire.lock: {0}")]
pub struct LockError(pub String);

impl LockError {
    /// A stable name of the error.
    pub fn code(&self) -> &'static str {
        "bad-lock-file"
    }

    /// What to do next.
    pub fn help(&self) -> String {
        "restore it from version control, or delete it and grant again".into()
    }
}

impl Lock {
    /// Reads the file's text.
    ///
    /// # Errors
    /// It is no TOML, of a later format, or has keys, digests or permissions that cannot be.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let document: DocumentMut = text
            .parse()
            .map_err(|error: toml_edit::TomlError| LockError(error.to_string()))?;
        let mut lock = Self::default();
        let mut version = None;
        for (key, item) in document.iter() {
            match key {
                "version" => version = item.as_integer(),
                "plugins" => {
                    let table = table("plugins", item)?;
                    for (id, item) in table.iter() {
                        lock.plugins
                            .insert(id.to_owned(), LockEntry::parse(id, item)?);
                    }
                }
                other => return Err(LockError(format!("unknown key `{other}`"))),
            }
        }
        match version {
            Some(FORMAT) => Ok(lock),
            Some(other) => Err(LockError(format!(
                "it has format {other}, and this version reads {FORMAT}"
            ))),
            None => Err(LockError("`version` is missing".into())),
        }
    }

    /// The file's text. Equal locks give equal bytes.
    pub fn print(&self) -> String {
        let mut text = format!("{HEADER}version = {FORMAT}\n");
        for (id, entry) in &self.plugins {
            let LockEntry {
                version,
                sha256,
                asked,
                granted,
            } = entry;
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n[plugins.{}]\nversion = {}\nsha256 = {}\nasked = {}\ngranted = {}\n",
                quoted(id),
                quoted(version),
                quoted(sha256),
                list(asked),
                list(granted),
            );
        }
        text
    }

    /// Reads the file; a missing one is empty.
    ///
    /// # Errors
    /// The file cannot be read, or not understood.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(LockError(error.to_string())),
        }
    }

    /// Replaces the file as a whole, unless it says the same already.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let text = self.print();
        if std::fs::read_to_string(path).is_ok_and(|before| before == text) {
            return Ok(());
        }
        platform::replace_shared(path, text.as_bytes())
    }
}

impl LockEntry {
    fn parse(id: &str, item: &Item) -> Result<Self, LockError> {
        let at = |key: &str| format!("plugins.{id}.{key}");
        let table = table(&format!("plugins.{id}"), item)?;
        let text = |key: &str| {
            let value = table.get(key).and_then(Item::as_str).map(str::to_owned);
            value.ok_or_else(|| LockError(format!("`{}` is no text", at(key))))
        };
        let permissions = |key: &str| {
            let wrong = || LockError(format!("`{}` is no list of texts", at(key)));
            let array = table.get(key).and_then(Item::as_array).ok_or_else(wrong)?;
            let mut all = Vec::new();
            for value in array {
                let permission = Permission::parse(value.as_str().ok_or_else(wrong)?);
                all.push(permission.map_err(|error| LockError(format!("`{}`: {error}", at(key))))?);
            }
            Ok(all)
        };
        for (key, _) in table.iter() {
            if !["version", "sha256", "asked", "granted"].contains(&key) {
                return Err(LockError(format!("unknown key `{}`", at(key))));
            }
        }
        let sha256 = text("sha256")?;
        if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(LockError(format!("`{}` is no SHA-256", at("sha256"))));
        }
        Ok(Self {
            version: text("version")?,
            sha256,
            asked: permissions("asked")?,
            granted: permissions("granted")?,
        })
    }
}

fn table<'a>(name: &str, item: &'a Item) -> Result<&'a dyn TableLike, LockError> {
    item.as_table_like()
        .ok_or_else(|| LockError(format!("`{name}` is no table")))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn list(permissions: &[Permission]) -> String {
    let items: Vec<String> = permissions
        .iter()
        .map(|one| quoted(&one.to_string()))
        .collect();
    format!("[{}]", items.join(", "))
}
