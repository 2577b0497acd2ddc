//! The models of a server: resources of their own, so that others can refer to them.
//!
//! They are declared only. Whether a model is there, and getting it, needs the running server.

use aspire_sdk::expr::{connection, host, port, url};
use aspire_sdk::{Declaration, Edits, Error, expr};

use crate::options::{ModelOption, Options};
use crate::server::ENDPOINT;

/// The kind of a model's resource.
const KIND: &str = "ollama-model";

/// Longest name of a resource.
const MAX_NAME: usize = 64;

/// A model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OllamaModel {
    /// Name of its resource.
    pub(crate) resource: String,
    /// As Ollama names it.
    pub(crate) name: String,
}

/// Reads and checks the option.
pub(crate) fn of(declaration: &Declaration, options: &Options) -> Result<Vec<OllamaModel>, Error> {
    let server = declaration.name();
    let mut found: Vec<OllamaModel> = Vec::new();
    for (index, option) in options.models.iter().enumerate() {
        let (resource, name) = match option {
            ModelOption::Model(name) => (format!("{server}-{}", sanitised(name)), name),
            ModelOption::Named { name, model } => (name.clone(), model),
        };
        let model = OllamaModel {
            resource,
            name: name.clone(),
        };
        check(declaration, &format!("/models/{index}"), &model, &found)?;
        found.push(model);
    }
    Ok(found)
}

fn check(
    declaration: &Declaration,
    pointer: &str,
    model: &OllamaModel,
    before: &[OllamaModel],
) -> Result<(), Error> {
    let OllamaModel { resource, name } = model;
    let rename = format!("write {{ name = \"…\", model = \"{name}\" }} to name it otherwise");
    if sanitised(name).is_empty() {
        let message = format!("`{name}` is no name of a model");
        return Err(declaration
            .error(pointer, "ollama:bad-model-name", &message)
            .help("write it as Ollama does, such as llama3.2:1b"));
    }
    if resource.len() > MAX_NAME {
        let message = format!(
            "the resource of this model would be named `{resource}`, which is longer than \
             {MAX_NAME} characters"
        );
        return Err(declaration
            .error(pointer, "ollama:long-model-name", &message)
            .help(rename));
    }
    if before.iter().any(|other| other.name == *name) {
        let message = format!("the model `{name}` is there twice");
        return Err(declaration
            .error(pointer, "ollama:duplicate-model", &message)
            .help("leave one of the two out"));
    }
    let taken = |other: &str| other.eq_ignore_ascii_case(resource);
    if taken(declaration.name()) || before.iter().any(|other| taken(&other.resource)) {
        let message = format!("there is another resource named `{resource}`");
        return Err(declaration
            .error(pointer, "ollama:duplicate-model", &message)
            .help(rename));
    }
    Ok(())
}

/// Letters and digits, with a hyphen for whatever is between them.
fn sanitised(model: &str) -> String {
    let words: Vec<&str> = model
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    words.join("-")
}

/// Adds a model's resource.
pub(crate) fn add(edits: &mut Edits, server: &str, model: &OllamaModel) {
    let OllamaModel { resource, name } = model;
    edits
        .value(resource, KIND)
        .parent(server)
        .description(format!("Model {name} of {server}"))
        .connection_string(expr![connection(server), ";Model=", name])
        .property("Host", host(server, ENDPOINT))
        .property("Port", port(server, ENDPOINT))
        .property("Uri", url(server, ENDPOINT))
        .property("Model", name);
}
