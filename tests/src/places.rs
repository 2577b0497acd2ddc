//! Where things are: the repository, the binary, plugins, guests of the tests, programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Prints a remark of a test.
#[expect(clippy::print_stdout, reason = "the remarks of tests belong there")]
pub fn say(text: &str) {
    println!("{text}");
}

/// Under CI nothing may be skipped.
pub fn under_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// Rare and slow cases are wanted too.
pub fn slow() -> bool {
    std::env::var("ASPIRE_SLOW").is_ok_and(|value| value == "1")
}

/// The repository.
pub fn repository() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.parent()
            .expect("tests/ is a folder of the repository")
            .to_owned()
    })
}

/// Cargo's target folder, which the running test is in.
pub fn target() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let test = std::env::current_exe().expect("a running program has a file");
        let found = test
            .ancestors()
            .find(|folder| folder.join("CACHEDIR.TAG").exists());
        found
            .expect("a test lies in cargo's target folder")
            .to_owned()
    })
}

/// The binary under test.
///
/// # Panics
/// It was not built.
pub fn binary() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let given = std::env::var_os("ASPIRE_HOST_BIN").map(PathBuf::from);
        let path = given.unwrap_or_else(|| target().join("debug/aspire-host"));
        assert!(
            path.is_file(),
            "{} is missing: run `cargo build -p aspire-host` (or `make test`)",
            path.display()
        );
        path.canonicalize().expect("it is there")
    })
}

/// The file of a plugin of this repository.
///
/// # Panics
/// It was not built.
pub fn plugin(name: &str) -> PathBuf {
    let given = std::env::var_os("ASPIRE_HOST_PLUGINS").map(PathBuf::from);
    let path = given
        .unwrap_or_else(|| target().join("plugins"))
        .join(format!("{name}.wasm"));
    assert!(
        path.is_file(),
        "{} is missing: run `make plugins`",
        path.display()
    );
    path
}

/// The folder of this repository's plugins.
pub fn plugins() -> PathBuf {
    let mut path = plugin("redis");
    path.pop();
    path
}

/// The file of a plugin that only tests have (`tests/guests`); all are built at the first request.
///
/// # Panics
/// They cannot be built.
pub fn guest(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let outcome = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([
                "build",
                "--quiet",
                "--target",
                "wasm32-wasip2",
                "--profile",
                "plugin",
            ])
            .args(["-p", "aspire-guest-hostile", "-p", "aspire-guest-left"])
            .args(["-p", "aspire-guest-right", "--target-dir"])
            .arg(target())
            .current_dir(repository())
            // What cargo told the test about itself must not reach another cargo.
            .env_remove("RUSTFLAGS")
            .stdin(Stdio::null())
            .output()
            .expect("cargo can be run");
        let errors = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert!(
            outcome.status.success(),
            "the guests of the tests cannot be built:\n{errors}"
        );
        target().join("wasm32-wasip2/plugin")
    });
    folder.join(format!("{name}.wasm"))
}

/// The map from official images to stand-ins.
pub fn image_map() -> PathBuf {
    repository().join("tests/images/standins.toml")
}

/// Whether a program is on the PATH.
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}
