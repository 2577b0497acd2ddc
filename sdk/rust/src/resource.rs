//! The typed way to describe a resource: a builder over [`Edits`].
//!
//! Every method records one edit. Facts that hold for one form only are set inside
//! [`Resource::process`] and [`Resource::container_only`].

use crate::edits::{Edit, Edits, Fact};
use crate::expression::Expression;
use crate::fact::{Endpoint, File, Mount, Prepare, Probe, Wait};

/// A resource that is being described.
#[derive(Debug)]
pub struct Resource<'e> {
    edits: &'e mut Edits,
    name: String,
    /// In front of every fact's name: nothing, `container:` or `process:`.
    prefix: &'static str,
}

/// Facts that are one value each.
macro_rules! single {
    ($($(#[doc = $doc:literal])+ $method:ident $fact:literal $case:ident $type:ty;)+) => {
        $($(#[doc = $doc])+
        pub fn $method(self, value: impl Into<$type>) -> Self {
            self.set($fact, Fact::$case(value.into()))
        })+
    };
}

/// Facts with an entry by key.
macro_rules! keyed {
    ($($(#[doc = $doc:literal])+ $method:ident $fact:literal $case:ident $type:ty;)+) => {
        $($(#[doc = $doc])+
        pub fn $method(self, key: impl Into<String>, value: impl Into<$type>) -> Self {
            self.put($fact, key, Fact::$case(value.into()))
        })+
    };
}

impl<'e> Resource<'e> {
    pub(crate) fn new(edits: &'e mut Edits, name: String) -> Self {
        Self {
            edits,
            name,
            prefix: "",
        }
    }

    /// Sets any single fact, by its name in `docs/facts.md`.
    pub fn set(self, fact: &str, value: Fact) -> Self {
        self.put(fact, "", value)
    }

    /// Sets one entry of any map of facts.
    pub fn put(self, fact: &str, key: impl Into<String>, value: Fact) -> Self {
        self.edits.record(Edit::Set {
            resource: self.name.clone(),
            fact: format!("{}{fact}", self.prefix),
            key: key.into(),
            value,
        });
        self
    }

    /// Unsets a fact (`key` empty) or takes an entry out of a map.
    pub fn remove(self, fact: &str, key: impl Into<String>) -> Self {
        self.edits.record(Edit::Remove {
            resource: self.name.clone(),
            fact: format!("{}{fact}", self.prefix),
            key: key.into(),
        });
        self
    }

    /// Makes it a part of another resource.
    pub fn parent(self, parent: impl Into<String>) -> Self {
        self.edits.record(Edit::SetParent {
            resource: self.name.clone(),
            parent: parent.into(),
        });
        self
    }

    /// What holds for the process form only: its command, the programs that it requires …
    ///
    /// The process listens on [`listen_port`](crate::expr::listen_port) and finds its storage and
    /// files at [`path`](crate::expr::path). Needs the permission `run-process:PROGRAM`.
    pub fn process(self, describe: impl for<'r> FnOnce(Resource<'r>) -> Resource<'r>) -> Self {
        self.form("process:", describe)
    }

    /// What holds for the container form only.
    pub fn container_only(
        self,
        describe: impl for<'r> FnOnce(Resource<'r>) -> Resource<'r>,
    ) -> Self {
        self.form("container:", describe)
    }

    fn form(
        self,
        prefix: &'static str,
        describe: impl for<'r> FnOnce(Resource<'r>) -> Resource<'r>,
    ) -> Self {
        describe(Resource {
            edits: &mut *self.edits,
            name: self.name.clone(),
            prefix,
        });
        self
    }

    /// Describes it further only if there is a value.
    pub fn with<T>(self, value: Option<T>, describe: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => describe(self, value),
            None => self,
        }
    }

    /// Describes it further only if something is so.
    pub fn when(self, condition: bool, describe: impl FnOnce(Self) -> Self) -> Self {
        if condition { describe(self) } else { self }
    }

    single! {
        /// For people.
        description "description" Text String;
        /// Image reference, with its registry.
        image "image" Text String;
        /// When the image is pulled: `missing`, `always` or `never`.
        pull "pull" Text String;
        /// The program of the process form. Needs the permission `run-process:PROGRAM`.
        command "command" Value Expression;
        /// Where it starts.
        working_directory "working-directory" Text String;
        /// The user that it runs as.
        user "user" Text String;
        /// The signal that asks a process to stop: `SIGTERM` (the default), `SIGINT` or `SIGQUIT`.
        stop_signal "stop-signal" Text String;
        /// The health probe.
        probe "health" Probe Probe;
        /// `yes`: one that the health probe finds unhealthy is stopped and has failed.
        liveness "liveness" Text String;
        /// The connection string.
        connection_string "connection-string" Value Expression;
        /// The variable that carries the connection string, when it is not `ConnectionStrings__NAME`.
        connection_variable "connection-variable" Text String;
        /// The value of a value resource.
        value "value" Value Expression;
        /// The URL of an external service.
        url "url" Value Expression;
        /// How many of it.
        replicas "replicas" Number i64;
        /// `session` or `persistent`.
        lifetime "lifetime" Text String;
        /// `no`, `on-failure` or `always`; followed by `:N`: at most N times in a row.
        restart "restart" Text String;
        /// `auto` or `manual`.
        start "start" Text String;
        /// `yes`, `no` (admin UIs) or `connection-string`.
        publish "publish" Text String;
        /// Milliseconds between the request to stop and the end.
        stop_grace "stop-grace" Number i64;
    }

    keyed! {
        /// An environment variable.
        env "env" Value Expression;
        /// A way in, by name.
        endpoint "endpoints" Endpoint Endpoint;
        /// Storage, by key; [`Resource::volume`] is the usual one.
        mount "mounts" Mount Mount;
        /// A file that the host writes before the start, by key.
        file "files" File File;
        /// A label.
        label "labels" Value Expression;
        /// A named connection property, such as `Host`, `Port`, `Password` or `Uri`.
        property "properties" Value Expression;
        /// Another resource, which has to reach a state first.
        wait_for "waits" Wait Wait;
        /// A program that the process form needs, with a hint where to get it.
        requires "requires" Value Expression;
        /// A step before the process starts, in order of key. Needs `run-process:PROGRAM`.
        prepare "prepare" Prepare Prepare;
        /// `gpus`, `device:PATH`, `cap-add:NAME`, `privileged` or `network:host`. Needs `privileged`.
        privilege "privileges" Value Expression;
        /// Another name on the network.
        alias "aliases" Value Expression;
    }

    /// A volume that is kept, at an absolute path inside the container.
    pub fn volume(self, key: impl Into<String>, target: impl Into<String>) -> Self {
        self.mount(key, Mount::volume(target))
    }

    /// One more argument. The first call begins a new list.
    pub fn arg(self, arg: impl Into<Expression>) -> Self {
        let fact = format!("{}args", self.prefix);
        self.edits.append(&self.name, &fact, arg.into());
        self
    }

    /// More arguments.
    pub fn args<E: Into<Expression>>(self, args: impl IntoIterator<Item = E>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Replaces the image's entry point.
    pub fn entrypoint<E: Into<Expression>>(self, program: impl IntoIterator<Item = E>) -> Self {
        let program = program.into_iter().map(Into::into).collect();
        self.set("entrypoint", Fact::Values(program))
    }
}
