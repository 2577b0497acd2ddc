//! The host's side of `wit/`: one file for each interface.
//!
//! Each function checks what the guest handed over, and then reads from or appends to the state of
//! the call. None of them acts on anything outside it. A mistake of the guest ends the call with a
//! [`Mistake`] that says what would have been right; it is never a panic.

mod artifacts;
mod constructs;
mod declarations;
mod edits;
mod json;
mod log;
mod model;
mod registration;

use aspire_model::Diagnostic;
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::bindings::{Everything, types};
use crate::convert;
use crate::state::{CallState, Mistake};

impl types::Host for CallState {}

/// Links everything under `aspire:host`. The functions are the same for every plugin; what a call
/// may use of them is in its state.
pub(crate) fn add_to_linker(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    Everything::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}

/// The one handle of its type in this call.
fn handle<T: 'static>() -> Resource<T> {
    Resource::new_own(0)
}

impl CallState {
    /// A diagnostic of the guest, checked and counted.
    fn diagnostic(&mut self, value: types::Diagnostic) -> wasmtime::Result<Diagnostic> {
        self.charge_diagnostic()?;
        self.charge(256 + value.message.len())?;
        let id = self.identity.id.clone();
        let diagnostic =
            self.checked("invalid-edit", "diagnose", convert::diagnostic(&id, value))?;
        Ok(diagnostic.by(&self.author))
    }

    /// Ends the call where the guest's data cannot be used.
    fn checked<T>(
        &mut self,
        code: &str,
        function: &str,
        result: Result<T, Mistake>,
    ) -> wasmtime::Result<T> {
        result.map_err(|mut mistake| {
            mistake.message = format!("{function}: {}", mistake.message);
            self.mistake(code, mistake)
        })
    }
}
