//! The columns that `kubectl get` shows, by kind.

use aspire_api::Kind;
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::machinery::table::{Column, human_duration};

/// The columns of a kind; the age, as every table has it, is the last but for those of `-o wide`.
pub(super) fn of(kind: Kind) -> Vec<Column<'static>> {
    let state = || {
        Column::field(
            "State",
            "string",
            "Where it is in its life.",
            "status.state",
        )
    };
    let ready = || condition("Ready", "Whether it can be used.");
    let mut columns = vec![Column::name()];
    columns.extend(match kind {
        Kind::Container => vec![
            state(),
            Column::field("Health", "string", "Overall health.", "status.healthStatus"),
            Column::field("Image", "string", "Image reference.", "spec.image"),
        ],
        Kind::Executable => vec![
            state(),
            Column::field("Health", "string", "Overall health.", "status.healthStatus"),
            Column::field("Pid", "integer", "Process id.", "status.pid"),
        ],
        Kind::ExecutableReplicaSet => vec![
            Column::field(
                "Desired",
                "integer",
                "How many there should be.",
                "spec.replicas",
            ),
            Column::field(
                "Running",
                "integer",
                "How many run.",
                "status.runningReplicas",
            ),
            Column::field(
                "Finished",
                "integer",
                "How many ended.",
                "status.finishedReplicas",
            ),
        ],
        Kind::ContainerExec => vec![
            state(),
            Column::field(
                "Container",
                "string",
                "Where it runs.",
                "spec.containerName",
            ),
            Column::field("Exit", "integer", "Exit code.", "status.exitCode"),
        ],
        Kind::Service => vec![
            state(),
            Column::field(
                "Address",
                "string",
                "Its address.",
                "status.effectiveAddress",
            ),
            Column::field("Port", "integer", "Its port.", "status.effectivePort"),
        ],
        Kind::Endpoint => vec![
            Column::field(
                "Service",
                "string",
                "What it is behind.",
                "spec.serviceName",
            ),
            Column::field("Address", "string", "Its address.", "spec.address"),
            Column::field("Port", "integer", "Its port.", "spec.port"),
        ],
        Kind::ContainerNetwork | Kind::ContainerNetworkTunnelProxy => vec![state()],
        Kind::ContainerVolume => vec![
            state(),
            Column::field("Volume", "string", "Its name in the engine.", "spec.name"),
        ],
        Kind::ContainerNetworkConnection => vec![
            Column::field(
                "Network",
                "string",
                "The network.",
                "spec.containerNetworkName",
            ),
            ready(),
        ],
    });
    columns.push(age());
    let message = || Column::field("Message", "string", "In words.", "status.message").wide();
    columns.extend(match kind {
        Kind::Container => vec![
            Column::field(
                "Container",
                "string",
                "Its id in the engine.",
                "status.containerId",
            )
            .wide(),
            Column::field("Exit", "integer", "Exit code.", "status.exitCode").wide(),
            message(),
        ],
        Kind::Executable => vec![
            Column::field("Path", "string", "The program.", "spec.executablePath").wide(),
            Column::field("Exit", "integer", "Exit code.", "status.exitCode").wide(),
            message(),
        ],
        Kind::Endpoint | Kind::ExecutableReplicaSet => Vec::new(),
        _ => vec![message()],
    });
    columns
}

/// Those of the pods' projection.
pub(super) fn of_pods() -> Vec<Column<'static>> {
    let column = |name, kind, cell: fn(&Value) -> Value| Column {
        name,
        kind,
        format: "",
        description: "",
        priority: 0,
        cell: Box::new(cell),
    };
    vec![
        Column::name(),
        column("Ready", "string", |pod| {
            let ready = pod["status"]["containerStatuses"][0]["ready"] == json!(true);
            json!(format!("{}/1", u8::from(ready)))
        }),
        column("Status", "string", |pod| {
            let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"];
            if waiting.is_string() {
                waiting.clone()
            } else {
                pod["status"]["phase"].clone()
            }
        }),
        column("Restarts", "integer", |pod| {
            pod["status"]["containerStatuses"][0]["restartCount"].clone()
        }),
        age(),
    ]
}

fn condition(kind: &'static str, description: &'static str) -> Column<'static> {
    Column {
        name: kind,
        kind: "string",
        format: "",
        description,
        priority: 0,
        cell: Box::new(move |object| {
            let conditions = object["status"]["conditions"].as_array();
            let found = conditions
                .into_iter()
                .flatten()
                .find(|one| one["type"] == json!(kind));
            found.map_or(Value::Null, |found| found["status"].clone())
        }),
    }
}

fn age() -> Column<'static> {
    Column {
        name: "Age",
        // As custom resources have it: a date, of which the age is shown.
        kind: "date",
        format: "",
        description: "Time since it was created.",
        priority: 0,
        cell: Box::new(|object| {
            let created = object["metadata"]["creationTimestamp"]
                .as_str()
                .and_then(seconds);
            let age =
                created.map(|created| human_duration(Timestamp::now().0 / 1_000_000 - created));
            json!(age.unwrap_or_else(|| "<unknown>".to_owned()))
        }),
    }
}

/// Seconds since 1970 of a time as metadata has it.
fn seconds(text: &str) -> Option<i64> {
    let whole = format!("{}.000000Z", text.get(..19)?);
    Some(Timestamp::read(whole.as_bytes())?.0 / 1_000_000)
}
