//! An engine of the test's own, restarted in earnest while a run goes on: once as an upgrade does
//! it, once killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aspire_dcp::runtime::docker::{DockerEngine, EngineEnvironment};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::lab::{IMAGE, Lab, docker_engine, shell, skipped, state};
use crate::support::Folders;

/// An engine with folders, a socket, a network stack and containers of its own.
struct OwnEngine {
    folder: tempfile::TempDir,
    daemon: Option<Child>,
}

impl OwnEngine {
    /// None, which is said, where there can't be one.
    async fn start() -> Option<Self> {
        docker_engine(&EngineEnvironment::from_process()).await?;
        let me = std::fs::metadata("/proc/self").unwrap();
        if std::os::unix::fs::MetadataExt::uid(&me) != 0 {
            skipped("an engine of one's own needs root");
            return None;
        }
        // Not below any longer folder: sockets have short names.
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        std::fs::write(folder.path().join("config"), "{}").unwrap();
        let mut engine = Self {
            folder,
            daemon: None,
        };
        if let Err(why) = engine.up().await {
            let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!ci, "no engine of one's own under CI: {why}");
            skipped(&format!("no engine of one's own ({why})"));
            return None;
        }
        let mut save = Command::new("docker")
            .args(["save", IMAGE])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let load = engine
            .docker_command()
            .arg("load")
            .stdin(save.stdout.take().unwrap())
            .output();
        assert!(load.unwrap().status.success() && save.wait().unwrap().success());
        Some(engine)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn docker_command(&self) -> Command {
        let mut command = Command::new("docker");
        command.args(["-H", &format!("unix://{}", self.path("sock").display())]);
        command
    }

    fn docker(&self, arguments: &[&str]) -> String {
        let output = self.docker_command().args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    async fn connect(&self) -> DockerEngine {
        let environment = EngineEnvironment {
            docker_host: Some(format!("unix://{}", self.path("sock").display())),
            ..EngineEnvironment::default()
        };
        DockerEngine::connect(&environment).await.unwrap()
    }

    /// Starts it and waits until it answers.
    async fn up(&mut self) -> Result<(), String> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let option = |name: &str, value: &Path| format!("--{name}={}", value.display());
        // In a network of its own: one without a bridge removes the one that it finds there, which
        // is the machine's otherwise.
        let mut daemon = Command::new("unshare")
            .args(["--net", "dockerd"])
            .arg(option("config-file", &self.path("config")))
            .arg(option("data-root", &self.path("data")))
            .arg(option("exec-root", &self.path("exec")))
            .arg(option("pidfile", &self.path("pid")))
            .arg(format!("--host=unix://{}", self.path("sock").display()))
            .args(["--bridge=none", "--iptables=false", "--ip-forward=false"])
            .args(["--storage-driver=vfs", "--shutdown-timeout=3"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("dockerd: {error}"))?;
        let ours = format!("/proc/{}/ns/net", daemon.id());
        let begun = Instant::now();
        loop {
            let asked = self.docker_command().arg("version").output().unwrap();
            if asked.status.success() {
                let net = |path: &str| std::fs::read_link(path).unwrap();
                assert_ne!(net(&ours), net("/proc/self/ns/net"));
                self.daemon = Some(daemon);
                return Ok(());
            }
            let ended = daemon.try_wait().unwrap();
            if ended.is_some() || begun.elapsed() > Duration::from_secs(60) {
                let _ = daemon.kill();
                let _ = daemon.wait();
                let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
                let last = log.lines().last().unwrap_or_default().to_owned();
                return Err(format!("dockerd {ended:?}: {last}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends it: it stops its containers; or kills it: they run on until it is back.
    async fn down(&mut self, kill: bool) {
        let mut daemon = self.daemon.take().unwrap();
        end(&mut daemon, kill);
        while daemon.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if kill {
            // What it had started went with it; where nobody reaps, it seems to be there still.
            let _ = std::fs::remove_file(self.path("exec/containerd/containerd.pid"));
        }
    }
}

fn end(daemon: &mut Child, kill: bool) {
    if kill {
        daemon.kill().unwrap();
    } else {
        signal(&daemon.id().to_string(), Signal::TERM);
    }
}

fn signal(pid: &str, signal: Signal) {
    let pid = pid.parse().ok().and_then(Pid::from_raw);
    // One that has ended meanwhile needs none.
    let _ = kill_process(pid.expect("a process id"), signal);
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            end(&mut daemon, false);
            let _ = daemon.wait();
        }
        // One that was killed leaves what it had started; only what is ours is named like this.
        if let Ok(pid) = std::fs::read_to_string(self.path("exec/containerd/containerd.pid")) {
            let line = std::fs::read_to_string(format!("/proc/{}/cmdline", pid.trim()));
            if line.is_ok_and(|line| line.contains(&*self.folder.path().to_string_lossy())) {
                signal(pid.trim(), Signal::KILL);
            }
        }
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        for mount in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
            if Path::new(mount).starts_with(self.folder.path()) {
                let _ = Command::new("umount").args(["-l", mount]).status();
            }
        }
    }
}

#[tokio::test]
async fn restarted_in_earnest() {
    let Some(mut engine) = OwnEngine::start().await else {
        return;
    };
    let lab = Lab::begin(
        "own",
        Folders::new(),
        Some(Arc::new(engine.connect().await)),
    )
    .await;
    let talks = "trap 'exit 9' TERM; n=0; while :; do n=$((n+1)); echo $n; sleep 0.1; done";
    // One that the engine itself starts again.
    let arguments = [
        "run",
        "-d",
        "--restart=always",
        "--name=theirs",
        IMAGE,
        "sh",
        "-c",
    ];
    engine.docker(&[&arguments[..], &["echo life; exec sleep 1000"]].concat());
    let theirs = "containers/theirs";
    let existing = json!({"image": IMAGE, "containerName": "theirs", "mode": "existing"});
    lab.make("Container", "theirs", existing).await;
    lab.says(theirs, "", "life\n").await;
    for (round, kill) in [("first", false), ("second", true)] {
        let ours = format!("containers/{round}");
        lab.make("Container", round, shell(talks)).await;
        lab.says(&ours, "", "3\n").await;
        lab.reaches(&ours, "Running").await;
        let before = lab.reaches(theirs, "Running").await;
        engine.down(kill).await;
        // A start meanwhile waits; what ran before a sudden death may well run on.
        let late = format!("{round}-late");
        let late_path = format!("containers/{late}");
        lab.make("Container", &late, shell("echo here; exit 4"))
            .await;
        lab.reaches(&late_path, "RuntimeUnhealthy").await;
        if kill {
            assert_eq!(state(&lab.get(&ours).await.unwrap()), "Running");
        }
        engine.up().await.unwrap();
        let ended = lab.reaches(&late_path, "Exited").await;
        assert_eq!(ended["status"]["exitCode"], 4);
        assert_eq!(lab.log(&late_path, "").await, "here\n");
        // It ended with its engine, whichever way that was, and is not started again by anybody.
        let ended = lab.reaches(&ours, "Exited").await;
        let code = ended["status"]["exitCode"].as_i64();
        assert!(code.is_some_and(|code| code != 0), "{ended}");
        let text = lab.log(&ours, "").await;
        let numbers: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "{round}");
        let time = |object: &Value| {
            object["status"]["startupTimestamp"]
                .as_str()
                .map(str::to_owned)
        };
        lab.until(theirs, |it| {
            state(it) == "Running" && time(it) > time(&before)
        })
        .await;
    }
    lab.says(theirs, "", "life\nlife\nlife\n").await;
    // Each life once.
    let lives = engine.docker(&["logs", "theirs"]);
    lab.until(theirs, |it| state(it) == "Running").await;
    assert_eq!(lab.log(theirs, "").await.trim(), lives);
    assert_eq!(
        lab.plane.stop(aspire_dcp::Stop::Graceful).await,
        aspire_dcp::Outcome::Stopped
    );
    // All that is left is not ours.
    assert_eq!(
        engine.docker(&["ps", "-a", "--format={{.Names}}"]),
        "theirs"
    );
    engine.docker(&["rm", "-f", "theirs"]);
}
