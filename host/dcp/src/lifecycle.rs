//! What a persistent container or process is made from, part by part: the key that decides whether the one
//! that is there is still the one that is wanted, and if not, the words for why.
//!
//! Computed over what the user wrote, before placeholders are replaced: a new random password or
//! port is no reason to make a container anew. Parts are kept as labels, as short digests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aspire_api::container::Container;
use aspire_api::executable::{EnvVar, Executable};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Label: the key.
pub(crate) const KEY_LABEL: &str = "aspire-host.lifecycle-key";
/// Labels: the parts; those of the environment by variable.
const PART: &str = "aspire-host.made-from.";

/// What a container is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lifecycle {
    /// The key.
    pub(crate) key: String,
    /// The user chose it.
    chosen: bool,
    parts: BTreeMap<String, String>,
}

impl Lifecycle {
    /// Of an object.
    pub(crate) fn of(container: &Container) -> Self {
        let spec = &container.spec;
        let mut parts = BTreeMap::new();
        let mut part = |name: &str, text: String| {
            parts.insert(name.to_owned(), text);
        };
        match &spec.build {
            Some(build) => {
                let mut text = json(build);
                let folder = std::path::Path::new(&build.context);
                let file = folder.join(build.dockerfile.as_deref().unwrap_or("Dockerfile"));
                text.push_str(&contents(&file));
                part("build", digest(&text));
            }
            None => part("image", digest(&json(&(&spec.image, &spec.image_layers)))),
        }
        let mut mounts: Vec<String> = spec.volume_mounts.iter().map(json).collect();
        mounts.sort();
        part("mounts", digest(&json(&mounts)));
        let mut ports: Vec<String> = spec.ports.iter().map(json).collect();
        ports.sort();
        part("ports", digest(&json(&ports)));
        part("env", digests(&spec.env));
        let files = spec.env_files.iter().map(|file| contents(file.as_ref()));
        part("env-files", digest(&files.collect::<String>()));
        part("files", digest(&files_of(container)));
        part("command", digest(&json(&(&spec.command, &spec.args))));
        part("networks", digest(&json(&spec.networks)));
        part("labels", digest(&json(&spec.labels)));
        if !spec.run_args.is_empty() {
            part("run-args", digest(&json(&spec.run_args)));
        }
        part("certificates", digest(&json(&spec.pem_certificates)));
        if spec.monitor_pid.is_some() {
            let monitored = (&spec.monitor_pid, &spec.monitor_timestamp);
            part("monitor", digest(&json(&monitored)));
        }
        if let Some(aspire) = &spec.aspire {
            let limits = (&aspire.cpu_millis, &aspire.memory, &aspire.privileges);
            let place = (&aspire.user, &aspire.working_directory);
            part("settings", digest(&json(&(limits, place))));
        }
        Self::made(spec.lifecycle_key.as_ref(), parts)
    }

    /// Of a process. What it inherits doesn't count.
    pub(crate) fn of_executable(executable: &Executable) -> Self {
        let spec = &executable.spec;
        let mut parts = BTreeMap::new();
        let mut part = |name: &str, text: String| {
            parts.insert(name.to_owned(), text);
        };
        part("program", digest(&json(&spec.executable_path)));
        part("args", digest(&json(&spec.args)));
        part("folder", digest(&json(&spec.working_directory)));
        part("env", digests(&spec.env));
        let files = spec.env_files.iter().map(|file| contents(file.as_ref()));
        part("env-files", digest(&files.collect::<String>()));
        let monitored = (&spec.monitor_pid, &spec.monitor_timestamp);
        part("monitor", digest(&json(&monitored)));
        part("ambient", digest(&json(&spec.ambient_environment)));
        part("certificates", digest(&json(&spec.pem_certificates)));
        if let Some(aspire) = &spec.aspire {
            part("files", digest(&json(&aspire.files)));
            let steps = (&aspire.build_command, &aspire.prepare);
            let place = (&aspire.run_as, &aspire.data_folders, &aspire.endpoints);
            part("settings", digest(&json(&(steps, place))));
        }
        Self::made(spec.lifecycle_key.as_ref(), parts)
    }

    fn made(chosen: Option<&String>, parts: BTreeMap<String, String>) -> Self {
        Self {
            key: match chosen {
                Some(key) => key.clone(),
                None => digest(&json(&parts)),
            },
            chosen: chosen.is_some(),
            parts,
        }
    }

    /// For the container.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (String, String)> {
        let parts = self.parts.iter();
        let parts = parts.map(|(name, text)| (format!("{PART}{name}"), text.clone()));
        parts.chain([(KEY_LABEL.to_owned(), self.key.clone())])
    }

    /// Whether a container with these labels is made from the same.
    pub(crate) fn is_of(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(KEY_LABEL) == Some(&self.key)
    }

    /// In what it differs from a container with these labels, in words.
    pub(crate) fn changes(&self, labels: &BTreeMap<String, String>) -> String {
        let mut words = Vec::new();
        if self.chosen {
            words.push("lifecycleKey".to_owned());
        }
        let known = |name: &str| labels.get(&format!("{PART}{name}")).map(String::as_str);
        let all = self.parts.keys().map(String::as_str);
        let there = labels.keys().filter_map(|label| label.strip_prefix(PART));
        let names: std::collections::BTreeSet<&str> = all.chain(there).collect();
        for name in names {
            let wanted = self.parts.get(name).map(String::as_str);
            match (wanted, known(name)) {
                (wanted, known) if wanted == known => {}
                (Some(wanted), Some(known)) if name == "env" => {
                    let changed = variables(wanted, known);
                    words.extend(changed.map(|variable| format!("env {variable}")));
                }
                _ => words.push(name.to_owned()),
            }
        }
        if words.is_empty() {
            return "it was made by another version".to_owned();
        }
        format!("{} changed", words.join(", "))
    }
}

/// A digest of each variable; the last one of a name counts.
fn digests(env: &[EnvVar]) -> String {
    let env: BTreeMap<&str, &str> = env.iter().map(|it| (&*it.name, &*it.value)).collect();
    let mut variables = String::new();
    for (name, value) in env {
        let _ = write!(variables, "{name}={} ", digest(value));
    }
    variables.trim_end().to_owned()
}

/// The variables in which two environments differ.
fn variables(one: &str, other: &str) -> impl Iterator<Item = String> {
    let read = |text: &str| -> BTreeMap<String, String> {
        let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(name, hash)| (name.to_owned(), hash.to_owned()))
            .collect()
    };
    let (one, other) = (read(one), read(other));
    let names: std::collections::BTreeSet<String> =
        one.keys().chain(other.keys()).cloned().collect();
    names
        .into_iter()
        .filter(move |name| one.get(name) != other.get(name))
}

/// Files to make, with the contents of those that are copied.
fn files_of(container: &Container) -> String {
    let trees = &container.spec.create_files;
    let mut text = json(trees);
    let mut left: Vec<_> = trees.iter().flat_map(|tree| &tree.entries).collect();
    while let Some(entry) = left.pop() {
        if let Some(source) = &entry.source {
            text.push_str(&contents(source.as_ref()));
        }
        left.extend(&entry.entries);
    }
    text
}

/// A digest of what a file holds; one that can't be read is like an empty one.
fn contents(path: &std::path::Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    hex(&Sha256::digest(bytes), 16)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()), 8)
}

fn hex(bytes: &[u8], length: usize) -> String {
    let digits = bytes.iter().take(length);
    digits.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use aspire_api::container::{ContainerBuild, VolumeMountKind};
    use aspire_api::container::{ContainerPort, Label, NetworkAttachment, VolumeMount};
    use aspire_api::service::Protocol;

    use super::*;

    fn env(name: &str, value: &str) -> EnvVar {
        EnvVar {
            name: name.into(),
            value: value.into(),
        }
    }

    fn base() -> Container {
        let mut container = Container::default();
        container.spec.image = "db:1".into();
        container.spec.env = vec![env("A", "{{secret \"a\"}}"), env("CACHE_SIZE", "1")];
        container
    }

    fn told(change: impl FnOnce(&mut Container)) -> String {
        let before: BTreeMap<_, _> = Lifecycle::of(&base()).labels().collect();
        let mut changed = base();
        change(&mut changed);
        let after = Lifecycle::of(&changed);
        if after.is_of(&before) {
            return "the same".into();
        }
        after.changes(&before)
    }

    #[test]
    fn every_part_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.env").display().to_string();
        std::fs::write(&file, "A=1").unwrap();
        let port = ContainerPort {
            host_port: None,
            container_port: 1,
            protocol: Protocol::Tcp,
            host_ip: None,
        };
        let mount = VolumeMount {
            kind: VolumeMountKind::Volume,
            source: "data".into(),
            target: "/data".into(),
            read_only: false,
        };
        let network = NetworkAttachment {
            name: "app".into(),
            aliases: Vec::new(),
        };
        let label = Label {
            key: "a".into(),
            value: "b".into(),
        };
        assert_eq!(told(|_| {}), "the same");
        assert_eq!(told(|it| it.spec.stop = true), "the same");
        assert_eq!(told(|it| it.spec.image = "db:2".into()), "image changed");
        assert_eq!(
            told(|it| it.spec.env[1].value = "2".into()),
            "env CACHE_SIZE changed"
        );
        assert_eq!(
            told(|it| it.spec.env = vec![env("A", "x"), env("B", "y")]),
            "env A, env B, env CACHE_SIZE changed"
        );
        assert_eq!(
            told(|it| it.spec.args = vec!["x".into()]),
            "command changed"
        );
        assert_eq!(told(|it| it.spec.ports = vec![port]), "ports changed");
        assert_eq!(
            told(|it| it.spec.volume_mounts = vec![mount]),
            "mounts changed"
        );
        assert_eq!(
            told(|it| it.spec.networks = Some(vec![network])),
            "networks changed"
        );
        assert_eq!(told(|it| it.spec.labels = vec![label]), "labels changed");
        assert_eq!(
            told(|it| it.spec.env_files = vec![file]),
            "env-files changed"
        );
        let build = |it: &mut Container| it.spec.build = Some(ContainerBuild::default());
        assert_eq!(told(build), "build, image changed");
        let options = |it: &mut Container| it.spec.run_args = vec!["--init".into()];
        assert_eq!(told(options), "run-args changed");
        let chosen = |it: &mut Container| it.spec.lifecycle_key = Some("mine".into());
        assert_eq!(told(chosen), "lifecycleKey changed");
    }

    #[test]
    fn every_part_of_a_process_is_told() {
        let told = |change: fn(&mut Executable)| {
            let mut base = Executable::default();
            base.spec.env = vec![env("A", "1")];
            let before: BTreeMap<_, _> = Lifecycle::of_executable(&base).labels().collect();
            change(&mut base);
            let after = Lifecycle::of_executable(&base);
            match after.is_of(&before) {
                true => "the same".to_owned(),
                false => after.changes(&before),
            }
        };
        assert_eq!(told(|it| it.spec.stop = true), "the same");
        assert_eq!(
            told(|it| it.spec.executable_path = "x".into()),
            "program changed"
        );
        assert_eq!(told(|it| it.spec.args = vec!["x".into()]), "args changed");
        assert_eq!(
            told(|it| it.spec.env[0].value = "2".into()),
            "env A changed"
        );
        assert_eq!(
            told(|it| it.spec.working_directory = Some("/".into())),
            "folder changed"
        );
        assert_eq!(
            told(|it| it.spec.lifecycle_key = Some("k".into())),
            "lifecycleKey changed"
        );
    }

    #[test]
    fn a_chosen_key_outweighs_everything() {
        let mut chosen = base();
        chosen.spec.lifecycle_key = Some("v1".into());
        let labels: BTreeMap<_, _> = Lifecycle::of(&chosen).labels().collect();
        chosen.spec.image = "other:1".into();
        assert!(Lifecycle::of(&chosen).is_of(&labels));
        chosen.spec.lifecycle_key = None;
        let words = Lifecycle::of(&chosen).changes(&labels);
        assert_eq!(words, "image changed");
        assert_eq!(
            Lifecycle::of(&base())
                .changes(&BTreeMap::new())
                .split(' ')
                .next_back(),
            Some("changed")
        );
    }

    #[test]
    fn contents_of_files_count() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.env");
        let mut container = base();
        container.spec.env_files = vec![file.display().to_string()];
        std::fs::write(&file, "A=1").unwrap();
        let labels: BTreeMap<_, _> = Lifecycle::of(&container).labels().collect();
        std::fs::write(&file, "A=2").unwrap();
        let after = Lifecycle::of(&container);
        assert!(!after.is_of(&labels));
        assert_eq!(after.changes(&labels), "env-files changed");
    }
}
