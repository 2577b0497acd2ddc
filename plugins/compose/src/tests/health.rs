//! Health checks: the scripts, and those of a workload's parts.

use aspire_sdk::{Edits, Endpoint, Parameter, Probe, expr};
use insta::assert_snapshot;

use super::composed;

#[test]
fn http() {
    let text = composed(|edits: &mut Edits| {
        edits
            .container("web", "container")
            .image("web:1")
            .endpoint("http", Endpoint::http(8080))
            .probe(Probe::http("http", "/he'alth?x=$1"));
    });
    assert_snapshot!(text, @r#"
    services:
      web:
        image: "web:1"
        healthcheck:
          test:
            - CMD-SHELL
            - |-
              unset http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY
              u='http://127.0.0.1:8080/he'\''alth?x=$$1'
              if command -v curl >/dev/null; then curl -fsS -o /dev/null "$$u"
              elif command -v wget >/dev/null; then wget -q -O /dev/null "$$u"
              elif command -v bash >/dev/null; then bash -c '
                trap "" PIPE
                exec 3<>/dev/tcp/127.0.0.1/8080 || exit 1
                printf "GET %s HTTP/1.0\r\nHost: 127.0.0.1:8080\r\n\r\n" "$$0" >&3
                read -r v s x <&3 && s=$${s%%[!0-9]*} && [ "$$s" -ge 200 ] && [ "$$s" -lt 400 ]' '/he'\''alth?x=$$1'
              else
                for f in /proc/net/tcp /proc/net/tcp6; do
                  [ -r $$f ] && while read -r n l r s x; do
                    case "$$l $$s" in *":1F90 0A") exit 0 ;; esac
                  done <$$f
                done
                exit 1
              fi
          interval: "5s"
          timeout: "3s"
          start_period: "60s"
          retries: 3
        expose:
          - "8080"
    web.health adapted: a script in the container, with curl, wget or bash; an image that has only a shell is healthy when it listens, and one without a shell needs `health.command`; failures in the first minute don't count: in Compose they would end `up`
    "#);
}

#[test]
fn https_with_a_status() {
    let text = composed(|edits: &mut Edits| {
        edits
            .container("web", "container")
            .image("web:1")
            .endpoint("https", Endpoint::tcp("https", 8443).tls())
            .probe(
                Probe::http("https", "/health")
                    .status(204)
                    .start_period(1_000),
            );
    });
    assert_snapshot!(text, @r#"
    services:
      web:
        image: "web:1"
        healthcheck:
          test:
            - CMD-SHELL
            - |-
              unset http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY
              u=https://127.0.0.1:8443/health
              if command -v curl >/dev/null; then [ "$$(curl -sSk -o /dev/null -w '%{http_code}' "$$u")" = 204 ]
              elif command -v wget >/dev/null; then wget -S --no-check-certificate -O /dev/null "$$u" 2>&1 | grep -q 'HTTP/[0-9.]* 204'
              else
                for f in /proc/net/tcp /proc/net/tcp6; do
                  [ -r $$f ] && while read -r n l r s x; do
                    case "$$l $$s" in *":20FB 0A") exit 0 ;; esac
                  done <$$f
                done
                exit 1
              fi
          interval: "5s"
          timeout: "3s"
          start_period: "1s"
          retries: 3
        expose:
          - "8443"
    web.health adapted: a script in the container, with curl, wget or bash; an image that has only a shell is healthy when it listens, and one without a shell needs `health.command`
    "#);
}

#[test]
fn tcp() {
    let text = composed(|edits: &mut Edits| {
        let probe = Probe::tcp("tcp")
            .interval(500)
            .timeout(1_000)
            .start_period(2_500)
            .retries(9);
        edits
            .container("db", "container")
            .image("db:1")
            .endpoint("tcp", Endpoint::tcp("tcp", 5432))
            .probe(probe);
    });
    assert_snapshot!(text, @r#"
    services:
      db:
        image: "db:1"
        healthcheck:
          test:
            - CMD-SHELL
            - |-
              for f in /proc/net/tcp /proc/net/tcp6; do
                [ -r $$f ] && while read -r n l r s x; do
                  case "$$l $$s" in *":1538 0A") exit 0 ;; esac
                done <$$f
              done
              exit 1
          interval: "500ms"
          timeout: "1s"
          start_period: "2500ms"
          retries: 9
        expose:
          - "5432"
    db.health adapted: a script in the container looks whether the port is listened on; an image without a shell needs `health.command`
    "#);
}

#[test]
fn command() {
    let text = composed(|edits: &mut Edits| {
        edits
            .container("cache", "redis")
            .image("redis:8.6")
            .probe(Probe::command([
                "/bin/sh",
                "-c",
                "redis-cli -a $PASSWORD ping | grep -q PONG",
            ]));
    });
    assert_snapshot!(text, @r#"
    services:
      cache:
        image: "redis:8.6"
        healthcheck:
          test:
            - CMD
            - /bin/sh
            - "-c"
            - "redis-cli -a $$PASSWORD ping | grep -q PONG"
          interval: "5s"
          timeout: "3s"
          start_period: "60s"
          retries: 3
    cache.health adapted: failures in the first minute don't count: in Compose they would end `up`
    "#);
}

#[test]
fn a_database_is_part_of_its_server() {
    let text = composed(|edits: &mut Edits| {
        edits
            .container("pg", "postgres")
            .image("postgres:18")
            .endpoint("tcp", Endpoint::tcp("tcp", 5432))
            .probe(Probe::command(["pg_isready", "-h", "127.0.0.1"]).start_period(5_000));
        for name in ["orders", "it's"] {
            let probe = Probe::command(["psql", "-d", name, "-c", "select 1"]);
            edits
                .value(name, "database")
                .parent("pg")
                .probe(probe.interval(1_000));
        }
    });
    assert_snapshot!(text, @r#"
    services:
      pg:
        image: "postgres:18"
        healthcheck:
          test:
            - CMD-SHELL
            - |-
              pg_isready -h 127.0.0.1 &&
              psql -d 'it'\''s' -c 'select 1' &&
              psql -d orders -c 'select 1'
          interval: "1s"
          timeout: "9s"
          start_period: "60s"
          retries: 3
        expose:
          - "5432"
    it's.health adapted: part of the health check of `pg`
    orders.health adapted: part of the health check of `pg`
    pg.health adapted: failures in the first minute don't count: in Compose they would end `up`
    "#);
}

#[test]
fn joined_checks_hand_over_what_is_not_text_yet() {
    let text = composed(|edits: &mut Edits| {
        edits.parameter("user", Parameter::plain());
        edits
            .container("pg", "postgres")
            .image("postgres:18")
            .endpoint("tcp", Endpoint::tcp("tcp", 5432))
            .probe(Probe::tcp("tcp"));
        let words = [
            expr!["psql"],
            expr!["-U"],
            expr::param("user"),
            expr!["-c"],
            expr!["select 1"],
        ];
        edits
            .value("orders", "database")
            .parent("pg")
            .probe(Probe::command(words));
    });
    assert_snapshot!(text, @r#"
    services:
      pg:
        image: "postgres:18"
        healthcheck:
          test:
            - CMD
            - /bin/sh
            - "-c"
            - |-
              (
              for f in /proc/net/tcp /proc/net/tcp6; do
                [ -r $$f ] && while read -r n l r s x; do
                  case "$$l $$s" in *":1538 0A") exit 0 ;; esac
                done <$$f
              done
              exit 1
              ) &&
              psql -U "$${1}" -c 'select 1'
            - sh
            - "${APP_USER:?set APP_USER in .env}"
          interval: "5s"
          timeout: "6s"
          start_period: "60s"
          retries: 3
        expose:
          - "5432"
    orders.health adapted: part of the health check of `pg`
    pg.health adapted: a script in the container looks whether the port is listened on; an image without a shell needs `health.command`; failures in the first minute don't count: in Compose they would end `up`
    "#);
}

#[test]
fn an_endpoint_that_is_not_there() {
    let text = composed(|edits: &mut Edits| {
        edits
            .container("web", "container")
            .image("web:1")
            .probe(Probe::tcp("http"));
    });
    assert_snapshot!(text, @r#"
    services:
      web:
        image: "web:1"
    error compose:no-health-port: the health check of `web` looks at endpoint `http`, which has no TCP port (at web); name an endpoint with a port, or give it a `target-port`
    "#);
}
