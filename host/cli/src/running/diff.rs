//! What would have to be done to come from one set of objects to another, and the fields that
//! cause it.
//!
//! Pure. Knows which changes an object can take and which need a new one. Doesn't know who makes
//! them.

use std::collections::BTreeMap;

use aspire_api::meta::BUILT_ANNOTATION;
use aspire_api::validate::validate_update;
use aspire_api::{Kind, Object, ObjectKey};
use serde_json::{Value as Json, json};

/// Kinds that an app is lowered to; others are made by the control plane itself.
pub(crate) const LOWERED: [Kind; 5] = [
    Kind::ContainerNetwork,
    Kind::ContainerVolume,
    Kind::Service,
    Kind::Container,
    Kind::Executable,
];

/// What is to be done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Make it.
    Create,
    /// Change it in place.
    Change,
    /// End it and make it anew.
    Replace,
    /// End it.
    Stop,
}

impl Action {
    /// As it is written.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Replace => "replace",
            Self::Stop => "stop",
        }
    }
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The object.
    pub(crate) key: ObjectKey,
    /// The resource that it is of.
    pub(crate) resource: String,
    /// What is to be done.
    pub(crate) action: Action,
    /// The fields that cause it: path, value now, value then.
    pub(crate) because: Vec<Difference>,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Such as `spec.env.PORT`.
    pub(crate) field: String,
    /// Now; none: it is not there.
    pub(crate) old: Option<Json>,
    /// Then; none: it won't be there.
    pub(crate) new: Option<Json>,
}

/// The steps from what runs to what is wanted: creations and changes in the order of `wanted`,
/// then what is to stop.
pub(crate) fn diff(present: &[Object], wanted: &[Object]) -> Vec<Step> {
    let mut left: BTreeMap<ObjectKey, &Object> = present
        .iter()
        .filter(|object| LOWERED.contains(&object.kind()))
        .map(|object| (object.key(), object))
        .collect();
    let mut steps = Vec::new();
    for new in wanted {
        let step = |action, because| Step {
            key: new.key(),
            resource: new.metadata().resource().to_owned(),
            action,
            because,
        };
        let Some(old) = left.remove(&new.key()) else {
            steps.push(step(Action::Create, Vec::new()));
            continue;
        };
        let because = differences(old, new);
        if !because.is_empty() {
            steps.push(step(action(old, new, &because), because));
        }
    }
    for (key, old) in left.into_iter().rev() {
        steps.push(Step {
            key,
            resource: old.metadata().resource().to_owned(),
            action: Action::Stop,
            because: Vec::new(),
        });
    }
    steps
}

/// What runs keeps its program, arguments and environment until it is started anew; only the wish
/// to start can still change. What others are made of changes in place where the API allows it.
fn action(old: &Object, new: &Object, because: &[Difference]) -> Action {
    let is_workload = matches!(new.kind(), Kind::Container | Kind::Executable);
    if is_workload {
        let only_start = because.iter().all(|difference| {
            difference.field == "spec.start" && difference.new == Some(json!(true))
                || difference.field.starts_with("metadata.")
        });
        return if only_start {
            Action::Change
        } else {
            Action::Replace
        };
    }
    let mut changed = new.clone();
    changed.set_status(Some(old));
    if validate_update(old, &changed).is_empty() {
        Action::Change
    } else {
        Action::Replace
    }
}

/// The fields of spec, labels and annotations that differ.
fn differences(old: &Object, new: &Object) -> Vec<Difference> {
    let mut found = Vec::new();
    let (old, new) = (wish(old), wish(new));
    compare("", Some(&old), Some(&new), &mut found);
    found
}

/// What somebody asks for, without what clients of a run ask for meanwhile.
fn wish(object: &Object) -> Json {
    let mut whole = serde_json::to_value(object).unwrap_or_default();
    let mut spec = whole["spec"].take();
    if let Some(fields) = spec.as_object_mut() {
        fields.remove("stop");
        // A line that moved is no other wish.
        if let Some(aspire) = fields.get_mut("aspire").and_then(Json::as_object_mut) {
            aspire.remove("origin");
        }
        // What is left out is asked for.
        fields.entry("start").or_insert(json!(true));
        // By name, so that a difference has one.
        for list in ["env", "labels"] {
            if let Some(Json::Array(entries)) = fields.get_mut(list) {
                let named: serde_json::Map<String, Json> = entries
                    .iter()
                    .filter_map(|entry| {
                        let name = entry["name"].as_str().or_else(|| entry["key"].as_str())?;
                        Some((name.to_owned(), entry["value"].clone()))
                    })
                    .collect();
                fields.insert(list.to_owned(), Json::Object(named));
            }
        }
    }
    let labels = json!(object.metadata().labels);
    let mut annotations = object.metadata().annotations.clone();
    annotations.remove(BUILT_ANNOTATION);
    json!({ "metadata": { "labels": labels, "annotations": annotations }, "spec": spec })
}

fn compare(path: &str, old: Option<&Json>, new: Option<&Json>, found: &mut Vec<Difference>) {
    if old == new {
        return;
    }
    let within = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    if let (Some(Json::Object(one)), Some(Json::Object(other))) = (old, new) {
        let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            compare(&within(name), one.get(name), other.get(name), found);
        }
        return;
    }
    if let (Some(Json::Array(one)), Some(Json::Array(other))) = (old, new)
        && one.len() == other.len()
    {
        for (index, (one, other)) in one.iter().zip(other).enumerate() {
            compare(&format!("{path}[{index}]"), Some(one), Some(other), found);
        }
        return;
    }
    found.push(Difference {
        field: path.to_owned(),
        old: old.cloned(),
        new: new.cloned(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::running::workloads::samples::process;
    use aspire_api::ObjectMeta;
    use aspire_api::executable::{EnvVar, Executable, ExecutableState};
    use aspire_api::service::Service;

    fn service(port: Option<u16>) -> Object {
        let mut service = Service {
            metadata: ObjectMeta::of("api-http", "api"),
            ..Service::default()
        };
        service.spec.port = port;
        service.into()
    }

    fn shown(present: &[Object], wanted: &[Object]) -> Vec<String> {
        diff(present, wanted)
            .iter()
            .map(|step| {
                let fields: Vec<&str> = step.because.iter().map(|d| d.field.as_str()).collect();
                format!("{} {} {}", step.action.word(), step.key, fields.join(" "))
            })
            .map(|text| text.trim_end().to_owned())
            .collect()
    }

    #[test]
    fn nothing_runs() {
        assert_eq!(
            shown(&[], &[service(None), process("api", |_| {})]),
            ["create services/api-http", "create executables/api"]
        );
    }

    #[test]
    fn what_happens_to_an_object_is_no_difference() {
        let running = process("api", |e| {
            e.metadata.uid = "7".into();
            e.metadata.finalizers = vec!["ours".into()];
            e.status.state = ExecutableState::Running;
            e.spec.stop = true;
            let annotations = &mut e.metadata.annotations;
            annotations.insert(BUILT_ANNOTATION.into(), "true".into());
            e.spec.aspire.as_mut().unwrap().origin = Some("aspire.toml:7".into());
        });
        assert_eq!(shown(&[running], &[process("api", |_| {})]), [""; 0]);
    }

    #[test]
    fn every_kind_of_step() {
        let env = |value: &'static str| {
            move |e: &mut Executable| {
                e.spec.env = vec![EnvVar {
                    name: "MODE".into(),
                    value: value.into(),
                }];
            }
        };
        let present = [
            service(Some(80)),
            process("api", env("slow")),
            process("same", |_| {}),
            process("old", |_| {}),
            process("hand", |e| e.spec.start = false),
        ];
        let wanted = [
            service(Some(81)),
            process("api", env("fast")),
            process("new", |_| {}),
            process("same", |_| {}),
            process("hand", |_| {}),
        ];
        assert_eq!(
            shown(&present, &wanted),
            [
                "change services/api-http spec.port",
                "replace executables/api spec.env.MODE",
                "create executables/new",
                "change executables/hand spec.start",
                "stop executables/old",
            ]
        );
        let step = &diff(&present, &wanted)[1];
        assert_eq!(step.because[0].old, Some(json!("slow")));
        assert_eq!(step.because[0].new, Some(json!("fast")));
    }

    #[test]
    fn lists_of_one_length_are_compared_one_by_one() {
        let with = |args: &[&str]| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            process("api", move |e| e.spec.args = args)
        };
        assert_eq!(
            shown(&[with(&["a", "b"])], &[with(&["a", "c"])]),
            ["replace executables/api spec.args[1]"]
        );
        assert_eq!(
            shown(&[with(&["a"])], &[with(&["a", "b"])]),
            ["replace executables/api spec.args"]
        );
    }
}
