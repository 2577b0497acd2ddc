//! The orders over HTTP, for the web page and for the mailer.
//!
//! | Request | Answer |
//! |---|---|
//! | `GET /orders` | a line for each order: number, item, quantity, note, with tabs between |
//! | `POST /orders` | takes the form fields `item` and `quantity`; the order's number |
//! | `GET /outbox` | the oldest order without a note, as above; waits for one, 204 if none comes |
//! | `POST /orders/NUMBER/note` | stores the text as the order's note |
//! | `GET /health` | 200 when the database answers |

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use shop::database::{Database, Order};
use shop::form;
use shop::http::{self, Request, Response};

/// How long a request for the outbox waits for an order.
const PATIENCE: Duration = Duration::from_secs(20);

struct Api {
    database: Database,
    /// How many orders came in since the start, and the bell that rings with each.
    count: Mutex<u64>,
    bell: Condvar,
}

fn main() {
    if let Err(error) = run() {
        eprintln!("api: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let key = shop::env("STRIPE_KEY")?;
    println!("payments are on, with a key of {} characters", key.len());
    let api = Api {
        database: Database::from_env()?,
        count: Mutex::new(0),
        bell: Condvar::new(),
    };
    http::serve(move |request| {
        api.answer(request)
            .unwrap_or_else(|error| Response::failed(&error))
    })
}

impl Api {
    fn answer(&self, request: &Request) -> Result<Response, String> {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/health") => {
                self.database.without_note()?;
                Ok(Response::text(200, "healthy\n"))
            }
            ("GET", "/orders") => Ok(Response::text(
                200,
                self.database.all()?.iter().map(line).collect::<String>(),
            )),
            ("POST", "/orders") => self.order(&request.body),
            ("GET", "/outbox") => self.outbox(),
            ("POST", path) => match note_of(path) {
                Some(id) if self.database.set_note(id, &one_line(&request.body))? => {
                    println!("order {id} has its note");
                    Ok(Response::text(200, "stored\n"))
                }
                _ => Ok(Response::text(404, "there is no such order\n")),
            },
            _ => Ok(Response::text(
                404,
                "there are /orders, /outbox and /health\n",
            )),
        }
    }

    fn order(&self, body: &str) -> Result<Response, String> {
        let item = form::field(body, "item")
            .map(|item| one_line(&item))
            .unwrap_or_default();
        let quantity = form::field(body, "quantity").and_then(|text| text.parse::<i32>().ok());
        let (false, Some(quantity @ 1..)) = (item.is_empty(), quantity) else {
            return Ok(Response::text(
                400,
                "an order needs an item and a quantity\n",
            ));
        };
        let id = self.database.add(&item, quantity)?;
        println!("order {id}: {quantity} of {item}");
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.bell.notify_all();
        Ok(Response::text(201, format!("{id}\n")))
    }

    fn outbox(&self) -> Result<Response, String> {
        let until = Instant::now() + PATIENCE;
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // Looked at with the lock held, so that no order slips in between look and wait.
            if let Some(order) = self.database.without_note()? {
                return Ok(Response::text(200, line(&order)));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Response::text(204, ""));
            }
            count = self
                .bell
                .wait_timeout(count, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

fn note_of(path: &str) -> Option<i64> {
    path.strip_prefix("/orders/")?
        .strip_suffix("/note")?
        .parse()
        .ok()
}

fn line(order: &Order) -> String {
    format!(
        "{}\t{}\t{}\t{}\n",
        order.id, order.item, order.quantity, order.note
    )
}

/// Without what would break a line of the list.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
