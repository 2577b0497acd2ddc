//! The choice between a resource's forms: made once for the whole app, printed with the model.

use std::collections::BTreeMap;

use aspire_model::diagnostic::{Blame, Diagnostic, Diagnostics};
use aspire_model::{AppModel, Form, Resource, ResourceName, Shape};

/// Which form is wanted where a resource has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preference {
    /// Containers.
    Container,
    /// Processes.
    Process,
}

/// The form of every workload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forms(BTreeMap<ResourceName, Form>);

impl Forms {
    /// The form in which a resource runs; for one that doesn't run, its main form.
    pub fn of(&self, resource: &Resource) -> Form {
        self.0
            .get(&resource.name)
            .copied()
            .unwrap_or_else(|| resource.main_form())
    }

    /// Whether any workload runs as a container.
    pub fn any_container(&self) -> bool {
        self.0.values().any(|form| *form == Form::Container)
    }

    /// Every workload with its form, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&ResourceName, Form)> {
        self.0.iter().map(|(name, form)| (name, *form))
    }
}

/// Chooses the form of every workload. With [`Preference::Process`], a resource that has no native
/// form is an error: it needs a container engine.
pub fn choose(model: &AppModel, preference: Preference) -> (Forms, Diagnostics) {
    let mut forms = Forms::default();
    let mut diagnostics = Diagnostics::new();
    for resource in model.iter().filter(|resource| resource.shape.is_workload()) {
        let form = match (resource.shape, preference) {
            (Shape::Executable, _) => Form::Process,
            (_, Preference::Container) => Form::Container,
            (_, Preference::Process) if resource.has_form(Form::Process) => Form::Process,
            (_, Preference::Process) => {
                diagnostics.push(no_native_form(resource));
                Form::Container
            }
        };
        forms.0.insert(resource.name.clone(), form);
    }
    (forms, diagnostics)
}

fn no_native_form(resource: &Resource) -> Diagnostic {
    let diagnostic = |code: &str, message: String| {
        Diagnostic::error(code, message)
            .by(&resource.origin)
            .about(resource.name.as_str())
    };
    match (resource.withheld.first(), resource.owner.as_deref()) {
        (Some(permission), Some(plugin)) => diagnostic(
            "not-granted",
            format!("`{}` may not run natively: plugin {plugin} lacks the permission `{permission}`", resource.name),
        )
        .blame(Blame::Plugin)
        .help(
            resource
                .withheld
                .iter()
                .map(|permission| format!("--allow {plugin}={permission}"))
                .fold("grant it with".to_owned(), |text, option| format!("{text} `{option}`"))
                + ", or start a container engine",
        ),
        _ => diagnostic("no-native-form", format!("`{}` runs only in a container", resource.name))
            .blame(Blame::Environment)
            .help("start a container engine (`aspire-host doctor` says what is missing), or run without this resource: `aspire-host run RESOURCE…`"),
    }
}
