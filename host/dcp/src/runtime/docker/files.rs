//! Files that are written into a container before it starts.
//!
//! Knows how the engine unpacks an archive: it makes missing parents itself, as root's and
//! readable by all, and leaves existing folders alone as long as the archive doesn't name them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bollard::query_parameters::UploadToContainerOptionsBuilder;
use bytes::Bytes;

use super::DockerEngine;
use crate::runtime::{ContainerRequest, EngineError, FileKind, FileRequest, MountRequest};

impl DockerEngine {
    pub(super) async fn write_files(
        &self,
        id: &str,
        request: &ContainerRequest,
    ) -> Result<(), EngineError> {
        if request.files.is_empty() {
            return Ok(());
        }
        let what = format!("the files of container {}", request.name);
        for (folder, files) in by_mount(request) {
            let archive = archive(folder, &files)
                .map_err(|problem| EngineError::Other(format!("{what}: {problem}")))?;
            let options = UploadToContainerOptionsBuilder::new().path(folder).build();
            self.docker()
                .upload_to_container(id, Some(options), bollard::body_full(archive))
                .await
                .map_err(|error| self.error(&what, &error))?;
        }
        Ok(())
    }

    pub(super) async fn copy_files(
        &self,
        id: &str,
        files: &[FileRequest],
    ) -> Result<(), EngineError> {
        let what = format!("the files of container {id}");
        let all: Vec<&FileRequest> = files.iter().collect();
        let archive = archive("/", &all)
            .map_err(|problem| EngineError::Other(format!("{what}: {problem}")))?;
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        self.docker()
            .upload_to_container(id, Some(options), bollard::body_full(archive))
            .await
            .map_err(|error| self.error(&what, &error))
    }
}

/// The files by what they lie in: a mount, or the container's own file system. Not every engine
/// looks through the latter into the former.
fn by_mount(request: &ContainerRequest) -> BTreeMap<&str, Vec<&FileRequest>> {
    let targets = request.mounts.iter().map(|mount| match mount {
        MountRequest::Volume { target, .. }
        | MountRequest::Bind { target, .. }
        | MountRequest::Scratch { target } => target.trim_end_matches('/'),
    });
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for file in &request.files {
        let below = |target: &&str| {
            let rest = file.path.strip_prefix(target);
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let folder = targets
            .clone()
            .filter(below)
            .max_by_key(|target| target.len());
        groups
            .entry(folder.filter(|folder| !folder.is_empty()).unwrap_or("/"))
            .or_default()
            .push(file);
    }
    groups
}

/// The files of one folder and nothing else.
fn archive(folder: &str, files: &[&FileRequest]) -> std::io::Result<Bytes> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let rest = file.path.strip_prefix(folder.trim_end_matches('/'));
        let path = rest.and_then(|rest| rest.strip_prefix('/'));
        let Some(path) = path.filter(|path| !path.is_empty()) else {
            return Err(std::io::Error::other(format!(
                "`{}` is no absolute path of a file",
                file.path
            )));
        };
        let mut header = tar::Header::new_gnu();
        header.set_mode(file.mode & 0o7777);
        header.set_uid(file.owner);
        header.set_gid(file.group);
        header.set_mtime(now.as_secs());
        header.set_size(0);
        match &file.kind {
            FileKind::File(contents) => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_size(contents.len() as u64);
                archive.append_data(&mut header, Path::new(path), &**contents)?;
            }
            FileKind::Directory => {
                header.set_entry_type(tar::EntryType::Directory);
                archive.append_data(&mut header, Path::new(path), &[][..])?;
            }
            FileKind::Symlink(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                archive.append_link(&mut header, Path::new(path), target)?;
            }
        }
    }
    archive.into_inner().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> FileRequest {
        FileRequest {
            path: path.to_owned(),
            kind: FileKind::File(Bytes::from_static(b"x")),
            mode: 0o640,
            owner: 0,
            group: 0,
        }
    }

    #[test]
    fn only_files_with_their_mode() {
        let long = format!("/etc/{}/conf", "a".repeat(150));
        let bytes = archive("/", &[&file("/etc/a.conf"), &file(&long)]).unwrap();
        let mut archive = tar::Archive::new(&*bytes);
        let found: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                (path, entry.header().mode().unwrap())
            })
            .collect();
        assert_eq!(
            found,
            [
                ("etc/a.conf".to_owned(), 0o640),
                (long[1..].to_owned(), 0o640)
            ]
        );
    }

    #[test]
    fn paths_stay_inside() {
        assert!(archive("/", &[&file("relative")]).is_err());
        assert!(archive("/", &[&file("/a/../../b")]).is_err());
        assert!(archive("/", &[&file("/")]).is_err());
    }

    #[test]
    fn files_go_where_their_mount_is() {
        let scratch = |target: &str| MountRequest::Scratch {
            target: target.to_owned(),
        };
        let request = ContainerRequest {
            mounts: vec![scratch("/data"), scratch("/data/deep/"), scratch("/da")],
            files: ["/data/a", "/data/deep/b", "/data.conf", "/etc/c"]
                .map(file)
                .to_vec(),
            ..ContainerRequest::default()
        };
        let groups = by_mount(&request);
        let found: Vec<_> = groups
            .iter()
            .map(|(folder, files)| (*folder, files.iter().map(|file| &*file.path).collect()))
            .collect::<Vec<(&str, Vec<&str>)>>();
        assert_eq!(
            found,
            [
                ("/", vec!["/data.conf", "/etc/c"]),
                ("/data", vec!["/data/a"]),
                ("/data/deep", vec!["/data/deep/b"]),
            ]
        );
    }
}
