//! What the cache survives.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use aspire_plugins::Source;
use support::{Guest, caching, expand, write};

/// The cache's entry of a plugin: code and record.
fn entry(cache: &Path) -> (PathBuf, PathBuf) {
    let mut found = (PathBuf::new(), PathBuf::new());
    for folder in fs::read_dir(cache).expect("the cache").flatten() {
        for file in fs::read_dir(folder.path()).expect("a folder").flatten() {
            match file
                .path()
                .extension()
                .and_then(|extension| extension.to_str())
            {
                Some("cwasm") => found.0 = file.path(),
                Some("json") => found.1 = file.path(),
                _ => {}
            }
        }
    }
    assert!(found.0.is_file() && found.1.is_file(), "{found:?}");
    found
}

struct Cached {
    folder: tempfile::TempDir,
    wasm: PathBuf,
}

impl Cached {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let wasm = write(folder.path(), "a.wasm", &Guest::default().component());
        Self { folder, wasm }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Loads with a new host; whether the code came from the cache.
    fn load(&self) -> bool {
        let host = caching(&self.cache());
        let plugin = host
            .load_one(&Source::File(self.wasm.clone()))
            .expect("it loads");
        assert!(expand(&plugin).is_ok());
        assert_eq!(plugin.descriptor().kinds.len(), 1);
        plugin.from_cache()
    }
}

#[test]
fn the_cache_is_used() {
    let cached = Cached::new();
    assert!(!cached.load());
    assert!(cached.load());
    let (code, record) = entry(&cached.cache());
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&code), mode(&record)), (0o600, 0o600));
    assert_eq!(mode(&cached.cache()), 0o700);
    // Touched, but the same: checked by contents and used.
    let contents = fs::read(&code).expect("code");
    fs::write(&code, contents).expect("written");
    assert!(cached.load());
    // Another plugin in the same file is another plugin.
    fs::write(
        &cached.wasm,
        Guest {
            expand: "(nop)",
            ..Guest::default()
        }
        .component(),
    )
    .expect("ok");
    assert!(!cached.load());
}

#[test]
fn a_seen_file_is_not_read_again() {
    let cached = Cached::new();
    assert!(!cached.load());
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600);
    let file = fs::File::options()
        .write(true)
        .open(&cached.wasm)
        .expect("a file");
    file.set_modified(old).expect("a time");
    // The change of its time is itself recent; once that is two seconds ago, it is remembered.
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    assert!(cached.load());
    assert_eq!(
        fs::read_dir(cached.cache().join("seen"))
            .expect("there")
            .count(),
        1
    );
    assert!(cached.load());
    // Replaced by something else: noticed.
    fs::write(&cached.wasm, b"bad").expect("written");
    let host = caching(&cached.cache());
    let error = host
        .load_one(&Source::File(cached.wasm.clone()))
        .expect_err("it is bad now");
    assert_eq!(error.code(), "plugin-not-wasm");
}

#[test]
fn damaged_entries_are_made_again() {
    let cached = Cached::new();
    assert!(!cached.load());
    let damages: [fn(&Path, &Path); 8] = [
        |code, _| fs::write(code, &fs::read(code).expect("code")[..1_000]).expect("truncated"),
        |code, _| fs::write(code, b"").expect("emptied"),
        |code, _| fs::write(code, b"#!/bin/sh\nfalse\n").expect("foreign"),
        |code, _| {
            let mut contents = fs::read(code).expect("code");
            let middle = contents.len() / 2;
            contents[middle] ^= 1;
            fs::write(code, contents).expect("one bit");
        },
        |code, _| fs::remove_file(code).expect("gone"),
        |_, record| fs::write(record, b"{}").expect("nonsense"),
        |_, record| fs::remove_file(record).expect("gone"),
        |code, _| {
            let elsewhere = code.with_extension("elsewhere");
            fs::rename(code, &elsewhere).expect("moved");
            symlink(&elsewhere, code).expect("linked");
        },
    ];
    for (index, damage) in damages.into_iter().enumerate() {
        let (code, record) = entry(&cached.cache());
        damage(&code, &record);
        assert!(!cached.load(), "damage {index} was not noticed");
        assert!(cached.load(), "damage {index} was not mended");
    }
    // A file that others may write to is not trusted either.
    let (code, _) = entry(&cached.cache());
    fs::set_permissions(&code, fs::Permissions::from_mode(0o666)).expect("changed");
    assert!(!cached.load());
}

#[test]
fn folders_that_others_control_are_refused() {
    let cached = Cached::new();
    fs::create_dir(cached.cache()).expect("a folder");
    let warning = || {
        let host = caching(&cached.cache());
        let loaded = host
            .load_one(&Source::File(cached.wasm.clone()))
            .expect("it loads anyway");
        assert!(!loaded.from_cache());
        host.warnings()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    for mode in [0o770, 0o707, 0o777] {
        fs::set_permissions(cached.cache(), fs::Permissions::from_mode(mode)).expect("changed");
        assert!(warning().contains("others may write to it"), "{mode:o}");
    }
    fs::remove_dir(cached.cache()).expect("empty");
    let elsewhere = cached.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    symlink(&elsewhere, cached.cache()).expect("linked");
    assert!(warning().contains("it is a symbolic link"));
    fs::remove_file(cached.cache()).expect("a link");
    fs::write(cached.cache(), "").expect("a file");
    assert!(warning().contains("it is no folder"), "{}", warning());
    // A folder that cannot be made: its parent is a file.
    let host = caching(&cached.wasm.join("cache"));
    assert_eq!(host.warnings().len(), 1);
}

#[test]
fn a_full_or_read_only_cache_costs_a_warning() {
    let cached = Cached::new();
    assert!(!cached.load());
    let (code, record) = entry(&cached.cache());
    fs::remove_file(&record).expect("gone");
    fs::remove_file(&code).expect("gone");
    // As root nothing is read-only; a folder in the place of the file has the same effect.
    fs::create_dir(&code).expect("a folder");
    fs::write(code.join("occupied"), "").expect("a file");
    let host = caching(&cached.cache());
    let plugin = host
        .load_one(&Source::File(cached.wasm.clone()))
        .expect("it loads anyway");
    assert!(expand(&plugin).is_ok());
    assert_eq!(plugin.warnings().len(), 1);
    assert_eq!(plugin.warnings()[0].code, "plugin-cache");
}

#[test]
fn other_versions_are_forgotten_in_time() {
    let cached = Cached::new();
    fs::create_dir(cached.cache()).expect("a folder");
    fs::set_permissions(cached.cache(), fs::Permissions::from_mode(0o700)).expect("private");
    let other = |name: &str, days: u64| {
        let folder = cached.cache().join(name);
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("code.cwasm"), "").expect("a file");
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(days * 86_400);
        fs::File::open(&folder)
            .and_then(|file| file.set_modified(then))
            .expect("a time");
        folder
    };
    let (old, recent) = (other("0.0.1-old", 40), other("0.0.2-recent", 3));
    assert!(!cached.load());
    assert!(!old.exists() && recent.exists());
}
