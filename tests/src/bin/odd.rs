//! A program that behaves oddly, for the black-box tests. The first argument says how.
//!
//! | Arguments | What it does |
//! |---|---|
//! | `serve` | answers on `PORT`: `/` says ok, `/env/NAME` the variable |
//! | `late MILLISECONDS FILE` | the same, but listens only after a while; writes start and listening time |
//! | `stamp FILE` | appends its start time to a file and stays |
//! | `once FILE` | appends its start time to a file and ends |
//! | `exit CODE` | ends with a code |
//! | `env FILE` | writes its environment to a file and stays |
//! | `tell NAME` | prints a variable: plain, in base64, URL-encoded and in two halves; stays |
//! | `line BYTES` | prints one long line, then a short one; stays |
//! | `bytes` | prints what is no text; stays |
//! | `stubborn FILE` | ignores SIGTERM; writes its id |
//! | `fork FILE` | leaves a grandchild in a session of its own, writes both ids; stays |
//! | `stay` | does nothing |

#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aspire_host_tests::secrets::{base64, url_encoded};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["serve"] => serve(),
        ["late", milliseconds, file] => {
            append(file, &format!("start {}", now()));
            let pause = milliseconds.parse().expect("milliseconds");
            // Not a synchronisation: being late is the point.
            thread::sleep(Duration::from_millis(pause));
            append(file, &format!("listen {}", now()));
            serve();
        }
        ["stamp", file] => {
            append(file, &format!("start {}", now()));
            stay();
        }
        ["once", file] => append(file, &format!("start {}", now())),
        ["exit", code] => {
            println!("leaving with {code}");
            return ExitCode::from(code.parse::<u8>().expect("a code"));
        }
        ["env", file] => {
            let all: String = env::vars()
                .map(|(name, value)| format!("{name}={value}\n"))
                .collect();
            let new = format!("{file}.new");
            fs::write(&new, all)
                .and_then(|()| fs::rename(&new, file))
                .expect("writable");
            stay();
        }
        ["tell", name] => tell(&env::var(name).expect("it is set")),
        ["line", bytes] => line(bytes.parse().expect("a number")),
        ["bytes"] => bytes(),
        ["stubborn", file] => {
            // The shell ignores the signal, and what is ignored stays so across exec.
            let program = env::current_exe().expect("a running program has a file");
            let script = "trap '' TERM; exec \"$0\" stamp-pid \"$1\"";
            let _ = Command::new("sh")
                .arg("-c")
                .arg(script)
                .arg(program)
                .arg(file)
                .status();
        }
        ["stamp-pid", file] => {
            append(file, &std::process::id().to_string());
            stay();
        }
        ["fork", file] => fork(file),
        _ => stay(),
    }
    ExitCode::SUCCESS
}

fn now() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_millis()
}

fn append(file: &str, line: &str) {
    let mut file = fs::File::options()
        .create(true)
        .append(true)
        .open(file)
        .expect("writable");
    file.write_all(format!("{line}\n").as_bytes())
        .expect("writable");
}

fn stay() -> ! {
    loop {
        thread::park();
    }
}

fn serve() {
    let port = env::var("PORT").expect("PORT is set");
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port is free");
    println!("listening on {port}");
    for stream in listener.incoming().flatten() {
        thread::spawn(move || drop(answer(stream)));
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new((&stream).take(16 << 10));
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = first.split_whitespace().nth(1).unwrap_or("/");
    let body = match path.strip_prefix("/env/") {
        Some(name) => env::var(name).unwrap_or_default(),
        None => format!("ok from {}", std::process::id()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn tell(secret: &str) {
    let mut out = std::io::stdout().lock();
    let (first, second) = secret.split_at(secret.len() / 2);
    let whole = format!(
        "plain {secret}\nbase64 {}\nurl {}\nhalves {first}",
        base64(secret.as_bytes()),
        url_encoded(secret)
    );
    out.write_all(whole.as_bytes())
        .and_then(|()| out.flush())
        .expect("somebody reads");
    // Long enough for the reader to see two writes.
    thread::sleep(Duration::from_millis(300));
    out.write_all(format!("{second}\ntold\n").as_bytes())
        .and_then(|()| out.flush())
        .expect("somebody reads");
    drop(out);
    stay();
}

fn line(mut left: usize) {
    let chunk = [b'x'; 1 << 16];
    let mut out = std::io::stdout().lock();
    while left > 0 {
        let now = left.min(chunk.len());
        out.write_all(&chunk[..now]).expect("somebody reads");
        left -= now;
    }
    out.write_all(b"\nafter the long line\n")
        .and_then(|()| out.flush())
        .expect("somebody reads");
    drop(out);
    stay();
}

fn bytes() {
    let mut out = std::io::stdout().lock();
    let all: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
    out.write_all(&all).expect("somebody reads");
    out.write_all(b"\n\x1b]0;title\x07\x1b[2Jwiped\nno newline at the end")
        .expect("somebody reads");
    out.flush().expect("somebody reads");
    drop(out);
    stay();
}

fn fork(file: &str) {
    let program = env::current_exe().expect("a running program has a file");
    // setsid forks, and ends: what it starts has no parent of ours and a session of its own.
    let status = Command::new("setsid")
        .arg("--fork")
        .arg(program)
        .args(["stamp-pid", file])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "setsid is there"
    );
    append(file, &std::process::id().to_string());
    stay();
}
