//! The Swagger document: its content, and its protobuf form read back.

use proptest::prelude::*;

use super::super::openapi::tests::{GROUP, executable, kind, paths, port};
use super::*;

fn example() -> Value {
    let (executable, port) = (executable(), port());
    let definitions = [
        Definition {
            name: "Executable".to_owned(),
            schema: &executable,
            kinds: vec![kind()],
        },
        Definition {
            name: "Port".to_owned(),
            schema: &port,
            kinds: Vec::new(),
        },
    ];
    document("aspire-host", "v0", &definitions, &paths())
}

/// One field of a message.
#[derive(Debug)]
enum Field<'a> {
    Varint(u64),
    Double(f64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            other => panic!("not bytes: {other:?}"),
        }
    }

    fn text(&self) -> &'a str {
        std::str::from_utf8(self.bytes()).unwrap()
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

fn read(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Varint(varint(&mut bytes)),
            1 => {
                let (value, rest) = bytes.split_at(8);
                bytes = rest;
                Field::Double(f64::from_le_bytes(value.try_into().unwrap()))
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(value)
            }
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

fn all(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let fields = read(bytes).into_iter();
    fields
        .filter(|(n, _)| *n == number)
        .map(|(_, f)| f.bytes())
        .collect()
}

fn one(bytes: &[u8], number: u64) -> &[u8] {
    all(bytes, number)[0]
}

fn named(bytes: &[u8], number: u64) -> Vec<(String, &[u8])> {
    all(bytes, number)
        .into_iter()
        .map(|entry| {
            let name = String::from_utf8(one(entry, 1).to_vec()).unwrap();
            (name, one(entry, 2))
        })
        .collect()
}

fn any(bytes: &[u8]) -> Value {
    serde_json::from_slice(one(bytes, 2)).unwrap()
}

fn read_schema(bytes: &[u8]) -> Value {
    let mut schema = json!({});
    let mut lists: [(&str, Vec<Value>); 2] = [("required", vec![]), ("enum", vec![])];
    for (number, field) in read(bytes) {
        let (key, value) = match number {
            1 => ("$ref", json!(field.text())),
            2 => ("format", json!(field.text())),
            3 => ("title", json!(field.text())),
            4 => ("description", json!(field.text())),
            5 => ("default", any(field.bytes())),
            6 | 7 | 9 => {
                let Field::Double(value) = field else {
                    panic!("not a double")
                };
                (
                    ["multipleOf", "maximum", "", "minimum"][usize::try_from(number).unwrap() - 6],
                    json!(value),
                )
            }
            8 => ("exclusiveMaximum", json!(true)),
            10 => ("exclusiveMinimum", json!(true)),
            11 | 12 | 14 | 15 => {
                let Field::Varint(value) = field else {
                    panic!("not a number")
                };
                let key = match number {
                    11 => "maxLength",
                    12 => "minLength",
                    14 => "maxItems",
                    _ => "minItems",
                };
                (key, json!(value))
            }
            13 => ("pattern", json!(field.text())),
            16 => ("uniqueItems", json!(true)),
            19 => {
                lists[0].1.push(json!(field.text()));
                continue;
            }
            20 => {
                lists[1].1.push(any(field.bytes()));
                continue;
            }
            21 => ("additionalProperties", read_schema(one(field.bytes(), 1))),
            22 => (
                "type",
                json!(std::str::from_utf8(one(field.bytes(), 1)).unwrap()),
            ),
            23 => ("items", read_schema(one(field.bytes(), 1))),
            25 => {
                let properties = named(field.bytes(), 1).into_iter();
                let properties = properties.map(|(name, schema)| (name, read_schema(schema)));
                ("properties", Value::Object(properties.collect()))
            }
            27 => ("readOnly", json!(true)),
            31 => {
                let name = std::str::from_utf8(one(field.bytes(), 1))
                    .unwrap()
                    .to_owned();
                schema[name] = any(one(field.bytes(), 2));
                continue;
            }
            other => panic!("field {other}"),
        };
        schema[key] = value;
    }
    for (key, list) in lists {
        if !list.is_empty() {
            schema[key] = Value::Array(list);
        }
    }
    schema
}

#[test]
fn translated() {
    let document = example();
    let properties = &document["definitions"]["Executable"]["properties"];
    let spec = &properties["spec"]["properties"];
    assert_eq!(spec["port"], json!({"$ref": "#/definitions/Port"}));
    assert_eq!(
        spec["args"],
        json!({"type": "array", "items": {"type": "string"}})
    );
    assert_eq!(
        spec["env"]["additionalProperties"],
        json!({"type": "string"})
    );
    assert_eq!(spec["value"], json!({"x-kubernetes-int-or-string": true}));
    assert_eq!(properties["status"].get("nullable"), None);
    assert_eq!(
        properties["metadata"]["$ref"],
        "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    );
}

#[test]
fn protobuf() {
    let document = example();
    let bytes = to_protobuf(&document);
    assert_eq!(one(&bytes, 1), b"2.0");
    let definitions = named(one(&bytes, 9), 1);
    for (name, schema) in &definitions {
        let mut expected = document["definitions"][name].clone();
        // Zero is the default of a number and cannot be written.
        if name == "Executable" {
            let spec = &mut expected["properties"]["spec"]["properties"];
            spec["replicas"].as_object_mut().unwrap().remove("minimum");
        }
        assert_eq!(read_schema(schema), expected, "{name}");
    }
    assert_eq!(definitions.len(), 4);

    let paths = named(one(&bytes, 8), 2);
    let object = format!("/apis/{GROUP}/v1/executables/{{name}}");
    let (_, item) = paths.iter().find(|(path, _)| *path == object).unwrap();
    let patch = one(item, 8);
    let extensions = named(patch, 13);
    assert!(
        extensions
            .iter()
            .any(|(name, value)| { name == KIND_EXTENSION && any(value) == kind().to_value() })
    );
    // ParametersItem → Parameter → NonBodyParameter → QueryParameterSubSchema → name
    let names: Vec<String> = all(patch, 8)
        .into_iter()
        .map(|parameter| one(parameter, 1))
        .filter(|parameter| !all(parameter, 2).is_empty())
        .map(|parameter| one(one(one(parameter, 2), 3), 4))
        .map(|name| String::from_utf8(name.to_vec()).unwrap())
        .collect();
    assert!(names.contains(&"dryRun".to_owned()));
    assert!(names.contains(&"fieldValidation".to_owned()));
}

#[test]
fn the_smallest_document() {
    let bytes = to_protobuf(&document("x", "1", &[], &[]));
    assert_eq!(
        bytes,
        b"\x0a\x032.0\x12\x06\x0a\x01x\x12\x011\x42\x00\x4a\x00"
    );
}

fn schemas() -> impl Strategy<Value = Value> {
    let text = "[a-zäß]{1,200}";
    let leaf = (
        prop_oneof![Just("string"), Just("integer"), Just("boolean")],
        text,
        proptest::option::of(1u32..u32::MAX),
        proptest::option::of(0.5f64..1e9),
    )
        .prop_map(|(kind, description, length, maximum)| {
            let mut schema = json!({"type": kind, "description": description});
            if let Some(length) = length {
                schema["maxLength"] = json!(length);
            }
            if let Some(maximum) = maximum {
                schema["maximum"] = json!(maximum);
            }
            schema
        });
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            inner.clone().prop_map(
                |s| json!({"type": "array", "items": s, "x-kubernetes-list-type": "set"})
            ),
            inner
                .clone()
                .prop_map(|s| json!({"type": "object", "additionalProperties": s})),
            proptest::collection::btree_map("[a-z]{1,8}", inner, 1..4).prop_map(|properties| {
                let required: Vec<&String> = properties.keys().collect();
                json!({"type": "object", "required": required, "properties": properties})
            }),
        ]
    })
}

proptest! {
    #[test]
    fn every_schema_is_read_back(schema in schemas()) {
        let definition = Definition { name: "A".to_owned(), schema: &schema, kinds: Vec::new() };
        let document = document("x", "1", &[definition], &[]);
        let bytes = to_protobuf(&document);
        let definitions = named(one(&bytes, 9), 1);
        prop_assert_eq!(read_schema(definitions[0].1), schema);
    }
}
