//! The shape of the tree: which crate may reach what, how long a file may grow, what every file
//! begins with.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Normal dependencies of every package of the workspace, by name.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            (
                package["id"].as_str().unwrap(),
                package["name"].as_str().unwrap(),
            )
        })
        .collect();
    metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| {
            let direct = node["deps"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dep| {
                    dep["dep_kinds"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .any(|kind| kind["kind"].is_null())
                })
                .map(|dep| names[dep["pkg"].as_str().unwrap()].to_owned())
                .collect();
            (names[node["id"].as_str().unwrap()].to_owned(), direct)
        })
        .collect()
}

/// Everything that a crate reaches, itself not included.
fn reach(of: &str, direct: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut queue = vec![of.to_owned()];
    while let Some(name) = queue.pop() {
        for next in direct.get(&name).into_iter().flatten() {
            if seen.insert(next.clone()) {
                queue.push(next.clone());
            }
        }
    }
    seen
}

#[test]
fn dependencies_point_one_way() {
    let direct = dependencies();
    // Whom each of our crates may name directly.
    let allowed: [(&str, &[&str]); 7] = [
        ("aspire-model", &[]),
        ("aspire-api", &[]),
        ("aspire-compiler", &["aspire-api", "aspire-model"]),
        ("aspire-plugins", &["aspire-model"]),
        ("aspire-dcp", &["aspire-api"]),
        (
            "aspire-host",
            &[
                "aspire-api",
                "aspire-compiler",
                "aspire-dcp",
                "aspire-model",
                "aspire-plugins",
            ],
        ),
        ("aspire-sdk", &[]),
    ];
    for (name, allowed) in allowed {
        let ours: BTreeSet<&str> = direct[name]
            .iter()
            .map(String::as_str)
            .filter(|dependency| dependency.starts_with("aspire-"))
            .collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        assert!(
            ours.is_subset(&allowed),
            "{name} may not depend on {:?}",
            &ours - &allowed
        );
    }
    for (name, dependencies) in &direct {
        if name.starts_with("aspire-plugin-") {
            let only: BTreeSet<String> = BTreeSet::from(["aspire-sdk".to_owned()]);
            assert_eq!(
                *dependencies, only,
                "{name} is built with nothing but the SDK"
            );
        }
    }
}

#[test]
fn what_a_crate_must_not_reach() {
    let direct = dependencies();
    let forbidden: [(&str, &[&str]); 6] = [
        (
            "aspire-model",
            &[
                "tokio", "wasmtime", "bollard", "axum", "hyper", "rustix", "libc",
            ],
        ),
        (
            "aspire-api",
            &["tokio", "wasmtime", "bollard", "axum", "hyper", "rustix"],
        ),
        (
            "aspire-compiler",
            &[
                "tokio",
                "wasmtime",
                "bollard",
                "hyper",
                "aspire-plugins",
                "aspire-dcp",
            ],
        ),
        (
            "aspire-plugins",
            &[
                "tokio",
                "bollard",
                "hyper",
                "aspire-compiler",
                "aspire-dcp",
                "wasmtime-wasi",
            ],
        ),
        (
            "aspire-dcp",
            &[
                "wasmtime",
                "aspire-compiler",
                "aspire-plugins",
                "aspire-model",
            ],
        ),
        (
            "aspire-sdk",
            &["tokio", "wasmtime", "bollard", "aspire-model"],
        ),
    ];
    for (name, forbidden) in forbidden {
        let reached = reach(name, &direct);
        let found: Vec<&&str> = forbidden
            .iter()
            .filter(|crate_| reached.contains(**crate_))
            .collect();
        assert!(found.is_empty(), "{name} reaches {found:?}");
    }
    for library in ["wasmtime", "bollard"] {
        let owners: Vec<&String> = direct
            .iter()
            .filter(|(name, deps)| name.starts_with("aspire-") && deps.contains(library))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(owners.len(), 1, "{library} is known by {owners:?}");
    }
}

/// Every source file of ours.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, all: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("target") {
                    walk(&path, all);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                all.push((path, text));
            }
        }
    }
    let mut all = Vec::new();
    for folder in ["host", "sdk", "plugins", "tests", "examples"] {
        walk(&root().join(folder), &mut all);
    }
    assert!(all.len() > 50, "the sources were not found");
    all
}

#[test]
fn files_begin_with_what_they_are_for_and_stay_short() {
    for (path, text) in sources() {
        assert!(
            text.starts_with("//!"),
            "{} does not say what it is for",
            path.display()
        );
        let lines = text.lines().count();
        assert!(
            lines <= 600,
            "{} has {lines} lines; it is two things",
            path.display()
        );
    }
}

#[test]
fn unsafe_stands_where_it_may() {
    // The example forks by hand what it compares with.
    let allowed = [
        "host/plugins/src/native.rs",
        "host/dcp/src/os",
        "host/dcp/examples",
        "sdk/rust/src",
        "tests/",
    ];
    for (path, text) in sources() {
        let relative = path.strip_prefix(root()).unwrap().display().to_string();
        let found = text.lines().find(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl")
        });
        if let Some(line) = found {
            assert!(
                allowed.iter().any(|place| relative.starts_with(place)),
                "{relative}: unsafe has no place here: {line}"
            );
        }
    }
}

#[test]
fn every_fact_is_documented() {
    let text = std::fs::read_to_string(root().join("docs/facts.md")).unwrap();
    let source = std::fs::read_to_string(root().join("host/model/src/fact.rs")).unwrap();
    let table = source
        .split("fields! {")
        .nth(1)
        .unwrap()
        .split("\n}")
        .next()
        .unwrap();
    let names: Vec<&str> = table.split('"').skip(1).step_by(2).collect();
    assert!(names.len() > 30);
    for name in names {
        assert!(
            text.contains(&format!("| `{name}` |")),
            "docs/facts.md lacks `{name}`"
        );
    }
}

/// Whether a file has a test of this name, as cargo knows it.
fn has_test(path: &str, name: &str) -> bool {
    let Ok(text) = std::fs::read_to_string(root().join(path)) else {
        return false;
    };
    let (module, function) = name.rsplit_once("::").unwrap_or(("", name));
    // `a/b.rs` is module b, and so are its tests below it.
    let stem = Path::new(path).file_stem().unwrap().to_string_lossy();
    let known = module
        .split("::")
        .any(|part| part == "tests" || part == stem);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let place = lines.iter().position(|line| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .is_some_and(|rest| rest.starts_with(&format!("{function}(")))
    });
    let is_test = place.is_some_and(|place| {
        let above = lines[..place].iter().rev();
        let mut attributes = above.take_while(|line| line.starts_with('#'));
        attributes.any(|line| matches!(*line, "#[test]" | "#[tokio::test]"))
    });
    (module.is_empty() || known) && is_test
}

#[test]
fn every_clause_has_its_test() {
    let text = std::fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let mut groups = BTreeSet::new();
    let mut clauses = BTreeSet::new();
    // Without the head of the table.
    for row in rows.skip(1) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [clause, says, tests, engines] = cells[..] else {
            panic!("not four cells: {row}");
        };
        assert!(cells.iter().all(|cell| !cell.is_empty()), "empty: {row}");
        assert!(says.len() > 10, "it says nothing: {row}");
        assert!(clauses.insert(clause.to_owned()), "twice: {row}");
        let group = clause.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let group: u32 = group.parse().unwrap_or_else(|_| panic!("no number: {row}"));
        groups.insert(group);
        for test in tests.split("; ") {
            let names: Vec<&str> = test.split('`').collect();
            let ["", path, " ", name, ""] = names[..] else {
                panic!("not a file and a test: {test}");
            };
            assert!(has_test(path, name), "there is no test {name} in {path}");
        }
        let engines: BTreeSet<&str> = engines.split(", ").collect();
        let known = BTreeSet::from(["docker", "fake", "processes", "none"]);
        assert!(engines.is_subset(&known), "{row}");
        // Containers, networks and volumes are shown on the real engine.
        let containers = matches!(group, 1..=14 | 17 | 27..=29 | 33 | 34 | 38 | 39);
        assert!(!containers || engines.contains("docker"), "{row}");
    }
    assert_eq!(
        groups,
        (1..=41).collect(),
        "one of the groups has no clause"
    );
}
