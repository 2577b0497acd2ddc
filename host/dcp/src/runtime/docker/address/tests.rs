//! Which engine is chosen, over every way to choose one.

use std::fs;

use super::*;

fn addresses(environment: &EngineEnvironment) -> Vec<String> {
    candidates(environment)
        .unwrap()
        .into_iter()
        .map(|candidate| candidate.address)
        .collect()
}

/// A home folder in which `docker context use remote` was called.
fn home(host: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join(".docker");
    let digest: String = Sha256::digest(b"remote")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let meta = config.join("contexts/meta").join(digest);
    fs::create_dir_all(&meta).unwrap();
    fs::write(config.join("config.json"), r#"{"currentContext":"remote"}"#).unwrap();
    let text = format!(r#"{{"Name":"remote","Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
    fs::write(meta.join("meta.json"), text).unwrap();
    home
}

#[test]
fn well_known_sockets_in_their_order() {
    let environment = EngineEnvironment {
        xdg_runtime_dir: Some("/run/user/7".into()),
        ..EngineEnvironment::default()
    };
    assert_eq!(
        addresses(&environment),
        [
            "unix:///var/run/docker.sock",
            "unix:///run/user/7/docker.sock",
            "unix:///run/user/7/podman/podman.sock",
            "unix:///run/podman/podman.sock",
        ]
    );
}

#[test]
fn docker_host_comes_first_and_alone() {
    let home = home("unix:///elsewhere.sock");
    for (host, address) in [
        ("unix:///a.sock", "unix:///a.sock"),
        ("tcp://box", "tcp://box:2375"),
        ("tcp://box:99/", "tcp://box:99"),
        ("tcp://[::1]:99", "tcp://[::1]:99"),
        ("tcp://[::1]", "tcp://[::1]:2375"),
    ] {
        let environment = EngineEnvironment {
            docker_host: Some(host.to_owned()),
            home: Some(home.path().to_owned()),
            ..EngineEnvironment::default()
        };
        assert_eq!(addresses(&environment), [address]);
    }
}

#[test]
fn addresses_that_are_not_served_are_told() {
    for (host, tls) in [
        ("ssh://me@box", None),
        ("tcp://box:2376", Some("1")),
        ("box", None),
    ] {
        let environment = EngineEnvironment {
            docker_host: Some(host.to_owned()),
            docker_tls_verify: tls.map(str::to_owned),
            ..EngineEnvironment::default()
        };
        let error = candidates(&environment).unwrap_err();
        assert!(
            matches!(&error, EngineError::Refused { address, .. } if address == host),
            "{error}"
        );
    }
}

#[test]
fn the_current_context_comes_next() {
    let home = home("unix:///context.sock");
    let mut environment = EngineEnvironment {
        home: Some(home.path().to_owned()),
        ..EngineEnvironment::default()
    };
    let found = candidates(&environment).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].address, "unix:///context.sock");
    assert_eq!(found[0].origin, Origin::Context("remote".to_owned()));

    environment.docker_context = Some("default".to_owned());
    assert_eq!(addresses(&environment)[0], "unix:///var/run/docker.sock");

    environment.docker_context = Some("gone".to_owned());
    let error = candidates(&environment).unwrap_err().to_string();
    assert!(error.contains("`gone`"), "{error}");
}

#[test]
fn a_context_over_ssh_is_told() {
    let home = home("ssh://box");
    let environment = EngineEnvironment {
        home: Some(home.path().to_owned()),
        ..EngineEnvironment::default()
    };
    let error = candidates(&environment).unwrap_err();
    assert!(matches!(error, EngineError::Refused { .. }), "{error}");
}

#[test]
fn a_broken_configuration_is_none() {
    let home = home("unix:///context.sock");
    fs::write(home.path().join(".docker/config.json"), "{").unwrap();
    let environment = EngineEnvironment {
        home: Some(home.path().to_owned()),
        ..EngineEnvironment::default()
    };
    assert_eq!(addresses(&environment)[0], "unix:///var/run/docker.sock");
}
