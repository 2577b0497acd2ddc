//! Containers (reference/dcp.md 1.1).

use super::{FieldErrorReason, Findings};
use crate::container::{ContainerSpec, Mode, VolumeMountKind};
use crate::files::{FileSystemEntry, FileSystemEntryKind};
use crate::run_args;

pub(super) fn check(findings: &mut Findings, spec: &ContainerSpec) {
    let mode = spec.effective_mode();
    if mode.creates() {
        findings.required("spec.image", spec.image.is_empty() && spec.build.is_none());
    }
    if mode != Mode::Session {
        findings.required("spec.containerName", spec.container_name.is_none());
    }
    if let Some(name) = &spec.container_name
        && !is_engine_name(name)
    {
        let message = format!(
            "`{name}` has to begin with a letter or digit, and to go on with those, `_`, `.` and `-`"
        );
        findings.invalid("spec.containerName", message);
    }
    findings.unserved("spec.terminal", spec.terminal.is_some());
    if let Err(problem) = run_args::parse(&spec.run_args) {
        let field = format!("spec.runArgs[{}]", problem.index);
        findings.add(FieldErrorReason::NotSupported, field, problem.to_string());
    }
    for (index, layer) in spec.image_layers.iter().enumerate() {
        let at = |field: &str| format!("spec.imageLayers[{index}].{field}");
        findings.required(at("digest"), layer.digest.is_empty());
        match (&layer.source, &layer.raw_contents) {
            (Some(source), None) => {
                findings.absolute(at("source"), source);
                findings.required(at("sha256"), layer.sha256.is_none());
            }
            (None, Some(_)) if layer.sha256.is_some() => {
                let message = "is of a source";
                findings.add(FieldErrorReason::Forbidden, at("sha256"), message);
            }
            (None, Some(_)) => {}
            _ => findings.invalid(at("source"), "needs either source or rawContents"),
        }
    }
    if let Some(wanted) = &spec.pem_certificates {
        findings.absolute("spec.pemCertificates.destination", &wanted.destination);
        for path in &wanted.overwrite_bundle_paths {
            findings.absolute("spec.pemCertificates.overwriteBundlePaths", path);
        }
        findings.certificates(&wanted.certificates);
    }
    if let Some(build) = &spec.build {
        findings.required("spec.build.context", build.context.is_empty());
        // They need a builder that the engine's API doesn't have.
        findings.unserved("spec.build.secrets", !build.secrets.is_empty());
    }
    findings.monitor(spec.monitor_pid, spec.monitor_timestamp.as_ref());
    if spec.monitor_pid.is_some() && mode == Mode::Existing {
        let message = "a container that somebody else makes is not ours to stop";
        findings.add(FieldErrorReason::Forbidden, "spec.monitorPid", message);
    }
    findings.probes(&spec.health_probes);
    let env = spec
        .env
        .iter()
        .map(|variable| ("spec.env", &variable.value));
    let args = spec.args.iter().map(|text| ("spec.args", text));
    let command = spec.command.iter().map(|text| ("spec.command", text));
    findings.templates(env.chain(args).chain(command));
    for variable in &spec.env {
        findings.required("spec.env.name", variable.name.is_empty());
    }
    for mount in &spec.volume_mounts {
        findings.absolute("spec.volumeMounts.target", &mount.target);
        if mount.kind == VolumeMountKind::Bind {
            findings.absolute("spec.volumeMounts.source", &mount.source);
        }
    }
    for port in &spec.ports {
        findings.required("spec.ports.containerPort", port.container_port == 0);
    }
    for tree in &spec.create_files {
        findings.absolute("spec.createFiles.destination", &tree.destination);
        for entry in &tree.entries {
            check_entry(findings, entry);
        }
    }
}

fn check_entry(findings: &mut Findings, entry: &FileSystemEntry) {
    const AT: &str = "spec.createFiles.entries";
    findings.required(format!("{AT}.name"), entry.name.is_empty());
    if entry.name.contains('/') || matches!(&*entry.name, "." | "..") {
        findings.invalid(
            format!("{AT}.name"),
            format!("`{}` is not one name", entry.name),
        );
    }
    let kind = entry.kind.unwrap_or_default();
    let sources = [&entry.source, &entry.contents, &entry.raw_contents];
    let given = sources.iter().filter(|source| source.is_some()).count();
    let target = usize::from(entry.target.is_some());
    let (allowed, links) = match kind {
        FileSystemEntryKind::File | FileSystemEntryKind::Openssl => (1, 0),
        FileSystemEntryKind::Directory => (0, 0),
        FileSystemEntryKind::Symlink => (0, 1),
    };
    if given > allowed {
        let message = format!(
            "{} may have {allowed} of source, contents and rawContents",
            entry.name
        );
        findings.add(FieldErrorReason::Forbidden, AT, message);
    }
    if target != links {
        let message = format!("{}: only a symlink has a target, and needs one", entry.name);
        findings.invalid(format!("{AT}.target"), message);
    }
    if kind != FileSystemEntryKind::Directory && !entry.entries.is_empty() {
        let message = format!("{} is no directory", entry.name);
        findings.add(
            FieldErrorReason::Forbidden,
            format!("{AT}.entries"),
            message,
        );
    }
    findings.templates(entry.contents.iter().map(|text| (AT, text)));
    for entry in &entry.entries {
        check_entry(findings, entry);
    }
}

fn is_engine_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter))
}

pub(super) fn check_change(findings: &mut Findings, old: &ContainerSpec, new: &ContainerSpec) {
    findings.fixed("spec.image", &old.image, &new.image);
    findings.fixed("spec.build", &old.build, &new.build);
    findings.fixed(
        "spec.containerName",
        &old.container_name,
        &new.container_name,
    );
    findings.fixed("spec.mode", &old.mode, &new.mode);
    findings.fixed("spec.persistent", &old.persistent, &new.persistent);
    findings.fixed("spec.labels", &old.labels, &new.labels);
    findings.fixed("spec.healthProbes", &old.health_probes, &new.health_probes);
    findings.fixed("spec.monitorPid", &old.monitor_pid, &new.monitor_pid);
    findings.fixed(
        "spec.monitorTimestamp",
        &old.monitor_timestamp,
        &new.monitor_timestamp,
    );
    findings.fixed(
        "spec.pemCertificates",
        &old.pem_certificates,
        &new.pem_certificates,
    );
    findings.fixed("spec.pullPolicy", &old.pull_policy, &new.pull_policy);
    findings.fixed("spec.imageLayers", &old.image_layers, &new.image_layers);
    findings.fixed("spec.createFiles", &old.create_files, &new.create_files);
    if old.networks.is_some() != new.networks.is_some() {
        findings.fixed("spec.networks", &old.networks, &new.networks);
    }
    findings.one_way("spec.start", old.start, new.start);
    findings.one_way("spec.stop", old.stop, new.stop);
}
