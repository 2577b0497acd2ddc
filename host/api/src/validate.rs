//! What makes an object valid (reference/dcp.md 1), by field.

use thiserror::Error;

use crate::container::Mode;
use crate::object::Object;
use crate::template;

/// A field that cannot be as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// Path, such as `spec.image`.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

fn error(field: &str, message: impl Into<String>) -> FieldError {
    FieldError {
        field: field.to_owned(),
        message: message.into(),
    }
}

/// Everything that is wrong with a new object.
pub fn validate(object: &Object) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if object.metadata().name.is_empty() {
        errors.push(error("metadata.name", "must not be empty"));
    }
    match object {
        Object::Container(container) => {
            let spec = &container.spec;
            if spec.image.is_empty() && spec.build.is_none() {
                errors.push(error("spec.image", "needed, unless there is spec.build"));
            }
            if spec.mode == Some(Mode::Persistent) && spec.container_name.is_none() {
                errors.push(error("spec.containerName", "needed in mode persistent"));
            }
            let strings = spec
                .env
                .iter()
                .map(|variable| ("spec.env", &variable.value))
                .chain(spec.args.iter().map(|text| ("spec.args", text)))
                .chain(
                    spec.command
                        .iter()
                        .flatten()
                        .map(|text| ("spec.command", text)),
                )
                .chain(
                    spec.create_files
                        .iter()
                        .map(|file| ("spec.createFiles", &file.contents)),
                );
            check_templates(strings, &mut errors);
            for mount in &spec.volume_mounts {
                if !mount.target.starts_with('/') {
                    errors.push(error(
                        "spec.volumeMounts.target",
                        "must be an absolute path",
                    ));
                }
            }
        }
        Object::Executable(executable) => {
            let spec = &executable.spec;
            if spec.executable_path.is_empty() {
                errors.push(error("spec.executablePath", "must not be empty"));
            }
            let strings = spec
                .env
                .iter()
                .map(|variable| ("spec.env", &variable.value))
                .chain(spec.args.iter().map(|text| ("spec.args", text)))
                .chain(std::iter::once((
                    "spec.executablePath",
                    &spec.executable_path,
                )));
            check_templates(strings, &mut errors);
        }
        Object::Endpoint(endpoint) => {
            if endpoint.spec.service_name.is_empty() {
                errors.push(error("spec.serviceName", "must not be empty"));
            }
        }
        Object::ContainerVolume(volume) => {
            if volume.spec.name.is_empty() {
                errors.push(error("spec.name", "must not be empty"));
            }
        }
        Object::Service(_) | Object::ContainerNetwork(_) => {}
    }
    errors
}

fn check_templates<'a>(
    strings: impl Iterator<Item = (&'static str, &'a String)>,
    errors: &mut Vec<FieldError>,
) {
    for (field, text) in strings {
        if let Err(problem) = template::parse(text) {
            errors.push(error(field, problem.to_string()));
        }
    }
}
