//! (a) A warm load of a plugin and a call of it, against a bare wasmtime loop that does the same.
//!
//! Each run is a process of its own, so that starting the engine counts. Both load the same
//! plugin, compiled before, and call its `expand`, each time in a fresh instance. The bare loop
//! has no limits, no checks and no model: what the plugin says goes nowhere.

mod bare;

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use aspire_model::grant::Grants;
use aspire_model::hook::ExpandContext;
use aspire_model::{Author, Declaration, Mode, ResourceName};
use aspire_plugins::{Config, PluginHost, Source};

use crate::clock::{Ms, median, ms};
use crate::places::{Places, output};
use crate::report::{figure, times};
use crate::{Bench, Result};

pub(crate) use bare::{bare, compile};

/// The plugin, and what is declared for it: a name and its kind.
const PLUGIN: &str = "redis";
/// Calls after the first one.
const CALLS: u32 = 200;

/// What one process has measured: the load, the first call, one of the later calls.
type Times = [Ms; 3];

/// Measures and tells.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let places = &bench.places;
    let folder = places.folder("plugin")?;
    let plugin = places
        .plugins
        .join(format!("{PLUGIN}.wasm"))
        .display()
        .to_string();
    let code = folder.join("code").display().to_string();
    let cache = folder.join("cache").display().to_string();
    part(places, &["compile", &plugin, &code])?;
    let (host, bare) = (["load", &plugin, &cache], ["bare", &code]);
    // The first one compiles, or finds the file too young to be known by its time.
    for _ in 0..2 {
        part(places, &host)?;
    }
    // In turns, so that a change of the machine's load meets both.
    let both = bench.repeat(|| Ok((figures(places, &host)?, figures(places, &bare)?)))?;
    bench
        .report
        .columns(&["load", "first call", "a later call", "load + first call"]);
    let middle = |of: &dyn Fn(&(Times, Times)) -> Times| -> [Ms; 4] {
        [0, 1, 2, 3].map(|which| {
            median(
                both.iter()
                    .map(of)
                    .map(|[load, first, later]| [load, first, later, load + first][which]),
            )
        })
    };
    let (host, bare) = (middle(&|both| both.0), middle(&|both| both.1));
    for (name, figures) in [
        ("aspire-host, warm cache", host),
        ("bare wasmtime loop (floor)", bare),
    ] {
        bench.report.row(name, &figures.map(figure));
    }
    let ratios = [0, 1, 2, 3].map(|which| times(host[which], bare[which]));
    bench.report.row("ratio", &ratios);
    Ok(())
}

fn part(places: &Places, words: &[&str]) -> Result<String> {
    output(Command::new(&places.bench).arg("part").args(words))
}

fn figures(places: &Places, words: &[&str]) -> Result<Times> {
    let text = part(places, words)?;
    let figures: Vec<Ms> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    figures
        .try_into()
        .map_err(|_| format!("not three figures: {text}"))
}

/// Loads and calls, and tells how long each took.
pub(crate) fn tell(load: Ms, mut call: impl FnMut() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    call()?;
    let first = ms(start.elapsed());
    let start = Instant::now();
    for _ in 0..CALLS {
        call()?;
    }
    say(&format!(
        "{load} {first} {}",
        ms(start.elapsed()) / f64::from(CALLS)
    ));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the process that measures reads it")]
fn say(text: &str) {
    println!("{text}");
}

/// `bench part load`: through the plugin host.
pub(crate) fn host(plugin: &str, cache: &str) -> Result<()> {
    let start = Instant::now();
    let config = Config {
        cache_dir: Some(cache.into()),
        ..Config::default()
    };
    let host = PluginHost::new(config).map_err(|error| error.to_string())?;
    let loaded = host
        .load_one(&Source::File(plugin.into()))
        .map_err(|error| error.to_string())?;
    let plugin = loaded.with_grants(Grants::default(), false);
    let load = ms(start.elapsed());
    let declaration = Arc::new(Declaration {
        name: ResourceName::new("cache").map_err(|error| error.to_string())?,
        kind: PLUGIN.into(),
        options: Arc::new(serde_json::json!({})),
        explicit: Vec::new(),
        author: Author::Option {
            text: "bench".into(),
        },
    });
    let context = ExpandContext {
        app: "app".into(),
        mode: Mode::Run,
    };
    tell(load, || match plugin.expand(&declaration, &context) {
        Ok(transaction) if !transaction.edits.is_empty() => Ok(()),
        other => Err(format!("{other:?}")),
    })
}
