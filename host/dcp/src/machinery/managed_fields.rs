//! `metadata.managedFields`: who owns which fields.
//!
//! Knows the list's form and order. Doesn't know how ownership comes about.

use serde_json::{Map, Value, json};

use super::fields_v1::{FieldSet, FieldsError};

/// Entries of updates that are kept; of more, the oldest are put together.
const MAX_UPDATERS: usize = 10;
/// The manager of the entry that the oldest ones are put into.
const ANCIENT: &str = "ancient-changes";

/// How a manager came to own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By creating, replacing or patching.
    Update,
}

/// What one manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The manager's name.
    pub manager: String,
    /// How it came to own the fields.
    pub operation: Operation,
    /// Group and version in which the paths are meant.
    pub api_version: String,
    /// The subresource by which it wrote; mostly empty.
    pub subresource: String,
    /// When it last wrote, RFC 3339 with seconds.
    pub time: String,
    /// What it owns.
    pub fields: FieldSet,
}

impl Entry {
    /// Whether both are of one manager. An applier stays the same when it changes the version.
    pub fn same_manager(&self, other: &Self) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    /// As conflicts call it: `"kubectl-edit" using v1`.
    pub fn describe(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }

    fn read(value: &Value) -> Result<Self, ManagedFieldsError> {
        let text = |key: &str| match value.get(key) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(ManagedFieldsError::Entry(format!("{key} must be a string"))),
        };
        let operation = match text("operation")?.as_str() {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            other => {
                return Err(ManagedFieldsError::Entry(format!(
                    "operation must be Apply or Update, not {other:?}"
                )));
            }
        };
        let kind = text("fieldsType")?;
        if kind != "FieldsV1" {
            return Err(ManagedFieldsError::Entry(format!(
                "fieldsType must be FieldsV1, not {kind:?}"
            )));
        }
        Ok(Self {
            manager: text("manager")?,
            operation,
            api_version: text("apiVersion")?,
            subresource: text("subresource")?,
            time: text("time")?,
            fields: match value.get("fieldsV1") {
                None | Some(Value::Null) => FieldSet::default(),
                Some(fields) => FieldSet::from_value(fields)?,
            },
        })
    }

    fn to_value(&self) -> Value {
        let mut entry = Map::new();
        entry.insert("manager".to_owned(), json!(self.manager));
        entry.insert(
            "operation".to_owned(),
            json!(format!("{:?}", self.operation)),
        );
        entry.insert("apiVersion".to_owned(), json!(self.api_version));
        if !self.time.is_empty() {
            entry.insert("time".to_owned(), json!(self.time));
        }
        entry.insert("fieldsType".to_owned(), json!("FieldsV1"));
        entry.insert("fieldsV1".to_owned(), self.fields.to_value());
        if !self.subresource.is_empty() {
            entry.insert("subresource".to_owned(), json!(self.subresource));
        }
        Value::Object(entry)
    }
}

/// A `managedFields` that isn't one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManagedFieldsError {
    /// It isn't a list.
    #[error("managedFields must be a list")]
    NotAList,
    /// An entry isn't well formed.
    #[error("managedFields: {0}")]
    Entry(String),
    /// A set isn't well formed.
    #[error(transparent)]
    Fields(#[from] FieldsError),
}

/// All owners of an object's fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ManagedFields {
    /// One entry per manager.
    pub entries: Vec<Entry>,
}

impl ManagedFields {
    /// Reads `metadata.managedFields` of an object; absent is empty.
    ///
    /// # Errors
    /// It isn't well formed.
    pub fn of_object(object: &Value) -> Result<Self, ManagedFieldsError> {
        let entries = match object.get("metadata").and_then(|m| m.get("managedFields")) {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(ManagedFieldsError::NotAList),
        };
        let mut fields = Self::default();
        for entry in entries {
            let entry = Entry::read(entry)?;
            match fields.entries.iter_mut().find(|e| e.same_manager(&entry)) {
                Some(known) => known.fields = known.fields.union(&entry.fields),
                None => fields.entries.push(entry),
            }
        }
        Ok(fields)
    }

    /// Whether an object asks for all ownership to be forgotten: `managedFields: [{}]`.
    pub fn is_reset(object: &Value) -> bool {
        object["metadata"]["managedFields"]
            .as_array()
            .is_some_and(|list| matches!(&list[..], [Value::Object(entry)] if entry.is_empty()))
    }

    /// The list as it is stored: sorted, without entries that own nothing, the oldest of too many
    /// updaters put together.
    pub fn to_value(&self) -> Value {
        let mut entries: Vec<Entry> = self.entries.clone();
        entries.retain(|entry| !entry.fields.is_empty());
        sort(&mut entries);
        cap(&mut entries);
        Value::Array(entries.iter().map(Entry::to_value).collect())
    }

    /// Writes the list into an object; an empty one is left out.
    pub fn write(&self, object: &mut Value) {
        let Value::Array(list) = self.to_value() else {
            return;
        };
        let Value::Object(object) = object else {
            return;
        };
        if list.is_empty() {
            if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
                metadata.remove("managedFields");
            }
        } else {
            let metadata = object.entry("metadata").or_insert_with(|| json!({}));
            if let Value::Object(metadata) = metadata {
                metadata.insert("managedFields".to_owned(), Value::Array(list));
            }
        }
    }
}

fn sort(entries: &mut [Entry]) {
    entries.sort_by(|a, b| {
        let key = |e: &Entry| (e.operation, e.time.clone(), e.manager.clone());
        key(a)
            .cmp(&key(b))
            .then_with(|| a.api_version.cmp(&b.api_version))
            .then_with(|| a.subresource.cmp(&b.subresource))
    });
}

fn cap(entries: &mut Vec<Entry>) {
    let updaters = |entries: &[Entry]| {
        let updates = entries.iter().filter(|e| e.operation == Operation::Update);
        updates.count()
    };
    // Two become one in every round, the oldest first: they are sorted by time.
    while updaters(entries) > MAX_UPDATERS {
        let mut places = (0..entries.len()).filter(|&i| entries[i].operation == Operation::Update);
        let (Some(first), Some(second)) = (places.next(), places.next()) else {
            return;
        };
        let older = entries.remove(first);
        let newer = &mut entries[second - 1];
        newer.fields = newer.fields.union(&older.fields);
        ANCIENT.clone_into(&mut newer.manager);
        newer.subresource.clear();
    }
    sort(entries);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, time: &str) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "g/v1", "time": time,
               "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {format!("f:{manager}"): {}}}})
    }

    fn object(entries: Vec<Value>) -> Value {
        json!({"metadata": {"name": "a", "managedFields": entries}})
    }

    #[test]
    fn sorted_and_without_empty_entries() {
        let mut nothing = entry("nothing", "Apply", "2026-01-01T00:00:00Z");
        nothing["fieldsV1"] = json!({});
        let fields = ManagedFields::of_object(&object(vec![
            entry("b", "Update", "2026-01-02T00:00:00Z"),
            entry("a", "Update", "2026-01-02T00:00:00Z"),
            entry("z", "Update", "2026-01-01T00:00:00Z"),
            nothing,
            entry("y", "Apply", "2026-01-03T00:00:00Z"),
        ]))
        .unwrap();
        let list = fields.to_value();
        let names: Vec<&str> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["manager"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["y", "z", "a", "b"]);
        let mut written = json!({"metadata": {"name": "a"}});
        fields.write(&mut written);
        assert_eq!(written["metadata"]["managedFields"], list);
        ManagedFields::default().write(&mut written);
        assert_eq!(written, json!({"metadata": {"name": "a"}}));
    }

    #[test]
    fn too_many_updaters() {
        let entries = (0..15)
            .map(|i| {
                entry(
                    &format!("m{i:02}"),
                    "Update",
                    &format!("2026-01-{:02}T00:00:00Z", i + 1),
                )
            })
            .collect();
        let list = ManagedFields::of_object(&object(entries))
            .unwrap()
            .to_value();
        let list = list.as_array().unwrap();
        assert_eq!(list.len(), 10);
        assert_eq!(list[0]["manager"], "ancient-changes");
        assert_eq!(list[0]["fieldsV1"]["f:spec"].as_object().unwrap().len(), 6);
        assert_eq!(list[9]["manager"], "m14");
    }

    #[test]
    fn reset_and_malformed() {
        assert!(ManagedFields::is_reset(&object(vec![json!({})])));
        assert!(!ManagedFields::is_reset(&object(vec![])));
        assert!(!ManagedFields::is_reset(&json!({})));
        for bad in [
            json!({"operation": "Fly", "fieldsType": "FieldsV1"}),
            json!({"operation": "Apply", "fieldsType": "FieldsV2"}),
            json!({"operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": {"x": 1}}),
            json!({"operation": "Apply", "fieldsType": "FieldsV1", "manager": 1}),
        ] {
            assert!(ManagedFields::of_object(&object(vec![bad])).is_err());
        }
    }
}
