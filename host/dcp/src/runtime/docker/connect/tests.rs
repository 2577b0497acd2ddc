//! What may answer at an address, played by small servers.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::*;

const VERSION: &str = r#"{"Version":"28.0.1","ApiVersion":"1.48","MinAPIVersion":"1.24"}"#;

/// Answers every request with a status and a body, and keeps the request lines.
fn serve(socket: &Path, status: &'static str, body: &'static str) -> Arc<Mutex<Vec<String>>> {
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..length]);
            kept.lock()
                .unwrap()
                .extend(text.lines().next().map(str::to_owned));
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: \
                 {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    lines
}

fn world(folder: &tempfile::TempDir) -> EngineEnvironment {
    EngineEnvironment {
        root: folder.path().to_owned(),
        xdg_runtime_dir: Some(folder.path().join("user")),
        ..EngineEnvironment::default()
    }
}

fn host(folder: &tempfile::TempDir, socket: &str) -> EngineEnvironment {
    let socket = folder.path().join(socket);
    EngineEnvironment {
        docker_host: Some(format!("unix://{}", socket.display())),
        ..world(folder)
    }
}

async fn refusal(environment: &EngineEnvironment) -> String {
    match connect(environment).await {
        Err(EngineError::Refused { cause, .. }) => cause,
        other => panic!("{other:?}"),
    }
}

async fn absence(environment: &EngineEnvironment) -> (String, String) {
    match connect(environment).await {
        Err(EngineError::Unreachable { address, cause }) => (address, cause),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_there_is_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    let (address, cause) = absence(&world(&folder)).await;
    assert!(address.ends_with("/var/run/docker.sock"), "{address}");
    assert_eq!(cause, MISSING);

    // What an engine that was stopped left behind says more.
    let stale = folder.path().join("run/podman/podman.sock");
    std::fs::create_dir_all(stale.parent().unwrap()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let (address, cause) = absence(&world(&folder)).await;
    assert!(address.ends_with("/podman.sock"), "{address}");
    assert!(cause.starts_with("nothing listens there"), "{cause}");

    let (_, cause) = absence(&host(&folder, "nowhere.sock")).await;
    assert!(cause.contains("DOCKER_HOST"), "{cause}");
    let closed = EngineEnvironment {
        docker_host: Some("tcp://127.0.0.1:9".to_owned()),
        ..EngineEnvironment::default()
    };
    absence(&closed).await;
}

#[tokio::test]
async fn the_first_that_answers_is_taken_and_spoken_to_in_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let stale = folder.path().join("var/run/docker.sock");
    std::fs::create_dir_all(stale.parent().unwrap()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let lines = serve(&folder.path().join("user/docker.sock"), "200 OK", VERSION);
    let engine = connect(&world(&folder)).await.unwrap();
    assert_eq!(engine.shared.api, (1, 48));
    assert!(engine.shared.address.ends_with("/user/docker.sock"));
    let _ = engine.image_exists("a/b:1").await;
    let lines = lines.lock().unwrap().clone();
    assert_eq!(
        lines,
        [
            "GET /version HTTP/1.1",
            "GET /v1.48/images/a/b:1/json HTTP/1.1"
        ]
    );
}

#[tokio::test]
async fn what_refuses_is_told_and_never_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let denied = r#"{"message":"authorization denied by plugin"}"#;
    serve(
        &folder.path().join("var/run/docker.sock"),
        "403 Forbidden",
        denied,
    );
    serve(&folder.path().join("user/docker.sock"), "200 OK", VERSION);
    assert_eq!(
        refusal(&world(&folder)).await,
        "authorization denied by plugin"
    );
}

#[tokio::test]
async fn what_is_no_engine_is_told() {
    let folder = tempfile::tempdir().unwrap();
    serve(&folder.path().join("web.sock"), "200 OK", "<html>");
    serve(&folder.path().join("json.sock"), "200 OK", "{}");
    for socket in ["web.sock", "json.sock"] {
        let cause = refusal(&host(&folder, socket)).await;
        assert!(cause.contains("no container engine"), "{cause}");
    }
}

#[tokio::test]
async fn versions_that_do_not_fit_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let old = r#"{"ApiVersion":"1.39","MinAPIVersion":"1.12"}"#;
    serve(&folder.path().join("old.sock"), "200 OK", old);
    let cause = refusal(&host(&folder, "old.sock")).await;
    assert!(cause.contains("1.39 is too old"), "{cause}");
    let new = r#"{"ApiVersion":"1.99","MinAPIVersion":"1.90"}"#;
    serve(&folder.path().join("new.sock"), "200 OK", new);
    let cause = refusal(&host(&folder, "new.sock")).await;
    assert!(cause.contains("1.90 or newer"), "{cause}");
}

#[tokio::test]
async fn silence_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let _silent = UnixListener::bind(folder.path().join("silent.sock")).unwrap();
    let begun = std::time::Instant::now();
    let cause = refusal(&host(&folder, "silent.sock")).await;
    assert!(cause.contains("2 s"), "{cause}");
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_context_that_leads_nowhere_is_told() {
    let folder = tempfile::tempdir().unwrap();
    serve(
        &folder.path().join("var/run/docker.sock"),
        "200 OK",
        VERSION,
    );
    let environment = EngineEnvironment {
        docker_context: Some("gone".to_owned()),
        docker_config: Some(folder.path().to_owned()),
        ..world(&folder)
    };
    let cause = refusal(&environment).await;
    assert!(cause.contains("meta.json"), "{cause}");
}

#[test]
fn permission_denied_is_a_refusal() {
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    let error = bollard::errors::Error::IOError { err: denied };
    assert!(matches!(failed(&error), Trial::Refuses(cause) if cause.contains("docker")));
}

#[tokio::test]
async fn an_engine_that_goes_away_is_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("var/run/docker.sock");
    serve(&socket, "200 OK", VERSION);
    let engine = connect(&world(&folder)).await.unwrap();
    std::fs::remove_file(&socket).unwrap();
    let error = engine.start_container("x").await.unwrap_err();
    assert!(
        matches!(error, EngineError::Unreachable { .. }),
        "{error:?}"
    );
}
