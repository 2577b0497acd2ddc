//! What `aspire.toml` says about a PostgreSQL, as types; the schema is next door.

use std::collections::BTreeMap;

use aspire_sdk::serde::{self, Deserialize};
use aspire_sdk::{Declaration, Error, Expression};

/// On, off, or on with details.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(crate = "self::serde", untagged)]
pub(crate) enum Switch<T> {
    Flag(bool),
    Details(T),
}

impl<T: Clone + Default> Switch<T> {
    /// The details, if it is on.
    fn on(switch: Option<&Self>) -> Option<T> {
        match switch {
            None | Some(Self::Flag(false)) => None,
            Some(Self::Flag(true)) => Some(T::default()),
            Some(Self::Details(details)) => Some(details.clone()),
        }
    }
}

/// The options of a declaration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(crate = "self::serde", rename_all = "kebab-case", default)]
pub(crate) struct Options {
    pub(crate) databases: Vec<DatabaseOption>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) port: Option<u16>,
    data_volume: Option<Switch<String>>,
    pub(crate) init_scripts: BTreeMap<String, ScriptOption>,
    admin: Option<Admin>,
}

/// A database: the name of both, or one each.
#[derive(Debug, Clone, Deserialize)]
#[serde(crate = "self::serde", untagged)]
pub(crate) enum DatabaseOption {
    Name(String),
    Named {
        name: String,
        database: Option<String>,
    },
}

/// A script: its SQL, or a table with that.
#[derive(Debug, Clone, Deserialize)]
#[serde(crate = "self::serde", untagged)]
pub(crate) enum ScriptOption {
    Sql(Expression),
    Table {
        database: Option<String>,
        sql: Expression,
    },
}

/// Which web UIs.
#[derive(Debug, Clone, Deserialize)]
#[serde(crate = "self::serde", untagged)]
enum Admin {
    One(Ui),
    Each {
        pgadmin: Option<Switch<UiOptions>>,
        pgweb: Option<Switch<UiOptions>>,
    },
}

/// A web UI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(crate = "self::serde", rename_all = "lowercase")]
pub(crate) enum Ui {
    Pgadmin,
    Pgweb,
}

impl Ui {
    /// Name of its resource, and of its option.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pgadmin => "pgadmin",
            Self::Pgweb => "pgweb",
        }
    }
}

/// Wishes about a web UI.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(crate = "self::serde", default)]
pub(crate) struct UiOptions {
    pub(crate) port: Option<u16>,
}

impl Options {
    /// Reads the declaration's.
    pub(crate) fn of(declaration: &Declaration) -> Result<Self, Error> {
        declaration.options()
    }

    /// Name of the data volume (empty: the host's choice), if data is kept.
    pub(crate) fn data_volume(&self) -> Option<String> {
        Switch::on(self.data_volume.as_ref())
    }

    /// What is wished about a web UI, if it is wished.
    pub(crate) fn admin(&self, ui: Ui) -> Option<UiOptions> {
        match self.admin.as_ref()? {
            Admin::One(one) => (*one == ui).then(UiOptions::default),
            Admin::Each { pgadmin, pgweb } => Switch::on(match ui {
                Ui::Pgadmin => pgadmin.as_ref(),
                Ui::Pgweb => pgweb.as_ref(),
            }),
        }
    }
}
