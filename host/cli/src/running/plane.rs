//! The control plane of a running app, over its Kubernetes-style API.
//!
//! Knows paths, verbs and the errors of the API. Works over any `kube::Client`: one of a socket or
//! one of the router in the same process. Doesn't know what the objects mean.

use std::collections::BTreeMap;
use std::time::Duration;

use aspire_api::{GROUP, Kind, Object, ObjectKey, VERSION};
use futures_util::io::AsyncBufRead;
use futures_util::{AsyncBufReadExt as _, StreamExt as _};
use http::Request;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

/// Kinds that workloads and their addresses are made of.
pub(crate) const SHOWN: [Kind; 3] = [Kind::Container, Kind::Executable, Kind::Service];

/// Between two attempts to watch.
const PAUSE: Duration = Duration::from_millis(200);

/// What the API answered instead of a result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaneError {
    /// It refuses.
    #[error("the control plane says: {message}")]
    Refused {
        /// HTTP status.
        code: u16,
        /// Its words.
        message: String,
    },
    /// Nobody is there, or somebody else.
    #[error("the control plane does not answer: {0}")]
    Gone(String),
    /// It answers with something else.
    #[error("the control plane answers something unexpected: {0}")]
    Odd(String),
}

impl PlaneError {
    /// The object is not there.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }
}

impl From<kube::Error> for PlaneError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused {
                code: status.code,
                message: status.message.clone(),
            },
            kube::Error::SerdeError(error) => Self::Odd(error.to_string()),
            error => Self::Gone(root(&error)),
        }
    }
}

/// The innermost cause, which says what happened.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// A change of an object.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// It is like this now.
    Now(Box<Object>),
    /// It is gone.
    Removed(ObjectKey),
    /// Everything that there was at first has been told.
    Listed,
    /// The control plane is gone.
    Over,
}

/// Which part of a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LogPart {
    /// Until its end.
    pub(crate) follow: bool,
    /// Only this many lines before now.
    pub(crate) tail: Option<u32>,
}

/// The control plane; cheap to clone.
#[derive(Clone)]
pub(crate) struct Plane {
    client: kube::Client,
}

type Result<T> = std::result::Result<T, PlaneError>;

impl Plane {
    /// Over a client.
    pub(crate) fn new(client: kube::Client) -> Self {
        Self { client }
    }

    /// Whether it is there and knows us.
    ///
    /// # Errors
    /// It isn't, or doesn't.
    pub(crate) async fn hello(&self) -> Result<()> {
        let path = format!("/apis/{GROUP}/{VERSION}");
        self.send("GET", &path, None, None).await.map(|_| ())
    }

    /// All objects of some kinds.
    ///
    /// # Errors
    /// The API's.
    pub(crate) async fn list(&self, kinds: &[Kind]) -> Result<Vec<Object>> {
        let mut objects = Vec::new();
        for kind in kinds {
            objects.extend(self.list_of(*kind).await?.0);
        }
        Ok(objects)
    }

    async fn list_of(&self, kind: Kind) -> Result<(Vec<Object>, String)> {
        let mut answer = self.send("GET", &path(kind, None), None, None).await?;
        let revision = answer["metadata"]["resourceVersion"].as_str();
        let revision = revision.unwrap_or("0").to_owned();
        let Json::Array(items) = answer["items"].take() else {
            return Err(PlaneError::Odd("a list without items".to_owned()));
        };
        let objects = items.into_iter().map(|item| decode(kind, item));
        Ok((objects.collect::<Result<_>>()?, revision))
    }

    /// An object; none: it is not there.
    ///
    /// # Errors
    /// The API's.
    pub(crate) async fn get(&self, key: &ObjectKey) -> Result<Option<Object>> {
        let path = path(key.kind, Some(&key.name));
        match self.send("GET", &path, None, None).await {
            Ok(answer) => decode(key.kind, answer).map(Some),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes an object.
    ///
    /// # Errors
    /// The API's.
    pub(crate) async fn create(&self, object: &Object) -> Result<Object> {
        let mut body = serde_json::to_value(object).map_err(odd)?;
        body["apiVersion"] = json!(format!("{GROUP}/{VERSION}"));
        if let Some(fields) = body.as_object_mut() {
            fields.remove("status");
        }
        let path = path(object.kind(), None);
        let answer = self.send("POST", &path, Some(&body), None).await?;
        decode(object.kind(), answer)
    }

    /// Merges a patch into an object.
    ///
    /// # Errors
    /// The API's.
    pub(crate) async fn patch(&self, key: &ObjectKey, patch: &Json) -> Result<Object> {
        let path = path(key.kind, Some(&key.name));
        let kind = "application/merge-patch+json";
        let answer = self.send("PATCH", &path, Some(patch), Some(kind)).await?;
        decode(key.kind, answer)
    }

    /// Asks for an object's end; one that is not there has ended.
    ///
    /// # Errors
    /// The API's.
    pub(crate) async fn delete(&self, key: &ObjectKey) -> Result<()> {
        let path = path(key.kind, Some(&key.name));
        match self.send("DELETE", &path, None, None).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_missing() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks for the end of everything.
    ///
    /// # Errors
    /// The API's.
    pub(crate) async fn stop_everything(&self) -> Result<()> {
        let body = json!({ "status": "Stopping", "shutdownResourceCleanup": "Full" });
        let kind = "application/merge-patch+json";
        let request = request("PATCH", "/admin/execution", Some(&body), Some(kind))?;
        self.client.request_text(request).await?;
        Ok(())
    }

    /// Lines of a log, each after its time, until its end.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn log(
        &self,
        key: &ObjectKey,
        source: &str,
        part: LogPart,
    ) -> Result<impl AsyncBufRead + use<>> {
        self.read_log(key, source, part, true).await
    }

    /// What a log says, as it came, until its end.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn bytes(
        &self,
        key: &ObjectKey,
        source: &str,
        part: LogPart,
    ) -> Result<impl AsyncBufRead + use<>> {
        self.read_log(key, source, part, false).await
    }

    async fn read_log(
        &self,
        key: &ObjectKey,
        source: &str,
        part: LogPart,
        timestamps: bool,
    ) -> Result<impl AsyncBufRead + use<>> {
        let mut path = format!(
            "{}/log?source={source}&timestamps={timestamps}&follow={}",
            path(key.kind, Some(&key.name)),
            part.follow
        );
        if let Some(lines) = part.tail {
            path.push_str(&format!("&tail={lines}"));
        }
        let request = request("GET", &path, None, None)?;
        Ok(self.client.request_stream(request).await?)
    }

    /// Everything that is and everything that happens to objects of some kinds. The first
    /// [`Change::Listed`] comes when all that is has been told; the last change is
    /// [`Change::Over`].
    pub(crate) fn watch(&self, kinds: &[Kind]) -> mpsc::UnboundedReceiver<Change> {
        let (changes, receiver) = mpsc::unbounded_channel();
        let (plane, kinds) = (self.clone(), kinds.to_vec());
        tokio::spawn(async move {
            let mut lists = Vec::new();
            for kind in kinds {
                match plane.list_of(kind).await {
                    Ok((objects, revision)) => {
                        let mut known = BTreeMap::new();
                        tell_list(objects, &mut known, &changes);
                        lists.push((kind, revision, known));
                    }
                    Err(_) => {
                        let _ = changes.send(Change::Over);
                        return;
                    }
                }
            }
            let _ = changes.send(Change::Listed);
            let watches = lists
                .into_iter()
                .map(|(kind, revision, known)| plane.watch_one(kind, revision, known, &changes));
            // The first that finds it gone speaks for all.
            let mut watches: futures_util::stream::FuturesUnordered<_> = watches.collect();
            watches.next().await;
            let _ = changes.send(Change::Over);
        });
        receiver
    }

    /// Ends when the control plane is gone, or nobody listens.
    async fn watch_one(
        &self,
        kind: Kind,
        mut revision: String,
        mut known: Known,
        changes: &mpsc::UnboundedSender<Change>,
    ) {
        loop {
            if changes.is_closed() {
                return;
            }
            match self
                .watch_once(kind, &mut revision, &mut known, changes)
                .await
            {
                // The server ends a watch when it likes.
                Ok(()) => {}
                Err(PlaneError::Refused { code: 410, .. }) => match self.list_of(kind).await {
                    Ok((objects, now)) => {
                        tell_list(objects, &mut known, changes);
                        revision = now;
                    }
                    Err(_) => return,
                },
                Err(_) => return,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn watch_once(
        &self,
        kind: Kind,
        revision: &mut String,
        known: &mut Known,
        changes: &mpsc::UnboundedSender<Change>,
    ) -> Result<()> {
        let path = format!(
            "{}?watch=true&resourceVersion={revision}&allowWatchBookmarks=true",
            path(kind, None)
        );
        let request = request("GET", &path, None, None)?;
        let stream = self.client.request_stream(request).await?;
        let mut lines = std::pin::pin!(stream.lines());
        while let Some(line) = lines.next().await {
            // A connection that breaks ends this watch; whether the server is gone, the next tells.
            let Ok(line) = line else { return Ok(()) };
            let mut event: Json = serde_json::from_str(&line).map_err(odd)?;
            let object = event["object"].take();
            if event["type"] == "ERROR" {
                let code = object["code"]
                    .as_u64()
                    .and_then(|code| code.try_into().ok());
                return Err(PlaneError::Refused {
                    code: code.unwrap_or(500),
                    message: object["message"].as_str().unwrap_or_default().to_owned(),
                });
            }
            if let Some(now) = object["metadata"]["resourceVersion"].as_str() {
                now.clone_into(revision);
            }
            let change = match event["type"].as_str() {
                Some("ADDED" | "MODIFIED") => {
                    let object = decode(kind, object)?;
                    known.insert(object.key(), object.metadata().uid.clone());
                    Change::Now(Box::new(object))
                }
                Some("DELETED") => {
                    let object = decode(kind, object)?;
                    known.remove(&object.key());
                    Change::Removed(object.key())
                }
                _ => continue,
            };
            if changes.send(change).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Json>,
        content: Option<&str>,
    ) -> Result<Json> {
        let request = request(method, path, body, content)?;
        Ok(self.client.request::<Json>(request).await?)
    }
}

/// Objects that have been told, each with its uid.
type Known = BTreeMap<ObjectKey, String>;

/// Tells everything that there is, and first what has gone without a word.
fn tell_list(objects: Vec<Object>, known: &mut Known, changes: &mpsc::UnboundedSender<Change>) {
    let there: Known = objects
        .iter()
        .map(|object| (object.key(), object.metadata().uid.clone()))
        .collect();
    for (key, uid) in std::mem::replace(known, there) {
        if known.get(&key) != Some(&uid) {
            let _ = changes.send(Change::Removed(key));
        }
    }
    for object in objects {
        let _ = changes.send(Change::Now(Box::new(object)));
    }
}

fn path(kind: Kind, name: Option<&str>) -> String {
    let plural = kind.plural();
    match name {
        Some(name) => format!("/apis/{GROUP}/{VERSION}/{plural}/{name}"),
        None => format!("/apis/{GROUP}/{VERSION}/{plural}"),
    }
}

fn request(
    method: &str,
    path: &str,
    body: Option<&Json>,
    content: Option<&str>,
) -> Result<Request<Vec<u8>>> {
    let mut request = Request::builder().method(method).uri(path);
    if body.is_some() {
        let content = content.unwrap_or("application/json");
        request = request.header("content-type", content);
    }
    let bytes = body.map(ToString::to_string).unwrap_or_default();
    request.body(bytes.into_bytes()).map_err(odd)
}

fn odd(error: impl std::error::Error) -> PlaneError {
    PlaneError::Odd(error.to_string())
}

/// Items of a list may come without their kind.
fn decode(kind: Kind, mut value: Json) -> Result<Object> {
    if let Some(fields) = value.as_object_mut() {
        fields.insert("kind".to_owned(), json!(kind.name()));
    }
    serde_json::from_value(value).map_err(odd)
}
