//! PostgreSQL's major version, as far as the name of an image tells, and what follows from it.

/// Images from this version on keep their data in a folder of its version below the volume.
const FIRST_VERSIONED: u32 = 18;

/// What the name of an image tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Major {
    /// This version.
    Is(u32),
    /// The newest: no tag, or one such as `latest` or `alpine`.
    Newest,
    /// Nothing: only a digest, or a tag that names something else.
    Unclear,
}

impl Major {
    /// Reads `registry:5000/postgres:17.2-alpine@sha256:…`.
    pub(crate) fn of(image: &str) -> Self {
        let (name, digest) = match image.split_once('@') {
            Some((name, _)) => (name, true),
            None => (image, false),
        };
        let last = name.rsplit('/').next().unwrap_or(name);
        match last.split_once(':') {
            Some((_, tag)) => Self::of_tag(tag),
            None if digest => Self::Unclear,
            None => Self::Newest,
        }
    }

    fn of_tag(tag: &str) -> Self {
        const NEWEST: [&str; 5] = ["latest", "alpine", "trixie", "bookworm", "bullseye"];
        // Of `2.17.2-pg16` (TimescaleDB) or `pg17` (pgvector), not the first number counts.
        let named = tag
            .split(['-', '_'])
            .find_map(|part| number(part.strip_prefix("pg")?));
        match named.or_else(|| number(tag)) {
            Some(major) => Self::Is(major),
            None if NEWEST.iter().any(|word| tag.starts_with(word)) => Self::Newest,
            None => Self::Unclear,
        }
    }

    /// Where the volume belongs that keeps the data.
    pub(crate) fn data_path(self) -> &'static str {
        match self {
            Self::Is(major) if major < FIRST_VERSIONED => "/var/lib/postgresql/data",
            _ => "/var/lib/postgresql",
        }
    }
}

/// The number that a text begins with, if PostgreSQL ever had or soon will have such a version.
fn number(text: &str) -> Option<u32> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end]
        .parse()
        .ok()
        .filter(|major| (8..100).contains(major))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        use Major::{Is, Newest, Unclear};
        for (image, major, old) in [
            ("docker.io/library/postgres:18.3", Is(18), false),
            ("postgres:17", Is(17), true),
            ("postgres:9.6-alpine", Is(9), true),
            (
                "registry.example:5000/team/postgres:16.4-bookworm",
                Is(16),
                true,
            ),
            ("postgres:17.2@sha256:0123", Is(17), true),
            ("postgres:19beta1", Is(19), false),
            ("pgvector/pgvector:pg17", Is(17), true),
            ("pgvector/pgvector:0.8.1-pg18-trixie", Is(18), false),
            ("timescale/timescaledb:2.17.2-pg16", Is(16), true),
            ("postgis/postgis:18-3.6", Is(18), false),
            ("postgres", Newest, false),
            ("registry.example:5000/postgres", Newest, false),
            ("postgres:latest", Newest, false),
            ("postgres:alpine3.22", Newest, false),
            ("postgres@sha256:17aa", Unclear, false),
            ("team/postgres:1.4.0", Unclear, false),
            ("team/postgres:2026.04", Unclear, false),
            ("team/postgres:main", Unclear, false),
        ] {
            assert_eq!(Major::of(image), major, "{image}");
            let path = if old {
                "/var/lib/postgresql/data"
            } else {
                "/var/lib/postgresql"
            };
            assert_eq!(major.data_path(), path, "{image}");
        }
    }
}
