//! Processes: started on a thread of their own after their start was recorded, ended as whole
//! trees.
//!
//! Knows how a process is prepared, started, watched and ended. Doesn't know states, gates or
//! probes.

pub(crate) mod environment;
mod files;
pub(crate) mod kept;
pub(crate) mod launch;
pub(crate) mod place;
pub(crate) mod run;
pub(crate) mod spawner;
pub(crate) mod tree;
