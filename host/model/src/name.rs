//! Names of resources and endpoints, and the nearest name to a mistyped one.
//!
//! The rules are those of the .NET Aspire model (reference/aspire.md 1.1): 1 to 64 ASCII letters,
//! digits and hyphens, beginning with a letter, no doubled or trailing hyphen, unique without
//! regard to case.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest name, in bytes.
pub const MAX_NAME: usize = 64;

/// A checked name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceName(String);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a name cannot be empty")]
    Empty,
    /// More than [`MAX_NAME`] bytes.
    #[error("`{0}` is longer than 64 characters")]
    TooLong(String),
    /// Begins with something other than a letter.
    #[error("`{0}` does not begin with a letter")]
    Start(String),
    /// Contains something other than letters, digits and hyphens.
    #[error("`{name}` contains `{found}`; letters, digits and hyphens are allowed")]
    Character {
        /// The whole text.
        name: String,
        /// The first character that is not allowed.
        found: char,
    },
    /// `--`, or a hyphen at the end.
    #[error("`{0}` has a doubled or trailing hyphen")]
    Hyphen(String),
}

impl ResourceName {
    /// Checks a text.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let first = text.chars().next().ok_or(NameError::Empty)?;
        if text.len() > MAX_NAME {
            return Err(NameError::TooLong(text));
        }
        if let Some(found) = text
            .chars()
            .find(|c| !c.is_ascii_alphanumeric() && *c != '-')
        {
            return Err(NameError::Character { name: text, found });
        }
        if !first.is_ascii_alphabetic() {
            return Err(NameError::Start(text));
        }
        if text.ends_with('-') || text.contains("--") {
            return Err(NameError::Hyphen(text));
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As part of an environment variable: upper case, `_` for `-`.
    pub fn variable(&self) -> String {
        variable_name(&self.0)
    }
}

/// Upper case, with `_` for everything that an environment variable's name cannot hold.
pub fn variable_name(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}

/// The candidate that was probably meant, if one is near enough to be worth suggesting.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (wanted.chars().count() / 3).clamp(1, 3);
    let folded = wanted.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)))
        .map(|(_, candidate)| candidate)
}

impl TryFrom<String> for ResourceName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<ResourceName> for String {
    fn from(name: ResourceName) -> Self {
        name.0
    }
}

impl Borrow<str> for ResourceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ResourceName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        for good in ["a", "Cache1", "my-db", &"x".repeat(64)] {
            assert!(ResourceName::new(good).is_ok(), "{good}");
        }
        for (bad, message) in [
            ("", "a name cannot be empty"),
            ("1a", "`1a` does not begin with a letter"),
            ("-a", "`-a` does not begin with a letter"),
            ("a--b", "`a--b` has a doubled or trailing hyphen"),
            ("a-", "`a-` has a doubled or trailing hyphen"),
            (
                "a_b",
                "`a_b` contains `_`; letters, digits and hyphens are allowed",
            ),
            (
                "über",
                "`über` contains `ü`; letters, digits and hyphens are allowed",
            ),
        ] {
            assert_eq!(ResourceName::new(bad).unwrap_err().to_string(), message);
        }
        assert!(ResourceName::new("x".repeat(65)).is_err());
    }

    #[test]
    fn suggestions() {
        let names = ["cache", "orders", "api"];
        assert_eq!(nearest("cahce", names), Some("cache"));
        assert_eq!(nearest("Order", names), Some("orders"));
        assert_eq!(nearest("telemetry", names), None);
        assert_eq!(nearest("x", ["api"]), None);
    }
}
