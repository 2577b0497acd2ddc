//! What has to be done to come from one set of objects to another, the fields that cause it, and
//! the moves that do it, in order.
//!
//! Pure. Knows which changes an object can take and which need a new one. Doesn't know who makes
//! them.

use std::collections::BTreeMap;

use aspire_api::meta::{BUILT_ANNOTATION, MANUAL_ANNOTATION, RESOURCE_LABEL};
use aspire_api::network::NETWORK;
use aspire_api::validate::validate_update;
use aspire_api::{Kind, Object, ObjectKey};
use serde_json::{Value as Json, json};

use super::fresh;

/// Kinds that an app is lowered to; others are made by the control plane itself.
pub const LOWERED: [Kind; 5] = [
    Kind::ContainerNetwork,
    Kind::ContainerVolume,
    Kind::Service,
    Kind::Container,
    Kind::Executable,
];

/// How the names of labels and annotations begin that an app is lowered to.
const OURS: &str = "aspire-host.dev/";

/// What is to be done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
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
    pub fn word(self) -> &'static str {
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
pub struct Step {
    /// The object.
    pub key: ObjectKey,
    /// The resource that it is of.
    pub resource: String,
    /// What is to be done.
    pub action: Action,
    /// The fields that cause it: path, value now, value then.
    pub because: Vec<Difference>,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Such as `spec.env.PORT`.
    pub field: String,
    /// Now; none: it is not there.
    pub old: Option<Json>,
    /// Then; none: it won't be there.
    pub new: Option<Json>,
}

/// What was asked for last, from what is there: one object for each that was lowered, however
/// often it was started again, and without what was started or stopped by hand since then. What
/// no app was lowered to is left out.
pub fn wishes(present: &[Object]) -> Vec<Object> {
    let mut newest: BTreeMap<(Kind, &str), &Object> = BTreeMap::new();
    for object in present {
        let metadata = object.metadata();
        // The network is of no resource, being of all.
        let lowered = metadata.labels.contains_key(RESOURCE_LABEL)
            || object.kind() == Kind::ContainerNetwork && metadata.name == NETWORK;
        let ours =
            LOWERED.contains(&object.kind()) && lowered && metadata.owner_references.is_empty();
        if !ours {
            continue;
        }
        let known = newest
            .entry((object.kind(), metadata.first()))
            .or_insert(object);
        if metadata.restarts() > known.metadata().restarts() {
            *known = object;
        }
    }
    newest.into_values().map(wished).collect()
}

fn wished(object: &Object) -> Object {
    if !is_workload(object.kind()) {
        return object.clone();
    }
    let mut object = fresh(object.clone());
    let manual = object
        .metadata()
        .annotations
        .contains_key(MANUAL_ANNOTATION);
    match &mut object {
        Object::Container(container) => container.spec.start = !manual,
        Object::Executable(executable) => executable.spec.start = !manual,
        _ => {}
    }
    object
}

/// The steps from what was asked for last to what is wanted: creations and changes in the order of
/// `wanted`, then what is to stop.
pub fn diff(present: &[Object], wanted: &[Object]) -> Vec<Step> {
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
    if is_workload(new.kind()) {
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

fn is_workload(kind: Kind) -> bool {
    matches!(kind, Kind::Container | Kind::Executable)
}

/// One thing to do. Each is over before the next begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Move<'a> {
    /// Ask for the end of these, with whatever took their place, and wait until nothing is left.
    End(Vec<&'a ObjectKey>),
    /// Make it.
    Create(&'a Object),
    /// Let what is there become what [`changed`] says.
    Change(&'a Step, &'a Object),
}

/// What makes the steps, in order: first the ends, those of workloads before those of what they
/// use, then the rest in the order of the steps.
pub fn moves<'a>(steps: &'a [Step], wanted: &'a [Object]) -> Vec<Move<'a>> {
    let mut moves = Vec::new();
    for workloads in [true, false] {
        let ends = |step: &&Step| {
            matches!(step.action, Action::Replace | Action::Stop)
                && is_workload(step.key.kind) == workloads
        };
        let keys: Vec<&ObjectKey> = steps.iter().filter(ends).map(|step| &step.key).collect();
        if !keys.is_empty() {
            moves.push(Move::End(keys));
        }
    }
    for step in steps {
        let Some(new) = wanted.iter().find(|object| object.key() == step.key) else {
            continue;
        };
        match step.action {
            Action::Create | Action::Replace => moves.push(Move::Create(new)),
            Action::Change => moves.push(Move::Change(step, new)),
            Action::Stop => {}
        }
    }
    moves
}

/// What is there, with what can change as it is wanted: what others have added stays.
pub fn changed(present: &Object, new: &Object, step: &Step) -> Object {
    let mut object = match (present, new) {
        (Object::Container(present), Object::Container(new)) => {
            let mut object = present.clone();
            object.spec.start |= new.spec.start;
            Object::Container(object)
        }
        (Object::Executable(present), Object::Executable(new)) => {
            let mut object = present.clone();
            object.spec.start |= new.spec.start;
            Object::Executable(object)
        }
        _ => new.clone(),
    };
    let mut metadata = present.metadata().clone();
    let wanted = new.metadata();
    metadata.labels.extend(wanted.labels.clone());
    metadata.annotations.extend(wanted.annotations.clone());
    for difference in &step.because {
        if difference.new.is_some() {
            continue;
        }
        if let Some(name) = difference.field.strip_prefix("metadata.labels.") {
            metadata.labels.remove(name);
        }
        if let Some(name) = difference.field.strip_prefix("metadata.annotations.") {
            metadata.annotations.remove(name);
        }
    }
    *object.metadata_mut() = metadata;
    object
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
    // Whatever else is written on an object is somebody else's.
    let ours = |entries: &BTreeMap<String, String>| {
        let mut entries = entries.clone();
        entries.retain(|name, _| name.starts_with(OURS) && name != BUILT_ANNOTATION);
        json!(entries)
    };
    let (labels, annotations) = (
        ours(&object.metadata().labels),
        ours(&object.metadata().annotations),
    );
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
    use aspire_api::ObjectMeta;
    use aspire_api::aspire::Aspire;
    use aspire_api::executable::{EnvVar, Executable, ExecutableState};
    use aspire_api::service::Service;

    fn process(name: &str, change: impl FnOnce(&mut Executable)) -> Object {
        let mut executable = Executable {
            metadata: ObjectMeta::of(name, name),
            ..Executable::default()
        };
        executable.spec.aspire = Some(Aspire::default());
        change(&mut executable);
        executable.into()
    }

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

    #[test]
    fn what_was_asked_for_last() {
        use aspire_api::meta::{FIRST_ANNOTATION, RESTARTS_ANNOTATION};
        let again = |name: &str, restarts: &str| {
            let mut object = process(name, |e| e.spec.args = vec![restarts.to_owned()]);
            let metadata = object.metadata_mut();
            metadata.labels.insert(RESOURCE_LABEL.into(), "web".into());
            metadata.annotations.extend([
                (FIRST_ANNOTATION.into(), "web".into()),
                (RESTARTS_ANNOTATION.into(), restarts.into()),
            ]);
            object
        };
        let manual = |start: bool| {
            process("hand", move |e| {
                let annotations = &mut e.metadata.annotations;
                annotations.insert(MANUAL_ANNOTATION.into(), "true".into());
                e.spec.start = start;
            })
        };
        let stranger = process("stranger", |e| e.metadata.labels.clear());
        let stopped = process("stopped", |e| e.spec.stop = true);
        let present = [
            again("web-r9", "9"),
            again("web-r10", "10"),
            manual(true),
            stranger,
            stopped,
        ];
        let expected = [
            manual(false),
            process("stopped", |_| {}),
            process("web", |e| e.spec.args = vec!["10".to_owned()]),
        ];
        assert_eq!(wishes(&present), expected);
    }

    #[test]
    fn a_change_takes_away_what_is_ours() {
        let present = process("hand", |e| {
            let annotations = &mut e.metadata.annotations;
            annotations.insert(MANUAL_ANNOTATION.into(), "true".into());
            annotations.insert("theirs".into(), "stays".into());
            e.spec.start = false;
        });
        let wanted = [process("hand", |_| {})];
        let steps = diff(std::slice::from_ref(&present), &wanted);
        let expected = process("hand", |e| {
            let annotations = &mut e.metadata.annotations;
            annotations.insert("theirs".into(), "stays".into());
        });
        let found = moves(&steps, &wanted);
        let [Move::Change(step, new)] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(changed(&present, new, step), expected);
    }
}
