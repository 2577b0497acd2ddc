//! Looking for a secret in all the forms in which it could have slipped out.

use std::fs;
use std::path::{Path, PathBuf};

/// A secret value.
#[derive(Debug, Clone)]
pub struct Secret {
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Secret {
    /// Of a value.
    ///
    /// # Panics
    /// It is so short that it would be found anywhere.
    pub fn new(value: &str) -> Self {
        assert!(value.len() >= 8, "too short to be looked for");
        let mut forms = vec![("plain", value.as_bytes().to_vec())];
        let encoded = url_encoded(value);
        if encoded != value {
            forms.push(("URL-encoded", encoded.into_bytes()));
        }
        // In a longer text its base64 begins at one of three places.
        for offset in 0..3 {
            forms.push(("base64", base64_core(value.as_bytes(), offset)));
        }
        Self { forms }
    }

    /// The form in which it is in the bytes.
    pub fn form_in(&self, bytes: &[u8]) -> Option<&'static str> {
        let found = self.forms.iter().find(|(_, form)| contains(bytes, form));
        found.map(|(name, _)| *name)
    }

    /// Is not in a text.
    ///
    /// # Panics
    /// It is.
    pub fn assert_not_in(&self, what: &str, text: &str) {
        let form = self.form_in(text.as_bytes());
        assert!(
            form.is_none(),
            "a secret is in {what}, {}",
            form.unwrap_or_default()
        );
    }

    /// Is in no file below a folder, names included.
    ///
    /// # Panics
    /// It is.
    pub fn assert_not_below(&self, folder: &Path) {
        for path in files(folder) {
            self.assert_not_in("a file's name", &path.to_string_lossy());
            let bytes = fs::read(&path).unwrap_or_default();
            let form = self.form_in(&bytes);
            assert!(
                form.is_none(),
                "a secret is in {}, {}",
                path.display(),
                form.unwrap_or_default()
            );
        }
    }
}

/// Every file below a folder; links are not followed, compiled programs left out.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !path.ends_with("target") => todo.push(path),
                Ok(kind) if kind.is_file() => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Percent-encoding of everything but unreserved characters.
pub fn url_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let six = usize::try_from(group >> (18 - 6 * digit) & 63).expect("six bits");
            text.push(if digit <= chunk.len() {
                char::from(DIGITS[six])
            } else {
                '='
            });
        }
    }
    text
}

/// The digits of a value's base64 that don't depend on what stands before and behind it.
fn base64_core(value: &[u8], offset: usize) -> Vec<u8> {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(value);
    let text = base64(&padded).into_bytes();
    let first = (offset * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    text[first..last].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_in_every_form() {
        let secret = Secret::new("correct horse/battery");
        assert_eq!(secret.form_in(b"x correct horse/battery y"), Some("plain"));
        assert_eq!(
            secret.form_in(b"u=correct%20horse%2Fbattery"),
            Some("URL-encoded")
        );
        for before in ["", "a", "ab", "abc"] {
            let text = base64(format!("{before}correct horse/battery!").as_bytes());
            assert_eq!(secret.form_in(text.as_bytes()), Some("base64"), "{text}");
        }
        assert_eq!(secret.form_in(b"correct horse"), None);
    }

    #[test]
    fn base64_is_base64() {
        for (text, wanted) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(text.as_bytes()), wanted);
        }
    }
}
