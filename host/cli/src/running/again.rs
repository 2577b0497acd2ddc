//! A workload that is started again by somebody: an object like the one that was there.
//!
//! Pure. Doesn't know how the one that was there is ended.

use aspire_api::meta::{
    ATTEMPT_ANNOTATION, BUILT_ANNOTATION, FIRST_ANNOTATION, RESTARTS_ANNOTATION,
};
use aspire_api::{Object, ObjectMeta};

/// The same, as if nothing had happened yet.
pub(crate) fn fresh(mut object: Object) -> Object {
    let name = object.metadata().first().to_owned();
    let mut old = std::mem::take(object.metadata_mut());
    for annotation in [
        FIRST_ANNOTATION,
        RESTARTS_ANNOTATION,
        ATTEMPT_ANNOTATION,
        BUILT_ANNOTATION,
    ] {
        old.annotations.remove(annotation);
    }
    *object.metadata_mut() = ObjectMeta {
        name,
        labels: old.labels,
        annotations: old.annotations,
        ..ObjectMeta::default()
    };
    object.set_status(None);
    match &mut object {
        Object::Container(container) => {
            container.spec.start = true;
            container.spec.stop = false;
        }
        Object::Executable(executable) => {
            executable.spec.start = true;
            executable.spec.stop = false;
        }
        _ => {}
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::running::workloads::samples;

    #[test]
    fn a_fresh_object_keeps_what_was_asked_for_and_nothing_else() {
        let object = samples::process("api", |e| {
            e.metadata.uid = "1".into();
            e.metadata.resource_version = "7".into();
            e.metadata.finalizers = vec!["ours".into()];
            e.metadata.name = "api-r3".into();
            let annotations = &mut e.metadata.annotations;
            annotations.insert(FIRST_ANNOTATION.into(), "api".into());
            annotations.insert(RESTARTS_ANNOTATION.into(), "3".into());
            annotations.insert(BUILT_ANNOTATION.into(), "true".into());
            e.spec.args = vec!["--fast".into()];
            e.spec.start = false;
            e.spec.stop = true;
            e.status.exit_code = Some(1);
        });
        let expected = samples::process("api", |e| e.spec.args = vec!["--fast".into()]);
        assert_eq!(fresh(object), expected);
    }
}
