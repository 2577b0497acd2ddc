//! The types of the handles that guests hold.
//!
//! A call has at most one object of each type, so a handle carries nothing: the object is in the
//! call's state, and wasmtime's own table sees to it that handles cannot be made up.

#![expect(unreachable_pub, reason = "generated code exports them again")]

macro_rules! handles {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => {
        $($(#[doc = $doc])+
        pub struct $name;)+
    };
}

handles! {
    /// Handle of `registration.registry`.
    RegistryHandle;
    /// Handle of `declarations.declaration`.
    DeclarationHandle;
    /// Handle of `edits.transaction`.
    EditsHandle;
    /// Handle of `model.snapshot`.
    SnapshotHandle;
    /// Handle of `constructs.graph`.
    GraphHandle;
    /// Handle of `constructs.transaction`.
    ConstructsHandle;
    /// Handle of `artifacts.output`.
    OutputHandle;
}
