//! Where a service's image comes from: a registry, or a build.

use aspire_sdk::serde_json::{Map, Value as Json};
use aspire_sdk::{Construct, Grade, Shape};

use super::Lowerer;
use crate::symbol;

impl Lowerer<'_> {
    /// Adds `image`, `build` and `pull_policy`.
    pub(super) fn image(&mut self, resource: &str, service: &mut Construct) {
        let is_executable = self.shape(resource) == Some(Shape::Executable);
        let (image_fact, build_fact) = if is_executable {
            ("publish-image", "publish-build")
        } else {
            ("image", "build")
        };
        let image = self
            .model
            .text(resource, image_fact)
            .filter(|image| !image.is_empty());
        let build = self.build(resource, build_fact);
        match (image, build) {
            (None, None) if is_executable => {
                let message = format!("`{resource}` is an executable: say how it is published");
                let help = "publish.build = { context = \".\" } or publish.image = \"IMAGE\"";
                self.error(resource, "compose:no-image", message, help);
            }
            (None, None) => {
                let message = format!("`{resource}` has neither an image nor a build");
                self.error(
                    resource,
                    "compose:no-image",
                    message,
                    "set `image` or `build`",
                );
            }
            (image, Some(build)) => {
                service.properties.insert("build".into(), build.into());
                match image {
                    // What is built here must not take the name of somebody else's image.
                    Some(_) if !is_executable => {
                        self.row(resource, "image", Grade::Adapted, "built here instead");
                    }
                    Some(image) => {
                        service.properties.insert("image".into(), image.into());
                    }
                    // Compose would name it after the service, and images have no capitals.
                    None if resource.chars().any(|c| c.is_ascii_uppercase()) => {
                        let project = symbol::project_name(&self.app);
                        let image = format!("{project}-{}", resource.to_lowercase());
                        service.properties.insert("image".into(), image.into());
                    }
                    None => {}
                }
            }
            (Some(image), None) => {
                service.properties.insert("image".into(), image.into());
            }
        }
        // `missing` is what Compose does by itself, and 1.29 doesn't know the word.
        match self.model.text(resource, "pull").as_deref() {
            Some(pull @ ("always" | "never")) => {
                service.properties.insert("pull_policy".into(), pull.into());
            }
            Some("missing") | None => {}
            Some(other) => {
                self.row(
                    resource,
                    "pull",
                    Grade::Dropped,
                    format!("Compose has no `{other}`"),
                );
            }
        }
    }

    fn build(&mut self, resource: &str, fact: &str) -> Option<Map<String, Json>> {
        let part = |part: &str| {
            let text = self.model.text(resource, &format!("{fact}-{part}"));
            text.filter(|text| !text.is_empty())
        };
        let context = part("context")?;
        let mut build = Map::new();
        build.insert("context".into(), symbol::path(&context));
        for key in ["dockerfile", "target"] {
            if let Some(text) = part(key) {
                build.insert(key.into(), text.into());
            }
        }
        let args = self.map(resource, &format!("{fact}-args"));
        if !args.is_empty() {
            build.insert("args".into(), args.into());
        }
        Some(build)
    }
}
