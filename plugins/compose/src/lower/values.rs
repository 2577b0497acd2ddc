//! Expressions as far as lowering can take them: text and parameters, nothing else.
//!
//! Compose has no branches, so they are decided here. Doesn't know how a parameter is written.

use std::fmt::Display;

use aspire_sdk::serde_json::{Map, Value as Json};
use aspire_sdk::{Diagnostic, Expression, Grade, Segment, Shape};

use super::Lowerer;
use crate::symbol::{self, percent_encode};

impl Lowerer<'_> {
    /// A value of a resource, for a construct's property.
    pub(super) fn value(&mut self, resource: &str, fact: &dyn Display, value: Expression) -> Json {
        symbol::value(self.resolved(resource, fact, value))
    }

    /// All of a list.
    pub(super) fn list(
        &mut self,
        resource: &str,
        fact: &str,
        values: Vec<Expression>,
    ) -> Vec<Json> {
        values
            .into_iter()
            .map(|value| self.value(resource, &fact, value))
            .collect()
    }

    /// All entries of a map of expressions.
    pub(super) fn map(&mut self, resource: &str, fact: &str) -> Map<String, Json> {
        let entries = self.model.entries(resource, fact);
        entries
            .into_iter()
            .map(|(key, value)| {
                let json = self.value(resource, &format_args!("{fact}.{key}"), value);
                (key, json)
            })
            .collect()
    }

    /// Only text and parameters; what can't be had is told. `fact` is put together only when there is
    /// something to tell.
    pub(super) fn resolved(
        &mut self,
        resource: &str,
        fact: &dyn Display,
        value: Expression,
    ) -> Expression {
        if value.as_text().is_some() {
            return value;
        }
        self.tell_unpublished(resource, fact, &value);
        let resolved = self.model.resolve(resource, value);
        let is_plain =
            |segment: &Segment| matches!(segment.op.as_str(), "lit" | "param") && !segment.is_uri();
        if resolved.segments().iter().all(is_plain) {
            return resolved;
        }
        let mut branches: Vec<bool> = Vec::new();
        let mut kept = Vec::new();
        for segment in resolved.into_segments() {
            let active = branches.iter().all(|taken| *taken);
            match segment.op.as_str() {
                "if" => {
                    branches.push(active && self.holds(resource, &fact.to_string(), &segment));
                }
                "else" => {
                    if let Some(taken) = branches.last_mut() {
                        *taken = !*taken;
                    }
                }
                "end" => {
                    branches.pop();
                }
                _ if !active => {}
                "lit" if segment.is_uri() => {
                    kept.push(Segment::new(
                        "lit",
                        percent_encode(&segment.subject),
                        "",
                        "",
                    ));
                }
                "lit" => kept.push(segment),
                "param" => {
                    if segment.is_uri() {
                        self.tell_uri(resource, &fact.to_string(), &segment.subject);
                    }
                    kept.push(segment);
                }
                _ => self.tell_unresolved(resource, &fact.to_string(), segment),
            }
        }
        Expression::of(kept)
    }

    /// Decides a branch; an `else` of a branch that nobody can decide is taken, after an error.
    fn holds(&mut self, resource: &str, fact: &str, condition: &Segment) -> bool {
        let Segment {
            subject, name, arg, ..
        } = condition;
        if !name.is_empty() {
            return self
                .model
                .endpoint(subject, name)
                .is_some_and(|endpoint| endpoint.tls);
        }
        let Some(default) = self.default_of(subject) else {
            let message = format!(
                "`{fact}` of `{resource}` depends on `{subject}`, and Compose has no conditions"
            );
            let help = format!(
                "give `{subject}` a default, which decides when publishing, or compute the value in the program"
            );
            self.error(resource, "compose:undecided", message, &help);
            return false;
        };
        let reason = format!(
            "Compose has no conditions: the default of `{subject}`, `{default}`, has decided it"
        );
        self.row(resource, fact, Grade::Weakened, reason);
        default.eq_ignore_ascii_case(arg)
    }

    /// The default of a parameter, where it is plain text.
    pub(super) fn default_of(&self, parameter: &str) -> Option<String> {
        let value = self.model.parameter(parameter)?.default_value;
        if value.is_empty() {
            return None;
        }
        self.model
            .resolve(parameter, value)
            .as_text()
            .map(str::to_owned)
    }

    fn tell_uri(&mut self, resource: &str, fact: &str, parameter: &str) {
        let plain = self
            .model
            .parameter(parameter)
            .is_some_and(|found| found.generate_length > 0 && !found.generate_special);
        let reason = if plain {
            format!(
                "Compose cannot percent-encode: `{parameter}` goes in as it is, and .env.example asks for letters and digits"
            )
        } else {
            format!(
                "Compose cannot percent-encode: .env holds the encoded form of `{parameter}` in a variable of its own"
            )
        };
        self.row(resource, fact, Grade::Adapted, reason);
    }

    fn tell_unresolved(&mut self, resource: &str, fact: &str, segment: Segment) {
        let written = Expression::of([segment]);
        let message = format!("`{fact}` of `{resource}`: {written} has no value in Compose");
        let help = "refer to an endpoint, a property, a connection string or a parameter";
        self.error(resource, "compose:unresolved", message, help);
    }

    /// An address of something that is not there.
    fn tell_unpublished(&mut self, resource: &str, fact: &dyn Display, value: &Expression) {
        for segment in value.segments() {
            let Segment { op, subject, .. } = segment;
            if !matches!(op.as_str(), "endpoint" | "prop" | "conn")
                || subject == resource
                || self.shape(subject) == Some(Shape::Parameter)
                || self.standing(subject).kept_out.as_deref() != Some("no")
            {
                continue;
            }
            let reason = format!("`{subject}` is not published: the address leads nowhere");
            self.row(resource, &fact.to_string(), Grade::Weakened, reason);
            if self.told.insert((resource.to_owned(), subject.clone())) {
                let message = format!("`{resource}` refers to `{subject}`, which is not published");
                self.out.diagnose(
                    Diagnostic::warning("compose:not-published", message)
                        .at(resource, "")
                        .help(format!(
                            "`publish = \"connection-string\"` on `{subject}` makes it a parameter"
                        )),
                );
            }
        }
    }
}
