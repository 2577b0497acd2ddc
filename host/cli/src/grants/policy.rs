//! The operator's ceiling: what plugins may be granted at all on this machine.
//!
//! Knows the policy files: the machine's, which always counts, and one more that the environment
//! names. Doesn't know what was granted. An unknown key is an error: a rule that is not enforced
//! must not look as if it were.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use aspire_model::grant::Permission;
use toml_edit::{DocumentMut, Item};

use crate::error::Problem;
use crate::{env, files};

/// The machine's policy.
const MACHINE: &str = "/etc/aspire-host/policy.toml";

/// Every policy of this machine: what each plugin may be granted, by manifest id; `*` is every
/// other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Policies(Vec<BTreeMap<String, Vec<Permission>>>);

impl Policies {
    /// Reads them.
    ///
    /// # Errors
    /// A file that cannot be read, one that is named and is not there, or an unknown key.
    pub(crate) fn load() -> Result<Self> {
        let mut policies = Self::default();
        let named = env::policy();
        for path in std::iter::once(PathBuf::from(MACHINE)).chain(named.clone()) {
            match files::read_optional(&path)? {
                Some(text) => policies.0.push(read(&path, &text)?),
                None if named.as_ref() == Some(&path) => {
                    return Err(Problem::environment(format!(
                        "there is no policy file {}",
                        path.display()
                    ))
                    .help("correct or unset ASPIRE_HOST_POLICY")
                    .into());
                }
                None => {}
            }
        }
        Ok(policies)
    }

    /// What of its wishes a plugin may be granted; a plugin that a policy has no entry for gets
    /// nothing. None: there is no policy.
    pub(crate) fn ceiling(&self, id: &str, wishes: &[Permission]) -> Option<Vec<Permission>> {
        let allows = |policy: &BTreeMap<String, Vec<Permission>>, one: &Permission| {
            let entry = policy.get(id).or_else(|| policy.get("*"));
            entry.is_some_and(|list| list.iter().any(|have| have.covers(one)))
        };
        if self.0.is_empty() {
            return None;
        }
        let allowed = |one: &&Permission| self.0.iter().all(|policy| allows(policy, one));
        Some(wishes.iter().filter(allowed).cloned().collect())
    }
}

fn read(path: &Path, text: &str) -> Result<BTreeMap<String, Vec<Permission>>> {
    parse(text).map_err(|message| {
        Problem::environment(format!("policy {}: {message}", path.display()))
            .help("the form is: [plugins.\"ID\"] (or [plugins.\"*\"]) with allow = [\"PERMISSION\", …]")
            .into()
    })
}

fn parse(text: &str) -> Result<BTreeMap<String, Vec<Permission>>, String> {
    let document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let mut policy = BTreeMap::new();
    for (key, item) in document.iter() {
        if key != "plugins" {
            return Err(format!("unknown key `{key}`"));
        }
        let plugins = item.as_table_like().ok_or("`plugins` is no table")?;
        for (id, item) in plugins.iter() {
            let table = item
                .as_table_like()
                .ok_or_else(|| format!("`{id}` is no table"))?;
            if let Some((key, _)) = table.iter().find(|(key, _)| *key != "allow") {
                return Err(format!("unknown key `{key}` of plugin `{id}`"));
            }
            policy.insert(id.to_owned(), permissions(table.get("allow"))?);
        }
    }
    Ok(policy)
}

fn permissions(item: Option<&Item>) -> Result<Vec<Permission>, String> {
    let Some(item) = item else {
        return Ok(Vec::new());
    };
    let list = item.as_array().ok_or("`allow` is no list of texts")?;
    list.iter()
        .map(|one| {
            let text = one.as_str().ok_or("`allow` is no list of texts")?;
            Permission::parse(text).map_err(|error| error.to_string())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_has_to_allow_it() {
        let any = Permission::Edit("x".into());
        let wishes = [any.clone(), Permission::HostPath];
        let first = parse(
            "[plugins.'*']\nallow = [\"edit:*\"]\n[plugins.redis]\nallow = [\"host-path\"]\n",
        )
        .unwrap();
        let one = Policies(vec![first.clone()]);
        assert_eq!(Policies::default().ceiling("redis", &wishes), None);
        assert_eq!(
            one.ceiling("redis", &wishes),
            Some(vec![Permission::HostPath])
        );
        assert_eq!(one.ceiling("other", &wishes), Some(vec![any]));
        let two = Policies(vec![first, parse("").unwrap()]);
        assert_eq!(two.ceiling("redis", &wishes), Some(vec![]));
    }

    #[test]
    fn what_is_not_enforced_is_an_error() {
        assert!(parse("deny = []").is_err());
        assert!(parse("[plugins.x]\ndeny = []").is_err());
        assert!(parse("[plugins.x]\nallow = [\"fly\"]").is_err());
    }
}
