//! Stub.
use crate::args::EnvArgs;
use crate::error::Exit;
use crate::host::Host;
pub(super) fn run(_: &Host, _: &EnvArgs) -> anyhow::Result<Exit> {
    Ok(Exit::Fine)
}
