//! `aspire:host/registration`: what a plugin says about itself.
//!
//! Checks each statement by itself; whether they fit together and fit the manifest is checked
//! when the plugin is loaded.

use aspire_model::grant::Permission;
use aspire_model::hook::{Claim, Descriptor, KindInfo, PassInfo, Phase, TargetInfo};
use aspire_model::{ResourceName, Shape};
use wasmtime::component::Resource;

use super::handle;
use super::model::selector_of;
use crate::bindings::registration::{self as wit, Host, HostRegistry};
use crate::convert;
use crate::handles::RegistryHandle;
use crate::state::{CallState, Mistake, Role};
use crate::text::{printable, shortened};

const CODE: &str = "invalid-descriptor";

type Handle = Resource<RegistryHandle>;

impl CallState {
    fn registering(&mut self, function: &str, size: usize) -> wasmtime::Result<()> {
        if !matches!(self.role, Role::Describe) {
            return Err(self.unavailable(function, "`descriptor.describe`"));
        }
        self.charge(256 + size)?;
        self.charge_resource()
    }

    /// A name that no other thing of its sort has.
    fn named(
        &mut self,
        function: &str,
        name: String,
        taken: impl FnOnce(&Descriptor, &str) -> bool,
    ) -> wasmtime::Result<String> {
        let name = self.checked(CODE, function, convert::name(name).map(String::from))?;
        if taken(&self.output.descriptor, &name) {
            let mistake = Mistake::new(format!("`{name}` is there twice"));
            return self.checked(CODE, function, Err(mistake));
        }
        Ok(name)
    }
}

impl Host for CallState {
    fn begin(&mut self) -> wasmtime::Result<Handle> {
        self.registering("registration.begin", 0)?;
        Ok(handle())
    }
}

impl HostRegistry for CallState {
    fn identity(&mut self, _: Handle, id: String, version: String) -> wasmtime::Result<()> {
        self.registering("registry.identity", id.len() + version.len())?;
        self.output.descriptor.id = id;
        self.output.descriptor.version = version;
        Ok(())
    }

    fn add_kind(
        &mut self,
        _: Handle,
        name: String,
        description: String,
        options_schema: String,
    ) -> wasmtime::Result<()> {
        const FUNCTION: &str = "add-kind";
        self.registering(
            "registry.add-kind",
            description.len() + convert::size_of_json(&options_schema),
        )?;
        let name = self.named(FUNCTION, name, |so_far, name| {
            so_far.kinds.iter().any(|kind| kind.name == name)
        })?;
        let schema = self.checked(CODE, FUNCTION, schema(&name, &options_schema))?;
        let description = printable(&description, false);
        self.output.descriptor.kinds.push(KindInfo {
            name,
            description,
            schema,
        });
        Ok(())
    }

    fn add_pass(&mut self, _: Handle, pass: wit::PassInfo) -> wasmtime::Result<()> {
        const FUNCTION: &str = "add-pass";
        self.registering("registry.add-pass", pass.selector.len())?;
        let name = self.named(FUNCTION, pass.name, |so_far, name| {
            so_far.passes.iter().any(|pass| pass.name == name)
        })?;
        let phase = Phase::parse(&pass.phase).ok_or_else(|| {
            Mistake::new(format!("`{}` is no phase", shortened(&pass.phase))).with_help(Some(
                "there are expand, check, enrich, lower, refine".into(),
            ))
        });
        let phase = self.checked(CODE, FUNCTION, phase)?;
        let selector = selector_of(&pass.selector).map(|_| pass.selector);
        let selector = self.checked(CODE, FUNCTION, selector)?;
        let provides = self.capabilities(FUNCTION, pass.provides)?;
        let before = self.capabilities(FUNCTION, pass.before)?;
        let after = self.capabilities(FUNCTION, pass.after)?;
        let pass = PassInfo {
            name,
            phase,
            selector,
            provides,
            before,
            after,
        };
        self.output.descriptor.passes.push(pass);
        Ok(())
    }

    fn add_claim(&mut self, _: Handle, claim: wit::Claim) -> wasmtime::Result<()> {
        self.registering("registry.add-claim", claim.kind.len() + claim.variant.len())?;
        let claim = self.checked(CODE, "add-claim", check_claim(claim))?;
        self.output.descriptor.claims.push(claim);
        Ok(())
    }

    fn add_target(&mut self, _: Handle, name: String, description: String) -> wasmtime::Result<()> {
        self.registering("registry.add-target", description.len())?;
        let name = self.named("add-target", name, |so_far, name| {
            so_far.targets.iter().any(|target| target.name == name)
        })?;
        let description = printable(&description, false);
        self.output
            .descriptor
            .targets
            .push(TargetInfo { name, description });
        Ok(())
    }

    fn request(&mut self, _: Handle, permission: String, reason: String) -> wasmtime::Result<()> {
        const FUNCTION: &str = "request";
        self.registering("registry.request", permission.len() + reason.len())?;
        let permission = Permission::parse(&printable(&permission, false))
            .map_err(|error| Mistake::new(error.to_string()));
        let permission = self.checked(CODE, FUNCTION, permission)?;
        if reason.trim().is_empty() {
            let mistake = Mistake::new(format!("`{permission}` is asked for without a reason"));
            return self.checked(CODE, FUNCTION, Err(mistake));
        }
        let reason = printable(&reason, false);
        self.output.descriptor.requests.push((permission, reason));
        Ok(())
    }

    fn drop(&mut self, _: Handle) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl CallState {
    fn capabilities(
        &mut self,
        function: &str,
        names: Vec<String>,
    ) -> wasmtime::Result<Vec<String>> {
        let wrong = names.iter().find(|name| {
            name.is_empty() || name.len() > 128 || name.chars().any(|c| c.is_control() || c == ' ')
        });
        let checked = match wrong {
            Some(name) => Err(Mistake::new(format!(
                "`{}` is no name of a capability",
                shortened(name)
            ))),
            None => Ok(names),
        };
        self.checked(CODE, function, checked)
    }
}

fn schema(kind: &str, text: &str) -> Result<serde_json::Value, Mistake> {
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| Mistake::new(format!("the schema of `{kind}` is no JSON: {error}")))?;
    if !value.is_object() {
        return Err(Mistake::new(format!(
            "the schema of `{kind}` is no JSON object"
        )));
    }
    Ok(value)
}

fn check_claim(claim: wit::Claim) -> Result<Claim, Mistake> {
    let wit::Claim {
        pass,
        shape,
        target,
        kind,
        variant,
    } = claim;
    let shape = Shape::parse(&shape)
        .ok_or_else(|| Mistake::new(format!("`{}` is no shape", shortened(&shape))))?;
    let name =
        |text: String| -> Result<String, Mistake> { convert::name(text).map(ResourceName::into) };
    let optional = |text: String| {
        if text.is_empty() {
            Ok(text)
        } else {
            name(text)
        }
    };
    let kind = match kind.rsplit_once('/') {
        Some((id, short)) => format!("{}/{}", name(id.to_owned())?, name(short.to_owned())?),
        None => optional(kind)?,
    };
    Ok(Claim {
        pass: name(pass)?,
        shape,
        target: name(target)?,
        kind,
        variant: optional(variant)?,
    })
}
