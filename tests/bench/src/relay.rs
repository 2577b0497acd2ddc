//! (j) Requests a second to a Redis, as `redis-benchmark` counts them: direct, through a bare copy
//! loop, and through the relay of a service; with 1, 16 and 256 requests at once on each of 50
//! connections. And a service without a relay, which has to be the Redis itself.
//!
//! Ratios are those of a round, in which the three take turns, and then the median.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::io::copy_bidirectional_with_sizes;

use crate::clock::{median, until};
use crate::memory::MARKER;
use crate::places::{Places, output};
use crate::plane::{BASE, Client, Plane, object, runtime};
use crate::report::{Target, figure};
use crate::{Bench, Result};

/// Requests at once on a connection, and how many make about half a second.
const PIPELINES: [(u32, u32); 3] = [(1, 30_000), (16, 400_000), (256, 1_000_000)];
const LIMIT: Duration = Duration::from_secs(20);

/// Requests a second.
#[derive(Clone, Copy)]
struct Rates {
    direct: f64,
    bare: f64,
    relay: f64,
}

/// A child that ends with this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // One that is gone needs no end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures and tells.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    for program in ["redis-server", "redis-benchmark"] {
        if let Err(error) = output(Command::new(program).arg("--version")) {
            bench
                .report
                .not_measured("relay", error.lines().next().unwrap_or(program));
            return Ok(());
        }
    }
    let places = &bench.places;
    let (_redis, direct) = redis(places)?;
    let (_bare, bare) = bare(places, direct)?;
    let folder = places.folder("relay")?;
    let plane = Plane::start(places, &folder, &[])?;
    let (relay, without) = runtime()?.block_on(services(&plane, direct))?;
    if without != direct {
        return Err(format!(
            "without a relay, port {without} is not Redis' own {direct}"
        ));
    }
    let rate = |port, (pipeline, count)| requests(places, port, pipeline, count);
    // Connections are slower the first time.
    for port in [direct, bare, relay] {
        rate(port, PIPELINES[0])?;
    }
    let rounds = bench.repeat(|| {
        PIPELINES
            .iter()
            .map(|pipeline| {
                Ok(Rates {
                    direct: rate(direct, *pipeline)?,
                    bare: rate(bare, *pipeline)?,
                    relay: rate(relay, *pipeline)?,
                })
            })
            .collect::<Result<Vec<Rates>>>()
    })?;
    tell(bench, &rounds);
    Ok(())
}

fn tell(bench: &mut Bench, rounds: &[Vec<Rates>]) {
    let middle = |which: usize, of: &dyn Fn(&Rates) -> f64| {
        median(rounds.iter().map(|round| of(&round[which])))
    };
    let names = ["-P 1", "-P 16", "-P 256"];
    bench.report.columns(&names);
    let row = |name: &str, of: &dyn Fn(&Rates) -> f64| {
        let cells = [0, 1, 2].map(|which| figure(middle(which, of)));
        bench.report.row(name, &cells);
    };
    row("direct (and proxied = false)", &|rates| rates.direct);
    row("bare copy loop (floor)", &|rates| rates.bare);
    row("aspire-host's relay", &|rates| rates.relay);
    row("direct to the relay", &|rates| rates.direct / rates.relay);
    for (which, name) in names.iter().enumerate() {
        bench.report.target(
            &format!("relay {name}: the bare loop's rate to its own"),
            middle(which, &|rates| rates.bare / rates.relay),
            Target {
                limit: 1.0 / 0.9,
                unit: "x",
            },
        );
    }
    bench.report.target(
        "relay -P 256: the direct rate to its own",
        middle(2, &|rates| rates.direct / rates.relay),
        Target {
            limit: 1.0 / 0.85,
            unit: "x",
        },
    );
}

fn redis(places: &Places) -> Result<(Ended, u16)> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = free.map_err(|error| error.to_string())?.port();
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no"])
        .current_dir(places.folder("redis")?);
    let redis = spawn(&mut command, places)?;
    until(LIMIT, "Redis", || {
        TcpStream::connect(("127.0.0.1", port)).ok()
    })?;
    Ok((redis, port))
}

fn bare(places: &Places, to: u16) -> Result<(Ended, u16)> {
    let mut command = Command::new(&places.bench);
    command.args(["part", "copy", &to.to_string()]);
    let mut bare = spawn(&mut command, places)?;
    let mut line = String::new();
    let out = bare.0.stdout.take().ok_or("no output")?;
    BufReader::new(out)
        .read_line(&mut line)
        .map_err(|error| error.to_string())?;
    let port = line.trim().parse();
    port.map(|port| (bare, port))
        .map_err(|_| "the bare loop does not listen".to_owned())
}

fn spawn(command: &mut Command, places: &Places) -> Result<Ended> {
    let child = command
        .env(MARKER, &places.mark)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let name = command.get_program().display();
    child.map(Ended).map_err(|error| format!("{name}: {error}"))
}

/// Two services that lead to a port, one with a relay, one without; their ports.
async fn services(plane: &Plane, to: u16) -> Result<(u16, u16)> {
    let client = plane.client().await?;
    let mut ports = [0; 2];
    for (index, mode) in ["Localhost", "Proxyless"].into_iter().enumerate() {
        let name = format!("s{index}");
        let spec = json!({ "addressAllocationMode": mode, "protocol": "TCP" });
        client
            .create("services", &object("Service", &name, &spec))
            .await?;
        let spec = json!({ "serviceName": name, "serviceNamespace": "", "address": "127.0.0.1", "port": to });
        client
            .create(
                "endpoints",
                &object("Endpoint", &format!("e{index}"), &spec),
            )
            .await?;
        ports[index] = port_of(&client, &name).await?;
    }
    Ok((ports[0], ports[1]))
}

async fn port_of(client: &Client, service: &str) -> Result<u16> {
    let watch = format!(
        "{BASE}/services?watch=true&resourceVersion=0&fieldSelector=metadata.name%3D{service}"
    );
    let mut events = client.follow(&watch).await?;
    loop {
        let event = events.event().await?;
        let status: &Json = &event["object"]["status"];
        let port = status["effectivePort"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok());
        if let (Some("Ready"), Some(port)) = (status["state"].as_str(), port) {
            return Ok(port);
        }
    }
}

fn requests(places: &Places, port: u16, pipeline: u32, count: u32) -> Result<f64> {
    let text = output(
        Command::new("redis-benchmark")
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .args(["-t", "get", "-c", "50", "--csv"])
            .args(["-P", &pipeline.to_string(), "-n", &count.to_string()])
            .env(MARKER, &places.mark),
    )?;
    let line = text.lines().find(|line| line.starts_with("\"GET\""));
    let rate = line.and_then(|line| line.split('"').nth(3)?.parse().ok());
    rate.ok_or_else(|| format!("redis-benchmark said: {text}"))
}

/// `bench part copy`: the floor, a loop that copies both ways and does nothing else. On one thread,
/// as the relay.
pub(crate) fn copy(to: &str) -> Result<()> {
    let to: u16 = to.parse().map_err(|_| "a port is expected")?;
    let said = |error: std::io::Error| error.to_string();
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(said)?;
        say(listener.local_addr().map_err(said)?.port());
        loop {
            let (mut client, _) = listener.accept().await.map_err(said)?;
            tokio::spawn(async move {
                let Ok(mut server) = tokio::net::TcpStream::connect(("127.0.0.1", to)).await else {
                    return;
                };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let size = 64 << 10;
                let _ = copy_bidirectional_with_sizes(&mut client, &mut server, size, size).await;
            });
        }
    })
}

#[expect(clippy::print_stdout, reason = "the process that measures reads it")]
fn say(port: u16) {
    println!("{port}");
}
