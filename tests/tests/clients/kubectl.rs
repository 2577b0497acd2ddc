//! kubectl in three versions: a command, its exit code, and what it says.

use aspire_host_tests::clients::{Kubectl, Running, turn};
use aspire_host_tests::oracle::server::{GIVEN, Server};
use aspire_host_tests::{Outcome, table, wait};
use serde_json::{Value, json};

/// A command of a user.
struct Step {
    /// Since which 1.x; older ones don't know it.
    since: u32,
    args: &'static str,
    code: i32,
    says: &'static [&'static str],
    /// What stands in for the editor.
    editor: Option<&'static str>,
}

const fn step(args: &'static str, code: i32, says: &'static [&'static str]) -> Step {
    since(0, args, code, says)
}

const fn since(since: u32, args: &'static str, code: i32, says: &'static [&'static str]) -> Step {
    Step {
        since,
        args,
        code,
        says,
        editor: None,
    }
}

const fn edit(args: &'static str, editor: &'static str, says: &'static [&'static str]) -> Step {
    Step {
        since: 0,
        args,
        code: 0,
        says,
        editor: Some(editor),
    }
}

const STEPS: &[Step] = &[
    step("version", 0, &["Server Version"]),
    step("get --raw /healthz", 0, &["ok"]),
    step("api-versions", 0, &["usvc-dev.developer.microsoft.com/v1"]),
    step(
        "api-resources --api-group=usvc-dev.developer.microsoft.com",
        0,
        &["executables", "exe", "Executable", "containervolumes"],
    ),
    step(
        "api-resources -o wide",
        0,
        &["executables", "deletecollection"],
    ),
    step("get executables", 0, &["No resources found"]),
    step(
        "get chairs",
        1,
        &["the server doesn't have a resource type \"chairs\""],
    ),
    // Creating.
    step(
        "create -f web.yaml --dry-run=server",
        0,
        &["created (server dry run)"],
    ),
    step("get executable web", 1, &["NotFound"]),
    step(
        "create -f web.yaml",
        0,
        &["executable.usvc-dev.developer.microsoft.com/web created"],
    ),
    step("create -f web.yaml", 1, &["AlreadyExists"]),
    step("create -f unknown.yaml", 1, &["unknown field", "colour"]),
    step("create -f invalid.yaml", 1, &["executablePath"]),
    step("create -f many.yaml", 0, &["data created", "other created"]),
    // Reading.
    step("get exe", 0, &["NAME", "AGE", "web"]),
    step(
        "get executables.v1.usvc-dev.developer.microsoft.com web",
        0,
        &["web"],
    ),
    step("get exe/web ctrvol/data", 0, &["web", "data"]),
    step("get executables,containervolumes", 0, &["web", "data"]),
    step("get exe -o wide", 0, &["web"]),
    step(
        "get exe -o name",
        0,
        &["executable.usvc-dev.developer.microsoft.com/web"],
    ),
    step(
        "get exe web -o yaml",
        0,
        &["executablePath: /bin/sleep", "kind: Executable"],
    ),
    step(
        "get exe web -o json",
        0,
        &["\"executablePath\": \"/bin/sleep\""],
    ),
    step(
        "get exe -o json",
        0,
        &["\"kind\": \"List\"", "\"/bin/sleep\""],
    ),
    step(
        "get exe web -o jsonpath={.spec.executablePath}",
        0,
        &["/bin/sleep"],
    ),
    step(
        "get exe -o custom-columns=A:.metadata.name,B:.spec.args[0]",
        0,
        &["A B", "web 1000"],
    ),
    step(
        "get exe --sort-by=.metadata.name -o name",
        0,
        &["/other", "/web"],
    ),
    step("get exe --show-labels", 0, &["LABELS", "app=web"]),
    step("get exe -L app", 0, &["APP", "web"]),
    step("get exe --chunk-size=1 -o name", 0, &["/other", "/web"]),
    step("get exe -l app=web -o name", 0, &["/web"]),
    step("get exe -l app=none", 0, &["No resources found"]),
    step(
        "get exe --field-selector metadata.name=web -o name",
        0,
        &["/web"],
    ),
    step(
        "get exe --field-selector spec.args=x",
        1,
        &["field label not supported"],
    ),
    step("get exe none --ignore-not-found", 0, &[]),
    step("get exe -A", 0, &["web"]),
    step(
        "get --raw /apis/usvc-dev.developer.microsoft.com/v1/executables/web",
        0,
        &["\"web\""],
    ),
    step(
        "describe executable web",
        0,
        &[
            "Name: web",
            "Kind: Executable",
            "Executable Path: /bin/sleep",
        ],
    ),
    step("describe exe", 0, &["Name: other", "Name: web"]),
    step(
        "explain executables.spec",
        0,
        &["executablePath", "<string>"],
    ),
    step("explain executables.spec.env.name", 0, &["name"]),
    // Changing.
    step("label exe web tier=1", 0, &["labeled"]),
    step("label exe web tier=2", 1, &["already has a value"]),
    step("label exe web tier=2 --overwrite", 0, &["labeled"]),
    step("label exe web tier-", 0, &["web"]),
    step("annotate exe web note=hello", 0, &["annotated"]),
    step(
        "patch exe web --type=merge -p {\"spec\":{\"args\":[\"1\"]}}",
        0,
        &["patched"],
    ),
    step(
        "patch exe web --type=merge -p {\"spec\":{\"args\":[\"1\"]}}",
        0,
        &["patched (no change)"],
    ),
    step(
        "patch exe web --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/args/0\",\"value\":\"2\"}]",
        0,
        &["patched"],
    ),
    step(
        "patch exe web --type=json -p [{\"op\":\"test\",\"path\":\"/spec/args/0\",\"value\":\"9\"}]",
        1,
        &["The request is invalid"],
    ),
    step(
        "patch exe web -p {\"spec\":{\"args\":[\"3\"]}}",
        1,
        &["the body of the request was in an unknown format"],
    ),
    step("patch exe none --type=merge -p {}", 1, &["NotFound"]),
    step("get exe web -o jsonpath={.spec.args[0]}", 0, &["2"]),
    edit("edit exe web", "sed -i s,/bin/sleep,/bin/cat,", &["edited"]),
    step(
        "get exe web -o jsonpath={.spec.executablePath}",
        0,
        &["/bin/cat"],
    ),
    edit("edit exe web", "true", &["no changes made"]),
    step("replace -f web.yaml", 0, &["replaced"]),
    step(
        "get exe web -o jsonpath={.spec.executablePath}",
        0,
        &["/bin/sleep"],
    ),
    step("replace -f none.yaml", 1, &["NotFound"]),
    // Applying.
    step("diff -f applied-1.yaml", 1, &["+", "/bin/one"]),
    step("apply -f applied-1.yaml", 0, &["applied created"]),
    step("apply -f applied-1.yaml", 0, &["applied unchanged"]),
    step("diff -f applied-1.yaml", 0, &[]),
    step(
        "apply -f applied-2.yaml --dry-run=server",
        0,
        &["configured (server dry run)"],
    ),
    step(
        "get exe applied -o jsonpath={.spec.executablePath}",
        0,
        &["/bin/one"],
    ),
    step("apply -f applied-2.yaml", 0, &["applied configured"]),
    step(
        "get exe applied -o jsonpath={.spec.executablePath}-{.spec.args}-",
        0,
        &["/bin/two--"],
    ),
    step(
        "apply --server-side -f served-1.yaml",
        0,
        &["served serverside-applied"],
    ),
    step(
        "apply --server-side -f served-1.yaml",
        0,
        &["served serverside-applied"],
    ),
    step(
        "apply --server-side --field-manager=other -f served-2.yaml",
        1,
        &["Apply failed with 1 conflict", ".spec.executablePath"],
    ),
    step(
        "apply --server-side --field-manager=other --force-conflicts -f served-2.yaml",
        0,
        &["serverside-applied"],
    ),
    step(
        "get exe served -o jsonpath={.spec.executablePath}",
        0,
        &["/bin/two"],
    ),
    step(
        "apply --server-side -f applied-2.yaml --force-conflicts",
        0,
        &["serverside-applied"],
    ),
    // The status is a resource of its own.
    since(
        24,
        "patch exe web --subresource=status --type=merge -p {\"status\":{\"state\":\"Running\"}}",
        0,
        &["patched"],
    ),
    since(
        24,
        "get exe web --subresource=status -o jsonpath={.status.state}",
        0,
        &["Running"],
    ),
    since(
        23,
        "wait exe/web --for=jsonpath={.status.state}=Running --timeout=10s",
        0,
        &["condition met"],
    ),
    step(
        "wait exe/web --for=condition=Nonsense --timeout=1s",
        1,
        &["timed out"],
    ),
    // Deleting.
    step(
        "delete exe other --dry-run=server",
        0,
        &["deleted", "(server dry run)"],
    ),
    step("delete exe other", 0, &["\"other\"", "deleted"]),
    step("delete exe other", 1, &["NotFound"]),
    step("delete exe other --ignore-not-found", 0, &[]),
    since(23, "wait exe/other --for=delete --timeout=10s", 0, &[]),
    step(
        "delete -f applied-1.yaml --cascade=background",
        0,
        &["deleted"],
    ),
    step("delete exe served --now", 0, &["deleted"]),
    step("delete exe -l app=web --wait=false", 0, &["deleted"]),
    step("delete exe,ctrvol --all", 0, &["data", "deleted"]),
    step("get exe", 0, &["No resources found"]),
];

fn executable(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: usvc-dev.developer.microsoft.com/v1\nkind: Executable\n\
         metadata:\n  name: {name}\n  labels:\n    app: {name}\nspec:\n{spec}"
    )
}

fn files(kubectl: &Kubectl) {
    let write = |name: &str, object: &str, spec: &str| {
        kubectl.file(&format!("{name}.yaml"), &executable(object, spec));
    };
    write(
        "web",
        "web",
        "  executablePath: /bin/sleep\n  args: ['1000']\n  start: false\n",
    );
    write(
        "unknown",
        "unknown",
        "  executablePath: /bin/sleep\n  colour: red\n  start: false\n",
    );
    write("invalid", "invalid", "  args: ['1000']\n");
    write(
        "none",
        "none",
        "  executablePath: /bin/sleep\n  start: false\n",
    );
    write(
        "stay",
        "stay",
        "  executablePath: /bin/sleep\n  start: false\n",
    );
    write(
        "applied-1",
        "applied",
        "  executablePath: /bin/one\n  args: [a]\n  start: false\n",
    );
    write(
        "applied-2",
        "applied",
        "  executablePath: /bin/two\n  start: false\n",
    );
    write(
        "served-1",
        "served",
        "  executablePath: /bin/one\n  start: false\n",
    );
    write("served-2", "served", "  executablePath: /bin/two\n");
    let volume = "apiVersion: usvc-dev.developer.microsoft.com/v1\nkind: ContainerVolume\n\
                  metadata:\n  name: data\nspec:\n  name: data\n";
    let other = executable("other", "  executablePath: /bin/true\n  start: false\n");
    kubectl.file("many.yaml", &format!("{volume}---\n{other}"));
}

fn matrix(minor: u32) {
    let _turn = turn();
    let server = Server::find();
    let Some(kubectl) = Kubectl::find(minor, &server.kubeconfig) else {
        return;
    };
    server.clear();
    files(&kubectl);
    let steps = STEPS.iter().filter(|step| kubectl.minor >= step.since);
    table::each(
        steps,
        |step| step.args,
        |step| {
            let mut command = kubectl.command(step.args);
            if let Some(editor) = step.editor {
                command.env("KUBE_EDITOR", editor);
            }
            Outcome::of(&mut command, wait::LONG)
                .expect(step.code)
                .says(step.says);
        },
    );
    fields_nobody_knows(&kubectl);
    watches(&kubectl);
    waits_for_the_end(&kubectl, &server);
    waits_for_a_condition(&kubectl, &server);
}

/// A client that doesn't mind unknown fields: a real server drops them, ours never stores and
/// ignores anything.
fn fields_nobody_knows(kubectl: &Kubectl) {
    let made = kubectl.run("create -f unknown.yaml --validate=false");
    if std::env::var_os(GIVEN).is_some() {
        made.expect(0).says(&["created"]);
        kubectl.run("delete exe unknown").expect(0);
    } else {
        made.expect(1).says(&["invalid", "spec.colour"]);
        kubectl.run("get exe unknown").expect(1).says(&["NotFound"]);
    }
}

/// `get -w` shows what happens.
fn watches(kubectl: &Kubectl) {
    kubectl.run("create -f web.yaml").expect(0);
    let mut list = Running::start(&mut kubectl.command("get exe -w"));
    let mut one =
        Running::start(&mut kubectl.command("get exe web -w --output-watch-events -L tier"));
    list.hears("web", wait::SOON);
    one.hears("ADDED", wait::SOON);
    kubectl.run("create -f none.yaml").expect(0);
    list.hears("none", wait::SOON);
    kubectl.run("label exe web tier=gold").expect(0);
    let line = one.hears("MODIFIED", wait::SOON);
    assert!(line.contains("gold"), "{line}");
    kubectl.run("delete exe web none").expect(0);
    one.hears("DELETED", wait::SOON);
}

/// `delete` and `wait --for=delete` last until the last finalizer is gone.
fn waits_for_the_end(kubectl: &Kubectl, server: &Server) {
    let merge = "patch exe stay --type=merge -p";
    kubectl.run("create -f stay.yaml").expect(0);
    kubectl
        .run(&format!(
            "{merge} {{\"metadata\":{{\"finalizers\":[\"example.com/stay\"]}}}}"
        ))
        .expect(0);
    let mut deletes = Running::start(&mut kubectl.command("delete exe stay"));
    let mut waits =
        Running::start(&mut kubectl.command("wait exe/stay --for=delete --timeout=60s"));
    wait::until(wait::SOON, "the object is being deleted", || {
        let (_, object) = server.json("GET", "executables/stay", "application/json", &Value::Null);
        object["metadata"]["deletionTimestamp"]
            .is_string()
            .then_some(())
    });
    assert!(
        deletes.runs() && waits.runs(),
        "they wait for the object to go"
    );
    kubectl
        .run(&format!("{merge} {{\"metadata\":{{\"finalizers\":null}}}}"))
        .expect(0);
    assert_eq!(deletes.ends(wait::SOON), Some(0));
    assert_eq!(waits.ends(wait::SOON), Some(0));
}

/// `wait` comes back when the status gets a condition, and not before.
fn waits_for_a_condition(kubectl: &Kubectl, server: &Server) {
    kubectl.run("create -f web.yaml").expect(0);
    let mut waits =
        Running::start(&mut kubectl.command("wait exe/web --for=condition=Warm --timeout=60s"));
    let condition = |status: &str| {
        let body = json!({"status": {"state": "Running", "conditions": [{"type": "Warm", "status": status}]}});
        let kind = "application/merge-patch+json";
        let (code, answer) = server.json("PATCH", "executables/web/status", kind, &body);
        assert_eq!(code, 200, "{answer:#}");
    };
    condition("False");
    kubectl
        .run("wait exe/web --for=condition=Warm=false --timeout=30s")
        .expect(0);
    assert!(waits.runs(), "the condition is there, but it doesn't hold");
    condition("True");
    waits.hears("condition met", wait::SOON);
    assert_eq!(waits.ends(wait::SOON), Some(0));
    kubectl.run("delete exe web").expect(0);
}

#[test]
fn of_debian_12() {
    matrix(20);
}

#[test]
fn of_last_year() {
    matrix(32);
}

#[test]
fn of_today() {
    matrix(37);
}
