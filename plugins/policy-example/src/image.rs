//! Names of images: `[REGISTRY/]PATH[:TAG][@DIGEST]`.
//!
//! Doesn't know which images exist.

/// Whether the name will mean the same image tomorrow, as far as a name can tell.
pub(crate) fn is_pinned(image: &str) -> bool {
    if image.contains('@') {
        return true;
    }
    // A colon before the last slash is the registry's port.
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':')
        .is_some_and(|(_, tag)| !tag.is_empty() && tag != "latest")
}

/// The name by which `registry` mirrors an image of Docker Hub; none: it is from elsewhere.
pub(crate) fn mirrored(image: &str, registry: &str) -> Option<String> {
    let path = match image.split_once('/') {
        Some(("docker.io" | "index.docker.io", path)) => path,
        // What looks like a host is one, by the engines' own rule.
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => return None,
        _ => image,
    };
    let library = if path.contains('/') { "" } else { "library/" };
    Some(format!("{registry}/{library}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned() {
        for image in [
            "redis:8.6",
            "localhost:5000/a:1",
            "a@sha256:00",
            "docker.io/a/b:1-latest",
        ] {
            assert!(is_pinned(image), "{image}");
        }
        for image in [
            "redis",
            "redis:latest",
            "localhost:5000/a",
            "ghcr.io/a/b:latest",
            "a:",
        ] {
            assert!(!is_pinned(image), "{image}");
        }
    }

    #[test]
    fn only_docker_hub_is_mirrored() {
        let mirrored = |image| mirrored(image, "r");
        assert_eq!(
            mirrored("docker.io/library/redis:8").as_deref(),
            Some("r/library/redis:8")
        );
        assert_eq!(
            mirrored("docker.io/redis:8").as_deref(),
            Some("r/library/redis:8")
        );
        assert_eq!(mirrored("redis").as_deref(), Some("r/library/redis"));
        assert_eq!(
            mirrored("a/b@sha256:00").as_deref(),
            Some("r/a/b@sha256:00")
        );
        for elsewhere in [
            "ghcr.io/a/b:1",
            "localhost/a",
            "host:5000/a",
            "standin.local/redis:8",
        ] {
            assert_eq!(mirrored(elsewhere), None);
        }
    }
}
