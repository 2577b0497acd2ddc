//! The decision about permissions, as a table, and the file that it is kept in.

use aspire_model::grant::Permission;
use aspire_plugins::Manifest;
use aspire_plugins::lock::{Allowed, Decision, Lock, LockEntry, Missing, decide};

const OLD: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const NEW: &str = "2222222222222222222222222222222222222222222222222222222222222222";

fn permissions(texts: &str) -> Vec<Permission> {
    texts
        .split_whitespace()
        .map(|text| Permission::parse(text).expect("a permission"))
        .collect()
}

fn manifest(wishes: &str) -> Manifest {
    Manifest {
        id: "p".into(),
        version: semver::Version::new(2, 0, 0),
        interface: semver::Version::new(0, 1, 0),
        wishes: permissions(wishes),
    }
}

fn entry(digest: &str, asked: &str, granted: &str) -> LockEntry {
    LockEntry {
        version: "1.0.0".into(),
        sha256: digest.into(),
        asked: permissions(asked),
        granted: permissions(granted),
    }
}

#[derive(Default)]
struct Case<'a> {
    name: &'a str,
    wishes: &'a str,
    entry: Option<LockEntry>,
    by_app: &'a str,
    by_command: &'a str,
    ceiling: Option<&'a str>,
    granted: &'a str,
    missing: &'a [(&'a str, Missing)],
    /// What the diff adds; none: no stop.
    added: Option<&'a str>,
    recorded: &'a str,
}

impl Case<'_> {
    fn decide(&self) -> Decision {
        let (by_app, by_command) = (permissions(self.by_app), permissions(self.by_command));
        let ceiling = self.ceiling.map(permissions);
        let allowed = Allowed {
            by_app: &by_app,
            by_command: &by_command,
            ceiling: ceiling.as_deref(),
        };
        decide(&manifest(self.wishes), NEW, self.entry.as_ref(), allowed)
    }

    fn check(&self) {
        let name = self.name;
        let decision = self.decide();
        let granted: Vec<Permission> = decision.granted.0.iter().cloned().collect();
        assert_eq!(granted, permissions(self.granted), "{name}: granted");
        let missing: Vec<(String, Missing)> = decision
            .missing
            .iter()
            .map(|(one, why)| (one.to_string(), *why))
            .collect();
        let expected: Vec<(String, Missing)> = self
            .missing
            .iter()
            .map(|(one, why)| ((*one).to_owned(), *why))
            .collect();
        assert_eq!(missing, expected, "{name}: missing");
        let added = decision.changed.map(|change| change.added);
        assert_eq!(added, self.added.map(permissions), "{name}: added");
        assert_eq!(
            decision.entry.granted,
            permissions(self.recorded),
            "{name}: recorded"
        );
        assert_eq!(decision.entry.sha256, NEW, "{name}: digest");
    }
}

#[test]
fn the_table() {
    use Missing::{Forbidden, NotGranted, NotServed};
    let cases = [
        Case {
            name: "asks for nothing",
            ..Case::default()
        },
        Case {
            name: "new and not granted",
            wishes: "host-path",
            missing: &[("host-path", NotGranted)],
            ..Case::default()
        },
        Case {
            name: "allowed in the app file, which stays the place where that is said",
            wishes: "host-path",
            by_app: "host-path",
            granted: "host-path",
            ..Case::default()
        },
        Case {
            name: "allowed on the command line, and recorded",
            wishes: "host-path privileged",
            by_command: "host-path",
            granted: "host-path",
            missing: &[("privileged", NotGranted)],
            recorded: "host-path",
            ..Case::default()
        },
        Case {
            name: "never more than it asks for",
            wishes: "run-process:redis-server",
            by_app: "run-process:* host-path",
            granted: "run-process:redis-server",
            ..Case::default()
        },
        Case {
            name: "the operator's ceiling",
            wishes: "host-path run-process:sh",
            by_app: "host-path run-process:sh",
            ceiling: Some("run-process:redis-server host-path"),
            granted: "host-path",
            missing: &[("run-process:sh", Forbidden)],
            ..Case::default()
        },
        Case {
            name: "known, but not served",
            wishes: "dial",
            by_app: "dial",
            missing: &[("dial", NotServed)],
            ..Case::default()
        },
        Case {
            name: "same digest, granted before",
            wishes: "host-path",
            entry: Some(entry(NEW, "host-path", "host-path")),
            granted: "host-path",
            recorded: "host-path",
            ..Case::default()
        },
        Case {
            name: "same digest, refused before",
            wishes: "host-path",
            entry: Some(entry(NEW, "host-path", "")),
            missing: &[("host-path", NotGranted)],
            ..Case::default()
        },
        Case {
            name: "new digest that asks for no more keeps its grant",
            wishes: "host-path",
            entry: Some(entry(OLD, "host-path privileged", "host-path")),
            granted: "host-path",
            recorded: "host-path",
            ..Case::default()
        },
        Case {
            name: "new digest that asks for what was refused before asks for no more",
            wishes: "host-path privileged",
            entry: Some(entry(OLD, "host-path privileged", "host-path")),
            granted: "host-path",
            missing: &[("privileged", NotGranted)],
            recorded: "host-path",
            ..Case::default()
        },
        Case {
            name: "new digest that asks for more stops, and has nothing meanwhile",
            wishes: "host-path privileged",
            entry: Some(entry(OLD, "host-path", "host-path")),
            missing: &[("host-path", NotGranted), ("privileged", NotGranted)],
            added: Some("privileged"),
            recorded: "host-path",
            ..Case::default()
        },
        Case {
            name: "new digest that asks for more than any program was asked for before",
            wishes: "run-process:sh",
            entry: Some(entry(
                OLD,
                "run-process:redis-server",
                "run-process:redis-server",
            )),
            missing: &[("run-process:sh", NotGranted)],
            added: Some("run-process:sh"),
            ..Case::default()
        },
        Case {
            name: "new digest that asks for more, which the app file allows",
            wishes: "host-path privileged",
            entry: Some(entry(OLD, "host-path", "host-path")),
            by_app: "privileged",
            granted: "host-path privileged",
            recorded: "host-path",
            ..Case::default()
        },
        Case {
            name: "new digest that asks for more, answered yes",
            wishes: "host-path privileged",
            entry: Some(entry(OLD, "host-path", "host-path")),
            by_command: "privileged",
            granted: "host-path privileged",
            recorded: "host-path privileged",
            ..Case::default()
        },
    ];
    for case in &cases {
        case.check();
    }
}

#[test]
fn a_diff_says_what_changed() {
    let case = Case {
        wishes: "privileged",
        entry: Some(entry(OLD, "host-path", "host-path")),
        ..Case::default()
    };
    let change = case.decide().changed.expect("it asks for more");
    assert_eq!(change.before, ("1.0.0".into(), OLD.into()));
    assert_eq!(change.now, ("2.0.0".into(), NEW.into()));
    assert_eq!(change.removed, permissions("host-path"));
    let decision = Case {
        wishes: "run-process:redis-server",
        ..Case::default()
    }
    .decide();
    assert_eq!(
        decision.allow_options("redis"),
        ["--allow redis=run-process:redis-server"]
    );
}

#[test]
fn the_file() {
    let mut lock = Lock::default();
    lock.plugins
        .insert("redis".into(), entry(NEW, "run-process:redis-server", ""));
    lock.plugins
        .insert("policy".into(), entry(OLD, "edit:* host-path", "edit:*"));
    let text = lock.print();
    assert_eq!(
        text,
        format!(
            r#"# Written by aspire-host: the plugins of this app and what they may do. Commit it.
version = 1

[plugins."policy"]
version = "1.0.0"
sha256 = "{OLD}"
asked = ["edit:*", "host-path"]
granted = ["edit:*"]

[plugins."redis"]
version = "1.0.0"
sha256 = "{NEW}"
asked = ["run-process:redis-server"]
granted = []
"#
        )
    );
    assert_eq!(Lock::parse(&text).as_ref(), Ok(&lock));

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("aspire.lock");
    assert_eq!(Lock::read(&path), Ok(Lock::default()), "none yet");
    lock.write(&path).expect("written");
    assert_eq!(Lock::read(&path), Ok(lock.clone()));
    let before = std::fs::metadata(&path)
        .and_then(|m| m.modified())
        .expect("a time");
    lock.write(&path).expect("nothing to write");
    assert_eq!(
        std::fs::metadata(&path)
            .and_then(|m| m.modified())
            .expect("a time"),
        before
    );
}

#[test]
fn malformed_files() {
    let error = |text: &str| Lock::parse(text).expect_err(text).to_string();
    assert!(error("version = ").starts_with("aspire.lock: TOML parse error at line 1"));
    assert_eq!(error(""), "aspire.lock: `version` is missing");
    assert_eq!(
        error("version = 9"),
        "aspire.lock: it has format 9, and this version reads 1"
    );
    assert_eq!(
        error("version = 1\nextra = 1"),
        "aspire.lock: unknown key `extra`"
    );
    assert_eq!(
        error("version = 1\nplugins = 1"),
        "aspire.lock: `plugins` is no table"
    );
    let entry = |rest: &str| {
        error(&format!(
            "version = 1\n[plugins.p]\nversion = \"1\"\nsha256 = \"{OLD}\"\n{rest}"
        ))
    };
    assert_eq!(
        entry("granted = []"),
        "aspire.lock: `plugins.p.asked` is no list of texts"
    );
    assert!(
        entry("asked = [\"root\"]\ngranted = []")
            .contains("`plugins.p.asked`: `root` is no permission")
    );
    assert_eq!(
        entry("asked = []\ngranted = []\nmore = 1"),
        "aspire.lock: unknown key `plugins.p.more`"
    );
    assert_eq!(
        error(
            "version = 1\n[plugins.p]\nversion = \"1\"\nsha256 = \"x\"\nasked = []\ngranted = []"
        ),
        "aspire.lock: `plugins.p.sha256` is no SHA-256"
    );
}
