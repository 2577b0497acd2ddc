//! `aspire:host/declarations`: the declaration that `expand` was called for.

use std::collections::BTreeSet;
use std::sync::Arc;

use aspire_model::hook::ExpandContext;
use aspire_model::{Declaration, FactValue, Form};
use wasmtime::component::Resource;

use super::handle;
use crate::bindings::declarations::{Host, HostDeclaration};
use crate::facts::Name;
use crate::handles::DeclarationHandle;
use crate::state::{CallState, Role};

impl CallState {
    fn declaration(
        &mut self,
        function: &str,
    ) -> wasmtime::Result<(Arc<Declaration>, ExpandContext)> {
        match &self.role {
            Role::Expand {
                declaration,
                context,
            } => Ok((Arc::clone(declaration), context.clone())),
            _ => Err(self.unavailable(function, "`integration.expand`")),
        }
    }
}

impl Host for CallState {
    fn current(&mut self) -> wasmtime::Result<Resource<DeclarationHandle>> {
        self.declaration("declarations.current")?;
        Ok(handle())
    }

    fn mode(&mut self) -> wasmtime::Result<String> {
        Ok(self
            .declaration("declarations.mode")?
            .1
            .mode
            .name()
            .to_owned())
    }

    fn app(&mut self) -> wasmtime::Result<String> {
        Ok(self.declaration("declarations.app")?.1.app.to_string())
    }
}

impl HostDeclaration for CallState {
    fn name(&mut self, _: Resource<DeclarationHandle>) -> wasmtime::Result<String> {
        Ok(self.declaration("declaration.name")?.0.name.to_string())
    }

    fn kind(&mut self, _: Resource<DeclarationHandle>) -> wasmtime::Result<String> {
        Ok(self.declaration("declaration.kind")?.0.kind.to_string())
    }

    fn options(&mut self, _: Resource<DeclarationHandle>) -> wasmtime::Result<String> {
        Ok(self
            .declaration("declaration.options")?
            .0
            .options
            .to_string())
    }

    fn explicit_facts(&mut self, _: Resource<DeclarationHandle>) -> wasmtime::Result<Vec<String>> {
        let (declaration, _) = self.declaration("declaration.explicit-facts")?;
        let names: BTreeSet<&str> = declaration
            .explicit
            .iter()
            .map(|(key, ..)| key.field.name())
            .collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn explicit_text(
        &mut self,
        _: Resource<DeclarationHandle>,
        fact: String,
    ) -> wasmtime::Result<Option<String>> {
        let (declaration, _) = self.declaration("declaration.explicit-text")?;
        let name = self.checked("invalid-read", "explicit-text", Name::parse(&fact))?;
        let found = declaration.explicit.iter().rev().find(|(key, ..)| {
            key.field == name.field
                && name
                    .form
                    .is_none_or(|form| key.form == form || key.form == Form::Any)
        });
        Ok(found.and_then(|(_, value, _)| match value {
            FactValue::Text(text) => Some(text.clone()),
            FactValue::Value(value) => value.as_literal().map(str::to_owned),
            _ => None,
        }))
    }

    fn drop(&mut self, _: Resource<DeclarationHandle>) -> wasmtime::Result<()> {
        Ok(())
    }
}
