//! Bad input, first part: what can be wrong with `aspire.toml` and with the values of an app. Each
//! row says what is written, how it ends, and what has to be said about it. Nothing is started.

use aspire_host_tests::{Project, table};

use crate::ODD;

/// A wrong app.
struct Row {
    /// For messages.
    name: &'static str,
    /// The app; `name` and a canary are added.
    app: &'static str,
    code: i32,
    says: &'static [&'static str],
}

/// Beside the code of the row and what it says, each diagnostic shows its place.
const ROWS: &[Row] = &[
    Row {
        name: "a typo in a kind",
        app: "[plugins]\nredis = 'redis'\n[resources.cache]\nkind = 'reddis'\n",
        code: 1,
        says: &[
            "unknown-kind",
            "reddis",
            "did you mean `redis`",
            "aspire.toml:8",
            "kind = 'reddis'",
        ],
    },
    Row {
        name: "a kind whose plugin is not loaded",
        app: "[resources.cache]\nkind = 'redis'\n",
        code: 1,
        says: &["unknown-kind", "`redis`", "[plugins]", "aspire.toml:6"],
    },
    Row {
        name: "a typo in an option",
        app: "[plugins]\nredis = 'redis'\n[resources.cache]\nkind = 'redis'\npersistance = true\n",
        code: 1,
        says: &["persistance", "did you mean `persistence`", "aspire.toml:9"],
    },
    Row {
        name: "a typo in a reserved key",
        app: "[resources.web]\nkind = 'executable'\ncommand = '/bin/true'\nreferencs = []\n",
        code: 1,
        says: &["referencs", "did you mean `references`", "aspire.toml:8"],
    },
    Row {
        name: "an option of the wrong type",
        app: "[plugins]\nredis = 'redis'\n[resources.cache]\nkind = 'redis'\nport = 'many'\n",
        code: 1,
        says: &["port", "integer", "aspire.toml:9"],
    },
    Row {
        name: "a reserved key of the wrong type",
        app: "[resources.web]\nkind = 'executable'\ncommand = '/bin/true'\nreplicas = 'two'\n",
        code: 1,
        says: &["wrong-type", "a string", "aspire.toml:8"],
    },
    Row {
        name: "a value out of range",
        app: "[resources.web]\nkind = 'executable'\ncommand = '/bin/true'\nendpoints.http = { port = 70000 }\n",
        code: 1,
        says: &["70000", "65535", "aspire.toml:8"],
    },
    Row {
        name: "a typo in a reference",
        app: "[plugins]\nredis = 'redis'\n[resources.cache]\nkind = 'redis'\n[resources.web]\nkind = 'executable'\ncommand = '/bin/true'\nreferences = ['cahce']\n",
        code: 1,
        says: &[
            "unknown-resource",
            "cahce",
            "did you mean `cache`",
            "aspire.toml:12",
        ],
    },
    Row {
        name: "a typo in a wait",
        app: "[resources.one]\nkind = 'executable'\ncommand = '/bin/true'\nwait-for = ['cannary']\n",
        code: 1,
        says: &[
            "unknown-resource",
            "cannary",
            "did you mean `canary`",
            "aspire.toml:8",
        ],
    },
    Row {
        name: "a typo in a placeholder's resource",
        app: "[parameters.colour]\ndefault = 'red'\n[resources.web]\nkind = 'executable'\ncommand = '/bin/true'\nenv.A = '{color}'\n",
        code: 1,
        says: &["color", "did you mean `colour`", "aspire.toml:10"],
    },
    Row {
        name: "a typo in a placeholder's property",
        app: "[plugins]\nredis = 'redis'\n[resources.cache]\nkind = 'redis'\n[resources.web]\nkind = 'executable'\ncommand = '/bin/true'\nenv.A = '{cache.hots}'\n",
        code: 1,
        says: &["hots", "did you mean `host`", "aspire.toml:12"],
    },
    Row {
        name: "a placeholder that is never closed",
        app: "[resources.web]\nkind = 'executable'\ncommand = '/bin/true'\nenv.A = 'x{y'\n",
        code: 1,
        says: &["never closed", "{{", "aspire.toml:8"],
    },
    Row {
        name: "an unknown key at the top",
        app: "[resouces.web]\nkind = 'executable'\n",
        code: 1,
        says: &[
            "unknown-key",
            "resouces",
            "did you mean `resources`",
            "aspire.toml:5",
        ],
    },
    Row {
        name: "a duplicate name",
        app: "[resources.web]\nkind = 'executable'\ncommand = '/bin/true'\n[resources.web]\nkind = 'executable'\n",
        code: 1,
        says: &["duplicate", "aspire.toml:8"],
    },
    Row {
        name: "names that differ in case only",
        app: "[resources.Web]\nkind = 'executable'\ncommand = '/bin/true'\n[resources.web]\nkind = 'executable'\ncommand = '/bin/true'\n",
        code: 1,
        says: &["web", "Web", "aspire.toml:"],
    },
    Row {
        name: "a name that is none",
        app: "[resources.my_web]\nkind = 'executable'\ncommand = '/bin/true'\n",
        code: 1,
        says: &["bad-name", "my_web", "aspire.toml:5"],
    },
    Row {
        name: "no TOML",
        app: "[resources.web\nkind = 'executable'\n",
        code: 1,
        says: &["aspire.toml:5"],
    },
    Row {
        name: "a resource without a kind",
        app: "[resources.web]\ncommand = '/bin/true'\n",
        code: 1,
        says: &["no-kind", "`web`", "aspire.toml:5"],
    },
    Row {
        name: "an executable without a command",
        app: "[resources.web]\nkind = 'executable'\n",
        code: 1,
        says: &["command", "`web`", "aspire.toml:5"],
    },
    Row {
        name: "waits in a circle",
        app: "[resources.one]\nkind = 'executable'\ncommand = '/bin/true'\nwait-for = ['two']\n[resources.two]\nkind = 'executable'\ncommand = '/bin/true'\nwait-for = ['three']\n[resources.three]\nkind = 'executable'\ncommand = '/bin/true'\nwait-for = ['one']\n",
        code: 1,
        says: &["wait-cycle", "one", "two", "three", "aspire.toml:"],
    },
    Row {
        name: "a wait for itself",
        app: "[resources.one]\nkind = 'executable'\ncommand = '/bin/true'\nwait-for = ['one']\n",
        code: 1,
        says: &["self-wait", "`one`", "aspire.toml:8"],
    },
    Row {
        name: "a health check of an endpoint that is not there",
        app: "[resources.web]\nkind = 'executable'\ncommand = '/bin/true'\nendpoints.http = { env = 'PORT' }\nhealth = { path = '/', endpoint = 'htpp' }\n",
        code: 1,
        says: &["htpp", "did you mean `http`", "aspire.toml:9"],
    },
    Row {
        name: "a permission that is none",
        app: "[plugins]\nredis = { source = 'redis', allow = ['run-proces:redis-server'] }\n",
        code: 1,
        says: &[
            "run-proces:redis-server",
            "run-process:PROGRAM",
            "aspire.toml:6",
        ],
    },
    Row {
        name: "a secret with its value beside it",
        app: "[parameters.key]\nsecret = true\ndefault = 'abc'\n",
        code: 1,
        says: &["secret", "param set", "aspire.toml:"],
    },
];

/// What is wrong at run time only: `check` has nothing to say about it.
const AT_RUN: &[Row] = &[
    Row {
        name: "two resources on one fixed port",
        app: "[resources.one]\nkind = 'executable'\ncommand = '/bin/true'\nendpoints.http = { port = 18733, env = 'PORT' }\n[resources.two]\nkind = 'executable'\ncommand = '/bin/true'\nendpoints.http = { port = 18733, env = 'PORT' }\n",
        code: 1,
        says: &["18733", "`one`", "`two`", "aspire.toml:"],
    },
    Row {
        name: "a missing program",
        app: "[resources.web]\nkind = 'executable'\ncommand = './no-such-program'\n",
        code: 3,
        says: &["no-such-program", "`web`", "aspire.toml:7"],
    },
    Row {
        name: "a missing program of the PATH",
        app: "[resources.web]\nkind = 'executable'\ncommand = 'no-such-program-anywhere'\n",
        code: 3,
        says: &["no-such-program-anywhere", "PATH", "aspire.toml:7"],
    },
    Row {
        name: "a working folder that is not there",
        app: "[resources.web]\nkind = 'executable'\ncommand = '/bin/true'\ncwd = 'nowhere'\n",
        code: 3,
        says: &["nowhere", "aspire.toml:8"],
    },
    Row {
        name: "a file of variables that is not there",
        app: "[resources.web]\nkind = 'executable'\ncommand = '/bin/true'\nenv-files = ['nothing.env']\n",
        code: 3,
        says: &["nothing.env", "aspire.toml:8"],
    },
    Row {
        name: "a file to copy that is not there",
        app: "[resources.web]\nkind = 'executable'\ncommand = '/bin/true'\nfiles.a = { target = '/a', source = 'nothing.txt' }\n",
        code: 3,
        says: &["nothing.txt", "aspire.toml:8"],
    },
    Row {
        name: "a secret without a value",
        app: "[parameters.stripe-key]\nsecret = true\n[resources.web]\nkind = 'executable'\ncommand = '/bin/true'\nenv.KEY = '{stripe-key}'\n",
        code: 1,
        says: &[
            "stripe-key",
            "aspire-host param set stripe-key",
            "ASPIRE_PARAM_STRIPE_KEY",
        ],
    },
];

fn app(row: &Row) -> String {
    let canary =
        "\n[resources.canary]\nkind = 'executable'\ncommand = 'ODD'\nargs = ['stamp', 'started']\n";
    format!(
        "name = 'bad'\n\n\n\n{}{}",
        row.app,
        canary.replace("ODD", ODD)
    )
}

fn nothing_started(project: &Project) {
    assert!(!project.path("started").exists(), "something was started");
    project.assert_nothing_left();
}

#[test]
fn check_finds_what_is_written_wrong() {
    let project = Project::new("bad-app-check");
    table::each(
        ROWS,
        |row| row.name,
        |row| {
            project.write("aspire.toml", &app(row));
            project
                .host(&["check"])
                .expect(row.code)
                .says(row.says)
                .lacks(&["panicked"]);
        },
    );
}

#[test]
fn run_starts_nothing_of_what_is_written_wrong() {
    let project = Project::new("bad-app-run");
    table::each(
        ROWS.iter().chain(AT_RUN),
        |row| row.name,
        |row| {
            project.clean_up();
            let _ = std::fs::remove_file(project.path("started"));
            project.write("aspire.toml", &app(row));
            let outcome = project.host(&["run", "--runtime", "native"]);
            nothing_started(&project);
            outcome.expect(row.code).says(row.says).lacks(&["panicked"]);
        },
    );
}

#[test]
fn diagnostics_are_data_too() {
    let project = Project::new("bad-app-json");
    table::each(
        ROWS,
        |row| row.name,
        |row| {
            project.write("aspire.toml", &app(row));
            let found = project
                .host(&["check", "--output", "json"])
                .expect(row.code)
                .json();
            let all = found["diagnostics"].as_array().expect("a list");
            let error = all
                .iter()
                .find(|one| one["severity"] == "error")
                .expect("an error");
            assert!(
                error["span"]["line"].as_u64().is_some_and(|line| line > 0),
                "{found:#}"
            );
            assert!(
                !error["message"].as_str().unwrap_or_default().is_empty(),
                "{found:#}"
            );
        },
    );
}

#[test]
fn all_findings_are_told_at_once() {
    let project = Project::new("bad-app-all").app(
        "name = 'bad'\n[resources.a]\nkind = 'executabel'\n[resources.b]\nkind = 'executable'\n\
         command = 'x'\ncwd = 7\n[resources.c]\nkind = 'container'\nimage = 'x'\nwait-fro = ['a']\n",
    );
    project.host(&["check"]).expect(1).says(&[
        "executabel",
        "aspire.toml:7",
        "wait-fro",
        "3 errors",
    ]);
}

#[test]
fn without_an_app() {
    let project = Project::new("bad-app-none");
    project
        .host(&["check"])
        .expect(1)
        .says(&["aspire.toml", "aspire-host init"]);
    project
        .host(&["check", "--app", "other.toml"])
        .expect(2)
        .says(&["other.toml"]);
    project.write("aspire.toml", "");
    project
        .host(&["check"])
        .expect(1)
        .says(&["no name", "name ="]);
    std::fs::write(project.path("aspire.toml"), b"name = \"\xff\"\n").unwrap();
    project.host(&["check"]).expect(1).says(&["UTF-8"]);
}

#[test]
fn wrong_words_on_the_command_line() {
    let project = Project::new("bad-app-words").app("name = 'words'\n");
    project.host(&["chekc"]).expect(2).says(&["chekc"]);
    project
        .host(&["check", "--colour"])
        .expect(2)
        .says(&["--colour"]);
    project
        .host(&["check", "--allow", "redis"])
        .expect(2)
        .says(&["--allow"]);
    project
        .host(&["check", "--param", "novalue"])
        .expect(2)
        .says(&["NAME=VALUE"]);
    project
        .host(&["explain", "--after", "nothing"])
        .expect(2)
        .says(&["nothing", "expand"]);
    project
        .host(&["check", "--param", "nobody=1"])
        .expect(1)
        .says(&["nobody"]);
}
