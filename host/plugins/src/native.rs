//! Mapping compiled code into memory: the one `unsafe` step of the plugin host.
//!
//! Knows how to map a file. Doesn't know which file deserves it: [`crate::cache`] does.

#![expect(unsafe_code, reason = "compiled code cannot be checked, only trusted")]

use std::path::Path;

use wasmtime::Engine;
use wasmtime::component::Component;

/// Maps a file that this program, or an earlier run of it, wrote with `Component::serialize`.
///
/// The caller has to have established that. wasmtime itself refuses the output of another version
/// or configuration of itself.
pub(crate) fn map(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize_file` demands the unmodified output of `serialize`. The cache only hands
    // over files in a folder that nobody but the user can write to (owner and mode are checked at
    // every start, symbolic links refused), that are not writable for others either, and whose
    // SHA-256 is the recorded one, or whose size, times and inode are those that they had when it
    // was compared last. Such files are never written in place: they are renamed into place, so the
    // mapping cannot change underneath. Somebody who can defeat that is the user.
    unsafe { Component::deserialize_file(engine, path) }
}
