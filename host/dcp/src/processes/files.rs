//! The folders and files that a process finds: data folders, which are kept, and private files,
//! which may contain secrets and go with the workload.

use std::fs;
use std::path::{Component, Path, PathBuf};

use aspire_api::ObjectKey;
use aspire_api::aspire::{Aspire, PrivateFile};
use aspire_api::health::ExecutablePemCertificates;

use crate::certificates::trust;
use crate::context::Context;
use crate::os::{self, User};
use crate::templates::Scope;

/// A path below a folder, whatever the key says.
fn below(folder: &Path, key: &str) -> Result<PathBuf, String> {
    let plain = Path::new(key)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if key.is_empty() || !plain {
        return Err(format!("`{key}` is not a relative path"));
    }
    Ok(folder.join(key))
}

/// A folder for its owner only.
fn private_folder(path: &Path, user: Option<&User>) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    user.map_or(Ok(()), |user| os::give_to(path, user))
}

/// Makes the folders that a process is promised. `first`: the name of the object that it began
/// with, whose data it goes on with.
pub(super) fn make_folders(
    context: &Context,
    key: &ObjectKey,
    first: &str,
    aspire: &Aspire,
    certificates: bool,
    user: Option<&User>,
) -> Result<(), String> {
    let base = &context.config.data_folder;
    let files = context.private_folder(key);
    // What a dead run left there is out of date.
    if files.exists() {
        fs::remove_dir_all(&files).map_err(|error| format!("{}: {error}", files.display()))?;
    }
    let data = base.join("data").join(first);
    let folders = [
        (&files, !aspire.files.is_empty() || certificates),
        (&data, !aspire.data_folders.is_empty()),
    ];
    for (folder, _) in folders.iter().filter(|(_, needed)| *needed) {
        if let (Some(user), Some(parent)) = (user, folder.parent()) {
            // Passed through by other users, but not to be listed by them.
            fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
            open_path(base, parent);
            os::may_traverse(folder, user).map_err(|closed| {
                format!(
                    "user {} may not pass through {}",
                    user.name,
                    closed.display()
                )
            })?;
        }
        private_folder(folder, user).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    for name in &aspire.data_folders {
        let folder = below(&data, name)?;
        private_folder(&folder, user).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    Ok(())
}

/// Lets others pass through our own folders.
#[cfg(unix)]
fn open_path(base: &Path, folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for part in folder.ancestors().take_while(|part| part.starts_with(base)) {
        let _ = fs::set_permissions(part, fs::Permissions::from_mode(0o711));
    }
}

#[cfg(not(unix))]
fn open_path(_: &Path, _: &Path) {}

/// Writes its private files.
pub(super) async fn write_files(
    scope: &Scope<'_>,
    aspire: &Aspire,
    user: Option<&User>,
) -> Result<(), String> {
    let Some(base) = &scope.files else {
        return Ok(());
    };
    for (key, file) in &aspire.files {
        let path = below(base, key)?;
        let contents = match &file.source {
            Some(source) => fs::read(source).map_err(|error| format!("{source}: {error}"))?,
            None => scope.resolve(&file.contents).await?.into_bytes(),
        };
        write_file(base, &path, file, &contents, user)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn write_file(
    base: &Path,
    path: &Path,
    file: &PrivateFile,
    contents: &[u8],
    user: Option<&User>,
) -> std::io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| *parent != base) {
        private_folder(parent, user)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(path)?, contents)?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(file.mode & 0o7777);
        fs::set_permissions(path, mode)?;
    }
    #[cfg(not(unix))]
    let _ = file;
    user.map_or(Ok(()), |user| os::give_to(path, user))
}

/// Writes the certificates that it trusts, among its private files: `certs/` and `cert.pem`.
pub(super) fn write_certificates(
    context: &Context,
    key: &ObjectKey,
    wanted: &ExecutablePemCertificates,
    user: Option<&User>,
) -> Result<(), String> {
    let base = context.private_folder(key);
    let trust = trust(&wanted.certificates, wanted.continue_on_error)?;
    for problem in &trust.left_out {
        context.log(key).system(&format!("left out: {problem}"));
    }
    let folder = base.join("certs");
    let file = PrivateFile {
        contents: String::new(),
        source: None,
        mode: 0o600,
    };
    let write = |path: PathBuf, contents: &str| {
        let written = write_file(&base, &path, &file, contents.as_bytes(), user);
        written.map_err(|error| format!("{}: {error}", path.display()))
    };
    for (name, contents) in &trust.files {
        write(folder.join(name), contents)?;
    }
    for (name, target) in &trust.links {
        let path = folder.join(name);
        link(Path::new(target), &path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    write(base.join("cert.pem"), &trust.bundle)?;
    if let Some(place) = place_of_dcp(context, key) {
        // Clients of DCP know where it puts them, and tell the process.
        let _ = fs::remove_file(&place);
        link(&base, &place).map_err(|error| format!("{}: {error}", place.display()))?;
    }
    Ok(())
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn link(target: &Path, path: &Path) -> std::io::Result<()> {
    fs::copy(path.with_file_name(target), path).map(drop)
}

/// Where DCP would have a process's certificates: in the folder of the session that it was given.
fn place_of_dcp(context: &Context, key: &ObjectKey) -> Option<PathBuf> {
    let session = context
        .config
        .environment
        .get("DCP_SESSION_FOLDER".as_ref() as &std::ffi::OsStr)?;
    let session = PathBuf::from(session);
    session.is_dir().then(|| session.join(&key.name))
}

/// Removes its private files.
pub(super) fn remove_files(context: &Context, key: &ObjectKey) {
    let files = context.private_folder(key);
    if let Some(place) = place_of_dcp(context, key)
        && fs::read_link(&place).is_ok_and(|target| target == files)
    {
        let _ = fs::remove_file(place);
    }
    if let Err(error) = fs::remove_dir_all(&files)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %files.display(), %error, "private files stay");
    }
}
