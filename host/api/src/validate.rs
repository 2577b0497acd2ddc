//! What makes an object valid, new or changed (reference/dcp.md 1), by field.
//!
//! Fields that this version doesn't serve are refused by name: whatever is accepted has an effect.

mod container;
mod executable;
mod others;

use std::fmt;

use thiserror::Error;

use crate::health::{HealthProbe, HealthProbeKind, PemCertificate};
use crate::meta::SERVICE_PRODUCER_ANNOTATION;
use crate::object::Object;
use crate::template;
use crate::time::micro_time;

/// A field that cannot be as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// Path, such as `spec.image`.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// Of which sort that is.
    pub reason: FieldErrorReason,
}

/// What is wrong with a field, as Kubernetes tells it in a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldErrorReason {
    /// It is missing.
    Required,
    /// Its value can't be.
    Invalid,
    /// It may not be there, or not be changed.
    Forbidden,
    /// It is none of the values that are known.
    NotSupported,
    /// It is there twice.
    Duplicate,
}

impl fmt::Display for FieldErrorReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::Forbidden => "FieldValueForbidden",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
        })
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Findings(Vec<FieldError>);

impl Findings {
    fn add(
        &mut self,
        reason: FieldErrorReason,
        field: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.0.push(FieldError {
            field: field.into(),
            message: message.into(),
            reason,
        });
    }

    fn required(&mut self, field: impl Into<String>, is_empty: bool) {
        if is_empty {
            self.add(FieldErrorReason::Required, field, "Required value");
        }
    }

    fn invalid(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.add(FieldErrorReason::Invalid, field, message);
    }

    /// Refuses a field that nothing serves.
    fn unserved(&mut self, field: impl Into<String>, is_set: bool) {
        if is_set {
            let message = "not served by this version";
            self.add(FieldErrorReason::Forbidden, field, message);
        }
    }

    /// Refuses a field that goes with another type.
    fn only_for(&mut self, field: impl Into<String>, is_set: bool) {
        if is_set {
            let message = "is for probes of another type";
            self.add(FieldErrorReason::Forbidden, field, message);
        }
    }

    /// Refuses the change of a field.
    fn fixed<T: PartialEq>(&mut self, field: impl Into<String>, old: &T, new: &T) {
        if old != new {
            let message = "can't be changed after the object was created";
            self.add(FieldErrorReason::Forbidden, field, message);
        }
    }

    /// A field that may become true, and never false again.
    fn one_way(&mut self, field: &str, old: bool, new: bool) {
        if old && !new {
            let message = "can't become false again";
            self.add(FieldErrorReason::Forbidden, field, message);
        }
    }

    fn absolute(&mut self, field: impl Into<String>, path: &str) {
        if !path.starts_with('/') {
            self.invalid(field, format!("`{path}` is not an absolute path"));
        }
    }

    fn templates<'a>(&mut self, texts: impl IntoIterator<Item = (&'static str, &'a String)>) {
        for (field, text) in texts {
            if let Err(problem) = template::parse(text) {
                self.invalid(field, problem.to_string());
            }
        }
    }

    fn certificates(&mut self, certificates: &[PemCertificate]) {
        for (index, certificate) in certificates.iter().enumerate() {
            let at = |field: &str| format!("spec.pemCertificates.certificates[{index}].{field}");
            self.required(at("contents"), certificate.contents.is_empty());
            self.required(at("thumbprint"), certificate.thumbprint.is_empty());
            let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if !is_plain(&certificate.thumbprint) {
                // It becomes the name of a file.
                let message = format!("`{}` is no thumbprint", certificate.thumbprint);
                self.invalid(at("thumbprint"), message);
            }
        }
    }

    /// Both or neither.
    fn monitor(&mut self, pid: Option<i64>, timestamp: Option<&String>) {
        match (pid, timestamp) {
            (Some(_), None) => self.required("spec.monitorTimestamp", true),
            (None, Some(_)) => self.required("spec.monitorPid", true),
            (Some(pid), _) if u32::try_from(pid).map_or(true, |pid| pid == 0) => {
                self.invalid("spec.monitorPid", format!("{pid} is no process id"));
            }
            (_, Some(time)) if micro_time(time).is_none() => {
                let message = format!("`{time}` is no time, such as `2026-01-02T03:04:05.123456Z`");
                self.invalid("spec.monitorTimestamp", message);
            }
            _ => {}
        }
    }

    fn probes(&mut self, probes: &[HealthProbe]) {
        for (index, probe) in probes.iter().enumerate() {
            let at = |field: &str| format!("spec.healthProbes[{index}].{field}");
            self.required(at("name"), probe.name.is_empty());
            if probe.name.starts_with('_') {
                self.invalid(at("name"), "must not begin with `_`");
            }
            if probes[..index].iter().any(|other| other.name == probe.name) {
                let message = format!("`{}` is there twice", probe.name);
                self.add(FieldErrorReason::Duplicate, at("name"), message);
            }
            let is_program = probe.kind == HealthProbeKind::Executable;
            self.only_for(at("httpProbe"), is_program && probe.http_probe.is_some());
            self.only_for(
                at("executableProbe"),
                !is_program && probe.executable_probe.is_some(),
            );
            match &probe.http_probe {
                None => self.required(at("httpProbe"), !is_program),
                Some(http) => {
                    self.required(at("httpProbe.url"), http.url.is_empty());
                    let headers = http.headers.iter().map(|header| &header.value);
                    let texts = headers.chain([&http.url]);
                    self.templates(texts.map(|text| ("spec.healthProbes.httpProbe", text)));
                }
            }
            match &probe.executable_probe {
                None => self.required(at("executableProbe"), is_program),
                Some(program) => {
                    let at = at("executableProbe.executableTemplate");
                    executable::check_probe(self, &at, &program.executable_template);
                }
            }
            let schedule = &probe.schedule;
            self.required(at("schedule.interval"), schedule.interval.is_empty());
            let times = [
                ("schedule.interval", Some(&schedule.interval)),
                ("schedule.timeout", schedule.timeout.as_ref()),
                ("schedule.initialDelay", schedule.initial_delay.as_ref()),
            ];
            for (field, text) in times {
                if let Some(text) = text.filter(|text| !text.is_empty())
                    && duration(text).is_none()
                {
                    self.invalid(
                        at(field),
                        format!("`{text}` is no duration, such as `1.5s`"),
                    );
                }
            }
        }
    }
}

/// A duration as Go writes it (`1h2m3.5s`, `150ms`), in milliseconds, rounded up.
pub fn duration(text: &str) -> Option<u64> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    let mut milliseconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let amount: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(rest.len());
        milliseconds += amount
            * match &rest[..letters] {
                "h" => 3_600_000.0,
                "m" => 60_000.0,
                "s" => 1000.0,
                "ms" => 1.0,
                "us" | "µs" | "μs" => 0.001,
                "ns" => 0.000_001,
                _ => return None,
            };
        rest = &rest[letters..];
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no digit is negative, and nobody waits 500 million years"
    )]
    (!text.is_empty()).then(|| milliseconds.ceil() as u64)
}

/// Everything that is wrong with a new object.
pub fn validate(object: &Object) -> Vec<FieldError> {
    let mut findings = Findings::default();
    findings.required("metadata.name", object.metadata().name.is_empty());
    if let Err(problem) = crate::service::producers(object.metadata()) {
        let field = format!("metadata.annotations[{SERVICE_PRODUCER_ANNOTATION}]");
        findings.invalid(field, problem);
    }
    match object {
        Object::Container(container) => container::check(&mut findings, &container.spec),
        Object::Executable(executable) => executable::check(&mut findings, &executable.spec),
        other => others::check(&mut findings, other),
    }
    findings.0
}

/// Everything that is wrong with a change of an object.
pub fn validate_update(old: &Object, new: &Object) -> Vec<FieldError> {
    let mut findings = Findings(validate(new));
    match (old, new) {
        (Object::Container(old), Object::Container(new)) => {
            container::check_change(&mut findings, &old.spec, &new.spec);
        }
        (Object::Executable(old), Object::Executable(new)) => {
            executable::check_change(&mut findings, &old.spec, &new.spec);
        }
        _ => others::check_change(&mut findings, old, new),
    }
    findings.0
}

#[cfg(test)]
mod tests;
