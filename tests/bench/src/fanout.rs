//! (k) 10,000 objects and 100 watchers, one of which sleeps: how long a list takes, whole and in
//! pages; how long until the last of 99 has heard of a write; how many events a second reach them,
//! with and without the one that sleeps; and the memory of it all.
//!
//! The server is a control plane without controllers, so that nobody but the clients is at work.

mod sleeper;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::clock::{Ms, median, ms};
use crate::places::Places;
use crate::plane::{BASE, Client, Plane, object, runtime};
use crate::report::{Target, figure, times};
use crate::{Bench, Result};

const OBJECTS: usize = 10_000;
const PAGE: usize = 500;
/// Watchers that are awake.
const AWAKE: usize = 99;
/// Writes of which each is waited for.
const SINGLE: usize = 20;
/// Writes that follow each other.
const MANY: usize = 1000;
const LIMIT: Duration = Duration::from_secs(60);
const MERGE: &str = "application/merge-patch+json";

/// What a server with all objects has shown.
struct Shown {
    made: Ms,
    lists: Vec<[Ms; 3]>,
    heard: Vec<Ms>,
    /// Pairs: with everybody awake, and with one asleep.
    many: Vec<[Ms; 2]>,
    /// With the objects; with the watchers as well; in the end.
    megabytes: [f64; 3],
}

/// Measures and tells.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let runtime = runtime()?;
    let shown = runtime.block_on(show(&bench.places, bench.runs))?;
    tell(bench, &shown);
    Ok(())
}

fn tell(bench: &mut Bench, shown: &Shown) {
    let list = |which: usize| median(shown.lists.iter().map(|list| list[which]));
    let report = &mut bench.report;
    report.columns(&["time", "to the floor"]);
    for (which, name) in [
        "list of 10,000",
        "the same in pages of 500",
        "serde_json alone (floor)",
    ]
    .into_iter()
    .enumerate()
    {
        report.row(name, &[figure(list(which)), times(list(which), list(2))]);
    }
    let one = figure(shown.made / 1e4);
    report.row("one of 10,000 creates", &[one]);
    let heard = median(shown.heard.iter().copied());
    report.row("a write to the last of 99", &[figure(heard)]);
    let many = |which: usize| median(shown.many.iter().map(|pair| pair[which]));
    report.columns(&["1,000 writes", "events a second"]);
    for (which, name) in ["99 watchers", "99 and one that sleeps"]
        .into_iter()
        .enumerate()
    {
        let rate = 99e6 / many(which);
        report.row(name, &[figure(many(which)), figure(rate)]);
    }
    report.columns(&["10,000 objects", "100 watchers", "in the end"]);
    report.row("PSS MB", &shown.megabytes.map(figure));
    report.target(
        "what one that sleeps costs the others",
        median(shown.many.iter().map(|pair| pair[1] / pair[0])),
        Target {
            limit: 1.1,
            unit: "x",
        },
    );
}

async fn show(places: &Places, runs: usize) -> Result<Shown> {
    let folder = places.folder("fanout")?;
    let plane = Plane::start(places, &folder, &["--server-only"])?;
    let client = plane.client().await?;
    let memory = || plane.memory(places, &places.stamp);
    let start = Instant::now();
    for index in 0..OBJECTS {
        client.create("executables", &some(index)).await?;
    }
    let made = ms(start.elapsed());
    let with_objects = memory();
    let mut lists = Vec::new();
    for _ in 0..runs {
        lists.push(list(&client).await?);
    }
    let watchers = Watchers::of(&client).await?;
    let (mut heard, mut many) = (Vec::new(), Vec::new());
    let mut with_watchers = 0.0;
    for run in 0..runs {
        for number in 0..SINGLE {
            heard.push(watchers.hear(&client, 1, run * SINGLE + number).await?);
        }
        let awake = watchers.hear(&client, MANY, run).await?;
        // A new one each time: whoever sleeps long enough is told to list again.
        let sleeper = sleeper::Sleeper::of(&plane, &watch(&client).await?).await?;
        if run == 0 {
            with_watchers = memory();
        }
        many.push([awake, watchers.hear(&client, MANY, runs + run).await?]);
        drop(sleeper);
    }
    Ok(Shown {
        made,
        lists,
        heard,
        many,
        megabytes: [with_objects, with_watchers, memory()],
    })
}

/// An executable as apps have them.
fn some(index: usize) -> Json {
    let env = [
        ("ConnectionStrings__cache", "redis://127.0.0.1:6379"),
        ("OTEL_SERVICE_NAME", "web"),
        ("PORT", "8080"),
    ];
    let env = env.map(|(name, value)| json!({ "name": name, "value": value }));
    let spec = json!({
        "executablePath": "/usr/local/bin/web",
        "workingDirectory": "/srv/app/web",
        "args": ["--port", "8080", "--verbose"],
        "env": env,
        "start": false,
    });
    let mut object = object("Executable", &format!("web-{index:05}"), &spec);
    object["metadata"]["labels"] = json!({ "app": "bench", "part": format!("p{}", index % 10) });
    object
}

/// Whole, in pages, and what writing the same text costs alone.
async fn list(client: &Client) -> Result<[Ms; 3]> {
    let path = format!("{BASE}/executables");
    let start = Instant::now();
    let bytes = client.get(&path).await?;
    let whole = ms(start.elapsed());
    let all: Json = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let count = all["items"].as_array().map_or(0, Vec::len);
    if count != OBJECTS {
        return Err(format!("a list of {count} objects"));
    }
    let start = Instant::now();
    let text = serde_json::to_vec(&all).map_err(|error| error.to_string())?;
    let floor = ms(start.elapsed());
    drop(text);
    let start = Instant::now();
    let mut token = String::new();
    let mut pages = 0;
    loop {
        let next = match token.as_str() {
            "" => String::new(),
            token => format!("&continue={token}"),
        };
        let bytes = client.get(&format!("{path}?limit={PAGE}{next}")).await?;
        pages += 1;
        match continued(&bytes) {
            Some(next) => token = next,
            None => break,
        }
    }
    if pages != OBJECTS / PAGE {
        return Err(format!("{pages} pages"));
    }
    Ok([whole, ms(start.elapsed()), floor])
}

/// The token of a page, found without reading all of it.
fn continued(page: &[u8]) -> Option<String> {
    let key = b"\"continue\":\"";
    let start = page.windows(key.len()).position(|part| part == key)? + key.len();
    let rest = &page[start..];
    let end = rest.iter().position(|byte| *byte == b'"')?;
    let token = String::from_utf8_lossy(&rest[..end]).into_owned();
    (!token.is_empty()).then_some(token)
}

/// A watch from now on.
async fn watch(client: &Client) -> Result<String> {
    let page = client.get(&format!("{BASE}/executables?limit=1")).await?;
    let page: Json = serde_json::from_slice(&page).map_err(|error| error.to_string())?;
    let version = page["metadata"]["resourceVersion"].as_str();
    let version = version.ok_or("a list without a version")?;
    Ok(format!(
        "{BASE}/executables?watch=true&resourceVersion={version}"
    ))
}

/// Those that are awake.
struct Watchers {
    heard: Arc<AtomicUsize>,
    news: Arc<Notify>,
    _tasks: JoinSet<()>,
}

impl Watchers {
    async fn of(client: &Client) -> Result<Self> {
        let (heard, news) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let path = watch(client).await?;
        let mut tasks = JoinSet::new();
        for _ in 0..AWAKE {
            let mut lines = client.follow(&path).await?;
            let (heard, news) = (Arc::clone(&heard), Arc::clone(&news));
            tasks.spawn(async move {
                while let Ok(Some(_)) = lines.next().await {
                    if (heard.fetch_add(1, Ordering::Relaxed) + 1) % AWAKE == 0 {
                        news.notify_one();
                    }
                }
            });
        }
        Ok(Self {
            heard,
            news,
            _tasks: tasks,
        })
    }

    /// From the first of so many writes until everybody has heard of all of them.
    async fn hear(&self, client: &Client, writes: usize, value: usize) -> Result<Ms> {
        let wanted = self.heard.load(Ordering::Relaxed) + AWAKE * writes;
        let start = Instant::now();
        for index in 0..writes {
            let path = format!("{BASE}/executables/web-{index:05}");
            let change =
                json!({ "metadata": { "annotations": { "value": format!("{writes}-{value}") } } });
            client.patch(&path, MERGE, &change).await?;
        }
        let all = async {
            while self.heard.load(Ordering::Relaxed) < wanted {
                self.news.notified().await;
            }
        };
        let done = tokio::time::timeout(LIMIT, all).await;
        done.map_err(|_| "some watchers have missed something".to_owned())?;
        Ok(ms(start.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found() {
        let page = br#"{"metadata":{"continue":"abc","resourceVersion":"1"},"items":[]}"#;
        assert_eq!(continued(page), Some("abc".to_owned()));
        assert_eq!(continued(br#"{"metadata":{"continue":""}}"#), None);
        assert_eq!(continued(br#"{"items":[]}"#), None);
    }
}
