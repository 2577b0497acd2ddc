//! Renders an app to a folder, the way the host would, and looks at what is in it.
//!
//! The folder is kept (`<target dir>/tmp/compose-sample/out`), to try it with a real Compose: its
//! images are the stand-ins of `tests/images`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use aspire_sdk::testing::{FakeModel, lower, publish};
use aspire_sdk::{Artifact, Edits, Endpoint, Fact, File, Mount, Parameter, Probe, Wait, expr};
use compose::Compose;

const SERVER: &str = "echo \"$GREETING\" >/tmp/index.html; echo ok >/tmp/ok; \
                      exec httpd -f -p \"$PORT\" -h /tmp";

fn app(edits: &mut Edits) {
    edits.parameter(
        "cache-password",
        Parameter::generated(22).description("Password of cache"),
    );
    edits.parameter(
        "pg-password",
        Parameter::generated(22).description("Password of pg"),
    );
    edits.parameter(
        "stripe-key",
        Parameter::secret().description("Stripe API key"),
    );
    edits.parameter(
        "greeting",
        Parameter::plain().default_value("a?b:-c, \"d\" 'e' \\ # é"),
    );
    edits
        .container("cache", "redis")
        .image("standin.local/redis:8.6")
        .entrypoint(["/bin/sh"])
        .args([
            "-c",
            "redis-server --requirepass \"$REDIS_PASSWORD\" --save 60 1",
        ])
        .env("REDIS_PASSWORD", expr::param("cache-password"))
        .env("REDISCLI_AUTH", expr::param("cache-password"))
        .endpoint("tcp", Endpoint::tcp("redis", 6379))
        .volume("data", "/data")
        .probe(Probe::command(["/bin/sh", "-c", "redis-cli ping | grep -q PONG"]).interval(500));
    edits
        .container("pg", "postgres")
        .image("standin.local/postgres:18.3")
        .env("POSTGRES_PASSWORD", expr::param("pg-password"))
        .env("POSTGRES_USER", "postgres")
        .endpoint("tcp", Endpoint::tcp("tcp", 5432))
        .file(
            "orders",
            File::new(
                "/docker-entrypoint-initdb.d/orders.sql",
                "CREATE DATABASE \"orders\";\n",
            ),
        )
        .volume("data", "/var/lib/postgresql")
        .probe(Probe::tcp("tcp").interval(500));
    let probe = [
        "psql",
        "-h",
        "127.0.0.1",
        "-U",
        "postgres",
        "-d",
        "orders",
        "-c",
        "select 1",
    ];
    let probe = probe.map(Into::into);
    let words = [
        "env".into(),
        expr!["PGPASSWORD=", expr::param("pg-password")],
    ];
    edits
        .value("orders", "database")
        .parent("pg")
        .probe(Probe::command(words.into_iter().chain(probe)));
    edits
        .container("web", "container")
        .image("standin.local/busybox:1")
        .entrypoint(["/bin/sh", "-c"])
        .args([SERVER])
        .env("PORT", "8080")
        .env("STRIPE_KEY", expr::param("stripe-key"))
        .env("GREETING", expr::param("greeting"))
        .env("PRICE", "$5 ${HOME}")
        .env(
            "CACHE_URI",
            expr![
                "redis://:",
                expr::param("cache-password").uri(),
                "@cache:6379"
            ],
        )
        .endpoint("http", Endpoint::http(8080).external())
        .mount("app", Mount::bind("./assets", "/assets").read_only())
        .mount("tmp", Mount::scratch("/tmp"))
        .set("limit-cpu-millis", Fact::Number(500))
        .set("limit-memory", Fact::Number(67_108_864))
        .set("env-files", Fact::Values(vec!["web.env".into()]))
        .label("price", "$5")
        .alias("www", "")
        .stop_grace(500)
        .wait_for("cache", Wait::healthy())
        .wait_for("orders", Wait::healthy())
        .wait_for("job", Wait::completed(0))
        .probe(Probe::http("http", "/ok").interval(500));
    edits
        .executable("job", "executable")
        .command("./job")
        .args(["-c", "exit 0"])
        .set("publish-build-context", Fact::Text("job".into()))
        .put("publish-build-args", "WHAT", Fact::Value("$x".into()))
        .wait_for("cache", Wait::healthy());
    // Perl serves, and nothing but bash can look: Debian has neither curl nor wget.
    let perl = "sleep 2; exec perl -MIO::Socket -e '$s=IO::Socket::INET->new(LocalPort=>8080,Listen=>5,ReuseAddr=>1); \
                while($c=$s->accept){$l=<$c>; print $c ($l=~m{ /fine }?\"HTTP/1.0 204 No\\r\\n\\r\\n\":\"HTTP/1.0 500 No\\r\\n\\r\\n\"); close $c}'";
    edits
        .container("slim", "container")
        .image("standin.local/debian:12-slim")
        .entrypoint(["/bin/bash", "-c"])
        .args([perl])
        .replicas(2)
        .endpoint("http", Endpoint::http(8080).external())
        .probe(Probe::http("http", "/fine").status(204).interval(500));
    edits
        .container("last", "container")
        .image("standin.local/busybox:1")
        .args(["sleep", "1000"])
        .wait_for("web", Wait::healthy())
        .wait_for("slim", Wait::healthy());
    edits
        .container("gpu", "container")
        .image("standin.local/busybox:1")
        .privilege("gpus", "all")
        .start("manual");
}

/// Writes what the host would write.
fn write(root: &Path) {
    let model = FakeModel::new("compose-sample")
        .for_target("compose")
        .with(app);
    let constructs = lower::<Compose>("services", &model).unwrap();
    let output = publish::<Compose>(&constructs.applied(), &model).unwrap();
    let out = root.join("out");
    for (path, artifact) in output.files() {
        let path = out.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match artifact {
            Artifact::Contents(bytes) => {
                let text = String::from_utf8(bytes.clone()).unwrap();
                assert!(
                    text.ends_with('\n') && !text.contains('\r'),
                    "{}",
                    path.display()
                );
                fs::write(path, text).unwrap();
            }
            Artifact::Copy(source) => drop(fs::copy(root.join(source), path).unwrap()),
        }
    }
}

#[test]
fn rendered_twice_it_is_the_same() {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compose-sample");
    for folder in ["assets", "job"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("web.env"), "FROM_FILE=1\n").unwrap();
    fs::write(
        root.join("job/Dockerfile"),
        "FROM standin.local/busybox:1\nARG WHAT\nENTRYPOINT [\"/bin/sh\"]\n",
    )
    .unwrap();
    let read = || {
        let names = [
            "docker-compose.yaml",
            ".env.example",
            "config/pg/docker-entrypoint-initdb.d/orders.sql",
        ];
        names.map(|name| fs::read_to_string(root.join("out").join(name)).unwrap())
    };
    write(&root);
    let first = read();
    write(&root);
    assert_eq!(read(), first);
    assert!(first[0].contains("context: \"../job\"\n"));
    assert!(first[0].contains("condition: service_completed_successfully\n"));
    assert_eq!(first[2], "CREATE DATABASE \"orders\";\n");
}
