//! The lowering pass: model to constructs, one `compose:service` for each published workload.
//!
//! Everything that doesn't survive as it is gets a row of the fidelity report. Doesn't know how
//! constructs are written down.

mod files;
mod health;
mod image;
mod leftovers;
mod parameters;
mod ports;
mod script;
mod service;
mod storage;
mod values;
mod waits;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use aspire_sdk::{Construct, Constructs, Diagnostic, Grade, Model, Shape};

/// What is shared while one app is lowered.
pub(crate) struct Lowerer<'a> {
    model: &'a Model,
    /// Name of the app.
    app: String,
    out: &'a mut Constructs,
    /// What was asked about a resource, by its name: referring to it asks again.
    known: RefCell<BTreeMap<String, Rc<Standing>>>,
    /// Ports of the machine by resource and endpoint.
    public_ports: BTreeMap<(String, String), u16>,
    /// Workloads that somebody waits for the end of.
    ending: BTreeSet<String>,
    /// Named volumes, each with the resource that mentioned it first.
    volumes: BTreeMap<String, String>,
    /// One row by resource and fact: the worst grade, and every reason.
    rows: BTreeMap<(String, String), (Grade, BTreeSet<String>)>,
    /// Scripts of health checks by TLS, port, path and status: most services have the same.
    scripts: BTreeMap<(bool, u16, String, u16), String>,
    /// References to what is not published, each told once.
    told: BTreeSet<(String, String)>,
}

/// What a resource is, and whether it is there.
struct Standing {
    shape: Option<Shape>,
    /// The `publish` fact that keeps it out: its own, or that of what it is a part of.
    kept_out: Option<String>,
}

/// Runs the pass.
pub(crate) fn run(model: &Model, out: &mut Constructs) {
    let mut lowerer = Lowerer {
        model,
        app: model.app(),
        out,
        known: RefCell::default(),
        public_ports: BTreeMap::new(),
        ending: BTreeSet::new(),
        volumes: BTreeMap::new(),
        rows: BTreeMap::new(),
        scripts: BTreeMap::new(),
        told: BTreeSet::new(),
    };
    lowerer.run();
}

impl Lowerer<'_> {
    fn run(&mut self) {
        let claimed = self.model.select("");
        let published: Vec<&String> = claimed
            .iter()
            .filter(|name| self.is_published(name))
            .collect();
        let workloads: Vec<&String> = published
            .iter()
            .copied()
            .filter(|name| self.is_workload(name))
            .collect();
        self.choose_ports(&workloads);
        self.find_endings(&workloads);
        for name in published {
            match self.shape(name) {
                Some(Shape::Container | Shape::Executable) => self.service(name),
                Some(Shape::Parameter) => self.parameter(name),
                _ => self.without_service(name),
            }
        }
        for (name, origin) in std::mem::take(&mut self.volumes) {
            let id = format!("volume/{name}");
            self.out
                .add(Construct::new(id, crate::symbol::VOLUME, name).origin(origin));
        }
        for ((resource, fact), (grade, reasons)) in std::mem::take(&mut self.rows) {
            let reasons: Vec<String> = reasons.into_iter().collect();
            self.out.fidelity(resource, fact, grade, reasons.join("; "));
        }
    }

    fn is_workload(&self, name: &str) -> bool {
        matches!(self.shape(name), Some(Shape::Container | Shape::Executable))
    }

    fn standing(&self, name: &str) -> Rc<Standing> {
        if let Some(known) = self.known.borrow().get(name) {
            return Rc::clone(known);
        }
        let own = self
            .model
            .text(name, "publish")
            .filter(|publish| publish != "yes");
        let kept_out = own.or_else(|| {
            let parent = self.model.parent(name)?;
            self.standing(&parent).kept_out.clone()
        });
        let shape = self.model.shape(name);
        let standing = Rc::new(Standing { shape, kept_out });
        self.known
            .borrow_mut()
            .insert(name.to_owned(), Rc::clone(&standing));
        standing
    }

    fn shape(&self, name: &str) -> Option<Shape> {
        self.standing(name).shape
    }

    fn is_published(&self, name: &str) -> bool {
        self.standing(name).kept_out.is_none()
    }

    fn row(&mut self, resource: &str, fact: &str, grade: Grade, reason: impl Into<String>) {
        let at = (resource.to_owned(), fact.to_owned());
        let row = self.rows.entry(at).or_insert((grade, BTreeSet::new()));
        row.0 = row.0.max(grade);
        row.1.insert(reason.into());
    }

    fn error(&mut self, resource: &str, code: &str, message: String, help: &str) {
        self.out
            .diagnose(Diagnostic::error(code, message).at(resource, "").help(help));
    }
}
