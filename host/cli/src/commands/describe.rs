//! Stub.
use crate::args::ResourceArgs;
use crate::error::Exit;
use crate::host::Host;
pub(super) fn run(_: &Host, _: &ResourceArgs) -> anyhow::Result<Exit> {
    Ok(Exit::Fine)
}
