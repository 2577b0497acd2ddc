//! `ExecutableReplicaSet` (reference/dcp.md 1.3): several processes made from one template.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Common;
use crate::container::HealthStatus;
use crate::executable::ExecutableSpec;
use crate::meta::ObjectMeta;

/// Several processes made from one template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ExecutableReplicaSet {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ExecutableReplicaSetSpec,
    /// What is.
    #[serde(skip_serializing_if = "crate::schema::is_default")]
    pub status: ExecutableReplicaSetStatus,
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecutableReplicaSetSpec {
    /// How many.
    #[schemars(extend("x-required" = true))]
    pub replicas: i32,
    /// Those that are too many are stopped and stay as objects, instead of being removed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stop_on_scale_down: bool,
    /// What each is made from; a change is seen by new ones only.
    #[schemars(extend("x-required" = true))]
    pub template: ExecutableTemplate,
}

/// What an executable is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecutableTemplate {
    /// Its labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Its spec.
    #[schemars(extend("x-required" = true))]
    pub spec: ExecutableSpec,
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecutableReplicaSetStatus {
    /// Objects that there are.
    #[schemars(extend("x-required" = true))]
    pub observed_replicas: i32,
    /// Those that run.
    #[schemars(extend("x-required" = true))]
    pub running_replicas: i32,
    /// Those that could not be started.
    #[schemars(extend("x-required" = true))]
    pub failed_replicas: i32,
    /// Those that ended.
    #[schemars(extend("x-required" = true))]
    pub finished_replicas: i32,
    /// RFC 3339 with microseconds: when their number was changed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::micro_time")]
    pub last_scale_time: Option<String>,
    /// All healthy: Healthy; some: Caution; none: Unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_status: Option<HealthStatus>,
    /// What every status has.
    #[serde(flatten)]
    pub common: Common,
}
