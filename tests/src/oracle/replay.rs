//! Sends the requests of a topic and keeps what is answered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::normal;
use super::script::{Step, Topic};
use super::server::{GROUP, Server};
use super::wire::{Head, Line, Request};

/// The headers that are part of an answer.
const HEADERS: [&str; 4] = ["content-type", "warning", "allow", "www-authenticate"];

/// Sends every request in order; the answers, normalised, by the names of the requests.
///
/// # Panics
/// Nobody answers.
pub fn topic(server: &Server, topic: &Topic) -> Map<String, Value> {
    server.clear();
    let mut known = BTreeMap::from([("group".to_owned(), GROUP.to_owned())]);
    let mut answers = Vec::new();
    for step in &topic.requests {
        let answer = send(server, step, &known);
        for (name, pointer) in &step.capture {
            let found = answer["body"].pointer(pointer).unwrap_or(&Value::Null);
            let text = found
                .as_str()
                .map_or_else(|| found.to_string(), str::to_owned);
            known.insert(name.clone(), text);
        }
        answers.push((step, answer));
    }
    server.clear();
    let names = normal::Names::of(answers.iter().map(|(_, answer)| answer));
    answers
        .into_iter()
        // What only prepares is told where it was refused: nothing after it means what it says.
        .filter(|(step, answer)| !step.quiet || answer["status"].as_u64() >= Some(300))
        .map(|(step, answer)| (step.name.clone(), names.replace(&kept(step, answer))))
        .collect()
}

fn send(server: &Server, step: &Step, known: &BTreeMap<String, String>) -> Value {
    let request = request(server, step, known);
    let say = |error: std::io::Error| -> ! { panic!("{}: {error}", step.name) };
    let Some(watch) = &step.watch else {
        let (head, body) = server.peer.call(&request).unwrap_or_else(|e| say(e));
        return whole(&head, &body);
    };
    let end = Instant::now() + Duration::from_secs(watch.seconds);
    let mut stream = server.peer.open(&request, end).unwrap_or_else(|e| say(e));
    if stream.head.status != 200 {
        let mut body = String::new();
        while let Line::Text(line) = stream.line().unwrap_or_else(|e| say(e)) {
            body.push_str(&line);
        }
        return whole(&stream.head, body.as_bytes());
    }
    let mut refused = Vec::new();
    for inner in &step.during {
        let answer = send(server, inner, known);
        if answer["status"].as_u64() >= Some(300) {
            refused.push(answer);
        }
    }
    let mut events = Vec::new();
    let mut ended = false;
    while events.len() < watch.events {
        match stream.line().unwrap_or_else(|e| say(e)) {
            Line::Text(line) => {
                events.push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
            Line::End => {
                ended = true;
                break;
            }
            Line::Late => break,
        }
    }
    let mut answer = whole(&stream.head, b"");
    answer["events"] = Value::Array(events);
    answer["ended"] = ended.into();
    if !refused.is_empty() {
        answer["refused"] = Value::Array(refused);
    }
    answer
}

fn request(server: &Server, step: &Step, known: &BTreeMap<String, String>) -> Request {
    let path = fill(&step.path, known);
    let mut target = if path.starts_with('/') {
        path
    } else {
        format!("/apis/{GROUP}/v1/{path}")
    };
    for (number, (name, value)) in step.query.iter().enumerate() {
        target.push(if number == 0 { '?' } else { '&' });
        target.push_str(&format!("{name}={}", encode(&fill(value, known))));
    }
    let mut headers = BTreeMap::from([
        server.authority(),
        ("accept".to_owned(), "application/json".to_owned()),
        ("user-agent".to_owned(), "oracle/1".to_owned()),
    ]);
    let json = step.body.as_ref().map(Value::to_string);
    let body = json.or_else(|| step.text.clone());
    if body.is_some() {
        let kind = step.content.as_deref().unwrap_or("application/json");
        headers.insert("content-type".to_owned(), kind.to_owned());
    }
    for (name, value) in &step.headers {
        headers.insert(name.clone(), fill(value, known));
    }
    headers.retain(|_, value| !value.is_empty());
    Request {
        method: step.method.clone(),
        target,
        headers: headers.into_iter().collect(),
        body: fill(&body.unwrap_or_default(), known).into_bytes(),
    }
}

fn whole(head: &Head, body: &[u8]) -> Value {
    let mut headers = Map::new();
    for name in HEADERS {
        let values: Vec<&str> = head.all(name).collect();
        if !values.is_empty() {
            headers.insert(name.to_owned(), json!(values));
        }
    }
    let text = String::from_utf8_lossy(body);
    let mut answer = json!({"status": head.status, "headers": headers});
    if !text.is_empty() {
        answer["body"] = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
    }
    answer
}

/// What the topic wants to keep of an answer.
fn kept(step: &Step, mut answer: Value) -> Value {
    for (array, wanted) in &step.only {
        if let Some(Value::Array(items)) = answer["body"].pointer_mut(array) {
            items.retain(|item| {
                wanted
                    .iter()
                    .all(|(pointer, value)| item.pointer(pointer) == Some(value))
            });
        }
    }
    if let Some(array) = &step.sorted
        && let Some(Value::Array(items)) = answer["body"].pointer_mut(array)
    {
        items.sort_by_key(|item| format!("{} {}", item["name"], item["resource"]));
    }
    if step.shape {
        answer["body"] = shape(&answer["body"]);
    }
    if step.headless
        && let Some(answer) = answer.as_object_mut()
    {
        answer.remove("body");
    }
    answer
}

fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), shape(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(_) => "array".into(),
        Value::String(_) => "string".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Null => "null".into(),
    }
}

fn fill(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (name, value) in known {
        text = text.replace(&format!("${{{name}}}"), value);
    }
    text
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
