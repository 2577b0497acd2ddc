//! Figures of the control plane beside plain loops that do the same: `cargo run --release -p
//! aspire-dcp --example measure`. Children stamp their own times.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement for people; whatever goes wrong ends it"
)]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aspire_api::aspire::Aspire;
use aspire_api::container::{Container, ContainerState, NetworkAttachment};
use aspire_api::executable::{Executable, ExecutableState};
use aspire_api::network::ContainerNetwork;
use aspire_api::service::{Endpoint, EndpointSpec, Service};
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use aspire_dcp::runtime::docker::{DockerEngine, EngineEnvironment};
use aspire_dcp::runtime::{ContainerEngine, ContainerRequest, NetworkRequest};
use aspire_dcp::{Config, ControlPlane, Stop};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn now() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos()
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("child") => {
            let mut file = OpenOptions::new().append(true).open(&args[2]).unwrap();
            file.write_all(format!("{}\n", now()).as_bytes()).unwrap();
            std::thread::sleep(Duration::from_secs(1000));
        }
        Some("talk") => {
            let line =
                "a line of a server's log, about as long as such lines are: GET /orders 200\n";
            let block = line.repeat(100);
            let mut out = std::io::stdout().lock();
            for _ in 0..1000 {
                out.write_all(block.as_bytes()).unwrap();
            }
        }
        Some("containers") => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(containers());
        }
        Some("idle") => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(idle());
        }
        _ => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            for count in [1, 10, 50, 200] {
                let mut floors = Vec::new();
                let mut ours = Vec::new();
                for _ in 0..5 {
                    floors.push(floor(count));
                    ours.push(runtime.block_on(spawn(count)));
                }
                let (floor, own) = (median(floors), median(ours));
                println!(
                    "{count:>4} executables: {own:7.1} ms, bare loop {floor:7.1} ms, ratio {:.2}",
                    own / floor
                );
            }
            let rates: Vec<f64> = (0..3).map(|_| runtime.block_on(logs())).collect();
            println!("logs, 4 writers: {:.2} million lines/s", median(rates));
            runtime.block_on(relay());
            let status = fs::read_to_string("/proc/self/status").unwrap();
            println!(
                "{}",
                status
                    .lines()
                    .find(|line| line.starts_with("VmHWM"))
                    .unwrap()
            );
        }
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn stamps(file: &Path, count: usize) -> Vec<u128> {
    loop {
        let text = fs::read_to_string(file).unwrap();
        let mut stamps: Vec<u128> = text.lines().filter_map(|line| line.parse().ok()).collect();
        if stamps.len() >= count && text.ends_with('\n') {
            stamps.sort_unstable();
            return stamps;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Seconds of CPU that this process has used, without its children.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn me() -> String {
    std::env::current_exe()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

/// From the first spawn to the last child's stamp: fork and exec with pipes and a session each.
#[expect(
    unsafe_code,
    reason = "a session for each child, as the control plane gives them"
)]
fn floor(count: usize) -> f64 {
    let file = tempfile::NamedTempFile::new().unwrap();
    let start = now();
    let mut children: Vec<_> = (0..count)
        .map(|_| {
            let mut command = Command::new(me());
            command.arg("child").arg(file.path());
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            // SAFETY: one system call, safe between fork and exec.
            unsafe {
                command.pre_exec(|| {
                    rustix::process::setsid()?;
                    Ok(())
                });
            }
            command.spawn().unwrap()
        })
        .collect();
    let last = *stamps(file.path(), count).last().unwrap();
    for child in &mut children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    (last - start) as f64 / 1e6
}

fn config(folder: &Path) -> Config {
    let mut config = Config::new("m", "m-1", folder.join("state"), folder.join("data"));
    config.redactions = vec!["correct-horse-battery".to_owned(), "hunter22".to_owned()];
    config
}

fn executable(name: &str, args: &[&str]) -> Executable {
    let mut object = Executable {
        metadata: ObjectMeta::of(name, name),
        ..Executable::default()
    };
    object.spec.executable_path = me();
    object.spec.args = args.iter().map(|arg| (*arg).to_owned()).collect();
    object.spec.aspire = Some(Aspire::default());
    object
}

/// From the first object submitted to the last child's stamp.
async fn spawn(count: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stamps");
    fs::write(&file, "").unwrap();
    let plane = ControlPlane::start(config(folder.path())).await.unwrap();
    let start = now();
    for number in 0..count {
        let args = ["child", file.to_str().unwrap()];
        plane
            .client()
            .create(executable(&format!("e{number}"), &args))
            .await
            .unwrap();
    }
    let waiting = tokio::task::spawn_blocking(move || *stamps(&file, count).last().unwrap());
    let last = waiting.await.unwrap();
    let stop = Instant::now();
    plane.stop(Stop::Graceful).await;
    if count == 200 {
        println!(
            "     (200 stopped in {:.0} ms)",
            stop.elapsed().as_secs_f64() * 1e3
        );
    }
    (last - start) as f64 / 1e6
}

/// Lines a second of four writers with 100,000 lines each, kept whole, on the disk.
async fn logs() -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.logs.bytes = 64 << 20;
    let plane = ControlPlane::start(config).await.unwrap();
    let (start, before) = (Instant::now(), cpu());
    for number in 0..4 {
        plane
            .client()
            .create(executable(&format!("w{number}"), &["talk"]))
            .await
            .unwrap();
    }
    for number in 0..4 {
        let key = ObjectKey::new(Kind::Executable, format!("w{number}"));
        let done = |object: &Object| match object {
            Object::Executable(found) => found.status.state == ExecutableState::Finished,
            _ => false,
        };
        plane.client().wait_for(&key, done).await.unwrap();
    }
    let (seconds, used) = (start.elapsed().as_secs_f64(), cpu() - before);
    for number in 0..4 {
        let key = ObjectKey::new(Kind::Executable, format!("w{number}"));
        assert_eq!(plane.logs().tail(&key, 1_000_000).len(), 100_000);
    }
    println!("     (used {used:.2} s of CPU for 400,000 lines)");
    plane.stop(Stop::Graceful).await;
    0.4 / seconds
}

const IMAGE: &str = "standin.local/busybox:1";

/// Ten containers, all running: the control plane, and the engine's own floor.
async fn containers() {
    let engine = DockerEngine::connect(&EngineEnvironment::from_process())
        .await
        .unwrap();
    let (mut floors, mut ours) = (Vec::new(), Vec::new());
    for round in 0..5 {
        floors.push(raw_containers(&engine, round).await);
        ours.push(own_containers(&engine).await);
    }
    println!("floor {floors:.0?} ms\nours  {ours:.0?} ms");
    println!("10 containers: ratio {:.2}", median(ours) / median(floors));
}

async fn raw_containers(engine: &DockerEngine, round: usize) -> f64 {
    let name = format!("dcp-floor-{}-{round}", std::process::id());
    let start = Instant::now();
    let network = NetworkRequest {
        name: name.clone(),
        labels: BTreeMap::new(),
        ..NetworkRequest::default()
    };
    let network = engine.ensure_network(&network).await.unwrap();
    let all = (0..10).map(|number| {
        let name = &name;
        async move {
            let request = ContainerRequest {
                name: format!("{name}-{number}"),
                image: IMAGE.to_owned(),
                entrypoint: Some(vec!["/bin/sleep".to_owned(), "1000".to_owned()]),
                networks: vec![(name.clone(), vec![format!("c{number}")])],
                ..ContainerRequest::default()
            };
            let id = engine.create(&request).await.unwrap();
            engine.start(&id).await.unwrap();
            id
        }
    });
    let ids = futures_util::future::join_all(all).await;
    let time = start.elapsed();
    for id in ids {
        engine.remove(&id).await.unwrap();
    }
    engine.remove_network(&network.id).await.unwrap();
    time.as_secs_f64() * 1e3
}

async fn own_containers(engine: &DockerEngine) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.instance = format!("m-{}", std::process::id());
    config.engine = Some(Arc::new(engine.clone()));
    let plane = ControlPlane::start(config).await.unwrap();
    let start = Instant::now();
    let network = ContainerNetwork {
        metadata: ObjectMeta::of("app", "app"),
        ..ContainerNetwork::default()
    };
    plane.client().create(network).await.unwrap();
    for number in 0..10 {
        let name = format!("c{number}");
        let mut object = Container {
            metadata: ObjectMeta::of(&name, &name),
            ..Container::default()
        };
        object.spec.image = IMAGE.to_owned();
        object.spec.command = Some("/bin/sleep".to_owned());
        object.spec.args = vec!["1000".to_owned()];
        object.spec.networks = Some(vec![NetworkAttachment {
            name: "app".to_owned(),
            aliases: vec![name],
        }]);
        plane.client().create(object).await.unwrap();
    }
    for number in 0..10 {
        let key = ObjectKey::new(Kind::Container, format!("c{number}"));
        let running = |object: &Object| match object {
            Object::Container(found) => found.status.state == ContainerState::Running,
            _ => false,
        };
        plane.client().wait_for(&key, running).await.unwrap();
    }
    let time = start.elapsed();
    plane.stop(Stop::Force).await;
    time.as_secs_f64() * 1e3
}

/// A hundred processes that do nothing: what does that cost?
async fn idle() {
    let folder = tempfile::tempdir().unwrap();
    let plane = ControlPlane::start(config(folder.path())).await.unwrap();
    let file = folder.path().join("stamps");
    fs::write(&file, "").unwrap();
    for number in 0..100 {
        let args = ["child", file.to_str().unwrap()];
        plane
            .client()
            .create(executable(&format!("e{number}"), &args))
            .await
            .unwrap();
    }
    let stamped = file.clone();
    tokio::task::spawn_blocking(move || stamps(&stamped, 100))
        .await
        .unwrap();
    plane.wait_idle().await;
    let before = cpu();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let memory = |name: &str| {
        status
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    println!(
        "100 idle: {:.2} s of CPU in 10 s, {} {}",
        cpu() - before,
        memory("VmHWM"),
        memory("RssAnon")
    );
    plane.stop(Stop::Graceful).await;
}

async fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn pings(address: std::net::SocketAddr) -> f64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = [0; 64];
    let start = Instant::now();
    for _ in 0..5000 {
        stream.write_all(&[7; 64]).await.unwrap();
        stream.read_exact(&mut answer).await.unwrap();
    }
    start.elapsed().as_secs_f64() * 1e6 / 5000.0
}

async fn throughput(address: std::net::SocketAddr) -> f64 {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let total = 512usize << 20;
    let start = Instant::now();
    let sender = tokio::spawn(async move {
        let block = vec![7; 256 << 10];
        for _ in 0..total / block.len() {
            write.write_all(&block).await.unwrap();
        }
    });
    let mut buffer = vec![0; 256 << 10];
    let mut got = 0;
    while got < total {
        got += read.read(&mut buffer).await.unwrap();
    }
    sender.await.unwrap();
    total as f64 / start.elapsed().as_secs_f64() / 1e6
}

/// Everything on one thread: client, relay and server, so it is the relay's cost that shows.
async fn relay() {
    let folder = tempfile::tempdir().unwrap();
    let plane = ControlPlane::start(config(folder.path())).await.unwrap();
    let server = echo().await;
    let service = Service {
        metadata: ObjectMeta::of("s", "s"),
        ..Service::default()
    };
    plane.client().create(service).await.unwrap();
    let endpoint = Endpoint {
        metadata: ObjectMeta::of("e", "e"),
        spec: EndpointSpec {
            service_name: "s".to_owned(),
            address: server.ip().to_string(),
            port: server.port(),
            ..EndpointSpec::default()
        },
        ..Endpoint::default()
    };
    plane.client().create(endpoint).await.unwrap();
    let key = ObjectKey::new(Kind::Service, "s");
    let port = |object: &Object| match object {
        Object::Service(found) => found.status.effective_port,
        _ => None,
    };
    let found = plane
        .client()
        .wait_for(&key, |object| port(object).is_some())
        .await
        .unwrap();
    let relayed = std::net::SocketAddr::from(([127, 0, 0, 1], port(&found).unwrap()));
    println!(
        "round trip: direct {:.1} us, relayed {:.1} us",
        pings(server).await,
        pings(relayed).await
    );
    println!(
        "echo of 512 MB: direct {:.0} MB/s, relayed {:.0} MB/s",
        throughput(server).await,
        throughput(relayed).await
    );
    plane.stop(Stop::Graceful).await;
}
