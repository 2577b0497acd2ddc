//! Server-side apply, case by case.

use serde_json::json;

use super::*;

const V1: &str = "usvc-dev.developer.microsoft.com/v1";

fn schema() -> Value {
    json!({"properties": {
        "spec": {"properties": {
            "args": {"items": {"type": "string"}},
            "stop": {}, "replicas": {},
            "env": {"additionalProperties": {"type": "string"}},
            "ports": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
                      "items": {"properties": {"port": {}, "name": {}}}},
        }},
        "status": {"properties": {"state": {}, "exitCode": {}}},
    }})
}

fn by<'a>(manager: &'a str, now: &'a str) -> Writer<'a> {
    Writer {
        manager,
        api_version: V1,
        subresource: "",
        now,
    }
}

fn config(spec: Value) -> Value {
    json!({"apiVersion": V1, "kind": "Executable", "metadata": {"name": "web"}, "spec": spec})
}

struct World {
    schema: Value,
    live: Option<Value>,
}

impl World {
    fn new() -> Self {
        Self {
            schema: schema(),
            live: None,
        }
    }

    fn apply(&mut self, manager: &str, now: &str, spec: Value) -> Result<(), ApplyError> {
        self.apply_object(manager, now, &config(spec), false)
    }

    fn apply_object(
        &mut self,
        manager: &str,
        now: &str,
        config: &Value,
        force: bool,
    ) -> Result<(), ApplyError> {
        let schema = Schema::of_object(&self.schema);
        let writer = by(manager, now);
        self.live = Some(apply(&schema, self.live.as_ref(), config, &writer, force)?);
        Ok(())
    }

    fn update(&mut self, manager: &str, now: &str, change: impl FnOnce(&mut Value)) {
        let mut new = self.live.clone().unwrap_or_else(|| config(json!({})));
        change(&mut new);
        let schema = Schema::of_object(&self.schema);
        self.live = Some(track_update(
            &schema,
            self.live.as_ref(),
            &new,
            &by(manager, now),
        ));
    }

    fn spec(&self) -> &Value {
        &self.live.as_ref().unwrap()["spec"]
    }

    fn owners(&self) -> Vec<(String, String, String, Value)> {
        ManagedFields::of_object(self.live.as_ref().unwrap())
            .unwrap()
            .entries
            .into_iter()
            .map(|e| {
                (
                    e.manager,
                    format!("{:?}", e.operation),
                    e.time,
                    e.fields.to_value(),
                )
            })
            .collect()
    }

    fn owned_by(&self, manager: &str) -> Option<Value> {
        let owners = self.owners();
        owners.into_iter().find(|o| o.0 == manager).map(|o| o.3)
    }
}

#[test]
fn create_and_apply_again() {
    let mut world = World::new();
    world
        .apply("kubectl", "t1", json!({"args": ["a"], "env": {"A": "1"}}))
        .unwrap();
    assert_eq!(
        world.live,
        Some(json!({
            "apiVersion": V1, "kind": "Executable",
            "metadata": {"name": "web", "managedFields": [{
                "manager": "kubectl", "operation": "Apply", "apiVersion": V1, "time": "t1",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:args": {}, "f:env": {"f:A": {}}}},
            }]},
            "spec": {"args": ["a"], "env": {"A": "1"}},
        }))
    );
    let first = world.live.clone();
    world
        .apply("kubectl", "t2", json!({"args": ["a"], "env": {"A": "1"}}))
        .unwrap();
    assert_eq!(world.live, first, "not even the time");
    world
        .apply("kubectl", "t3", json!({"args": ["b"], "env": {"A": "1"}}))
        .unwrap();
    assert_eq!(world.owners()[0].2, "t3");
}

#[test]
fn conflict_and_force() {
    let mut world = World::new();
    world
        .apply("kubectl", "t1", json!({"args": ["a"], "stop": true}))
        .unwrap();
    world.update("kubectl-edit", "t2", |object| {
        object["spec"]["args"] = json!(["b"]);
    });
    assert_eq!(
        world.owned_by("kubectl"),
        Some(json!({"f:spec": {"f:stop": {}}}))
    );
    assert_eq!(
        world.owned_by("kubectl-edit"),
        Some(json!({"f:spec": {"f:args": {}}}))
    );

    let error = world
        .apply("kubectl", "t3", json!({"args": ["a"], "stop": true}))
        .unwrap_err();
    let status = Status::from(error).to_value();
    assert_eq!(status["code"], 409);
    assert_eq!(status["reason"], "Conflict");
    assert_eq!(
        status["message"],
        "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using \
         usvc-dev.developer.microsoft.com/v1: .spec.args"
    );
    assert_eq!(
        status["details"]["causes"],
        json!([{
            "reason": "FieldManagerConflict", "field": ".spec.args",
            "message": "conflict with \"kubectl-edit\" using usvc-dev.developer.microsoft.com/v1",
        }])
    );

    let wanted = config(json!({"args": ["a"], "stop": true}));
    world.apply_object("kubectl", "t4", &wanted, true).unwrap();
    assert_eq!(
        world.owned_by("kubectl-edit"),
        None,
        "owns nothing, so it is gone"
    );
    assert_eq!(world.spec()["args"], json!(["a"]));
}

#[test]
fn several_conflicts() {
    let mut world = World::new();
    world
        .apply("a", "t1", json!({"args": ["a"], "replicas": 1}))
        .unwrap();
    world.apply("b", "t1", json!({"stop": true})).unwrap();
    let error = world
        .apply(
            "c",
            "t2",
            json!({"args": ["c"], "replicas": 2, "stop": false}),
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 3 conflicts: conflicts with \"a\":\n- .spec.args\n- .spec.replicas\n\
         conflicts with \"b\":\n- .spec.stop"
    );
}

#[test]
fn shared_ownership_and_removal() {
    let mut world = World::new();
    world
        .apply(
            "a",
            "t1",
            json!({"replicas": 1, "env": {"A": "1", "B": "2"}}),
        )
        .unwrap();
    world.apply("b", "t2", json!({"replicas": 1})).unwrap();
    // Nobody else owns B; b still owns replicas.
    world.apply("a", "t3", json!({"env": {"A": "1"}})).unwrap();
    assert_eq!(world.spec(), &json!({"replicas": 1, "env": {"A": "1"}}));
    world.apply("b", "t4", json!({"stop": true})).unwrap();
    assert_eq!(world.spec(), &json!({"stop": true, "env": {"A": "1"}}));
    world.apply("a", "t5", json!({"args": []})).unwrap();
    assert_eq!(world.spec(), &json!({"stop": true, "args": []}));
}

#[test]
fn items_of_lists() {
    let mut world = World::new();
    world
        .apply("a", "t1", json!({"ports": [{"port": 80, "name": "http"}]}))
        .unwrap();
    world
        .apply("b", "t2", json!({"ports": [{"port": 81}]}))
        .unwrap();
    let error = world
        .apply("b", "t3", json!({"ports": [{"port": 80, "name": "x"}]}))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("conflict with \"a\": .spec.ports[port=80].name")
    );
    world.apply("a", "t4", json!({})).unwrap();
    assert_eq!(world.spec(), &json!({"ports": [{"port": 81}]}));

    let bad = json!({"ports": [{"port": 1}, {"port": 1}]});
    let error = world.apply("a", "t5", bad).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to create typed patch object (/web; usvc-dev.developer.microsoft.com/v1, \
         Kind=Executable): .spec.ports: duplicate entries for key [port=1]"
    );
    let error = world.apply("a", "t5", json!({"oops": 1})).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(".spec.oops: field not declared in schema")
    );
    assert_eq!(Status::from(error).code, 400);
}

#[test]
fn updates() {
    let mut world = World::new();
    world.update("app", "t1", |object| {
        object["metadata"]["uid"] = json!("u");
        object["metadata"]["labels"] = json!({"a": "b"});
        object["spec"] = json!({"env": {"A": "1"}, "stop": false});
    });
    assert_eq!(
        world.owners(),
        [(
            "app".to_owned(),
            "Update".to_owned(),
            "t1".to_owned(),
            json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}},
                   "f:spec": {".": {}, "f:env": {".": {}, "f:A": {}}, "f:stop": {}}}),
        )]
    );
    let before = world.live.clone();
    world.update("app", "t2", |_| {});
    world.update("other", "t2", |_| {});
    assert_eq!(world.live, before, "no change, no entry, no time");
    world.update("app", "t3", |object| object["spec"]["stop"] = json!(true));
    assert_eq!(world.owners()[0].2, "t3");
    world.update("other", "t4", |object| {
        object["spec"].as_object_mut().unwrap().remove("env");
    });
    assert_eq!(world.owners().len(), 1, "nothing gained");
    assert_eq!(
        world.owned_by("app"),
        Some(json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}},
                    "f:spec": {".": {}, "f:stop": {}}}))
    );
    // A client that knows nothing of managedFields doesn't lose them; one that says so does.
    world.update("other", "t5", |object| {
        object["metadata"]["managedFields"] = json!([]);
    });
    assert_eq!(world.owners().len(), 1);
    world.update("other", "t6", |object| {
        object["metadata"]["managedFields"] = json!([{}]);
    });
    assert_eq!(world.owners(), []);
    assert_eq!(
        world.live.as_ref().unwrap()["metadata"].get("managedFields"),
        None
    );
}

#[test]
fn what_was_there_before() {
    let mut world = World::new();
    world.live = Some(config(json!({"stop": false, "replicas": 1})));
    let error = world
        .apply("kubectl", "t1", json!({"stop": true, "replicas": 1}))
        .unwrap_err();
    assert!(
        error.to_string().contains("\"before-first-apply\" using"),
        "{error}"
    );
    world
        .apply("kubectl", "t1", json!({"replicas": 1}))
        .unwrap();
    assert_eq!(
        world.owned_by("before-first-apply"),
        Some(json!({"f:spec": {".": {}, "f:replicas": {}, "f:stop": {}}}))
    );
}

#[test]
fn the_status_is_apart() {
    let schema = schema();
    let schema = Schema::of_object(&schema);
    let mut object = config(json!({"stop": false}));
    object["status"] = json!({"state": "Running"});
    let live = apply(&schema, None, &object, &by("kubectl", "t1"), false).unwrap();
    assert_eq!(live.get("status"), None);

    let controller = Writer {
        subresource: "status",
        ..by("controller", "t2")
    };
    let mut changed = object.clone();
    changed["spec"]["stop"] = json!(true);
    changed["metadata"]["labels"] = json!({"x": "y"});
    let live = apply(&schema, Some(&live), &changed, &controller, false).unwrap();
    assert_eq!(live["status"], json!({"state": "Running"}));
    assert_eq!(live["spec"], json!({"stop": false}));
    assert_eq!(live["metadata"].get("labels"), None);
    assert_eq!(live["metadata"]["name"], "web");
    let entry = &live["metadata"]["managedFields"][1];
    assert_eq!(entry["subresource"], "status");
    assert_eq!(entry["fieldsV1"], json!({"f:status": {"f:state": {}}}));

    let mut new = live.clone();
    new["status"]["exitCode"] = json!(1);
    new["metadata"]["managedFields"] = json!([{}]);
    let live = track_update(&schema, Some(&live), &new, &controller);
    let list = live["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(list.len(), 3, "no reset by a subresource");
    let conflict = apply(
        &schema,
        Some(&live),
        &json!({"apiVersion": V1, "kind": "Executable",
        "status": {"exitCode": 2}}),
        &Writer {
            subresource: "status",
            ..by("x", "t3")
        },
        false,
    )
    .unwrap_err();
    assert_eq!(
        conflict.to_string(),
        format!(
            "Apply failed with 1 conflict: conflict with \"controller\" with subresource \
             \"status\" using {V1}: .status.exitCode"
        )
    );
}

#[test]
fn malformed_configurations() {
    let mut world = World::new();
    let mut object = config(json!({}));
    object["metadata"]["managedFields"] = json!([{}]);
    for bad in [json!([]), json!(1), object] {
        let error = world.apply_object("a", "t", &bad, true).unwrap_err();
        assert_eq!(Status::from(error).code, 400, "{bad}");
    }
}

#[test]
fn a_scalar_in_place_of_a_map_is_a_conflict() {
    let schema = Schema::unknown();
    let first = json!({"spec": {"x": {"y": 1}}});
    let live = apply(&schema, None, &first, &by("a", "t1"), false).unwrap();
    let second = json!({"spec": {"x": 5}});
    let error = apply(&schema, Some(&live), &second, &by("b", "t2"), false).unwrap_err();
    assert!(error.to_string().contains("- .spec.x.y"), "{error}");
    let live = apply(&schema, Some(&live), &second, &by("b", "t2"), true).unwrap();
    let owners = ManagedFields::of_object(&live).unwrap();
    let of_a = owners.entries.iter().find(|e| e.manager == "a").unwrap();
    assert_eq!(
        of_a.fields.to_value(),
        json!({"f:spec": {}}),
        "only what both say"
    );
}

#[test]
fn from_client_side_to_server_side() {
    let mut world = World::new();
    let last = config(json!({"args": ["a"], "replicas": 1})).to_string();
    world.update("kubectl-client-side-apply", "t1", |object| {
        object["metadata"]["annotations"] = json!({last_applied::LAST_APPLIED: last});
        object["spec"] = json!({"args": ["a"], "replicas": 1});
    });
    // Set by kubectl, and unchanged since: no conflict, but for anybody else there is one.
    let error = world
        .apply("other", "t2", json!({"args": ["b"]}))
        .unwrap_err();
    assert!(error.to_string().contains("kubectl-client-side-apply"));
    world
        .apply("kubectl", "t2", json!({"args": ["b"], "replicas": 1}))
        .unwrap();
    assert_eq!(world.spec()["args"], json!(["b"]));
    let live = world.live.clone().unwrap();
    assert_eq!(
        live["metadata"]["annotations"][last_applied::LAST_APPLIED],
        config(json!({"args": ["b"], "replicas": 1})).to_string()
    );
    // Changed by somebody else in the meantime: a conflict.
    world.update("somebody", "t3", |object| {
        object["spec"]["replicas"] = json!(5);
    });
    let error = world
        .apply("kubectl", "t4", json!({"args": ["c"], "replicas": 2}))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("Apply failed with 1 conflict: conflict with \"somebody\"")
    );

    // kubectl hands the old entry over with a patch of managedFields.
    world.update("kubectl", "t5", |object| {
        let list = object["metadata"]["managedFields"].as_array_mut().unwrap();
        list.retain(|entry| entry["manager"] != "kubectl-client-side-apply");
    });
    assert_eq!(world.owned_by("kubectl-client-side-apply"), None);
    assert!(world.owned_by("kubectl").is_some());
}
