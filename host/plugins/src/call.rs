//! One call of one hook, in a fresh instance with fresh limits.
//!
//! Knows how to call. Doesn't know what the results are for.

use std::sync::Arc;

use aspire_model::hook::{FailureKind, HookFailure};
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use crate::bindings::types::PluginError;
use crate::convert;
use crate::engine::Runtime;
use crate::failure::{Budget, failed, stopped};
use crate::limits::Limits;
use crate::serve;
use crate::state::{CallState, Identity};
use crate::survey::{Hook, Survey};
use crate::wasi;

/// A compiled plugin, linked and ready to be called from any thread.
pub(crate) struct Guest {
    pub(crate) identity: Arc<Identity>,
    pub(crate) limits: Arc<Limits>,
    runtime: Runtime,
    instance: InstancePre<CallState>,
    hooks: Vec<(Hook, ComponentExportIndex)>,
}

type Answer = (Result<(), PluginError>,);

/// What every plugin is linked to, made once: only the WASI stubs differ.
pub(crate) fn linker(runtime: &Runtime) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(&runtime.engine);
    serve::add_to_linker(&mut linker)?;
    Ok(linker)
}

impl Guest {
    /// Links a component.
    pub(crate) fn link(
        runtime: &Runtime,
        linker: &Linker<CallState>,
        component: &Component,
        survey: &Survey,
        identity: Arc<Identity>,
        limits: Arc<Limits>,
    ) -> wasmtime::Result<Self> {
        let instance = if survey
            .imports
            .iter()
            .any(|import| import.starts_with("wasi:"))
        {
            let mut linker = linker.clone();
            wasi::add_to_linker(&mut linker, &runtime.engine, component)?;
            linker.instantiate_pre(component)?
        } else {
            linker.instantiate_pre(component)?
        };
        let find = |(hook, export): &(Hook, String)| {
            let interface = component.get_export_index(None, export)?;
            let function = component.get_export_index(Some(&interface), hook.function())?;
            Some((*hook, function))
        };
        let hooks = survey.hooks.iter().filter_map(find).collect();
        Ok(Self {
            identity,
            limits,
            runtime: runtime.clone(),
            instance,
            hooks,
        })
    }

    /// Calls a hook and returns what it has produced. Nothing of a failed call is kept.
    pub(crate) fn call(
        &self,
        hook: Hook,
        argument: &str,
        state: CallState,
    ) -> Result<CallState, HookFailure> {
        let budget = budget(&state.limits, hook);
        let Some((_, function)) = self.hooks.iter().find(|(found, _)| *found == hook) else {
            let text = format!("it does not export `{}`", hook.interface());
            return Err(failed(&state, FailureKind::Trap(text), Vec::new()));
        };
        let mut store = Store::new(&self.runtime.engine, state);
        let answer = self.run(&mut store, function, hook, argument, budget);
        let mut state = store.into_data();
        match answer {
            Ok((Ok(()),)) => match state.stop.take() {
                None => Ok(state),
                Some(kind) => Err(failed(&state, kind, Vec::new())),
            },
            Ok((Err(error),)) => {
                let error = convert::guest_error(&self.identity.id, error);
                Err(failed(&state, FailureKind::Guest(error), Vec::new()))
            }
            Err(error) => Err(stopped(state, &error, budget)),
        }
    }

    fn run(
        &self,
        store: &mut Store<CallState>,
        function: &ComponentExportIndex,
        hook: Hook,
        argument: &str,
        budget: Budget,
    ) -> wasmtime::Result<Answer> {
        store.limiter(|state| state);
        store.set_fuel(budget.fuel)?;
        store.set_hostcall_fuel(store.data().limits.host_call_bytes);
        store.set_max_component_handles(store.data().limits.handles);
        store.set_epoch_deadline(Runtime::ticks(budget.deadline));
        let _clock = self.runtime.begin_call();
        let instance = self.instance.instantiate(&mut *store)?;
        if hook == Hook::Descriptor {
            let function = instance.get_typed_func::<(), Answer>(&mut *store, function)?;
            function.call(&mut *store, ())
        } else {
            let function = instance.get_typed_func::<(&str,), Answer>(&mut *store, function)?;
            function.call(&mut *store, (argument,))
        }
    }
}

fn budget(limits: &Limits, hook: Hook) -> Budget {
    match hook {
        Hook::Descriptor => Budget {
            fuel: limits.fuel,
            deadline: limits.describe_deadline,
        },
        Hook::Integration | Hook::Pass => Budget {
            fuel: limits.fuel,
            deadline: limits.deadline,
        },
        Hook::Publisher => Budget {
            fuel: limits.publish_fuel,
            deadline: limits.publish_deadline,
        },
    }
}
