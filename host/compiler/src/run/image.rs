//! Image references, and the map from official names to what is used instead.

use std::collections::BTreeMap;

/// The reference with its registry and, for official images, `library/` written out, split into
/// repository and the rest (`:tag`, `@digest` or nothing).
fn normalise(image: &str) -> (String, String) {
    let after_slash = image.rfind('/').map_or(0, |at| at + 1);
    let split = image
        .find('@')
        .or_else(|| image[after_slash..].find(':').map(|at| after_slash + at))
        .unwrap_or(image.len());
    let (repository, rest) = image.split_at(split);
    let full = match repository.split_once('/') {
        Some((registry, _)) if registry.contains(['.', ':']) || registry == "localhost" => {
            repository.to_owned()
        }
        Some(_) => format!("docker.io/{repository}"),
        None => format!("docker.io/library/{repository}"),
    };
    (full, rest.to_owned())
}

/// What is used instead of an image. A key with a tag goes before one without; a value without a
/// tag keeps the tag that was asked for.
pub fn map_image(image: &str, images: &BTreeMap<String, String>) -> String {
    if images.is_empty() {
        return image.to_owned();
    }
    let (repository, rest) = normalise(image);
    if let Some(exact) = images.get(&format!("{repository}{rest}")) {
        let (_, tag) = normalise(exact);
        return if tag.is_empty() {
            format!("{exact}{rest}")
        } else {
            exact.clone()
        };
    }
    match images.get(&repository) {
        Some(other) if normalise(other).1.is_empty() => format!("{other}{rest}"),
        Some(other) => other.clone(),
        None => image.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapping() {
        let images = BTreeMap::from(
            [
                ("docker.io/library/redis", "standin.local/redis"),
                ("docker.io/library/debian", "standin.local/debian:12-slim"),
                ("docker.io/library/redis:7", "standin.local/old-redis:1"),
            ]
            .map(|(from, to)| (from.to_owned(), to.to_owned())),
        );
        for (image, mapped) in [
            ("redis", "standin.local/redis"),
            ("redis:8.6", "standin.local/redis:8.6"),
            ("docker.io/library/redis:8.6", "standin.local/redis:8.6"),
            ("redis:7", "standin.local/old-redis:1"),
            ("debian:12", "standin.local/debian:12-slim"),
            ("localhost:5000/redis:1", "localhost:5000/redis:1"),
            ("ollama/ollama:1", "ollama/ollama:1"),
        ] {
            assert_eq!(map_image(image, &images), mapped, "{image}");
        }
    }
}
