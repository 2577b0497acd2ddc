//! From what the user wrote to a file.
//!
//! A value with a slash is a path; one without is a file of that name, then a name on the plugin
//! path. `.wasm` is optional. Doesn't read any plugin.

use std::path::{Path, PathBuf};

use crate::error::LoadError;

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// As the user wrote it.
    Named {
        /// Path or name.
        value: String,
        /// What relative paths begin at: the folder of the file that names it, or the working
        /// folder.
        base: PathBuf,
    },
    /// A file.
    File(PathBuf),
    /// Contents that are there already.
    Bytes {
        /// What messages call them.
        name: String,
        /// The contents.
        contents: Vec<u8>,
    },
}

impl Source {
    /// As the user wrote it.
    pub fn named(value: impl Into<String>, base: impl Into<PathBuf>) -> Self {
        Self::Named {
            value: value.into(),
            base: base.into(),
        }
    }
}

const EXTENSION: &str = "wasm";

/// Finds the file.
pub(crate) fn locate(
    value: &str,
    base: &Path,
    plugin_path: &[PathBuf],
) -> Result<PathBuf, LoadError> {
    if value.contains("://") {
        return Err(LoadError::NotServed {
            value: value.to_owned(),
        });
    }
    let here = std::iter::once(base);
    let is_path = value.contains('/') || value.contains(std::path::MAIN_SEPARATOR);
    let elsewhere = plugin_path
        .iter()
        .map(PathBuf::as_path)
        .filter(|_| !is_path);
    let mut searched = Vec::new();
    for folder in here.chain(elsewhere) {
        for candidate in candidates(&folder.join(value)) {
            if candidate.is_file() {
                return Ok(candidate);
            }
            searched.push(candidate);
        }
    }
    searched.dedup();
    let nearest = if is_path {
        None
    } else {
        nearest(value, plugin_path)
    };
    Err(LoadError::NotFound {
        value: value.to_owned(),
        searched,
        nearest,
    })
}

/// The path as it is and, without the extension, with it.
fn candidates(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    if path
        .extension()
        .is_none_or(|extension| extension != EXTENSION)
    {
        let mut with = path.as_os_str().to_owned();
        with.push(".");
        with.push(EXTENSION);
        all.push(with.into());
    }
    all
}

/// Every plugin on the path: name and file, in order of name; the first folder wins.
pub fn list(plugin_path: &[PathBuf]) -> Vec<(String, PathBuf)> {
    let mut found = std::collections::BTreeMap::new();
    for folder in plugin_path {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path
                .extension()
                .is_some_and(|extension| extension == EXTENSION)
                && let Some(name) = path.file_stem().and_then(|name| name.to_str())
            {
                found.entry(name.to_owned()).or_insert(path.clone());
            }
        }
    }
    found.into_iter().collect()
}

fn nearest(value: &str, plugin_path: &[PathBuf]) -> Option<String> {
    let names = list(plugin_path);
    let wanted = value.strip_suffix(".wasm").unwrap_or(value);
    let found = aspire_model::name::nearest(wanted, names.iter().map(|(name, _)| name.as_str()));
    found.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolution() {
        let root = tempfile::tempdir().expect("a folder");
        let (base, path) = (root.path().join("app"), root.path().join("plugins"));
        for folder in [&base, &path, &base.join("sub")] {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        let touch = |file: PathBuf| std::fs::write(&file, "").map(|()| file).expect("a file");
        let plugin_path = [root.path().join("missing"), path.clone()];
        let find = |value: &str| locate(value, &base, &plugin_path);

        let on_path = touch(path.join("redis.wasm"));
        assert_eq!(find("redis").as_ref(), Ok(&on_path));
        assert_eq!(find("redis.wasm").as_ref(), Ok(&on_path));
        let here = touch(base.join("redis.wasm"));
        assert_eq!(
            find("redis").as_ref(),
            Ok(&here),
            "a file here comes before the path"
        );
        let sub = touch(base.join("sub/redis.wasm"));
        assert_eq!(find("./sub/redis").as_ref(), Ok(&sub));
        assert_eq!(
            find(&sub.display().to_string()).as_ref(),
            Ok(&sub),
            "absolute"
        );

        touch(path.join("postgres.wasm"));
        assert!(
            matches!(find("./postgres"), Err(LoadError::NotFound { .. })),
            "slash: no path"
        );
        let Err(LoadError::NotFound {
            searched, nearest, ..
        }) = find("postgers")
        else {
            panic!("it should not be found");
        };
        assert_eq!(searched.len(), 6);
        assert_eq!(nearest.as_deref(), Some("postgres"));
        assert!(matches!(
            find("oci://x/y"),
            Err(LoadError::NotServed { .. })
        ));
    }
}
