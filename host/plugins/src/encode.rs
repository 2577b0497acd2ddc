//! From a core module to a component, so that plugin authors need no further tool.

use thiserror::Error;
use wasmparser::{Parser, Validator};
use wit_component::ComponentEncoder;

use crate::error::LoadError;
use crate::survey::Survey;
use crate::text::printable;

/// Why no component came of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BuildError {
    /// The module cannot become a component.
    #[error("{origin} cannot be made a component: {reason}")]
    Encode {
        /// The file.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// It became a component, but no plugin.
    #[error(transparent)]
    Plugin(#[from] LoadError),
}

impl BuildError {
    /// A stable name of the error.
    pub fn code(&self) -> &str {
        match self {
            Self::Encode { .. } => "plugin-build",
            Self::Plugin(error) => error.code(),
        }
    }

    /// What to do next.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Encode { reason, .. } if reason.contains("wasi_snapshot_preview1") => {
                Some("build for wasm32-wasip2, or without WASI for wasm32-unknown-unknown".into())
            }
            Self::Encode { .. } => Some(
                "the module has to be built with bindings to `aspire:host`; the SDK has them"
                    .into(),
            ),
            Self::Plugin(error) => error.help(),
        }
    }
}

/// Makes a plugin of a core module. A component is checked and returned as it is.
///
/// # Errors
/// The module has no bindings to the interface, is damaged, or is no plugin in the end.
pub fn build(origin: &str, module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let failed = |reason: String| BuildError::Encode {
        origin: origin.to_owned(),
        reason: printable(&reason, false),
    };
    let component = if Parser::is_core_wasm(module) {
        ComponentEncoder::default()
            .validate(true)
            .module(module)
            .and_then(|encoder| encoder.encode())
            .map_err(|error| failed(format!("{error:#}")))?
    } else {
        module.to_vec()
    };
    Survey::of(origin, &component)?;
    Validator::new()
        .validate_all(&component)
        .map_err(|error| failed(error.to_string()))?;
    Ok(component)
}
