//! The metadata that every object carries, as in Kubernetes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Label: the resource of the app that an object was lowered from.
pub const RESOURCE_LABEL: &str = "aspire-host.dev/resource";
/// Annotation of a workload that was started again: name of the object that it began with. Its
/// data folders, and gates that name that object, follow it.
pub const FIRST_ANNOTATION: &str = "aspire-host.dev/first";
/// Annotation of a workload that was started again: how often, in all.
pub const RESTARTS_ANNOTATION: &str = "aspire-host.dev/restarts";
/// Annotation of a workload that was started again: how often since it last ran for a while.
pub const ATTEMPT_ANNOTATION: &str = "aspire-host.dev/attempt";
/// Annotation: the resources that live in a workload, by name, with commas.
pub const CHILDREN_ANNOTATION: &str = "aspire-host.dev/children";
/// Annotation: what a workload is made of was built already, ahead of its start, which needs no
/// build any more. With the value [`BUILT_ANEW`], a persistent container is made anew from it.
pub const BUILT_ANNOTATION: &str = "aspire-host.dev/built";
/// Value of [`BUILT_ANNOTATION`]: built since the last start.
pub const BUILT_ANEW: &str = "anew";
/// Annotation: the app says that a workload is started by hand; its `start` says whether somebody
/// has done so.
pub const MANUAL_ANNOTATION: &str = "aspire-host.dev/manual";
/// Annotation: the services that a workload serves, as DCP has it: a JSON list of `{serviceName,
/// address, port}`.
pub const SERVICE_PRODUCER_ANNOTATION: &str = "service-producer";

/// `metadata`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Unique among the objects of a kind.
    pub name: String,
    /// Where there is no name: the beginning of one that the server makes up.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub generate_name: String,
    /// Given by the store; never used twice.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The store's revision at the last change.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Counts changes of `spec`.
    pub generation: i64,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
    /// RFC 3339; set: the object goes away once its finalizers are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// Seconds between the two; always 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_grace_period_seconds: Option<i64>,
    /// For selectors.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// For people and tools.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Controllers that still have something to undo.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// Objects that this one goes away with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
    /// Who set which fields, for server-side apply.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_fields: Vec<ManagedFields>,
}

impl ObjectMeta {
    /// With a name and the label of a resource.
    pub fn of(name: impl Into<String>, resource: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            labels: BTreeMap::from([(RESOURCE_LABEL.to_owned(), resource.into())]),
            ..Self::default()
        }
    }

    /// The resource that it was lowered from; its own name where none is recorded.
    pub fn resource(&self) -> &str {
        self.labels
            .get(RESOURCE_LABEL)
            .map_or(&self.name, String::as_str)
    }

    /// The name of the object that a workload began with, before it was started again.
    pub fn first(&self) -> &str {
        self.annotations
            .get(FIRST_ANNOTATION)
            .map_or(&self.name, String::as_str)
    }

    /// How often a workload was started again.
    pub fn restarts(&self) -> u32 {
        self.number(RESTARTS_ANNOTATION)
    }

    /// How often a workload was started again since it last ran for a while.
    pub fn attempt(&self) -> u32 {
        self.number(ATTEMPT_ANNOTATION)
    }

    /// The resources that live in a workload.
    pub fn children(&self) -> impl Iterator<Item = &str> {
        let text = self.annotations.get(CHILDREN_ANNOTATION);
        let names = text.into_iter().flat_map(|text| text.split(','));
        names.filter(|name| !name.is_empty())
    }

    /// What it is made of was built ahead of its start.
    pub fn is_built(&self) -> bool {
        self.annotations.contains_key(BUILT_ANNOTATION)
    }

    /// What it is made of was built since its last start.
    pub fn is_built_anew(&self) -> bool {
        let built = self.annotations.get(BUILT_ANNOTATION);
        built.is_some_and(|built| built == BUILT_ANEW)
    }

    fn number(&self, annotation: &str) -> u32 {
        let text = self.annotations.get(annotation);
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// Fields that one manager set in one way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "ManagedFieldsEntry")]
pub struct ManagedFields {
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manager: String,
    /// `Apply` or `Update`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub operation: String,
    /// Group and version that the fields are of.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// `FieldsV1`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fields_type: String,
    /// The set of fields.
    #[serde(rename = "fieldsV1", skip_serializing_if = "Value::is_null")]
    pub fields: Value,
    /// `status`, or nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subresource: String,
}

/// Another object, by kind, name and uid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// It is the one that manages this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    /// It stays until this object is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}
