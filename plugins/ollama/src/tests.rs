//! What the plugin asks for, without a host.

use aspire_sdk::serde_json::{self, Value as Json, json};
use aspire_sdk::testing::{FakeModel, declaration, expand, run};
use aspire_sdk::{Edits, Identity, Plugin};
use insta::assert_snapshot;

use crate::Ollama;
use crate::webui::PASS;

/// The edits of a server named `ai`.
fn expanded(options: Json) -> Edits {
    expand::<Ollama>(&declaration("ai", "ollama", options)).expect("it expands")
}

/// Why a server named `ai` is refused.
fn refused(options: Json) -> String {
    let refused = expand::<Ollama>(&declaration("ai", "ollama", options));
    refused.expect_err("it is refused").to_string()
}

/// The lines of the edits that contain one of these.
fn lines(edits: &Edits, wanted: &[&str]) -> String {
    let all = edits.to_string();
    let about = |line: &&str| wanted.iter().any(|text| line.contains(text));
    all.lines().filter(about).collect::<Vec<_>>().join("\n")
}

/// What the pass adds to an app with these servers.
fn added(servers: &[(&str, Json)]) -> Edits {
    let model = servers
        .iter()
        .fold(FakeModel::new("shop"), |model, (name, options)| {
            let declaration = declaration(name, "ollama", options.clone());
            let edits = expand::<Ollama>(&declaration).expect("it expands");
            model.apply(&edits).with_options(name, options.clone())
        });
    run::<Ollama>(PASS, &model).expect("the pass runs")
}

#[test]
fn plain() {
    assert_snapshot!(expanded(json!({})), @r"
    ai: add container of kind ollama
    ai: image = docker.io/ollama/ollama:0.32.15
    ai: endpoints.http = http/tcp target 11434
    ai: process:command = ollama
    ai: process:requires.ollama = install Ollama (https://ollama.com/download; macOS: brew install ollama), or start a container engine
    ai: process:mounts.data = scratch at /root/.ollama
    ai: process:args = [serve]
    ai: process:env.OLLAMA_HOST = 127.0.0.1:{port ai.http}
    ai: process:env.OLLAMA_MODELS = {path ai.data}
    ai: health = http http/
    ai: connection-string = Endpoint={ai.http.url}
    ai: properties.Host = {ai.http.host}
    ai: properties.Port = {ai.http.port}
    ai: properties.Uri = {ai.http.url}
    ");
}

#[test]
fn models() {
    let edits = expanded(json!({ "models": [
        "smollm2:135m",
        "hf.co/bartowski/Llama-3.2_1B-GGUF",
        { "name": "chat", "model": "llama3.2:1b" },
    ] }));
    assert_snapshot!(lines(&edits, &["smollm2", "Llama", "chat"]), @r"
    ai-smollm2-135m: add value of kind ollama-model
    ai-smollm2-135m: parent = ai
    ai-smollm2-135m: description = Model smollm2:135m of ai
    ai-smollm2-135m: connection-string = {ai};Model=smollm2:135m
    ai-smollm2-135m: properties.Host = {ai.http.host}
    ai-smollm2-135m: properties.Port = {ai.http.port}
    ai-smollm2-135m: properties.Uri = {ai.http.url}
    ai-smollm2-135m: properties.Model = smollm2:135m
    ai-hf-co-bartowski-Llama-3-2-1B-GGUF: add value of kind ollama-model
    ai-hf-co-bartowski-Llama-3-2-1B-GGUF: parent = ai
    ai-hf-co-bartowski-Llama-3-2-1B-GGUF: description = Model hf.co/bartowski/Llama-3.2_1B-GGUF of ai
    ai-hf-co-bartowski-Llama-3-2-1B-GGUF: connection-string = {ai};Model=hf.co/bartowski/Llama-3.2_1B-GGUF
    ai-hf-co-bartowski-Llama-3-2-1B-GGUF: properties.Host = {ai.http.host}
    ai-hf-co-bartowski-Llama-3-2-1B-GGUF: properties.Port = {ai.http.port}
    ai-hf-co-bartowski-Llama-3-2-1B-GGUF: properties.Uri = {ai.http.url}
    ai-hf-co-bartowski-Llama-3-2-1B-GGUF: properties.Model = hf.co/bartowski/Llama-3.2_1B-GGUF
    chat: add value of kind ollama-model
    chat: parent = ai
    chat: description = Model llama3.2:1b of ai
    chat: connection-string = {ai};Model=llama3.2:1b
    chat: properties.Host = {ai.http.host}
    chat: properties.Port = {ai.http.port}
    chat: properties.Uri = {ai.http.url}
    chat: properties.Model = llama3.2:1b
    ");
}

#[test]
fn kept_models() {
    let edits = expanded(json!({ "data-volume": "models", "port": 11434 }));
    assert_snapshot!(lines(&edits, &["mounts", "endpoints"]), @r"
    ai: endpoints.http = http/tcp port 11434 target 11434
    ai: mounts.data = volume models at /root/.ollama
    ");
}

#[test]
fn gpus() {
    let of = |gpu: &str| lines(&expanded(json!({ "gpu": gpu })), &["image", "privileges"]);
    assert_snapshot!(of("nvidia"), @r"
    ai: image = docker.io/ollama/ollama:0.32.15
    ai: privileges.gpus = all
    ");
    assert_snapshot!(of("amd"), @r"
    ai: image = docker.io/ollama/ollama:0.32.15-rocm
    ai: privileges.device:/dev/kfd = /dev/kfd
    ai: privileges.device:/dev/dri = /dev/dri
    ");
}

#[test]
fn refusals() {
    let long = "x".repeat(62);
    let list = [
        json!({ "models": ["a:1", "a:1"] }),
        json!({ "models": ["a:1", "A/1"] }),
        json!({ "models": [{ "name": "ai", "model": "a" }] }),
        json!({ "models": ["::"] }),
        json!({ "models": [long] }),
        json!({ "gpu": "intel" }),
        json!({ "webui": { "port": 70000 } }),
    ];
    let told: Vec<String> = list.into_iter().map(refused).collect();
    assert_snapshot!(told.join("\n"), @r#"
    ollama:duplicate-model: the model `a:1` is there twice (at ai/models/1); leave one of the two out
    ollama:duplicate-model: there is another resource named `ai-A-1` (at ai/models/1); write { name = "…", model = "A/1" } to name it otherwise
    ollama:duplicate-model: there is another resource named `ai` (at ai/models/0); write { name = "…", model = "a" } to name it otherwise
    ollama:bad-model-name: `::` is no name of a model (at ai/models/0); write it as Ollama does, such as llama3.2:1b
    ollama:long-model-name: the resource of this model would be named `ai-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`, which is longer than 64 characters (at ai/models/0); write { name = "…", model = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" } to name it otherwise
    ollama:bad-options: unknown variant `intel`, expected `nvidia` or `amd` (at ai/gpu)
    ollama:bad-options: data did not match any variant of untagged enum Switch (at ai)
    "#);
}

#[test]
fn no_webui_unless_asked_for() {
    assert!(added(&[("a", json!({})), ("b", json!({ "webui": false }))]).is_empty());
}

#[test]
fn one_webui_for_all() {
    let edits = added(&[
        ("a", json!({ "webui": { "data-volume": true } })),
        (
            "b",
            json!({ "webui": { "port": 8080, "data-volume": "chats" } }),
        ),
        ("c", json!({ "webui": true })),
    ]);
    assert_snapshot!(edits, @r"
    open-webui: add container of kind container
    open-webui: description = Open WebUI, for every Ollama of this app
    open-webui: image = ghcr.io/open-webui/open-webui:0.11.0
    open-webui: endpoints.http = http/tcp port 8080 target 8080
    open-webui: env.ENABLE_SIGNUP = false
    open-webui: env.ENABLE_COMMUNITY_SHARING = false
    open-webui: env.WEBUI_AUTH = false
    open-webui: env.OLLAMA_BASE_URLS = {a.http.url};{b.http.url};{c.http.url}
    open-webui: mounts.data = volume chats at /app/backend/data
    open-webui: health = http http/health
    open-webui: publish = no
    open-webui: waits.a = healthy
    open-webui: waits.b = healthy
    open-webui: waits.c = healthy
    ");
}

#[test]
fn webui_wishes_that_contradict() {
    let edits = added(&[
        ("a", json!({ "webui": { "port": 1, "data-volume": "x" } })),
        ("b", json!({ "webui": { "port": 2, "data-volume": "y" } })),
    ]);
    let told: Vec<String> = edits.diagnostics().map(ToString::to_string).collect();
    assert_snapshot!(told.join("\n"), @r"
    error ollama:webui-conflict: `b` wants Open WebUI with port 2, `a` with 1 (at b/webui/port); there is one Open WebUI for all; leave one of the two out
    error ollama:webui-conflict: `b` wants Open WebUI with data-volume y, `a` with x (at b/webui/data-volume); there is one Open WebUI for all; leave one of the two out
    ");
}

#[test]
fn description() {
    assert_eq!((Ollama::ID, Ollama::WISHES.len()), ("ollama", 2));
    let described = Ollama::describe();
    let schema: Json = serde_json::from_str(&described.kinds[0].schema()).expect("it is JSON");
    assert_eq!(schema["additionalProperties"], false);
    for (name, option) in schema["properties"].as_object().expect("options") {
        assert!(
            option["description"].is_string(),
            "{name} has no description"
        );
    }
}
