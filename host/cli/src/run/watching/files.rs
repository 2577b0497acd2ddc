//! The files that are watched for a resource: what is in them, and which folders they are in.
//!
//! What counts is contents: a file that was written with what it had before has not changed. Doesn't
//! know what follows from a change.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aspire_compiler::run::Watched;

use super::decide::Paths;
use super::rules::Rules;

/// Larger files are known by size and time alone.
const LARGE: u64 = 1 << 20;

/// What a file is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Print {
    /// A hash of what is in it.
    Contents(u64),
    /// What its stamp says.
    Large(Stamp),
}

/// Files and what is known of them.
#[derive(Debug)]
pub(super) struct Files {
    rules: Rules,
    known: BTreeMap<PathBuf, (Stamp, Print)>,
}

/// Bytes and time of a file; where they are the same, so is most probably what is in it.
type Stamp = (u64, Option<SystemTime>);

/// Has a folder watched, without what is below it; true: it is.
pub(super) type WatchFolder<'a> = &'a mut dyn FnMut(&Path);

impl Files {
    /// As they are now. May take long.
    pub(super) fn begin(watched: &Watched, watch: WatchFolder<'_>) -> Self {
        let mut files = Self {
            rules: Rules::of(watched),
            known: BTreeMap::new(),
        };
        if let Some(context) = &watched.context
            && let Ok(text) = fs::read_to_string(context.join(".dockerignore"))
        {
            files.rules.add_docker(context, &text);
        }
        for root in files.roots() {
            files.read_lists_above(&root);
        }
        files.look(&Paths::new(), true, watch);
        files
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What was named, or where it will be one day.
    pub(super) fn roots(&self) -> Paths {
        let places = self.rules.places.iter();
        places.map(|place| place.root.clone()).collect()
    }

    /// Which of the files that were touched, or lie below a folder that was, changed; `all`: and of
    /// all others, by their stamps. May take long.
    pub(super) fn look(&mut self, touched: &Paths, all: bool, watch: WatchFolder<'_>) -> Paths {
        let mut changed = Paths::new();
        let roots = self.roots();
        for path in touched {
            let below = roots.iter().filter(|root| root.starts_with(path));
            for root in below.filter(|root| *root != path) {
                self.look_at_root(root, false, &mut changed, watch);
            }
            if roots.contains(path) {
                self.look_at_root(path, false, &mut changed, watch);
            } else {
                self.look_at(path, false, &mut changed, watch);
            }
        }
        for root in roots.iter().filter(|_| all) {
            self.look_at_root(root, true, &mut changed, watch);
        }
        changed
    }

    fn look_at_root(
        &mut self,
        root: &Path,
        quick: bool,
        changed: &mut Paths,
        watch: WatchFolder<'_>,
    ) {
        if !root.is_dir() {
            // It may come, or another may come in its place.
            watch_above(root, watch);
        }
        self.look_at(root, quick, changed, watch);
    }

    fn look_at(&mut self, path: &Path, quick: bool, changed: &mut Paths, watch: WatchFolder<'_>) {
        let below = self.known.range(path.to_owned()..);
        let gone: Vec<PathBuf> = below
            .map(|(file, _)| file)
            .take_while(|file| file.starts_with(path))
            .filter(|file| !file.is_file())
            .cloned()
            .collect();
        for file in gone {
            self.known.remove(&file);
            changed.insert(file);
        }
        let mut left = vec![path.to_owned()];
        while let Some(path) = left.pop() {
            // A link to a folder is not followed: it may lead back here.
            let Ok(found) = fs::symlink_metadata(&path) else {
                continue;
            };
            if found.is_dir() {
                if !self.rules.enters(&path) {
                    continue;
                }
                // Before it is read, so that nothing is missed.
                watch(&path);
                if let Ok(text) = fs::read_to_string(path.join(".gitignore")) {
                    self.rules.add_git(&path, &text);
                }
                let entries = fs::read_dir(&path).into_iter().flatten().flatten();
                left.extend(entries.map(|entry| entry.path()));
            } else if self.rules.wants(&path) {
                self.compare(path, quick, changed);
            }
        }
    }

    fn compare(&mut self, file: PathBuf, quick: bool, changed: &mut Paths) {
        let Ok(found) = fs::metadata(&file) else {
            return;
        };
        let stamp = (found.len(), found.modified().ok());
        let known = self.known.get(&file);
        if !found.is_file() || quick && known.is_some_and(|(known, _)| *known == stamp) {
            return;
        }
        let print = if found.len() > LARGE {
            Print::Large(stamp)
        } else {
            let Ok(bytes) = fs::read(&file) else { return };
            let mut hasher = DefaultHasher::new();
            hasher.write(&bytes);
            Print::Contents(hasher.finish())
        };
        let known = self.known.insert(file.clone(), (stamp, print));
        if known.is_none_or(|(_, known)| known != print) {
            changed.insert(file);
        }
    }

    /// What git ignores here because of lists in folders above, up to the repository's own.
    fn read_lists_above(&mut self, root: &Path) {
        for folder in root.ancestors() {
            if let Ok(text) = fs::read_to_string(folder.join(".gitignore")) {
                self.rules.add_git(folder, &text);
            }
            if folder.join(".git").exists() {
                return;
            }
        }
    }
}

/// The nearest folder that is there.
fn watch_above(path: &Path, watch: WatchFolder<'_>) {
    if let Some(folder) = path.ancestors().skip(1).find(|folder| folder.is_dir()) {
        watch(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aspire_model::annotation::WatchAction;

    fn begin(folder: &Path, paths: &[&str]) -> (Files, Paths) {
        let watched = Watched {
            resource: "web".into(),
            workloads: Vec::new(),
            action: WatchAction::Restart,
            paths: paths.iter().map(|path| folder.join(path)).collect(),
            ignore: Vec::new(),
            folder: folder.to_owned(),
            context: None,
            builds_here: false,
            program: None,
            target: String::new(),
        };
        let mut folders = Paths::new();
        let files = Files::begin(&watched, &mut |path| folders.extend([path.to_owned()]));
        (files, folders)
    }

    fn look(files: &mut Files, touched: &[PathBuf]) -> (Vec<PathBuf>, Paths) {
        let mut folders = Paths::new();
        let touched = touched.iter().cloned().collect();
        let changed = files.look(&touched, false, &mut |path| {
            folders.extend([path.to_owned()]);
        });
        (changed.into_iter().collect(), folders)
    }

    #[test]
    fn only_other_contents_are_a_change() {
        let place = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(place.path()).unwrap();
        fs::create_dir_all(folder.join("src/target")).unwrap();
        let (a, b) = (folder.join("src/a"), folder.join("src/b"));
        fs::write(&a, "1").unwrap();
        fs::write(&b, "1").unwrap();
        let (mut files, folders) = begin(&folder, &["src"]);
        assert_eq!(folders, Paths::from([folder.join("src")]));
        fs::write(&a, "1").unwrap();
        fs::write(&b, "2").unwrap();
        let both = [a.clone(), b.clone()];
        assert_eq!(look(&mut files, &both).0, std::slice::from_ref(&b));
        assert_eq!(look(&mut files, &both).0, [] as [PathBuf; 0]);
        // Nobody told, and the stamp does.
        fs::write(&a, "33").unwrap();
        let all = files.look(&Paths::new(), true, &mut |_| {});
        assert_eq!(all, Paths::from([a.clone()]));
        // Folders come and go with what is in them.
        let new = folder.join("src/new/deep");
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("c"), "1").unwrap();
        let (changed, folders) = look(&mut files, &[folder.join("src/new")]);
        assert_eq!(changed, [new.join("c")]);
        assert_eq!(folders, Paths::from([folder.join("src/new"), new.clone()]));
        fs::remove_dir_all(folder.join("src/new")).unwrap();
        fs::remove_file(&a).unwrap();
        let (changed, _) = look(&mut files, &[folder.join("src/new"), a.clone()]);
        assert_eq!(changed, [a, new.join("c")]);
    }

    #[test]
    fn what_is_not_there_yet_is_waited_for_above() {
        let place = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(place.path()).unwrap();
        let (mut files, folders) = begin(&folder, &["web/conf.ini"]);
        assert_eq!(folders, Paths::from([folder.clone()]));
        fs::create_dir(folder.join("web")).unwrap();
        let (changed, folders) = look(&mut files, &[folder.join("web")]);
        assert!(changed.is_empty());
        assert_eq!(folders, Paths::from([folder.join("web")]));
        let conf = folder.join("web/conf.ini");
        fs::write(&conf, "1").unwrap();
        assert_eq!(
            look(&mut files, std::slice::from_ref(&conf)).0,
            std::slice::from_ref(&conf)
        );
    }
}
