//! What one call of a hook sees and produces: the data of its store.
//!
//! Knows what the hook was given, what it has asked for so far, and what it may use. Doesn't know
//! components or how the results are merged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aspire_model::annotation::{Build, Limits as ResourceLimits};
use aspire_model::construct::{ConstructEdit, ConstructGraph, Publication};
use aspire_model::hook::{Descriptor, ExpandContext, FailureKind, GuestError, Snapshot};
use aspire_model::{Author, Declaration, Diagnostic, Edit, Field, ResourceName};
use wasmtime::ResourceLimiter;

use crate::limits::{self, Limits};
use crate::load::impurity;
use crate::text::{Tail, printable};

/// Who is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: Arc<str>,
    pub(crate) version: Arc<str>,
    /// SHA-256 in hexadecimal.
    pub(crate) digest: Arc<str>,
}

/// What the hook was given.
pub(crate) enum Role {
    Describe,
    Expand {
        declaration: Arc<Declaration>,
        context: ExpandContext,
    },
    Run {
        snapshot: Snapshot,
    },
    Lower {
        snapshot: Snapshot,
    },
    Refine {
        snapshot: Snapshot,
        graph: Arc<ConstructGraph>,
    },
    Publish {
        snapshot: Snapshot,
        graph: Arc<ConstructGraph>,
    },
}

impl Role {
    pub(crate) fn snapshot(&self) -> Option<&Snapshot> {
        match self {
            Self::Describe | Self::Expand { .. } => None,
            Self::Run { snapshot }
            | Self::Lower { snapshot }
            | Self::Refine { snapshot, .. }
            | Self::Publish { snapshot, .. } => Some(snapshot),
        }
    }

    /// How much the hook has before it: resources, or constructs where there are more.
    pub(crate) fn size(&self) -> usize {
        let resources = self
            .snapshot()
            .map_or(0, |snapshot| snapshot.model.resources.len());
        resources.max(self.graph().map_or(0, |graph| graph.nodes.len()))
    }

    pub(crate) fn graph(&self) -> Option<&Arc<ConstructGraph>> {
        match self {
            Self::Refine { graph, .. } | Self::Publish { graph, .. } => Some(graph),
            Self::Describe | Self::Expand { .. } | Self::Run { .. } | Self::Lower { .. } => None,
        }
    }
}

/// Data of a guest that cannot be used: the guest's mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Mistake {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

/// What the call has produced so far.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) edits: Vec<Edit>,
    pub(crate) constructs: Vec<ConstructEdit>,
    pub(crate) publication: Publication,
    pub(crate) descriptor: Descriptor,
    /// Builds and limits that are written part by part, put together at the end.
    pub(crate) builds: BTreeMap<(ResourceName, Field), Build>,
    pub(crate) resource_limits: BTreeMap<ResourceName, ResourceLimits>,
}

/// The data of a store.
pub(crate) struct CallState {
    pub(crate) identity: Arc<Identity>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) role: Role,
    pub(crate) author: Author,
    /// Such as `expand(cache)`.
    pub(crate) call: String,
    pub(crate) output: Output,
    /// Why the call is over, once something has ended it.
    pub(crate) stop: Option<FailureKind>,
    /// Stubs that matter and were called.
    pub(crate) impure: BTreeSet<String>,
    pub(crate) stdout: Tail,
    pub(crate) stderr: Tail,
    pub(crate) logged: usize,
    pub(crate) random: u64,
    /// Names of children by parent, once somebody has asked.
    pub(crate) children: Option<BTreeMap<String, Vec<String>>>,
    resources: usize,
    diagnostics: usize,
    produced: usize,
    memory: usize,
    tables: usize,
}

impl CallState {
    pub(crate) fn new(
        identity: Arc<Identity>,
        limits: Arc<Limits>,
        role: Role,
        author: Author,
        call: String,
    ) -> Self {
        let tail = Tail::new(limits.stderr_bytes);
        Self {
            identity,
            limits,
            role,
            author,
            call,
            output: Output::default(),
            stop: None,
            impure: BTreeSet::new(),
            stdout: tail.clone(),
            stderr: tail,
            logged: 0,
            random: 0,
            children: None,
            resources: 0,
            diagnostics: 0,
            produced: 0,
            memory: 0,
            tables: 0,
        }
    }

    /// Ends the call. What ended it first is what is told.
    pub(crate) fn stop(&mut self, kind: FailureKind) -> wasmtime::Error {
        self.stop.get_or_insert(kind);
        wasmtime::Error::msg("stopped by the host")
    }

    /// Ends the call because the guest handed over something that cannot be used.
    pub(crate) fn mistake(&mut self, code: &str, mistake: Mistake) -> wasmtime::Error {
        self.stop(FailureKind::Guest(GuestError {
            code: code.to_owned(),
            message: capped(&mistake.message),
            location: None,
            help: mistake.help,
        }))
    }

    /// Ends the call because a limit was reached.
    pub(crate) fn over(&mut self, limit: String) -> wasmtime::Error {
        self.stop(FailureKind::Limit(limit))
    }

    /// The function is there, but not for this hook.
    pub(crate) fn unavailable(&mut self, function: &str, when: &str) -> wasmtime::Error {
        let message = format!("`{function}` is not available in {}", self.call);
        let help = format!("it is there for {when}");
        self.mistake("not-available", Mistake::new(message).with_help(Some(help)))
    }

    /// Counts data that stays behind in the host.
    pub(crate) fn charge(&mut self, size: usize) -> wasmtime::Result<()> {
        self.produced = self.produced.saturating_add(size);
        if self.produced > self.limits.result_bytes {
            let limit = limits::bytes(self.limits.result_bytes as u64);
            return Err(self.over(format!("results, {limit}")));
        }
        Ok(())
    }

    /// Counts one more edit.
    pub(crate) fn charge_edit(&mut self) -> wasmtime::Result<()> {
        let edits = self.output.edits.len() + self.output.constructs.len();
        if edits >= self.limits.edits {
            let limit = limits::grouped(self.limits.edits as u64);
            return Err(self.over(format!("edits, {limit} for each call")));
        }
        Ok(())
    }

    /// Counts one more resource.
    pub(crate) fn charge_resource(&mut self) -> wasmtime::Result<()> {
        self.resources += 1;
        if self.resources > self.limits.resources {
            let limit = limits::grouped(self.limits.resources as u64);
            return Err(self.over(format!("added resources, {limit} for each call")));
        }
        Ok(())
    }

    /// Counts one more diagnostic.
    pub(crate) fn charge_diagnostic(&mut self) -> wasmtime::Result<()> {
        self.diagnostics += 1;
        if self.diagnostics > self.limits.diagnostics {
            let limit = limits::grouped(self.limits.diagnostics as u64);
            return Err(self.over(format!("diagnostics, {limit} for each call")));
        }
        Ok(())
    }

    /// What there is to say about stubs that were called.
    pub(crate) fn impurities(&self) -> Vec<Diagnostic> {
        let Identity { id, .. } = &*self.identity;
        self.impure
            .iter()
            .map(|what| {
                let what = format!("plugin {id}, {}: it asked for {what}", self.call);
                impurity(what).by(&self.author)
            })
            .collect()
    }
}

/// A message that quotes a guest, fit for a screen.
fn capped(message: &str) -> String {
    const KEPT: usize = 2_000;
    printable(&message[..message.floor_char_boundary(KEPT)], false)
}

impl ResourceLimiter for CallState {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.memory = self.memory.saturating_add(desired.saturating_sub(current));
        if self.memory > self.limits.memory_bytes {
            let limit = limits::bytes(self.limits.memory_bytes as u64);
            return Err(self.over(format!("memory, {limit}")));
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.tables = self.tables.saturating_add(desired.saturating_sub(current));
        if self.tables > self.limits.table_elements {
            let limit = limits::grouped(self.limits.table_elements as u64);
            return Err(self.over(format!("tables, {limit} elements")));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }
}
