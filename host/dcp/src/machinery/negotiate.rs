//! Content negotiation: what an `Accept` header asks for.
//!
//! Knows the representations that an API server offers. Doesn't make them.

use super::status::Status;

/// A version of `meta.k8s.io`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetaVersion {
    /// `v1`
    #[default]
    V1,
    /// `v1beta1`
    V1Beta1,
}

impl MetaVersion {
    /// `meta.k8s.io/v1`
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// As what an object or a list is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Representation {
    /// As it is.
    #[default]
    Object,
    /// As a `Table`.
    Table(MetaVersion),
    /// An object's metadata; also of every object of a watch.
    PartialObjectMetadata(MetaVersion),
    /// The metadata of a list's objects.
    PartialObjectMetadataList(MetaVersion),
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MediaType {
    /// `application/json`
    #[default]
    Json,
    /// `application/yaml`; not for watches.
    Yaml,
}

impl MediaType {
    /// The value of the `Content-Type` header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Negotiated {
    /// As what.
    pub representation: Representation,
    /// How written.
    pub media_type: MediaType,
}

/// Chooses the best of what an `Accept` header asks for; no header asks for JSON. A `stream` (a
/// watch) is JSON only. Unknown parameters are ignored; a clause that asks for something that
/// isn't offered is passed over.
///
/// # Errors
/// 406 if nothing of it is offered.
pub fn negotiate(accept: Option<&str>, stream: bool) -> Result<Negotiated, Status> {
    let accept = accept.map(str::trim).unwrap_or_default();
    if accept.is_empty() {
        return Ok(Negotiated::default());
    }
    let mut clauses: Vec<(u32, Negotiated)> = accept
        .split(',')
        .filter_map(|clause| offered(clause, stream))
        .collect();
    // Stable: of equals, the first one wins.
    clauses.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    let best = clauses.into_iter().find(|(quality, _)| *quality > 0);
    best.map(|(_, negotiated)| negotiated).ok_or_else(|| {
        let accepted: &[&str] = if stream {
            &["application/json"]
        } else {
            &["application/json", "application/yaml"]
        };
        Status::not_acceptable(accepted)
    })
}

/// One clause, with its quality in thousandths; nothing if it isn't offered.
fn offered(clause: &str, stream: bool) -> Option<(u32, Negotiated)> {
    let mut parts = clause.split(';').map(str::trim);
    let media_type = match parts.next()?.to_ascii_lowercase().as_str() {
        "*/*" | "application/*" | "application/json" => MediaType::Json,
        "application/yaml" if !stream => MediaType::Yaml,
        _ => return None,
    };
    let (mut kind, mut group, mut version, mut quality) = ("", "", "", 1000);
    for parameter in parts {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match key.trim() {
            "as" => kind = value.trim(),
            "g" => group = value.trim(),
            "v" => version = value.trim(),
            "q" => quality = thousandths(value.trim())?,
            _ => {}
        }
    }
    let representation = if kind.is_empty() {
        Representation::Object
    } else {
        let version = match (group, version) {
            ("meta.k8s.io", "v1") => MetaVersion::V1,
            ("meta.k8s.io", "v1beta1") => MetaVersion::V1Beta1,
            _ => return None,
        };
        match kind {
            "Table" => Representation::Table(version),
            "PartialObjectMetadata" => Representation::PartialObjectMetadata(version),
            "PartialObjectMetadataList" => Representation::PartialObjectMetadataList(version),
            _ => return None,
        }
    };
    let negotiated = Negotiated {
        representation,
        media_type,
    };
    Some((quality, negotiated))
}

fn thousandths(text: &str) -> Option<u32> {
    let quality: f64 = text.parse().ok()?;
    // The cast saturates; what isn't a number becomes 0.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped"
    )]
    Some((quality.clamp(0.0, 1.0) * 1000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        const V1: MetaVersion = MetaVersion::V1;
        const BETA: MetaVersion = MetaVersion::V1Beta1;
        let (json, yaml) = (MediaType::Json, MediaType::Yaml);
        for (accept, representation, media_type) in [
            ("", Representation::Object, json),
            ("*/*", Representation::Object, json),
            ("application/json", Representation::Object, json),
            ("application/json, */*", Representation::Object, json),
            ("application/yaml", Representation::Object, yaml),
            (
                "application/json;q=0.5, application/yaml",
                Representation::Object,
                yaml,
            ),
            (
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
                Representation::Table(V1),
                json,
            ),
            (
                "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
                Representation::Table(BETA),
                json,
            ),
            (
                "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
                Representation::PartialObjectMetadata(V1),
                json,
            ),
            (
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
                Representation::PartialObjectMetadataList(V1),
                json,
            ),
            (
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
                Representation::Object,
                json,
            ),
            (
                "application/json;charset=utf-8",
                Representation::Object,
                json,
            ),
        ] {
            let found = negotiate(Some(accept), false).expect(accept);
            assert_eq!(
                (found.representation, found.media_type),
                (representation, media_type),
                "{accept}"
            );
        }
        for accept in [
            "text/html",
            "application/vnd.kubernetes.protobuf",
            "application/json;as=Table;v=v2;g=meta.k8s.io",
            "application/json;q=0",
            ",",
        ] {
            assert_eq!(
                negotiate(Some(accept), false).unwrap_err().code,
                406,
                "{accept}"
            );
        }
        assert_eq!(
            negotiate(Some("application/yaml"), true).unwrap_err().code,
            406
        );
        assert_eq!(negotiate(None, true), Ok(Negotiated::default()));
    }
}
