//! Files that are put into a container before it starts (reference/dcp.md 1.1, `createFiles`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A tree of files below one path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateFileSystem {
    /// Absolute path in the container that the entries are below.
    pub destination: String,
    /// Owner of entries that have none; none: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_owner: Option<i32>,
    /// Group of entries that have none; none: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_group: Option<i32>,
    /// Permission bits that entries without a mode don't get; none: 022.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<i64>,
    /// The files and folders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<FileSystemEntry>,
}

/// A file or folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FileSystemEntry {
    /// A name, without a slash.
    #[schemars(extend("x-required" = true))]
    pub name: String,
    /// What it is; none: `file`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<FileSystemEntryKind>,
    /// User id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<i32>,
    /// Group id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<i32>,
    /// Permission bits; none: 0666 of a file and 0777 of a folder, without the umask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<i64>,
    /// Absolute path of a file to copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// *Template*.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contents: Option<String>,
    /// Bytes in base64, taken as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_contents: Option<String>,
    /// What a symbolic link leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// A source that can't be read is left out, and the log says so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub continue_on_error: bool,
    /// What is in a folder.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<Self>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileSystemEntryKind {
    /// A file.
    #[default]
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A certificate, and beside it a link to it under the hash of its subject, as OpenSSL has it.
    Openssl,
}

impl CreateFileSystem {
    /// One file at an absolute path.
    pub fn file(path: &str, mode: u32, contents: Result<String, String>) -> Self {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let (contents, source) = match contents {
            Ok(contents) => (Some(contents), None),
            Err(source) => (None, Some(source)),
        };
        Self {
            destination: if folder.is_empty() { "/" } else { folder }.to_owned(),
            entries: vec![FileSystemEntry {
                name: name.to_owned(),
                mode: Some(i64::from(mode)),
                contents,
                source,
                ..FileSystemEntry::default()
            }],
            ..Self::default()
        }
    }
}
