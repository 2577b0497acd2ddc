//! [`crate::Model`] over the host's snapshot handle: every getter is one call, unless the resource is
//! known not to have the fact.
//!
//! Most getters of a pass ask for what most resources don't have, and each question has its price. So
//! the host is asked once for what a resource has. Whether a fact's name exists at all is the host's
//! to say: with each name the first question goes to it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::convert::{entries_from_wire, expression, from_wire, list_from_wire};
use crate::bindings::passing::aspire::host::model as host;
use crate::{Endpoint, Expression, File, Mount, Parameter, Prepare, Probe, Wait};

/// The host's snapshot.
#[derive(Debug)]
pub(crate) struct Snapshot {
    host: host::Snapshot,
    known: RefCell<Known>,
}

/// What the host has been asked already.
#[derive(Debug, Default)]
struct Known {
    /// Each getter with each name of a fact.
    asked: Vec<(Getter, String)>,
    /// The resource that was asked about last, which mostly is the next one too.
    last: Option<(String, Rc<[String]>)>,
    resources: BTreeMap<String, Asked>,
}

/// What has been asked about a resource.
#[derive(Debug)]
enum Asked {
    /// So many facts, one by one.
    Single(u8),
    /// Which facts it has.
    Facts(Rc<[String]>),
}

/// Facts that are asked for one by one, before the host is asked for all: a pass that looks for two
/// labels needs no more, and is then not run again because of others.
const SINGLE: u8 = 3;

fn keyed<From, To: std::convert::From<From>>(values: Vec<(String, From)>) -> Vec<(String, To)> {
    values
        .into_iter()
        .map(|(key, value)| (key, value.into()))
        .collect()
}

/// The getters that take any fact's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Getter {
    Text,
    Number,
    Flag,
    Value,
    Values,
    Keys,
    Entry,
    Entries,
}

impl Snapshot {
    pub(crate) fn current() -> Self {
        Self {
            host: host::current(),
            known: RefCell::default(),
        }
    }

    /// Whether a resource may have a fact; `true` for the first question with a name.
    fn may_have(&self, getter: Getter, name: &str, fact: &str) -> bool {
        let is_asked = self
            .known
            .borrow()
            .asked
            .iter()
            .any(|(by, asked)| *by == getter && asked == fact);
        if !is_asked {
            let mut known = self.known.borrow_mut();
            known.asked.push((getter, fact.to_owned()));
            return true;
        }
        // Another form's facts are not among those of the main one.
        fact.contains(':') || self.has(name, fact)
    }

    /// Whether a resource may have a fact whose name exists.
    fn has(&self, name: &str, fact: &str) -> bool {
        self.facts(name)
            .is_none_or(|facts| facts.iter().any(|known| known == fact))
    }

    /// Which facts a resource has; none: that is not worth a question yet.
    fn facts(&self, name: &str) -> Option<Rc<[String]>> {
        let mut known = self.known.borrow_mut();
        if let Some((last, facts)) = &known.last
            && last == name
        {
            return Some(Rc::clone(facts));
        }
        let facts = match known.resources.get_mut(name) {
            Some(Asked::Facts(facts)) => Rc::clone(facts),
            Some(Asked::Single(asked)) if *asked < SINGLE => {
                *asked += 1;
                return None;
            }
            Some(asked) => {
                let facts = Rc::from(self.host.facts(name));
                *asked = Asked::Facts(Rc::clone(&facts));
                facts
            }
            None => {
                known.resources.insert(name.to_owned(), Asked::Single(1));
                return None;
            }
        };
        known.last = Some((name.to_owned(), Rc::clone(&facts)));
        Some(facts)
    }

    pub(crate) fn mode(&self) -> String {
        self.host.mode()
    }

    pub(crate) fn target(&self) -> String {
        self.host.target()
    }

    pub(crate) fn app(&self) -> String {
        self.host.app()
    }

    pub(crate) fn select(&self, selector: &str) -> Vec<String> {
        self.host.select(selector)
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.host.exists(name)
    }

    pub(crate) fn kind(&self, name: &str) -> String {
        self.host.kind(name)
    }

    pub(crate) fn shape_name(&self, name: &str) -> String {
        self.host.shape(name)
    }

    pub(crate) fn parent(&self, name: &str) -> Option<String> {
        if !self.has(name, "parent") {
            return None;
        }
        self.host.parent(name)
    }

    pub(crate) fn children(&self, name: &str) -> Vec<String> {
        self.host.children(name)
    }

    pub(crate) fn options_text(&self, name: &str) -> String {
        self.host.options(name)
    }

    pub(crate) fn text(&self, name: &str, fact: &str) -> Option<String> {
        if !self.may_have(Getter::Text, name, fact) {
            return None;
        }
        self.host.text(name, fact)
    }

    pub(crate) fn number(&self, name: &str, fact: &str) -> Option<i64> {
        if !self.may_have(Getter::Number, name, fact) {
            return None;
        }
        self.host.number(name, fact)
    }

    pub(crate) fn flag(&self, name: &str, fact: &str) -> Option<bool> {
        if !self.may_have(Getter::Flag, name, fact) {
            return None;
        }
        self.host.flag(name, fact)
    }

    pub(crate) fn value(&self, name: &str, fact: &str) -> Option<Expression> {
        if !self.may_have(Getter::Value, name, fact) {
            return None;
        }
        self.host.value(name, fact).map(from_wire)
    }

    pub(crate) fn values(&self, name: &str, fact: &str) -> Vec<Expression> {
        if !self.may_have(Getter::Values, name, fact) {
            return Vec::new();
        }
        list_from_wire(self.host.values(name, fact))
    }

    pub(crate) fn keys(&self, name: &str, fact: &str) -> Vec<String> {
        if !self.may_have(Getter::Keys, name, fact) {
            return Vec::new();
        }
        self.host.keys(name, fact)
    }

    pub(crate) fn entry(&self, name: &str, fact: &str, key: &str) -> Option<Expression> {
        if !self.may_have(Getter::Entry, name, fact) {
            return None;
        }
        self.host.entry(name, fact, key).map(from_wire)
    }

    pub(crate) fn entries(&self, name: &str, fact: &str) -> Vec<(String, Expression)> {
        if !self.may_have(Getter::Entries, name, fact) {
            return Vec::new();
        }
        entries_from_wire(self.host.entries(name, fact))
    }

    pub(crate) fn endpoints(&self, name: &str) -> Vec<(String, Endpoint)> {
        if !self.has(name, "endpoints") {
            return Vec::new();
        }
        keyed(self.host.endpoints(name))
    }

    pub(crate) fn mounts(&self, name: &str) -> Vec<(String, Mount)> {
        if !self.has(name, "mounts") {
            return Vec::new();
        }
        keyed(self.host.mounts(name))
    }

    pub(crate) fn files(&self, name: &str) -> Vec<(String, File)> {
        if !self.has(name, "files") {
            return Vec::new();
        }
        keyed(self.host.files(name))
    }

    pub(crate) fn waits(&self, name: &str) -> Vec<(String, Wait)> {
        if !self.has(name, "waits") {
            return Vec::new();
        }
        keyed(self.host.waits(name))
    }

    pub(crate) fn probe(&self, name: &str) -> Option<Probe> {
        if !self.has(name, "health") {
            return None;
        }
        self.host.probe(name).map(Into::into)
    }

    pub(crate) fn prepares(&self, name: &str) -> Vec<(String, Prepare)> {
        if !self.has(name, "prepare") {
            return Vec::new();
        }
        keyed(self.host.prepares(name))
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<Parameter> {
        if !self.has(name, "parameter") {
            return None;
        }
        self.host.parameter(name).map(Into::into)
    }

    pub(crate) fn resolve(&self, name: &str, value: Expression) -> Expression {
        from_wire(self.host.resolve(name, &expression(value)))
    }

    pub(crate) fn is_secret(&self, value: &Expression) -> bool {
        self.host.is_secret(&expression(value.clone()))
    }
}
