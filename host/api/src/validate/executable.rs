//! Executables (reference/dcp.md 1.2).

use super::{FieldErrorReason, Findings};
use crate::container::Mode;
use crate::executable::{ExecutableSpec, ExecutionType};
use crate::replicas::ExecutableTemplate;

pub(super) fn check(findings: &mut Findings, spec: &ExecutableSpec) {
    findings.required("spec.executablePath", spec.executable_path.is_empty());
    findings.unserved(
        "spec.executionType",
        spec.execution_type == Some(ExecutionType::Ide),
    );
    findings.unserved(
        "spec.fallbackExecutionTypes",
        !spec.fallback_execution_types.is_empty(),
    );
    findings.unserved("spec.terminal", spec.terminal.is_some());
    if let Some(wanted) = &spec.pem_certificates {
        findings.certificates(&wanted.certificates);
    }
    if spec.mode == Some(Mode::Existing) {
        let message = "`existing` is for containers";
        findings.add(FieldErrorReason::NotSupported, "spec.mode", message);
    }
    if spec.lifecycle_key.is_some() && spec.effective_mode() != Mode::Persistent {
        let message = "is for mode `persistent`";
        findings.add(FieldErrorReason::Forbidden, "spec.lifecycleKey", message);
    }
    findings.monitor(spec.monitor_pid, spec.monitor_timestamp.as_ref());
    findings.probes(&spec.health_probes);
    let env = spec
        .env
        .iter()
        .map(|variable| ("spec.env", &variable.value));
    let args = spec.args.iter().map(|text| ("spec.args", text));
    let path = [("spec.executablePath", &spec.executable_path)];
    findings.templates(env.chain(args).chain(path));
    for variable in &spec.env {
        findings.required("spec.env.name", variable.name.is_empty());
    }
    if let Some(folder) = &spec.working_directory {
        findings.absolute("spec.workingDirectory", folder);
    }
}

pub(super) fn check_change(findings: &mut Findings, old: &ExecutableSpec, new: &ExecutableSpec) {
    findings.fixed("spec.mode", &old.mode, &new.mode);
    findings.fixed("spec.persistent", &old.persistent, &new.persistent);
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
    findings.one_way("spec.start", old.start, new.start);
    findings.one_way("spec.stop", old.stop, new.stop);
}

/// A program that is run for its exit code: what concerns a life of its own has no place there.
pub(super) fn check_probe(findings: &mut Findings, at: &str, template: &ExecutableTemplate) {
    let spec = &template.spec;
    let mut inner = Findings::default();
    check(&mut inner, spec);
    for mut error in inner.0 {
        error.field = format!("{at}.{}", error.field);
        findings.0.push(error);
    }
    let mut refuse = |field: &str, is_set: bool| {
        if is_set {
            let message = "means nothing for a probe";
            findings.add(
                FieldErrorReason::Forbidden,
                format!("{at}.{field}"),
                message,
            );
        }
    };
    refuse("labels", !template.labels.is_empty());
    refuse("annotations", !template.annotations.is_empty());
    refuse("spec.healthProbes", !spec.health_probes.is_empty());
    refuse(
        "spec.mode",
        spec.mode.is_some_and(|mode| mode != Mode::Session),
    );
    refuse("spec.persistent", spec.persistent);
    refuse("spec.lifecycleKey", spec.lifecycle_key.is_some());
    refuse("spec.monitorPid", spec.monitor_pid.is_some());
    refuse("spec.pemCertificates", spec.pem_certificates.is_some());
    refuse("spec.start", !spec.start);
    refuse("spec.stop", spec.stop);
    refuse("spec.aspire", spec.aspire.is_some());
}
