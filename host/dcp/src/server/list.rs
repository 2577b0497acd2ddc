//! Reading: one object, or all of a kind, as objects, metadata or tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use aspire_api::{GROUP, Kind, Object, ObjectKey, VERSION};
use axum::response::Response;
use serde_json::{Value, json};

use super::route::{Call, resource};
use super::{Api, answer, columns, watch};
use crate::machinery::continue_token::{ContinueToken, page};
use crate::machinery::negotiate::{MetaVersion, Negotiated, Representation, negotiate};
use crate::machinery::options::{ListOptions, invalid_options, parse_resource_version};
use crate::machinery::selector::{FieldSelector, LabelSelector};
use crate::machinery::status::Status;
use crate::machinery::table::{
    Column, IncludeObject, partial_object_metadata, partial_object_metadata_list, table,
};

/// What fields can be selected by, beside the metadata's.
const SELECTABLE: [&str; 1] = ["status.state"];

/// Which objects a request is about.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    pub(super) fn read(call: &Call) -> Result<Self, Status> {
        Self::read_with(call, &SELECTABLE)
    }

    /// `fields`: what can be selected by, beside the name.
    pub(super) fn read_with(call: &Call, fields: &[&str]) -> Result<Self, Status> {
        Ok(Self {
            labels: call.query.text("labelSelector").parse()?,
            fields: FieldSelector::parse(call.query.text("fieldSelector"), fields)?,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(super) fn matches(&self, object: &Object) -> bool {
        self.matches_labels(&object.metadata().labels)
            && (self.fields.is_empty() || self.fields.matches(&object.write()))
    }

    fn matches_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.is_empty() || self.labels.matches(labels)
    }

    /// The same for an object that has only its wire form.
    pub(super) fn matches_value(&self, object: &Value) -> bool {
        let labels = object["metadata"]["labels"]
            .as_object()
            .into_iter()
            .flatten();
        let labels =
            labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.into())));
        self.matches_labels(&labels.collect()) && self.fields.matches(object)
    }
}

/// One object.
pub(super) fn one(api: &Api, call: &Call, kind: Kind, name: &str) -> Result<Response, Status> {
    let negotiated = negotiate(call.accept(), false)?;
    let found = api.store.get(&ObjectKey::new(kind, name));
    let object = found.map_err(|_| Status::not_found(resource(kind), name))?;
    shown(call, negotiated, &columns::of(kind), &object.write(), 200)
}

/// An object as the request wants to see it.
pub(super) fn shown(
    call: &Call,
    negotiated: Negotiated,
    columns: &[Column<'_>],
    object: &Value,
    code: u16,
) -> Result<Response, Status> {
    let value = match negotiated.representation {
        Representation::Object => object.clone(),
        Representation::Table(version) => {
            let include = IncludeObject::parse(call.query.get("includeObject"))?;
            table(
                columns,
                [object],
                &object["metadata"],
                include,
                version,
                true,
            )
        }
        Representation::PartialObjectMetadata(version) => partial_object_metadata(object, version),
        Representation::PartialObjectMetadataList(_) => {
            return Err(Status::not_acceptable(&[
                "application/json",
                "application/yaml",
            ]));
        }
    };
    Ok(answer::value(code, &value, negotiated.media_type))
}

/// All objects of a kind, or what happens to them.
pub(super) fn collection(api: &Api, call: &Call, kind: Kind) -> Result<Response, Status> {
    let query = &call.query;
    let options = ListOptions {
        watch: query.flag("watch")?,
        resource_version: query.text("resourceVersion"),
        resource_version_match: query.text("resourceVersionMatch"),
        continue_token: query.text("continue"),
        limit: query.number("limit")?.unwrap_or(0),
        send_initial_events: query.optional_flag("sendInitialEvents")?,
    };
    let errors = options.validate();
    if !errors.is_empty() {
        return Err(invalid_options("ListOptions", &errors));
    }
    let selection = Selection::read(call)?;
    let negotiated = negotiate(call.accept(), options.watch)?;
    if options.watch {
        return watch::of_kind(api, call, kind, &options, selection, negotiated);
    }
    if !options.continue_token.is_empty() && !matches!(options.resource_version, "" | "0") {
        let message = "specifying resource version is not allowed when using continue";
        return Err(Status::bad_request(message));
    }
    let token = match options.continue_token {
        "" => None,
        text => Some(ContinueToken::decode(text)?),
    };
    let (objects, revision) = snapshot(api, &options, token.as_ref())?;
    let limit = usize::try_from(options.limit).unwrap_or(0);
    let matching = objects
        .into_iter()
        .filter(|object| object.kind() == kind && selection.matches(object))
        .map(|object| (object.metadata().name.clone(), object));
    let page = page(matching, revision, limit, token.as_ref());
    let next = page.next.unwrap_or_default();
    let mut metadata = json!({"resourceVersion": revision.to_string(), "continue": next});
    if let Some(remaining) = page.remaining.filter(|_| selection.is_empty()) {
        metadata["remainingItemCount"] = json!(remaining);
    }
    let mut list = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": format!("{}List", kind.name()),
        "metadata": metadata,
    });
    if negotiated == Negotiated::default() {
        return Ok(plain_list(&list, &page.items));
    }
    list["items"] = page.items.iter().map(|object| object.write()).collect();
    shown_list(call, negotiated, &columns::of(kind), &list)
}

/// A list as it is, without a value of all of it in between.
fn plain_list(head: &Value, items: &[Arc<Object>]) -> Response {
    let mut text = head.to_string().into_bytes();
    // Its closing brace.
    text.pop();
    text.extend_from_slice(b",\"items\":[");
    for (index, object) in items.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&object.text());
    }
    text.extend_from_slice(b"]}");
    answer::bytes(200, "application/json", text)
}

/// A list as the request wants to see it.
pub(super) fn shown_list(
    call: &Call,
    negotiated: Negotiated,
    columns: &[Column<'_>],
    list: &Value,
) -> Result<Response, Status> {
    let items = || list["items"].as_array().into_iter().flatten();
    let value = match negotiated.representation {
        Representation::Object => list.clone(),
        Representation::Table(version) => {
            let include = IncludeObject::parse(call.query.get("includeObject"))?;
            table(columns, items(), &list["metadata"], include, version, true)
        }
        Representation::PartialObjectMetadata(version)
        | Representation::PartialObjectMetadataList(version) => {
            partial_object_metadata_list(list, version)
        }
    };
    Ok(answer::value(200, &value, negotiated.media_type))
}

/// The objects at the revision that is asked for, and that revision.
fn snapshot(
    api: &Api,
    options: &ListOptions<'_>,
    token: Option<&ContinueToken>,
) -> Result<(Vec<Arc<Object>>, u64), Status> {
    let (objects, current) = api.store.list();
    if let Some(token) = token {
        if token.revision == Some(current) {
            return Ok((objects, current));
        }
        let revision = token.revision(current, |revision| api.store.list_at(revision).is_err())?;
        let objects = api.store.list_at(revision);
        return Ok((objects.map_err(|_| Status::list_too_old())?, revision));
    }
    let wanted = parse_resource_version(options.resource_version)?.unwrap_or(0);
    if wanted > current {
        return Err(Status::too_large_version(wanted, current));
    }
    // A page that starts at a revision is a page of it.
    let paged = options.limit > 0 && wanted > 0 && options.resource_version_match.is_empty();
    if paged || options.resource_version_match == "Exact" {
        let objects = api.store.list_at(wanted);
        return Ok((objects.map_err(|_| Status::list_too_old())?, wanted));
    }
    Ok((objects, current))
}

/// The version of a table's or metadata's form, where one is asked for.
pub(super) fn version(representation: Representation) -> MetaVersion {
    match representation {
        Representation::Object => MetaVersion::default(),
        Representation::Table(version)
        | Representation::PartialObjectMetadata(version)
        | Representation::PartialObjectMetadataList(version) => version,
    }
}
