//! Files written whole or not at all, private folders, and locks that end with their process.
//!
//! Knows the file system. Doesn't know what is in any file.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use etcetera::BaseStrategy as _;

use crate::error::Problem;

/// The user's data folder for this program, `~/.local/share/aspire-host` by default.
pub(crate) fn user_data() -> Result<PathBuf> {
    let strategy = etcetera::choose_base_strategy().map_err(|error| {
        Problem::environment(format!("cannot find your data folder: {error}"))
            .help("set HOME, or XDG_DATA_HOME to a folder that only you can write")
    })?;
    Ok(strategy.data_dir().join("aspire-host"))
}

/// What all apps of the user share: leases, and records of what is kept. Made private.
pub(crate) fn shared_folder() -> Result<PathBuf> {
    let folder = user_data()?.join("shared");
    private_folder(&folder)?;
    Ok(folder)
}

/// The user's cache folder for this program.
pub(crate) fn user_cache() -> Result<PathBuf> {
    let strategy = etcetera::choose_base_strategy().map_err(|error| {
        Problem::environment(format!("cannot find your cache folder: {error}"))
            .help("set HOME, or XDG_CACHE_HOME to a folder that only you can write")
    })?;
    Ok(strategy.cache_dir().join("aspire-host"))
}

/// Replaces a file: a temporary one beside it, synced, renamed over it.
///
/// # Errors
/// The file system's, with the file's name.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        let mut temporary = tempfile::Builder::new()
            .prefix(".aspire-host-")
            .tempfile_in(folder)?;
        temporary.write_all(bytes)?;
        set_mode(temporary.as_file(), mode)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|error| error.error)?;
        // The rename is durable once the folder is; a folder that cannot be synced is no failure.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

/// Makes a folder, and those above it, that only the user can look into.
///
/// # Errors
/// The file system's, with the folder's name.
pub(crate) fn private_folder(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder
        .create(path)
        .with_context(|| format!("cannot make the folder {}", path.display()))
}

/// A text file, or none where there is none.
///
/// # Errors
/// Any other error of the file system, with the file's name.
pub(crate) fn read_optional(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// A lock that ends with its owner, even when that is killed.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Takes it, or gives what its present owner has written into it.
    ///
    /// # Errors
    /// The file system's, with the file's name.
    pub(crate) fn take(path: &Path) -> Result<Result<Self, String>> {
        let file = open_lock(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Ok(Self { file })),
            Err(TryLockError::WouldBlock) => Ok(Err(fs::read_to_string(path).unwrap_or_default())),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    /// Waits for it.
    ///
    /// # Errors
    /// The file system's, with the file's name.
    pub(crate) fn wait(path: &Path) -> Result<Self> {
        let file = open_lock(path)?;
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Self { file })
    }

    /// What others are told about its owner.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn describe(&mut self, text: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all(text.as_bytes())?;
        self.file.sync_all()
    }
}

fn open_lock(path: &Path) -> Result<File> {
    File::options()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

/// The relative path of a file below a folder, refused when it leads out of it.
///
/// # Errors
/// An absolute path, or one with `..`.
pub(crate) fn inside(folder: &Path, relative: &str) -> Result<PathBuf> {
    use std::path::Component;
    let path = Path::new(relative);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if relative.is_empty() || !path.components().all(plain) {
        bail!(Problem::plugin(format!(
            "`{relative}` leads out of the folder"
        )));
    }
    Ok(folder.join(path))
}

/// The way from one folder to another as a publisher writes it: relative, with `/`, beginning with
/// `./` or `../` and ending with `/`; absolute where there is no relative one.
pub(crate) fn way_back(from: &Path, to: &Path) -> String {
    let from: Vec<_> = from
        .components()
        .filter(|c| *c != std::path::Component::CurDir)
        .collect();
    let to: Vec<_> = to.components().collect();
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if common == 0 || from[common..].contains(&std::path::Component::ParentDir) {
        let whole: PathBuf = to.iter().collect();
        return format!("{}/", whole.display());
    }
    let up = "../".repeat(from.len() - common);
    let down: String = to[common..]
        .iter()
        .map(|part| format!("{}/", part.as_os_str().display()))
        .collect();
    if up.is_empty() {
        format!("./{down}")
    } else {
        format!("{up}{down}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        write_atomically(&file, b"one", 0o600).unwrap();
        write_atomically(&file, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                fs::metadata(&file).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }

    #[test]
    fn a_lock_is_held_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let mut lock = Lock::take(&path).unwrap().unwrap();
        lock.describe("pid 1").unwrap();
        assert_eq!(Lock::take(&path).unwrap().unwrap_err(), "pid 1");
        drop(lock);
        assert!(Lock::take(&path).unwrap().is_ok());
    }

    #[test]
    fn paths_stay_inside() {
        let folder = Path::new("/out");
        assert_eq!(
            inside(folder, "a/b.yaml").unwrap(),
            Path::new("/out/a/b.yaml")
        );
        for bad in ["", "/etc/passwd", "../x", "a/../../x"] {
            assert!(inside(folder, bad).is_err(), "{bad}");
        }
    }
}
