//! The one way to the user's screen: standard output, standard error, questions.
//!
//! Knows terminals, colour and closed pipes. Doesn't know what it prints. A closed standard output
//! is remembered and never an error: whoever reads us decides how much of it to read.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::terminal;

use crate::args::Output;
use crate::env;

/// Where output goes and how.
#[derive(Debug)]
pub(crate) struct Ui {
    /// Standard output is a terminal.
    pub(crate) out_is_terminal: bool,
    /// Standard error is a terminal.
    pub(crate) err_is_terminal: bool,
    /// Somebody can answer questions.
    pub(crate) interactive: bool,
    /// Colour is wanted.
    pub(crate) colour: bool,
    /// Text or JSON.
    pub(crate) output: Output,
    /// Only results and errors.
    pub(crate) quiet: bool,
    /// More of everything.
    pub(crate) verbose: bool,
    closed: AtomicBool,
}

impl Ui {
    /// For the streams of this process.
    pub(crate) fn new(output: Output, quiet: bool, verbose: bool) -> Self {
        let out_is_terminal = io::stdout().is_terminal();
        let err_is_terminal = io::stderr().is_terminal();
        Self {
            out_is_terminal,
            err_is_terminal,
            interactive: err_is_terminal && io::stdin().is_terminal(),
            colour: !env::no_color(),
            output,
            quiet,
            verbose,
            closed: AtomicBool::new(false),
        }
    }

    /// Results are wanted as JSON.
    pub(crate) fn json(&self) -> bool {
        self.output == Output::Json
    }

    /// Nobody reads our standard output any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Text for standard output, as it is.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        let mut out = io::stdout().lock();
        if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
            self.closed.store(true, Ordering::Relaxed);
        }
    }

    /// Lines of a result; a missing last newline is added.
    pub(crate) fn out(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        let mut line = String::with_capacity(text.len() + 1);
        line.push_str(text);
        if !text.ends_with('\n') {
            line.push('\n');
        }
        self.raw(line.as_bytes());
    }

    /// A result as JSON.
    pub(crate) fn out_json(&self, value: &serde_json::Value) {
        self.out(format!("{value:#}"));
    }

    /// Lines that belong to no result; printed even when quiet.
    #[expect(clippy::unused_self, reason = "printing goes through one object")]
    pub(crate) fn err(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        // Nobody is left to tell when standard error is closed.
        let _ = io::stderr()
            .lock()
            .write_all(format!("{text}{end}").as_bytes());
    }

    /// What another program wrote to its standard error.
    #[expect(clippy::unused_self, reason = "printing goes through one object")]
    pub(crate) fn raw_err(&self, bytes: &[u8]) {
        // Nobody is left to tell when standard error is closed.
        let _ = io::stderr().lock().write_all(bytes);
    }

    /// Progress and remarks.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            self.err(text);
        }
    }

    /// Remarks that only a curious user wants.
    pub(crate) fn detail(&self, text: impl AsRef<str>) {
        if self.verbose && !self.quiet {
            self.err(text);
        }
    }

    /// A yes or no; `false` where nobody can answer.
    pub(crate) fn confirm(&self, question: &str) -> io::Result<bool> {
        if !self.interactive {
            return Ok(false);
        }
        let answer = self.line(&format!("{question} [y/N] "))?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// A line of text. Only where [`Ui::interactive`].
    #[expect(clippy::unused_self, reason = "asking goes through one object")]
    pub(crate) fn line(&self, question: &str) -> io::Result<String> {
        let mut err = io::stderr().lock();
        err.write_all(question.as_bytes())?;
        err.flush()?;
        let mut answer = String::new();
        if io::stdin().lock().read_line(&mut answer)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// A line of text that is not shown. Only where [`Ui::interactive`].
    #[expect(clippy::unused_self, reason = "asking goes through one object")]
    pub(crate) fn hidden_line(&self, question: &str) -> io::Result<String> {
        io::stderr().lock().write_all(question.as_bytes())?;
        let answer = read_hidden();
        io::stderr().lock().write_all(b"\n")?;
        answer
    }
}

/// Colours of prefixes.
const COLOURS: [&str; 6] = ["36", "35", "34", "32", "33", "96"];

/// What stands before a line of a workload: its name, always in the same colour.
pub(crate) fn prefix(name: &str, colour: bool) -> String {
    if !colour {
        return format!("[{name}] ");
    }
    let sum: usize = name.bytes().map(usize::from).sum();
    format!("\u{1b}[{}m[{name}]\u{1b}[0m ", COLOURS[sum % COLOURS.len()])
}

/// The terminal in raw mode for as long as this lives.
struct RawMode;

impl RawMode {
    fn enter() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        Ok(Self)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // There is nothing better to do with a terminal that cannot be restored.
        let _ = terminal::disable_raw_mode();
    }
}

fn read_hidden() -> io::Result<String> {
    let _raw = RawMode::enter()?;
    let mut answer = String::new();
    loop {
        match event::read()? {
            Event::Paste(text) => answer.push_str(&text),
            Event::Key(key) => match key.code {
                KeyCode::Enter => return Ok(answer),
                KeyCode::Backspace => {
                    answer.pop();
                }
                KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                KeyCode::Char(character) => answer.push(character),
                _ => {}
            },
            _ => {}
        }
    }
}

/// The text with its control characters made visible, so that it cannot steer a terminal. Tabs
/// stay; colours (`ESC [ … m`) stay where `colour` says so and are dropped otherwise.
pub(crate) fn visible(text: &str, colour: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut coloured = false;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if character == '\u{1b}'
            && let Some(length) = colour_length(rest)
        {
            if colour {
                shown.push_str(&rest[..length]);
                coloured = true;
            }
            rest = &rest[length..];
            continue;
        }
        match character {
            '\t' => shown.push('\t'),
            '\r' if rest.len() == 1 => {}
            c if c.is_control() => shown.extend(c.escape_default()),
            // Characters that reorder or hide what stands beside them.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                shown.extend(character.escape_unicode());
            }
            c => shown.push(c),
        }
        rest = &rest[character.len_utf8()..];
    }
    if coloured {
        shown.push_str("\u{1b}[0m");
    }
    shown
}

/// Length of the colour sequence at the beginning, if there is one.
fn colour_length(text: &str) -> Option<usize> {
    let body = text.strip_prefix("\u{1b}[")?;
    let end = body.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
    body[end..].starts_with('m').then_some(end + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(visible("plain ü\ttext", true), "plain ü\ttext");
        assert_eq!(visible("a\u{1b}[31mred", true), "a\u{1b}[31mred\u{1b}[0m");
        assert_eq!(visible("a\u{1b}[31mred", false), "ared");
        assert_eq!(
            visible("\u{1b}]0;title\u{7}", true),
            "\\u{1b}]0;title\\u{7}"
        );
        assert_eq!(visible("\u{1b}[2J", true), "\\u{1b}[2J");
        assert_eq!(visible("over\rwritten\r", true), "over\\rwritten");
        assert_eq!(visible("a\u{202e}b", true), "a\\u{202e}b");
    }
}
