//! The environment-variable contract of references (reference/aspire.md 1.5), to the letter.

use aspire_model::{Field, Form};

use super::support::{cache_plugin, good};

fn env(text: &str, resource: &str) -> String {
    let compilation = good(text, &[cache_plugin()]);
    let found = compilation.model.get(resource).unwrap();
    found
        .entries(Field::Env, Form::Process)
        .into_iter()
        .map(|(name, fact)| {
            format!(
                "{name}={} <- {}\n",
                aspire_model::print::value(&fact.value),
                fact.authors[0]
            )
        })
        .collect()
}

#[test]
fn connection_strings_and_services() {
    insta::assert_snapshot!(env(
        r#"
[parameters.key]
secret = true
[resources.my-cache]
kind = "cache"
[resources.api]
kind = "executable"
command = "api"
endpoints.http = { env = "PORT" }
endpoints.admin-ui = {}
endpoints.grpc = { scheme = "https" }
[resources.search]
kind = "external-service"
url = "https://search.example.com/v1"
[resources.web]
kind = "executable"
command = "web"
references = ["my-cache", "api", "search"]
"#,
        "web"
    ), @r#"
    API_ADMIN_UI="{api.admin-ui.url}" <- host, pass wire, for aspire.toml:19
    API_GRPC="{api.grpc.url}" <- host, pass wire, for aspire.toml:19
    API_HTTP="{api.http.url}" <- host, pass wire, for aspire.toml:19
    ConnectionStrings__my-cache="{my-cache}" <- host, pass wire, for aspire.toml:19
    MY_CACHE_HOST="{my-cache.Host}" <- host, pass wire, for aspire.toml:19
    MY_CACHE_PASSWORD="{my-cache.Password}" <- host, pass wire, for aspire.toml:19
    MY_CACHE_PORT="{my-cache.Port}" <- host, pass wire, for aspire.toml:19
    MY_CACHE_URI="{my-cache.Uri}" <- host, pass wire, for aspire.toml:19
    SEARCH="https://search.example.com/v1" <- host, pass wire, for aspire.toml:19
    services__api__admin-ui__0="{api.admin-ui.url}" <- host, pass wire, for aspire.toml:19
    services__api__grpc__0="{api.grpc.url}" <- host, pass wire, for aspire.toml:19
    services__api__http__0="{api.http.url}" <- host, pass wire, for aspire.toml:19
    services__search__https__0="https://search.example.com/v1" <- host, pass wire, for aspire.toml:19
    "#);
}

#[test]
fn aliases() {
    let text = "[resources.cache]\nkind = \"cache\"\n[resources.web]\nkind = \"executable\"\ncommand = \"web\"\nreferences = [{ resource = \"cache\", as = \"store\" }]";
    insta::assert_snapshot!(env(text, "web"), @r#"
    ConnectionStrings__store="{cache}" <- host, pass wire, for aspire.toml:7
    STORE_HOST="{cache.Host}" <- host, pass wire, for aspire.toml:7
    STORE_PASSWORD="{cache.Password}" <- host, pass wire, for aspire.toml:7
    STORE_PORT="{cache.Port}" <- host, pass wire, for aspire.toml:7
    STORE_URI="{cache.Uri}" <- host, pass wire, for aspire.toml:7
    "#);
}

#[test]
fn own_settings_win() {
    insta::assert_snapshot!(env(
        r#"
[resources.cache]
kind = "cache"
[resources.web]
kind = "executable"
command = "web"
references = ["cache"]
endpoints.http = { env = "PORT" }
env.CACHE_HOST = "elsewhere"
env.PORT = "9"
"#,
        "web"
    ), @r#"
    CACHE_HOST="elsewhere" <- aspire.toml:10
    CACHE_PASSWORD="{cache.Password}" <- host, pass wire, for aspire.toml:8
    CACHE_PORT="{cache.Port}" <- host, pass wire, for aspire.toml:8
    CACHE_URI="{cache.Uri}" <- host, pass wire, for aspire.toml:8
    ConnectionStrings__cache="{cache}" <- host, pass wire, for aspire.toml:8
    PORT="9" <- aspire.toml:11
    "#);
}
