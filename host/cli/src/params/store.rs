//! Values that are kept outside the project: `param set`, and passwords made up once.
//!
//! Knows one file per instance, readable by its user alone. Doesn't know which values are used.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::files::{self, Lock};

/// What is kept.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Values {
    /// By `param set`.
    pub(crate) set: BTreeMap<String, String>,
    /// Made up.
    pub(crate) generated: BTreeMap<String, String>,
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<Vec<_>>();
        write!(
            f,
            "Values(set {:?}, generated {:?})",
            names(&self.set),
            names(&self.generated)
        )
    }
}

/// The file of one instance.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// In the instance's private folder.
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("parameters.json")
    }

    /// What is kept; nothing where there is no file.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn load(&self) -> Result<Values> {
        read(&self.file())
    }

    /// Changes what is kept; two processes at once don't lose each other's changes.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Values) -> T) -> Result<T> {
        files::private_folder(&self.folder)?;
        let _lock = Lock::wait(&self.folder.join("parameters.lock"))?;
        let mut values = read(&self.file())?;
        let before = values.clone();
        let result = change(&mut values);
        if values != before {
            let text = serde_json::to_string_pretty(&values).context("cannot write the values")?;
            files::write_atomically(&self.file(), text.as_bytes(), 0o600)?;
        }
        Ok(result)
    }
}

fn read(file: &Path) -> Result<Values> {
    let Some(text) = files::read_optional(file)? else {
        return Ok(Values::default());
    };
    // The parser's message may repeat a part of the text.
    serde_json::from_str(&text).map_err(|error| {
        Problem::environment(format!(
            "{} is damaged (line {}, column {})",
            file.display(),
            error.line(),
            error.column()
        ))
        .help("repair or remove it; generated passwords of kept data are lost with it")
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_privately() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("deep/er"));
        assert_eq!(store.load().unwrap(), Values::default());
        store
            .change(|values| values.set.insert("key".into(), "hunter2".into()))
            .unwrap();
        assert_eq!(store.load().unwrap().set["key"], "hunter2");
        assert_eq!(
            format!("{:?}", store.load().unwrap()),
            "Values(set [\"key\"], generated [])"
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode =
                |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(store.file()), 0o600);
            assert_eq!(mode(store.folder.clone()), 0o700);
        }
    }

    #[test]
    fn a_damaged_file_is_told_without_its_text() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("parameters.json"), "{\"set\": hunter2").unwrap();
        let error = Store::new(folder.path()).load().unwrap_err();
        assert!(!format!("{error:#}").contains("hunter2"));
    }
}
