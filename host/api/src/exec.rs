//! `ContainerExec` (reference/dcp.md 1.9): a command in a container that runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Common;
use crate::executable::{EnvVar, ExecutableState};
use crate::meta::ObjectMeta;

/// A command that runs in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContainerExec {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted; can't be changed.
    pub spec: ContainerExecSpec,
    /// What is.
    #[serde(skip_serializing_if = "crate::schema::is_default")]
    pub status: ContainerExecStatus,
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerExecSpec {
    /// Name of the `Container` object.
    #[schemars(extend("x-required" = true))]
    pub container_name: String,
    /// The program (*template*).
    #[schemars(extend("x-required" = true))]
    pub command: String,
    /// Its arguments (*templates*).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Beside the container's own environment (*templates*).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Absolute paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_files: Vec<String>,
    /// Absolute path in the container; none: the container's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerExecStatus {
    /// Where it is in its life.
    pub state: ExecutableState,
    /// RFC 3339 with microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::micro_time")]
    pub startup_timestamp: Option<String>,
    /// RFC 3339 with microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::micro_time")]
    pub finish_timestamp: Option<String>,
    /// Exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// File with its standard output, each line after its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std_out_file: Option<String>,
    /// File with its standard error, each line after its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std_err_file: Option<String>,
    /// Its environment with placeholders replaced; values that contain a secret are masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effective_env: Vec<EnvVar>,
    /// Its arguments with placeholders replaced; values that contain a secret are masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effective_args: Vec<String>,
    /// What went wrong, or what is going on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What every status has.
    #[serde(flatten)]
    pub common: Common,
}
