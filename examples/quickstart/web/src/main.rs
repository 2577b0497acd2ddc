//! A page that counts its visits in Redis. Nothing but the standard library.
//!
//! What it needs to know comes from the environment: `PORT`, where to listen, and how to reach the
//! cache, as `CACHE_URI` or `ConnectionStrings__cache`.

mod http;
mod redis;

use std::env;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use http::{Request, Response};

fn main() {
    if let Err(error) = run() {
        eprintln!("web: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let port = env::var("PORT").map_err(|_| "PORT is not set".to_owned())?;
    let host = env::var("HOST").unwrap_or_else(|_| "127.0.0.1".to_owned());
    let cache = Arc::new(redis::Address::from_env("cache")?);
    let listener = TcpListener::bind(format!("{host}:{port}"))
        .map_err(|error| format!("cannot listen on {host}:{port}: {error}"))?;
    println!(
        "listening on {host}:{port}, counting in {}:{}",
        cache.host, cache.port
    );
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let cache = Arc::clone(&cache);
        thread::spawn(move || http::serve(stream, |request| answer(request, &cache)));
    }
    Ok(())
}

fn answer(request: &Request, cache: &redis::Address) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => match visit(cache) {
            Ok(count) => {
                println!("visit {count}");
                Response::html(page(count))
            }
            Err(error) => {
                eprintln!("redis: {error}");
                Response::text(502, format!("redis: {error}\n"))
            }
        },
        ("GET", "/health") => match cache.connect().and_then(|mut c| c.call(&["PING"])) {
            Ok(_) => Response::text(200, "healthy\n"),
            Err(error) => Response::text(503, format!("redis: {error}\n")),
        },
        _ => Response::text(404, "there is / and /health\n"),
    }
}

fn visit(cache: &redis::Address) -> std::io::Result<u64> {
    let reply = cache.connect()?.call(&["INCR", "visits"])?;
    reply
        .parse()
        .map_err(|_| std::io::Error::other(format!("INCR answered `{reply}`")))
}

fn page(count: u64) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>quickstart</title>\
         <body style=\"font: 1.5rem system-ui; text-align: center; margin-top: 20vh\">\
         <p>Visits: <b>{count}</b></p>\
         <p style=\"font-size: 1rem\">Counted in Redis. Reload to count again.</p>\n"
    )
}
