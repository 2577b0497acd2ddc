//! The folder that an image is built from, as an archive that is sent while it is made.
//!
//! Knows files and `.dockerignore`. Doesn't know the engine.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;

use crate::ignore::Ignore;

/// Bytes that are handed over at a time, and how many such pieces may wait.
const PIECE: usize = 64 * 1024;
const PIECES: usize = 8;
/// The name in the archive of a Dockerfile that lies outside the context.
const OUTSIDE: &str = ".aspire-host.Dockerfile";

/// A folder that can be read, with its Dockerfile.
pub(super) struct Context {
    root: PathBuf,
    ignore: Ignore,
    dockerfile: String,
    /// A Dockerfile from outside.
    extra: Option<Vec<u8>>,
}

impl Context {
    /// Looks at the folder; a problem names the path.
    pub(super) async fn open(root: &Path, dockerfile: &Path) -> Result<Self, String> {
        let (root, dockerfile) = (root.to_owned(), dockerfile.to_owned());
        tokio::task::spawn_blocking(move || Self::look(&root, &dockerfile))
            .await
            .unwrap_or_else(|error| Err(error.to_string()))
    }

    fn look(root: &Path, dockerfile: &Path) -> Result<Self, String> {
        let unreadable = |what: &str, path: &Path, error: io::Error| {
            format!("the {what} {} can't be read: {error}", path.display())
        };
        fs::read_dir(root).map_err(|error| unreadable("build context", root, error))?;
        let path = root.join(dockerfile);
        let text = fs::read(&path).map_err(|error| unreadable("Dockerfile", &path, error))?;
        let list = root.join(".dockerignore");
        let rules = match fs::read_to_string(&list) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(unreadable("list", &list, error)),
        };
        let inside = path
            .strip_prefix(root)
            .ok()
            .map(name)
            .filter(|name| !name.split('/').any(|part| part == ".."));
        Ok(Self {
            root: root.to_owned(),
            ignore: Ignore::parse(&rules),
            extra: inside.is_none().then_some(text),
            dockerfile: inside.unwrap_or_else(|| OUTSIDE.to_owned()),
        })
    }

    /// The name of the Dockerfile in the archive.
    pub(super) fn dockerfile(&self) -> &str {
        &self.dockerfile
    }

    /// The archive, and where a problem is noted that ends it early.
    pub(super) fn archive(self) -> (Body, Arc<OnceLock<String>>) {
        let (sender, receiver) = mpsc::channel(PIECES);
        let problem = Arc::new(OnceLock::new());
        let noted = Arc::clone(&problem);
        tokio::task::spawn_blocking(move || {
            let pieces = Pieces(sender.clone());
            if let Err(error) = self.write(BufWriter::with_capacity(PIECE, pieces)) {
                let _ = noted.set(format!("the build context: {error}"));
                let _ = sender.blocking_send(Err(error));
            }
        });
        let pieces = stream::unfold(receiver, async |mut receiver| {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        (bollard::body_try_stream(pieces), problem)
    }

    fn write(&self, out: impl Write) -> io::Result<()> {
        let mut archive = tar::Builder::new(out);
        if let Some(text) = &self.extra {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(text.len() as u64);
            archive.append_data(&mut header, OUTSIDE, &**text)?;
        }
        self.write_folder(&mut archive, &self.root)?;
        archive.into_inner()?.flush()
    }

    fn write_folder<W: Write>(
        &self,
        archive: &mut tar::Builder<W>,
        folder: &Path,
    ) -> io::Result<()> {
        let about = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| io::Error::other(format!("{}: {error}", path.display()))
        };
        let mut paths = fs::read_dir(folder)
            .and_then(|entries| {
                entries
                    .map(|entry| entry.map(|entry| entry.path()))
                    .collect::<io::Result<Vec<_>>>()
            })
            .map_err(about(folder))?;
        paths.sort();
        for path in paths {
            let Ok(relative) = path.strip_prefix(&self.root) else {
                continue;
            };
            let name = name(relative);
            let needed = name == self.dockerfile || name == ".dockerignore";
            let ignored = self.ignore.matches(&name) && !needed;
            let about = about(&path);
            let metadata = fs::symlink_metadata(&path).map_err(&about)?;
            if metadata.is_dir() {
                if !ignored {
                    let mut header = header(&metadata);
                    header.set_size(0);
                    archive
                        .append_data(&mut header, relative, io::empty())
                        .map_err(&about)?;
                }
                // Something below may be taken back in, or be the Dockerfile.
                let below = self.dockerfile.starts_with(&format!("{name}/"));
                if !ignored || below || self.ignore.has_exceptions() {
                    self.write_folder(archive, &path)?;
                }
            } else if !ignored {
                write_one(archive, &path, relative, &metadata).map_err(&about)?;
            }
        }
        Ok(())
    }
}

/// The body of a request.
type Body = http_body_util::Either<
    http_body_util::Full<Bytes>,
    http_body_util::StreamBody<
        std::pin::Pin<
            Box<dyn futures_util::Stream<Item = io::Result<hyper::body::Frame<Bytes>>> + Send>,
        >,
    >,
>;

/// The path as it is called in an archive and in the list.
fn name(relative: &Path) -> String {
    let parts: Vec<_> = relative
        .components()
        .filter(|part| !matches!(part, std::path::Component::CurDir))
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

/// Everything but the owner, who is root as in every build.
fn header(metadata: &Metadata) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_metadata(metadata);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn write_one<W: Write>(
    archive: &mut tar::Builder<W>,
    path: &Path,
    relative: &Path,
    metadata: &Metadata,
) -> io::Result<()> {
    let mut header = header(metadata);
    if metadata.is_symlink() {
        header.set_size(0);
        return archive.append_link(&mut header, relative, fs::read_link(path)?);
    }
    if !metadata.is_file() {
        // Sockets, pipes and devices have no place in an image.
        return Ok(());
    }
    // A file that grows or shrinks meanwhile must not break the archive.
    let size = metadata.len();
    header.set_size(size);
    let file = File::open(path)?.chain(io::repeat(0)).take(size);
    archive.append_data(&mut header, relative, file)
}

/// Hands pieces to the request as they are written.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .blocking_send(Ok(Bytes::copy_from_slice(bytes)))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(context: &Context) -> Vec<String> {
        let mut bytes = Vec::new();
        context.write(&mut bytes).unwrap();
        tar::Archive::new(&*bytes)
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn ignored_files_stay_out_and_the_dockerfile_stays_in() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("target/debug")).unwrap();
        fs::create_dir_all(root.join("src")).unwrap();
        for file in ["Dockerfile", "target/debug/a", "target/keep", "src/main.rs"] {
            fs::write(root.join(file), file).unwrap();
        }
        fs::write(
            root.join(".dockerignore"),
            "# all\ntarget\nDockerfile\n!target/keep\n",
        )
        .unwrap();
        let context = Context::look(root, Path::new("./Dockerfile")).unwrap();
        assert_eq!(context.dockerfile(), "Dockerfile");
        assert_eq!(
            names(&context),
            [
                ".dockerignore",
                "Dockerfile",
                "src",
                "src/main.rs",
                "target/keep"
            ]
        );
    }

    #[test]
    fn a_dockerfile_from_outside_comes_along() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("context")).unwrap();
        fs::write(folder.path().join("Dockerfile.web"), "FROM x").unwrap();
        let root = folder.path().join("context");
        for dockerfile in [
            folder.path().join("Dockerfile.web"),
            "../Dockerfile.web".into(),
        ] {
            let context = Context::look(&root, &dockerfile).unwrap();
            assert_eq!(names(&context), [OUTSIDE]);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let problem = Context::look(Path::new("/nowhere"), Path::new("Dockerfile"));
        assert!(problem.err().unwrap().contains("/nowhere"));
    }
}
