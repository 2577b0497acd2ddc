//! Stub.
use crate::args::RunArgs;
use crate::error::Exit;
use crate::host::Host;
pub(super) fn run(_: &Host, _: &RunArgs) -> anyhow::Result<Exit> {
    Ok(Exit::Fine)
}
