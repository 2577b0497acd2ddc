//! The JSON Schema of what `aspire.toml` may say about an Ollama.

use aspire_sdk::{Kind, Schema};

/// The kind `ollama` with the schema of its options.
pub(crate) fn kind() -> Kind {
    Kind::new("ollama", "Ollama server for language models")
        .option("models", models())
        .option(
            "gpu",
            Schema::choice(["nvidia", "amd"]).describe(
                "Gives the container the machine's GPUs: `nvidia`, or `amd`, which takes the \
                 image's `-rocm` variant.",
            ),
        )
        .option(
            "port",
            Schema::port()
                .describe("Fixed port on the developer's machine. Left out, the host picks one."),
        )
        .option(
            "data-volume",
            volume("Keeps the models that were pulled: `true`, or the name of the volume."),
        )
        .option("webui", webui())
}

fn models() -> Schema {
    let model = || Schema::string().pattern("^[A-Za-z0-9][A-Za-z0-9._:/-]*$");
    let named = Schema::object([
        (
            "name",
            Schema::string()
                .format("child-name")
                .describe("Name of the resource."),
        ),
        ("model", model().describe("The model as Ollama names it.")),
    ]);
    let plain = model()
        .describe("A model as Ollama names it, such as `llama3.2:1b` or `hf.co/user/model`.");
    Schema::list(Schema::one_of([plain, named.required(["name", "model"])])).describe(
        "Models that the app uses. Each is a resource of its own, named `SERVER-MODEL` or by \
         `name`.",
    )
}

fn webui() -> Schema {
    Schema::one_of([
        Schema::boolean(),
        Schema::object([
            (
                "port",
                Schema::port().describe("Fixed port of the chat page."),
            ),
            (
                "data-volume",
                volume("Keeps chats and settings: `true`, or the volume's name."),
            ),
        ]),
    ])
    .describe(
        "Open WebUI, a chat page: one for all Ollama resources, named `open-webui`, never \
         published.",
    )
}

fn volume(description: &str) -> Schema {
    Schema::one_of([Schema::boolean(), Schema::string().not_empty()]).describe(description)
}
