//! The JSON Schema of what `aspire.toml` may say about a PostgreSQL.

use aspire_sdk::{Kind, Schema};

/// The kind `postgres` with the schema of its options.
pub(crate) fn kind() -> Kind {
    Kind::new(
        "postgres",
        "PostgreSQL server with a generated password and databases",
    )
    .option("databases", databases())
    .option(
        "user",
        Schema::parameter().describe(
            "Parameter that holds the superuser's name. Left out, it is `postgres`. Not for \
                 secrets: programs get it as an argument.",
        ),
    )
    .option(
        "password",
        Schema::parameter().describe(
            "Parameter that holds the superuser's password. Left out, `NAME-password` is \
                 generated.",
        ),
    )
    .option(
        "port",
        Schema::port()
            .describe("Fixed port on the developer's machine. Left out, the host picks one."),
    )
    .option(
        "data-volume",
        Schema::one_of([Schema::boolean(), Schema::string().not_empty()])
            .describe("Keeps the data: `true`, or the name of the volume."),
    )
    .option("init-scripts", scripts())
    .option("admin", admin())
}

fn databases() -> Schema {
    let child = || Schema::string().format("child-name");
    let named = Schema::object([
        ("name", child().describe("Name of the resource.")),
        (
            "database",
            Schema::string()
                .not_empty()
                .describe("Name of the database, where it is another one."),
        ),
    ]);
    Schema::list(Schema::one_of([child(), named.required(["name"])])).describe(
        "Databases that exist before anything that waits for them starts. Each is a resource of \
         its own, named like the database or by `name`.",
    )
}

fn scripts() -> Schema {
    let table = Schema::object([
        (
            "database",
            Schema::string().describe("The one of `databases` that it is run in."),
        ),
        ("sql", Schema::expression().describe("The SQL.")),
    ]);
    let sql = Schema::expression().describe("The SQL, run in the database `postgres`.");
    Schema::map(Schema::one_of([sql, table.required(["sql"])])).describe(
        "SQL that is run once, on new data, after the databases were made, in order of name. \
         `{parameter}` is replaced; a brace is written `{{`.",
    )
}

fn admin() -> Schema {
    let ui = |what: &str| {
        let port = ("port", Schema::port().describe("Fixed port of the web UI."));
        Schema::one_of([Schema::boolean(), Schema::object([port])]).describe(what)
    };
    Schema::one_of([
        Schema::choice(["pgadmin", "pgweb"]),
        Schema::object([("pgadmin", ui("pgAdmin.")), ("pgweb", ui("pgweb."))]),
    ])
    .describe(
        "A web UI: one for all PostgreSQL resources, named `pgadmin` or `pgweb`, never published.",
    )
}
