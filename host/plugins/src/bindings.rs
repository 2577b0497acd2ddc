//! Rust types and traits for `wit/`, generated.
//!
//! One world that imports everything that any hook may be given. What a component exports is
//! found out by looking at it, so no export is declared here. Doesn't know what any function does.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package aspire:serving@0.1.0;
        world everything {
            import aspire:host/types@0.1.0;
            import aspire:host/log@0.1.0;
            import aspire:host/registration@0.1.0;
            import aspire:host/declarations@0.1.0;
            import aspire:host/edits@0.1.0;
            import aspire:host/model@0.1.0;
            import aspire:host/constructs@0.1.0;
            import aspire:host/artifacts@0.1.0;
        }
    ",
    world: "aspire:serving/everything",
    imports: { default: trappable },
    with: {
        "aspire:host/registration.registry": crate::handles::RegistryHandle,
        "aspire:host/declarations.declaration": crate::handles::DeclarationHandle,
        "aspire:host/edits.transaction": crate::handles::EditsHandle,
        "aspire:host/model.snapshot": crate::handles::SnapshotHandle,
        "aspire:host/constructs.graph": crate::handles::GraphHandle,
        "aspire:host/constructs.transaction": crate::handles::ConstructsHandle,
        "aspire:host/artifacts.output": crate::handles::OutputHandle,
    },
});

pub(crate) use aspire::host::{
    artifacts, constructs, declarations, edits, log, model, registration, types,
};
