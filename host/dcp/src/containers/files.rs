//! Files of a container, from the trees that its object describes (reference/dcp.md 1.1,
//! `createFiles`).
//!
//! Knows defaults, inheritance and where contents come from. Doesn't know how an engine takes them.

use std::collections::BTreeMap;

use aspire_api::files::{CreateFileSystem, FileSystemEntry, FileSystemEntryKind};
use aspire_api::health::ContainerPemCertificates;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::certificates::{Links, subject_hash, trust};
use crate::runtime::{FileKind, FileRequest};
use crate::templates::Scope;

/// What a mode lacks where none is given.
const UMASK: i64 = 0o022;

/// Everything to make, folders before what is in them. What is left out because it may be
/// (`continueOnError`) is told, in words.
///
/// # Errors
/// A source that can't be read, a placeholder that can't be replaced, bytes that are no base64;
/// each with the path in the container.
pub(super) async fn build(
    scope: &Scope<'_>,
    trees: &[CreateFileSystem],
    tell: &(dyn Fn(&str) + Send + Sync),
) -> Result<Vec<FileRequest>, String> {
    let mut made = Vec::new();
    let mut links: BTreeMap<String, Links> = BTreeMap::new();
    for tree in trees {
        let mut left: Vec<(String, &FileSystemEntry)> = Vec::new();
        let folder = tree.destination.trim_end_matches('/');
        left.extend(
            tree.entries
                .iter()
                .rev()
                .map(|entry| (format!("{folder}/{}", entry.name), entry)),
        );
        while let Some((path, entry)) = left.pop() {
            match kind(scope, entry).await {
                Ok((kind, hash)) => {
                    made.push(request(tree, &path, entry, kind));
                    if let Some(hash) = hash {
                        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                        let names = links.entry(folder.to_owned()).or_default();
                        let path = format!("{folder}/{}", names.next(&hash));
                        let link = FileKind::Symlink(entry.name.clone());
                        made.push(request(tree, &path, entry, link));
                    }
                }
                Err(problem) if entry.continue_on_error => {
                    tell(&format!("left out: {path}: {problem}"));
                }
                Err(problem) => return Err(format!("{path}: {problem}")),
            }
            let inside = entry.entries.iter().rev();
            left.extend(inside.map(|entry| (format!("{path}/{}", entry.name), entry)));
        }
    }
    Ok(made)
}

fn request(
    tree: &CreateFileSystem,
    path: &str,
    entry: &FileSystemEntry,
    kind: FileKind,
) -> FileRequest {
    let full = if matches!(kind, FileKind::Directory) {
        0o777
    } else {
        0o666
    };
    let mode = entry.mode.unwrap_or(full & !tree.umask.unwrap_or(UMASK));
    let id = |own: Option<i32>, default: Option<i32>| {
        u64::try_from(own.or(default).unwrap_or_default()).unwrap_or_default()
    };
    FileRequest {
        path: path.to_owned(),
        kind,
        mode: u32::try_from(mode & 0o7777).unwrap_or_default(),
        owner: id(entry.owner, tree.default_owner),
        group: id(entry.group, tree.default_group),
    }
}

/// What an entry is, and the hash that it is linked under beside itself.
async fn kind(
    scope: &Scope<'_>,
    entry: &FileSystemEntry,
) -> Result<(FileKind, Option<String>), String> {
    let is_certificate = match entry.kind.unwrap_or_default() {
        FileSystemEntryKind::Directory => return Ok((FileKind::Directory, None)),
        FileSystemEntryKind::Symlink => {
            let target = entry.target.clone().unwrap_or_default();
            return Ok((FileKind::Symlink(target), None));
        }
        FileSystemEntryKind::File => false,
        FileSystemEntryKind::Openssl => true,
    };
    let contents = if let Some(source) = &entry.source {
        Bytes::from(std::fs::read(source).map_err(|error| format!("{source}: {error}"))?)
    } else if let Some(raw) = &entry.raw_contents {
        let bytes = STANDARD.decode(raw.trim());
        Bytes::from(bytes.map_err(|error| format!("rawContents is no base64: {error}"))?)
    } else {
        let text = entry.contents.as_deref().unwrap_or_default();
        Bytes::from(scope.resolve(text).await?)
    };
    let hash = match is_certificate {
        true => Some(subject_hash(&String::from_utf8_lossy(&contents))?),
        false => None,
    };
    Ok((FileKind::File(contents), hash))
}

/// The files of the certificates that a container trusts.
///
/// # Errors
/// One can't be read, and may not be left out.
pub(super) fn certificates(
    wanted: &ContainerPemCertificates,
    log: impl Fn(&str),
) -> Result<Vec<FileRequest>, String> {
    let trust = trust(&wanted.certificates, wanted.continue_on_error)?;
    for problem in &trust.left_out {
        log(&format!("left out: {problem}"));
    }
    let file = |path: String, kind: FileKind| FileRequest {
        path,
        kind,
        mode: 0o644,
        owner: 0,
        group: 0,
    };
    let folder = wanted.destination.trim_end_matches('/');
    let files = trust.files.into_iter().map(|(name, contents)| {
        let contents = FileKind::File(Bytes::from(contents));
        file(format!("{folder}/certs/{name}"), contents)
    });
    let links = trust
        .links
        .into_iter()
        .map(|(name, target)| file(format!("{folder}/certs/{name}"), FileKind::Symlink(target)));
    let bundle = Bytes::from(trust.bundle);
    let bundles = wanted.overwrite_bundle_paths.iter().cloned();
    let bundles = bundles
        .chain([format!("{folder}/cert.pem")])
        .map(|path| file(path, FileKind::File(bundle.clone())));
    Ok(files.chain(links).chain(bundles).collect())
}
