//! Bad input, second part: plugins that are no plugins, and plugins that misbehave. Each costs one
//! clear diagnostic that says whose fault it is, and exit code 4; nothing is started.

use std::path::Path;

use aspire_host_tests::{Project, places, table, wait};

use crate::ODD;

fn app(plugins: &str, resources: &str) -> String {
    format!(
        "name = 'bad'\n[plugins]\n{plugins}\n{resources}\n\
         [resources.canary]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['stamp', 'started']\n"
    )
}

fn refused(project: &Project, args: &[&str], code: i32, says: &[&str]) {
    for command in [&["check"][..], &["run", "--runtime", "native"]] {
        let mut all = command.to_vec();
        all.extend(args);
        project
            .host(&all)
            .expect(code)
            .says(says)
            .lacks(&["panicked at host"]);
    }
    assert!(!project.path("started").exists(), "something was started");
    project.assert_nothing_left();
}

/// What the option `does` makes the guest do, and what has to be said.
const MISDEEDS: &[(&str, &[&str])] = &[
    (
        "panic",
        &[
            "hostile",
            "0.1.0",
            "the guest gives up on purpose",
            "plugin-trap",
        ],
    ),
    ("trap", &["hostile", "plugin-trap"]),
    ("loop", &["hostile", "plugin-"]),
    ("allocate", &["hostile", "memory", "plugin-limit"]),
    ("million", &["hostile", "resources", "plugin-limit"]),
    ("bad-name", &["hostile", "no name at all"]),
    ("bad-reference", &["plugin hostile", "nobody"]),
    (
        "shell",
        &[
            "hostile",
            "run-process:sh",
            "--allow",
            "to take over the machine",
        ],
    ),
    ("bind", &["hostile", "host-path", "--allow"]),
    ("privileged", &["hostile", "privileged", "--allow"]),
    (
        "foreign-secret",
        &["hostile", "foreign-secret", "--allow", "key"],
    ),
    ("foreign-edit", &["hostile", "edit:*", "canary", "--allow"]),
];

#[test]
fn misdeeds() {
    let project = Project::new("bad-plugin-misdeeds");
    let plugin = format!("hostile = '{}'", places::guest("hostile").display());
    table::each(
        MISDEEDS,
        |(does, _)| does,
        |(does, says)| {
            let victim = if *does == "foreign-edit" {
                "the canary"
            } else {
                "the key"
            };
            let resources = format!(
                "[parameters.key]\nsecret = true\n\
             [resources.evil]\nkind = 'hostile'\ndoes = '{does}'\nvictim = '{victim}'\n"
            );
            project.write("aspire.toml", &app(&plugin, &resources));
            refused(&project, &["--param", "key=not-for-everyone"], 4, says);
        },
    );
    assert!(!project.path("pwned").exists());
}

#[test]
fn an_error_of_a_plugin_is_about_the_app() {
    let project = Project::new("bad-plugin-error");
    let plugin = format!("hostile = '{}'", places::guest("hostile").display());
    let resources = "[resources.evil]\nkind = 'hostile'\ndoes = 'error'\n";
    project.write("aspire.toml", &app(&plugin, resources));
    let says = [
        "hostile:refused",
        "it does not want to",
        "ask it politely",
        "does = 'error'",
    ];
    refused(&project, &[], 1, &says);
}

#[test]
fn one_bad_plugin_does_not_hide_what_others_say() {
    let project = Project::new("bad-plugin-others");
    let plugins = format!(
        "redis = 'redis'\nhostile = '{}'",
        places::guest("hostile").display()
    );
    let resources = "[resources.evil]\nkind = 'hostile'\ndoes = 'panic'\n\
                     [resources.cache]\nkind = 'redis'\nport = 'many'\n";
    project.write("aspire.toml", &app(&plugins, resources));
    refused(
        &project,
        &[],
        4,
        &["the guest gives up on purpose", "'many'"],
    );
}

#[test]
fn a_grant_lets_it_through() {
    let project = Project::new("bad-plugin-granted");
    let plugin = format!(
        "hostile = {{ source = '{}', allow = ['edit:*'] }}",
        places::guest("hostile").display()
    );
    let resources = "[resources.evil]\nkind = 'hostile'\ndoes = 'foreign-edit'\nvictim = 'canary'\nstart = 'manual'\n";
    project.write("aspire.toml", &app(&plugin, resources));
    project.host(&["check"]).expect(0);
    project
        .host(&["explain", "canary", "env", "STOLEN"])
        .expect(0)
        .says(&["plugin hostile 0.1.0"]);
}

/// A component with a manifest behind it, as the SDK writes one.
fn component(text: &str, manifest: Option<&str>) -> Vec<u8> {
    let mut bytes = wat::parse_str(text).expect("valid text");
    if let Some(manifest) = manifest {
        let name = "aspire:manifest";
        let length = 1 + name.len() + manifest.len();
        // A custom section: 0, its length as LEB128, the name's length, name, contents.
        bytes.push(0);
        let mut rest = length;
        while rest >= 0x80 {
            bytes.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
            rest >>= 7;
        }
        bytes.push(u8::try_from(rest).expect("seven bits"));
        bytes.push(u8::try_from(name.len()).expect("short"));
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(manifest.as_bytes());
    }
    bytes
}

fn manifest(interface: &str) -> String {
    format!(r#"{{"id":"odd","version":"1.0.0","interface":"{interface}","wishes":[]}}"#)
}

#[test]
fn files_that_are_no_plugins() {
    let project = Project::new("bad-plugin-files").app(&app("odd = './odd.wasm'", ""));
    let current = manifest("0.1.0");
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        (
            "text",
            b"#!/bin/sh\necho hello\n".to_vec(),
            &["odd.wasm", "no WebAssembly component"],
        ),
        (
            "empty",
            Vec::new(),
            &["odd.wasm", "no WebAssembly component"],
        ),
        (
            "a core module",
            wat::parse_str("(module)").expect("valid text"),
            &[
                "odd.wasm",
                "core WebAssembly module",
                "aspire-host plugin build",
            ],
        ),
        (
            "a truncated plugin",
            truncated(&places::plugin("redis")),
            &["odd.wasm"],
        ),
        (
            "a component without a manifest",
            component("(component)", None),
            &["odd.wasm", "aspire:manifest"],
        ),
        (
            "a component for another version of the interface",
            component("(component)", Some(&manifest("9.1.0"))),
            &["odd.wasm", "9.1.0", "0.1.0"],
        ),
        (
            "an import that nobody offers",
            component(
                r#"(component (import "acme:moon/base@1.0.0" (instance (export "land" (func)))))"#,
                Some(&current),
            ),
            &["odd.wasm", "acme:moon/base@1.0.0", "not offer"],
        ),
        (
            "a component without a descriptor",
            component("(component)", Some(&current)),
            &["odd.wasm", "descriptor"],
        ),
    ];
    table::each(
        cases,
        |(name, ..)| name,
        |(_, bytes, says)| {
            std::fs::write(project.path("odd.wasm"), bytes).expect("a file");
            refused(&project, &[], 4, says);
        },
    );
    std::fs::remove_file(project.path("odd.wasm")).expect("it is there");
    refused(&project, &[], 4, &["odd.wasm", "no plugin"]);
}

fn truncated(file: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(file).expect("a plugin");
    bytes.truncate(bytes.len() / 2);
    bytes
}

#[test]
fn names_that_are_none() {
    let project = Project::new("bad-plugin-names");
    project.write("aspire.toml", &app("redis = 'rediss'", ""));
    refused(&project, &[], 4, &["`rediss`", "did you mean `redis`"]);
    project.write(
        "aspire.toml",
        &app("redis = 'oci://example.com/redis:1'", ""),
    );
    refused(
        &project,
        &[],
        4,
        &["oci://example.com/redis:1", "this version"],
    );
}

#[test]
fn one_id_in_two_files() {
    let project =
        Project::new("bad-plugin-twice").app(&app("redis = 'redis'\nother = './other.wasm'", ""));
    let mut bytes = std::fs::read(places::plugin("redis")).expect("a plugin");
    // One more custom section: the same plugin in a file with another digest.
    bytes.extend_from_slice(b"\x00\x05\x04pad!");
    std::fs::write(project.path("other.wasm"), bytes).expect("a file");
    refused(
        &project,
        &[],
        4,
        &["`redis`", "two different files", "other.wasm"],
    );
}

#[test]
fn a_new_file_that_asks_for_more_stops() {
    let project = Project::new("bad-plugin-more");
    let plugin = places::guest("left").display().to_string();
    let text = app(
        &format!("it = {{ source = '{plugin}', allow = ['edit:*'] }}"),
        "",
    );
    project.write("aspire.toml", &text);
    let session = project.run(&["--runtime", "native"]);
    wait::until(wait::SOON, "the canary", || {
        project.path("started").exists().then_some(())
    });
    session.stop().expect(130);
    std::fs::remove_file(project.path("started")).expect("it is there");
    // What is recorded is another file that asked for less, and nobody has granted the rest.
    let lock = project.read("aspire.lock");
    let digest = lock
        .split("sha256 = \"")
        .nth(1)
        .expect("a digest")
        .split('"')
        .next()
        .expect("its end");
    let other = "0".repeat(digest.len());
    let less = lock.replace(digest, &other).replace("\"edit:*\"", "");
    assert!(less.contains(&other) && !less.contains("edit:*"), "{less}");
    project.write("aspire.lock", &less);
    project.write("aspire.toml", &text.replace("'edit:*'", ""));
    refused(&project, &[], 4, &["`it`", "edit:*", "--allow"]);
    assert_eq!(
        project.read("aspire.lock"),
        less,
        "nobody has agreed to anything"
    );
}
