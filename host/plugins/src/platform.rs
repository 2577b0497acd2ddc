//! What is particular to an operating system: who owns a file, who may write it, what identifies it.

use std::fs::Metadata;
use std::io;
use std::path::Path;

/// What changes when a file is written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: i128,
    /// Nanoseconds since 1970 of the last change of contents or metadata.
    pub(crate) changed: i128,
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

#[cfg(unix)]
mod system {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};

    use super::{Metadata, Path, Stamp, io};

    const OTHERS_MAY_WRITE: u32 = 0o022;

    impl Stamp {
        pub(crate) fn of(metadata: &Metadata) -> Self {
            let nanoseconds =
                |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
            Self {
                size: metadata.len(),
                modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
                changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
                device: metadata.dev(),
                inode: metadata.ino(),
            }
        }
    }

    /// Only the user can write it.
    pub(crate) fn is_private(metadata: &Metadata) -> Result<(), &'static str> {
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err("it belongs to another user");
        }
        if metadata.mode() & OTHERS_MAY_WRITE != 0 {
            return Err("others may write to it");
        }
        Ok(())
    }

    pub(crate) fn create_private(folder: &Path) -> io::Result<()> {
        std::fs::DirBuilder::new().mode(0o700).create(folder)
    }
}

#[cfg(not(unix))]
mod system {
    use super::{Metadata, Path, Stamp, io};

    impl Stamp {
        pub(crate) fn of(metadata: &Metadata) -> Self {
            let modified = metadata.modified().ok();
            let since = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
            let modified = since.map_or(0, |d| i128::try_from(d.as_nanos()).unwrap_or(0));
            Self {
                size: metadata.len(),
                modified,
                changed: modified,
                device: 0,
                inode: 0,
            }
        }
    }

    /// The user's own folders are private by default there.
    pub(crate) fn is_private(_: &Metadata) -> Result<(), &'static str> {
        Ok(())
    }

    pub(crate) fn create_private(folder: &Path) -> io::Result<()> {
        std::fs::create_dir(folder)
    }
}

pub(crate) use system::{create_private, is_private};

/// Makes sure that a folder is there and that only the user can write to it.
pub(crate) fn private_folder(folder: &Path) -> Result<(), String> {
    let problem = |reason: &str| format!("{}: {reason}", folder.display());
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).map_err(|error| problem(&error.to_string()))?;
    }
    match create_private(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(problem(&error.to_string()));
        }
        _ => {}
    }
    let metadata =
        std::fs::symlink_metadata(folder).map_err(|error| problem(&error.to_string()))?;
    if metadata.is_symlink() {
        return Err(problem("it is a symbolic link"));
    }
    if !metadata.is_dir() {
        return Err(problem("it is no folder"));
    }
    is_private(&metadata).map_err(problem)
}

/// Replaces a file as a whole: whoever reads it sees the old or the new contents, never a part.
/// Only the user can read it.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    replace_with(tempfile::Builder::new(), path, contents)
}

/// The same for a file that everybody may read, as far as the user lets new files be read.
pub(crate) fn replace_shared(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    replace_with(builder, path, contents)
}

fn replace_with(
    builder: tempfile::Builder<'_, '_>,
    path: &Path,
    contents: &[u8],
) -> io::Result<()> {
    use std::io::Write;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(contents)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}
