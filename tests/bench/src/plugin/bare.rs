//! The floor of (a): wasmtime and nothing else.

use std::fs;
use std::path::Path;
use std::time::Instant;

use wasmtime::component::{Component, HasSelf, Linker, Resource};
use wasmtime::{Engine, Store};

use crate::Result;
use crate::clock::ms;

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package aspire:bench@0.1.0;
        world bare {
            import aspire:host/log@0.1.0;
            import aspire:host/declarations@0.1.0;
            import aspire:host/edits@0.1.0;
        }
    ",
    world: "aspire:bench/bare",
});

use aspire::host::types::{
    Diagnostic, Endpoint, Expression, File, Mount, Parameter, PluginError, Prepare, Probe, Wait,
};
use aspire::host::{declarations, edits, log, types};

const INTERFACE: &str = "aspire:host/integration@0.1.0";
const FUNCTION: &str = "expand";

/// What the guest talks to: nobody.
struct Nobody;

impl types::Host for Nobody {}

impl log::Host for Nobody {
    fn write(&mut self, _: String, _: String) {}
}

impl declarations::Host for Nobody {
    fn current(&mut self) -> Resource<declarations::Declaration> {
        Resource::new_own(1)
    }
    fn mode(&mut self) -> String {
        "run".into()
    }
    fn app(&mut self) -> String {
        "app".into()
    }
}

impl declarations::HostDeclaration for Nobody {
    fn name(&mut self, _: Resource<declarations::Declaration>) -> String {
        "cache".into()
    }
    fn kind(&mut self, _: Resource<declarations::Declaration>) -> String {
        super::PLUGIN.into()
    }
    fn options(&mut self, _: Resource<declarations::Declaration>) -> String {
        "{}".into()
    }
    fn explicit_facts(&mut self, _: Resource<declarations::Declaration>) -> Vec<String> {
        Vec::new()
    }
    fn explicit_text(
        &mut self,
        _: Resource<declarations::Declaration>,
        _: String,
    ) -> Option<String> {
        None
    }
    fn drop(&mut self, _: Resource<declarations::Declaration>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl edits::Host for Nobody {
    fn begin(&mut self) -> Resource<edits::Transaction> {
        Resource::new_own(1)
    }
}

/// Functions of a transaction that take some values and do nothing.
macro_rules! ignore {
    ($($name:ident($($value:ty),*);)*) => {
        impl edits::HostTransaction for Nobody {
            $(fn $name(&mut self, _: Resource<edits::Transaction>, $(_: $value),*) {})*
            fn drop(&mut self, _: Resource<edits::Transaction>) -> wasmtime::Result<()> {
                Ok(())
            }
        }
    };
}

ignore! {
    add_resource(String, String, String);
    set_parent(String, String);
    set_text(String, String, String);
    set_number(String, String, i64);
    set_flag(String, String, bool);
    set_value(String, String, Expression);
    set_values(String, String, Vec<Expression>);
    put_entry(String, String, String, Expression);
    put_endpoint(String, String, String, Endpoint);
    put_mount(String, String, String, Mount);
    put_file(String, String, String, File);
    put_wait(String, String, String, Wait);
    put_prepare(String, String, String, Prepare);
    set_probe(String, String, Probe);
    set_parameter(String, Parameter);
    remove(String, String, String);
    diagnose(Diagnostic);
}

/// `bench part compile`: the code that the bare loop maps.
pub(crate) fn compile(plugin: &str, code: &str) -> Result<()> {
    let bytes = fs::read(plugin).map_err(|error| format!("{plugin}: {error}"))?;
    let compiled = Engine::default()
        .precompile_component(&bytes)
        .map_err(text)?;
    fs::write(code, compiled).map_err(|error| format!("{code}: {error}"))
}

/// `bench part bare`: wasmtime as it comes.
pub(crate) fn bare(code: &str) -> Result<()> {
    let start = Instant::now();
    let engine = Engine::default();
    let component = map(&engine, Path::new(code))?;
    let mut linker = Linker::<Nobody>::new(&engine);
    Bare::add_to_linker::<_, HasSelf<_>>(&mut linker, |nobody| nobody).map_err(text)?;
    // What belongs to other hooks, and WASI.
    linker
        .define_unknown_imports_as_traps(&component)
        .map_err(text)?;
    let instance = linker.instantiate_pre(&component).map_err(text)?;
    let interface = component
        .get_export_index(None, INTERFACE)
        .ok_or("no such export")?;
    let function = component
        .get_export_index(Some(&interface), FUNCTION)
        .ok_or("no `expand`")?;
    let load = ms(start.elapsed());
    super::tell(load, || {
        let mut store = Store::new(&engine, Nobody);
        let instance = instance.instantiate(&mut store).map_err(text)?;
        let expand = instance
            .get_typed_func::<(&str,), (std::result::Result<(), PluginError>,)>(
                &mut store, &function,
            )
            .map_err(text)?;
        match expand.call(&mut store, ("cache",)).map_err(text)? {
            (Ok(()),) => Ok(()),
            (Err(error),) => Err(error.message),
        }
    })
}

#[expect(unsafe_code, reason = "mapping compiled code is how a warm load works")]
fn map(engine: &Engine, code: &Path) -> Result<Component> {
    // SAFETY: the file was written by `compile` in this run, in a folder that only we write to.
    unsafe { Component::deserialize_file(engine, code) }.map_err(text)
}

fn text(error: wasmtime::Error) -> String {
    format!("{error:#}")
}
