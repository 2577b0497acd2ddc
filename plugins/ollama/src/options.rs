//! What `aspire.toml` says about an Ollama, as types; the schema is next door.

use aspire_sdk::serde::{self, Deserialize};
use aspire_sdk::{Declaration, Error};

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
    pub(crate) models: Vec<ModelOption>,
    pub(crate) gpu: Option<Gpu>,
    pub(crate) port: Option<u16>,
    data_volume: Option<Switch<String>>,
    webui: Option<Switch<WebUi>>,
}

/// A model, with the name of its resource where that is not made from it.
#[derive(Debug, Clone, Deserialize)]
#[serde(crate = "self::serde", untagged)]
pub(crate) enum ModelOption {
    Model(String),
    Named { name: String, model: String },
}

/// Whose GPUs the container gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(crate = "self::serde", rename_all = "lowercase")]
pub(crate) enum Gpu {
    Nvidia,
    Amd,
}

/// Wishes about Open WebUI.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(crate = "self::serde", rename_all = "kebab-case", default)]
pub(crate) struct WebUi {
    pub(crate) port: Option<u16>,
    data_volume: Option<Switch<String>>,
}

impl Options {
    /// Reads the declaration's.
    pub(crate) fn of(declaration: &Declaration) -> Result<Self, Error> {
        declaration.options()
    }

    /// Name of the data volume (empty: the host's choice), if models are kept.
    pub(crate) fn data_volume(&self) -> Option<String> {
        Switch::on(self.data_volume.as_ref())
    }

    /// What is wished about Open WebUI, if it is wished.
    pub(crate) fn webui(&self) -> Option<WebUi> {
        Switch::on(self.webui.as_ref())
    }
}

impl WebUi {
    /// Name of its data volume (empty: the host's choice), if it keeps anything.
    pub(crate) fn data_volume(&self) -> Option<String> {
        Switch::on(self.data_volume.as_ref())
    }
}
