//! Writing: create, replace, patch and apply, on objects and on their status.

use std::sync::Arc;

use aspire_api::{GROUP, Kind, Object, ObjectKey};
use axum::http::header;
use axum::response::Response;
use serde_json::{Value, json};

use super::decode::{api_version, body, check_kind, check_name, clean, decode, refused, yaml};
use super::list::shown;
use super::parameters::WriteOptions;
use super::route::{Call, resource};
use super::{Api, answer, columns};
use crate::clock::Timestamp;
use crate::machinery::apply::{Writer, apply, track_update};
use crate::machinery::field_error::FieldError;
use crate::machinery::names::generate_name;
use crate::machinery::negotiate::negotiate;
use crate::machinery::patch::{PATCH_MEDIA_TYPES, json_patch, merge_patch};
use crate::machinery::status::{GroupKind, Status};
use crate::store::{Core, StoreError, uid};

/// Attempts to write a patch that names no version, and to find a name that is free.
const ATTEMPTS: usize = 100;
/// Writes, or only says what would be written.
fn commit(
    api: &Api,
    dry_run: bool,
    change: impl FnOnce(&mut Core) -> Result<Arc<Object>, StoreError>,
) -> Result<Arc<Object>, StoreError> {
    if dry_run {
        api.store.rehearse(change)
    } else {
        api.store.transact(change)
    }
}

fn answered(
    call: &Call,
    kind: Kind,
    object: &Object,
    code: u16,
    warnings: &[String],
) -> Result<Response, Status> {
    let negotiated = negotiate(call.accept(), false)?;
    let response = shown(call, negotiated, &columns::of(kind), &object.write(), code)?;
    Ok(answer::warn(response, warnings))
}

/// POST on a collection.
pub(super) fn create(api: &Api, call: &Call, kind: Kind) -> Result<Response, Status> {
    negotiate(call.accept(), false)?;
    let agent = call.header(header::USER_AGENT);
    let options = WriteOptions::read(&call.query, "CreateOptions", false, agent)?;
    let (mut object, duplicates) = body(call)?;
    check_kind(kind, &object)?;
    clean(&mut object);
    let prefix = object["metadata"]["generateName"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let named = object["metadata"]["name"]
        .as_str()
        .is_some_and(|name| !name.is_empty());
    if object["metadata"]["resourceVersion"]
        .as_str()
        .is_some_and(|version| !version.is_empty())
    {
        return Err(Status::bad_request(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    let mut attempt = 0;
    loop {
        attempt += 1;
        if !named && !prefix.is_empty() {
            object["metadata"]["name"] = json!(generate_name(&prefix, rand::random()));
        }
        let (created, warnings) = decode(api, kind, &object, None, &options, &duplicates)?;
        match create_object(api, kind, created, &options) {
            Ok(created) => return answered(call, kind, &created, 201, &warnings),
            Err(status) if status.code == 409 && !named && attempt < 8 => {}
            Err(status) if status.code == 409 && !named => {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                return Err(Status::generate_name_conflict(resource(kind), name));
            }
            Err(status) => return Err(status),
        }
    }
}

fn create_object(
    api: &Api,
    kind: Kind,
    mut object: Object,
    options: &WriteOptions,
) -> Result<Arc<Object>, Status> {
    object.set_status(None);
    let now = Timestamp::now();
    let text = now.seconds();
    let writer = Writer {
        manager: &options.manager,
        api_version: &api_version(),
        subresource: "",
        now: &text,
    };
    let written = object.write();
    let owned = api
        .schemas
        .with(kind, |schema| track_update(schema, None, &written, &writer));
    take_owners(&mut object, &owned);
    let name = object.metadata().name.clone();
    let created = add(api, options.dry_run, object, now);
    created.map_err(|error| refused(kind, &name, error, &written))
}

/// Creates; what is only rehearsed has no version.
fn add(
    api: &Api,
    dry_run: bool,
    object: Object,
    now: Timestamp,
) -> Result<Arc<Object>, StoreError> {
    let created = commit(api, dry_run, |core| core.create(object, uid(), now))?;
    if !dry_run {
        return Ok(created);
    }
    let mut object = created.as_ref().clone();
    object.metadata_mut().resource_version.clear();
    Ok(Arc::new(object))
}

/// Takes the ownership that was worked out over the wire form.
fn take_owners(object: &mut Object, owned: &Value) {
    let list = owned["metadata"]
        .get("managedFields")
        .cloned()
        .unwrap_or_else(|| json!([]));
    // What was worked out has the form of what it was worked out from.
    object.metadata_mut().managed_fields = serde_json::from_value(list).unwrap_or_default();
}

/// PUT on an object or its status.
pub(super) fn replace(
    api: &Api,
    call: &Call,
    kind: Kind,
    name: &str,
    subresource: &str,
) -> Result<Response, Status> {
    negotiate(call.accept(), false)?;
    let agent = call.header(header::USER_AGENT);
    let options = WriteOptions::read(&call.query, "UpdateOptions", false, agent)?;
    let (mut object, duplicates) = body(call)?;
    check_kind(kind, &object)?;
    clean(&mut object);
    check_name(
        object["metadata"]["name"].as_str().unwrap_or_default(),
        name,
    )?;
    let live = live(api, kind, name)?;
    let pinned = object["metadata"]["resourceVersion"].as_str();
    if matches!(pinned, None | Some("" | "0")) {
        let words = "must be specified for an update";
        let error = FieldError::invalid("metadata.resourceVersion", 0, words);
        let of = GroupKind {
            group: GROUP,
            kind: kind.plural(),
        };
        return Err(Status::invalid(of, name, &[error]));
    }
    let given = object["metadata"]["uid"].as_str().unwrap_or_default();
    let found = &live.metadata().uid;
    if !given.is_empty() && given != found {
        return Err(Status::uid_precondition(resource(kind), name, given, found));
    }
    let (written, warnings) =
        write_over(api, kind, &live, object, subresource, &options, &duplicates)?;
    answered(call, kind, &written, 200, &warnings)
}

fn live(api: &Api, kind: Kind, name: &str) -> Result<Arc<Object>, Status> {
    let found = api.store.get(&ObjectKey::new(kind, name));
    found.map_err(|_| Status::not_found(resource(kind), name))
}

/// Stores a new form of an object that was read just now.
fn write_over(
    api: &Api,
    kind: Kind,
    live: &Object,
    mut object: Value,
    subresource: &str,
    options: &WriteOptions,
    duplicates: &[String],
) -> Result<(Arc<Object>, Vec<String>), Status> {
    let name = live.metadata().name.clone();
    let stored = live.write();
    // The server's own, whatever was sent; when an object goes can't be said by writing it.
    for field in [
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        match stored["metadata"].get(field) {
            Some(value) => object["metadata"][field] = value.clone(),
            None if field == "deletionTimestamp" => {}
            None => drop(
                object["metadata"]
                    .as_object_mut()
                    .map(|all| all.remove(field)),
            ),
        }
    }
    let (mut new, warnings) = decode(api, kind, &object, Some(&stored), options, duplicates)?;
    if subresource.is_empty() {
        new.set_status(Some(live));
    } else {
        let mut whole = live.clone();
        whole.set_status(Some(&new));
        let version = &new.metadata().resource_version;
        whole.metadata_mut().resource_version.clone_from(version);
        new = whole;
    }
    let now = Timestamp::now();
    let text = now.seconds();
    let writer = Writer {
        manager: &options.manager,
        api_version: &api_version(),
        subresource,
        now: &text,
    };
    let written = new.write();
    let owned = api.schemas.with(kind, |schema| {
        track_update(schema, Some(&stored), &written, &writer)
    });
    take_owners(&mut new, &owned);
    let stored = store(api, options.dry_run, new, subresource, now, live);
    let stored = stored.map_err(|error| refused(kind, &name, error, &written))?;
    Ok((stored, warnings))
}

/// Stores; what is only rehearsed keeps its version.
fn store(
    api: &Api,
    dry_run: bool,
    object: Object,
    subresource: &str,
    now: Timestamp,
    before: &Object,
) -> Result<Arc<Object>, StoreError> {
    let stored = commit(api, dry_run, |core| match subresource {
        "" => core.update(object, now),
        _ => core.update_status(object, now),
    })?;
    if !dry_run {
        return Ok(stored);
    }
    let mut object = stored.as_ref().clone();
    let version = &before.metadata().resource_version;
    object.metadata_mut().resource_version.clone_from(version);
    Ok(Arc::new(object))
}

/// PATCH on an object or its status.
pub(super) fn patch(
    api: &Api,
    call: &Call,
    kind: Kind,
    name: &str,
    subresource: &str,
) -> Result<Response, Status> {
    negotiate(call.accept(), false)?;
    let media = call.header(header::CONTENT_TYPE);
    let media = media.split(';').next().unwrap_or_default().trim();
    let is_apply = media == "application/apply-patch+yaml";
    let agent = call.header(header::USER_AGENT);
    let options = WriteOptions::read(&call.query, "PatchOptions", is_apply, agent)?;
    if is_apply {
        return applied(api, call, kind, name, subresource, &options);
    }
    for _ in 0..ATTEMPTS {
        let live = live(api, kind, name)?;
        let before = live.write();
        let mut after = match media {
            "application/json-patch+json" => json_patch(&before, &call.body)?,
            "application/merge-patch+json" => merge_patch(&before, &call.body)?,
            _ => return Err(Status::unsupported_media_type(&PATCH_MEDIA_TYPES)),
        };
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        let pinned = version(&before) != version(&after);
        check_kind(kind, &after)?;
        clean(&mut after);
        check_name(after["metadata"]["name"].as_str().unwrap_or_default(), name)?;
        match write_over(api, kind, &live, after, subresource, &options, &[]) {
            Ok((written, warnings)) => return answered(call, kind, &written, 200, &warnings),
            // Somebody else wrote in between, and the patch doesn't mind.
            Err(status) if status.code == 409 && !pinned => {}
            Err(status) => return Err(status),
        }
    }
    Err(Status::conflict(resource(kind), name))
}

/// Server-side apply; makes the object where there is none.
fn applied(
    api: &Api,
    call: &Call,
    kind: Kind,
    name: &str,
    subresource: &str,
    options: &WriteOptions,
) -> Result<Response, Status> {
    let mut config = yaml(&call.body)?;
    if !config.is_object() {
        return Err(Status::bad_request("the body is no object"));
    }
    let text = |field: &str| config[field].as_str().unwrap_or_default();
    if text("apiVersion") != api_version() || text("kind") != kind.name() {
        let (group, version) = match text("apiVersion").split_once('/') {
            Some((group, version)) => (group, version),
            None => ("", text("apiVersion")),
        };
        let given = text("kind");
        return Err(Status::bad_request(format!(
            "invalid object type: {group}/{version}, Kind={given}"
        )));
    }
    clean(&mut config);
    if config["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .is_empty()
    {
        config["metadata"]["name"] = json!(name);
    }
    for _ in 0..ATTEMPTS {
        let live = api.store.get(&ObjectKey::new(kind, name)).ok();
        if live.is_none() && !subresource.is_empty() {
            return Err(Status::not_found(resource(kind), name));
        }
        let before = live.as_ref().map(|live| live.write());
        let now = Timestamp::now();
        let text = now.seconds();
        let writer = Writer {
            manager: &options.manager,
            api_version: &api_version(),
            subresource,
            now: &text,
        };
        let after = api.schemas.with(kind, |schema| {
            apply(schema, before.as_ref(), &config, &writer, options.force)
        })?;
        // Who owns what comes first.
        check_name(
            config["metadata"]["name"].as_str().unwrap_or_default(),
            name,
        )?;
        let pinned = config["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default();
        if let (Some(live), false) = (&live, pinned.is_empty())
            && live.metadata().resource_version != pinned
        {
            return Err(Status::conflict(resource(kind), name));
        }
        let given = config["metadata"]["uid"].as_str().unwrap_or_default();
        if let (Some(live), false) = (&live, given.is_empty())
            && live.metadata().uid != given
        {
            let found = &live.metadata().uid;
            return Err(Status::uid_precondition(resource(kind), name, given, found));
        }
        let (mut new, warnings) = decode(api, kind, &after, before.as_ref(), options, &[])?;
        let Some(live) = live else {
            new.set_status(None);
            let created = add(api, options.dry_run, new, now);
            let created = created.map_err(|error| refused(kind, name, error, &after))?;
            return answered(call, kind, &created, 201, &warnings);
        };
        new.metadata_mut()
            .resource_version
            .clone_from(&live.metadata().resource_version);
        match store(api, options.dry_run, new, subresource, now, &live) {
            Ok(stored) => return answered(call, kind, &stored, 200, &warnings),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(refused(kind, name, error, &after)),
        }
    }
    Err(Status::conflict(resource(kind), name))
}
