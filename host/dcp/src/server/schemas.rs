//! The schemas of everything served, and the documents made of them: once per process.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use aspire_api::schema::{REFERENCE, definitions};
use aspire_api::{GROUP, Kind, VERSION};
use serde_json::{Value, json};

use crate::machinery::openapi::{ApiPath, Definition, GroupVersionKind, Verb};
use crate::machinery::schema::Schema;
use crate::machinery::{openapi_v2, openapi_v3};

/// What the documents call the server.
const TITLE: &str = "aspire-host";

/// The schemas and, once somebody asks, the documents.
pub(super) struct Schemas {
    definitions: BTreeMap<String, Value>,
    group: OnceLock<Value>,
    core: OnceLock<Value>,
    v2: OnceLock<(Value, Vec<u8>)>,
}

impl Schemas {
    pub(super) fn new() -> Self {
        Self {
            definitions: definitions(),
            group: OnceLock::new(),
            core: OnceLock::new(),
            v2: OnceLock::new(),
        }
    }

    /// Does something with the schema of a kind.
    pub(super) fn with<T>(&self, kind: Kind, work: impl FnOnce(&Schema<'_>) -> T) -> T {
        let lookup = |name: &str| self.definitions.get(name.trim_start_matches(REFERENCE));
        let nothing = Value::Null;
        let schema = self.definitions.get(kind.name()).unwrap_or(&nothing);
        work(&Schema::with_references(schema, &lookup))
    }

    fn named(&self) -> Vec<Definition<'_>> {
        let kinds = |name: &str| {
            let kind = Kind::ALL.iter().find(|kind| kind.name() == name);
            kind.map(|kind| of_group(kind.name())).into_iter().collect()
        };
        self.definitions
            .iter()
            .map(|(name, schema)| Definition {
                name: name.clone(),
                schema,
                kinds: kinds(name),
            })
            .collect()
    }

    /// `/openapi/v3/apis/GROUP/v1`
    pub(super) fn group(&self) -> &Value {
        self.group.get_or_init(|| {
            openapi_v3::group_document(TITLE, env!("CARGO_PKG_VERSION"), &self.named(), &paths())
        })
    }

    /// `/openapi/v3/api/v1`
    pub(super) fn core(&self) -> &Value {
        self.core.get_or_init(|| {
            let pod = pod_schema();
            let pods = [pod_definition(&pod)];
            openapi_v3::group_document(TITLE, env!("CARGO_PKG_VERSION"), &pods, &pod_paths())
        })
    }

    /// `/openapi/v2`, as JSON and as protobuf.
    pub(super) fn v2(&self) -> &(Value, Vec<u8>) {
        self.v2.get_or_init(|| {
            let pod = pod_schema();
            let mut all = self.named();
            all.push(pod_definition(&pod));
            let paths: Vec<ApiPath> = paths().into_iter().chain(pod_paths()).collect();
            let document = openapi_v2::document(TITLE, env!("CARGO_PKG_VERSION"), &all, &paths);
            let protobuf = openapi_v2::to_protobuf(&document);
            (document, protobuf)
        })
    }

    /// `/openapi/v3`
    pub(super) fn index(&self) -> Value {
        let group = format!("apis/{GROUP}/{VERSION}");
        openapi_v3::index([("api/v1", self.core()), (&*group, self.group())])
    }
}

fn of_group(kind: &str) -> GroupVersionKind {
    GroupVersionKind {
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        kind: kind.to_owned(),
    }
}

fn paths() -> Vec<ApiPath> {
    let mut paths = Vec::new();
    for kind in Kind::ALL {
        let collection = format!("/apis/{GROUP}/{VERSION}/{}", kind.plural());
        let mut add = |path: String, verbs: &[Verb]| {
            paths.push(ApiPath {
                path,
                verbs: verbs.to_vec(),
                kind: of_group(kind.name()),
                schema: kind.name().to_owned(),
            });
        };
        let one = [Verb::Get, Verb::Update, Verb::Patch];
        add(format!("{collection}/{{name}}/status"), &one);
        add(
            format!("{collection}/{{name}}"),
            &[Verb::Get, Verb::Update, Verb::Patch, Verb::Delete],
        );
        add(
            collection,
            &[Verb::List, Verb::Create, Verb::DeleteCollection],
        );
    }
    paths
}

fn pod_kind() -> GroupVersionKind {
    GroupVersionKind {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "Pod".to_owned(),
    }
}

fn pod_paths() -> Vec<ApiPath> {
    let path = |path: &str, verb| ApiPath {
        path: path.to_owned(),
        verbs: vec![verb],
        kind: pod_kind(),
        schema: "Pod".to_owned(),
    };
    vec![
        path("/api/v1/namespaces/{namespace}/pods", Verb::List),
        path("/api/v1/namespaces/{namespace}/pods/{name}", Verb::Get),
    ]
}

fn pod_schema() -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "type": "object",
        "description": "A container or process, read-only, for clients that know only pods.",
        "properties": {"spec": open, "status": open},
    })
}

fn pod_definition(schema: &Value) -> Definition<'_> {
    Definition {
        name: "Pod".to_owned(),
        schema,
        kinds: vec![pod_kind()],
    }
}
