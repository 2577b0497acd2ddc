//! The shop's page: the orders, a form for a new one, and a count of visits.

use shop::http::{self, Request, Response};
use shop::{client, form, redis};

struct Web {
    api: String,
    cache: redis::Address,
}

fn main() {
    if let Err(error) = run() {
        eprintln!("web: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let web = Web {
        api: shop::env("API_HTTP")?,
        cache: redis::Address::from_env()?,
    };
    http::serve(move |request| {
        web.answer(request)
            .unwrap_or_else(|error| Response::failed(&error))
    })
}

impl Web {
    fn answer(&self, request: &Request) -> Result<Response, String> {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/") => {
                let visits = self.visit().map_err(|error| format!("redis: {error}"))?;
                Ok(Response::html(page(
                    &visits,
                    &client::get(&self.api, "/orders")?,
                )))
            }
            ("POST", "/orders") => {
                client::post(&self.api, "/orders", &request.body)?;
                Ok(Response::see_other("/"))
            }
            ("GET", "/health") => {
                client::get(&self.api, "/health")?;
                Ok(Response::text(200, "healthy\n"))
            }
            _ => Ok(Response::text(404, "there are / and /health\n")),
        }
    }

    fn visit(&self) -> std::io::Result<String> {
        self.cache.connect()?.call(&["INCR", "visits"])
    }
}

fn page(visits: &str, orders: &str) -> String {
    let rows: String = orders
        .lines()
        .map(|line| {
            let cells: String = line
                .split('\t')
                .map(|cell| format!("<td>{}</td>", form::escape(cell)))
                .collect();
            format!("<tr>{cells}</tr>\n")
        })
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>shop</title>\n\
         <style>body {{ font: 1rem system-ui; margin: 3rem }} td, th {{ padding: .3rem 1rem; \
         text-align: left }}</style>\n\
         <h1>Shop</h1>\n\
         <form method=\"post\" action=\"/orders\">\n\
         <input name=\"item\" value=\"teapot\" required>\n\
         <input name=\"quantity\" type=\"number\" value=\"1\" min=\"1\" required>\n\
         <button>Order</button></form>\n\
         <table><tr><th>Number<th>Item<th>Quantity<th>Note</tr>\n{rows}</table>\n\
         <p>Visits: <b>{visits}</b></p>\n"
    )
}
