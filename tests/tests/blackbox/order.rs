//! The order of plugins changes no byte of any output, and two that contradict each other are
//! refused in both orders alike.

use aspire_host_tests::{Project, places};

use crate::ODD;

fn app(contested: &str) -> String {
    format!(
        "name = 'order'\n[resources.cache]\nkind = 'redis'\n[resources.one]\nkind = 'executable'\n\
         command = '{ODD}'\nreferences = ['cache']\npublish.image = 'example.com/one:1'\n{contested}\
         [resources.two]\nkind = 'container'\nimage = 'busybox:1'\n"
    )
}

/// The plugins, in the order of a rotation.
fn plugins(rotation: usize, reversed: bool) -> Vec<String> {
    let mut all = vec![
        places::plugin("redis").display().to_string(),
        places::plugin("compose").display().to_string(),
        places::guest("left").display().to_string(),
        places::guest("right").display().to_string(),
    ];
    all.rotate_left(rotation);
    if reversed {
        all.reverse();
    }
    let allow = [
        "redis=run-process:redis-server",
        "left=edit:*",
        "right=edit:*",
    ];
    let mut args: Vec<String> = all
        .into_iter()
        .flat_map(|p| ["--plugin".to_owned(), p])
        .collect();
    args.extend(
        allow
            .iter()
            .flat_map(|a| ["--allow".to_owned(), (*a).to_owned()]),
    );
    args
}

fn orders() -> Vec<Vec<String>> {
    (0..4)
        .flat_map(|rotation| [plugins(rotation, false), plugins(rotation, true)])
        .collect()
}

fn with<'a>(words: &[&'a str], order: &'a [String]) -> Vec<&'a str> {
    words
        .iter()
        .copied()
        .chain(order.iter().map(String::as_str))
        .collect()
}

#[test]
fn no_byte_of_any_output() {
    let project = Project::new("order-same").app(&app(""));
    let mut seen: Option<Vec<String>> = None;
    for order in orders() {
        let mut outputs = Vec::new();
        for words in [
            &["explain"][..],
            &["explain", "--output", "json"],
            &["explain", "--diff"],
            &["explain", "one", "env", "AGREED"],
            &["schema"],
            &["check"],
        ] {
            let outcome = project.host(&with(words, &order)).expect(0);
            outputs.push(outcome.text());
        }
        assert!(
            outputs[0].contains("FROM_LEFT") && outputs[0].contains("FROM_RIGHT"),
            "{}",
            outputs[0]
        );
        let folder = project.path("out");
        project
            .host(&with(&["publish", "--to", "compose", "-o", "out"], &order))
            .expect(0);
        for file in aspire_host_tests::secrets::files(&folder) {
            let name = file
                .strip_prefix(&folder)
                .expect("below")
                .display()
                .to_string();
            outputs.push(format!(
                "{name}\n{}",
                std::fs::read_to_string(&file).expect("text")
            ));
        }
        std::fs::remove_dir_all(&folder).expect("it was written");
        match &seen {
            None => seen = Some(outputs),
            Some(first) => assert_eq!(first, &outputs, "with {order:?}"),
        }
    }
}

#[test]
fn a_conflict_is_refused_in_every_order_alike() {
    let project = Project::new("order-conflict").app(&app("labels.contested = 'yes'\n"));
    let mut seen: Option<String> = None;
    for order in orders() {
        let outcome = project.host(&with(&["check"], &order)).expect(4);
        outcome.says(&["MODE", "`one`", "left", "right", "--force-owner"]);
        let text = outcome.text();
        assert_eq!(
            seen.get_or_insert_with(|| text.clone()),
            &text,
            "with {order:?}"
        );
    }
    let order = plugins(0, false);
    let decided = project.host(&with(
        &[
            "explain",
            "one",
            "env",
            "MODE",
            "--force-owner",
            "one:env.MODE=right",
        ],
        &order,
    ));
    decided.expect(0).says(&["\"right\""]);
}
