//! The app in the background, what another run would change, and tests with an app around them.

use aspire_host_tests::{Project, http};

use crate::ODD;

fn app(test: &str) -> Project {
    Project::new(test).app(&format!(
        "name = 'behind'\n\
         [resources.web]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
         endpoints.http = {{ env = 'PORT', external = true }}\nhealth = '/'\nenv.MODE = 'fast'\n\
         [resources.job]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['once', 'job.times']\n"
    ))
}

#[test]
fn in_the_background_until_it_is_stopped() {
    let project = app("detached");
    let started = project
        .host(&["run", "--detach", "--runtime", "native", "--output", "json"])
        .expect(0)
        .json();
    assert_eq!(started["ready"], true, "{started:#}");
    let resources = started["resources"].as_array().expect("a list");
    let web = resources.iter().find(|row| row["name"] == "web");
    let url = web.expect("web")["urls"][0].as_str().expect("a URL");
    assert!(http::get(url).is_ok(), "{url}");
    project
        .host(&["run", "--detach"])
        .expect(1)
        .says(&["runs already", "aspire-host stop"]);
    project.host(&["stop"]).expect(0).says(&["behind: stopped"]);
    project.host(&["ps"]).expect(1);
    assert!(!project.path(".aspire-host/kubeconfig").exists());
    project.assert_nothing_left();
}

#[test]
fn what_fails_in_the_background_is_said_in_front() {
    let project = app("detached-fails");
    project.edit("aspire.toml", "'once', 'job.times'", "'exit', '3'");
    project
        .host(&["run", "--detach", "--runtime", "native"])
        .expect(1)
        .says(&[
            "not everything could be started",
            "exit code 3",
            "leaving with 3",
        ]);
    project.host(&["stop"]).expect(0);
    project.edit("aspire.toml", "kind = 'executable'", "kind = 'executabel'");
    project
        .host(&["run", "--detach"])
        .expect(1)
        .says(&["executabel"]);
    project.assert_nothing_left();
}

#[test]
fn what_a_run_would_change() {
    let project = app("plan");
    project
        .host(&["plan", "--runtime", "native"])
        .expect(0)
        .says(&[
            "create process web",
            "create service web-http",
            "3 to create",
        ]);
    project
        .host(&["run", "--detach", "--runtime", "native"])
        .expect(0);
    project
        .host(&["plan", "--runtime", "native"])
        .expect(0)
        .says(&["nothing to do"]);
    project.edit("aspire.toml", "env.MODE = 'fast'", "env.MODE = 'slow'");
    project.edit("aspire.toml", "[resources.job]", "\n[resources.other]");
    let plan = project
        .host(&["plan", "--runtime", "native", "--output", "json"])
        .expect(0)
        .json();
    let steps: Vec<(&str, &str)> = plan["steps"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|step| {
            let word = |name: &str| step[name].as_str().expect("a text");
            (word("action"), word("object"))
        })
        .collect();
    assert_eq!(
        steps,
        [
            ("create", "executables/other"),
            ("replace", "executables/web"),
            ("stop", "executables/job"),
        ],
        "{plan:#}"
    );
    let because = &plan["steps"][1]["because"][0];
    assert_eq!(because["field"], "spec.env.MODE", "{plan:#}");
    assert_eq!(
        (&because["old"], &because["new"]),
        (&"fast".into(), &"slow".into())
    );
    project.host(&["stop"]).expect(0);
}

#[test]
fn a_test_has_the_app_around_it() {
    let project = app("test-command");
    let script = "echo \"mode $MODE\"; test -f job.times || exit 9; exit 5";
    project
        .host(&[
            "test",
            "--runtime",
            "native",
            "--env",
            "web",
            "--",
            "sh",
            "-c",
            script,
        ])
        .expect(5)
        .says(&["mode fast"]);
    project.assert_nothing_left();
    project
        .host(&["test", "--runtime", "native", "--", "true"])
        .expect(0);
    project.edit("aspire.toml", "'once', 'job.times'", "'exit', '3'");
    project
        .host(&["test", "--runtime", "native", "--", "touch", "ran"])
        .expect(1)
        .says(&["did not become healthy", "exit code 3"]);
    assert!(
        !project.path("ran").exists(),
        "a test without its app was run"
    );
    project.assert_nothing_left();
}
