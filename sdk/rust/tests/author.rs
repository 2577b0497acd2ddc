//! The SDK as an author's tests see it.

use aspire_sdk::expr::{
    connection, host, if_param, if_tls, listen_port, output, param, path, prop, url,
};
use aspire_sdk::serde::Deserialize;
use aspire_sdk::serde_json::json;
use aspire_sdk::testing::{FakeModel, declaration, expand, lower, publish, run};
use aspire_sdk::{
    Claim, Construct, Constructs, Declaration, Diagnostic, Edits, Endpoint, Error, Expression,
    File, Grade, Graph, Identity, Integration, Kind, Lowering, Model, Mount, Output, Parameter,
    Pass, PassInfo, Phase, Plugin, Prepare, Probe, Publisher, Registration, Schema, Shape, Wait,
    expr,
};

/// A plugin with every hook.
struct Everything;

#[derive(Deserialize)]
#[serde(crate = "aspire_sdk::serde")]
struct Options {
    greeting: Expression,
}

impl Plugin for Everything {
    fn describe() -> Registration {
        Registration::new()
            .kind(
                Kind::new("thing", "a thing")
                    .required_option("greeting", Schema::expression().describe("what it says")),
            )
            .pass(
                PassInfo::new("label", Phase::Enrich)
                    .select("shape=container")
                    .after("x"),
            )
            .pass(PassInfo::new("lower", Phase::Lower))
            .claim(
                Claim::new("lower", Shape::Container, "list")
                    .kind("thing")
                    .variant("v"),
            )
            .target("list", "a list")
    }
}

impl Integration for Everything {
    fn expand(declaration: &Declaration, edits: &mut Edits) -> Result<(), Error> {
        let Options { greeting } = declaration.options()?;
        edits
            .container(declaration.name(), declaration.kind())
            .env("GREETING", greeting);
        if declaration.explicit_text("image") == Some("old") {
            edits.diagnose(declaration.warning("", "everything:old", "that is an old one"));
        }
        Ok(())
    }
}

impl Pass for Everything {
    fn run(_pass: &str, model: &Model, edits: &mut Edits) -> Result<(), Error> {
        for name in model.select("") {
            edits.edit(name).label("seen", "yes");
        }
        Ok(())
    }
}

impl Lowering for Everything {
    fn lower(_pass: &str, model: &Model, constructs: &mut Constructs) -> Result<(), Error> {
        for name in model.select("kind=thing") {
            constructs.add(
                Construct::new(format!("thing/{name}"), "list:item", &name)
                    .origin(&name)
                    .property("says", model.env(&name)[0].1.to_json())
                    .depends_on("app"),
            );
            constructs.fidelity(&name, "restart", Grade::Dropped, "lists don't restart");
            constructs.bind_property(&name, "Uri", format!("thing/{name}"), "address");
        }
        constructs.set_property("app", "title", "x");
        Ok(())
    }
}

impl Publisher for Everything {
    fn publish(
        target: &str,
        graph: &Graph,
        model: &Model,
        output: &mut Output,
    ) -> Result<(), Error> {
        let mut text = format!("{} for {target}\n", model.app());
        for node in graph.select("list:item") {
            text.push_str(&format!("- {}\n", node.name));
        }
        output.write("list.txt", text);
        output.copy("logo.svg", "assets/logo.svg");
        Ok(())
    }
}

aspire_sdk::plugin! {
    id: "everything",
    version: env!("CARGO_PKG_VERSION"),
    wishes: ["edit:*" => "labels everything", "privileged" => "why not"],
    type: Everything,
    hooks: [integration, pass, lowering, publisher],
}

fn thing(name: &str) -> Declaration {
    let greeting = json!({ "$expr": [{ "op": "lit", "subject": "hi " }, { "op": "param", "subject": "who" }] });
    declaration(name, "thing", json!({ "greeting": greeting }))
}

#[test]
fn who_it_is() {
    assert_eq!(Everything::ID, "everything");
    assert_eq!(Everything::WISHES[1], ("privileged", "why not"));
    let described = Everything::describe();
    assert_eq!(
        described.kinds[0].schema(),
        r#"{"type":"object","properties":{"greeting":{"type":"string","format":"expression","description":"what it says"}},"additionalProperties":false,"required":["greeting"]}"#
    );
}

#[test]
fn from_declaration_to_files() {
    let expanded = expand::<Everything>(&thing("one")).unwrap();
    assert_eq!(
        expanded.to_string(),
        "one: add container of kind thing\none: env.GREETING = hi {who}\n"
    );
    let model = FakeModel::new("shop")
        .for_target("list")
        .apply(&expanded)
        .with(|edits| drop(edits.parameter("who", Parameter::secret())));
    // The pass's own selector leaves the parameter out.
    let labels = run::<Everything>("label", &model).unwrap();
    assert_eq!(labels.to_string(), "one: labels.seen = yes\n");

    let lowered = lower::<Everything>("lower", &model).unwrap();
    assert_eq!(
        lowered.to_string(),
        "\
thing/one: list:item \"one\" of \"one\"
thing/one: says = {\"$expr\":[{\"op\":\"lit\",\"subject\":\"hi \"},{\"op\":\"param\",\"subject\":\"who\"}]}
thing/one: depends on app
one.restart dropped: lists don't restart
one.Uri is output thing/one.address
app: title = \"x\"
"
    );
    let output = publish::<Everything>(&lowered.applied(), &model).unwrap();
    assert_eq!(output.text("list.txt"), Some("shop for list\n- one\n"));
    assert_eq!(
        output.to_string(),
        "=== list.txt\nshop for list\n- one\n\n=== logo.svg copied from assets/logo.svg\n"
    );
}

#[test]
fn declarations() {
    let thing = thing("one")
        .explicit("image", Some("old"))
        .explicit("args", None)
        .in_mode("publish");
    assert!(thing.is_explicit("args") && !thing.is_explicit("env"));
    assert_eq!(
        (thing.explicit_text("args"), thing.mode()),
        (None, "publish")
    );
    assert_eq!(
        thing.expression("/greeting").unwrap().to_string(),
        "hi {who}"
    );
    let edits = expand::<Everything>(&thing).unwrap();
    let told: Vec<String> = edits.diagnostics().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["warning everything:old: that is an old one (at one)"]
    );
    let error = expand::<Everything>(&declaration("two", "thing", json!({}))).unwrap_err();
    assert_eq!(
        error.help("say something").to_string(),
        "thing:bad-options: missing field `greeting` (at two); say something"
    );
}

#[test]
fn expressions() {
    let all = expr![
        "{",
        param("p").uri(),
        url("r", "http"),
        prop("r", "Uri"),
        connection("r"),
        output("c", "o"),
        path("r", "data"),
        listen_port("r", "http"),
        if_param("p", "on", "yes", "no"),
        if_tls("r", "http", "s", ""),
        expr!["a b"].uri(),
    ];
    assert_eq!(
        all.to_string(),
        "{{{p:uri}{r.http.url}{r.Uri}{r}{output c.o}{path r.data}{port r.http}\
         {if p = on}yes{else}no{end}{if r.http tls}s{end}{\"a b\":uri}"
    );
    assert_eq!(Expression::from_json(&all.to_json()), Some(all));
    assert_eq!(expr!["a", "", "b"].segments().len(), 1);
    assert_eq!(expr!["a", String::from("b")].as_text(), Some("ab"));
    assert_eq!(expr![].as_text(), Some(""));
    assert_eq!(Expression::from_json(&json!("x")), Some("x".into()));
    assert_eq!(
        Expression::from_json(&json!({ "$expr": [], "more": 1 })),
        None
    );
}

#[test]
fn every_fact_has_a_readable_form() {
    let mut edits = Edits::new();
    edits
        .add("r", "kind", Shape::Group)
        .parent("p")
        .description("words")
        .endpoint(
            "a",
            Endpoint::http(80)
                .port(8080)
                .external()
                .tls()
                .direct()
                .env("PORT"),
        )
        .endpoint("b", Endpoint::udp("dns", 53))
        .mount("m", Mount::bind("/etc", "/host").read_only())
        .mount("n", Mount::volume("/v").source("mine"))
        .file("f", File::copy("/f", "f.txt"))
        .wait_for("x", Wait::completed(3))
        .wait_for("y", Wait::healthy())
        .probe(
            Probe::http("a", "/ok")
                .status(204)
                .interval(1)
                .timeout(2)
                .start_period(3)
                .retries(4),
        )
        .process(|form| {
            form.command(expr!["x", path("r", "bin")])
                .prepare(
                    "1",
                    Prepare::new("init")
                        .arg("-D")
                        .env("A", "b")
                        .stdin("s\n")
                        .creates("/c"),
                )
                .arg("one")
        })
        .args(["two", "three"])
        .replicas(2)
        .privilege("gpus", "all")
        .when(false, |r| r.start("manual"))
        .with(Some("always"), |r, restart| r.restart(restart))
        .remove("env", "OLD")
        .remove("args", "");
    edits.parameter(
        "q",
        Parameter::generated(30)
            .special()
            .default_value("d")
            .description("why"),
    );
    edits.diagnose(Diagnostic::note("k:c", "listen").at("r", "/x").help("do"));
    assert_eq!(
        edits.to_string(),
        "\
r: add group of kind kind
r: parent = p
r: description = words
r: endpoints.a = http/tcp port 8080 target 80 external direct tls in PORT
r: endpoints.b = dns/udp target 53
r: mounts.m = bind /etc at /host read-only
r: mounts.n = volume mine at /v
r: files.f = /f 0644 copied from f.txt
r: waits.x = completed with 3
r: waits.y = healthy
r: health = http a/ok expecting 204 every 1 ms timeout 2 ms start period 3 ms retries 4
r: process:command = x{path r.bin}
r: process:prepare.1 = init [-D] A=b stdin \"s\\n\" creates /c
r: process:args = [one]
r: args = [two, three]
r: replicas = 2
r: privileges.gpus = all
r: restart = always
r: remove env.OLD
r: remove args
q: add parameter of kind parameter
q: parameter = secret generated 30 with punctuation default d: why
note k:c: listen (at r/x); do
"
    );
}

#[test]
fn the_fake_model_reads_like_the_hosts() {
    let model = FakeModel::new("shop")
        .with(|edits| {
            edits.parameter("pw", Parameter::secret());
            edits
                .container("db", "thing")
                .label("tier", "data")
                .env("A", "both")
                .env("B", "both")
                .container_only(|form| form.env("A", "container"))
                .process(|form| form.env("B", "process").command("db"))
                .endpoint("tcp", Endpoint::tcp("tcp", 1))
                .property("Password", param("pw"))
                .connection_string(expr![host("db", "tcp"), " ", prop("db", "password")]);
            edits
                .executable("api", "executable")
                .process(|form| form.command("x"));
            edits.value("orders", "database").parent("db");
            edits.edit("db").remove("endpoints", "gone");
        })
        .resolving("db.tcp.host", "localhost")
        .with_options("db", json!({ "greeting": { "$expr": [] } }));
    let model = model.model();
    let entry = |fact: &str, key: &str| model.entry("db", fact, key).unwrap().to_string();
    assert_eq!(entry("env", "A"), "container");
    assert_eq!(entry("env", "B"), "both");
    assert_eq!(entry("process:env", "A"), "both");
    assert_eq!(entry("process:env", "B"), "process");
    assert_eq!(model.keys("db", "env"), ["A", "B"]);
    assert_eq!(model.value("api", "command").unwrap().to_string(), "x");
    assert_eq!(model.select("label.tier=data"), ["db"]);
    assert_eq!(model.select("shape=executable, name=api"), ["api"]);
    assert_eq!(model.select("plugin=x"), Vec::<String>::new());
    assert_eq!(model.children("db"), ["orders"]);
    assert_eq!(model.shape("orders"), Some(Shape::Value));
    assert_eq!(model.endpoint("db", "tcp").unwrap().target_port, Some(1));
    assert!(model.options::<Options>("db").unwrap().greeting.is_empty());
    assert!(model.is_secret(&connection("db")));
    assert!(!model.is_secret(&host("db", "tcp").then("x")));
    assert_eq!(
        model.resolve("api", connection("db").uri()).to_string(),
        "{\"localhost \":uri}{pw:uri}"
    );
    assert_eq!(
        (model.mode(), model.exists("nobody")),
        ("run".into(), false)
    );
}

#[test]
fn a_graph_can_be_refined() {
    let graph = Graph::new("shop", "list").with(Construct::new("a", "t", "a").property("x", 1));
    let mut constructs = Constructs::over(graph);
    assert_eq!(constructs.graph().get("a").unwrap().properties["x"], 1);
    constructs.set_property("a", "x", 2);
    constructs.diagnose(Diagnostic::error("c", "m"));
    assert_eq!(constructs.applied().get("a").unwrap().properties["x"], 2);
    assert!(Constructs::default().graph().constructs.is_empty());
}
