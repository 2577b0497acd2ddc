//! The custom section `aspire:manifest`: what a plugin says before anything of it runs.
//!
//! Knows the section's text. Doesn't know where in a file it is; [`crate::survey`] does.

use aspire_model::ResourceName;
use aspire_model::grant::Permission;
use aspire_model::hook::INTERFACE_VERSION;
use semver::Version;
use serde::{Deserialize, Serialize};

/// Name of the custom section.
pub(crate) const SECTION: &str = "aspire:manifest";

/// What a plugin says about itself as constants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its identity, whatever file it is in.
    pub id: String,
    /// Its own version.
    pub version: Version,
    /// The version of the interface that it was built for.
    pub interface: Version,
    /// Permissions that it asks for.
    #[serde(default)]
    pub wishes: Vec<Permission>,
}

/// Why a text is no manifest that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    Invalid(String),
    Interface(String),
}

impl Manifest {
    /// Reads the section's contents.
    pub(crate) fn parse(contents: &[u8]) -> Result<Self, Problem> {
        // The interface's version comes first: later versions may have other keys and wishes.
        #[derive(Deserialize)]
        struct Interface {
            interface: Option<String>,
        }
        let invalid = |error: serde_json::Error| Problem::Invalid(error.to_string());
        let Interface { interface } = serde_json::from_slice(contents).map_err(invalid)?;
        let interface =
            interface.ok_or_else(|| Problem::Invalid("`interface` is missing".into()))?;
        if !serves(&interface) {
            return Err(Problem::Interface(interface));
        }
        let mut manifest: Self = serde_json::from_slice(contents).map_err(invalid)?;
        ResourceName::new(manifest.id.clone())
            .map_err(|error| Problem::Invalid(format!("id: {error}")))?;
        manifest.wishes.sort();
        manifest.wishes.dedup();
        Ok(manifest)
    }
}

/// Whether this host serves what was built for a version of the interface.
///
/// Before 1.0 every minor version stands for itself; a later patch may have more than we do.
pub(crate) fn serves(wanted: &str) -> bool {
    let (Ok(wanted), Ok(ours)) = (Version::parse(wanted), Version::parse(INTERFACE_VERSION)) else {
        return false;
    };
    let compatible = if ours.major == 0 {
        (wanted.major, wanted.minor) == (0, ours.minor)
    } else {
        wanted.major == ours.major
    };
    compatible && wanted <= ours && wanted.pre == ours.pre
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, Problem> {
        Manifest::parse(text.as_bytes())
    }

    #[test]
    fn reads_what_the_sdk_writes() {
        let manifest = parse(
            r#"{"id":"redis","version":"1.2.3","interface":"0.1.0","wishes":["run-process:redis-server"]}"#,
        )
        .expect("valid");
        assert_eq!(manifest.id, "redis");
        assert_eq!(
            manifest.wishes,
            [Permission::RunProcess("redis-server".into())]
        );
    }

    #[test]
    fn refuses_what_cannot_be_used() {
        let invalid = |text: &str| match parse(text) {
            Err(Problem::Invalid(reason)) => reason,
            other => panic!("{text}: {other:?}"),
        };
        assert!(invalid("nonsense").contains("expected"));
        assert_eq!(invalid("{}"), "`interface` is missing");
        assert!(invalid(r#"{"interface":"0.1.0","version":"1.0.0"}"#).contains("`id`"));
        assert!(
            invalid(r#"{"id":"a b","interface":"0.1.0","version":"1.0.0"}"#)
                .starts_with("id: `a b`")
        );
        assert!(invalid(r#"{"id":"a","interface":"0.1.0","version":"one"}"#).contains("version"));
        let wish = r#"{"id":"a","interface":"0.1.0","version":"1.0.0","wishes":["root"]}"#;
        assert!(invalid(wish).contains("`root` is no permission"));
        assert_eq!(
            parse(r#"{"interface":"0.2.0","wishes":["new"]}"#),
            Err(Problem::Interface("0.2.0".into()))
        );
    }

    #[test]
    fn versions_that_are_served() {
        assert!(serves("0.1.0"));
        for other in [
            "0.1.1",
            "0.2.0",
            "1.0.0",
            "0.0.9",
            "0.1.0-rc.1",
            "",
            "latest",
        ] {
            assert!(!serves(other), "{other}");
        }
    }
}
