//! `why`: the chain of causes of a resource's present state.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::json;

use crate::args::ResourceArgs;
use crate::error::Exit;
use crate::host::Host;
use crate::running;
use crate::running::why::{failed, why};
use crate::ui::visible;

/// Lines of output of what failed.
const LINES: u32 = 10;

/// Says it.
pub(super) fn run(host: &Host, args: &ResourceArgs) -> Result<Exit> {
    running::with(host, async |running| {
        let workloads = running.workloads().await?;
        workloads.one(&args.resource)?;
        let mut chains = Vec::new();
        for workload in workloads.named(&args.resource) {
            let mut tails = BTreeMap::new();
            for key in failed(workload, &workloads) {
                let lines = super::logs::last_lines(&running, &key, LINES).await;
                tails.insert(key, lines);
            }
            chains.push(why(workload, &workloads, &tails));
        }
        if host.ui.json() {
            let all: Vec<_> = chains.iter().map(|chain| chain.json()).collect();
            host.ui.out_json(&json!(all));
        } else {
            for chain in chains {
                for line in chain.text().lines() {
                    host.ui.out(visible(line, false));
                }
            }
        }
        Ok(Exit::Fine)
    })
}
