//! Names and metadata, case by case.

use serde_json::json;

use super::*;

#[test]
fn subdomains() {
    let long = "a".repeat(254);
    for (text, good) in [
        ("a", true),
        ("web-1.example.com", true),
        ("0", true),
        ("", false),
        ("A", false),
        ("-a", false),
        ("a-", false),
        ("a..b", false),
        ("a.", false),
        ("a_b", false),
        ("ä", false),
        (&long, false),
    ] {
        assert_eq!(check_dns1123_subdomain(text).is_empty(), good, "{text}");
    }
    assert!(check_dns1123_subdomain("A")[0].starts_with("a lowercase RFC 1123 subdomain must"));
}

#[test]
fn labels() {
    for (text, good) in [
        ("app", true),
        ("app.kubernetes.io/name", true),
        ("A_b.c-1", true),
        ("", false),
        ("/a", false),
        ("a/", false),
        ("a/b/c", false),
        ("-a", false),
        ("UPPER.io/a", false),
    ] {
        assert_eq!(check_qualified_name(text).is_empty(), good, "{text}");
    }
    assert!(check_label_value("").is_empty());
    assert!(check_label_value("My_value.1").is_empty());
    assert!(!check_label_value("a b").is_empty());
    assert!(!check_label_value(&"a".repeat(64)).is_empty());
}

#[test]
fn generated_names() {
    assert_eq!(generate_name("web-", 0), "web-bbbbb");
    assert_eq!(generate_name("web-", 1), "web-cbbbb");
    assert_ne!(generate_name("web-", 12_345), generate_name("web-", 54_321));
    let long = generate_name(&"a".repeat(100), u64::MAX);
    assert_eq!(long.len(), 63);
    assert!(check_dns1123_subdomain(&long).is_empty());
}

#[test]
fn whole_metadata() {
    let fields = |metadata: Value| -> Vec<(String, &'static str)> {
        validate_metadata(&metadata)
            .into_iter()
            .map(|e| (e.field.clone(), e.reason()))
            .collect()
    };
    assert_eq!(fields(json!({"name": "web"})), []);
    for (metadata, field, reason) in [
        (json!({}), "metadata.name", "FieldValueRequired"),
        (json!({"name": "We"}), "metadata.name", "FieldValueInvalid"),
        (
            json!({"name": "a", "namespace": "b"}),
            "metadata.namespace",
            "FieldValueForbidden",
        ),
        (
            json!({"name": "a", "generateName": "_-"}),
            "metadata.generateName",
            "FieldValueInvalid",
        ),
        (
            json!({"name": "a", "labels": {"x": "a b"}}),
            "metadata.labels",
            "FieldValueInvalid",
        ),
        (
            json!({"name": "a", "annotations": {"x y": "a b"}}),
            "metadata.annotations",
            "FieldValueInvalid",
        ),
        (
            json!({"name": "a", "annotations": {"x": "y".repeat(256 * 1024)}}),
            "metadata.annotations",
            "FieldValueTooLong",
        ),
        (
            json!({"name": "a", "finalizers": ["not mine"]}),
            "metadata.finalizers",
            "FieldValueInvalid",
        ),
        (
            json!({"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "a"}]}),
            "metadata.ownerReferences[0].uid",
            "FieldValueInvalid",
        ),
    ] {
        assert_eq!(fields(metadata), [(field.to_owned(), reason)]);
    }
    let owner =
        json!({"apiVersion": "g/v1", "kind": "A", "name": "a", "uid": "u", "controller": true});
    assert_eq!(fields(json!({"name": "a", "ownerReferences": [owner]})), []);
    assert_eq!(
        fields(json!({"name": "a", "ownerReferences": [owner, owner]})),
        [("metadata.ownerReferences".to_owned(), "FieldValueInvalid")]
    );
    assert_eq!(
        fields(
            json!({"name": "a", "generateName": "a-", "finalizers": ["x.io/y", "orphan"],
            "annotations": {"K8S.io/a": "b c"}})
        ),
        []
    );
}

#[test]
fn updates() {
    let old = json!({"name": "a", "uid": "u", "finalizers": ["x.io/a"], "deletionTimestamp": "t"});
    assert_eq!(validate_metadata_update(&old, &json!({"name": "a"})), []);
    let errors = validate_metadata_update(
        &old,
        &json!({"name": "a", "uid": "v", "finalizers": ["x.io/a", "x.io/b"]}),
    );
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "metadata.uid: Invalid value: \"v\": field is immutable",
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is \
             being deleted, found new finalizers []string{\"x.io/b\"}",
        ]
    );
    let unqualified = json!({"name": "a", "finalizers": ["mine", "x.io/y"]});
    assert_eq!(validate_metadata(&unqualified), []);
    let warnings = finalizer_warnings(None, &unqualified);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("\"mine\""), "{warnings:?}");
}
