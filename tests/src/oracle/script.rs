//! The form of a topic's file: requests in order, and what an answer is kept of.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::places;

/// Requests that belong together; they start with no objects at all.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// What is looked at.
    pub about: String,
    /// In this order.
    pub requests: Vec<Step>,
}

/// One request. `${group}` and captured names are replaced everywhere in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Unique in the topic; the answer is kept under it.
    pub name: String,
    /// GET where nothing is said.
    #[serde(default = "get")]
    pub method: String,
    /// Absolute, or below the group's version.
    pub path: String,
    /// Parameters.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Headers; `authorization` replaces the token ("" sends none).
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A JSON body.
    #[serde(default)]
    pub body: Option<Value>,
    /// A body of any text.
    #[serde(default)]
    pub text: Option<String>,
    /// Content type of the body; JSON where nothing is said.
    #[serde(rename = "type", default)]
    pub content: Option<String>,
    /// Variable → JSON pointer into the answer.
    #[serde(default)]
    pub capture: BTreeMap<String, String>,
    /// The answer is a stream of events.
    #[serde(default)]
    pub watch: Option<Watch>,
    /// Sent once the stream is open; their answers are kept only where they are refusals.
    #[serde(default)]
    pub during: Vec<Self>,
    /// Array (JSON pointer) → which of its objects are kept: pointer → value.
    #[serde(default)]
    pub only: BTreeMap<String, BTreeMap<String, Value>>,
    /// An array (JSON pointer) whose order means nothing.
    #[serde(default)]
    pub sorted: Option<String>,
    /// Keep the types of values, not the values.
    #[serde(default)]
    pub shape: bool,
    /// Keep no body.
    #[serde(default)]
    pub headless: bool,
    /// Only for what comes after: the answer is not kept unless it is a refusal.
    #[serde(default)]
    pub quiet: bool,
}

/// How much of a stream is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Stop after this many events (what is not there by then is never seen).
    pub events: usize,
    /// Stop after this many seconds.
    #[serde(default = "moment")]
    pub seconds: u64,
}

fn get() -> String {
    "GET".to_owned()
}

const fn moment() -> u64 {
    5
}

/// A folder or file of the oracle.
pub fn place(name: &str) -> PathBuf {
    places::repository().join("tests/oracle").join(name)
}

/// The names of all topics.
///
/// # Panics
/// The folder cannot be read.
pub fn topics() -> Vec<String> {
    let entries = std::fs::read_dir(place("requests")).expect("the requests");
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".json").map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

/// A topic by its name.
///
/// # Panics
/// It cannot be read.
pub fn topic(name: &str) -> Topic {
    let path = place("requests").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
