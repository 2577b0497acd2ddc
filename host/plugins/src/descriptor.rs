//! Whether a plugin's description fits itself, its manifest and what it exports.

use std::collections::BTreeSet;

use aspire_model::grant::Permission;
use aspire_model::hook::{Descriptor, Phase};

use crate::survey::{Hook, Survey};

/// Checks; the error says what is wrong, after "describes itself wrongly: ".
pub(crate) fn check(descriptor: &Descriptor, survey: &Survey) -> Result<(), String> {
    identity(descriptor, survey)?;
    permissions(descriptor, survey)?;
    hooks(descriptor, survey)?;
    claims(descriptor)
}

fn identity(descriptor: &Descriptor, survey: &Survey) -> Result<(), String> {
    let manifest = &survey.manifest;
    let version = manifest.version.to_string();
    for (what, said, constant) in [
        ("id", &descriptor.id, &manifest.id),
        ("version", &descriptor.version, &version),
    ] {
        if said != constant {
            return Err(format!(
                "its {what} is `{said}`, and its manifest says `{constant}`"
            ));
        }
    }
    Ok(())
}

fn permissions(descriptor: &Descriptor, survey: &Survey) -> Result<(), String> {
    let asked: BTreeSet<&Permission> = descriptor
        .requests
        .iter()
        .map(|(permission, _)| permission)
        .collect();
    if asked.len() != descriptor.requests.len() {
        return Err("it asks for one permission twice".into());
    }
    let wished: BTreeSet<&Permission> = survey.manifest.wishes.iter().collect();
    if let Some(extra) = asked.difference(&wished).next() {
        return Err(format!(
            "it asks for `{extra}`, which its manifest does not list"
        ));
    }
    if let Some(silent) = wished.difference(&asked).next() {
        return Err(format!(
            "its manifest lists `{silent}`, for which it gives no reason"
        ));
    }
    Ok(())
}

fn hooks(descriptor: &Descriptor, survey: &Survey) -> Result<(), String> {
    let parts = [
        (Hook::Integration, "kinds", descriptor.kinds.is_empty()),
        (Hook::Pass, "passes", descriptor.passes.is_empty()),
        (Hook::Publisher, "targets", descriptor.targets.is_empty()),
    ];
    for (hook, what, none) in parts {
        if !none && !survey.has(hook) {
            return Err(format!(
                "it has {what} and does not export `{}`",
                hook.interface()
            ));
        }
    }
    Ok(())
}

fn claims(descriptor: &Descriptor) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for claim in &descriptor.claims {
        let pass = descriptor
            .passes
            .iter()
            .find(|pass| pass.name == claim.pass);
        match pass.map(|pass| pass.phase) {
            None => {
                return Err(format!(
                    "a claim names the pass `{}`, which it does not have",
                    claim.pass
                ));
            }
            Some(Phase::Lower) => {}
            Some(_) => {
                return Err(format!(
                    "a claim names the pass `{}`, which is not of the phase lower",
                    claim.pass
                ));
            }
        }
        if !seen.insert((claim.shape, &claim.target, &claim.kind, &claim.variant)) {
            return Err(format!(
                "it claims {} for {} twice",
                claim.shape, claim.target
            ));
        }
    }
    Ok(())
}
