//! Deleting: one object, or all that a list would show.

use std::sync::Arc;

use aspire_api::{GROUP, Kind, Object, ObjectKey, VERSION};
use axum::response::Response;
use serde_json::{Value, json};

use super::list::Selection;
use super::route::{Call, group_kind, resource};
use super::{Api, answer};
use crate::clock::Timestamp;
use crate::machinery::field_error::FieldError;
use crate::machinery::negotiate::negotiate;
use crate::machinery::options::{invalid_options, validate_dry_run};
use crate::machinery::status::Status;
use crate::store::{Core, Propagation, StoreError};

/// How to delete.
struct Options {
    dry_run: bool,
    propagation: Propagation,
    uid: Option<String>,
    version: Option<String>,
}

impl Options {
    fn read(call: &Call) -> Result<Self, Status> {
        let body: Value = if call.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&call.body).map_err(|error| {
                Status::bad_request(format!("the body is no JSON object: {error}"))
            })?
        };
        let given = body["kind"].as_str().unwrap_or("DeleteOptions");
        if given != "DeleteOptions" {
            return Err(Status::bad_request(format!(
                "the body is a {given}, not DeleteOptions"
            )));
        }
        let in_body = body["dryRun"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let dry_run: Vec<&str> = call
            .query
            .all("dryRun")
            .into_iter()
            .chain(in_body)
            .collect();
        let mut errors = validate_dry_run(&dry_run);
        let in_body = body["propagationPolicy"].as_str();
        let policy = in_body.or_else(|| call.query.get("propagationPolicy"));
        if let Some(policy) = policy
            && !matches!(policy, "" | "Foreground" | "Background" | "Orphan")
        {
            let known = ["Foreground", "Background", "Orphan", "nil"];
            errors.push(FieldError::not_supported(
                "propagationPolicy",
                policy,
                &known,
            ));
        }
        if !errors.is_empty() {
            return Err(invalid_options("DeleteOptions", &errors));
        }
        let text = |field: &str| body["preconditions"][field].as_str().map(str::to_owned);
        Ok(Self {
            dry_run: !dry_run.is_empty(),
            propagation: match policy {
                Some("Foreground") => Propagation::Foreground,
                Some("Orphan") => Propagation::Orphan,
                _ => Propagation::Background,
            },
            uid: text("uid"),
            version: text("resourceVersion"),
        })
    }

    fn check(&self, kind: Kind, object: &Object) -> Result<(), Status> {
        let metadata = object.metadata();
        let (of, name) = (group_kind(kind), &metadata.name);
        match (&self.uid, &self.version) {
            (Some(uid), _) if *uid != metadata.uid => {
                Err(Status::delete_uid(of, name, uid, &metadata.uid))
            }
            (_, Some(version)) if *version != metadata.resource_version => {
                let found = &metadata.resource_version;
                Err(Status::delete_version(of, name, version, found))
            }
            _ => Ok(()),
        }
    }
}

impl Options {
    /// Deletes; an object that nothing depends on has nothing to wait for.
    fn delete(&self, core: &mut Core, object: &Object) -> Result<(), StoreError> {
        let uid = &object.metadata().uid;
        let is_owner = core.objects().any(|other| {
            let owners = &other.metadata().owner_references;
            owners.iter().any(|owner| owner.uid == *uid)
        });
        let propagation = if is_owner {
            self.propagation
        } else {
            Propagation::Background
        };
        core.delete_with(&object.key(), propagation, Timestamp::now())
    }
}

/// DELETE on an object: the object, where something has to be undone first, or a success.
pub(super) fn one(api: &Api, call: &Call, kind: Kind, name: &str) -> Result<Response, Status> {
    negotiate(call.accept(), false)?;
    let options = Options::read(call)?;
    let key = ObjectKey::new(kind, name);
    let missing = || Status::not_found(resource(kind), name);
    let change = |core: &mut Core| -> Result<_, StoreError> {
        let object = core.get(&key)?;
        // The object that was looked at is the one that goes.
        let checked = options.check(kind, &object);
        if checked.is_ok() {
            options.delete(core, &object)?;
        }
        Ok((object, checked, core.get(&key).ok()))
    };
    let done = if options.dry_run {
        api.store.rehearse(change)
    } else {
        api.store.transact(change)
    };
    let (before, checked, after) = done.map_err(|_| missing())?;
    checked?;
    Ok(match after {
        Some(object) => answer::json(200, &object.write()),
        None => {
            let success = Status::success(resource(kind), name, &before.metadata().uid);
            answer::json(200, &success.to_value())
        }
    })
}

/// DELETE on a collection: all that a list would show.
pub(super) fn collection(api: &Api, call: &Call, kind: Kind) -> Result<Response, Status> {
    negotiate(call.accept(), false)?;
    let options = Options::read(call)?;
    let selection = Selection::read(call)?;
    let (objects, revision) = api.store.list();
    let matching: Vec<Arc<Object>> = objects
        .into_iter()
        .filter(|object| object.kind() == kind && selection.matches(object))
        .collect();
    if !options.dry_run {
        for object in &matching {
            // One that went by itself meanwhile has gone.
            let _ = api.store.transact(|core| options.delete(core, object));
        }
    }
    let items: Vec<Value> = matching.iter().map(|object| object.write()).collect();
    Ok(answer::json(
        200,
        &json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": format!("{}List", kind.name()),
            "metadata": {"resourceVersion": revision.to_string(), "continue": ""},
            "items": items,
        }),
    ))
}
