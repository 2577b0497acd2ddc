//! Raw bindings, one module per world of `wit/worlds.wit`. Nothing here is for authors.
//!
//! The first world generates the interfaces that several worlds share; the others point at them,
//! so that a segment is one type. Each world's export macro is what [`crate::plugin!`] expands to
//! in the plugin's crate. All `unsafe` of the SDK is generated here.

#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated"
)]

pub mod passing {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "passing",
        pub_export_macro: true,
        export_macro_name: "export_pass",
        default_bindings_module: "::aspire_sdk::bindings::passing",
        runtime_path: "::aspire_sdk::bindings::runtime",
    });
}

pub mod describing {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "describing",
        pub_export_macro: true,
        export_macro_name: "export_descriptor",
        default_bindings_module: "::aspire_sdk::bindings::describing",
        runtime_path: "::aspire_sdk::bindings::runtime",
        with: {
            "aspire:host/types@0.1.0": crate::bindings::passing::aspire::host::types,
            "aspire:host/log@0.1.0": crate::bindings::passing::aspire::host::log,
        },
    });
}

pub mod integrating {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "integrating",
        pub_export_macro: true,
        export_macro_name: "export_integration",
        default_bindings_module: "::aspire_sdk::bindings::integrating",
        runtime_path: "::aspire_sdk::bindings::runtime",
        with: {
            "aspire:host/types@0.1.0": crate::bindings::passing::aspire::host::types,
            "aspire:host/log@0.1.0": crate::bindings::passing::aspire::host::log,
            "aspire:host/edits@0.1.0": crate::bindings::passing::aspire::host::edits,
        },
    });
}

pub mod publishing {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "publishing",
        pub_export_macro: true,
        export_macro_name: "export_publisher",
        default_bindings_module: "::aspire_sdk::bindings::publishing",
        runtime_path: "::aspire_sdk::bindings::runtime",
        with: {
            "aspire:host/types@0.1.0": crate::bindings::passing::aspire::host::types,
            "aspire:host/log@0.1.0": crate::bindings::passing::aspire::host::log,
            "aspire:host/model@0.1.0": crate::bindings::passing::aspire::host::model,
            "aspire:host/constructs@0.1.0": crate::bindings::passing::aspire::host::constructs,
        },
    });
}

pub use wit_bindgen::rt as runtime;
