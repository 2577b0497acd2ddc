//! `aspire:host/log`: lines for whoever debugs the plugin.

use crate::bindings::log::Host;
use crate::state::CallState;
use crate::text::printable;

impl Host for CallState {
    fn write(&mut self, level: String, message: String) -> wasmtime::Result<()> {
        let room = self.limits.log_bytes.saturating_sub(self.logged);
        if room == 0 {
            return Ok(());
        }
        self.logged = self.logged.saturating_add(message.len().max(1));
        let kept = &message[..message.floor_char_boundary(room)];
        let text = printable(kept, false);
        let (plugin, call) = (&*self.identity.id, &*self.call);
        match level.as_str() {
            "warn" => tracing::warn!(target: "plugin", plugin, call, "{text}"),
            "info" => tracing::info!(target: "plugin", plugin, call, "{text}"),
            _ => tracing::debug!(target: "plugin", plugin, call, "{text}"),
        }
        if self.logged >= self.limits.log_bytes {
            tracing::warn!(target: "plugin", plugin, call, "it has logged too much; the rest of this call is left out");
        }
        Ok(())
    }
}
