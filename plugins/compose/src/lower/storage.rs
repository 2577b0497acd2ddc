//! Mounts: named volumes, paths of the machine, and memory for what need not last.

use aspire_sdk::serde_json::{Value as Json, json};
use aspire_sdk::{Grade, Mount};

use super::Lowerer;
use crate::symbol;

impl Lowerer<'_> {
    /// Entries of `volumes` for a resource's mounts.
    pub(super) fn mounts(&mut self, resource: &str) -> Vec<Json> {
        let mounts = self.model.mounts(resource);
        mounts
            .iter()
            .filter_map(|(key, mount)| self.mount(resource, key, mount))
            .collect()
    }

    fn mount(&mut self, resource: &str, key: &str, mount: &Mount) -> Option<Json> {
        let fact = format!("mounts.{key}");
        let Mount {
            kind,
            source,
            target,
            read_only,
        } = mount;
        let mut entry = match kind.as_str() {
            "volume" => {
                let name = self.volume_name(resource, key, source);
                json!({ "type": "volume", "source": name, "target": target })
            }
            "bind" => {
                let reason = "a path of the machine that Compose runs on";
                self.row(resource, &fact, Grade::Adapted, reason);
                json!({ "type": "bind", "source": symbol::path(source), "target": target })
            }
            "scratch" => {
                let reason = "kept in memory (tmpfs), in which nothing can be executed";
                self.row(resource, &fact, Grade::Adapted, reason);
                json!({ "type": "tmpfs", "target": target })
            }
            other => {
                let reason = format!("a mount of kind `{other}` is not known");
                self.row(resource, &fact, Grade::Dropped, reason);
                return None;
            }
        };
        if *read_only && kind != "scratch" {
            entry["read_only"] = true.into();
        }
        Some(entry)
    }

    fn volume_name(&mut self, resource: &str, key: &str, source: &str) -> String {
        let wanted = if source.is_empty() {
            format!("{resource}-{key}")
        } else {
            source.to_owned()
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let name: String = wanted
            .chars()
            .map(|c| if legal(c) { c } else { '-' })
            .collect();
        if name != wanted {
            let reason = format!("`{wanted}` is no name of a volume in Compose: `{name}`");
            self.row(resource, &format!("mounts.{key}"), Grade::Adapted, reason);
        }
        self.volumes
            .entry(name.clone())
            .or_insert_with(|| resource.to_owned());
        name
    }
}
