//! The folders in which plugins are found by name.
//!
//! Knows the order of folders. Doesn't open any of them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{env, files};

/// In order: `--plugin-path`, the environment, beside the binary, the user's data folder.
pub(crate) fn plugin_path(options: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders = options.to_vec();
    folders.extend(env::plugin_path());
    let binary = std::env::current_exe()
        .ok()
        .and_then(|file| fs::canonicalize(file).ok());
    if let Some(folder) = binary.as_deref().and_then(Path::parent) {
        folders.extend(beside(folder));
    }
    if let Ok(data) = files::user_data() {
        folders.push(data.join("plugins"));
    }
    let mut unique: Vec<PathBuf> = Vec::new();
    for folder in folders {
        if !unique.contains(&folder) {
            unique.push(folder);
        }
    }
    unique
}

/// Relative to the binary's folder: a build's, then an installation's.
fn beside(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.join("plugins")];
    if let Some(above) = folder.parent() {
        folders.push(above.join("plugins"));
        folders.push(above.join("lib/aspire-host/plugins"));
    }
    folders
}

/// The name that a plugin goes by where nobody gave it one: its file's, without `.wasm`.
pub(crate) fn alias_of(source: &str) -> &str {
    let file = source
        .rsplit(['/', std::path::MAIN_SEPARATOR])
        .next()
        .unwrap_or(source);
    file.strip_suffix(".wasm").unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_folders() {
        let folders = plugin_path(&["/first".into(), "/first".into()]);
        assert_eq!(folders[0], Path::new("/first"));
        assert_eq!(
            folders
                .iter()
                .filter(|folder| folder.ends_with("first"))
                .count(),
            1
        );
        assert_eq!(
            beside(Path::new("/t/debug")),
            [
                "/t/debug/plugins",
                "/t/plugins",
                "/t/lib/aspire-host/plugins"
            ]
            .map(PathBuf::from)
        );
        assert_eq!(alias_of("./plugins/redis.wasm"), "redis");
        assert_eq!(alias_of("redis"), "redis");
    }
}
