//! The file by which clients find a control plane: address, authority and token.
//!
//! Its existence says that the server listens: it is renamed into place after that, and removed at
//! the end.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use thiserror::Error;

/// What the token is called where it is not in the file.
const PLACEHOLDER: &str = "in-the-environment";
/// Names in the file, as DCP has them.
const CLUSTER: &str = "apiserver_cluster";
const USER: &str = "apiserver_user";
const CONTEXT: &str = "apiserver";

/// Why a file can't be used.
#[derive(Debug, Error)]
pub enum KubeconfigError {
    /// It can't be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It has something in it that we didn't write.
    #[error("{}: there is a file already, and it is not ours; name another one, or remove it", .0.display())]
    Foreign(PathBuf),
}

/// A file that is in place; removed when it is dropped, if it is still the same one.
#[derive(Debug)]
pub struct Kubeconfig {
    path: PathBuf,
    text: String,
}

impl Kubeconfig {
    /// Writes the file. `token`: none, if clients have it from elsewhere.
    ///
    /// # Errors
    /// It can't be written, or one that isn't ours is there.
    pub fn write(
        path: &Path,
        address: SocketAddr,
        authority: &str,
        token: Option<&str>,
    ) -> Result<Self, KubeconfigError> {
        let failed = |error| KubeconfigError::File {
            path: path.to_owned(),
            error,
        };
        match fs::read_to_string(path) {
            Ok(there) if there.trim().is_empty() || is_ours(&there) => {}
            Ok(_) => return Err(KubeconfigError::Foreign(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "preferences": {},
            "clusters": [{"name": CLUSTER, "cluster": {
                "server": format!("https://{address}"),
                "certificate-authority-data": STANDARD.encode(authority),
            }}],
            "users": [{"name": USER, "user": {"token": token.unwrap_or(PLACEHOLDER)}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CLUSTER, "user": USER}}],
            "current-context": CONTEXT,
        });
        let text = serde_saphyr::to_string(&text)
            .map_err(|error| failed(io::Error::other(error.to_string())))?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(folder).map_err(failed)?;
        // For nobody else from the first byte on.
        let mut file = tempfile::Builder::new()
            .prefix(".kubeconfig.")
            .tempfile_in(folder)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(Self {
            path: path.to_owned(),
            text,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Kubeconfig {
    fn drop(&mut self) {
        if fs::read_to_string(&self.path).is_ok_and(|text| text == self.text) {
            // Gone is gone, whoever did it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn is_ours(text: &str) -> bool {
    serde_saphyr::from_str::<Value>(text)
        .is_ok_and(|config| config["clusters"][0]["name"] == json!(CLUSTER))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn private_ours_and_gone_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/kubeconfig");
        let address = SocketAddr::from(([127, 0, 0, 1], 1234));
        let file = Kubeconfig::write(&path, address, "PEM", Some("token")).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let config: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(
            config["clusters"][0]["cluster"]["server"],
            "https://127.0.0.1:1234"
        );
        assert_eq!(config["users"][0]["user"]["token"], "token");
        // A later one takes the place, and the earlier one leaves it alone then.
        let later = Kubeconfig::write(&path, address, "PEM", None).unwrap();
        drop(file);
        assert!(path.exists());
        drop(later);
        assert!(!path.exists());
        fs::write(&path, "clusters: []").unwrap();
        let refused = Kubeconfig::write(&path, address, "PEM", None).unwrap_err();
        assert!(matches!(refused, KubeconfigError::Foreign(_)), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "clusters: []");
    }
}
