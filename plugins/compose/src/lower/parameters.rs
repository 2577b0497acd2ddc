//! Parameters: keys of `.env`. Values never pass through here, except defaults that are no secret.

use aspire_sdk::{Construct, Grade};

use super::Lowerer;
use crate::symbol::PARAMETER;

impl Lowerer<'_> {
    /// One parameter. All of them are declared; the publisher asks for those that it meets.
    pub(super) fn parameter(&mut self, name: &str) {
        let Some(parameter) = self.model.parameter(name) else {
            return;
        };
        let mut construct = Construct::new(format!("parameter/{name}"), PARAMETER, name)
            .origin(name)
            .property("secret", parameter.secret)
            .property("description", parameter.description)
            .property("generated", parameter.generate_length)
            .property("special", parameter.generate_special);
        if parameter.generate_length > 0 {
            let reason = "Compose makes up no values: .env.example says how to make one";
            self.row(name, "parameter", Grade::Adapted, reason);
        }
        if parameter.secret && !parameter.default_value.is_empty() {
            let reason = "the default of a secret is not written into a file: .env has to hold it";
            self.row(name, "parameter", Grade::Weakened, reason);
        } else if let Some(default) = self.default_of(name) {
            construct = construct.property("default", default);
        } else if !parameter.default_value.is_empty() {
            let reason = "Compose allows no other values in a default: .env has to hold it";
            self.row(name, "parameter", Grade::Weakened, reason);
        }
        self.out.add(construct);
    }
}
