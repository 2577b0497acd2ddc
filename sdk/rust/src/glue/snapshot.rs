//! [`crate::Model`] over the host's snapshot handle: every getter is one call.

use super::convert::{entries_from_wire, expression, from_wire, list_from_wire};
use crate::bindings::passing::aspire::host::model as host;
use crate::{Endpoint, Expression, File, Mount, Parameter, Prepare, Probe, Wait};

/// The host's snapshot.
#[derive(Debug)]
pub(crate) struct Snapshot(host::Snapshot);

fn keyed<From, To: std::convert::From<From>>(values: Vec<(String, From)>) -> Vec<(String, To)> {
    values
        .into_iter()
        .map(|(key, value)| (key, value.into()))
        .collect()
}

impl Snapshot {
    pub(crate) fn current() -> Self {
        Self(host::current())
    }

    pub(crate) fn mode(&self) -> String {
        self.0.mode()
    }

    pub(crate) fn target(&self) -> String {
        self.0.target()
    }

    pub(crate) fn app(&self) -> String {
        self.0.app()
    }

    pub(crate) fn select(&self, selector: &str) -> Vec<String> {
        self.0.select(selector)
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.0.exists(name)
    }

    pub(crate) fn kind(&self, name: &str) -> String {
        self.0.kind(name)
    }

    pub(crate) fn shape_name(&self, name: &str) -> String {
        self.0.shape(name)
    }

    pub(crate) fn parent(&self, name: &str) -> Option<String> {
        self.0.parent(name)
    }

    pub(crate) fn children(&self, name: &str) -> Vec<String> {
        self.0.children(name)
    }

    pub(crate) fn options_text(&self, name: &str) -> String {
        self.0.options(name)
    }

    pub(crate) fn text(&self, name: &str, fact: &str) -> Option<String> {
        self.0.text(name, fact)
    }

    pub(crate) fn number(&self, name: &str, fact: &str) -> Option<i64> {
        self.0.number(name, fact)
    }

    pub(crate) fn flag(&self, name: &str, fact: &str) -> Option<bool> {
        self.0.flag(name, fact)
    }

    pub(crate) fn value(&self, name: &str, fact: &str) -> Option<Expression> {
        self.0.value(name, fact).map(from_wire)
    }

    pub(crate) fn values(&self, name: &str, fact: &str) -> Vec<Expression> {
        list_from_wire(self.0.values(name, fact))
    }

    pub(crate) fn keys(&self, name: &str, fact: &str) -> Vec<String> {
        self.0.keys(name, fact)
    }

    pub(crate) fn entry(&self, name: &str, fact: &str, key: &str) -> Option<Expression> {
        self.0.entry(name, fact, key).map(from_wire)
    }

    pub(crate) fn entries(&self, name: &str, fact: &str) -> Vec<(String, Expression)> {
        entries_from_wire(self.0.entries(name, fact))
    }

    pub(crate) fn endpoints(&self, name: &str) -> Vec<(String, Endpoint)> {
        keyed(self.0.endpoints(name))
    }

    pub(crate) fn mounts(&self, name: &str) -> Vec<(String, Mount)> {
        keyed(self.0.mounts(name))
    }

    pub(crate) fn files(&self, name: &str) -> Vec<(String, File)> {
        keyed(self.0.files(name))
    }

    pub(crate) fn waits(&self, name: &str) -> Vec<(String, Wait)> {
        keyed(self.0.waits(name))
    }

    pub(crate) fn probe(&self, name: &str) -> Option<Probe> {
        self.0.probe(name).map(Into::into)
    }

    pub(crate) fn prepares(&self, name: &str) -> Vec<(String, Prepare)> {
        keyed(self.0.prepares(name))
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<Parameter> {
        self.0.parameter(name).map(Into::into)
    }

    pub(crate) fn resolve(&self, name: &str, value: &Expression) -> Expression {
        from_wire(self.0.resolve(name, &expression(value.clone())))
    }

    pub(crate) fn is_secret(&self, value: &Expression) -> bool {
        self.0.is_secret(&expression(value.clone()))
    }
}
