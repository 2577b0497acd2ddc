//! Which instance of an app this is: an id made at the first run, kept with the folder it was made
//! in, and the lock that keeps an instance from running twice.
//!
//! Knows when a folder is a copy. Doesn't know what carries the id.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use aspire_model::ResourceName;
use rand::Rng as _;
use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::files::{self, Lock};

mod owner;

pub(crate) use owner::{Owner, running_instances};

/// Name of the state folder beside `aspire.toml`.
const STATE: &str = ".aspire-host";

/// Name of the mark that an engine has been used.
const ENGINE: &str = "engine-used";
/// Where data of native programs is when root's own folders are closed to their users.
const SHARED: &str = "/var/lib/aspire-host";

/// What `.aspire-host/instance` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// The id.
    id: String,
    /// The folder that it was made in or was moved to, without symbolic links.
    path: String,
}

/// What to do with the record that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Decision {
    /// It is ours.
    Keep(String),
    /// The folder was moved: keep the id, write the new path.
    Moved(String),
    /// There is none, or the folder is a copy of one that still has it.
    New,
}

/// Whose record this is. `original` is what the record's own path says today.
fn decide(found: Option<&Record>, here: &str, original: Option<&Record>) -> Decision {
    match found {
        None => Decision::New,
        Some(record) if record.path == here => Decision::Keep(record.id.clone()),
        Some(record) if original.is_some_and(|other| other.id == record.id) => Decision::New,
        Some(record) => Decision::Moved(record.id.clone()),
    }
}

/// An app's instance and its folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    /// Name of the app.
    pub(crate) app: String,
    /// Part of the names of everything that belongs to it.
    pub(crate) id: String,
    /// `.aspire-host` beside the app.
    pub(crate) state: PathBuf,
    /// Its private folder in the user's data folder: passwords and the lock.
    pub(crate) data: PathBuf,
    /// Where data and private files of native programs are.
    pub(crate) native: PathBuf,
    /// The user gave it its name.
    pub(crate) is_named: bool,
}

impl Instance {
    /// The instance of an app, made when it is the first time.
    ///
    /// # Errors
    /// A name that is none, or a folder that cannot be written.
    pub(crate) fn settle(folder: &Path, app: &str, wanted: Option<&str>) -> Result<Self> {
        let here = canonical(folder)?;
        let state = make_state_folder(&here)?;
        let id = match wanted {
            Some(name) => named(name)?,
            None => settle_id(&here, &state)?,
        };
        let instance = Self::of(id, state, app, wanted.is_some())?;
        files::private_folder(&instance.data)?;
        make_native_folder(&instance.native)?;
        Ok(instance)
    }

    /// The instance of an app, if it is known; nothing is written.
    ///
    /// # Errors
    /// A name that is none.
    pub(crate) fn find(folder: &Path, app: &str, wanted: Option<&str>) -> Result<Option<Self>> {
        let here = canonical(folder)?;
        let state = here.join(STATE);
        let id = match wanted {
            Some(name) => Some(named(name)?),
            None => {
                let (found, original) = read_both(&state);
                match decide(found.as_ref(), &here.to_string_lossy(), original.as_ref()) {
                    Decision::Keep(id) | Decision::Moved(id) => Some(id),
                    Decision::New => None,
                }
            }
        };
        id.map(|id| Self::of(id, state, app, wanted.is_some()))
            .transpose()
    }

    fn of(id: String, state: PathBuf, app: &str, is_named: bool) -> Result<Self> {
        let name = format!("{app}-{id}");
        let data = files::user_data()?.join("instances").join(&name);
        let native = native_folder(&data, &name);
        Ok(Self {
            app: app.to_owned(),
            id,
            state,
            data,
            native,
            is_named,
        })
    }

    /// Where the control plane keeps records, logs and ports of this instance.
    pub(crate) fn run_folder(&self) -> PathBuf {
        self.state.join("instances").join(&self.id)
    }

    /// By which file clients find the control plane of a run: `.aspire-host/kubeconfig`, or, for an
    /// instance with a name of its own, one in its folder.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        if self.is_named {
            self.run_folder().join("kubeconfig")
        } else {
            self.state.join("kubeconfig")
        }
    }

    /// Remembers that a container engine holds data of this instance.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn remember_engine(&self) -> Result<()> {
        let path = self.data.join(ENGINE);
        fs::write(&path, "").with_context(|| format!("cannot write {}", path.display()))
    }

    /// A container engine may hold data of this instance.
    pub(crate) fn has_used_engine(&self) -> bool {
        self.data.join(ENGINE).exists()
    }

    /// No container engine holds data of this instance any more.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn forget_engine(&self) -> Result<()> {
        let path = self.data.join(ENGINE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot delete {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// A run of this instance has not ended orderly.
    pub(crate) fn has_records(&self) -> bool {
        let records = fs::read_dir(self.run_folder().join("records"));
        records.is_ok_and(|mut records| records.next().is_some())
    }

    /// Keeps it from running twice, for as long as the lock lives.
    ///
    /// # Errors
    /// It runs already: exit code 1, with its pid.
    pub(crate) fn lock(&self) -> Result<Lock> {
        match Lock::take(&self.data.join("lock"))? {
            Ok(mut lock) => {
                lock.describe(&owner::Owner::this(self).write())
                    .context("cannot write the lock of the instance")?;
                Ok(lock)
            }
            Err(owner) => bail!(running(&owner)),
        }
    }

    /// Who runs it now, if anybody does; nothing is locked for the look.
    pub(crate) fn owner(&self) -> Option<Owner> {
        Owner::read(&self.data.join("lock"))
    }
}

/// By which file clients would find the control plane of an app in a folder, whether it runs or not.
pub(crate) fn kubeconfig_of(folder: &Path, wanted: Option<&str>) -> PathBuf {
    let state = folder.join(STATE);
    match wanted {
        Some(name) => state
            .join("instances")
            .join(name.to_ascii_lowercase())
            .join("kubeconfig"),
        None => state.join("kubeconfig"),
    }
}

/// Below the private folder; where the host is root, programs may run as other users, and those
/// have to be able to pass through to it.
fn native_folder(data: &Path, name: &str) -> PathBuf {
    let below = data.join("native");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let can_pass = |folder: &Path| {
            // A folder that is not there yet will be made by us, private.
            fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o001 != 0)
        };
        let own = data.parent().and_then(Path::parent);
        let outside = own
            .and_then(Path::parent)
            .into_iter()
            .flat_map(Path::ancestors);
        if is_root() && !outside.into_iter().all(can_pass) {
            return Path::new(SHARED).join("instances").join(name);
        }
    }
    let _ = name;
    below
}

#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn make_native_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    #[cfg(unix)]
    if is_root() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = match folder.strip_prefix(SHARED) {
            Ok(_) => PathBuf::from(SHARED),
            Err(_) => files::user_data()?,
        };
        // To pass through, not to look into: what is private below is private by itself.
        for own in folder
            .ancestors()
            .take_while(|above| above.starts_with(&root))
        {
            fs::set_permissions(own, fs::Permissions::from_mode(0o711))
                .with_context(|| format!("cannot open the folder {}", own.display()))?;
        }
    }
    Ok(())
}

fn running(owner: &str) -> Problem {
    let pid = owner
        .lines()
        .find_map(|line| line.strip_prefix("pid "))
        .unwrap_or("unknown");
    Problem::app(format!("this instance runs already, as process {pid}"))
        .help("stop it first (Ctrl-C there), or run a second one beside it: `--instance NAME`")
}

fn settle_id(here: &Path, state: &Path) -> Result<String> {
    let (found, original) = read_both(state);
    let path = here.to_string_lossy();
    let id = match decide(found.as_ref(), &path, original.as_ref()) {
        Decision::Keep(id) => return Ok(id),
        Decision::Moved(id) => id,
        Decision::New => new_id(),
    };
    let record = Record {
        id: id.clone(),
        path: path.into_owned(),
    };
    let text = serde_json::to_string(&record).context("cannot write the instance")?;
    files::write_atomically(&state.join("instance"), text.as_bytes(), 0o644)?;
    Ok(id)
}

/// The record of a state folder, and what the folder that it names says today.
fn read_both(state: &Path) -> (Option<Record>, Option<Record>) {
    let read = |file: &Path| -> Option<Record> {
        // A record that cannot be read is none: the instance is new.
        serde_json::from_str(&fs::read_to_string(file).ok()?).ok()
    };
    let found = read(&state.join("instance")).filter(|record| named(&record.id).is_ok());
    let original = found
        .as_ref()
        .and_then(|record| read(&Path::new(&record.path).join(STATE).join("instance")));
    (found, original)
}

fn make_state_folder(folder: &Path) -> Result<PathBuf> {
    let state = folder.join(STATE);
    fs::create_dir_all(&state)
        .with_context(|| format!("cannot make the folder {}", state.display()))?;
    let ignore = state.join(".gitignore");
    if !ignore.exists() {
        files::write_atomically(&ignore, b"*\n", 0o644)?;
    }
    Ok(state)
}

fn canonical(folder: &Path) -> Result<PathBuf> {
    fs::canonicalize(folder).with_context(|| format!("cannot find {}", folder.display()))
}

fn named(name: &str) -> Result<String> {
    match ResourceName::new(name) {
        Ok(name) if name.as_str().len() <= 32 => Ok(name.as_str().to_ascii_lowercase()),
        Ok(name) => bail!(Problem::usage(format!(
            "--instance {name}: at most 32 characters"
        ))),
        Err(error) => bail!(Problem::usage(format!("--instance: {error}"))),
    }
}

/// A letter, then letters and digits.
fn new_id() -> String {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz";
    const ALL: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let mut random = rand::rng();
    (0..8)
        .map(|index| {
            let alphabet = if index == 0 { LETTERS } else { ALL };
            char::from(alphabet[random.random_range(0..alphabet.len())])
        })
        .collect()
}

#[cfg(test)]
mod tests;
