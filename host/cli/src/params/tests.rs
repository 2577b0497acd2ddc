//! The order of sources.

use super::*;

fn given(sources: &[&str]) -> Given {
    let entry = |key: &str| BTreeMap::from([(key.to_owned(), "x".to_owned())]);
    let mut given = Given::default();
    for source in sources {
        match *source {
            "option" => given.options = entry("api-key"),
            "variable" => given.variables = entry("ASPIRE_PARAM_API_KEY"),
            "dotenv" => given.dotenv = entry("ASPIRE_PARAM_API_KEY"),
            other => panic!("{other}"),
        }
    }
    given
}

fn origin(sources: &[&str], parameter: &Parameter, store: &store::Values) -> String {
    match find("api-key", parameter, &given(sources), store) {
        Found::Value(value) => value.origin.to_string(),
        Found::Generate(_) => "generate".into(),
        Found::Default(default) => format!("default {default}"),
        Found::Missing => "missing".into(),
    }
}

#[test]
fn the_first_source_wins() {
    let set = store::Values {
        set: BTreeMap::from([("api-key".into(), "x".into())]),
        generated: BTreeMap::from([("api-key".into(), "y".into())]),
    };
    let none = store::Values::default();
    let plain = Parameter::default();
    let default = Parameter {
        default: Some("d".into()),
        ..Parameter::default()
    };
    let generate = Parameter {
        generate: Some(Generate {
            length: 22,
            special: false,
        }),
        ..Parameter::default()
    };
    let rows = [
        origin(&["option", "variable", "dotenv"], &default, &set),
        origin(&["variable", "dotenv"], &default, &set),
        origin(&["dotenv"], &default, &set),
        origin(&[], &default, &set),
        origin(&[], &default, &none),
        origin(&[], &generate, &none),
        origin(
            &[],
            &generate,
            &store::Values {
                set: BTreeMap::new(),
                ..set.clone()
            },
        ),
        origin(
            &[],
            &plain,
            &store::Values {
                set: BTreeMap::new(),
                ..set
            },
        ),
        origin(&[], &plain, &none),
    ];
    assert_eq!(
        rows,
        [
            "--param",
            "$ASPIRE_PARAM_API_KEY",
            ".env (ASPIRE_PARAM_API_KEY)",
            "param set",
            "default d",
            "generate",
            "generated",
            "missing",
            "missing",
        ]
    );
}

#[test]
fn options_name_values_or_files() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "line one\nline two\n").unwrap();
    let options = [
        format!("a=@{}", file.path().display()),
        "b=x=y".into(),
        "c=".into(),
    ];
    let values = parse_options(&options).unwrap();
    assert_eq!(values["a"], "line one\nline two");
    assert_eq!(values["b"], "x=y");
    assert_eq!(values["c"], "");
    let error = parse_options(&["hunter2".into()]).unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn values_do_not_slip_into_logs() {
    let value = Value {
        text: "hunter2".into(),
        origin: Origin::Store,
    };
    assert_eq!(format!("{value:?}"), "Value(*** from param set)");
}
