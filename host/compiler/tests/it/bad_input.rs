//! Every mistake that can be made in `aspire.toml`: one clear finding each.

use super::support::findings;

#[test]
fn names_kinds_and_keys() {
    insta::assert_snapshot!(findings("[resources.x]\nkind = \"contaner\"\nimage = \"a\""), @r"
    error[unknown-kind]: there is no kind `contaner` (aspire.toml:3)
      help: did you mean `container`?
    ");
    insta::assert_snapshot!(findings("[resources.x]\nkind = \"container\"\nimgae = \"a\""), @r"
    error[unknown-key]: `imgae` is no option of a resource of kind `container` (aspire.toml:4)
      help: did you mean `image`?
    ");
    insta::assert_snapshot!(findings("[resources.x]\nkind = \"cache\"\npersistance = true"), @r"
    error[unknown-key]: `persistance` is no option of the kind `cache` (aspire.toml:4)
      help: did you mean `persistence`?
    ");
    insta::assert_snapshot!(findings("[resources.x]\nkind = \"cache\"\npersistence = \"yes\""), @r#"
    error[wrong-type]: "yes" is not of type "boolean" (aspire.toml:4)
      help: `persistence`: Keep data.
    "#);
    insta::assert_snapshot!(findings("[resources.x]\nimage = \"a\""), @r#"
    error[no-kind]: `x` has no kind (aspire.toml:2)
      help: write kind = "…"; `aspire-host schema` lists the kinds
    "#);
    insta::assert_snapshot!(findings("[resources.a_b]\nkind = \"cache\""), @r"
    error[bad-name]: `a_b` contains `_`; letters, digits and hyphens are allowed (aspire.toml:2)
      help: a name begins with a letter and has at most 64 letters, digits and single hyphens
    ");
    insta::assert_snapshot!(findings("[resources.x]\nkind = \"cache\"\n[resources.x]\nkind = \"cache\""), @r"
    error[duplicate-name]: this name is used twice (aspire.toml:4)
      help: rename or remove one of them
    ");
    insta::assert_snapshot!(findings("[resources.x]\nkind = \"cache\"\n[resources.X]\nkind = \"cache\""), @r"
    error[duplicate-name]: `X` and `x` are one name (aspire.toml:4)
      aspire.toml:2: the other one
      help: names are compared without regard to case; rename one of them
    ");
    insta::assert_snapshot!(findings("[resource.x]\nkind = \"cache\""), @r"
    error[unknown-key]: `resource` is no key here (aspire.toml:2)
      help: did you mean `resources`?
    ");
    insta::assert_snapshot!(findings("[resources.x\nkind = 1"), @r"
    error[syntax]: unclosed table, expected `]` (aspire.toml:2)
      help: see docs/aspire-toml.md for the syntax
    ");
}

#[test]
fn types() {
    insta::assert_snapshot!(findings("[resources.x]\nkind = \"executable\"\ncommand = \"a\"\nargs = \"b\"\nreplicas = 0\nenv = 1"), @r"
    error[wrong-type]: this is a string, not an array of strings (aspire.toml:5)
      help: write an array of strings
    error[wrong-value]: 0 is out of range (aspire.toml:6)
      help: write a number from 1 to 100
    error[wrong-type]: this is an integer, not a table (aspire.toml:7)
      help: write a table
    ");
    insta::assert_snapshot!(findings("[resources.x]\nkind = \"executable\""), @r#"
    error[no-command]: `x` has no command (aspire.toml:2)
      help: write command = "…"
    "#);
    insta::assert_snapshot!(findings("[resources.x]\nkind = \"container\""), @r#"
    error[no-image]: `x` has neither an image nor a build (aspire.toml:2)
      help: write image = "…" or build = "FOLDER"
    "#);
    insta::assert_snapshot!(findings("[resources.x]\nkind = \"executable\"\ncommand = \"a\"\nvolumes.data = \"/data\""), @r"
    error[misplaced-key]: `volumes` means nothing on a resource of shape executable (aspire.toml:5)
      help: it belongs on containers; remove it
    ");
    insta::assert_snapshot!(findings("[resources.x]\nkind = \"executable\"\ncommand = \"a\"\nrestart = \"often\"\nrun = {}"), @r"
    error[wrong-value]: `often` is no choice that this version serves here (aspire.toml:5)
      help: write one of: no, on-failure, always
    error[not-served]: `run` (variants of run mode) is not served by this version (aspire.toml:6)
      help: remove it
    ");
    insta::assert_snapshot!(findings("[parameters.p]\nsecret = true\ndefault = \"x\""), @r"
    error[wrong-value]: a secret with a default is no secret: its value stands in the file (aspire.toml:2)
      help: remove `default`; set it with `aspire-host param set`, or let it be generated
    ");
}

#[test]
fn what_is_watched() {
    let web = "[resources.web]\nkind = \"executable\"\ncommand = \"a\"\n";
    let image = "[resources.web]\nkind = \"container\"\nimage = \"a\"\n";
    insta::assert_snapshot!(findings(&format!("{web}watch = \"src\"")), @r"
    error[wrong-type]: this is a string, not a table (aspire.toml:5)
      help: write a table
    ");
    insta::assert_snapshot!(findings(&format!("{web}watch = {{ path = [\"src\"], paths = \"src\", ignore = [1], do = \"reload\" }}")), @r"
    error[unknown-key]: `path` is no key here (aspire.toml:5)
      help: did you mean `paths`?
    error[wrong-type]: this is a string, not an array of strings (aspire.toml:5)
      help: write an array of strings
    error[wrong-type]: this is an integer, not a string (aspire.toml:5)
      help: write a string
    error[wrong-value]: `reload` is nothing that can follow (aspire.toml:5)
      help: there are restart, rebuild and sync
    ");
    insta::assert_snapshot!(findings(&format!("{web}watch = {{ do = \"rebuild\" }}")), @r#"
    error[wrong-value]: `web` has no `build` that could be made again (aspire.toml:5)
      help: write do = "restart", or say how it is built
    "#);
    insta::assert_snapshot!(findings(&format!("{web}watch = {{ do = \"sync\", target = \"/srv\" }}")), @r#"
    error[wrong-value]: `web` is a process: there is no container to copy files into (aspire.toml:5)
      help: write do = "restart"
    "#);
    insta::assert_snapshot!(findings(&format!("{image}watch = {{ do = \"sync\", paths = [\"\"] }}")), @r#"
    error[wrong-value]: `sync` needs a `target` (aspire.toml:5)
      help: write target = "/…", the folder of the container that files are copied to
    error[wrong-value]: this has an empty path (aspire.toml:5)
      help: write ".", or remove it
    "#);
    insta::assert_snapshot!(findings(&format!("{image}watch = {{ paths = [\"a\"], target = \"srv\" }}")), @r#"
    error[wrong-value]: only `sync` has a `target` (aspire.toml:5)
      help: write do = "sync", or remove it
    error[wrong-value]: this is no absolute path (aspire.toml:5)
      help: write the absolute path of a folder in the container
    "#);
    insta::assert_snapshot!(findings(&format!("{image}watch = {{}}")), @r#"
    error[wrong-value]: `web` has no folder of its own to watch (aspire.toml:5)
      help: write paths = ["…"]
    "#);
    insta::assert_snapshot!(findings("[parameters.p]\n[resources.q]\nkind = \"parameter\"\nwatch = {}"), @r"
    error[misplaced-key]: `watch` means nothing on a resource of shape parameter (aspire.toml:5)
      help: it belongs on containers and executables; remove it
    ");
    assert_eq!(findings(&format!("{web}build = [\"b\"]\nwatch = {{}}")), "");
    assert_eq!(
        findings(&format!(
            "{image}watch = {{ do = \"sync\", paths = [\"a\"], target = \"/srv\" }}"
        )),
        ""
    );
}

#[test]
fn references_and_placeholders() {
    let api = "[resources.api]\nkind = \"executable\"\ncommand = \"a\"\nendpoints.http = {}\n";
    let cache = "[resources.cache]\nkind = \"cache\"\n";
    insta::assert_snapshot!(findings(&format!("{cache}{api}references = [\"cahce\"]")), @r"
    error[unknown-resource]: a reference of `api` names `cahce`, and there is no such resource (aspire.toml:8)
      help: did you mean `cache`?
    ");
    insta::assert_snapshot!(findings(&format!("{cache}{api}wait-for = [\"cash\"]")), @r"
    error[unknown-resource]: a wait of `api` names `cash`, and there is no such resource (aspire.toml:8)
      help: there are api, cache, cache-password
    ");
    insta::assert_snapshot!(findings(&format!("{cache}{api}env.A = \"{{cache.url}}\"")), @r"
    error[unknown-property]: `env.A` of `api`: `cache` has no property `url` (aspire.toml:8)
      help: did you mean `uri`?
    ");
    insta::assert_snapshot!(findings(&format!("{cache}{api}env.A = \"{{api.http}}\"")), @r"
    error[unknown-property]: `env.A` of `api`: `api` has no property `http` (aspire.toml:8)
      help: `http` is an endpoint; write {api.http.url}, or another of its properties
    ");
    insta::assert_snapshot!(findings(&format!("{cache}{api}env.A = \"{{cach}}\"")), @r"
    error[unknown-resource]: `env.A` of `api`: there is no resource `cach` (aspire.toml:8)
      help: did you mean `cache`?
    ");
    insta::assert_snapshot!(findings(&format!("{cache}{api}env.A = \"{{api}}\"")), @r"
    error[no-connection-string]: `env.A` of `api`: `api` has no connection string (aspire.toml:8)
      help: write one of its endpoints, such as {api.http.url}, or put it into `references`
    ");
    insta::assert_snapshot!(findings(&format!("{cache}{api}env.A = \"{{cache\"")), @"error[placeholder]: `{` is never closed; write `{{` for a literal brace (aspire.toml:8)");
    insta::assert_snapshot!(findings(&format!("{api}health = {{ path = \"/\", endpoint = \"htpp\" }}")), @r"
    error[unknown-endpoint]: `api` has no endpoint `htpp` (aspire.toml:6)
      help: did you mean `http`?
    ");
    insta::assert_snapshot!(findings("[parameters.p]\n[resources.x]\nkind = \"executable\"\ncommand = \"a\"\nreferences = [\"p\"]"), @r#"
    error[empty-reference]: `p` has nothing that a reference could inject (aspire.toml:6)
      help: a parameter is used by its value: env.NAME = "{p}"
    "#);
}

#[test]
fn circles() {
    let two = |a: &str, b: &str| {
        format!(
            "[resources.a]\nkind = \"executable\"\ncommand = \"a\"\nwait-for = [\"{a}\"]\n[resources.b]\nkind = \"executable\"\ncommand = \"b\"\nwait-for = [\"{b}\"]\n"
        )
    };
    insta::assert_snapshot!(findings(&two("b", "a")), @r"
    error[wait-cycle]: resources wait for each other: a → b → a (aspire.toml:5)
      aspire.toml:9: `b` waits for `a`
      help: remove one of these waits; references may form circles, waits may not
    ");
    insta::assert_snapshot!(findings(&two("a", "a")), @r"
    error[self-wait]: `a` waits for itself (aspire.toml:5)
      help: remove the wait
    ");
}

#[test]
fn ports() {
    let one = |name: &str| {
        format!(
            "[resources.{name}]\nkind = \"executable\"\ncommand = \"a\"\nendpoints.http = {{ port = 8080 }}\n"
        )
    };
    insta::assert_snapshot!(findings(&format!("{}{}", one("a"), one("b"))), @r"
    error[duplicate-port]: `a` and `b` both want port 8080 (aspire.toml:9)
      aspire.toml:5: the other one
      help: give one of them another `port`, or none: then the host picks one
    ");
}
