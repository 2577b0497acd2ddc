//! Bad input, third part: a machine that lacks something or refuses. Exit code 3, one clear
//! diagnostic, nothing started or everything stopped again.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::Command;

use aspire_host_tests::{Outcome, Project, needs_engine, needs_program, places, wait};

use crate::ODD;

fn canary() -> String {
    format!(
        "[resources.canary]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['stamp', 'started']\n"
    )
}

fn refused(project: &Project, args: &[&str], code: i32, says: &[&str]) {
    let mut all = vec!["run"];
    all.extend(args);
    project
        .host(&all)
        .expect(code)
        .says(says)
        .lacks(&["panicked"]);
    assert!(!project.path("started").exists(), "something was started");
    project.assert_nothing_left();
}

#[test]
fn a_port_in_use() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let project = Project::new("bad-machine-port").app(&format!(
        "name = 'port'\n{}endpoints.http = {{ port = {port}, env = 'PORT' }}\n",
        canary()
    ));
    let me = format!("pid {}", std::process::id());
    refused(
        &project,
        &["--runtime", "native"],
        3,
        &[&port.to_string(), &me, "`canary`", "aspire.toml:6"],
    );
}

#[test]
fn a_program_of_the_native_form_that_is_missing() {
    let mut project = Project::new("bad-machine-program").app(&format!(
        "name = 'program'\n[plugins]\nredis = {{ source = 'redis', allow = ['run-process:redis-server'] }}\n\
         [resources.cache]\nkind = 'redis'\n{}",
        canary()
    ));
    project.set("PATH", "/nowhere");
    refused(
        &project,
        &["--runtime", "native"],
        3,
        &["redis-server", "`cache`", "apt-get install redis-server"],
    );
}

#[test]
fn no_engine_and_no_native_form() {
    let mut project = Project::new("bad-machine-engine").app(&format!(
        "name = 'engine'\n[resources.box]\nkind = 'container'\nimage = 'busybox:1'\n{}",
        canary()
    ));
    project.set("DOCKER_HOST", "unix:///nowhere/docker.sock");
    for runtime in ["auto", "docker", "native"] {
        let says: &[&str] = if runtime == "native" {
            &["`box`", "container"]
        } else {
            &["/nowhere/docker.sock"]
        };
        refused(&project, &["--runtime", runtime], 3, says);
    }
}

#[test]
fn no_engine_and_a_native_form() {
    needs_program!("redis-server", "apt-get install redis-server");
    let mut project = Project::new("bad-machine-auto").app(&format!(
        "name = 'auto'\n[plugins]\nredis = {{ source = 'redis', allow = ['run-process:redis-server'] }}\n\
         [resources.cache]\nkind = 'redis'\n\
         [resources.after]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['stamp', 'started']\nwait-for = ['cache']\n"
    ));
    // What nobody listens at is no engine; auto takes the programs and says so.
    project.set("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let session = project.run(&["--runtime", "auto", "--verbose"]);
    wait::until(wait::SOON, "the process behind Redis", || {
        project.path("started").exists().then_some(())
    });
    let outcome = session.stop().expect(130);
    outcome.says(&["native"]);
    project.assert_nothing_left();
}

#[test]
fn an_engine_that_refuses() {
    let mut project = Project::new("bad-machine-refuses").app(&format!(
        "name = 'refuses'\n[plugins]\nredis = {{ source = 'redis', allow = ['run-process:redis-server'] }}\n\
         [resources.cache]\nkind = 'redis'\n{}",
        canary()
    ));
    // An engine that hangs up on everybody: it is there, and it must not be passed over quietly.
    let socket = project.path("docker.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let answering = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut head = [0; 4096];
            let length = stream.read(&mut head).unwrap_or(0);
            if head[..length].starts_with(b"END") {
                return;
            }
            let body = r#"{"message":"authorization denied by plugin guard"}"#;
            let _ = write!(
                stream,
                "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    project.set("DOCKER_HOST", &format!("unix://{}", socket.display()));
    for runtime in ["auto", "docker"] {
        refused(
            &project,
            &["--runtime", runtime],
            3,
            &["authorization denied by plugin guard"],
        );
    }
    let end = std::os::unix::net::UnixStream::connect(&socket);
    std::io::Write::write_all(&mut end.expect("it listens"), b"END").expect("it reads");
    answering.join().expect("it ends");
}

#[test]
fn an_image_that_cannot_be_had() {
    let engine = needs_engine!();
    let project = Project::new("bad-machine-image").on(engine).app(&format!(
        "name = 'image'\n[resources.box]\nkind = 'container'\nimage = 'standin.local/no-such-image:1'\n\
         host.pull = 'never'\n{}",
        canary()
    ));
    refused(
        &project,
        &["--runtime", "docker"],
        3,
        &["standin.local/no-such-image:1", "[resources.box]"],
    );
}

#[test]
fn a_folder_that_cannot_be_written() {
    // Root may write everywhere but to what is mounted read-only.
    if !Command::new("unshare")
        .args(["-rm", "true"])
        .status()
        .is_ok_and(|status| status.success())
        && !Command::new("unshare")
            .args(["-m", "true"])
            .status()
            .is_ok_and(|status| status.success())
    {
        places::say("skipped: no mount namespaces here");
        return;
    }
    let project =
        Project::new("bad-machine-readonly").app(&format!("name = 'readonly'\n{}", canary()));
    let host = project.command(&["run", "--runtime", "native"]);
    let script = "mount -o bind,ro \"$FOLDER\" \"$FOLDER\" && cd \"$FOLDER\" && exec \"$@\"";
    let outcome = in_namespace(&host, script, project.folder());
    outcome
        .expect(3)
        .says(&[".aspire-host", "Read-only file system"])
        .lacks(&["panicked"]);
    project.assert_nothing_left();
}

#[test]
fn a_full_disk() {
    if !Command::new("unshare")
        .args(["-m", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        places::say("skipped: no mount namespaces here");
        return;
    }
    let project = Project::new("bad-machine-full").app(&format!("name = 'full'\n{}", canary()));
    let host = project.command(&["run", "--runtime", "native"]);
    // The user's folder, with passwords and state, is on a disk without space.
    let script = "mkdir -p \"$FOLDER\" && mount -t tmpfs -o size=64k none \"$FOLDER\" && \
                  { dd if=/dev/zero of=\"$FOLDER/fill\" bs=4k 2>/dev/null; exec \"$@\"; }";
    let outcome = in_namespace(&host, script, &project.home().join("data"));
    outcome
        .expect(3)
        .says(&["No space left on device"])
        .lacks(&["panicked"]);
    assert!(!project.path("started").exists(), "something was started");
    project.assert_nothing_left();
}

/// Runs a command behind a script, in a mount namespace of its own.
fn in_namespace(command: &Command, script: &str, folder: &std::path::Path) -> Outcome {
    let mut unshare = Command::new("unshare");
    unshare
        .args(["-m", "--", "sh", "-c", script, "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        unshare.current_dir(folder);
    }
    unshare.env_clear().env("FOLDER", folder);
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            unshare.env(name, value);
        }
    }
    Outcome::of(&mut unshare, wait::LONG)
}

#[test]
fn a_spoilt_cache_of_compiled_plugins_is_made_anew() {
    let mut project = Project::new("bad-machine-cache")
        .app("name = 'cache'\n[plugins]\nredis = 'redis'\n[resources.cache]\nkind = 'redis'\nstart = 'manual'\n");
    let cache = project.home().join("cache");
    project.set("XDG_CACHE_HOME", &cache.display().to_string());
    let allow = [
        "explain",
        "--output",
        "json",
        "--allow",
        "redis=run-process:redis-server",
    ];
    let first = project.host(&allow).expect(0).stdout;
    let files = || aspire_host_tests::secrets::files(&cache);
    assert!(!files().is_empty(), "nothing was kept");
    for file in files() {
        let mode = std::fs::metadata(&file)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o022, 0, "others can write {}", file.display());
    }
    for spoil in [truncate as fn(&[u8]) -> Vec<u8>, flip, foreign, |_| {
        Vec::new()
    }] {
        for file in files() {
            let bytes = std::fs::read(&file).expect("it is there");
            // It may be read-only for its owner too.
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("ours");
            std::fs::write(&file, spoil(&bytes)).expect("ours");
        }
        let again = project.host(&allow).expect(0);
        again.lacks(&["panicked"]);
        assert_eq!(again.stdout, first);
    }
}

fn truncate(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len() / 2].to_vec()
}

fn flip(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 0xff;
    }
    bytes
}

fn foreign(_: &[u8]) -> Vec<u8> {
    std::fs::read("/bin/true").expect("every machine has one")
}

#[test]
fn a_project_with_a_space_and_an_umlaut() {
    let project = Project::named("bad-machine-umlaut", "größer als gedacht")
        .app(&format!("name = 'umlaut'\n{}", canary()));
    let session = project.run(&["--runtime", "native"]);
    wait::until(wait::SOON, "the process", || {
        project.path("started").exists().then_some(())
    });
    session.stop().expect(130);
    project.assert_nothing_left();
}

#[test]
fn a_file_that_cannot_be_read() {
    let project = Project::new("bad-machine-unreadable").app(&format!(
        "name = 'unreadable'\n[resources.web]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['stay']\n\
         env-files = ['folder.env']\n{}",
        canary()
    ));
    // A folder can be read by nobody, root included.
    std::fs::create_dir(project.path("folder.env")).expect("a folder");
    refused(
        &project,
        &["--runtime", "native"],
        3,
        &["folder.env", "aspire.toml:6"],
    );
}
