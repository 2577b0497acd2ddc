//! Query parameters of requests: which values and combinations are allowed.
//!
//! Knows Kubernetes' rules and texts. Reading the query string is the caller's.

use serde_json::json;

use super::field_error::FieldError;
use super::status::{GroupKind, Status};

/// Bytes of a field manager's name.
const MAX_MANAGER: usize = 128;

/// 422 about the parameters of a request; `kind` is `PatchOptions`, `ListOptions`, ….
pub fn invalid_options(kind: &str, errors: &[FieldError]) -> Status {
    let group = "meta.k8s.io";
    Status::invalid(GroupKind { group, kind }, "", errors)
}

/// `dryRun`: absent, or `All` any number of times.
pub fn validate_dry_run(values: &[&str]) -> Vec<FieldError> {
    if values.iter().all(|value| *value == "All") {
        return Vec::new();
    }
    vec![FieldError::not_supported("dryRun", json!(values), &["All"])]
}

/// `fieldManager`.
pub fn validate_field_manager(manager: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if manager.len() > MAX_MANAGER {
        errors.push(FieldError::too_long("fieldManager", MAX_MANAGER));
    }
    if manager.chars().any(char::is_control) {
        let detail = "should only contain printable characters";
        errors.push(FieldError::invalid("fieldManager", manager, detail));
    }
    errors
}

/// `fieldManager` and `force` of a patch; `apply` says whether it is an apply patch.
pub fn validate_patch_options(apply: bool, manager: &str, force: Option<bool>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if apply && manager.is_empty() {
        let detail = "is required for apply patch";
        errors.push(FieldError::required("fieldManager", detail));
    }
    if !apply && force.is_some() {
        let detail = "may not be specified for non-apply patch";
        errors.push(FieldError::forbidden("force", detail));
    }
    errors.extend(validate_field_manager(manager));
    errors
}

/// What to do about unknown and duplicate fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldValidation {
    /// Nothing.
    Ignore,
    /// A `Warning` header for each.
    #[default]
    Warn,
    /// 400.
    Strict,
}

impl FieldValidation {
    /// Reads the parameter `fieldValidation`.
    ///
    /// # Errors
    /// It has another value.
    pub fn parse(parameter: Option<&str>) -> Result<Self, FieldError> {
        match parameter {
            None | Some("") => Ok(Self::default()),
            Some("Ignore") => Ok(Self::Ignore),
            Some("Warn") => Ok(Self::Warn),
            Some("Strict") => Ok(Self::Strict),
            Some(other) => Err(FieldError::not_supported(
                "fieldValidation",
                other,
                &["", "Ignore", "Strict", "Warn"],
            )),
        }
    }
}

/// Parameters of a list or watch that depend on each other; absent ones are empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListOptions<'a> {
    /// Whether it is a watch.
    pub watch: bool,
    /// `resourceVersion`
    pub resource_version: &'a str,
    /// `resourceVersionMatch`
    pub resource_version_match: &'a str,
    /// `continue`
    pub continue_token: &'a str,
    /// `limit`
    pub limit: i64,
    /// `sendInitialEvents`
    pub send_initial_events: Option<bool>,
}

impl ListOptions<'_> {
    /// Combinations that make no sense.
    pub fn validate(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut no = |field: &str, why: &str| errors.push(FieldError::forbidden(field, why));
        let matching = self.resource_version_match;
        if self.watch {
            if self.send_initial_events.is_some() && matching != "NotOlderThan" {
                no(
                    "resourceVersionMatch",
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                );
            } else if self.send_initial_events.is_none() && !matching.is_empty() {
                no(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is \
                     provided",
                );
            }
        } else {
            if self.send_initial_events.is_some() {
                let why = "sendInitialEvents is forbidden for list";
                no("sendInitialEvents", why);
            }
            if !matching.is_empty() && self.resource_version.is_empty() {
                no(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                );
            }
            if !matching.is_empty() && !self.continue_token.is_empty() {
                no(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden when continue is provided",
                );
            }
            if matching == "Exact" && self.resource_version == "0" {
                no(
                    "resourceVersionMatch",
                    "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                );
            }
        }
        if !matches!(matching, "" | "Exact" | "NotOlderThan") {
            errors.push(FieldError::not_supported(
                "resourceVersionMatch",
                matching,
                &["Exact", "NotOlderThan", ""],
            ));
        }
        errors
    }
}

/// Reads a resource version: nothing and 0 are the same to whoever only needs any state.
///
/// # Errors
/// 400: it isn't a number.
pub fn parse_resource_version(text: &str) -> Result<Option<u64>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        // The words of Go's parser, which clients may know.
        let detail = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
        let error = FieldError::invalid("resourceVersion", text, detail);
        Status::bad_request(format!("invalid resource version: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn patches() {
        assert_eq!(
            texts(&validate_patch_options(true, "m", Some(true))),
            [""; 0]
        );
        assert_eq!(texts(&validate_patch_options(false, "", None)), [""; 0]);
        let errors = validate_patch_options(true, "", None);
        assert_eq!(
            invalid_options("PatchOptions", &errors).message,
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required \
             for apply patch"
        );
        assert_eq!(
            texts(&validate_patch_options(false, "m", Some(false))),
            ["force: Forbidden: may not be specified for non-apply patch"]
        );
        assert_eq!(
            texts(&validate_field_manager(&"m".repeat(129))),
            ["fieldManager: Too long: may not be more than 128 bytes"]
        );
        assert_eq!(validate_field_manager("a\nb").len(), 1);
    }

    #[test]
    fn values() {
        assert_eq!(validate_dry_run(&[]), []);
        assert_eq!(validate_dry_run(&["All", "All"]), []);
        assert_eq!(
            texts(&validate_dry_run(&["x"])),
            ["dryRun: Unsupported value: [\"x\"]: supported values: \"All\""]
        );
        assert_eq!(FieldValidation::parse(None), Ok(FieldValidation::Warn));
        assert_eq!(
            FieldValidation::parse(Some("Strict")),
            Ok(FieldValidation::Strict)
        );
        assert!(FieldValidation::parse(Some("x")).is_err());
        assert_eq!(parse_resource_version(""), Ok(None));
        assert_eq!(parse_resource_version("7"), Ok(Some(7)));
        assert_eq!(parse_resource_version("x").unwrap_err().code, 400);
    }

    #[test]
    fn lists_and_watches() {
        let list = ListOptions::default();
        let watch = ListOptions {
            watch: true,
            ..list
        };
        for (options, error) in [
            (list, ""),
            (watch, ""),
            (
                ListOptions {
                    resource_version: "5",
                    resource_version_match: "Exact",
                    ..list
                },
                "",
            ),
            (
                ListOptions {
                    resource_version_match: "NotOlderThan",
                    send_initial_events: Some(true),
                    ..watch
                },
                "",
            ),
            (
                ListOptions {
                    send_initial_events: Some(true),
                    ..watch
                },
                "requires setting",
            ),
            (
                ListOptions {
                    resource_version_match: "Exact",
                    ..watch
                },
                "forbidden for watch",
            ),
            (
                ListOptions {
                    send_initial_events: Some(true),
                    ..list
                },
                "forbidden for list",
            ),
            (
                ListOptions {
                    resource_version_match: "Exact",
                    ..list
                },
                "unless resourceVersion",
            ),
            (
                ListOptions {
                    resource_version: "1",
                    resource_version_match: "Exact",
                    continue_token: "c",
                    ..list
                },
                "when continue",
            ),
            (
                ListOptions {
                    resource_version: "0",
                    resource_version_match: "Exact",
                    ..list
                },
                "\"0\"",
            ),
            (
                ListOptions {
                    resource_version: "1",
                    resource_version_match: "x",
                    ..list
                },
                "Unsupported",
            ),
            (ListOptions { limit: -1, ..list }, ""),
        ] {
            let found = texts(&options.validate());
            assert_eq!(found.is_empty(), error.is_empty(), "{options:?}: {found:?}");
            assert!(found.iter().all(|text| text.contains(error)), "{found:?}");
        }
    }
}
