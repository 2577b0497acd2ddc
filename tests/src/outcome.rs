//! How a command ended and what it said.

use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A command that has ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The command, for messages.
    pub command: String,
    /// Exit code; none: ended by a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// It cannot be started, or takes longer than `limit`.
    #[must_use = "look at the exit code: `expect`"]
    pub fn of(command: &mut Command, limit: Duration) -> Self {
        let shown = show(command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{shown}: {error}"));
        let out = collect(child.stdout.take().expect("piped"));
        let err = collect(child.stderr.take().expect("piped"));
        let end = Instant::now() + limit;
        let code = loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                break status.code();
            }
            if Instant::now() > end {
                // It may have ended in this moment; then there is nothing to kill.
                let _ = child.kill();
                let _ = child.wait();
                panic!("{shown}\ndid not end within {limit:?}");
            }
            thread::sleep(Duration::from_millis(5));
        };
        let join = |reader: thread::JoinHandle<Vec<u8>>| {
            String::from_utf8_lossy(&reader.join().expect("a reader does not panic")).into_owned()
        };
        Self {
            command: shown,
            code,
            stdout: join(out),
            stderr: join(err),
        }
    }

    /// With this exit code.
    ///
    /// # Panics
    /// It is another.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code of {self}");
        self
    }

    /// Both streams.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Says all of these, with line breaks taken for spaces.
    ///
    /// # Panics
    /// One is missing.
    pub fn says(&self, phrases: &[&str]) -> &Self {
        let text = folded(&self.text());
        for phrase in phrases {
            assert!(
                text.contains(&folded(phrase)),
                "`{phrase}` is not said by {self}"
            );
        }
        self
    }

    /// Says none of these.
    ///
    /// # Panics
    /// One is said.
    pub fn lacks(&self, phrases: &[&str]) -> &Self {
        let text = folded(&self.text());
        for phrase in phrases {
            assert!(
                !text.contains(&folded(phrase)),
                "`{phrase}` is said by {self}"
            );
        }
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// It is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            code,
            stdout,
            stderr,
        } = self;
        let code = code.map_or_else(|| "by a signal".to_owned(), |code| code.to_string());
        write!(
            f,
            "{command}\n--- ended: {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---"
        )
    }
}

/// One space for any white space and the frames of rendered diagnostics.
fn folded(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c == '|')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

pub(crate) fn show(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    if let Some(folder) = command.get_current_dir() {
        text.push_str(&format!("   (in {})", folder.display()));
    }
    text
}

fn collect(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A stream that breaks ends what can be known about it.
        let _ = stream.read_to_end(&mut bytes);
        bytes
    })
}
