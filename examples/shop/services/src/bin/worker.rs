//! Prepares the database, says what is in it, and ends. The API waits for that.

use shop::database::Database;

fn main() {
    match Database::from_env().and_then(|database| database.migrate()) {
        Ok(orders) => println!("the table is ready; orders so far: {orders}"),
        Err(error) => {
            eprintln!("worker: {error}");
            std::process::exit(1);
        }
    }
}
