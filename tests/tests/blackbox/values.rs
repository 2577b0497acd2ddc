//! The values that a reference injects: names and forms by the contract, and all of them agree.

use std::collections::BTreeMap;

use aspire_host_tests::secrets::url_encoded;
use aspire_host_tests::{Project, Session, http, needs_program};

use crate::ODD;

/// The environment that a resource with `odd env FILE` has written.
fn environment(session: &mut Session, project: &Project, file: &str) -> BTreeMap<String, String> {
    let path = project.path(file);
    let text = session.until(file, || std::fs::read_to_string(&path).ok());
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn end(project: &Project, session: Session) {
    session.stop().expect(130);
    project.assert_nothing_left();
}

#[test]
fn a_connection_string_and_its_properties() {
    needs_program!("redis-server", "apt-get install redis-server");
    let project = Project::new("values-redis").app(&format!(
        "name = 'values'\n\
         [plugins]\nredis = {{ source = 'redis', allow = ['run-process:redis-server'] }}\n\
         [resources.my-cache]\nkind = 'redis'\n\
         [resources.one]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['env', 'one.env']\n\
         references = ['my-cache']\nwait-for = ['my-cache']\n\
         env.COPY = 'x-{{my-cache.uri}}-{{{{y}}-{{my-cache.password:uri}}'\n\
         [resources.two]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['env', 'two.env']\n\
         references = [{{ resource = 'my-cache', as = 'store' }}]\n"
    ));
    let mut session = project.run(&["--runtime", "native"]);
    let env = environment(&mut session, &project, "one.env");
    let of = |name: &str| {
        env.get(name)
            .unwrap_or_else(|| panic!("{name} is missing: {env:#?}"))
            .clone()
    };
    let (host, port, password) = (
        of("MY_CACHE_HOST"),
        of("MY_CACHE_PORT"),
        of("MY_CACHE_PASSWORD"),
    );
    assert_eq!(host, "localhost");
    assert_eq!(password.len(), 22);
    assert!(password.chars().all(|c| c.is_ascii_alphanumeric()));
    let uri = format!("redis://:{}@{host}:{port}", url_encoded(&password));
    assert_eq!(of("MY_CACHE_URI"), uri);
    assert_eq!(
        of("ConnectionStrings__my-cache"),
        format!("{host}:{port},password={password}")
    );
    assert_eq!(of("COPY"), format!("x-{uri}-{{y}}-{password}"));
    assert!(env.contains_key("ASPIRE_HOST_RUN"));
    // Under another name, for somebody who does not wait.
    let other = environment(&mut session, &project, "two.env");
    for name in ["HOST", "PORT", "PASSWORD", "URI"] {
        assert_eq!(
            other.get(&format!("STORE_{name}")),
            env.get(&format!("MY_CACHE_{name}")),
            "{name}"
        );
        assert_eq!(other.get(&format!("MY_CACHE_{name}")), None, "{name}");
    }
    assert_eq!(
        other["ConnectionStrings__store"],
        of("ConnectionStrings__my-cache")
    );
    end(&project, session);
}

#[test]
fn addresses_of_a_service() {
    let project = Project::new("values-service").app(&format!(
        "name = 'services'\n\
         [resources.my-api]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
         endpoints.http = {{ env = 'PORT' }}\nendpoints.admin = {{ scheme = 'http', env = 'ADMIN_PORT' }}\n\
         health = '/'\n\
         [resources.one]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['env', 'one.env']\n\
         references = ['my-api']\nwait-for = ['my-api']\n\
         env.WHERE = '{{my-api.http.hostAndPort}} {{my-api.http.scheme}} {{my-api.http.host}}'\n"
    ));
    let mut session = project.run(&["--runtime", "native"]);
    let env = environment(&mut session, &project, "one.env");
    let of = |name: &str| {
        env.get(name)
            .unwrap_or_else(|| panic!("{name} is missing: {env:#?}"))
            .clone()
    };
    let url = of("MY_API_HTTP");
    assert_eq!(of("services__my-api__http__0"), url);
    assert_eq!(of("services__my-api__admin__0"), of("MY_API_ADMIN"));
    assert_ne!(of("MY_API_ADMIN"), url);
    let address = url.strip_prefix("http://").expect("an http URL");
    assert_eq!(of("WHERE"), format!("{address} http localhost"));
    // The address that is handed out answers, and the process itself listens elsewhere.
    assert!(
        http::get(&url)
            .expect("it answers")
            .body
            .starts_with("ok from")
    );
    let own = http::get(&format!("{url}/env/PORT"))
        .expect("it answers")
        .body;
    assert!(
        !url.ends_with(&own),
        "{url} is the process itself, not the host's stable port"
    );
    end(&project, session);
}

#[test]
fn parameters_come_from_the_first_source() {
    let app = format!(
        "name = 'sources'\n[parameters.colour]\ndefault = 'default'\n\
         [resources.one]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['env', 'one.env']\n\
         env.COLOUR = '{{colour}}'\n"
    );
    let mut project = Project::new("values-sources").app(&app);
    let colour = |project: &Project, args: &[&str]| {
        let _ = std::fs::remove_file(project.path("one.env"));
        let mut session = project.run(args);
        let env = environment(&mut session, project, "one.env");
        session.stop().expect(130);
        env["COLOUR"].clone()
    };
    assert_eq!(colour(&project, &[]), "default");
    project.host(&["param", "set", "colour", "store"]).expect(0);
    assert_eq!(colour(&project, &[]), "store");
    project.write(".env", "ASPIRE_PARAM_COLOUR='dot env'\n");
    assert_eq!(colour(&project, &[]), "dot env");
    project.set("ASPIRE_PARAM_COLOUR", "variable");
    assert_eq!(colour(&project, &[]), "variable");
    assert_eq!(colour(&project, &["--param", "colour=option"]), "option");
    project.write("colour.txt", "file\n");
    assert_eq!(colour(&project, &["--param", "colour=@colour.txt"]), "file");
    project
        .host(&["param", "list"])
        .expect(0)
        .says(&["colour", "ASPIRE_PARAM_COLOUR"]);
    project.host(&["param", "unset", "colour"]).expect(0);
    project.assert_nothing_left();
}
