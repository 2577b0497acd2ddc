//! The table: printed line by line, as it becomes known.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is where the figures are told"
)]

use std::fs;
use std::time::Instant;

/// What has been told so far.
pub(crate) struct Report {
    start: Instant,
    met: usize,
    missed: Vec<String>,
    not_measured: usize,
}

/// A figure to be compared with a target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// It must not be above this.
    pub(crate) limit: f64,
    /// What that is called.
    pub(crate) unit: &'static str,
}

/// What went wrong before anything could be measured.
pub(crate) fn complain(reason: &str) {
    eprintln!("bench: {reason}");
}

impl Report {
    /// Says what is measured on.
    pub(crate) fn new(runs: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        println!(
            "{cores} cores, load {}; median of {runs} runs; milliseconds unless said otherwise",
            load()
        );
        Self {
            start: Instant::now(),
            met: 0,
            missed: Vec::new(),
            not_measured: 0,
        }
    }

    /// Begins an item.
    pub(crate) fn title(&self, letter: &str, title: &str) {
        println!("\n{letter}: {title}  (load {})", load());
    }

    /// The names of the columns behind a row's name.
    pub(crate) fn columns(&self, columns: &[&str]) {
        let cells: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        self.row("", &cells);
    }

    /// A row of figures.
    pub(crate) fn row(&self, name: &str, cells: &[String]) {
        let cells: String = cells.iter().map(|cell| format!("{cell:>18}")).collect();
        println!("  {name:<34}{cells}");
    }

    /// There was no time for all runs.
    pub(crate) fn fewer(&self, done: usize, runs: usize) {
        println!("  ({done} of {runs} runs: there was no time for more)");
    }

    /// A figure that has a target.
    pub(crate) fn target(&mut self, name: &str, value: f64, target: Target) {
        let Target { limit, unit } = target;
        let verdict = if value <= limit {
            self.met += 1;
            "met"
        } else {
            self.missed.push(format!(
                "{name}: {} (target {})",
                figure(value),
                figure(limit)
            ));
            "MISSED"
        };
        let shown = format!("{} {unit}", figure(value));
        println!(
            "  {name:<52}{shown:>18}   target {} {unit}: {verdict}",
            figure(limit)
        );
    }

    /// Something that is not on this machine.
    pub(crate) fn not_measured(&mut self, name: &str, reason: &str) {
        self.not_measured += 1;
        println!("  {name:<34}{:>18}   ({reason})", "not measured");
    }

    /// Something that should have worked.
    pub(crate) fn failed(&mut self, name: &str, reason: &str) {
        self.missed.push(format!("{name}: FAILED"));
        println!("  {name:<34}{:>18}   {reason}", "FAILED");
    }

    /// The sum of it all.
    pub(crate) fn end(&self) {
        println!(
            "\ntargets: {} met, {} missed; {} not measured; {} s, load {}",
            self.met,
            self.missed.len(),
            self.not_measured,
            self.start.elapsed().as_secs(),
            load()
        );
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| {
            u32::try_from(cores.get()).map_or(1.0, f64::from)
        });
        if load().parse().is_ok_and(|load: f64| load > cores) {
            println!(
                "the machine has more to do than it can: times are upper bounds, ratios are not"
            );
        }
        for missed in &self.missed {
            println!("  MISSED  {missed}");
        }
    }
}

/// A number with as many digits as mean something.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "-".to_owned(),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// How often a value is another one.
pub(crate) fn times(value: f64, base: f64) -> String {
    let ratio = value / base;
    if ratio.is_finite() {
        format!("{ratio:.2}x")
    } else {
        "-".to_owned()
    }
}

/// The machine's load of the last minute.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_target_is_marked() {
        let mut report = Report::new(1);
        let target = Target {
            limit: 10.0,
            unit: "ms",
        };
        report.target("fast", 10.0, target);
        assert_eq!((report.met, report.missed.len()), (1, 0));
        report.target("slow", 10.1, target);
        report.target("never", f64::NAN, target);
        report.not_measured("peer", "it is not here");
        assert_eq!(
            (report.met, report.missed.len(), report.not_measured),
            (1, 2, 1)
        );
    }

    #[test]
    fn figures() {
        assert_eq!(figure(0.123), "0.12");
        assert_eq!(figure(12.34), "12.3");
        assert_eq!(figure(1234.5), "1234");
        assert_eq!(figure(f64::NAN), "-");
        assert_eq!(times(13.0, 10.0), "1.30x");
        assert_eq!(times(13.0, 0.0), "-");
    }
}
