//! Permissions: what a plugin may ask for, what it was given, and which edit needs which.
//!
//! Effective = asked for ∩ granted by the user ∩ allowed by the operator. [`required`] is the one
//! place that says what an edit needs; every version of the interface goes through it.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::annotation::{MountKind, ProbeAction};
use crate::edit::Edit;
use crate::expression::Expression;
use crate::fact::{FactValue, Field, Form};
use crate::model::AppModel;

/// Something that a plugin may not do by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Permission {
    /// Run this program on the machine (an executable or a process form); `*`: any.
    RunProcess(String),
    /// Mount paths of the machine.
    HostPath,
    /// Devices, capabilities, host network.
    Privileged,
    /// Use another resource's secret in its own.
    ForeignSecret,
    /// Edit resources of this kind that aren't its own; `*`: any.
    Edit(String),
    /// Add steps to a deploy plan.
    DeployStep,
    /// A capability of run-time hooks, which this version of the host does not serve.
    NotServed(String),
}

/// Capabilities of run-time hooks: known by name, recorded, and told as not served.
pub const NOT_SERVED: [&str; 5] = ["dial", "http", "exec", "read", "secrets"];

/// A text that is no permission.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no permission; there are run-process:PROGRAM, host-path, privileged, \
     foreign-secret, edit:KIND and deploy-step (dial, http, exec, read and secrets are known but \
     not served by this version)"
)]
pub struct PermissionError(pub String);

impl Permission {
    /// Reads one.
    ///
    /// # Errors
    /// An unknown name, or one that lacks or has too many arguments.
    pub fn parse(text: &str) -> Result<Self, PermissionError> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        match (name, argument) {
            ("run-process", Some(program)) if !program.is_empty() => {
                Ok(Self::RunProcess(program.to_owned()))
            }
            ("edit", Some(kind)) if !kind.is_empty() => Ok(Self::Edit(kind.to_owned())),
            ("host-path", None) => Ok(Self::HostPath),
            ("privileged", None) => Ok(Self::Privileged),
            ("foreign-secret", None) => Ok(Self::ForeignSecret),
            ("deploy-step", None) => Ok(Self::DeployStep),
            (name, _) if NOT_SERVED.contains(&name) => Ok(Self::NotServed(text.to_owned())),
            _ => Err(PermissionError(text.to_owned())),
        }
    }

    /// Whether having `self` is enough for `needed`.
    pub fn covers(&self, needed: &Self) -> bool {
        match (self, needed) {
            (Self::RunProcess(have), Self::RunProcess(need))
            | (Self::Edit(have), Self::Edit(need)) => have == "*" || have == need,
            _ => self == needed,
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunProcess(program) => write!(f, "run-process:{program}"),
            Self::HostPath => f.write_str("host-path"),
            Self::Privileged => f.write_str("privileged"),
            Self::ForeignSecret => f.write_str("foreign-secret"),
            Self::Edit(kind) => write!(f, "edit:{kind}"),
            Self::DeployStep => f.write_str("deploy-step"),
            Self::NotServed(text) => f.write_str(text),
        }
    }
}

impl TryFrom<String> for Permission {
    type Error = PermissionError;
    fn try_from(text: String) -> Result<Self, PermissionError> {
        Self::parse(&text)
    }
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.to_string()
    }
}

/// What a plugin may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(pub BTreeSet<Permission>);

impl Grants {
    /// The intersection of what is asked for, granted and allowed; `allowed` none: no ceiling.
    pub fn effective<'a>(
        asked: impl IntoIterator<Item = &'a Permission>,
        granted: &[Permission],
        allowed: Option<&[Permission]>,
    ) -> Self {
        let covered = |by: &[Permission], one: &Permission| by.iter().any(|p| p.covers(one));
        Self(
            asked
                .into_iter()
                .filter(|one| covered(granted, one))
                .filter(|one| allowed.is_none_or(|ceiling| covered(ceiling, one)))
                .cloned()
                .collect(),
        )
    }

    /// Everything, for the host's own kinds.
    pub fn all() -> Self {
        Self(BTreeSet::from([
            Permission::RunProcess("*".into()),
            Permission::HostPath,
            Permission::Privileged,
            Permission::ForeignSecret,
            Permission::Edit("*".into()),
            Permission::DeployStep,
        ]))
    }

    /// Whether it may do that.
    pub fn allows(&self, needed: &Permission) -> bool {
        self.0.iter().any(|have| have.covers(needed))
    }
}

/// The permissions that an edit needs beyond what every plugin may do. `own` says whether a resource is the plugin's (or is added by the same transaction).
pub fn required(edit: &Edit, model: &AppModel, own: &dyn Fn(&str) -> bool) -> Vec<Permission> {
    let (resource, key, value) = match edit {
        Edit::AddResource { .. } | Edit::Withhold { .. } | Edit::Diagnose(_) => return Vec::new(),
        Edit::Set {
            resource,
            key,
            value,
        } => (resource, key, Some(value)),
        Edit::Remove { resource, key } => (resource, key, None),
    };
    let mut needed = Vec::new();
    if !own(resource.as_str()) {
        let kind = model
            .get(resource.as_str())
            .map_or("*", |found| &found.kind);
        needed.push(Permission::Edit(kind.to_owned()));
    }
    let Some(value) = value else { return needed };
    let program = |expression: &Expression| {
        Permission::RunProcess(expression.as_literal().unwrap_or("*").to_owned())
    };
    match (key.field, value) {
        (Field::Command, FactValue::Value(command)) => needed.push(program(command)),
        (Field::BuildCommand, FactValue::Texts(words)) => {
            needed.push(Permission::RunProcess(
                words.first().cloned().unwrap_or_default(),
            ));
        }
        (Field::Prepare, FactValue::Prepare(step)) => needed.push(program(&step.command)),
        // A command probe runs where the workload runs: on this machine in the process form.
        (Field::Health, FactValue::Probe(probe)) if key.form != Form::Container => {
            if let ProbeAction::Command { command } = &probe.action {
                needed.push(
                    command
                        .first()
                        .map_or(Permission::RunProcess("*".into()), program),
                );
            }
        }
        (Field::Mounts, FactValue::Mount(mount)) if mount.kind == MountKind::Bind => {
            needed.push(Permission::HostPath);
        }
        (Field::Files, FactValue::File(file)) if !file.source.is_empty() => {
            needed.push(Permission::HostPath);
        }
        (Field::Build | Field::PublishBuild | Field::EnvFiles, _) => {
            needed.push(Permission::HostPath);
        }
        (Field::Privileges, _) => needed.push(Permission::Privileged),
        _ => {}
    }
    needed
}
