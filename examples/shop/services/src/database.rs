//! The orders, in PostgreSQL.

use std::sync::Mutex;

use postgres::{Client, NoTls};

/// One order.
pub struct Order {
    pub id: i64,
    pub item: String,
    pub quantity: i32,
    /// What the mailer wrote to the customer; empty: nothing yet.
    pub note: String,
}

/// The database, connected again when the connection was lost.
pub struct Database {
    uri: String,
    client: Mutex<Option<Client>>,
}

impl Database {
    /// What a reference to the resource `orders` put into the environment.
    ///
    /// # Errors
    /// It isn't there.
    pub fn from_env() -> Result<Self, String> {
        Ok(Self {
            uri: crate::env("ORDERS_URI")?,
            client: Mutex::new(None),
        })
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<T, String> {
        let mut slot = self
            .client
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut client = match slot.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => Client::connect(&self.uri, NoTls).map_err(describe)?,
        };
        let outcome = work(&mut client).map_err(describe);
        *slot = Some(client);
        outcome
    }

    /// Makes the table; how many orders there are.
    ///
    /// # Errors
    /// What the database said.
    pub fn migrate(&self) -> Result<i64, String> {
        self.with(|client| {
            client.batch_execute(
                "CREATE TABLE IF NOT EXISTS orders (
                     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                     item text NOT NULL,
                     quantity integer NOT NULL CHECK (quantity > 0),
                     note text NOT NULL DEFAULT ''
                 )",
            )?;
            Ok(client.query_one("SELECT count(*) FROM orders", &[])?.get(0))
        })
    }

    /// Adds an order; its number.
    ///
    /// # Errors
    /// What the database said.
    pub fn add(&self, item: &str, quantity: i32) -> Result<i64, String> {
        self.with(|client| {
            let sql = "INSERT INTO orders (item, quantity) VALUES ($1, $2) RETURNING id";
            Ok(client.query_one(sql, &[&item, &quantity])?.get(0))
        })
    }

    /// Every order, the newest first.
    ///
    /// # Errors
    /// What the database said.
    pub fn all(&self) -> Result<Vec<Order>, String> {
        self.with(|client| {
            let rows = client.query(
                "SELECT id, item, quantity, note FROM orders ORDER BY id DESC",
                &[],
            )?;
            Ok(rows.iter().map(order).collect())
        })
    }

    /// The oldest order without a note.
    ///
    /// # Errors
    /// What the database said.
    pub fn without_note(&self) -> Result<Option<Order>, String> {
        self.with(|client| {
            let sql =
                "SELECT id, item, quantity, note FROM orders WHERE note = '' ORDER BY id LIMIT 1";
            Ok(client.query_opt(sql, &[])?.as_ref().map(order))
        })
    }

    /// Writes an order's note.
    ///
    /// # Errors
    /// What the database said.
    pub fn set_note(&self, id: i64, note: &str) -> Result<bool, String> {
        self.with(|client| {
            let sql = "UPDATE orders SET note = $2 WHERE id = $1";
            Ok(client.execute(sql, &[&id, &note])? == 1)
        })
    }
}

fn order(row: &postgres::Row) -> Order {
    Order {
        id: row.get(0),
        item: row.get(1),
        quantity: row.get(2),
        note: row.get(3),
    }
}

/// The whole chain of causes: the outermost alone says only `db error`.
fn describe(error: postgres::Error) -> String {
    let mut text = format!("postgres: {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
