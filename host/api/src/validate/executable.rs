//! Executables (reference/dcp.md 1.2).

use super::{FieldErrorReason, Findings};
use crate::container::Mode;
use crate::executable::{ExecutableSpec, ExecutionType};

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
    findings.unserved("spec.pemCertificates", spec.pem_certificates.is_some());
    if spec.mode == Some(Mode::Existing) {
        let message = "`existing` is for containers";
        findings.add(FieldErrorReason::NotSupported, "spec.mode", message);
    }
    let kept = matches!(spec.mode, Some(Mode::Persistent | Mode::Cleanup));
    findings.unserved("spec.mode", kept);
    findings.unserved("spec.persistent", spec.persistent);
    findings.unserved("spec.lifecycleKey", spec.lifecycle_key.is_some());
    findings.monitor(spec.monitor_pid, spec.monitor_timestamp.as_ref());
    findings.unserved("spec.monitorPid", spec.monitor_pid.is_some());
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
    findings.one_way("spec.start", old.start, new.start);
    findings.one_way("spec.stop", old.stop, new.stop);
}
