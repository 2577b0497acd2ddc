//! SQL that is run once, on new data: one script that makes the databases, then the user's own.
//!
//! A container runs them through the image's init folder with psql, a process through PostgreSQL's
//! single-user mode, before it starts. What only psql understands keeps a server from having a
//! process form.

use aspire_sdk::{Declaration, Error, Expression, expr};

use crate::databases::{Database, MAINTENANCE};
use crate::options::{Options, ScriptOption};
use crate::quote;

/// A script of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    /// Its name, with its place in front: readers go by the order of names, each by another one.
    pub(crate) name: String,
    /// The database that it is run in.
    pub(crate) database: String,
    sql: Expression,
}

/// Reads and checks the option.
pub(crate) fn of(
    declaration: &Declaration,
    options: &Options,
    databases: &[Database],
) -> Result<Vec<Script>, Error> {
    let scripts = options.init_scripts.iter().zip(1..);
    scripts
        .map(|((name, option), number)| one(declaration, databases, name, option, number))
        .collect()
}

fn one(
    declaration: &Declaration,
    databases: &[Database],
    name: &str,
    option: &ScriptOption,
    number: u32,
) -> Result<Script, Error> {
    let pointer = format!(
        "/init-scripts/{}",
        name.replace('~', "~0").replace('/', "~1")
    );
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || !name.chars().all(allowed) {
        let message = format!("`{name}` is no name of a script");
        return Err(declaration
            .error(&pointer, "postgres:bad-script-name", &message)
            .help("use letters, digits and hyphens"));
    }
    let (wanted, sql) = match option {
        ScriptOption::Sql(sql) => (None, sql),
        ScriptOption::Table { database, sql } => (database.as_deref(), sql),
    };
    let database = match wanted {
        None | Some(MAINTENANCE) => MAINTENANCE.to_owned(),
        Some(wanted) => match databases
            .iter()
            .find(|database| database.resource == wanted)
        {
            Some(database) => database.name.clone(),
            None => return Err(unknown_database(declaration, &pointer, wanted, databases)),
        },
    };
    Ok(Script {
        name: format!("{number:03}-{name}"),
        database,
        sql: sql.clone(),
    })
}

fn unknown_database(
    declaration: &Declaration,
    pointer: &str,
    wanted: &str,
    databases: &[Database],
) -> Error {
    let message = format!("`{}` has no database `{wanted}`", declaration.name());
    let known: Vec<&str> = databases.iter().map(|one| one.resource.as_str()).collect();
    let help = if known.is_empty() {
        format!("add databases = [\"{wanted}\"]")
    } else {
        format!("its databases are: {}", known.join(", "))
    };
    let pointer = format!("{pointer}/database");
    declaration
        .error(&pointer, "postgres:unknown-database", &message)
        .help(help)
}

/// The script that makes the databases, for psql. One that is there already (the image makes one
/// named after the user) is left alone.
pub(crate) fn create_all(databases: &[Database]) -> Option<String> {
    let made: Vec<String> = databases
        .iter()
        .filter(|database| database.is_made())
        .map(|Database { name, .. }| {
            let create = format!("CREATE DATABASE {};", quote::identifier(name));
            format!(
                "SELECT {} WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {})\\gexec\n",
                quote::literal(&create),
                quote::literal(name)
            )
        })
        .collect();
    (!made.is_empty()).then(|| made.concat())
}

/// Makes one database in single-user mode, where every line is one statement, and then a marker.
///
/// There is no conditional CREATE DATABASE. So its failure is let pass, and the next statement
/// fails for good (it divides by zero) where the database is not there.
pub(crate) fn create_one(database: &str, marker: &Expression) -> Expression {
    expr![
        format!("CREATE DATABASE {};\n", quote::identifier(database)),
        "SET exit_on_error = on;\n",
        format!(
            "SELECT 1 / count(*) FROM pg_database WHERE datname = {};\n",
            quote::literal(database)
        ),
        write_marker(marker),
        "\n",
    ]
}

/// In dollars, because nothing in a path can end those.
fn write_marker(marker: &Expression) -> Expression {
    expr!["COPY (SELECT 1) TO $aspire$", marker, "$aspire$;"]
}

impl Script {
    /// For psql, which begins in another database.
    pub(crate) fn for_psql(&self) -> Expression {
        expr![connect(&self.database), &self.sql, "\n"]
    }

    /// For single-user mode with `-j`, where a semicolon and an empty line end a statement; so the
    /// script is one, and all of it happens or nothing. Then a marker.
    pub(crate) fn for_single_user(&self, marker: &Expression) -> Expression {
        let mut sql = self.sql.clone().into_segments();
        for segment in sql.iter_mut().filter(|segment| segment.op == "lit") {
            segment.subject = keep_together(&segment.subject);
        }
        expr![Expression::of(sql), "\n;\n\n", write_marker(marker), "\n\n"]
    }

    /// Whether only psql understands it: commands of its own, data for COPY behind the statement.
    pub(crate) fn needs_psql(&self) -> bool {
        self.sql
            .segments()
            .iter()
            .filter(|segment| segment.op == "lit")
            .any(|segment| {
                let text = segment.subject.to_ascii_lowercase();
                let words: Vec<&str> = text.split_whitespace().collect();
                text.lines().any(|line| line.trim_start().starts_with('\\'))
                    || text.contains("\\g")
                    || words
                        .windows(2)
                        .any(|pair| pair[0] == "from" && pair[1].trim_end_matches(';') == "stdin")
            })
    }
}

/// psql's own command for another database, by the user and password of before.
fn connect(database: &str) -> String {
    let database = quote::identifier(&quote::conninfo(database));
    format!("\\connect -reuse-previous=on {database}\n")
}

/// Without an empty line behind a semicolon.
fn keep_together(sql: &str) -> String {
    sql.replace("\r\n", "\n").replace(";\n\n", ";\n \n")
}
