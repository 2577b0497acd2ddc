//! Parts of a workload's spec as DCP has them: health probes (reference/dcp.md 1.11),
//! certificates, image layers, terminals.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::replicas::ExecutableTemplate;

/// A probe of a workload's health.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthProbe {
    /// Unique in the workload; doesn't begin with `_`.
    #[schemars(extend("x-required" = true))]
    pub name: String,
    /// What it does.
    #[serde(rename = "type")]
    #[schemars(extend("x-required" = true))]
    pub kind: HealthProbeKind,
    /// For type `HTTP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_probe: Option<HttpProbe>,
    /// For type `Executable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executable_probe: Option<Box<ExecutableProbe>>,
    /// When.
    #[schemars(extend("x-required" = true))]
    pub schedule: HealthProbeSchedule,
    /// For people and tools.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What a probe does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum HealthProbeKind {
    /// A request.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// A program of this machine that is run; exit code 0 is success.
    Executable,
}

/// A GET over `http` or `https` (whose certificate isn't verified); 2xx is success, 3xx is unknown,
/// everything else failure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpProbe {
    /// *Template*.
    #[schemars(extend("x-required" = true))]
    pub url: String,
    /// Headers of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HttpHeader>,
}

/// A header of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HttpHeader {
    /// Name.
    #[schemars(extend("x-required" = true))]
    pub name: String,
    /// *Template*.
    pub value: String,
}

/// A program to run on this machine; exit code 0 is success.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecutableProbe {
    /// The program.
    #[schemars(extend("x-required" = true))]
    pub executable_template: ExecutableTemplate,
}

/// When a probe is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthProbeSchedule {
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<HealthProbeScheduleKind>,
    /// Such as `5s`.
    #[schemars(extend("x-required" = true))]
    pub interval: String,
    /// For one attempt; none: 10 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// After the start, before the first attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<String>,
}

/// Until when a probe is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum HealthProbeScheduleKind {
    /// As long as the workload runs.
    #[default]
    Continuous,
    /// Until it succeeds once.
    UntilSuccess,
}

/// A certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PemCertificate {
    /// SHA-1 of its DER form, in hexadecimal digits.
    #[schemars(extend("x-required" = true))]
    pub thumbprint: String,
    /// In PEM form.
    #[schemars(extend("x-required" = true))]
    pub contents: String,
}

/// Certificates that a process trusts: `certs/` and `cert.pem` among its private files, which
/// templates find as `file "cert.pem"`, and in `DCP_SESSION_FOLDER` under its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecutablePemCertificates {
    /// The certificates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<PemCertificate>,
    /// A certificate that can't be read is left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub continue_on_error: bool,
}

/// Certificates that a container trusts: `certs/` and `cert.pem` below the destination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPemCertificates {
    /// The certificates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<PemCertificate>,
    /// Absolute path of a folder in the container.
    pub destination: String,
    /// Absolute paths of bundles in the container that are replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overwrite_bundle_paths: Vec<String>,
    /// A certificate that can't be read is left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub continue_on_error: bool,
}

/// A layer that is put on an image: an archive whose files are added to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageLayer {
    /// Identifies it.
    #[schemars(extend("x-required" = true))]
    pub digest: String,
    /// Absolute path of a tar file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// SHA-256 of that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The tar file itself, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_contents: Option<String>,
}

/// A terminal; not served.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TerminalSpec {
    /// Columns.
    pub cols: i32,
    /// Rows.
    pub rows: i32,
    /// Socket that carries it.
    pub uds_path: String,
    /// `listen` or `connect`.
    pub socket_mode: String,
}
