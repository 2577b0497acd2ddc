//! Layers that are put on an image (`imageLayers`): archives whose files are added to it, in their
//! order, by the engine's own builder.
//!
//! The result has a name of its own, made from the image's and from what identifies the layers, and
//! whatever else the image says stays as it is. What the builder has done before it does again at
//! no cost.

use std::fmt::Write as _;
use std::path::Path;

use aspire_api::ObjectKey;
use aspire_api::health::ImageLayer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::launch::Problem;
use crate::context::Context;
use crate::controllers::workload::{Report, Stage};
use crate::engine::Engine;
use crate::runtime::BuildRequest;

/// The name of the image with its layers, once it is there.
pub(super) async fn put_on(
    context: &Context,
    engine: &Engine,
    key: &ObjectKey,
    image: &str,
    layers: &[ImageLayer],
) -> Result<String, Problem> {
    let tag = name(image, layers);
    let note = format!("adding {} layers to {image}", layers.len());
    context.tell(key, Report::Progress(Stage::Starting, note));
    let (base, wanted) = (image.to_owned(), layers.to_vec());
    let written = tokio::task::spawn_blocking(move || write(&base, &wanted)).await;
    let folder = written.map_err(|error| Problem::Conclusive(error.to_string()))??;
    let request = BuildRequest {
        context: folder.path().to_owned(),
        dockerfile: "Dockerfile".into(),
        tag: tag.clone(),
        ..BuildRequest::default()
    };
    let log = context.log(key);
    let progress = |line: &str| log.system(line);
    engine.raw().build(&request, &progress).await?;
    Ok(tag)
}

/// What the image with its layers is called.
fn name(image: &str, layers: &[ImageLayer]) -> String {
    let mut digest = Sha256::new();
    digest.update(image);
    for layer in layers {
        digest.update([0]);
        digest.update(&layer.digest);
    }
    format!("aspire-host.local/layers:{}", hex(&digest.finalize()[..12]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A folder to build from, which goes when it is dropped.
fn write(image: &str, layers: &[ImageLayer]) -> Result<tempfile::TempDir, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let mut dockerfile = format!("FROM {image}\n");
    for (place, layer) in layers.iter().enumerate() {
        let name = format!("layer{place}.tar");
        let problem = |problem: String| format!("image layer {}: {problem}", layer.digest);
        write_layer(&folder.path().join(&name), layer).map_err(problem)?;
        let _ = writeln!(dockerfile, "ADD {name} /");
    }
    let path = folder.path().join("Dockerfile");
    std::fs::write(&path, dockerfile).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(folder)
}

fn write_layer(path: &Path, layer: &ImageLayer) -> Result<(), String> {
    if let Some(source) = &layer.source {
        let failed = |error: std::io::Error| format!("{source}: {error}");
        std::fs::copy(source, path).map_err(failed)?;
        let mut digest = Sha256::new();
        let mut copy = std::fs::File::open(path).map_err(failed)?;
        std::io::copy(&mut copy, &mut digest).map_err(failed)?;
        let found = hex(&digest.finalize());
        let wanted = layer.sha256.as_deref().unwrap_or_default();
        let wanted = wanted.strip_prefix("sha256:").unwrap_or(wanted);
        return match found.eq_ignore_ascii_case(wanted) {
            true => Ok(()),
            false => Err(format!("{source} has the SHA-256 {found}, not {wanted}")),
        };
    }
    let raw = layer.raw_contents.as_deref().unwrap_or_default().trim();
    let bytes = STANDARD.decode(raw);
    let bytes = bytes.map_err(|error| format!("rawContents is no base64: {error}"))?;
    std::fs::write(path, bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(digest: &str) -> ImageLayer {
        ImageLayer {
            digest: digest.to_owned(),
            raw_contents: Some("AAAA".to_owned()),
            ..ImageLayer::default()
        }
    }

    #[test]
    fn names_follow_from_image_and_layers_in_their_order() {
        let (a, b) = (layer("a"), layer("b"));
        let both = name("x:1", &[a.clone(), b.clone()]);
        assert_eq!(both, name("x:1", &[a.clone(), b.clone()]));
        for other in [
            name("x:2", &[a.clone(), b.clone()]),
            name("x:1", &[b, a.clone()]),
            name("x:1", &[layer("ab")]),
            name("x:1", &[a]),
        ] {
            assert_ne!(both, other);
        }
    }

    #[test]
    fn files_are_what_they_are_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.tar");
        std::fs::write(&file, "x").unwrap();
        let mut wanted = layer("d");
        wanted.raw_contents = None;
        wanted.source = Some(file.display().to_string());
        let digest = hex(&Sha256::digest("x"));
        wanted.sha256 = Some(format!("sha256:{digest}"));
        let made = write("a:1", &[wanted.clone(), layer("e")]).unwrap();
        let dockerfile = std::fs::read_to_string(made.path().join("Dockerfile")).unwrap();
        assert_eq!(dockerfile, "FROM a:1\nADD layer0.tar /\nADD layer1.tar /\n");
        assert_eq!(
            std::fs::read(made.path().join("layer1.tar")).unwrap(),
            [0; 3]
        );
        wanted.sha256 = Some("00".to_owned());
        let problem = write("a:1", &[wanted]).unwrap_err();
        assert!(problem.starts_with("image layer d: "), "{problem}");
        assert!(problem.contains(&digest), "{problem}");
    }
}
