//! Which files are watched: what was named, without what is ignored. Pure.
//!
//! A path without a pattern is a file, or a folder with everything in it. Patterns are those of
//! `.gitignore`. What was named is watched even where something else says that it is ignored:
//! ignoring begins below it.

use std::path::{Component, Path, PathBuf};

use aspire_compiler::run::Watched;
use aspire_dcp::ignore::Ignore;

/// What is no source of anything: histories, what tools make, what editors leave for a moment, and
/// the app file, which is followed in another way.
const NEVER: &str = "\
.git
.hg
.jj
.svn
.aspire-host
node_modules
target
__pycache__
.venv
.idea
.vscode
.DS_Store
*.pyc
*.log
*.swp
*.swx
*~
.#*
\\#*#
4913
aspire.toml
aspire.lock
";

/// A path that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The part of it without patterns.
    pub(super) root: PathBuf,
    /// The rest.
    pattern: Option<Ignore>,
}

/// Patterns of what is ignored, relative to a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct List {
    folder: PathBuf,
    patterns: Ignore,
    /// Counts in places outside of the folder, too.
    everywhere: bool,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    /// What was named.
    pub(super) places: Vec<Place>,
    lists: Vec<List>,
    program: Option<PathBuf>,
}

impl Rules {
    pub(super) fn of(watched: &Watched) -> Self {
        let mut own = NEVER.to_owned();
        for pattern in &watched.ignore {
            own.push_str(pattern);
            own.push('\n');
        }
        let list = List {
            folder: plain(&watched.folder),
            patterns: Ignore::parse_git(&own),
            everywhere: true,
        };
        Self {
            places: watched.paths.iter().map(|path| place(path)).collect(),
            lists: vec![list],
            program: watched.program.as_deref().map(plain),
        }
    }

    /// What a `.gitignore` in a folder says.
    pub(super) fn add_git(&mut self, folder: &Path, text: &str) {
        self.add(folder, Ignore::parse_git(text));
    }

    /// What a `.dockerignore` in a folder says.
    pub(super) fn add_docker(&mut self, folder: &Path, text: &str) {
        self.add(folder, Ignore::parse(text));
    }

    fn add(&mut self, folder: &Path, patterns: Ignore) {
        let list = List {
            folder: plain(folder),
            patterns,
            everywhere: false,
        };
        if !list.patterns.is_empty() && !self.lists.contains(&list) {
            self.lists.push(list);
        }
    }

    /// A change of this file is a reason.
    pub(super) fn wants(&self, file: &Path) -> bool {
        if self.program.as_deref() == Some(file) {
            return false;
        }
        self.places.iter().any(|place| {
            let Ok(below) = file.strip_prefix(&place.root) else {
                return false;
            };
            let is_named = match &place.pattern {
                None => true,
                Some(pattern) => pattern.matches(&name(below)),
            };
            is_named && !self.ignores(place, file)
        })
    }

    /// Something in this folder may be a reason.
    pub(super) fn enters(&self, folder: &Path) -> bool {
        self.places
            .iter()
            .any(|place| folder.starts_with(&place.root) && !self.ignores(place, folder))
    }

    /// It, or what is to be in it one day, is a reason to look.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        self.wants(path)
            || self.enters(path)
            || self.places.iter().any(|place| place.root.starts_with(path))
    }

    /// The place that a file was found through which says most about where it is.
    pub(super) fn place_of(&self, file: &Path) -> Option<&Place> {
        let places = self
            .places
            .iter()
            .filter(|place| file.starts_with(&place.root));
        places.max_by_key(|place| place.root.components().count())
    }

    fn ignores(&self, place: &Place, path: &Path) -> bool {
        self.lists.iter().any(|list| {
            let base = if list.everywhere && !path.starts_with(&list.folder) {
                &place.root
            } else {
                &list.folder
            };
            let matches = |path: &Path| match path.strip_prefix(base) {
                Ok(below) if !below.as_os_str().is_empty() => list.patterns.matches(&name(below)),
                _ => false,
            };
            matches(path) && !matches(&place.root)
        })
    }
}

/// A named path, parted where its first pattern is.
fn place(path: &Path) -> Place {
    let path = plain(path);
    let mut root = PathBuf::new();
    let mut rest = Vec::new();
    for part in path.components() {
        let text = part.as_os_str().to_string_lossy();
        if rest.is_empty() && !text.contains(['*', '?', '[']) {
            root.push(part);
        } else {
            rest.push(text.into_owned());
        }
    }
    let pattern = (!rest.is_empty()).then(|| Ignore::parse(&rest.join("/")));
    Place { root, pattern }
}

/// A path without `.` and `..`.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

/// As patterns have it.
fn name(below: &Path) -> String {
    let parts: Vec<_> = below
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aspire_model::annotation::WatchAction;

    fn rules(paths: &[&str], ignore: &[&str]) -> Rules {
        let folder = Path::new("/app");
        Rules::of(&Watched {
            resource: "web".into(),
            workloads: Vec::new(),
            action: WatchAction::Restart,
            paths: paths.iter().map(|path| folder.join(path)).collect(),
            ignore: ignore.iter().map(|text| (*text).to_owned()).collect(),
            folder: folder.into(),
            context: None,
            builds_here: false,
            program: Some("/app/bin/web".into()),
            target: String::new(),
        })
    }

    #[test]
    fn what_is_named_and_what_is_ignored() {
        let cases: [(&[&str], &[&str], &str, bool); 24] = [
            (&["."], &[], "/app/a/b.rs", true),
            (&["."], &[], "/other/b.rs", false),
            (&["."], &[], "/app/target/debug/x", false),
            (&["."], &[], "/app/web/node_modules/x.js", false),
            (&["."], &[], "/app/a/.b.rs.swp", false),
            (&["."], &[], "/app/a/#b.rs#", false),
            (&["."], &[], "/app/aspire.toml", false),
            (&["."], &[], "/app/bin/web", false),
            (&["."], &[], "/app/bin/web2", true),
            (&["."], &["dist/"], "/app/a/dist/x", false),
            (&["."], &["a/dist"], "/app/a/dist/x", false),
            (&["."], &["a/dist"], "/app/b/dist/x", true),
            (&["."], &["!target"], "/app/target/x", true),
            (&["src", "Cargo.toml"], &[], "/app/src/x", true),
            (&["src", "Cargo.toml"], &[], "/app/Cargo.toml", true),
            (&["src", "Cargo.toml"], &[], "/app/Cargo.lock", false),
            (&["src/**/*.rs"], &[], "/app/src/a/b.rs", true),
            (&["src/**/*.rs"], &[], "/app/src/a/b.txt", false),
            (&["*.html"], &[], "/app/a.html", true),
            (&["*.html"], &[], "/app/a/b.html", false),
            // Named, and so watched.
            (&["target/site"], &[], "/app/target/site/x", true),
            (&["run.log"], &[], "/app/run.log", true),
            // Beside the app.
            (&["../lib"], &["gen"], "/lib/a.rs", true),
            (&["../lib"], &["gen"], "/lib/x/gen/a.rs", false),
        ];
        for (paths, ignore, file, wanted) in cases {
            let found = rules(paths, ignore).wants(Path::new(file));
            assert_eq!(found, wanted, "{paths:?} {ignore:?} {file}");
        }
    }

    #[test]
    fn lists_of_other_tools_count_below_their_folder() {
        let mut rules = rules(&["."], &[]);
        rules.add_git(Path::new("/app/web"), "dist\n/only\n");
        rules.add_docker(Path::new("/app/image"), "docs\n!docs/keep\n");
        for (file, wanted) in [
            ("/app/web/dist/x", false),
            ("/app/web/a/dist/x", false),
            ("/app/web/a/only", true),
            ("/app/dist/x", true),
            ("/app/image/docs/x", false),
            ("/app/image/a/docs/x", true),
        ] {
            assert_eq!(rules.wants(Path::new(file)), wanted, "{file}");
        }
        assert!(!rules.enters(Path::new("/app/web/dist")));
        assert!(rules.enters(Path::new("/app/web/src")));
    }

    #[test]
    fn a_place_is_known_by_its_longest_root() {
        let rules = rules(&[".", "web/static", "web/*.html"], &[]);
        for (file, root) in [
            ("/app/a", "/app"),
            ("/app/web/static/a.css", "/app/web/static"),
            ("/app/web/a.html", "/app/web"),
        ] {
            let place = rules.place_of(Path::new(file)).unwrap();
            assert_eq!(place.root, Path::new(root), "{file}");
        }
    }
}
