//! The readable form of recorded edits: one line each, in the order recorded.
//!
//! For snapshot tests; nothing reads it back.

use std::fmt;

use crate::edits::{Edit, Edits, Fact};
use crate::expression::Expression;
use crate::fact::{Endpoint, File, Mount, Parameter, Prepare, Probe, Wait};

impl fmt::Display for Edits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.recorded()
            .iter()
            .try_for_each(|edit| writeln!(f, "{edit}"))
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add {
                resource,
                kind,
                shape,
            } => write!(f, "{resource}: add {shape} of kind {kind}"),
            Self::SetParent { resource, parent } => write!(f, "{resource}: parent = {parent}"),
            Self::Set {
                resource,
                fact,
                key,
                value,
            } if key.is_empty() => {
                write!(f, "{resource}: {fact} = {value}")
            }
            Self::Set {
                resource,
                fact,
                key,
                value,
            } => {
                write!(f, "{resource}: {fact}.{key} = {value}")
            }
            Self::Remove {
                resource,
                fact,
                key,
            } if key.is_empty() => {
                write!(f, "{resource}: remove {fact}")
            }
            Self::Remove {
                resource,
                fact,
                key,
            } => write!(f, "{resource}: remove {fact}.{key}"),
            Self::Diagnose(diagnostic) => write!(f, "{diagnostic}"),
        }
    }
}

/// Lists as `[a, b]`.
fn list(f: &mut fmt::Formatter<'_>, values: &[Expression]) -> fmt::Result {
    f.write_str("[")?;
    for (index, value) in values.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let text = value.to_string();
        // One change, one line: what would break it is quoted.
        if text.contains(char::is_control) {
            write!(f, "{separator}{text:?}")?;
        } else {
            write!(f, "{separator}{text}")?;
        }
    }
    f.write_str("]")
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Value(value) => write!(f, "{value}"),
            Self::Values(values) => list(f, values),
            Self::Endpoint(value) => write!(f, "{value}"),
            Self::Mount(value) => write!(f, "{value}"),
            Self::File(value) => write!(f, "{value}"),
            Self::Wait(value) => write!(f, "{value}"),
            Self::Probe(value) => write!(f, "{value}"),
            Self::Prepare(value) => write!(f, "{value}"),
            Self::Parameter(value) => write!(f, "{value}"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scheme,
            protocol,
            port,
            target_port,
            external,
            proxied,
            tls,
            env,
        } = self;
        write!(f, "{scheme}/{protocol}")?;
        if let Some(port) = port {
            write!(f, " port {port}")?;
        }
        if let Some(port) = target_port {
            write!(f, " target {port}")?;
        }
        for (is_so, text) in [
            (*external, " external"),
            (!*proxied, " direct"),
            (*tls, " tls"),
        ] {
            f.write_str(if is_so { text } else { "" })?;
        }
        if env.is_empty() {
            Ok(())
        } else {
            write!(f, " in {env}")
        }
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            source,
            target,
            read_only,
        } = self;
        let space = if source.is_empty() { "" } else { " " };
        write!(
            f,
            "{kind}{space}{source} at {target}{}",
            if *read_only { " read-only" } else { "" }
        )
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target,
            contents,
            source,
            mode,
        } = self;
        write!(f, "{target} {mode:04o}")?;
        if source.is_empty() {
            // One line per edit, whatever the file holds.
            write!(f, " \"{}\"", contents.to_string().replace('\n', "\\n"))
        } else {
            write!(f, " copied from {source}")
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.condition)?;
        if self.condition == "completed" {
            write!(f, " with {}", self.exit_code)
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind.as_str() {
            "command" => {
                f.write_str("command ")?;
                list(f, &self.command)?;
            }
            kind => write!(f, "{kind} {}{}", self.endpoint, self.path)?,
        }
        if self.status != 0 {
            write!(f, " expecting {}", self.status)?;
        }
        for (value, text) in [
            (self.interval, "every"),
            (self.timeout, "timeout"),
            (self.start_period, "start period"),
        ] {
            if value != 0 {
                write!(f, " {text} {value} ms")?;
            }
        }
        if self.retries == 0 {
            Ok(())
        } else {
            write!(f, " retries {}", self.retries)
        }
    }
}

impl fmt::Display for Prepare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.command)?;
        list(f, &self.args)?;
        for (name, value) in &self.env {
            write!(f, " {name}={value}")?;
        }
        if !self.stdin.is_empty() {
            write!(
                f,
                " stdin \"{}\"",
                self.stdin.to_string().replace('\n', "\\n")
            )?;
        }
        if self.creates.is_empty() {
            Ok(())
        } else {
            write!(f, " creates {}", self.creates)
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secret { "secret" } else { "plain" })?;
        if self.generate_length != 0 {
            let special = if self.generate_special {
                " with punctuation"
            } else {
                ""
            };
            write!(f, " generated {}{special}", self.generate_length)?;
        }
        if !self.default_value.is_empty() {
            write!(f, " default {}", self.default_value)?;
        }
        if self.description.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.description)
        }
    }
}
