//! `Table` and `PartialObjectMetadata`: what kubectl prints, and what metadata clients get.
//!
//! Knows the forms. Which columns a kind has is the caller's.

use std::fmt;

use serde_json::{Map, Value, json};

use super::negotiate::MetaVersion;
use super::status::Status;

/// Makes a cell of an object.
pub type Cell<'a> = Box<dyn Fn(&Value) -> Value + Send + Sync + 'a>;

/// A column.
pub struct Column<'a> {
    /// The heading.
    pub name: &'a str,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: &'a str,
    /// An OpenAPI format; `name` marks the column that is the object's name.
    pub format: &'a str,
    /// For people.
    pub description: &'a str,
    /// 0: always shown; 1: only with `-o wide`.
    pub priority: u8,
    /// What is shown.
    pub cell: Cell<'a>,
}

impl fmt::Debug for Column<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Column").field(&self.name).finish()
    }
}

impl<'a> Column<'a> {
    /// The name of the object, which every table has first.
    pub fn name() -> Self {
        Self {
            name: "Name",
            kind: "string",
            format: "name",
            description: "Name must be unique within a namespace. Is required when creating \
                resources, although some resources may allow a client to request the generation \
                of an appropriate name automatically. Name is primarily intended for creation \
                idempotence and configuration definition. Cannot be updated. More info: \
                https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names",
            priority: 0,
            cell: Box::new(|object| object["metadata"]["name"].clone()),
        }
    }

    /// What is at a path with dots; nothing is shown as empty.
    pub fn field(name: &'a str, kind: &'a str, description: &'a str, path: &'a str) -> Self {
        Self {
            name,
            kind,
            format: "",
            description,
            priority: 0,
            cell: Box::new(move |object| {
                let mut value = object;
                for part in path.split('.') {
                    value = &value[part];
                }
                value.clone()
            }),
        }
    }

    /// The same, shown only with `-o wide`.
    #[must_use]
    pub fn wide(mut self) -> Self {
        self.priority = 1;
        self
    }

    fn definition(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": self.format,
            "description": self.description, "priority": self.priority,
        })
    }
}

/// What of an object goes with its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

impl IncludeObject {
    /// Reads the query parameter `includeObject`.
    ///
    /// # Errors
    /// 400 if it has another value.
    pub fn parse(parameter: Option<&str>) -> Result<Self, Status> {
        match parameter {
            None | Some("" | "Metadata") => Ok(Self::Metadata),
            Some("None") => Ok(Self::None),
            Some("Object") => Ok(Self::Object),
            Some(other) => Err(Status::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: \
                 must be 'Metadata', 'Object', 'None', or empty"
            ))),
        }
    }
}

/// A table of objects.
///
/// `list_metadata` is the `metadata` of the list, or of a single object: its resource version,
/// `continue` and `remainingItemCount` become the table's. Only the first event of a watch needs
/// `with_columns`.
pub fn table<'a>(
    columns: &[Column<'_>],
    objects: impl IntoIterator<Item = &'a Value>,
    list_metadata: &Value,
    include: IncludeObject,
    version: MetaVersion,
    with_columns: bool,
) -> Value {
    let rows: Vec<Value> = objects
        .into_iter()
        .map(|object| {
            let cells: Vec<Value> = columns.iter().map(|c| (c.cell)(object)).collect();
            match include {
                IncludeObject::None => json!({"cells": cells, "object": null}),
                IncludeObject::Metadata => {
                    json!({"cells": cells, "object": partial_object_metadata(object, version)})
                }
                IncludeObject::Object => json!({"cells": cells, "object": object}),
            }
        })
        .collect();
    let definitions: Value = if with_columns {
        columns.iter().map(Column::definition).collect()
    } else {
        Value::Null
    };
    json!({
        "kind": "Table",
        "apiVersion": version.api_version(),
        "metadata": listed(list_metadata),
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

/// What a list's metadata can have.
fn listed(metadata: &Value) -> Map<String, Value> {
    ["resourceVersion", "continue", "remainingItemCount"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), metadata.get(key)?.clone())))
        .filter(|(_, value)| value != "")
        .collect()
}

/// An object as its metadata only.
pub fn partial_object_metadata(object: &Value, version: MetaVersion) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": version.api_version(),
        "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
    })
}

/// A list as the metadata of its objects.
pub fn partial_object_metadata_list(list: &Value, version: MetaVersion) -> Value {
    let items: Vec<Value> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|object| partial_object_metadata(object, version))
        .collect();
    json!({
        "kind": "PartialObjectMetadataList",
        "apiVersion": version.api_version(),
        "metadata": listed(&list["metadata"]),
        "items": items,
    })
}

/// A span of seconds as kubectl prints it: two units while it is short, one when it is long.
pub fn human_duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |a: i64, unit_a: &str, b: i64, unit_b: &str| match b {
        0 => format!("{a}{unit_a}"),
        b => format!("{a}{unit_a}{b}{unit_b}"),
    };
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(days, "d", hours % 24, "h"),
        () if days < 730 => format!("{days}d"),
        () if days < 2920 => two(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> Value {
        json!({"apiVersion": "g/v1", "kind": "Executable",
               "metadata": {"name": "web", "resourceVersion": "5"}, "status": {"state": "Running"}})
    }

    #[test]
    fn tables() {
        let columns = [
            Column::name(),
            Column::field("State", "string", "What it does.", "status.state"),
            Column::field("PID", "integer", "", "status.pid").wide(),
        ];
        let object = web();
        let metadata = json!({"resourceVersion": "9", "continue": "c", "name": "no"});
        let all = table(
            &columns,
            [&object],
            &metadata,
            IncludeObject::Metadata,
            MetaVersion::V1,
            true,
        );
        assert_eq!(
            all,
            json!({
                "kind": "Table", "apiVersion": "meta.k8s.io/v1",
                "metadata": {"resourceVersion": "9", "continue": "c"},
                "columnDefinitions": [
                    {"name": "Name", "type": "string", "format": "name", "priority": 0,
                     "description": Column::name().description},
                    {"name": "State", "type": "string", "format": "", "priority": 0,
                     "description": "What it does."},
                    {"name": "PID", "type": "integer", "format": "", "priority": 1, "description": ""},
                ],
                "rows": [{"cells": ["web", "Running", null], "object": {
                    "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                    "metadata": {"name": "web", "resourceVersion": "5"},
                }}],
            })
        );
        let version = MetaVersion::V1Beta1;
        let bare = table(
            &columns,
            [&object],
            &json!({}),
            IncludeObject::None,
            version,
            false,
        );
        assert_eq!(bare["columnDefinitions"], json!(null));
        assert_eq!(
            bare["rows"],
            json!([{"cells": ["web", "Running", null], "object": null}])
        );
        assert_eq!(bare["apiVersion"], "meta.k8s.io/v1beta1");
        let whole = table(
            &columns,
            [&object],
            &json!({}),
            IncludeObject::Object,
            version,
            false,
        );
        assert_eq!(whole["rows"][0]["object"], object);
    }

    #[test]
    fn metadata_only() {
        let list = json!({"kind": "ExecutableList", "metadata": {"resourceVersion": "9"}, "items": [web()]});
        assert_eq!(
            partial_object_metadata_list(&list, MetaVersion::V1),
            json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                   "metadata": {"resourceVersion": "9"}, "items": [{
                       "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                       "metadata": {"name": "web", "resourceVersion": "5"}}]})
        );
    }

    #[test]
    fn parameters() {
        assert_eq!(IncludeObject::parse(None), Ok(IncludeObject::Metadata));
        assert_eq!(
            IncludeObject::parse(Some("Object")),
            Ok(IncludeObject::Object)
        );
        assert_eq!(IncludeObject::parse(Some("None")), Ok(IncludeObject::None));
        assert_eq!(IncludeObject::parse(Some("x")).unwrap_err().code, 400);
    }

    #[test]
    fn durations() {
        for (seconds, text) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (11_100, "3h5m"),
            (28_800, "8h"),
            (172_800, "2d"),
            (176_400, "2d1h"),
            (691_200, "8d"),
            (63_072_000, "2y"),
            (63_158_400, "2y1d"),
            (252_288_000, "8y"),
        ] {
            assert_eq!(human_duration(seconds), text);
        }
    }
}
