//! Everything that a container can say about how it runs.

use aspire_sdk::{Edits, Fact, Mount, Parameter, Shape, Wait, expr};
use insta::assert_snapshot;

use super::{compose, composed, lowered, model};

#[test]
fn constructs_of_a_container() {
    let constructs = lowered(|edits: &mut Edits| {
        edits.parameter(
            "cache-password",
            Parameter::generated(22).description("Password of cache"),
        );
        edits
            .container("cache", "redis")
            .image("docker.io/library/redis:8.6")
            .entrypoint(["/bin/sh"])
            .args(["-c", "redis-server --requirepass \"$REDIS_PASSWORD\""])
            .env("REDIS_PASSWORD", expr::param("cache-password"))
            .volume("data", "/data");
    });
    assert_snapshot!(constructs, @r#"
    service/cache: compose:service "cache" of "cache"
    service/cache: command = ["-c","redis-server --requirepass \"$REDIS_PASSWORD\""]
    service/cache: entrypoint = ["/bin/sh"]
    service/cache: environment = {"REDIS_PASSWORD":{"$expr":[{"op":"param","subject":"cache-password"}]}}
    service/cache: image = "docker.io/library/redis:8.6"
    service/cache: labels = {"aspire-host.dev/app":"shop","aspire-host.dev/resource":"cache"}
    service/cache: restart = "unless-stopped"
    service/cache: volumes = [{"source":"cache-data","target":"/data","type":"volume"}]
    parameter/cache-password: compose:parameter "cache-password" of "cache-password"
    parameter/cache-password: description = "Password of cache"
    parameter/cache-password: generated = 22
    parameter/cache-password: secret = true
    parameter/cache-password: special = false
    volume/cache-data: compose:volume "cache-data" of "cache"
    cache-password.parameter adapted: Compose makes up no values: .env.example says how to make one
    "#);
}

#[test]
fn all_settings() {
    let text = composed(|edits| {
        edits
            .container("web", "container")
            .image("nginx:1")
            .description("The $hop")
            .pull("always")
            .user("1000:1000")
            .working_directory("/srv")
            .label("team", "blue")
            .alias("www", "")
            .replicas(3)
            .stop_grace(1_500)
            .restart("on-failure")
            .set("limit-cpu-millis", Fact::Number(1_250))
            .set("limit-memory", Fact::Number(536_870_912))
            .set("env-files", Fact::Values(vec!["./web.env".into()]))
            .privilege("cap-add:NET_ADMIN", "")
            .privilege("device:/dev/fuse", "")
            .privilege("device:/dev/snd", "/dev/sound")
            .privilege("privileged", "")
            .privilege("gpus", "all")
            .privilege("seccomp:off", "");
    });
    assert_snapshot!(text, @r#"
    services:
      web:
        image: "nginx:1"
        pull_policy: always
        working_dir: /srv
        user: "1000:1000"
        env_file:
          - "../web.env"
        networks:
          default:
            aliases:
              - www
        scale: 3
        cpus: "1.25"
        mem_limit: 536870912
        deploy:
          resources:
            reservations:
              devices:
                - capabilities:
                    - gpu
                  count: all
        restart: on-failure
        stop_grace_period: "2s"
        cap_add:
          - NET_ADMIN
        devices:
          - /dev/fuse
          - "/dev/snd:/dev/sound"
          aspire-host.dev/description: "The $$hop"
          team: blue
        privileged: true
    web.description adapted: a label
    web.env-files adapted: read in place, where Compose runs
    web.privileges.seccomp:off dropped: Compose has no privilege `seccomp:off`
    web.stop-grace adapted: whole seconds, rounded up
    "#);
}

#[test]
fn starting_again() {
    let text = composed(|edits| {
        edits
            .container("web", "container")
            .image("nginx:1")
            .liveness("yes")
            .restart("on-failure:5");
        edits
            .container("worker", "container")
            .image("worker:1")
            .restart("always:5");
    });
    assert_snapshot!(text, @r#"
    services:
      web:
        image: "nginx:1"
        restart: "on-failure:5"
      worker:
        image: "worker:1"
        restart: always
    web.liveness dropped: Compose shows what is unhealthy and does not start it again
    web.restart adapted: counted from the start of the container, not in a row
    worker.restart weakened: Compose has no maximum for `always`
    "#);
}

#[test]
fn storage() {
    let text = composed(|edits| {
        edits
            .container("db", "container")
            .image("postgres:18")
            .volume("data", "/var/lib/postgresql")
            .mount(
                "shared",
                Mount::volume("/shared").source("my data").read_only(),
            )
            .mount("conf", Mount::bind("./conf/pg $1", "/etc/pg").read_only())
            .mount("up", Mount::bind("../other", "/other"))
            .mount("here", Mount::bind(".", "/here"))
            .mount(
                "socket",
                Mount::bind("/var/run/docker.sock", "/var/run/docker.sock"),
            )
            .mount("tmp", Mount::scratch("/tmp"));
    });
    assert_snapshot!(text, @r#"
    services:
      db:
        image: "postgres:18"
        volumes:
          - type: bind
            source: "../conf/pg $$1"
            target: /etc/pg
            read_only: true
          - type: volume
            source: db-data
            target: /var/lib/postgresql
          - type: bind
            source: "../"
            target: /here
          - type: volume
            source: my-data
            target: /shared
            read_only: true
          - type: bind
            source: /var/run/docker.sock
            target: /var/run/docker.sock
          - type: tmpfs
            target: /tmp
          - type: bind
            source: "../../other"
            target: /other
    volumes:
      db-data: {}
      my-data: {}
    db.mounts.conf adapted: a path of the machine that Compose runs on
    db.mounts.here adapted: a path of the machine that Compose runs on
    db.mounts.shared adapted: `my data` is no name of a volume in Compose: `my-data`
    db.mounts.socket adapted: a path of the machine that Compose runs on
    db.mounts.tmp adapted: kept in memory (tmpfs), in which nothing can be executed
    db.mounts.up adapted: a path of the machine that Compose runs on
    "#);
}

#[test]
fn host_network_and_manual_start() {
    let text = composed(|edits| {
        edits
            .container("agent", "container")
            .image("agent:1")
            .alias("a", "")
            .privilege("network:host", "")
            .start("manual");
        edits
            .container("web", "container")
            .image("web:1")
            .wait_for("agent", Wait::healthy());
    });
    assert_snapshot!(text, @r#"
    services:
      agent:
        image: "agent:1"
        network_mode: host
        restart: "no"
        profiles:
          - manual
      web:
        image: "web:1"
    agent.privileges.network:host weakened: on the machine's own network: other services don't reach it by its name
    agent.start adapted: in the profile `manual`: docker compose --profile manual up
    web.waits.agent dropped: `agent` is started by hand, which Compose cannot wait for
    "#);
}

#[test]
fn what_is_not_published_and_what_has_no_service() {
    let model = model(|edits| {
        edits
            .container("admin", "container")
            .image("admin:1")
            .publish("no");
        edits
            .container("legacy", "container")
            .image("legacy:1")
            .publish("connection-string");
        edits
            .value("inner", "database")
            .parent("legacy")
            .label("team", "blue");
        edits
            .add("stripe", "external-service", Shape::External)
            .label("team", "blue");
        edits
            .container("web", "container")
            .image("web:1")
            .wait_for("admin", Wait::healthy())
            .wait_for("inner", Wait::healthy())
            .wait_for("stripe", Wait::healthy())
            .env("ADMIN", expr::url("admin", "http"))
            .env("ADMIN_HOST", expr::host("admin", "http"))
            .env("LEGACY", expr::param("legacy-connection-string"));
        edits.parameter("legacy-connection-string", Parameter::secret());
    })
    .resolving("admin.http.url", "http://admin:80")
    .resolving("admin.http.host", "admin");
    let text = compose(&model);
    assert_snapshot!(text, @r#"
    services:
      web:
        image: "web:1"
        environment:
          ADMIN: "http://admin:80"
          ADMIN_HOST: admin
          LEGACY: "${LEGACY_CONNECTION_STRING:?set LEGACY_CONNECTION_STRING in .env}"
    warning compose:not-published: `web` refers to `admin`, which is not published (at web); `publish = "connection-string"` on `admin` makes it a parameter
    stripe.labels.team dropped: Compose runs nothing for it that could be labelled
    web.env.ADMIN weakened: `admin` is not published: the address leads nowhere
    web.env.ADMIN_HOST weakened: `admin` is not published: the address leads nowhere
    web.waits.admin dropped: `admin` is not published
    web.waits.inner dropped: `inner` is not published
    web.waits.stripe dropped: Compose runs nothing for `stripe`
    "#);
}
