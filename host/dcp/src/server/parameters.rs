//! Parameters of requests.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::machinery::field_error::FieldError;
use crate::machinery::options::{
    FieldValidation, invalid_options, validate_dry_run, validate_patch_options,
};
use crate::machinery::status::Status;

/// The query of a request; of a parameter that is there twice, all values are kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(BTreeMap<String, Vec<String>>);

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            all.entry(decode(name)).or_default().push(decode(value));
        }
        Self(all)
    }

    /// The first value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.first().map(String::as_str)
    }

    /// The value of a parameter, or nothing.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// All values of a parameter.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.0
            .get(name)
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    }

    /// Replaces a parameter.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), vec![value.to_owned()]);
    }

    /// Names that are there.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A parameter that is true or false; with nothing after it, it is true.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Status> {
        Ok(self.optional_flag(name)?.unwrap_or(false))
    }

    /// A parameter that is true, false, or not there.
    pub(super) fn optional_flag(&self, name: &str) -> Result<Option<bool>, Status> {
        match self.get(name) {
            None => Ok(None),
            Some("" | "1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(Some(true)),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(Some(false)),
            Some(other) => Err(Status::bad_request(format!(
                "{name}: `{other}` is neither `true` nor `false`"
            ))),
        }
    }

    /// A number.
    pub(super) fn number<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Status> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|error| {
                Status::bad_request(format!("{name}: `{text}` is no number: {error}"))
            }),
        }
    }
}

/// Percent-encoding and `+`, undone; what isn't well formed stays.
pub(super) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let raw = text.as_bytes();
    let digit = |place: usize| {
        raw.get(place)
            .and_then(|byte| char::from(*byte).to_digit(16))
    };
    let mut place = 0;
    while let Some(&byte) = raw.get(place) {
        match (byte, digit(place + 1), digit(place + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                place += 3;
            }
            (b'+', _, _) => {
                bytes.push(b' ');
                place += 1;
            }
            _ => {
                bytes.push(byte);
                place += 1;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Parameters of a write.
#[derive(Debug, Clone)]
pub(super) struct WriteOptions {
    pub(super) dry_run: bool,
    pub(super) manager: String,
    pub(super) validation: FieldValidation,
    pub(super) force: bool,
    /// Whether it is a patch.
    pub(super) patch: bool,
}

impl WriteOptions {
    /// `kind`: `CreateOptions`, `UpdateOptions` or `PatchOptions`. Who names no manager is named
    /// by the beginning of its user agent.
    pub(super) fn read(
        query: &Query,
        kind: &str,
        apply: bool,
        user_agent: &str,
    ) -> Result<Self, Status> {
        let force = query.optional_flag("force")?;
        let named = query.text("fieldManager");
        let mut errors: Vec<FieldError> = validate_dry_run(&query.all("dryRun"));
        if kind == "PatchOptions" {
            errors.extend(validate_patch_options(apply, named, force));
        } else {
            errors.extend(crate::machinery::options::validate_field_manager(named));
        }
        let validation = FieldValidation::parse(query.get("fieldValidation"));
        let validation = validation.unwrap_or_else(|error| {
            errors.push(error);
            FieldValidation::default()
        });
        if !errors.is_empty() {
            return Err(invalid_options(kind, &errors));
        }
        let agent = user_agent.split(['/', ' ']).next().unwrap_or_default();
        let manager = match (named, agent) {
            ("", "") => "unknown",
            ("", agent) => agent,
            (named, _) => named,
        };
        Ok(Self {
            dry_run: !query.all("dryRun").is_empty(),
            manager: manager.chars().take(128).collect(),
            validation,
            force: force.unwrap_or(false),
            patch: kind == "PatchOptions",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let query = Query::parse("a=1&b=x%3Dy%20z+w&a=2&watch&bad=%zz");
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!(query.all("a"), ["1", "2"]);
        assert_eq!(query.text("b"), "x=y z w");
        assert_eq!(query.text("bad"), "%zz");
        assert!(query.flag("watch").unwrap() && !query.flag("c").unwrap());
        assert_eq!(query.flag("b").unwrap_err().code, 400);
        assert_eq!(query.number::<u64>("a").unwrap(), Some(1));
        assert_eq!(query.number::<u64>("b").unwrap_err().code, 400);
    }

    #[test]
    fn managers() {
        let of = |query: &str, agent: &str| {
            WriteOptions::read(&Query::parse(query), "CreateOptions", false, agent)
        };
        assert_eq!(of("fieldManager=me", "x/1").unwrap().manager, "me");
        assert_eq!(of("", "kubectl/v1.32 (linux)").unwrap().manager, "kubectl");
        assert_eq!(of("", "").unwrap().manager, "unknown");
        assert_eq!(of("dryRun=No", "").unwrap_err().code, 422);
        assert!(of("dryRun=All", "").unwrap().dry_run);
    }
}
