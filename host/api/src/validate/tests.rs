//! One case for each rule.

use serde_json::{Value, json};

use super::*;

fn object(kind: &str, spec: Value) -> Object {
    let wire = json!({"kind": kind, "metadata": {"name": "a"}, "spec": spec});
    serde_json::from_value(wire).unwrap()
}

fn found(errors: &[FieldError]) -> Vec<String> {
    errors
        .iter()
        .map(|error| format!("{} {}", error.field, error.reason))
        .collect()
}

#[test]
fn new_ones() {
    let cases = [
        ("Container", json!({}), "spec.image FieldValueRequired"),
        (
            "Container",
            json!({"image": "a", "mode": "persistent"}),
            "spec.containerName FieldValueRequired",
        ),
        (
            "Container",
            json!({"image": "a", "persistent": true}),
            "spec.containerName FieldValueRequired",
        ),
        (
            "Container",
            json!({"mode": "existing", "containerName": "-a"}),
            "spec.containerName FieldValueInvalid",
        ),
        (
            "Container",
            json!({"image": "a", "terminal": {}}),
            "spec.terminal FieldValueForbidden",
        ),
        (
            "Container",
            json!({"image": "a", "runArgs": ["-x"]}),
            "spec.runArgs[0] FieldValueNotSupported",
        ),
        (
            "Container",
            json!({"image": "a", "args": ["{{ x"]}),
            "spec.args FieldValueInvalid",
        ),
        (
            "Container",
            json!({"image": "a", "volumeMounts": [{"type": "volume", "source": "v", "target": "x"}]}),
            "spec.volumeMounts.target FieldValueInvalid",
        ),
        (
            "Container",
            json!({"image": "a", "createFiles": [{"destination": "/x", "entries": [{"name": "a/b"}]}]}),
            "spec.createFiles.entries.name FieldValueInvalid",
        ),
        (
            "Container",
            json!({"image": "a", "createFiles": [{"destination": "/x", "entries": [{"name": "a", "contents": "", "source": "/b"}]}]}),
            "spec.createFiles.entries FieldValueForbidden",
        ),
        (
            "Container",
            json!({"image": "a", "createFiles": [{"destination": "/x", "entries": [{"name": "a", "type": "symlink"}]}]}),
            "spec.createFiles.entries.target FieldValueInvalid",
        ),
        (
            "Container",
            json!({"image": "a", "build": {"context": "/", "secrets": [{"id": "a"}]}}),
            "spec.build.secrets FieldValueForbidden",
        ),
        (
            "Container",
            json!({"image": "a", "imageLayers": [{"digest": "", "source": "x"}, {"digest": "d"}, {"digest": "d", "rawContents": "AA==", "sha256": "x"}]}),
            "spec.imageLayers[0].digest FieldValueRequired spec.imageLayers[0].source FieldValueInvalid \
             spec.imageLayers[0].sha256 FieldValueRequired spec.imageLayers[1].source FieldValueInvalid \
             spec.imageLayers[2].sha256 FieldValueForbidden",
        ),
        (
            "Container",
            json!({"image": "a", "pemCertificates": {"destination": "x", "overwriteBundlePaths": ["y"], "certificates": [{"thumbprint": "a/b", "contents": ""}]}}),
            "spec.pemCertificates.destination FieldValueInvalid \
             spec.pemCertificates.overwriteBundlePaths FieldValueInvalid \
             spec.pemCertificates.certificates[0].contents FieldValueRequired \
             spec.pemCertificates.certificates[0].thumbprint FieldValueInvalid",
        ),
        (
            "Executable",
            json!({}),
            "spec.executablePath FieldValueRequired",
        ),
        (
            "Executable",
            json!({"executablePath": "a", "executionType": "IDE"}),
            "spec.executionType FieldValueForbidden",
        ),
        (
            "Executable",
            json!({"executablePath": "a", "workingDirectory": "x"}),
            "spec.workingDirectory FieldValueInvalid",
        ),
        (
            "Executable",
            json!({"executablePath": "a", "monitorPid": 1}),
            "spec.monitorTimestamp FieldValueRequired",
        ),
        (
            "Executable",
            json!({"executablePath": "a", "monitorPid": 0, "monitorTimestamp": "2026-01-02T03:04:05Z"}),
            "spec.monitorPid FieldValueInvalid",
        ),
        (
            "Executable",
            json!({"executablePath": "a", "monitorPid": 1, "monitorTimestamp": "soon"}),
            "spec.monitorTimestamp FieldValueInvalid",
        ),
        (
            "Container",
            json!({"mode": "existing", "containerName": "a", "monitorPid": 1, "monitorTimestamp": "2026-01-02T03:04:05Z"}),
            "spec.monitorPid FieldValueForbidden",
        ),
        (
            "Executable",
            json!({"executablePath": "a", "healthProbes": [{"name": "a", "type": "Executable", "schedule": {"interval": "1s"}}]}),
            "spec.healthProbes[0].executableProbe FieldValueRequired",
        ),
        (
            "Executable",
            json!({"executablePath": "a", "healthProbes": [{
                "name": "a", "type": "HTTP", "httpProbe": {"url": "x"}, "schedule": {"interval": "1s"},
                "executableProbe": {"executableTemplate": {"spec": {"executablePath": "b"}}},
            }]}),
            "spec.healthProbes[0].executableProbe FieldValueForbidden",
        ),
        (
            "Executable",
            json!({"executablePath": "a", "healthProbes": [{
                "name": "a", "type": "Executable", "schedule": {"interval": "1s"},
                "executableProbe": {"executableTemplate": {
                    "labels": {"x": "y"}, "spec": {"executablePath": "b", "start": false, "workingDirectory": "c"},
                }},
            }]}),
            "spec.healthProbes[0].executableProbe.executableTemplate.spec.workingDirectory FieldValueInvalid \
             spec.healthProbes[0].executableProbe.executableTemplate.labels FieldValueForbidden \
             spec.healthProbes[0].executableProbe.executableTemplate.spec.start FieldValueForbidden",
        ),
        (
            "Executable",
            json!({"executablePath": "a", "lifecycleKey": "k"}),
            "spec.lifecycleKey FieldValueForbidden",
        ),
        (
            "Executable",
            json!({"executablePath": "a", "mode": "existing"}),
            "spec.mode FieldValueNotSupported",
        ),
        (
            "Executable",
            json!({"executablePath": "a", "healthProbes": [{"name": "_a", "type": "HTTP", "httpProbe": {"url": "x"}, "schedule": {"interval": "1s"}}]}),
            "spec.healthProbes[0].name FieldValueInvalid",
        ),
        (
            "Executable",
            json!({"executablePath": "a", "healthProbes": [{"name": "a", "type": "HTTP", "schedule": {"interval": "soon"}}]}),
            "spec.healthProbes[0].httpProbe FieldValueRequired spec.healthProbes[0].schedule.interval FieldValueInvalid",
        ),
        (
            "ExecutableReplicaSet",
            json!({"replicas": -1, "template": {"spec": {}}}),
            "spec.replicas FieldValueInvalid spec.template.spec.executablePath FieldValueRequired",
        ),
        (
            "ExecutableReplicaSet",
            json!({"replicas": 1, "template": {"spec": {"executablePath": "a", "mode": "persistent"}}}),
            "spec.template.spec.mode FieldValueForbidden",
        ),
        (
            "Endpoint",
            json!({"serviceNamespace": "x"}),
            "spec.serviceName FieldValueRequired spec.address FieldValueRequired spec.port FieldValueRequired spec.serviceNamespace FieldValueInvalid",
        ),
        (
            "Service",
            json!({"address": "::1", "addressAllocationMode": "Proxyless"}),
            "spec.address FieldValueForbidden",
        ),
        ("ContainerVolume", json!({}), "spec.name FieldValueRequired"),
        (
            "ContainerNetwork",
            json!({"persistent": true}),
            "spec.networkName FieldValueRequired",
        ),
        (
            "ContainerExec",
            json!({}),
            "spec.containerName FieldValueRequired spec.command FieldValueRequired",
        ),
    ];
    for (kind, spec, expected) in cases {
        let errors = validate(&object(kind, spec.clone()));
        assert_eq!(found(&errors).join(" "), expected, "{kind} {spec}");
    }
}

#[test]
fn changed_ones() {
    let cases = [
        (
            "Container",
            json!({"image": "a"}),
            json!({"image": "b"}),
            "spec.image",
        ),
        (
            "Container",
            json!({"image": "a"}),
            json!({"image": "a", "networks": []}),
            "spec.networks",
        ),
        (
            "Container",
            json!({"image": "a", "start": true}),
            json!({"image": "a", "start": false}),
            "spec.start",
        ),
        (
            "Executable",
            json!({"executablePath": "a", "stop": true}),
            json!({"executablePath": "a"}),
            "spec.stop",
        ),
        (
            "Executable",
            json!({"executablePath": "a", "start": false}),
            json!({"executablePath": "b"}),
            "",
        ),
        (
            "ContainerExec",
            json!({"containerName": "a", "command": "b"}),
            json!({"containerName": "a", "command": "c"}),
            "spec",
        ),
    ];
    for (kind, old, new, expected) in cases {
        let errors = validate_update(&object(kind, old), &object(kind, new.clone()));
        let fields: Vec<_> = errors.iter().map(|error| error.field.clone()).collect();
        assert_eq!(fields.join(" "), expected, "{kind} {new}");
        assert!(
            errors
                .iter()
                .all(|error| error.reason == FieldErrorReason::Forbidden)
        );
    }
}

#[test]
fn durations() {
    let cases = [
        ("5s", Some(5000)),
        ("1.5s", Some(1500)),
        ("1h2m3s", Some(3_723_000)),
        ("150ms", Some(150)),
        ("1us", Some(1)),
        ("0", Some(0)),
        ("", None),
        ("5", None),
        ("s", None),
        ("5 s", None),
    ];
    for (text, expected) in cases {
        assert_eq!(duration(text), expected, "{text}");
    }
}
