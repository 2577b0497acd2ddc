//! One fact explained: its value as far as it may be shown, who says so, what it is made of, and
//! what was overruled.

use aspire_model::expression::{Expression, Op};
use aspire_model::fact::{Fact, Form};
use aspire_model::{Author, FactKey, FactValue, Field, Resource, evaluate, print};
use serde_json::{Value as Json, json};

use super::{Shown, visible_lines};
use crate::ui::visible;
use crate::values::Known;

impl Shown<'_> {
    /// Whether any expression of a fact reaches a secret, and the fact's text as far as known.
    fn value(&self, resource: &Resource, fact: &Fact) -> (bool, Option<String>) {
        let secret = fact
            .value
            .expressions()
            .into_iter()
            .any(|e| evaluate::is_secret(&self.model, e));
        let known = Known {
            model: &self.model,
            form_of: &Resource::main_form,
            parameters: &self.parameters,
            reveal: self.reveal,
            addresses: &|_, _| None,
        };
        match &fact.value {
            FactValue::Value(value) => (secret, known.text(value).ok()),
            FactValue::Parameter(parameter) => {
                let value = self.parameters.get(resource.name.as_str());
                let shown = match value {
                    Some(_) if parameter.secret && !self.reveal => Some("***".to_owned()),
                    value => value.cloned(),
                };
                (parameter.secret, shown)
            }
            _ => (secret, None),
        }
    }

    /// For people.
    pub(super) fn fact_text(&self, resource: &Resource, key: &FactKey, fact: &Fact) -> String {
        let mut text = format!("{} {key} = {}\n", resource.name, print::value(&fact.value));
        let (secret, value) = self.value(resource, fact);
        if let Some(value) = value {
            let mark = if secret { " (secret)" } else { "" };
            text.push_str(&format!("  value      {}{mark}\n", visible(&value, false)));
        }
        if key.field == Field::Parameter {
            let origin = self.origins.get(resource.name.as_str());
            text.push_str(&format!(
                "  source     {}\n",
                origin.map_or("not set", String::as_str)
            ));
        }
        for author in &fact.authors {
            text.push_str(&format!("  from       {author}\n"));
            if let Some(line) = self.line(author) {
                text.push_str(&format!("             {line}\n"));
            }
        }
        for (name, through) in self.through(&fact.value) {
            text.push_str(&format!(
                "  through    {name} = {}\n",
                print::value(&through.value)
            ));
            for author in &through.authors {
                text.push_str(&format!("             from {author}\n"));
            }
        }
        for assignment in fact.overruled.iter().rev() {
            let what = match &assignment.value {
                Some(value) => print::value(value),
                None => "(removed)".to_owned(),
            };
            text.push_str(&format!(
                "  overruled  {what}\n             by {}\n",
                assignment.author
            ));
        }
        visible_lines(&text)
    }

    /// Properties and connection strings that a value is made of, each once, nearest first.
    fn through(&self, value: &FactValue) -> Vec<(String, &Fact)> {
        let mut found: Vec<(String, &Fact)> = Vec::new();
        let mut queue: Vec<&Expression> = value.expressions();
        while let Some(expression) = queue.pop() {
            for segment in expression.segments() {
                let step = match &segment.op {
                    Op::Property { resource, name } => self.property(resource, name),
                    Op::Connection(resource) => {
                        let key = FactKey::single(Field::ConnectionString);
                        let fact = self.model.get(resource).and_then(|found| found.exact(&key));
                        fact.map(|fact| (format!("{resource} {key}"), fact))
                    }
                    _ => None,
                };
                let Some((name, fact)) = step else { continue };
                if found.iter().all(|(known, _)| *known != name) {
                    queue.extend(fact.value.expressions());
                    found.push((name, fact));
                }
            }
        }
        found
    }

    /// A property, by a name without regard to case.
    fn property(&self, resource: &str, name: &str) -> Option<(String, &Fact)> {
        let entries = self
            .model
            .get(resource)?
            .entries(Field::Properties, Form::Any);
        let (key, fact) = entries
            .into_iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some((
            format!("{resource} {}", FactKey::entry(Field::Properties, key)),
            fact,
        ))
    }

    /// The line of the source that an author goes back to.
    fn line(&self, author: &Author) -> Option<&str> {
        let span = author.span()?;
        let text = self.project.app.sources.get(span)?;
        text.lines().nth(span.line.checked_sub(1)?).map(str::trim)
    }

    /// For programs.
    pub(super) fn fact_json(&self, resource: &Resource, key: &FactKey, fact: &Fact) -> Json {
        let (secret, value) = self.value(resource, fact);
        let overruled: Vec<Json> = fact
            .overruled
            .iter()
            .map(|one| {
                json!({
                    "value": one.value.as_ref().map(print::value),
                    "author": author_json(&one.author),
                })
            })
            .collect();
        let through: Vec<Json> = self
            .through(&fact.value)
            .into_iter()
            .map(|(name, fact)| {
                json!({
                    "fact": name,
                    "expression": print::value(&fact.value),
                    "authors": fact.authors.iter().map(author_json).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({
            "resource": resource.name,
            "fact": key.to_string(),
            "field": key.field.name(),
            "form": key.form,
            "key": key.key,
            "expression": print::value(&fact.value),
            "value": value,
            "secret": secret,
            "authors": fact.authors.iter().map(author_json).collect::<Vec<_>>(),
            "through": through,
            "overruled": overruled,
        })
    }
}

/// An author for programs.
pub(super) fn author_json(author: &Author) -> Json {
    let mut value = json!(author);
    if let Some(object) = value.as_object_mut() {
        object.insert("text".to_owned(), json!(author.to_string()));
        if let Some(span) = author.span() {
            object.insert("file".to_owned(), json!(&*span.file));
            object.insert("line".to_owned(), json!(span.line));
        }
    }
    value
}
