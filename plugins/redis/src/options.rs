//! What `aspire.toml` may say about a Redis: the schema, and the same as types.

use aspire_sdk::serde::{self, Deserialize};
use aspire_sdk::{Declaration, Error, Kind, Schema};

/// Where the official image keeps the modules that it comes with.
const MODULE_FOLDER: &str = "/usr/local/lib/redis/modules";

/// Modules of the official image by the name that people know.
const MODULES: [(&str, &str); 4] = [
    ("bloom", "redisbloom.so"),
    ("json", "rejson.so"),
    ("search", "redisearch.so"),
    ("timeseries", "redistimeseries.so"),
];

/// The kind `redis` with the schema of its options.
pub(crate) fn kind() -> Kind {
    Kind::new("redis", "Redis server with a generated password")
        .option(
            "password",
            Schema::one_of([Schema::parameter(), Schema::off()]).describe(
                "Parameter that holds the password; `false`: no password. Left out, \
                 `NAME-password` is generated.",
            ),
        )
        .option(
            "port",
            Schema::port()
                .describe("Fixed port on the developer's machine. Left out, the host picks one."),
        )
        .option(
            "data-volume",
            Schema::one_of([Schema::boolean(), Schema::string().not_empty()]).describe(
                "Keeps the data: `true`, or the name of the volume. Turns persistence on.",
            ),
        )
        .option(
            "persistence",
            Schema::one_of([
                Schema::boolean(),
                Schema::object([
                    (
                        "interval",
                        positive("Seconds between two snapshots. Default: 60."),
                    ),
                    (
                        "keys",
                        positive("Changed keys that make one due. Default: 1."),
                    ),
                ]),
            ])
            .describe(
                "Snapshots: `true` (every 60 s if one key has changed), `false`, or how often.",
            ),
        )
        .option(
            "modules",
            Schema::list(
                Schema::string().pattern("^(bloom|json|search|timeseries|/[A-Za-z0-9_./+-]+)$"),
            )
            .unique()
            .describe(
                "Modules to load: `bloom`, `json`, `search`, `timeseries`, or absolute paths in \
                 the image. Such a Redis runs in a container only.",
            ),
        )
        .option(
            "insight",
            Schema::one_of([
                Schema::boolean(),
                Schema::object([
                    ("port", Schema::port().describe("Fixed port of the web UI.")),
                    (
                        "data-volume",
                        Schema::boolean().describe("Keeps what was set up in it."),
                    ),
                ]),
            ])
            .describe(
                "RedisInsight, a web UI: one for all Redis resources, named `redisinsight`, never \
                 published.",
            ),
        )
}

fn positive(description: &str) -> Schema {
    Schema::integer(1..=i64::from(u32::MAX)).describe(description)
}

/// On, off, or on with details.
#[derive(Debug, Clone, Deserialize)]
#[serde(crate = "self::serde", untagged)]
pub(crate) enum Switch<T> {
    Flag(bool),
    Details(T),
}

/// The options of a declaration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(crate = "self::serde", rename_all = "kebab-case", default)]
pub(crate) struct Options {
    password: Option<Switch<String>>,
    pub(crate) port: Option<u16>,
    data_volume: Option<Switch<String>>,
    persistence: Option<Switch<Persistence>>,
    modules: Vec<String>,
    pub(crate) insight: Option<Switch<Insight>>,
}

/// When a snapshot is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(crate = "self::serde", default)]
pub(crate) struct Persistence {
    pub(crate) interval: u32,
    pub(crate) keys: u32,
}

impl Default for Persistence {
    fn default() -> Self {
        Self {
            interval: 60,
            keys: 1,
        }
    }
}

/// Wishes about RedisInsight.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(crate = "self::serde", rename_all = "kebab-case", default)]
pub(crate) struct Insight {
    pub(crate) port: Option<u16>,
    pub(crate) data_volume: bool,
}

/// Where the password comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Password {
    /// The host makes up this parameter.
    Generated(String),
    /// The user's parameter.
    Given(String),
    None,
}

impl Password {
    /// The parameter that holds it.
    pub(crate) fn parameter(&self) -> Option<&str> {
        match self {
            Self::Generated(name) | Self::Given(name) => Some(name),
            Self::None => None,
        }
    }
}

impl Options {
    /// Reads the declaration's.
    pub(crate) fn of(declaration: &Declaration) -> Result<Self, Error> {
        declaration.options()
    }

    pub(crate) fn password(&self, name: &str) -> Password {
        match &self.password {
            Some(Switch::Details(parameter)) => Password::Given(parameter.clone()),
            Some(Switch::Flag(false)) => Password::None,
            Some(Switch::Flag(true)) | None => Password::Generated(format!("{name}-password")),
        }
    }

    /// Name of the data volume (empty: the host's choice), if data is kept.
    pub(crate) fn data_volume(&self) -> Option<&str> {
        match &self.data_volume {
            Some(Switch::Details(name)) => Some(name),
            Some(Switch::Flag(true)) => Some(""),
            Some(Switch::Flag(false)) | None => None,
        }
    }

    /// Data that is kept is written, unless the user says otherwise.
    pub(crate) fn persistence(&self) -> Option<Persistence> {
        match self.persistence {
            Some(Switch::Details(details)) => Some(details),
            Some(Switch::Flag(on)) => on.then(Persistence::default),
            None => self.data_volume().map(|_| Persistence::default()),
        }
    }

    /// Absolute paths in the image, each once.
    pub(crate) fn modules(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for module in &self.modules {
            let known = MODULES.iter().find(|(name, _)| name == module);
            let path = known.map_or_else(
                || module.clone(),
                |(_, file)| format!("{MODULE_FOLDER}/{file}"),
            );
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }
}
