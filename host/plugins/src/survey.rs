//! What can be seen of a file without compiling anything: what it is, its manifest, what it
//! imports and exports.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

use crate::error::LoadError;
use crate::manifest::{self, Manifest, Problem};
use crate::text::shortened;

/// Interfaces that hooks may import.
const OFFERED: [&str; 8] = [
    "artifacts",
    "constructs",
    "declarations",
    "edits",
    "log",
    "model",
    "registration",
    "types",
];

/// A hook of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hook {
    /// What the plugin is.
    Descriptor,
    /// What declarations of its kinds mean.
    Integration,
    /// Passes over the model.
    Pass,
    /// Files of a target.
    Publisher,
}

impl Hook {
    const ALL: [Self; 4] = [
        Self::Descriptor,
        Self::Integration,
        Self::Pass,
        Self::Publisher,
    ];

    /// Name of its interface.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Descriptor => "descriptor",
            Self::Integration => "integration",
            Self::Pass => "pass",
            Self::Publisher => "publisher",
        }
    }

    /// Name of its function.
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::Descriptor => "describe",
            Self::Integration => "expand",
            Self::Pass => "run",
            Self::Publisher => "publish",
        }
    }
}

/// A component from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Survey {
    pub(crate) manifest: Manifest,
    /// Names of its imports, in order.
    pub(crate) imports: Vec<String>,
    /// Its hooks, each with the full name of the export.
    pub(crate) hooks: Vec<(Hook, String)>,
}

impl Survey {
    /// Looks at a file's contents.
    pub(crate) fn of(origin: &str, contents: &[u8]) -> Result<Self, LoadError> {
        if Parser::is_core_wasm(contents) {
            return Err(LoadError::CoreModule {
                origin: origin.into(),
            });
        }
        let not_wasm = |reason: String| LoadError::NotWasm {
            origin: origin.into(),
            reason,
        };
        if contents.is_empty() {
            return Err(not_wasm("it is empty".into()));
        }
        if !Parser::is_component(contents) {
            return Err(not_wasm("it does not begin as one".into()));
        }
        let raw = walk(contents).map_err(not_wasm)?;
        let manifest = read_manifest(origin, &raw.manifests)?;
        for import in &raw.imports {
            check_import(origin, import)?;
        }
        let hooks = find_hooks(origin, &raw.exports)?;
        Ok(Self {
            manifest,
            imports: raw.imports,
            hooks,
        })
    }

    pub(crate) fn has(&self, hook: Hook) -> bool {
        self.hooks.iter().any(|(found, _)| *found == hook)
    }
}

#[derive(Default)]
struct Raw<'a> {
    manifests: BTreeSet<&'a [u8]>,
    imports: Vec<String>,
    exports: Vec<String>,
}

/// Goes through all sections, nested ones included: linkers leave a Rust plugin's manifest in the
/// core module inside the component.
fn walk(contents: &[u8]) -> Result<Raw<'_>, String> {
    let mut raw = Raw::default();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(contents) {
        match payload.map_err(|error| error.to_string())? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if section.name() == manifest::SECTION => {
                raw.manifests.insert(section.data().trim_ascii());
            }
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import.map_err(|error| error.to_string())?;
                    raw.imports.push(import.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export.map_err(|error| error.to_string())?;
                    raw.exports.push(export.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(raw)
}

fn read_manifest(origin: &str, found: &BTreeSet<&[u8]>) -> Result<Manifest, LoadError> {
    let origin = origin.to_owned();
    let mut all = found.iter();
    let contents = match (all.next(), all.next()) {
        (None, _) => return Err(LoadError::NoManifest { origin }),
        (Some(one), None) => one,
        (Some(_), Some(_)) => {
            let reason = format!("there are {} different ones", found.len());
            return Err(LoadError::BadManifest { origin, reason });
        }
    };
    Manifest::parse(contents).map_err(|problem| match problem {
        Problem::Invalid(reason) => LoadError::BadManifest {
            origin,
            reason: shortened(&reason),
        },
        Problem::Interface(wants) => LoadError::InterfaceVersion {
            origin,
            wants: shortened(&wants),
        },
    })
}

/// Package and interface, and version.
fn split(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

fn check_import(origin: &str, import: &str) -> Result<(), LoadError> {
    let (name, version) = split(import);
    if name.starts_with("wasi:") && name.contains('/') {
        return Ok(());
    }
    let origin = origin.to_owned();
    if name.starts_with("aspire:host/") && !manifest::serves(version) {
        return Err(LoadError::InterfaceVersion {
            origin,
            wants: shortened(version),
        });
    }
    match name.strip_prefix("aspire:host/") {
        Some(interface) if OFFERED.contains(&interface) => Ok(()),
        _ => Err(LoadError::Import {
            origin,
            import: shortened(import),
        }),
    }
}

fn find_hooks(origin: &str, exports: &[String]) -> Result<Vec<(Hook, String)>, LoadError> {
    let mut hooks = Vec::new();
    for export in exports {
        let (name, version) = split(export);
        let Some(interface) = name.strip_prefix("aspire:host/") else {
            continue;
        };
        if !manifest::serves(version) {
            let (origin, wants) = (origin.to_owned(), shortened(version));
            return Err(LoadError::InterfaceVersion { origin, wants });
        }
        // A hook of a later version that we don't know is nothing that we could call.
        if let Some(hook) = Hook::ALL
            .into_iter()
            .find(|hook| hook.interface() == interface)
        {
            hooks.push((hook, export.clone()));
        }
    }
    hooks.sort();
    if hooks.iter().all(|(hook, _)| *hook != Hook::Descriptor) {
        return Err(LoadError::NoDescriptor {
            origin: origin.to_owned(),
        });
    }
    Ok(hooks)
}
