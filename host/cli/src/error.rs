//! How a command ends: exit codes, and errors that say whose they are and what to do next.
//!
//! Knows blame. Doesn't know any command. Everything below `main` returns `anyhow::Result`; an
//! error that has a [`Problem`] in its chain ends with that problem's code.

use std::fmt;

use aspire_model::diagnostic::{Blame, Diagnostics, Severity};

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Nothing to complain about.
    Fine,
    /// Diagnostics with errors, or a failed app.
    App,
    /// The command line makes no sense.
    Usage,
    /// The machine lacks something.
    Environment,
    /// A plugin was refused or failed.
    Plugin,
    /// By a signal.
    Interrupted,
    /// A command that was run for the user, with its own code.
    Command(u8),
}

impl Exit {
    /// The process's exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::App => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Plugin => 4,
            Self::Interrupted => 130,
            Self::Command(code) => code,
        }
    }

    /// The code of the worst error; without errors, [`Exit::Fine`].
    pub(crate) fn of(diagnostics: &Diagnostics) -> Self {
        diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .map(|diagnostic| match diagnostic.blame {
                Blame::App => Self::App,
                Blame::Environment => Self::Environment,
                Blame::Plugin => Self::Plugin,
            })
            .max()
            .unwrap_or(Self::Fine)
    }
}

/// An error with an exit code and, where there is one, a next step.
#[derive(Debug)]
pub(crate) struct Problem {
    exit: Exit,
    message: String,
    help: Option<String>,
}

impl Problem {
    /// With a code of its own.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            help: None,
        }
    }

    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The app is wrong.
    pub(crate) fn app(message: impl Into<String>) -> Self {
        Self::new(Exit::App, message)
    }

    /// The machine lacks something.
    pub(crate) fn environment(message: impl Into<String>) -> Self {
        Self::new(Exit::Environment, message)
    }

    /// A plugin was refused or failed.
    pub(crate) fn plugin(message: impl Into<String>) -> Self {
        Self::new(Exit::Plugin, message)
    }

    /// What to do next.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// The exit code of an error: the first problem's in its chain; otherwise a failed system call is
/// the machine's fault and anything else the app's.
pub(crate) fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some(problem) = problem_of(error) {
        return problem.exit;
    }
    if error.chain().any(|cause| cause.is::<std::io::Error>()) {
        return Exit::Environment;
    }
    Exit::App
}

/// The error with its causes and its help, one line each.
pub(crate) fn describe(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("\n  caused by: {cause}"));
    }
    let help = problem_of(error).and_then(|problem| problem.help.as_deref());
    for (index, line) in help.into_iter().flat_map(str::lines).enumerate() {
        text.push_str(if index == 0 {
            "\n  help: "
        } else {
            "\n        "
        });
        text.push_str(line);
    }
    text
}

/// The error for programs.
pub(crate) fn to_json(error: &anyhow::Error) -> serde_json::Value {
    let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    serde_json::json!({
        "error": error.to_string(),
        "causes": causes,
        "help": problem_of(error).and_then(|problem| problem.help.clone()),
        "exit": exit_of(error).code(),
    })
}

/// The problem in the chain of an error, whether it stands there by itself or as a context.
fn problem_of(error: &anyhow::Error) -> Option<&Problem> {
    error.downcast_ref::<Problem>().or_else(|| {
        error
            .chain()
            .find_map(|cause| cause.downcast_ref::<Problem>())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use aspire_model::Diagnostic;

    #[test]
    fn the_worst_blame_decides() {
        let app = Diagnostic::error("a", "a");
        let machine = Diagnostic::error("b", "b").blame(Blame::Environment);
        let plugin = Diagnostic::error("c", "c").blame(Blame::Plugin);
        let warning = Diagnostic::warning("d", "d").blame(Blame::Plugin);
        let exit = |list: &[&Diagnostic]| Exit::of(&list.iter().map(|d| (*d).clone()).collect());
        assert_eq!(exit(&[]), Exit::Fine);
        assert_eq!(exit(&[&warning]), Exit::Fine);
        assert_eq!(exit(&[&warning, &app]), Exit::App);
        assert_eq!(exit(&[&app, &machine]), Exit::Environment);
        assert_eq!(exit(&[&machine, &plugin, &app]), Exit::Plugin);
    }

    #[test]
    fn errors_know_whose_they_are() {
        let io = Err::<(), _>(std::io::Error::other("disk full")).context("cannot write x");
        assert_eq!(exit_of(&io.unwrap_err()), Exit::Environment);
        let problem = Err::<(), _>(Problem::usage("no such flag").help("try --help\nor doctor"))
            .context("reading the command line")
            .unwrap_err();
        assert_eq!(exit_of(&problem), Exit::Usage);
        assert_eq!(
            describe(&problem),
            "error: reading the command line\n  caused by: no such flag\n  help: try --help\n        or doctor"
        );
        assert_eq!(exit_of(&anyhow::anyhow!("x")), Exit::App);
    }
}
