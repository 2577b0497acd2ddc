//! Networks and volumes on the real engine: clauses 12, 13, 27 and 28.

use std::time::Duration;

use aspire_dcp::identity::{
    CREATOR_LABEL, HOST_LABEL, INSTANCE_LABEL, PERSISTENT_LABEL, RUN_LABEL,
};
use serde_json::{Value, json};

use crate::lab::{IMAGE, Lab, STAYS, Thing, docker, shell, state, there_is, with};
use crate::support::Folders;

const C: &str = "containers/c";

#[tokio::test]
async fn a_container_waits_for_its_network_and_is_found_by_its_alias() {
    let Some(lab) = Lab::docker("waits").await else {
        return;
    };
    let on = |alias: &str| json!({"networks": [{"name": "net", "aliases": [alias]}]});
    let server = "mkdir /w; echo found > /w/x; exec httpd -f -p 80 -h /w";
    lab.make("Container", "c", with(shell(server), &on("here")))
        .await;
    let waits = lab
        .until(C, |it| it["status"]["waitingFor"] != Value::Null)
        .await;
    assert_eq!(
        waits["status"]["waitingFor"][0],
        "network net (not created yet)"
    );
    assert_eq!(lab.left(&["ps", "-aq"]), "");
    lab.make("ContainerNetwork", "net", json!({})).await;
    lab.reaches(C, "Running").await;
    let caller = "for n in 1 2 3 4 5 6 7 8 9; do wget -qO- http://here/x && exit; sleep 0.2; done";
    lab.make("Container", "caller", with(shell(caller), &on("there")))
        .await;
    lab.reaches("containers/caller", "Exited").await;
    assert_eq!(lab.log("containers/caller", "").await, "found\n");
    lab.end().await;
}

#[tokio::test]
async fn edited_networks_are_joined_and_left_and_those_of_others_kept() {
    let Some(lab) = Lab::docker("edit").await else {
        return;
    };
    let foreign = Thing::new("network", lab.name("foreign"));
    docker(&["network", "create", &foreign.1]);
    for name in ["a", "b"] {
        let spec = json!({"networkName": lab.name(name)});
        lab.make("ContainerNetwork", name, spec).await;
    }
    let spec = with(shell(STAYS), &json!({"networks": [{"name": "a"}]}));
    lab.make("Container", "c", spec).await;
    let object = lab.reaches(C, "Running").await;
    let id = object["status"]["containerId"].as_str().unwrap();
    docker(&["network", "connect", &foreign.1, id]);
    let is_on = async |wanted: &[&str]| {
        let mut wanted: Vec<String> = wanted.iter().map(|name| lab.name(name)).collect();
        wanted.sort();
        let mut found = Vec::new();
        for _ in 0..600 {
            let form = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
            let text = docker(&["inspect", "-f", form, id]);
            found = text.split_whitespace().map(str::to_owned).collect();
            found.sort();
            if found == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{found:?} instead of {wanted:?}");
    };
    is_on(&["a", "foreign"]).await;
    lab.change(
        C,
        json!({"networks": [{"name": "a"}, {"name": "b", "aliases": ["me"]}]}),
    )
    .await;
    is_on(&["a", "b", "foreign"]).await;
    let form = format!(
        "{{{{(index .NetworkSettings.Networks \"{}\").Aliases}}}}",
        lab.name("b")
    );
    let aliases = docker(&["inspect", "-f", &form, id]);
    assert!(aliases.contains("me"), "{aliases}");
    lab.change(C, json!({"networks": [{"name": "b", "aliases": ["me"]}]}))
        .await;
    is_on(&["b", "foreign"]).await;
    lab.until(C, |it| it["status"]["networks"] == json!(["b"]))
        .await;
    lab.change(C, json!({"networks": []})).await;
    is_on(&["foreign"]).await;
    assert_eq!(state(&lab.get(C).await.unwrap()), "Running");
    // It can't be given up to be managed, nor the other way round.
    let (code, _) = lab.patch(C, json!({"networks": null})).await;
    assert_eq!(code, 422);
    lab.remove(C).await;
    lab.end().await;
}

#[tokio::test]
async fn networks_are_made_found_and_removed() {
    let Some(lab) = Lab::docker("nets").await else {
        return;
    };
    let kept = Thing::new("network", lab.name("kept"));
    docker(&["network", "create", &kept.1]);
    let id = docker(&["network", "inspect", "-f", "{{.Id}}", &kept.1]);
    let own = lab.name("own");
    lab.make("ContainerNetwork", "own", json!({"networkName": own}))
        .await;
    lab.make(
        "ContainerNetwork",
        "kept",
        json!({"networkName": kept.1, "persistent": true}),
    )
    .await;
    let missing = json!({"networkName": lab.name("missing"), "mode": "existing"});
    lab.make("ContainerNetwork", "missing", missing).await;
    let made = lab.reaches("containernetworks/own", "Running").await["status"].clone();
    assert_eq!(
        made["id"],
        docker(&["network", "inspect", "-f", "{{.Id}}", &own])
    );
    assert_eq!(
        (&made["networkName"], &made["driver"]),
        (&json!(own), &json!("bridge"))
    );
    assert!(made["subnets"][0].as_str().unwrap().contains('/'), "{made}");
    let found = lab.reaches("containernetworks/kept", "Running").await;
    assert_eq!(found["status"]["id"], id);
    lab.reaches("containernetworks/missing", "NotFound").await;
    for name in ["own", "kept", "missing"] {
        lab.remove(&format!("containernetworks/{name}")).await;
    }
    assert!(!there_is("network", &own));
    assert!(there_is("network", &kept.1));
    lab.end().await;
}

/// Of what is in the engine at the start of a run, only what a dead host of this machine left goes.
#[tokio::test]
async fn only_what_a_dead_host_left_is_harvested() {
    let Some(lab) = Lab::docker("harvest").await else {
        return;
    };
    // What this host puts on what it makes.
    lab.make("ContainerNetwork", "net", json!({})).await;
    let own = lab.reaches("containernetworks/net", "Running").await;
    let own = own["status"]["networkName"].as_str().unwrap().to_owned();
    let labels = docker(&["network", "inspect", "-f", "{{json .Labels}}", &own]);
    let labels: Value = serde_json::from_str(&labels).unwrap();
    let label = |name: &str| labels[name].as_str().unwrap().to_owned();
    let (live, machine) = (label(CREATOR_LABEL), label(HOST_LABEL));
    let (_, boot) = live.rsplit_once(':').unwrap();
    let dead = format!("1:0:{boot}");
    let cases = [
        ("dead", &*dead, &*machine, false),
        ("live", &live, &machine, false),
        ("elsewhere", &dead, "another-machine", false),
        ("kept", &dead, &machine, true),
        ("foreign", "", "", false),
    ];
    let mut things = Vec::new();
    for (name, creator, host, persistent) in cases {
        let mut with = vec![format!("{INSTANCE_LABEL}={}", lab.name("left"))];
        if !creator.is_empty() {
            with.push(format!("{RUN_LABEL}=0123456789abcdef"));
            with.push(format!("{CREATOR_LABEL}={creator}"));
            with.push(format!("{HOST_LABEL}={host}"));
        }
        if persistent {
            with.push(format!("{PERSISTENT_LABEL}=true"));
        }
        let with: Vec<&str> = with.iter().flat_map(|label| ["--label", label]).collect();
        let network = Thing::new("network", lab.name(&format!("{name}-net")));
        docker(&[&["network", "create"], &*with, &[&network.1]].concat());
        let container = Thing::new("container", lab.name(name));
        let run = [
            &["run", "-d", "--name", &container.1],
            &*with,
            &[IMAGE, "sleep", "1000"],
        ];
        docker(&run.concat());
        // Containers go first.
        things.extend([(name, container), (name, network)]);
    }
    let other = Lab::docker_in("harvester", Folders::new()).await.unwrap();
    // New things are made once what was left is gone.
    other.make("Container", "c", shell("true")).await;
    other.reaches(C, "Exited").await;
    for (name, thing) in &things {
        let what = if thing.1.ends_with("-net") {
            "network"
        } else {
            "container"
        };
        assert_eq!(there_is(what, &thing.1), *name != "dead", "{}", thing.1);
    }
    other.end().await;
    lab.end().await;
}

#[tokio::test]
async fn volumes_are_kept_or_removed_with_what_is_in_them() {
    let Some(lab) = Lab::docker("volumes").await else {
        return;
    };
    let kept = Thing::new("volume", lab.name("kept"));
    let lost = Thing::new("volume", lab.name("lost"));
    let names = [&kept.1, &lost.1];
    // The default is to keep.
    lab.make("ContainerVolume", "kept", json!({"name": kept.1}))
        .await;
    lab.make(
        "ContainerVolume",
        "lost",
        json!({"name": lost.1, "persistent": false}),
    )
    .await;
    let mounts: Vec<Value> = names
        .iter()
        .map(|name| json!({"type": "volume", "source": name, "target": format!("/{name}")}))
        .collect();
    let script = format!(
        "echo x >> /{0}/file; cat /{0}/file; echo x > /{1}/file",
        kept.1, lost.1
    );
    let spec = with(shell(&script), &json!({ "volumeMounts": mounts }));
    for expected in ["x\n", "x\nx\n"] {
        lab.make("Container", "c", spec.clone()).await;
        let ended = lab.reaches(C, "Exited").await;
        assert_eq!(ended["status"]["exitCode"], 0);
        assert_eq!(lab.log(C, "?tail=2").await, expected);
        lab.remove(C).await;
    }
    for name in ["kept", "lost"] {
        let path = format!("containervolumes/{name}");
        lab.reaches(&path, "Ready").await;
        lab.remove(&path).await;
    }
    assert!(there_is("volume", &kept.1));
    assert!(!there_is("volume", &lost.1));
    lab.end().await;
}
