//! Generated passwords survive restarts, and no secret slips out: not into the project's folder,
//! a log, an argument list, or `explain` without `--reveal`.

use std::os::unix::fs::PermissionsExt as _;

use aspire_host_tests::secrets::Secret;
use aspire_host_tests::wait::{LONG, until};
use aspire_host_tests::{Engine, Project, Session, http, needs_engine, needs_program, processes};

use crate::ODD;

/// A value that looks different in every encoding.
const KEY: &str = "sk/live+4eC39H&qLyj=WDarjt?1zdp7dc";

fn app() -> String {
    format!(
        "name = 'secrets'\n\
         [plugins]\nredis = {{ source = 'redis', allow = ['run-process:redis-server'] }}\n\
         [parameters.stripe-key]\nsecret = true\n\
         [resources.cache]\nkind = 'redis'\n\
         [resources.teller]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['tell', 'KEY']\n\
         env.KEY = '{{stripe-key}}'\n\
         [resources.web]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
         references = ['cache']\nwait-for = ['cache']\n\
         endpoints.http = {{ env = 'PORT', external = true }}\nhealth = '/'\n\
         env.BOTH = '{{stripe-key}} {{cache}}'\n"
    )
}

fn password(session: &Session) -> String {
    let url = format!("{}/env/CACHE_PASSWORD", session.url("web"));
    until(LONG, "the password in the service's environment", || {
        http::get(&url).ok()
    })
    .body
}

fn assert_in_no_argument_list(secret: &Secret) {
    for process in processes::all() {
        secret.assert_not_in("an argument list", &process.command.join(" "));
    }
}

/// What holds a secret outside the project is its user's alone.
fn assert_private(project: &Project, secrets: &[Secret]) {
    let mut holders = 0;
    for file in aspire_host_tests::secrets::files(project.home()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        if file.ends_with("key.txt")
            || !secrets
                .iter()
                .any(|secret| secret.form_in(&bytes).is_some())
        {
            continue;
        }
        holders += 1;
        let mode = std::fs::metadata(&file)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "others can read {}", file.display());
    }
    assert!(holders > 0, "the generated password is kept somewhere");
}

fn nothing_slips_out(project: &Project, engine: Option<Engine>, runtime: &str) {
    project.write("key.txt", KEY);
    let outside = project.home().join("key.txt");
    std::fs::rename(project.path("key.txt"), &outside).expect("it moves");
    let given = format!("stripe-key=@{}", outside.display());
    let session = project.run(&["--runtime", runtime, "--param", &given]);
    let generated = password(&session);
    session.says("told");
    let secrets = [Secret::new(KEY), Secret::new(&generated)];
    for secret in &secrets {
        assert_in_no_argument_list(secret);
        if let Some(engine) = engine {
            // The engine has to be told the environment; nothing else of the container has it.
            let id = project.instance().expect("it runs");
            for line in engine.listed("container", &id) {
                let name = line.split_whitespace().nth(1).expect("an id");
                let format = "{{json .Config.Labels}} {{json .Args}} {{json .Config.Cmd}} {{json .Config.Entrypoint}} {{json .Config.Healthcheck}}";
                let text = engine.docker(&["inspect", "--format", format, name]);
                secret.assert_not_in("a container's labels or arguments", &text);
            }
        }
    }
    // While it runs, and after: the state folder may be cleaned up at the end.
    for secret in &secrets {
        secret.assert_not_below(project.folder());
    }
    let outcome = session.stop().expect(130);
    outcome.says(&["told"]);
    for secret in &secrets {
        secret.assert_not_in("what the host prints", &outcome.text());
        secret.assert_not_below(project.folder());
        for args in [
            &["explain"][..],
            &["explain", "--output", "json"],
            &["explain", "web"],
            &["explain", "web", "env"],
            &["explain", "stripe-key"],
            &["explain", "--diff"],
            &["param", "list"],
            &["check"],
        ] {
            let mut all = args.to_vec();
            all.extend(["--param", &given]);
            let outcome = project.host(&all).expect(0);
            secret.assert_not_in(&args.join(" "), &outcome.text());
        }
    }
    assert_private(project, &secrets);
    let revealed = [
        "explain",
        "web",
        "env",
        "CACHE_PASSWORD",
        "--reveal",
        "--param",
        &given,
    ];
    project.host(&revealed).expect(0).says(&[&generated]);
    project.assert_nothing_left();

    // The same password the next time.
    let session = project.run(&["--runtime", runtime, "--param", &given]);
    assert_eq!(password(&session), generated);
    session.stop().expect(130);
    project.assert_nothing_left();
}

#[test]
fn nothing_slips_out_natively() {
    needs_program!("redis-server", "apt-get install redis-server");
    nothing_slips_out(&Project::new("secrets-native").app(&app()), None, "native");
}

#[test]
fn nothing_slips_out_with_containers() {
    let engine = needs_engine!();
    nothing_slips_out(
        &Project::new("secrets-docker").app(&app()).on(engine),
        Some(engine),
        "docker",
    );
}

#[test]
fn a_value_that_was_set_is_kept_outside_the_project() {
    let project = Project::new("secrets-set").app(&app());
    let mut command = project.command(&["param", "set", "stripe-key"]);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), KEY.as_bytes())
        .expect("read");
    assert!(child.wait().expect("it ends").success());
    Secret::new(KEY).assert_not_below(project.folder());
    project
        .host(&["explain", "teller", "env", "KEY", "--reveal"])
        .expect(0)
        .says(&[KEY]);
    let files = aspire_host_tests::secrets::files(project.home());
    let holds: Vec<_> = files
        .iter()
        .filter(|file| {
            Secret::new(KEY)
                .form_in(&std::fs::read(file).unwrap_or_default())
                .is_some()
        })
        .collect();
    assert_eq!(holds.len(), 1, "{holds:?}");
    let mode = std::fs::metadata(holds[0])
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "others can read {}", holds[0].display());
}
