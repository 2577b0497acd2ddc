//! A loaded plugin, and the compiler's view of it with the permissions that it was given.

use std::path::Path;
use std::sync::Arc;

use aspire_model::construct::{ConstructEdit, ConstructGraph, ConstructTransaction, Publication};
use aspire_model::grant::Grants;
use aspire_model::hook::{Descriptor, ExpandContext, HookFailure, Plugin, Snapshot};
use aspire_model::{Author, Declaration, Diagnostic, Transaction};

use crate::call::Guest;
use crate::manifest::Manifest;
use crate::state::{CallState, Identity, Role};
use crate::survey::{Hook, Survey};

/// A plugin that was found, checked, compiled and described. It can do nothing yet:
/// [`with_grants`](Self::with_grants) makes it callable.
pub struct Loaded {
    pub(crate) guest: Guest,
    pub(crate) survey: Survey,
    pub(crate) descriptor: Descriptor,
    pub(crate) origin: String,
    pub(crate) file: Option<std::path::PathBuf>,
    pub(crate) size: u64,
    pub(crate) from_cache: bool,
    pub(crate) warnings: Vec<Diagnostic>,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Identity {
            id,
            version,
            digest,
        } = &*self.guest.identity;
        write!(
            f,
            "plugin {id} {version} ({}, {})",
            self.origin,
            &digest[..12.min(digest.len())]
        )
    }
}

impl Loaded {
    /// Manifest id: the plugin's identity, whatever its file is called.
    pub fn id(&self) -> &str {
        &self.survey.manifest.id
    }

    /// What it says about itself as constants.
    pub fn manifest(&self) -> &Manifest {
        &self.survey.manifest
    }

    /// What it says about itself.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// SHA-256 of its file, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.guest.identity.digest
    }

    /// The file, as the user named it.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The file, where there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Size of its file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Hooks that it exports.
    pub fn hooks(&self) -> impl Iterator<Item = Hook> {
        self.survey.hooks.iter().map(|(hook, _)| *hook)
    }

    /// Names of what it imports.
    pub fn imports(&self) -> &[String] {
        &self.survey.imports
    }

    /// It imports no WASI at all, so it cannot even ask for anything but the model.
    pub fn is_provably_pure(&self) -> bool {
        self.survey
            .imports
            .iter()
            .all(|import| import.starts_with("aspire:host/"))
    }

    /// Its compiled code came from the cache.
    pub fn from_cache(&self) -> bool {
        self.from_cache
    }

    /// What there was to say about loading it.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The plugin as the compiler calls it. `operator`: its edits beat the app's own settings.
    pub fn with_grants(self: &Arc<Self>, grants: Grants, operator: bool) -> Arc<dyn Plugin> {
        Arc::new(Granted {
            loaded: Arc::clone(self),
            grants,
            operator,
            expand: "expand".into(),
        })
    }
}

struct Granted {
    loaded: Arc<Loaded>,
    grants: Grants,
    operator: bool,
    expand: Arc<str>,
}

impl Granted {
    fn author(&self, pass: Arc<str>) -> Author {
        let Identity { id, version, .. } = &*self.loaded.guest.identity;
        Author::Plugin {
            plugin: Arc::clone(id),
            version: Arc::clone(version),
            pass,
            cause: None,
            operator: self.operator,
        }
    }

    fn call(
        &self,
        hook: Hook,
        argument: &str,
        role: Role,
        author: &Author,
        call: String,
    ) -> Result<CallState, HookFailure> {
        let guest = &self.loaded.guest;
        let identity = Arc::clone(&guest.identity);
        let before = role.size();
        let limits = match guest.limits.for_model(before) {
            larger if larger != *guest.limits => Arc::new(larger),
            _ => Arc::clone(&guest.limits),
        };
        guest.call(
            hook,
            argument,
            CallState::new(identity, limits, role, author.clone(), call),
        )
    }

    fn constructs(&self, pass: &str, role: Role) -> Result<ConstructTransaction, HookFailure> {
        let author = self.author(pass.into());
        let mut state = self.call(Hook::Pass, pass, role, &author, format!("pass {pass}"))?;
        let mut edits = std::mem::take(&mut state.output.constructs);
        edits.extend(state.impurities().into_iter().map(ConstructEdit::Diagnose));
        Ok(ConstructTransaction { author, edits })
    }
}

impl Plugin for Granted {
    fn descriptor(&self) -> &Descriptor {
        &self.loaded.descriptor
    }

    fn grants(&self) -> &Grants {
        &self.grants
    }

    fn is_operator(&self) -> bool {
        self.operator
    }

    fn expand(
        &self,
        declaration: &Arc<Declaration>,
        context: &ExpandContext,
    ) -> Result<Transaction, HookFailure> {
        let author = self.author(Arc::clone(&self.expand));
        let name = declaration.name.as_str();
        let role = Role::Expand {
            declaration: Arc::clone(declaration),
            context: context.clone(),
        };
        let call = format!("expand({name})");
        let mut state = self.call(Hook::Integration, name, role, &author, call)?;
        Ok(Transaction {
            author,
            edits: state.take_edits(),
        })
    }

    fn run(&self, pass: &str, snapshot: &Snapshot) -> Result<Transaction, HookFailure> {
        let author = self.author(pass.into());
        let role = Role::Run {
            snapshot: snapshot.clone(),
        };
        let mut state = self.call(Hook::Pass, pass, role, &author, format!("pass {pass}"))?;
        Ok(Transaction {
            author,
            edits: state.take_edits(),
        })
    }

    fn lower(&self, pass: &str, snapshot: &Snapshot) -> Result<ConstructTransaction, HookFailure> {
        self.constructs(
            pass,
            Role::Lower {
                snapshot: snapshot.clone(),
            },
        )
    }

    fn refine(
        &self,
        pass: &str,
        snapshot: &Snapshot,
        graph: &Arc<ConstructGraph>,
    ) -> Result<ConstructTransaction, HookFailure> {
        let role = Role::Refine {
            snapshot: snapshot.clone(),
            graph: Arc::clone(graph),
        };
        self.constructs(pass, role)
    }

    fn publish(
        &self,
        target: &str,
        snapshot: &Snapshot,
        graph: &Arc<ConstructGraph>,
    ) -> Result<Publication, HookFailure> {
        let author = self.author(Arc::from(format!("publish {target}")));
        let role = Role::Publish {
            snapshot: snapshot.clone(),
            graph: Arc::clone(graph),
        };
        let call = format!("publish({target})");
        let mut state = self.call(Hook::Publisher, target, role, &author, call)?;
        let mut publication = std::mem::take(&mut state.output.publication);
        publication.diagnostics.extend(state.impurities());
        Ok(publication)
    }
}
