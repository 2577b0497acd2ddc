//! The folders and files that a process finds: data folders, which are kept, and private files,
//! which may contain secrets and go with the workload.

use std::fs;
use std::path::{Component, Path, PathBuf};

use aspire_api::ObjectKey;
use aspire_api::aspire::{Aspire, PrivateFile};

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
    user: Option<&User>,
) -> Result<(), String> {
    let base = &context.config.data_folder;
    let files = base.join("files").join(&key.name);
    // What a dead run left there is out of date.
    if files.exists() {
        fs::remove_dir_all(&files).map_err(|error| format!("{}: {error}", files.display()))?;
    }
    let data = base.join("data").join(first);
    let folders = [
        (&files, !aspire.files.is_empty()),
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

/// Removes its private files.
pub(super) fn remove_files(context: &Context, key: &ObjectKey) {
    let files = context.config.data_folder.join("files").join(&key.name);
    if let Err(error) = fs::remove_dir_all(&files)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %files.display(), %error, "private files stay");
    }
}
