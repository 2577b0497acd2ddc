//! `explain` answers for every environment variable of every example where it comes from: which
//! plugin, which pass, which line of `aspire.toml`.

use aspire_host_tests::{Project, places};
use serde_json::Value as Json;

fn examples() -> Vec<String> {
    let folder = places::repository().join("examples");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the examples")
        .flatten()
        .filter(|entry| entry.path().join("aspire.toml").is_file())
        .map(|entry| entry.file_name().into_string().expect("a plain name"))
        .collect();
    names.sort();
    assert!(names.len() >= 2, "{names:?}");
    names
}

fn text<'a>(value: &'a Json, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Every variable: resource, name, authors.
fn variables(model: &Json) -> Vec<(String, String, Vec<Json>)> {
    let mut found = Vec::new();
    for resource in model["resources"].as_array().expect("a list of resources") {
        for fact in resource["facts"].as_array().expect("a list of facts") {
            if text(fact, "field") == "env" {
                found.push((
                    text(resource, "name").to_owned(),
                    text(fact, "key").to_owned(),
                    fact["authors"]
                        .as_array()
                        .expect("a list of authors")
                        .clone(),
                ));
            }
        }
    }
    found
}

#[test]
fn every_variable_of_every_example() {
    for example in examples() {
        let project = Project::new(&format!("explain-{example}")).example(&example);
        let source = project.read("aspire.toml");
        let lines: Vec<&str> = source.lines().collect();
        let model = project
            .host(&["explain", "--output", "json"])
            .expect(0)
            .json();
        let variables = variables(&model);
        assert!(variables.len() >= 5, "{example}: {variables:#?}");
        for (resource, name, authors) in variables {
            let what = format!("{example}: {resource} {name}: {authors:?}");
            assert!(!authors.is_empty(), "{what}");
            for author in &authors {
                let line = author["line"]
                    .as_u64()
                    .and_then(|line| usize::try_from(line).ok());
                let line = line.unwrap_or_else(|| panic!("no line: {what}"));
                assert!(text(author, "file").ends_with("aspire.toml"), "{what}");
                assert!(
                    lines
                        .get(line - 1)
                        .is_some_and(|line| !line.trim().is_empty()),
                    "{what}"
                );
                match text(author, "by") {
                    "app" => {}
                    "host" => assert!(!text(author, "pass").is_empty(), "{what}"),
                    "plugin" => {
                        assert!(!text(author, "pass").is_empty(), "{what}");
                        assert!(!text(author, "plugin").is_empty(), "{what}");
                    }
                    _ => panic!("{what}"),
                }
            }
            // The same for people, one by one.
            let line = authors[0]["line"].as_u64().expect("seen above");
            let place = format!("aspire.toml:{line}");
            project
                .host(&["explain", &resource, "env", &name])
                .expect(0)
                .says(&[
                    &resource,
                    &name,
                    &place,
                    lines[usize::try_from(line).expect("small") - 1].trim(),
                ]);
        }
    }
}

#[test]
fn the_right_line() {
    let project = Project::new("explain-lines").example("quickstart");
    let source = project.read("aspire.toml");
    let line_of = |part: &str| {
        1 + source
            .lines()
            .position(|line| line.contains(part))
            .expect("it is in the example")
    };
    for (fact, line, by) in [
        ("web env CACHE_URI", line_of("references ="), "host"),
        (
            "web env ConnectionStrings__cache",
            line_of("references ="),
            "host",
        ),
        ("web env PORT", line_of("endpoints.http"), ""),
        (
            "cache env REDIS_PASSWORD",
            line_of("[resources.cache]"),
            "plugin redis",
        ),
    ] {
        let mut args = vec!["explain"];
        args.extend(fact.split(' '));
        project
            .host(&args)
            .expect(0)
            .says(&[&format!("aspire.toml:{line}"), by]);
    }
}

#[test]
fn passes_can_be_looked_at_one_by_one() {
    let project = Project::new("explain-passes").example("quickstart");
    project
        .host(&["explain", "web", "--after", "expand"])
        .expect(0)
        .says(&["web (executable"])
        .lacks(&["CACHE_URI"]);
    project
        .host(&["explain", "web"])
        .expect(0)
        .says(&["CACHE_URI"]);
    project
        .host(&["explain", "web", "--diff", "--after", "wire"])
        .expect(0)
        .says(&["CACHE_URI"]);
    project
        .host(&["explain", "wbe"])
        .expect(1)
        .says(&["wbe", "did you mean `web`"]);
    project
        .host(&["explain", "web", "env", "CACHE_URL"])
        .expect(1)
        .says(&["CACHE_URL", "CACHE_URI"]);
}
