//! The words of a run: output with its prefix, state changes, failures; as text or as JSON lines.
//!
//! Doesn't know where they are written.

use std::time::Duration;

use aspire_dcp::logs::{LogItem, LogRecord};
use aspire_dcp::runtime::OutputStream;
use serde_json::json;

use crate::host::Host;
use crate::run::view::{Phase, Row, View};
use crate::run::watching::What;
use crate::running::shown;
use crate::ui::{prefix, visible};
use aspire_dcp::answers::Step;

/// How things are said.
#[derive(Debug, Clone)]
pub(super) struct Say {
    json: bool,
    quiet: bool,
    terminal: bool,
    colour: bool,
    pinned: bool,
}

impl Say {
    pub(super) fn new(host: &Host, pinned: bool) -> Self {
        Self {
            json: host.ui.json(),
            quiet: host.ui.quiet,
            terminal: host.ui.out_is_terminal,
            colour: host.ui.out_is_terminal && host.ui.colour,
            pinned,
        }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    pub(super) fn colour(&self) -> bool {
        self.colour
    }

    /// Lines of a workload's output.
    pub(super) fn output(&self, name: &str, items: &[LogItem]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.quiet {
            return bytes;
        }
        for item in items {
            match item {
                LogItem::Record(record) => self.record(name, record, &mut bytes),
                LogItem::Dropped if self.json => {
                    line(&mut bytes, &json!({ "type": "dropped", "name": name }));
                }
                LogItem::Dropped => {
                    bytes.extend_from_slice(self.prefix(name).as_bytes());
                    bytes.extend_from_slice("… (output came faster than it was read)\n".as_bytes());
                }
            }
        }
        bytes
    }

    fn record(&self, name: &str, record: &LogRecord, bytes: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(&record.text);
        if self.json {
            let stream = match record.stream {
                OutputStream::Stdout => "stdout",
                OutputStream::Stderr => "stderr",
                OutputStream::System => "system",
            };
            line(
                bytes,
                &json!({ "type": "log", "name": name, "stream": stream, "text": text }),
            );
            return;
        }
        bytes.extend_from_slice(self.prefix(name).as_bytes());
        if self.terminal {
            bytes.extend_from_slice(visible(&text, self.colour).as_bytes());
        } else {
            // Whoever reads a pipe gets what the workload wrote.
            bytes.extend_from_slice(&record.text);
        }
        bytes.push(b'\n');
    }

    fn prefix(&self, name: &str) -> String {
        prefix(name, self.colour)
    }

    /// A state change; none where the table shows it.
    pub(super) fn state(&self, view: &View, row: &Row) -> Option<String> {
        if self.json {
            let mut value = view.json(row);
            value["type"] = json!("state");
            return Some(value.to_string());
        }
        // A failure is told with its last lines.
        if self.quiet || self.pinned || row.phase == Phase::Failed {
            return None;
        }
        Some(self.shown(&view.line(row)))
    }

    fn shown(&self, text: &str) -> String {
        text.lines()
            .map(|line| visible(line, false))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// A failure, with the last lines of output.
    pub(super) fn failure(&self, name: &str, message: &str, tail: &[LogRecord]) -> String {
        let lines: Vec<String> = tail
            .iter()
            .map(|record| String::from_utf8_lossy(&record.text).into_owned())
            .collect();
        if self.json {
            return json!({ "type": "failed", "name": name, "message": message, "lastLines": lines })
                .to_string();
        }
        let (red, plain) = if self.colour {
            ("\u{1b}[31m", "\u{1b}[0m")
        } else {
            ("", "")
        };
        let mut text = format!("{red}{name}: failed: {}{plain}", self.shown(message));
        if lines.is_empty() {
            text.push_str("\n  (it wrote nothing)");
        }
        self.tail(&mut text, &lines);
        text
    }

    /// Everything is ready.
    pub(super) fn ready(&self, after: Duration) -> String {
        let seconds = after.as_secs_f64();
        if self.json {
            return json!({ "type": "ready", "seconds": seconds }).to_string();
        }
        format!("ready in {seconds:.2} s")
    }

    /// Nothing runs any more, and the app file is followed, or files of resources are.
    pub(super) fn over(&self, file: bool) -> String {
        if self.json {
            return json!({ "type": "over" }).to_string();
        }
        let what = if file {
            "save of the app file"
        } else {
            "change of a watched file"
        };
        format!("everything has ended; the next {what} goes on")
    }

    /// The app file was saved and cannot run like this.
    pub(super) fn refused(&self, file: &str, found: String, why: &str) -> Vec<String> {
        let last = if self.json {
            json!({ "type": "edit", "changed": false, "why": why }).to_string()
        } else {
            format!("{file} was saved: nothing changed ({why})")
        };
        vec![found, last]
    }

    /// The app file was saved: what is done about it. Its last line is about the whole.
    pub(super) fn edit(&self, file: &str, found: String, steps: &[Step]) -> Vec<String> {
        if self.json {
            let all: Vec<_> = steps.iter().map(shown::to_json).collect();
            let edit = json!({ "type": "edit", "changed": !steps.is_empty(), "steps": all });
            return vec![edit.to_string()];
        }
        if self.quiet {
            return Vec::new();
        }
        let mut lines = Vec::new();
        lines.extend((!found.is_empty()).then_some(found));
        lines.extend(shown::lines(steps));
        let whole = if steps.is_empty() {
            shown::NOTHING.to_owned()
        } else {
            shown::summary(steps)
        };
        lines.push(format!("{file} was saved: {whole}"));
        lines
    }

    /// Files of a resource changed, and something follows.
    pub(super) fn watched(&self, name: &str, what: &What) -> Option<String> {
        let (did, files, note) = match what {
            What::Builds(files) => ("build", files.as_slice(), "building".to_owned()),
            What::Built => ("restart", &[][..], "built: restarting".to_owned()),
            What::Restarts(files) => ("restart", files.as_slice(), "restarting".to_owned()),
            What::Restarted(None) => return None,
            What::Restarted(Some(problem)) => ("failed", &[][..], problem.clone()),
            What::Copied(files, target) => {
                ("sync", files.as_slice(), format!("copied to {target}"))
            }
            What::Failed(message, _) => ("failed", &[][..], message.clone()),
            What::Unwatched(problem) => ("unwatched", &[][..], format!("not watched: {problem}")),
        };
        if self.json {
            let line = json!({ "type": "watch", "name": name, "did": did, "files": files, "message": note });
            return Some(line.to_string());
        }
        if self.quiet && !matches!(did, "failed" | "unwatched") {
            return None;
        }
        let because = match files {
            [] => String::new(),
            [one] => format!("{one} changed: "),
            [one, two] => format!("{one} and {two} changed: "),
            [one, rest @ ..] => format!("{one} and {} more files changed: ", rest.len()),
        };
        Some(self.shown(&format!("{name}: {because}{note}")))
    }

    /// Files of a resource changed, and what should have followed could not be done.
    pub(super) fn not_done(&self, name: &str, message: &str, lines: &[String]) -> String {
        if self.json {
            let told = json!({ "type": "watch", "name": name, "did": "failed", "message": message, "lastLines": lines });
            return told.to_string();
        }
        let mut text = self.shown(&format!("{name}: nothing is replaced: {message}"));
        self.tail(&mut text, lines);
        text
    }

    fn tail(&self, text: &mut String, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        text.push_str(&format!("\n  its last {}:", plural(lines.len(), "line")));
        for line in lines {
            text.push_str("\n  | ");
            text.push_str(&visible(line, self.colour));
        }
    }

    /// It is being stopped.
    pub(super) fn stopping(&self, by_force: bool) -> String {
        if self.json {
            return json!({ "type": "stopping", "force": by_force }).to_string();
        }
        if by_force {
            "stopping by force"
        } else {
            "stopping; again to force"
        }
        .to_owned()
    }
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 {
        word.to_owned()
    } else {
        format!("{count} {word}s")
    }
}

fn line(bytes: &mut Vec<u8>, value: &serde_json::Value) {
    bytes.extend_from_slice(value.to_string().as_bytes());
    bytes.push(b'\n');
}
