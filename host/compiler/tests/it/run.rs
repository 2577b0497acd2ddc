//! Lowering to workload objects: who reaches whom, and how.

use aspire_compiler::forms::Preference;

use super::support::objects;

const PAIRS: &str = r#"
[parameters.greeting]
[resources.cache]
kind = "cache"
[resources.proxy]
kind = "container"
image = "proxy:1"
endpoints.http = 8080
env.API = "{api.http.url}"
env.CACHE = "{cache}"
env.GREETING = "{greeting}"
wait-for = ["cache", { resource = "api", for = "started" }]
[resources.api]
kind = "executable"
command = "./bin/api"
endpoints.http = { env = "PORT", port = 5000, external = true }
health = "/health"
env.PROXY = "{proxy.http.hostAndPort}"
env.CACHE = "{cache.uri}"
"#;

fn find<'a>(objects: &'a [serde_json::Value], name: &str) -> &'a serde_json::Value {
    objects
        .iter()
        .find(|object| object["metadata"]["name"] == name)
        .unwrap()
}

fn env(object: &serde_json::Value) -> String {
    object["spec"]["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| {
            format!(
                "{}={}\n",
                v["name"].as_str().unwrap(),
                v["value"].as_str().unwrap()
            )
        })
        .collect()
}

#[test]
fn addresses_depend_on_who_asks() {
    let containers = objects(PAIRS, Preference::Container);
    insta::assert_snapshot!(env(find(&containers, "proxy")), @r#"
    API=http://{{- addressFor "api-http" -}}:{{- portFor "api-http" -}}
    CACHE=cache:6379,password={{- secret "cache-password" -}}
    GREETING=hello {{- lit "{{" -}} world
    "#);
    insta::assert_snapshot!(env(find(&containers, "api")), @r#"
    CACHE=redis://:{{- secretUri "cache-password" -}}@{{- addressFor "cache-tcp" -}}:{{- portFor "cache-tcp" -}}
    PORT={{- portForServing "api-http" -}}
    PROXY={{- addressFor "proxy-http" -}}:{{- portFor "proxy-http" -}}
    "#);
    insta::assert_json_snapshot!(find(&containers, "proxy")["spec"]["aspire"], @r#"
    {
      "endpoints": [
        {
          "external": false,
          "name": "http",
          "protocol": "TCP",
          "scheme": "http",
          "service": "proxy-http",
          "targetPort": 8080
        }
      ],
      "kind": "container",
      "origin": "aspire.toml:6",
      "secrets": [
        "cache-password"
      ],
      "waits": [
        {
          "condition": "started",
          "exitCode": 0,
          "object": {
            "kind": "Executable",
            "name": "api"
          },
          "resource": "api"
        },
        {
          "condition": "healthy",
          "exitCode": 0,
          "object": {
            "kind": "Container",
            "name": "cache"
          },
          "resource": "cache"
        }
      ]
    }
    "#);
}

#[test]
fn native_forms() {
    let app = "[resources.cache]\nkind = \"cache\"\n";
    let processes = objects(app, Preference::Process);
    insta::assert_json_snapshot!(find(&processes, "cache"), @r#"
    {
      "kind": "Executable",
      "metadata": {
        "generation": 0,
        "labels": {
          "aspire-host.dev/resource": "cache"
        },
        "name": "cache"
      },
      "spec": {
        "args": [
          "--port",
          "{{- portForServing \"cache-tcp\" -}}",
          "--dir",
          "{{- dataFolder \"data\" -}}"
        ],
        "aspire": {
          "dataFolders": [
            "data"
          ],
          "endpoints": [
            {
              "external": false,
              "name": "tcp",
              "protocol": "TCP",
              "scheme": "redis",
              "service": "cache-tcp"
            }
          ],
          "kind": "cache",
          "origin": "aspire.toml:2",
          "secrets": [
            "cache-password"
          ]
        },
        "env": [
          {
            "name": "REDIS_PASSWORD",
            "value": "{{- secret \"cache-password\" -}}"
          }
        ],
        "executablePath": "redis-server",
        "workingDirectory": "/app"
      }
    }
    "#);
}

#[test]
fn starting_again_liveness_and_lifetime() {
    let objects = objects(
        r#"
[resources.db]
kind = "container"
image = "db:1"
lifetime = "persistent"
restart = "always"
replicas = 2
[resources.api]
kind = "executable"
command = "./api"
endpoints.http = {}
health = { path = "/health", liveness = true }
restart = { policy = "on-failure", maximum = 5 }
[resources.job]
kind = "executable"
command = "./job"
restart = "no"
"#,
        Preference::Container,
    );
    let db = &find(&objects, "db-2")["spec"];
    assert_eq!(db["mode"], "persistent");
    let name = db["containerName"].as_str().unwrap();
    assert!(
        name.starts_with("aspire-") && name.ends_with("-db-2"),
        "{name}"
    );
    assert_eq!(
        db["aspire"]["restart"],
        serde_json::json!({ "policy": "always" })
    );
    let api = &find(&objects, "api")["spec"]["aspire"];
    assert_eq!(
        api["restart"],
        serde_json::json!({ "policy": "on-failure", "maximum": 5 })
    );
    assert_eq!(api["probes"]["ready"]["liveness"], true);
    assert!(find(&objects, "job")["spec"]["aspire"]["restart"].is_null());
}

#[test]
fn what_is_watched_and_what_follows() {
    let plan = super::support::plan(
        r#"
[resources.plain]
kind = "executable"
command = "node"
cwd = "web"
watch = {}

[resources.built]
kind = "executable"
command = "bin/built"
build = ["make"]
replicas = 2
watch = { paths = ["src", "*.toml"], ignore = ["gen"] }

[resources.image]
kind = "container"
build = "image"
watch = {}

[resources.page]
kind = "container"
image = "httpd:2"
watch = { do = "sync", paths = ["static"], target = "/www" }

[resources.other]
kind = "container"
image = "httpd:2"
"#,
        Preference::Container,
    );
    let shown: Vec<String> = plan
        .watches
        .iter()
        .map(|it| {
            let paths: Vec<String> = it.paths.iter().map(|p| p.display().to_string()).collect();
            let names: Vec<&str> = it.workloads.iter().map(|key| &*key.name).collect();
            format!(
                "{}: {} of {} for {}, ignoring {}, program {:?}, context {:?}, target {:?}",
                it.resource,
                it.action.as_str(),
                paths.join(" "),
                names.join(" "),
                it.ignore.join(" "),
                it.program,
                it.context,
                it.target,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "built: rebuild of /app/src /app/*.toml for built-1 built-2, ignoring gen, \
             program Some(\"/app/bin/built\"), context None, target \"\"",
            "image: rebuild of /app/image for image, ignoring , program None, \
             context Some(\"/app/image\"), target \"\"",
            "page: sync of /app/static for page, ignoring , program None, context None, \
             target \"/www\"",
            "plain: restart of /app/web for plain, ignoring , program None, context None, target \"\"",
        ]
    );
}
