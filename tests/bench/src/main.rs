//! `make bench`: aspire-host side by side, in one run, with a floor written in plain Rust and with
//! what a user would pick instead.
//!
//! Every figure is the median of several runs. Children stamp the times themselves; memory is PSS
//! of a tool with its helpers and without the children. What is missing on the machine is "not
//! measured"; a target that is missed is marked. Run through `tests/bench/run`, which cleans up.
//!
//! Knows the command line of `aspire-host` and the API of its control plane, and of its code only
//! what loads a plugin.

mod chain;
mod clock;
mod containers;
mod engine;
mod executables;
mod fanout;
mod floor;
mod idle;
mod leftover;
mod listen;
mod logs;
mod memory;
mod places;
mod plane;
mod plugin;
mod publish;
mod relay;
mod report;
mod running;
mod talk;
mod tools;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use places::Places;
use report::Report;

/// What goes wrong, for people.
type Result<T> = std::result::Result<T, String>;

/// Everything has to be over within ten minutes, cleaning up included.
const LIMIT: Duration = Duration::from_secs(9 * 60 + 10);

/// The items, by the letters of `--only`.
const ITEMS: [(&str, &str); 14] = [
    ("version", "`--version`"),
    ("a", "a warm plugin load and a call"),
    ("b", "publishing generated models"),
    ("c", "starting executables"),
    ("d", "starting 10 containers"),
    ("e", "after kill -9"),
    ("f", "a control plane that listens"),
    ("g", "create to Running, through the API"),
    ("h", "starting 50 containers"),
    ("i", "logs"),
    ("j", "requests through the relay"),
    ("k", "10,000 objects and 100 watchers"),
    ("l", "a chain of five, each waiting for health"),
    ("m", "100 resources that do nothing"),
];

/// What every item needs.
struct Bench {
    places: Places,
    report: Report,
    runs: usize,
    ends: Instant,
}

impl Bench {
    /// Whether there is time for something that takes about this long.
    fn time_for(&self, length: Duration) -> bool {
        Instant::now() + length < self.ends
    }

    /// Runs something as often as asked for, or until the time is up.
    fn repeat<T>(&self, run: impl FnMut() -> Result<T>) -> Result<Vec<T>> {
        self.repeat_within(LIMIT, run)
    }

    /// The same, or until its own share of the time is up; then that is told.
    fn repeat_within<T>(
        &self,
        share: Duration,
        mut run: impl FnMut() -> Result<T>,
    ) -> Result<Vec<T>> {
        let ends = Instant::now() + share;
        let mut all = Vec::new();
        let mut longest = Duration::ZERO;
        for _ in 0..self.runs {
            if !self.time_for(longest) || Instant::now() + longest > ends {
                self.report.fewer(all.len(), self.runs);
                break;
            }
            let start = Instant::now();
            all.push(run()?);
            longest = longest.max(start.elapsed());
        }
        if all.is_empty() {
            Err("no time was left".into())
        } else {
            Ok(all)
        }
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    // Parts that have to run in a process of their own.
    let part = match words.as_slice() {
        ["part", "compile", plugin, code] => Some(plugin::compile(plugin, code)),
        ["part", "load", plugin, cache] => Some(plugin::host(plugin, cache)),
        ["part", "bare", code] => Some(plugin::bare(code)),
        ["part", "spawn", count, stamp, folder] => Some(floor::spawn(count, stamp, folder)),
        ["part", "talk", count, stamp] => Some(talk::lines(count, stamp)),
        ["part", "tick", count] => Some(talk::ticks(count)),
        ["part", "copy", to] => Some(relay::copy(to)),
        _ => None,
    };
    let outcome = match part {
        Some(done) => done.map(|()| true),
        None => all(&words),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            report::complain(&reason);
            ExitCode::from(2)
        }
    }
}

/// Whether everything could be measured that should have been.
fn all(words: &[&str]) -> Result<bool> {
    let (only, runs) = options(words)?;
    let mut bench = Bench {
        places: Places::find()?,
        report: Report::new(runs),
        runs,
        ends: Instant::now() + LIMIT,
    };
    let mut fine = true;
    for (letter, title) in ITEMS {
        if only
            .as_ref()
            .is_some_and(|only| !only.iter().any(|one| one == letter))
        {
            continue;
        }
        bench.report.title(letter, title);
        if !bench.time_for(Duration::from_secs(5)) {
            bench.report.not_measured(title, "no time was left");
            continue;
        }
        let done = match letter {
            "version" => executables::version(&mut bench),
            "a" => plugin::measure(&mut bench),
            "b" => publish::measure(&mut bench),
            "c" => executables::measure(&mut bench),
            "d" => containers::measure(&mut bench),
            "e" => leftover::measure(&mut bench),
            "f" => listen::measure(&mut bench),
            "g" => running::measure(&mut bench),
            "h" => containers::many(&mut bench),
            "i" => logs::measure(&mut bench),
            "j" => relay::measure(&mut bench),
            "k" => fanout::measure(&mut bench),
            "l" => chain::measure(&mut bench),
            _ => idle::measure(&mut bench),
        };
        if let Err(reason) = done {
            fine = false;
            bench.report.failed(title, &reason);
        }
    }
    bench.report.end();
    Ok(fine)
}

fn options(words: &[&str]) -> Result<(Option<Vec<String>>, usize)> {
    let usage = "usage: tests/bench/run [--only version,a,b,…,m] [--runs N]";
    let (mut only, mut runs) = (None, 5);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let value = rest.next().ok_or(usage)?;
        match *word {
            "--only" => {
                let letters: Vec<String> = value.split(',').map(str::to_owned).collect();
                let known = |letter: &String| ITEMS.iter().any(|(item, _)| item == letter);
                if !letters.iter().all(known) {
                    return Err(usage.into());
                }
                only = Some(letters);
            }
            "--runs" => {
                runs = value.parse().ok().filter(|runs| *runs > 0).ok_or(usage)?;
            }
            _ => return Err(usage.into()),
        }
    }
    Ok((only, runs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        assert_eq!(options(&[]), Ok((None, 5)));
        let only = Some(vec!["a".to_owned(), "d".to_owned()]);
        assert_eq!(options(&["--only", "a,d", "--runs", "3"]), Ok((only, 3)));
        assert!(options(&["--only", "x"]).is_err());
        assert!(options(&["--runs", "0"]).is_err());
        assert!(options(&["--runs"]).is_err());
    }
}
