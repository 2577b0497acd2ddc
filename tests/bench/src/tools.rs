//! Who starts executables in (c): aspire-host, the floor, honcho, supervisor. Each gets the same
//! children; only aspire-host is told what depends on what.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Result;
use crate::memory::MARKER;
use crate::places::{Places, write};

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// aspire-host, with the shop's plugins loaded.
    Host,
    /// A bare loop.
    Floor,
    /// PyPI's honcho.
    Honcho,
    /// PyPI's supervisor.
    Supervisor,
}

impl Tool {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 4] = [Self::Host, Self::Floor, Self::Honcho, Self::Supervisor];

    /// For the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "aspire-host",
            Self::Floor => "bare fork/exec loop (floor)",
            Self::Honcho => "honcho",
            Self::Supervisor => "supervisor",
        }
    }

    /// Why it cannot be measured here.
    pub(crate) fn missing(self, places: &Places) -> Option<String> {
        let program = match self {
            Self::Host | Self::Floor => return None,
            Self::Honcho => "honcho",
            Self::Supervisor => "supervisord",
        };
        let path = places.peers.join(program);
        (!path.is_file()).then(|| format!("no {}", path.display()))
    }

    /// Starts this many children, each of which stamps into the folder `stamps`. Runs in `folder`.
    pub(crate) fn command(
        self,
        places: &Places,
        count: usize,
        folder: &Path,
        stamps: &Path,
    ) -> Result<Command> {
        let mut command = match self {
            Self::Host => {
                write(&folder.join("aspire.toml"), &app(places, count, stamps))?;
                places.host(folder, &["run", "--runtime", "native"])
            }
            Self::Floor => {
                let mut command = Command::new(&places.bench);
                command
                    .args(["part", "spawn", &count.to_string()])
                    .arg(&places.stamp)
                    .arg(stamps);
                command
            }
            Self::Honcho => {
                let mut text = String::new();
                for index in 0..count {
                    let (stamp, to) = (places.stamp.display(), stamps.display());
                    let _ = writeln!(text, "r{index}: exec '{stamp}' '{to}/{index}'");
                }
                write(&folder.join("Procfile"), &text)?;
                let mut command = Command::new(places.peers.join("honcho"));
                command.arg("start");
                command
            }
            Self::Supervisor => {
                let mut text =
                    "[supervisord]\nnodaemon = true\nlogfile = /dev/null\nlogfile_maxbytes = 0\n\
                                pidfile = supervisord.pid\nminfds = 4096\n"
                        .to_owned();
                for index in 0..count {
                    let _ = write!(
                        text,
                        "[program:r{index}]\ncommand = \"{}\" \"{}/{index}\"\nstartsecs = 0\nautorestart = false\n\
                         stdout_logfile = NONE\nstderr_logfile = NONE\n",
                        places.stamp.display(),
                        stamps.display()
                    );
                }
                write(&folder.join("supervisord.conf"), &text)?;
                let mut command = Command::new(places.peers.join("supervisord"));
                command.args(["-n", "-c", "supervisord.conf"]);
                command
            }
        };
        command
            .current_dir(folder)
            .env(MARKER, &places.mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(command)
    }
}

/// The shop's plugins and executables that wait for each other: each for the start of the one
/// that is eight times as far in front, so that there are a few levels.
fn app(places: &Places, count: usize, stamps: &Path) -> String {
    let mut text = "name = \"bench\"\n[plugins]\ncompose = \"compose\"\n\
         redis = { source = \"redis\", allow = [\"run-process:redis-server\"] }\n\
         postgres = { source = \"postgres\", allow = [\"run-process:initdb\", \"run-process:postgres\", \"run-process:psql\"] }\n\
         ollama = { source = \"ollama\", allow = [\"run-process:ollama\"] }\n"
        .to_owned();
    for index in 0..count {
        let _ = write!(
            text,
            "\n[resources.r{index}]\nkind = \"executable\"\ncommand = '{}'\nargs = ['{}/{index}']\n",
            places.stamp.display(),
            stamps.display()
        );
        if index > 0 {
            let _ = writeln!(
                text,
                "wait-for = [{{ resource = \"r{}\", for = \"started\" }}]",
                (index - 1) / 8
            );
        }
    }
    text
}
