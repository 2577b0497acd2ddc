//! (b) `publish` of generated models through all passes: time, peak memory, growth.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::clock::{Ms, median, ms};
use crate::places::{output, write};
use crate::report::{Target, figure, times};
use crate::{Bench, Result, memory};

const SIZES: [u32; 4] = [10, 100, 1000, 10_000];

/// Measures and tells.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    bench
        .report
        .columns(&["time", "per resource", "growth to linear", "peak memory MB"]);
    let mut before: Option<(u32, Ms)> = None;
    for size in SIZES {
        let name = format!("publish, {size} resources");
        let guess = before.map_or(Duration::ZERO, |(_, time)| {
            Duration::from_secs_f64(time / 1e3 * 12.0 * 3.0)
        });
        if !bench.time_for(guess) {
            bench.report.not_measured(&name, "no time was left");
            continue;
        }
        let folder = bench.places.folder(&format!("publish-{size}"))?;
        write(&folder.join("aspire.toml"), &model(size))?;
        let command = |out: &str| -> Command {
            bench.places.host(
                &folder,
                &["publish", "--to", "compose", "--quiet", "-o", out],
            )
        };
        // Warms the cache, and says what is wrong with the model if something is.
        output(&mut command("first"))?;
        published(&folder.join("first"), size)?;
        let mut run = 0;
        let all = bench.repeat(|| {
            run += 1;
            let mut command = command(&format!("run{run}"));
            let start = Instant::now();
            let status = command.status().map_err(|error| error.to_string())?;
            let time = ms(start.elapsed());
            if status.success() {
                Ok(time)
            } else {
                Err(format!("it ended with {status}"))
            }
        })?;
        let time = median(all);
        let child = command("peak").spawn().map_err(|error| error.to_string())?;
        let peak = memory::peak(child)?;
        let growth = before.map(|(smaller, earlier)| (time / earlier) / f64::from(size / smaller));
        bench.report.row(
            &name,
            &[
                figure(time),
                figure(time / f64::from(size)),
                growth.map_or_else(|| "-".to_owned(), |growth| times(growth, 1.0)),
                figure(peak),
            ],
        );
        match (size, growth) {
            (1000, _) => bench.report.target(
                &name,
                time,
                Target {
                    limit: 200.0,
                    unit: "ms",
                },
            ),
            (10_000, Some(growth)) => bench.report.target(
                "growth from 1,000 to 10,000, to linear",
                growth,
                Target {
                    limit: 1.3,
                    unit: "x",
                },
            ),
            _ => {}
        }
        before = Some((size, time));
    }
    Ok(())
}

/// Everything has to be in the file, or fast means nothing.
fn published(folder: &Path, size: u32) -> Result<()> {
    let file = std::fs::read_dir(folder)
        .map_err(|error| error.to_string())?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml" || extension == "yml")
        })
        .ok_or("no compose file was written")?;
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let missing = (0..size).find(|index| !text.contains(&format!("\n  r{index}:\n")));
    missing.map_or(Ok(()), |index| {
        Err(format!("r{index} is not in the compose file"))
    })
}

/// Of ten resources one is a plugin's, two are executables, seven containers; they refer to each
/// other, wait for each other, and have ports, volumes and health checks.
fn model(size: u32) -> String {
    let mut text = String::from(
        "name = \"bench\"\n[plugins]\ncompose = \"compose\"\n\
         redis = { source = \"redis\", allow = [\"run-process:redis-server\"] }\n",
    );
    for index in 0..size {
        let cache = index / 10 * 10;
        let _ = write!(text, "\n[resources.r{index}]\n");
        let _ = match index % 10 {
            0 => writeln!(text, "kind = \"redis\""),
            3 | 6 => writeln!(
                text,
                "kind = \"executable\"\ncommand = \"./service\"\npublish.image = \"registry.example/service:1.{index}\"\n\
                 references = [\"r{cache}\"]\nwait-for = [\"r{cache}\"]\nendpoints.http = {{ env = \"PORT\", external = true }}\n\
                 health = \"/health\"\nenv.MODE = \"fast\""
            ),
            other => writeln!(
                text,
                "kind = \"container\"\nimage = \"registry.example/app:1.{index}\"\n\
                 references = [\"r{cache}\"]\nwait-for = [{{ resource = \"r{}\", for = \"started\" }}]\n\
                 endpoints.http = 8080\nvolumes.data = \"/data\"\nhealth = \"/health\"\n\
                 env.NUMBER = \"{other}\"\nenv.CACHE = \"cache at {{r{cache}.uri}}\"",
                index - 1
            ),
        };
    }
    text
}
