//! A workload that is started again by somebody: an object like the one that was there.
//!
//! Pure. Doesn't know how the one that was there is ended.

use aspire_api::meta::{
    ATTEMPT_ANNOTATION, BUILT_ANNOTATION, FIRST_ANNOTATION, RESTARTS_ANNOTATION,
};
use aspire_api::{Object, ObjectMeta};

/// The same, as if nothing had happened yet.
pub fn fresh(mut object: Object) -> Object {
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
    use aspire_api::executable::Executable;

    #[test]
    fn a_fresh_object_keeps_what_was_asked_for_and_nothing_else() {
        let mut expected = Executable {
            metadata: ObjectMeta::of("api", "api"),
            ..Executable::default()
        };
        expected.spec.args = vec!["--fast".into()];
        let mut old = expected.clone();
        let metadata = &mut old.metadata;
        metadata.uid = "1".into();
        metadata.resource_version = "7".into();
        metadata.finalizers = vec!["ours".into()];
        metadata.name = "api-r3".into();
        metadata.annotations.extend([
            (FIRST_ANNOTATION.into(), "api".into()),
            (RESTARTS_ANNOTATION.into(), "3".into()),
            (BUILT_ANNOTATION.into(), "true".into()),
        ]);
        old.spec.start = false;
        old.spec.stop = true;
        old.status.exit_code = Some(1);
        assert_eq!(fresh(old.into()), expected.into());
    }
}
