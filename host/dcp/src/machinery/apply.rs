//! Server-side apply, and the ownership that other writes bring about.
//!
//! Knows managers, conflicts and what is never owned. Doesn't know versions of kinds, defaults,
//! validation or the store: its results are what is to be validated and stored.

use serde_json::{Map, Value};

use super::fields_v1::{FieldSet, Path, display_path};
use super::last_applied;
use super::managed_fields::{Entry, ManagedFields, Operation};
use super::merge::{compare, field_set, merge, remove};
use super::schema::{Schema, check_lists, unknown_fields};
use super::status::{Cause, Status};

/// Who owned what was there before anybody's ownership was noted.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Who writes, and how.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// Group and version of the request, `example.com/v1`.
    pub api_version: &'a str,
    /// `status` for the status subresource, empty for the object itself.
    pub subresource: &'a str,
    /// The present, RFC 3339 with seconds: `2026-01-02T03:04:05Z`.
    pub now: &'a str,
}

impl Writer<'_> {
    fn entry(&self, operation: Operation, fields: FieldSet) -> Entry {
        Entry {
            manager: self.manager.to_owned(),
            operation,
            api_version: self.api_version.to_owned(),
            subresource: self.subresource.to_owned(),
            time: self.now.to_owned(),
            fields,
        }
    }

    /// Whether a top-level field can be changed by this writer: the status only by its
    /// subresource, and nothing else by that.
    fn reaches(&self, field: &str) -> bool {
        match self.subresource {
            "status" => field == "status",
            _ => field != "status",
        }
    }
}

/// A field that somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Who owns it, as a message names it.
    pub owner: String,
    /// The field.
    pub path: Path,
}

/// Why a configuration wasn't applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The configuration isn't one: 400.
    #[error("{0}")]
    BadRequest(String),
    /// It would change what others own: 409. At least one.
    #[error("{}", conflict_message(.0))]
    Conflicts(Vec<Conflict>),
}

impl From<ApplyError> for Status {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::BadRequest(why) => Self::bad_request(why),
            ApplyError::Conflicts(conflicts) => {
                let causes = conflicts
                    .iter()
                    .map(|conflict| Cause {
                        reason: "FieldManagerConflict".to_owned(),
                        message: format!("conflict with {}", conflict.owner),
                        field: display_path(&conflict.path),
                    })
                    .collect();
                Self::apply_conflict(conflict_message(&conflicts), causes)
            }
        }
    }
}

fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [conflict] = conflicts {
        return format!(
            "Apply failed with 1 conflict: conflict with {}: {}",
            conflict.owner,
            display_path(&conflict.path)
        );
    }
    let mut lines = Vec::new();
    let mut owner = "";
    for conflict in conflicts {
        if conflict.owner != owner {
            owner = &conflict.owner;
            lines.push(format!("conflicts with {owner}:"));
        }
        lines.push(format!("- {}", display_path(&conflict.path)));
    }
    let (count, lines) = (conflicts.len(), lines.join("\n"));
    format!("Apply failed with {count} conflicts: {lines}")
}

/// What nobody owns: it identifies the object, or is the server's alone.
fn never_owned() -> FieldSet {
    let mut set = FieldSet::of([&["apiVersion"][..], &["kind"], &["metadata"]]);
    for name in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "managedFields",
    ] {
        set = set.union(&FieldSet::of([&["metadata", name][..]]));
    }
    set
}

/// What can be owned of a set. The root isn't a field.
fn ownable(set: &FieldSet) -> FieldSet {
    set.difference(&never_owned()).with_member(false)
}

pub(super) fn without_managed_fields(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("managedFields");
    }
    object
}

/// An object without nulls: in a configuration they say nothing.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_nulls(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// The configuration as far as it can be applied by this writer.
fn reachable(config: &Value, writer: &Writer<'_>) -> Value {
    let mut config = without_nulls(config);
    if let Value::Object(fields) = &mut config {
        fields.retain(|name, _| {
            writer.reaches(name) || matches!(name.as_str(), "apiVersion" | "kind")
        });
    }
    config
}

fn check(schema: &Schema<'_>, config: &Value) -> Result<(), ApplyError> {
    if !config.is_object() {
        let why = "the applied configuration must be an object".to_owned();
        return Err(ApplyError::BadRequest(why));
    }
    let metadata = &config["metadata"];
    let managed = &metadata["managedFields"];
    if !managed.is_null() {
        let why = "metadata.managedFields must be nil".to_owned();
        return Err(ApplyError::BadRequest(why));
    }
    let mut errors: Vec<String> = unknown_fields(schema, config)
        .into_iter()
        .map(|path| format!(".{path}: field not declared in schema"))
        .collect();
    errors.extend(check_lists(schema, config));
    if errors.is_empty() {
        return Ok(());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Err(ApplyError::BadRequest(format!(
        "failed to create typed patch object (/{}; {}, Kind={}): {}",
        text(&metadata["name"]),
        text(&config["apiVersion"]),
        text(&config["kind"]),
        match &errors[..] {
            [one] => one.clone(),
            more => format!("errors:\n  {}", more.join("\n  ")),
        }
    )))
}

/// Applies a configuration to the stored object, or to nothing, and gives what is to be stored.
/// If that equals what is stored, nothing is to be written. Applying to nothing creates the
/// object; its name, uid and the like are the caller's.
///
/// # Errors
/// The configuration breaks the schema's structure, or, unless `force`, changes what others own.
pub fn apply(
    schema: &Schema<'_>,
    live: Option<&Value>,
    config: &Value,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Value, ApplyError> {
    check(schema, config)?;
    let result = match applied(schema, live, config, writer, force) {
        Err(conflicts) => {
            let rest = last_applied::remaining(schema, live, writer.manager, conflicts);
            if !rest.is_empty() {
                return Err(ApplyError::Conflicts(rest));
            }
            applied(schema, live, config, writer, true)
        }
        done => done,
    };
    let mut object = result.map_err(ApplyError::Conflicts)?;
    last_applied::refresh(&mut object, config, writer.manager);
    Ok(object)
}

/// The same for a configuration that is well formed.
fn applied(
    schema: &Schema<'_>,
    live: Option<&Value>,
    config: &Value,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Value, Vec<Conflict>> {
    let before = live.map_or_else(|| Value::Object(Map::new()), without_managed_fields);
    let mut managers = live.map_or_else(ManagedFields::default, owners);
    if live.is_some() && managers.entries.is_empty() {
        let earlier = Writer {
            manager: BEFORE_FIRST_APPLY,
            subresource: "",
            ..*writer
        };
        let fields = ownable(&compare(schema, None, Some(&before)).added);
        managers
            .entries
            .push(earlier.entry(Operation::Update, fields));
    }

    let config = reachable(config, writer);
    let mut mine = writer.entry(Operation::Apply, ownable(&field_set(schema, &config)));
    let place = managers.entries.iter().position(|e| e.same_manager(&mine));
    let last = place.map(|place| managers.entries.remove(place));
    let others = managers
        .entries
        .iter()
        .fold(FieldSet::default(), |set, entry| set.union(&entry.fields));

    let mut after = merge(schema, &before, &config);
    if let Some(last) = &last {
        let keep = mine.fields.union(&others);
        let gone = last.fields.difference(&keep);
        after = remove(schema, &after, &gone, &keep).unwrap_or_else(|| Value::Object(Map::new()));
    }

    let changes = compare(schema, Some(&before), Some(&after));
    let written = changes
        .added
        .union(&changes.modified)
        .union(&changes.replaced);
    let mut conflicts = Vec::new();
    for entry in &mut managers.entries {
        let lost = entry.fields.intersection(&written);
        conflicts.extend(lost.paths().into_iter().map(|path| Conflict {
            owner: entry.describe(),
            path,
        }));
        entry.fields = entry.fields.difference(&lost);
    }
    if !force && !conflicts.is_empty() {
        conflicts.sort_by(|a, b| (&a.owner, &a.path).cmp(&(&b.owner, &b.path)));
        return Err(conflicts);
    }

    // Who changes nothing has no time of his own.
    if live.is_some() && before == after {
        mine.time = last.map(|last| last.time).unwrap_or_default();
    }
    managers.entries.push(mine);
    managers.write(&mut after);
    Ok(after)
}

/// The owners that an object tells; none if it tells something that isn't understood.
fn owners(object: &Value) -> ManagedFields {
    ManagedFields::of_object(object).unwrap_or_default()
}

/// Notes who owns what after an object was created, replaced or patched, and gives what is to be
/// stored. `new` is the whole object as it would be stored, its status included; on an update of
/// a subresource, its `managedFields` are ignored.
///
/// Fields that it adds or changes belong to the writer and to nobody else; the time of its entry
/// is the present if there are any.
pub fn track_update(
    schema: &Schema<'_>,
    live: Option<&Value>,
    new: &Value,
    writer: &Writer<'_>,
) -> Value {
    let stored = || live.map_or_else(ManagedFields::default, owners);
    let mut managers = if !writer.subresource.is_empty() {
        stored()
    } else if ManagedFields::is_reset(new) {
        ManagedFields::default()
    } else {
        // Clients that know nothing of managedFields don't delete them.
        let given = owners(new);
        if given.entries.is_empty() {
            stored()
        } else {
            given
        }
    };

    let before = live.map(without_managed_fields);
    let mut after = without_managed_fields(new);
    let changes = compare(schema, before.as_ref(), Some(&after));
    let written = ownable(&changes.added.union(&changes.modified));
    let gone = changes.removed.union(&changes.replaced);

    let mut mine = writer.entry(Operation::Update, FieldSet::default());
    let mut mine_before = None;
    for entry in &mut managers.entries {
        entry.fields = entry.fields.difference(&gone);
        if entry.same_manager(&mine) {
            mine_before = Some(entry.clone());
        }
        entry.fields = entry.fields.difference(&written);
    }
    mine.fields = written.clone();
    if let Some(known) = mine_before {
        mine.fields = known.fields.union(&written);
        if written.is_empty() {
            mine.time = known.time;
        }
    }
    managers.entries.retain(|entry| !entry.same_manager(&mine));
    managers.entries.push(mine);
    managers.write(&mut after);
    after
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
