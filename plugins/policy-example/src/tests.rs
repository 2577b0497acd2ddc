//! What the policy asks for, without a host.

use aspire_sdk::testing::{FakeModel, run};
use aspire_sdk::{Parameter, Plugin};
use insta::assert_snapshot;

use crate::Policy;

fn app() -> FakeModel {
    FakeModel::new("shop").with(|edits| {
        edits
            .container("cache", "redis")
            .image("docker.io/library/redis:8.6");
        edits
            .container("ui", "container")
            .image("ghcr.io/example/ui:latest");
        edits.container("own", "container");
        edits.executable("api", "executable").set(
            "publish-image",
            aspire_sdk::Fact::Text("example/api".into()),
        );
        edits.parameter("key", Parameter::secret());
    })
}

#[test]
fn unpinned_images_are_refused() {
    assert_snapshot!(run::<Policy>("refuse-latest", &app()).unwrap(), @r"
    error policy-example:unpinned-image: `api` uses the image `example/api`, which may change at any time (at api); name a tag other than `latest`, or a digest
    error policy-example:unpinned-image: `ui` uses the image `ghcr.io/example/ui:latest`, which may change at any time (at ui); name a tag other than `latest`, or a digest
    ");
}

#[test]
fn the_registry_is_the_companys() {
    assert_snapshot!(run::<Policy>("rewrite-registry", &app()).unwrap(), @"cache: image = registry.example.com/library/redis:8.6");
}

#[test]
fn every_container_has_an_owner() {
    assert_snapshot!(run::<Policy>("add-label", &app()).unwrap(), @r"
    cache: labels.com.example.owned-by = platform
    own: labels.com.example.owned-by = platform
    ui: labels.com.example.owned-by = platform
    ");
}

#[test]
fn every_registered_pass_runs() {
    for pass in Policy::describe().passes {
        run::<Policy>(&pass.name, &app()).unwrap();
    }
    assert_snapshot!(run::<Policy>("nonsense", &app()).unwrap_err(), @"sdk:unknown-pass: this plugin has no pass `nonsense`");
}
