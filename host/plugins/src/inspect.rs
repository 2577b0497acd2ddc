//! Everything about a plugin that `plugin inspect` shows.

use aspire_model::grant::Permission;
use aspire_model::hook::{Claim, PassInfo, TargetInfo};
use serde::Serialize;

use crate::loaded::Loaded;
use crate::manifest::Manifest;
use crate::survey::Hook;

/// A plugin from outside and, as far as it says so itself, from inside.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The file, as the user named it.
    pub origin: String,
    /// Id, version, interface version and wishes.
    pub manifest: Manifest,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// Hooks that it exports.
    pub hooks: Vec<Hook>,
    /// What it imports.
    pub imports: Vec<String>,
    /// It imports no WASI at all.
    pub provably_pure: bool,
    /// Kinds, the default one first: name and description.
    pub kinds: Vec<(String, String)>,
    /// Passes.
    pub passes: Vec<PassInfo>,
    /// What its lowering passes claim.
    pub claims: Vec<Claim>,
    /// Targets.
    pub targets: Vec<TargetInfo>,
    /// Permissions that it asks for.
    pub permissions: Vec<Request>,
}

/// A permission that a plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Which.
    pub permission: Permission,
    /// Why.
    pub reason: String,
    /// Whether this version of the host has anything behind it.
    pub served: bool,
}

impl Loaded {
    /// Everything about it.
    pub fn inspection(&self) -> Inspection {
        let descriptor = self.descriptor();
        let request = |(permission, reason): &(Permission, String)| Request {
            permission: permission.clone(),
            reason: reason.clone(),
            served: !matches!(permission, Permission::NotServed(_)),
        };
        Inspection {
            origin: self.origin().to_owned(),
            manifest: self.manifest().clone(),
            sha256: self.digest().to_owned(),
            size: self.size(),
            hooks: self.hooks().collect(),
            imports: self.imports().to_vec(),
            provably_pure: self.is_provably_pure(),
            kinds: descriptor
                .kinds
                .iter()
                .map(|kind| (kind.name.clone(), kind.description.clone()))
                .collect(),
            passes: descriptor.passes.clone(),
            claims: descriptor.claims.clone(),
            targets: descriptor.targets.clone(),
            permissions: descriptor.requests.iter().map(request).collect(),
        }
    }
}
