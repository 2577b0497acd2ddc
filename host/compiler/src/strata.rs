//! The order of passes within a phase: `before` and `after` on capability names split it into
//! strata, one barrier each.

use aspire_model::diagnostic::{Blame, Diagnostic};
use aspire_model::hook::PassInfo;
use aspire_model::selector::Selector;

/// A pass of a loaded plugin.
#[derive(Debug, Clone)]
pub struct PassRef {
    /// Index in the registry.
    pub plugin: usize,
    /// Id of the plugin.
    pub id: String,
    /// The pass.
    pub info: PassInfo,
    /// Its selector, read.
    pub selector: Selector,
}

impl PassRef {
    fn has(&self, capability: &str) -> bool {
        self.info
            .provides
            .iter()
            .any(|provided| provided == capability)
    }

    /// Whether `self` has to run before `other`.
    fn precedes(&self, other: &Self) -> bool {
        self.info
            .before
            .iter()
            .any(|capability| other.has(capability))
            || other
                .info
                .after
                .iter()
                .any(|capability| self.has(capability))
    }
}

/// Puts passes into strata: each as early as its order allows, so that the result depends on
/// nothing but the set.
///
/// # Errors
/// A circle, with its passes.
pub fn order(mut passes: Vec<PassRef>) -> Result<Vec<Vec<PassRef>>, Box<Diagnostic>> {
    passes.sort_by(|a, b| (&a.id, &a.info.name).cmp(&(&b.id, &b.info.name)));
    let mut strata = Vec::new();
    while !passes.is_empty() {
        let blocked: Vec<bool> = passes
            .iter()
            .enumerate()
            .map(|(at, pass)| {
                passes
                    .iter()
                    .enumerate()
                    .any(|(other, by)| other != at && by.precedes(pass))
            })
            .collect();
        let mut stratum = Vec::new();
        let mut rest = Vec::new();
        for (pass, blocked) in passes.into_iter().zip(blocked) {
            if blocked {
                rest.push(pass);
            } else {
                stratum.push(pass);
            }
        }
        if stratum.is_empty() {
            let names: Vec<String> = rest
                .iter()
                .map(|pass| format!("{} of {}", pass.info.name, pass.id))
                .collect();
            return Err(Box::new(
                Diagnostic::error(
                    "pass-cycle",
                    format!("passes want to run before each other: {}", names.join(", ")),
                )
                .blame(Blame::Plugin)
                .help("load fewer of these plugins, or tell their authors"),
            ));
        }
        strata.push(stratum);
        passes = rest;
    }
    Ok(strata)
}

#[cfg(test)]
mod tests {
    use aspire_model::hook::Phase;

    use super::*;

    fn pass(name: &str, provides: &[&str], before: &[&str], after: &[&str]) -> PassRef {
        let owned = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect();
        PassRef {
            plugin: 0,
            id: "p".into(),
            info: PassInfo {
                name: name.into(),
                phase: Phase::Enrich,
                selector: String::new(),
                provides: owned(provides),
                before: owned(before),
                after: owned(after),
            },
            selector: Selector::default(),
        }
    }

    fn names(strata: &[Vec<PassRef>]) -> Vec<Vec<&str>> {
        strata
            .iter()
            .map(|s| s.iter().map(|p| p.info.name.as_str()).collect())
            .collect()
    }

    #[test]
    fn strata_do_not_depend_on_the_order_given() {
        let passes = [
            pass("labels", &["labels"], &[], &[]),
            pass("audit", &[], &[], &["labels", "registry"]),
            pass("registry", &["registry"], &["labels"], &[]),
            pass("mirror", &[], &["labels"], &[]),
        ];
        let mut reversed = passes.to_vec();
        reversed.reverse();
        let one = order(passes.to_vec()).unwrap();
        let other = order(reversed).unwrap();
        assert_eq!(
            names(&one),
            [vec!["mirror", "registry"], vec!["labels"], vec!["audit"]]
        );
        assert_eq!(names(&one), names(&other));
    }

    #[test]
    fn circles_are_named() {
        let error = order(vec![
            pass("a", &["x"], &["y"], &[]),
            pass("b", &["y"], &["x"], &[]),
        ])
        .unwrap_err();
        assert_eq!(
            error.message,
            "passes want to run before each other: a of p, b of p"
        );
    }
}
