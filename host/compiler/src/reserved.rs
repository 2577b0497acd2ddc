//! The keys that every resource may have: what they take, on what, and which facts they become.
//!
//! [`KEYS`] is the one list: the parser, the JSON Schema, the documentation test and the check that
//! no plugin uses one as an option all go through it. Doesn't know kinds.

mod read;
mod storage;
mod watch;
mod ways;
mod workload;

use aspire_model::diagnostic::{Diagnostic, Diagnostics};
use aspire_model::provenance::{Author, Span};
use aspire_model::{FactKey, FactValue, Field, Shape};
use serde_json::{Value as Json, json};

use crate::tree::Node;

pub use read::{Reader, parse_bytes};

/// On which resources a key means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// On all.
    Any,
    /// On containers and executables.
    Workloads,
    /// On containers.
    Containers,
    /// On executables.
    Executables,
}

impl On {
    /// Whether it means something on a shape.
    pub fn allows(self, shape: Shape) -> bool {
        match self {
            Self::Any => true,
            Self::Workloads => shape.is_workload(),
            Self::Containers => shape == Shape::Container,
            Self::Executables => shape == Shape::Executable,
        }
    }
}

/// A reserved key.
pub struct ReservedKey {
    /// As written.
    pub name: &'static str,
    /// What it says.
    pub documentation: &'static str,
    /// On which resources.
    pub on: On,
    /// JSON Schema of its values.
    pub schema: fn() -> Json,
    /// Makes facts of it.
    pub read: fn(&mut Reader<'_>, &Node),
}

/// A plain key of a resource that an issue later than this version will serve: known, and refused.
pub const LATER: [(&str, &str); 1] = [("run", "variants of run mode")];

fn string() -> Json {
    json!({ "type": "string" })
}

fn strings() -> Json {
    json!({ "type": "array", "items": { "type": "string" } })
}

fn table_of(of: Json) -> Json {
    json!({ "type": "object", "additionalProperties": of })
}

fn build_schema() -> Json {
    json!({ "oneOf": [
        { "type": "string", "description": "The build context: a folder with a Dockerfile." },
        { "type": "array", "items": { "type": "string" }, "description": "On an executable: program and arguments of the command that builds it." },
        build_table_schema(),
    ] })
}

fn build_table_schema() -> Json {
    json!({ "type": "object", "additionalProperties": false, "required": ["context"], "properties": {
        "context": { "type": "string", "description": "Folder, relative to aspire.toml." },
        "dockerfile": { "type": "string", "description": "Relative to the context." },
        "target": { "type": "string", "description": "Stage to build; the last where it is missing." },
        "args": { "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } },
    } })
}

/// Every reserved key, in the order of the documentation.
pub const KEYS: &[ReservedKey] = &[
    ReservedKey {
        name: "image",
        documentation: "Image reference. On an integration's resource it replaces the plugin's choice.",
        on: On::Containers,
        schema: string,
        read: |reader, node| reader.text(Field::Image, node),
    },
    ReservedKey {
        name: "build",
        documentation: "On a container: how its image is built (a folder, or `context`, `dockerfile`, `target`, `args`). On an executable: the command that builds it before it starts, as an array.",
        on: On::Workloads,
        schema: build_schema,
        read: workload::build,
    },
    ReservedKey {
        name: "command",
        documentation: "On an executable: the program. On a container: replaces the image's entry point (a string or an array).",
        on: On::Workloads,
        schema: || json!({ "oneOf": [string(), strings()] }),
        read: workload::command,
    },
    ReservedKey {
        name: "args",
        documentation: "Arguments, as an array of expressions.",
        on: On::Workloads,
        schema: strings,
        read: |reader, node| reader.expressions(Field::Args, node),
    },
    ReservedKey {
        name: "cwd",
        documentation: "The working directory; on an executable relative to aspire.toml, in a container absolute.",
        on: On::Workloads,
        schema: string,
        read: |reader, node| reader.text(Field::WorkingDirectory, node),
    },
    ReservedKey {
        name: "env",
        documentation: "Environment variables: a table of expressions.",
        on: On::Workloads,
        schema: || table_of(json!({ "type": ["string", "number", "boolean"] })),
        read: |reader, node| reader.expression_table(Field::Env, node),
    },
    ReservedKey {
        name: "env-files",
        documentation: "Files of `NAME=value` lines, relative to aspire.toml; `env` wins over them.",
        on: On::Workloads,
        schema: strings,
        read: |reader, node| reader.texts(Field::EnvFiles, node),
    },
    ReservedKey {
        name: "references",
        documentation: "Resources whose connection values are injected: names, or `{ resource, as, optional }`.",
        on: On::Workloads,
        schema: || {
            json!({ "type": "array", "items": { "oneOf": [ string(), {
            "type": "object", "additionalProperties": false, "required": ["resource"], "properties": {
                "resource": { "type": "string" },
                "as": { "type": "string", "description": "The name used in the variables." },
                "optional": { "type": "boolean", "description": "A missing value is no error." },
            } } ] } })
        },
        read: workload::references,
    },
    ReservedKey {
        name: "wait-for",
        documentation: "Resources that have to be healthy first: names, or `{ resource, for, exit-code }` with `for` one of `healthy`, `started`, `completed`.",
        on: On::Workloads,
        schema: || {
            json!({ "type": "array", "items": { "oneOf": [ string(), {
            "type": "object", "additionalProperties": false, "required": ["resource"], "properties": {
                "resource": { "type": "string" },
                "for": { "enum": ["healthy", "started", "completed"] },
                "exit-code": { "type": "integer" },
            } } ] } })
        },
        read: workload::waits,
    },
    ReservedKey {
        name: "endpoints",
        documentation: "Ways in, by name: a target port, or `{ scheme, port, target-port, protocol, external, proxied, tls, env }`.",
        on: On::Workloads,
        schema: || {
            table_of(json!({ "oneOf": [
            { "type": "integer", "minimum": 1, "maximum": 65535 },
            { "type": "object", "additionalProperties": false, "properties": {
                "scheme": { "type": "string", "description": "URI scheme; the endpoint's name where that is http or https, else the protocol." },
                "port": { "type": "integer", "minimum": 1, "maximum": 65535, "description": "The port that callers use on this machine; the host picks one where it is missing." },
                "target-port": { "type": "integer", "minimum": 1, "maximum": 65535, "description": "The port that the workload listens on." },
                "protocol": { "enum": ["tcp", "udp"] },
                "external": { "type": "boolean", "description": "Reachable from outside the deployment." },
                "proxied": { "type": "boolean", "description": "Behind the host's relay in run mode (the default)." },
                "tls": { "type": "boolean" },
                "env": { "type": "string", "description": "Variable that receives the port to listen on." },
            } } ] }))
        },
        read: ways::endpoints,
    },
    ReservedKey {
        name: "volumes",
        documentation: "Named volumes that are kept, by name: a path in the container, or `{ target, name, read-only }`.",
        on: On::Containers,
        schema: || {
            table_of(json!({ "oneOf": [ string(), {
            "type": "object", "additionalProperties": false, "required": ["target"], "properties": {
                "target": { "type": "string" }, "name": { "type": "string" }, "read-only": { "type": "boolean" },
            } } ] }))
        },
        read: storage::volumes,
    },
    ReservedKey {
        name: "mounts",
        documentation: "Paths of this machine, by name: `{ source, target, read-only }`.",
        on: On::Containers,
        schema: || {
            table_of(json!({
            "type": "object", "additionalProperties": false, "required": ["source", "target"], "properties": {
                "source": { "type": "string", "description": "Relative to aspire.toml." },
                "target": { "type": "string" }, "read-only": { "type": "boolean" },
            } }))
        },
        read: storage::mounts,
    },
    ReservedKey {
        name: "files",
        documentation: "Files written before the start, by name: `{ target, contents, source, mode }`; `contents` is an expression, `source` a file relative to aspire.toml.",
        on: On::Workloads,
        schema: || {
            table_of(json!({
            "type": "object", "additionalProperties": false, "required": ["target"], "properties": {
                "target": { "type": "string" }, "contents": { "type": "string" }, "source": { "type": "string" },
                "mode": { "type": "string", "description": "Octal, such as \"0644\"." },
            } }))
        },
        read: storage::files,
    },
    ReservedKey {
        name: "health",
        documentation: "When it is healthy: a path of its HTTP endpoint, or `{ path, endpoint, status }`, `{ tcp }`, `{ command }`, each with `interval`, `timeout`, `start-period`, `retries`; `liveness = true`: one that becomes unhealthy is stopped and has failed.",
        on: On::Workloads,
        schema: || {
            json!({ "oneOf": [ string(), {
            "type": "object", "additionalProperties": false, "properties": {
                "path": { "type": "string" }, "endpoint": { "type": "string" },
                "status": { "type": "integer", "minimum": 100, "maximum": 599 },
                "tcp": { "type": "string", "description": "Endpoint to connect to." },
                "command": { "type": "array", "items": { "type": "string" }, "description": "Run where the workload runs." },
                "interval": { "type": "string", "description": "Such as \"5s\" or \"500ms\"." },
                "timeout": { "type": "string" }, "start-period": { "type": "string" },
                "retries": { "type": "integer", "minimum": 1 },
                "liveness": { "type": "boolean", "description": "One that becomes unhealthy is stopped, and started again as `restart` says." },
            } } ] })
        },
        read: ways::health,
    },
    ReservedKey {
        name: "replicas",
        documentation: "How many of it, behind one port.",
        on: On::Workloads,
        schema: || json!({ "type": "integer", "minimum": 1, "maximum": 100 }),
        read: workload::replicas,
    },
    ReservedKey {
        name: "limits",
        documentation: "What it may use at most: `{ cpu = 0.5, memory = \"512MiB\" }`.",
        on: On::Workloads,
        schema: || {
            json!({ "type": "object", "additionalProperties": false, "properties": {
            "cpu": { "type": "number", "exclusiveMinimum": 0, "description": "Cores." },
            "memory": { "type": "string", "description": "Such as \"512MiB\" or \"1GB\"." },
        } })
        },
        read: workload::limits,
    },
    ReservedKey {
        name: "lifetime",
        documentation: "`session`: as long as the run; `persistent`: a container that is kept after it and found again by the next run.",
        on: On::Workloads,
        schema: || json!({ "enum": ["session", "persistent"] }),
        read: |reader, node| reader.choice(Field::Lifetime, node, &["session", "persistent"]),
    },
    ReservedKey {
        name: "restart",
        documentation: "Whether it is started again after it ended: `no` (the default), `on-failure`, `always`, or `{ policy, maximum }` with how often in a row.",
        on: On::Workloads,
        schema: || {
            let policy = json!({ "enum": workload::RESTART_POLICIES });
            json!({ "oneOf": [ policy, {
            "type": "object", "additionalProperties": false, "required": ["policy"], "properties": {
                "policy": { "enum": workload::RESTART_POLICIES },
                "maximum": { "type": "integer", "minimum": 1, "description": "In a row; a run of a minute makes up for what was before." },
            } } ] })
        },
        read: workload::restart,
    },
    ReservedKey {
        name: "start",
        documentation: "`auto`, or `manual`: it is not started with the app.",
        on: On::Workloads,
        schema: || json!({ "enum": ["auto", "manual"] }),
        read: |reader, node| reader.choice(Field::Start, node, &["auto", "manual"]),
    },
    ReservedKey {
        name: "watch",
        documentation: "Files that are watched while it runs, and what follows when they change: `{ paths, ignore, do, target }` with `do` one of `restart`, `rebuild`, `sync`.",
        on: On::Workloads,
        schema: || {
            json!({ "type": "object", "additionalProperties": false, "properties": {
            "paths": { "type": "array", "items": { "type": "string" }, "description": "Files, folders and patterns, relative to aspire.toml; by default the build context of a container and the `cwd` of an executable." },
            "ignore": { "type": "array", "items": { "type": "string" }, "description": "Patterns as in .gitignore, relative to aspire.toml." },
            "do": { "enum": ["restart", "rebuild", "sync"], "description": "By default `rebuild` where there is a `build`, else `restart`." },
            "target": { "type": "string", "description": "With `sync`: the folder of the container that changed files are copied to." },
        } })
        },
        read: watch::read,
    },
    ReservedKey {
        name: "publish",
        documentation: "`false`: left out; `\"connection-string\"`: its connection string becomes a parameter; a table: `build` or `image` of an executable, `TARGET.variant = NAME`.",
        on: On::Any,
        schema: || {
            json!({ "oneOf": [ { "type": "boolean" }, { "enum": ["connection-string"] }, {
            "type": "object", "properties": { "image": { "type": "string" }, "build": { "oneOf": [ string(), build_table_schema() ] } },
            "additionalProperties": { "type": "object", "additionalProperties": false, "properties": { "variant": { "type": "string" } } },
        } ] })
        },
        read: workload::publish,
    },
    ReservedKey {
        name: "labels",
        documentation: "Labels: a table of expressions.",
        on: On::Any,
        schema: || table_of(string()),
        read: |reader, node| reader.expression_table(Field::Labels, node),
    },
    ReservedKey {
        name: "host",
        documentation: "Further settings of the host: `user`, `stop-grace`, `pull` (`missing`, `always`, `never`), `gpus`, `devices`, `cap-add`, `privileged`, `network = \"host\"`, `description`.",
        on: On::Any,
        schema: || {
            json!({ "type": "object", "additionalProperties": false, "properties": {
            "user": { "type": "string" },
            "stop-grace": { "type": "string", "description": "Between the request to stop and the end; \"10s\" by default." },
            "pull": { "enum": ["missing", "always", "never"] },
            "gpus": { "type": "string" },
            "devices": strings(),
            "cap-add": strings(),
            "privileged": { "type": "boolean" },
            "network": { "enum": ["host"] },
            "description": { "type": "string" },
        } })
        },
        read: workload::host,
    },
];

/// Whether a key belongs to the host.
pub fn is_reserved(key: &str) -> bool {
    key == "kind"
        || key.starts_with("x-")
        || KEYS.iter().any(|reserved| reserved.name == key)
        || LATER.iter().any(|(later, _)| *later == key)
}

/// A fact that the user set.
pub type Explicit = (FactKey, FactValue, Author);

/// Reads the reserved keys of a resource's table. What is left over belongs to its kind.
pub fn read(
    body: &Node,
    diagnostics: &mut Diagnostics,
) -> (Vec<Explicit>, Vec<&'static ReservedKey>) {
    let mut reader = Reader::new(diagnostics);
    let mut seen = Vec::new();
    for entry in body.entries() {
        if let Some((key, what)) = LATER.iter().find(|(later, _)| *later == entry.key) {
            reader.diagnostics.push(
                Diagnostic::error(
                    "not-served",
                    format!("`{key}` ({what}) is not served by this version"),
                )
                .at(entry.span.clone())
                .help("remove it"),
            );
        }
        if let Some(key) = KEYS.iter().find(|reserved| reserved.name == entry.key) {
            reader.at = Some(entry.span.clone());
            (key.read)(&mut reader, &entry.node);
            seen.push(key);
        }
    }
    (reader.facts, seen)
}

/// Says that a key means nothing on a resource of this shape.
pub fn misplaced(key: &ReservedKey, shape: Shape, span: Option<Span>) -> Diagnostic {
    let on = match key.on {
        On::Any => "any resource",
        On::Workloads => "containers and executables",
        On::Containers => "containers",
        On::Executables => "executables",
    };
    Diagnostic::error(
        "misplaced-key",
        format!(
            "`{}` means nothing on a resource of shape {shape}",
            key.name
        ),
    )
    .at(span)
    .help(format!("it belongs on {on}; remove it"))
}
