//! One Ollama server: both of its forms, its connection string and properties.

use aspire_sdk::expr::{host, listen_port, path, port, url};
use aspire_sdk::{Declaration, Edits, Endpoint, Error, Mount, Probe, Resource, expr};

use crate::models;
use crate::options::{Gpu, Options};

const IMAGE: &str = "docker.io/ollama/ollama:0.32.15";
/// The same, built for AMD's GPUs.
const ROCM: &str = "-rocm";
const PORT: u16 = 11434;
const DATA: &str = "data";
const DATA_PATH: &str = "/root/.ollama";
const HINT: &str = "install Ollama (https://ollama.com/download; macOS: brew install ollama), or \
                    start a container engine";

/// Name of the endpoint.
pub(crate) const ENDPOINT: &str = "http";

pub(crate) fn expand(declaration: &Declaration, edits: &mut Edits) -> Result<(), Error> {
    let options = Options::of(declaration)?;
    let name = declaration.name();
    let models = models::of(declaration, &options)?;
    let volume = options.data_volume();
    let scratch = volume.is_none();
    let image = match options.gpu {
        Some(Gpu::Amd) => format!("{IMAGE}{ROCM}"),
        Some(Gpu::Nvidia) | None => IMAGE.to_owned(),
    };
    edits
        .container(name, declaration.kind())
        .image(image)
        .endpoint(ENDPOINT, Endpoint::http(PORT).port(options.port))
        .with(volume, |ollama, volume| {
            ollama.mount(DATA, Mount::volume(DATA_PATH).source(volume))
        })
        .with(options.gpu, gpu)
        .process(|form| process(form, name, scratch))
        .probe(Probe::http(ENDPOINT, "/"))
        .connection_string(expr!["Endpoint=", url(name, ENDPOINT)])
        .property("Host", host(name, ENDPOINT))
        .property("Port", port(name, ENDPOINT))
        .property("Uri", url(name, ENDPOINT));
    for model in &models {
        models::add(edits, name, model);
    }
    Ok(())
}

/// A process sees the machine's GPUs anyway; a container is given them.
fn gpu(form: Resource<'_>, gpu: Gpu) -> Resource<'_> {
    match gpu {
        Gpu::Nvidia => form.privilege("gpus", "all"),
        Gpu::Amd => ["/dev/kfd", "/dev/dri"]
            .into_iter()
            .fold(form, |form, device| {
                form.privilege(format!("device:{device}"), device)
            }),
    }
}

fn process<'e>(form: Resource<'e>, name: &str, scratch: bool) -> Resource<'e> {
    form.command("ollama")
        .requires("ollama", HINT)
        .when(scratch, |form| form.mount(DATA, Mount::scratch(DATA_PATH)))
        .args(["serve"])
        .env(
            "OLLAMA_HOST",
            expr!["127.0.0.1:", listen_port(name, ENDPOINT)],
        )
        .env("OLLAMA_MODELS", path(name, DATA))
}
