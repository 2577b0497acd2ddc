//! Who knows which kind, pass, claim and target.
//!
//! Built once per compilation. Two owners of one thing are found here, before anything runs.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use aspire_model::Shape;
use aspire_model::diagnostic::{Blame, Diagnostic, Diagnostics};
use aspire_model::hook::{Claim, KindInfo, Phase, Plugin, TargetInfo};
use aspire_model::selector::Selector;
use jsonschema::Validator;

use crate::builtin::Builtin;
use crate::reserved;
use crate::strata::{self, PassRef};

/// A kind and who explains it.
pub struct KindOwner {
    /// The plugin.
    pub plugin: Arc<dyn Plugin>,
    /// The kind.
    pub info: KindInfo,
    validator: OnceLock<Option<Validator>>,
}

impl KindOwner {
    /// The compiled schema of its options.
    pub fn validator(&self) -> Option<&Validator> {
        self.validator
            .get_or_init(|| jsonschema::validator_for(&self.info.schema).ok())
            .as_ref()
    }

    /// `ID/NAME`, or the name alone for the host's own kinds.
    pub fn full_name(&self) -> String {
        let id = &self.plugin.descriptor().id;
        if id == crate::builtin::ID {
            self.info.name.clone()
        } else {
            format!("{id}/{}", self.info.name)
        }
    }
}

/// Everything that the loaded plugins offer.
pub struct Registry {
    /// The host's own kinds and the plugins, in order of id.
    pub plugins: Vec<Arc<dyn Plugin>>,
    kinds: BTreeMap<String, Vec<Arc<KindOwner>>>,
    strata: BTreeMap<Phase, Vec<Vec<PassRef>>>,
    claims: BTreeMap<(String, Shape, String, String), (usize, Claim)>,
    targets: BTreeMap<String, (usize, TargetInfo)>,
}

impl Registry {
    /// Asks every plugin. The order of `plugins` does not matter.
    pub fn new(plugins: &[Arc<dyn Plugin>]) -> (Self, Diagnostics) {
        let mut diagnostics = Diagnostics::new();
        let mut all: Vec<Arc<dyn Plugin>> = plugins.to_vec();
        all.sort_by(|a, b| a.descriptor().id.cmp(&b.descriptor().id));
        all.insert(0, Arc::new(Builtin::new()));
        let mut registry = Self {
            kinds: BTreeMap::new(),
            strata: BTreeMap::new(),
            claims: BTreeMap::new(),
            targets: BTreeMap::new(),
            plugins: all,
        };
        for index in 0..registry.plugins.len() {
            registry.add(index, &mut diagnostics);
        }
        let mut passes: BTreeMap<Phase, Vec<PassRef>> = BTreeMap::new();
        for (index, plugin) in registry.plugins.iter().enumerate() {
            for info in &plugin.descriptor().passes {
                match Selector::parse(&info.selector) {
                    Ok(selector) => passes.entry(info.phase).or_default().push(PassRef {
                        plugin: index,
                        id: plugin.descriptor().id.clone(),
                        info: info.clone(),
                        selector,
                    }),
                    Err(error) => diagnostics.push(refuse(
                        plugin.as_ref(),
                        "bad-selector",
                        format!("its pass `{}`: {error}", info.name),
                    )),
                }
            }
        }
        for (phase, passes) in passes {
            match strata::order(passes) {
                Ok(strata) => {
                    registry.strata.insert(phase, strata);
                }
                Err(diagnostic) => diagnostics.push(*diagnostic),
            }
        }
        (registry, diagnostics)
    }

    fn add(&mut self, index: usize, diagnostics: &mut Diagnostics) {
        let plugin = Arc::clone(&self.plugins[index]);
        let descriptor = plugin.descriptor();
        for info in &descriptor.kinds {
            if let Err(error) = jsonschema::meta::validate(&info.schema) {
                diagnostics.push(refuse(
                    plugin.as_ref(),
                    "bad-schema",
                    format!(
                        "the options of its kind `{}` have no valid JSON Schema: {error}",
                        info.name
                    ),
                ));
                continue;
            }
            let options = info
                .schema
                .get("properties")
                .and_then(serde_json::Value::as_object);
            for key in options.into_iter().flat_map(serde_json::Map::keys) {
                if descriptor.id != crate::builtin::ID && reserved::is_reserved(key) {
                    diagnostics.push(refuse(
                        plugin.as_ref(),
                        "reserved-option",
                        format!(
                            "its kind `{}` has an option `{key}`, which is the host's",
                            info.name
                        ),
                    ));
                }
            }
            let owner = Arc::new(KindOwner {
                plugin: Arc::clone(&plugin),
                info: info.clone(),
                validator: OnceLock::new(),
            });
            let full = owner.full_name();
            if full != info.name {
                self.kinds.entry(full).or_default().push(Arc::clone(&owner));
            }
            self.kinds.entry(info.name.clone()).or_default().push(owner);
        }
        for target in &descriptor.targets {
            if let Some((other, _)) = self.targets.get(&target.name) {
                diagnostics.push(self.two(index, *other, &format!("the target `{}`", target.name)));
            } else {
                self.targets
                    .insert(target.name.clone(), (index, target.clone()));
            }
        }
        for claim in &descriptor.claims {
            let key = (
                claim.target.clone(),
                claim.shape,
                claim.kind.clone(),
                claim.variant.clone(),
            );
            let known = descriptor
                .passes
                .iter()
                .any(|pass| pass.name == claim.pass && pass.phase == Phase::Lower);
            if !known {
                diagnostics.push(refuse(
                    plugin.as_ref(),
                    "bad-claim",
                    format!(
                        "it claims {} for a pass `{}` that is no lowering pass of its",
                        claim.shape, claim.pass
                    ),
                ));
            } else if let Some((other, _)) = self.claims.get(&key) {
                let what = format!(
                    "lowering {} to {}{}{}",
                    claim.shape,
                    claim.target,
                    narrowed("kind", &claim.kind),
                    narrowed("variant", &claim.variant)
                );
                diagnostics.push(self.two(index, *other, &what));
            } else {
                self.claims.insert(key, (index, claim.clone()));
            }
        }
    }

    fn two(&self, one: usize, other: usize, what: &str) -> Diagnostic {
        let mut ids = [
            &self.plugins[one].descriptor().id,
            &self.plugins[other].descriptor().id,
        ];
        ids.sort();
        Diagnostic::error(
            "two-owners",
            format!("both {} and {} claim {what}", ids[0], ids[1]),
        )
        .blame(Blame::Plugin)
        .help("load only one of them")
    }

    /// The owner of a kind; the errors say what else there is.
    ///
    /// # Errors
    /// No such kind, or a short name that several plugins have.
    pub fn kind(&self, name: &str) -> Result<&Arc<KindOwner>, Box<Diagnostic>> {
        match self.kinds.get(name).map(Vec::as_slice) {
            Some([owner]) => Ok(owner),
            Some(owners @ [_, ..]) => {
                let names: Vec<String> = owners.iter().map(|owner| owner.full_name()).collect();
                Err(Box::new(
                    Diagnostic::error(
                        "ambiguous-kind",
                        format!("`{name}` is a kind of several plugins"),
                    )
                    .help(format!("write one of {}", names.join(", "))),
                ))
            }
            _ => {
                let known: Vec<&str> = self.kind_names().collect();
                Err(Box::new(
                    Diagnostic::error("unknown-kind", format!("there is no kind `{name}`"))
                        .help(format!(
                            "there are {}; a kind of a plugin needs the plugin in [plugins]",
                            known.join(", ")
                        ))
                        .suggest(name, known.iter().copied()),
                ))
            }
        }
    }

    /// Every name that a kind can be written as, in order; full names only where the short one is
    /// not unique.
    pub fn kind_names(&self) -> impl Iterator<Item = &str> {
        self.kinds
            .iter()
            .filter(|(name, owners)| {
                owners.len() == 1
                    && (!name.contains('/') || {
                        let short = name.rsplit('/').next().unwrap_or(name);
                        self.kinds.get(short).is_some_and(|owners| owners.len() > 1)
                    })
            })
            .map(|(name, _)| name.as_str())
    }

    /// The passes of a phase, stratum by stratum.
    pub fn strata(&self, phase: Phase) -> &[Vec<PassRef>] {
        self.strata.get(&phase).map_or(&[], Vec::as_slice)
    }

    /// The plugin that has a target.
    pub fn target(&self, name: &str) -> Option<&Arc<dyn Plugin>> {
        self.targets
            .get(name)
            .map(|(index, _)| &self.plugins[*index])
    }

    /// Every target, in order.
    pub fn targets(&self) -> impl Iterator<Item = &TargetInfo> {
        self.targets.values().map(|(_, info)| info)
    }

    /// Who lowers a resource to a target: the narrowest claim. A variant that nobody has is none.
    pub fn claim(
        &self,
        target: &str,
        shape: Shape,
        kind: &str,
        variant: &str,
    ) -> Option<(&Arc<dyn Plugin>, &Claim)> {
        let short = kind.rsplit('/').next().unwrap_or(kind);
        let kinds = [kind, short, ""];
        kinds.into_iter().find_map(|kind| {
            let key = (
                target.to_owned(),
                shape,
                kind.to_owned(),
                variant.to_owned(),
            );
            self.claims
                .get(&key)
                .map(|(index, claim)| (&self.plugins[*index], claim))
        })
    }

    /// Every variant that exists for a target, shape and kind.
    pub fn variants(&self, target: &str) -> Vec<&str> {
        self.claims
            .keys()
            .filter(|(t, _, _, variant)| t == target && !variant.is_empty())
            .map(|(_, _, _, variant)| variant.as_str())
            .collect()
    }
}

fn narrowed(what: &str, value: &str) -> String {
    if value.is_empty() {
        String::new()
    } else {
        format!(", {what} {value}")
    }
}

fn refuse(plugin: &dyn Plugin, code: &str, message: String) -> Diagnostic {
    let descriptor = plugin.descriptor();
    Diagnostic::error(
        code,
        format!(
            "plugin {} {} is refused: {message}",
            descriptor.id, descriptor.version
        ),
    )
    .blame(Blame::Plugin)
    .help("tell its author")
}
