//! What the documents that describe the API have in common: kinds, paths, operations, parameters.
//!
//! Knows which parameters a verb takes and which extensions clients look for. The two forms are
//! in [`v2`](super::openapi_v2) and [`v3`](super::openapi_v3).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::openapi_schema::normalised;

/// The extension by which clients find the schema and the operations of a kind.
pub const KIND_EXTENSION: &str = "x-kubernetes-group-version-kind";
/// The extension that says what an operation does.
pub const ACTION_EXTENSION: &str = "x-kubernetes-action";

/// The name of the schema that `metadata` refers to.
pub const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const OWNER_REFERENCE: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference";

/// A kind of an API version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupVersionKind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind.
    pub kind: String,
}

impl GroupVersionKind {
    /// As the extensions write it.
    pub fn to_value(&self) -> Value {
        json!({"group": self.group, "version": self.version, "kind": self.kind})
    }
}

/// A named schema.
#[derive(Debug, Clone)]
pub struct Definition<'a> {
    /// Its name, `com.example.v1.Executable`.
    pub name: String,
    /// The schema, OpenAPI v3. References: `#/components/schemas/NAME`.
    pub schema: &'a Value,
    /// The kinds that it is the schema of; empty for parts. The schema of a kind gets
    /// `apiVersion`, `kind` and `metadata` if it has none.
    pub kinds: Vec<GroupVersionKind>,
}

/// What can be done with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Read one object.
    Get,
    /// List, or watch.
    List,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH.
    Patch,
    /// Delete one object.
    Delete,
    /// Delete what a list would show.
    DeleteCollection,
}

impl Verb {
    /// The key of the operation in a path item.
    pub fn method(self) -> &'static str {
        match self {
            Self::Get | Self::List => "get",
            Self::Create => "post",
            Self::Update => "put",
            Self::Patch => "patch",
            Self::Delete | Self::DeleteCollection => "delete",
        }
    }

    /// The value of [`ACTION_EXTENSION`].
    pub fn action(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "post",
            Self::Update => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }

    fn operation_verb(self) -> &'static str {
        match self {
            Self::Get => "read",
            Self::List => "list",
            Self::Create => "create",
            Self::Update => "replace",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deleteCollection",
        }
    }

    /// Query parameters: name, type, description.
    pub(crate) fn parameters(self) -> &'static [(&'static str, &'static str, &'static str)] {
        const PRETTY: (&str, &str, &str) = ("pretty", "string", "Indent the output.");
        const DRY_RUN: (&str, &str, &str) = (
            "dryRun",
            "string",
            "When present, nothing is stored. The only valid value is All.",
        );
        const MANAGER: (&str, &str, &str) = (
            "fieldManager",
            "string",
            "Who makes the change, for the ownership of fields.",
        );
        const VALIDATION: (&str, &str, &str) = (
            "fieldValidation",
            "string",
            "What to do about unknown and duplicate fields: Ignore, Warn or Strict.",
        );
        const FORCE: (&str, &str, &str) = (
            "force",
            "boolean",
            "For apply patches: take over fields that others own.",
        );
        const GRACE: (&str, &str, &str) = (
            "gracePeriodSeconds",
            "integer",
            "Seconds before the object is deleted.",
        );
        const PROPAGATION: (&str, &str, &str) = (
            "propagationPolicy",
            "string",
            "What happens to dependents: Orphan, Background or Foreground.",
        );
        const VERSION: (&str, &str, &str) = (
            "resourceVersion",
            "string",
            "The state of the store that the answer is made from.",
        );
        const LABELS: (&str, &str, &str) =
            ("labelSelector", "string", "Restricts the list by labels.");
        const FIELDS: (&str, &str, &str) =
            ("fieldSelector", "string", "Restricts the list by fields.");
        const LIMIT: (&str, &str, &str) = ("limit", "integer", "The most objects of one page.");
        const CONTINUE: (&str, &str, &str) = ("continue", "string", "Where the page before ended.");
        const MATCH: (&str, &str, &str) = (
            "resourceVersionMatch",
            "string",
            "How resourceVersion is meant: Exact or NotOlderThan.",
        );
        const TIMEOUT: (&str, &str, &str) = (
            "timeoutSeconds",
            "integer",
            "Seconds after which the call ends.",
        );
        const WATCH: (&str, &str, &str) = (
            "watch",
            "boolean",
            "Sends changes as they happen instead of a list.",
        );
        const BOOKMARKS: (&str, &str, &str) = (
            "allowWatchBookmarks",
            "boolean",
            "Sends BOOKMARK events, too.",
        );
        const INITIAL: (&str, &str, &str) = (
            "sendInitialEvents",
            "boolean",
            "Begins a watch with what there is, and a bookmark after it.",
        );
        match self {
            Self::Get => &[PRETTY, VERSION],
            Self::List => &[
                PRETTY, BOOKMARKS, CONTINUE, FIELDS, LABELS, LIMIT, VERSION, MATCH, INITIAL,
                TIMEOUT, WATCH,
            ],
            Self::Create | Self::Update => &[PRETTY, DRY_RUN, MANAGER, VALIDATION],
            Self::Patch => &[PRETTY, DRY_RUN, MANAGER, VALIDATION, FORCE],
            Self::Delete => &[PRETTY, DRY_RUN, GRACE, PROPAGATION],
            Self::DeleteCollection => &[
                PRETTY,
                CONTINUE,
                DRY_RUN,
                FIELDS,
                GRACE,
                LABELS,
                LIMIT,
                PROPAGATION,
                VERSION,
                MATCH,
                TIMEOUT,
            ],
        }
    }

    /// Media types of the request's body, where there is one.
    pub(crate) fn consumes(self) -> &'static [&'static str] {
        match self {
            Self::Patch => &super::patch::PATCH_MEDIA_TYPES,
            Self::Create | Self::Update => &["application/json", "application/yaml"],
            _ => &[],
        }
    }
}

/// A path of the API.
#[derive(Debug, Clone)]
pub struct ApiPath {
    /// The path, `/apis/GROUP/v1/executables/{name}`.
    pub path: String,
    /// What can be done with it.
    pub verbs: Vec<Verb>,
    /// The kind that it serves.
    pub kind: GroupVersionKind,
    /// The name of the schema of its objects; of a list's items for a collection.
    pub schema: String,
}

impl ApiPath {
    /// Operations by method; of two verbs with one method, the first one.
    pub(crate) fn operations(&self) -> BTreeMap<&'static str, Verb> {
        let mut operations = BTreeMap::new();
        for verb in &self.verbs {
            operations.entry(verb.method()).or_insert(*verb);
        }
        operations
    }

    pub(crate) fn has_name(&self) -> bool {
        self.path.contains("{name}")
    }

    /// Unique among all operations: `patchExampleComV1ExecutableStatus`.
    pub(crate) fn operation_id(&self, verb: Verb) -> String {
        let mut id = verb.operation_verb().to_owned();
        let parts = self.kind.group.split(['.', '-']);
        for part in parts.chain([&self.kind.version[..], &self.kind.kind]) {
            push_capitalised(&mut id, part);
        }
        if let Some((_, subresource)) = self.path.split_once("{name}/") {
            push_capitalised(&mut id, subresource);
        }
        id
    }
}

fn push_capitalised(text: &mut String, part: &str) {
    let mut chars = part.chars();
    if let Some(first) = chars.next() {
        text.extend(first.to_uppercase());
        text.push_str(chars.as_str());
    }
}

/// The schemas as both forms start from them: kinds have the extension, `apiVersion`, `kind` and
/// a `metadata` with a schema, which is added as a definition.
pub(crate) fn prepared(definitions: &[Definition<'_>]) -> BTreeMap<String, Value> {
    let mut schemas = BTreeMap::new();
    for definition in definitions {
        let mut schema = normalised(definition.schema);
        if let Value::Object(schema) = &mut schema
            && !definition.kinds.is_empty()
        {
            complete(schema, &definition.kinds);
        }
        schemas.insert(definition.name.clone(), schema);
    }
    if definitions
        .iter()
        .any(|definition| !definition.kinds.is_empty())
    {
        schemas
            .entry(OBJECT_META.to_owned())
            .or_insert_with(object_meta);
        schemas
            .entry(OWNER_REFERENCE.to_owned())
            .or_insert_with(owner_reference);
    }
    schemas
}

fn complete(schema: &mut Map<String, Value>, kinds: &[GroupVersionKind]) {
    let kinds: Vec<Value> = kinds.iter().map(GroupVersionKind::to_value).collect();
    schema.insert(KIND_EXTENSION.to_owned(), Value::Array(kinds));
    schema.entry("type").or_insert_with(|| json!("object"));
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    let Value::Object(properties) = properties else {
        return;
    };
    properties.entry("apiVersion").or_insert_with(
        || json!({"type": "string", "description": "The API group and version of this object."}),
    );
    properties
        .entry("kind")
        .or_insert_with(|| json!({"type": "string", "description": "The kind of this object."}));
    let metadata = properties.get("metadata");
    let has_schema = metadata.is_some_and(|metadata| {
        ["properties", "$ref", "allOf"]
            .iter()
            .any(|key| metadata.get(key).is_some())
    });
    if !has_schema {
        properties.insert(
            "metadata".to_owned(),
            json!({
                "description": "Standard object's metadata.",
                "allOf": [{"$ref": format!("#/components/schemas/{OBJECT_META}")}],
            }),
        );
    }
}

fn object_meta() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let time = |description: &str| json!({"type": "string", "format": "date-time", "description": description});
    let map = |description: &str| {
        json!({"type": "object", "description": description,
               "additionalProperties": {"type": "string"}})
    };
    json!({
        "type": "object",
        "description": "ObjectMeta is metadata that all persisted resources must have.",
        "properties": {
            "name": text("Unique among the objects of a kind. Cannot be updated."),
            "generateName": text("A prefix for a name that the server makes unique."),
            "namespace": text("Must be empty: objects are cluster-scoped."),
            "uid": text("Unique in time and space. Set by the server."),
            "resourceVersion": text("The version of the object, for optimistic concurrency."),
            "generation": {"type": "integer", "format": "int64",
                           "description": "Counts changes of the desired state."},
            "creationTimestamp": time("When the object was created. Set by the server."),
            "deletionTimestamp": time("When deletion was asked for. Set by the server."),
            "deletionGracePeriodSeconds": {"type": "integer", "format": "int64",
                "description": "Seconds that the object has to end."},
            "selfLink": text("Not used any more."),
            "labels": map("Key-value pairs for selecting objects."),
            "annotations": map("Key-value pairs that aren't for selecting."),
            "finalizers": {"type": "array", "items": {"type": "string"},
                "x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge",
                "description": "Must be empty before the object is removed."},
            "ownerReferences": {"type": "array",
                "items": {"$ref": format!("#/components/schemas/{OWNER_REFERENCE}")},
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
                "x-kubernetes-patch-merge-key": "uid", "x-kubernetes-patch-strategy": "merge",
                "description": "Objects that this one depends on."},
            "managedFields": {"type": "array",
                "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "x-kubernetes-list-type": "atomic",
                "description": "Who owns which fields. Kept by the server."},
        },
    })
}

fn owner_reference() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "type": "object",
        "description": "OwnerReference names an object that another one depends on.",
        "x-kubernetes-map-type": "atomic",
        "required": ["apiVersion", "kind", "name", "uid"],
        "properties": {
            "apiVersion": text("API version of the owner."),
            "kind": text("Kind of the owner."),
            "name": text("Name of the owner."),
            "uid": text("UID of the owner."),
            "controller": {"type": "boolean", "description": "Whether the owner is the managing one."},
            "blockOwnerDeletion": {"type": "boolean",
                "description": "Whether the owner's removal waits for this object."},
        },
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const GROUP: &str = "usvc-dev.developer.microsoft.com";

    pub(crate) fn executable() -> Value {
        json!({
            "type": "object", "description": "A program that is run.",
            "properties": {
                "spec": {"type": "object", "description": "What is wanted.", "required": ["executablePath"],
                    "properties": {
                        "executablePath": {"type": "string", "description": "The program.", "minLength": 1},
                        "args": {"type": ["array", "null"], "items": {"type": "string"}},
                        "env": {"type": "object", "additionalProperties": {"type": "string"}},
                        "mode": {"type": "string", "enum": ["Process", "Ide"], "default": "Process"},
                        "port": {"anyOf": [{"$ref": "#/components/schemas/Port"}, {"type": "null"}]},
                        "replicas": {"type": "integer", "format": "int32", "minimum": 0},
                        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                        "value": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                    }},
                "status": {"type": "object", "nullable": true, "properties": {"state": {"type": "string"}}},
            },
        })
    }

    pub(crate) fn port() -> Value {
        json!({"type": "object", "properties": {"number": {"type": "integer"}}})
    }

    pub(crate) fn kind() -> GroupVersionKind {
        GroupVersionKind {
            group: GROUP.to_owned(),
            version: "v1".to_owned(),
            kind: "Executable".to_owned(),
        }
    }

    pub(crate) fn paths() -> Vec<ApiPath> {
        let base = format!("/apis/{GROUP}/v1/executables");
        let path = |path: String, verbs: &[Verb]| ApiPath {
            path,
            verbs: verbs.to_vec(),
            kind: kind(),
            schema: "Executable".to_owned(),
        };
        vec![
            path(
                base.clone(),
                &[Verb::List, Verb::Create, Verb::DeleteCollection],
            ),
            path(
                format!("{base}/{{name}}"),
                &[Verb::Get, Verb::Update, Verb::Patch, Verb::Delete],
            ),
            path(
                format!("{base}/{{name}}/status"),
                &[Verb::Get, Verb::Update, Verb::Patch],
            ),
        ]
    }

    #[test]
    fn operation_ids_are_unique() {
        let mut ids: Vec<String> = paths()
            .iter()
            .flat_map(|path| path.verbs.iter().map(|verb| path.operation_id(*verb)))
            .collect();
        assert!(ids.contains(&"patchUsvcDevDeveloperMicrosoftComV1ExecutableStatus".to_owned()));
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn kinds_are_completed() {
        let schema = executable();
        let definition = Definition {
            name: "Executable".to_owned(),
            schema: &schema,
            kinds: vec![kind()],
        };
        let schemas = prepared(&[definition]);
        let schema = &schemas["Executable"];
        assert_eq!(schema[KIND_EXTENSION], json!([kind().to_value()]));
        for property in ["apiVersion", "kind", "metadata", "spec", "status"] {
            assert!(schema["properties"].get(property).is_some(), "{property}");
        }
        assert!(schemas.contains_key(OBJECT_META));
    }
}
