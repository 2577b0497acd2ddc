//! Secret values never reach a log: each is replaced by `***`, written plainly, in base64 (at any
//! alignment), percent-encoded or escaped for JSON, and also when it arrives in two pieces.
//!
//! Values shorter than [`SHORTEST`] bytes are no secrets and would make logs unreadable; they are
//! left alone.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, Input, MatchKind};

/// Shorter values are not replaced.
pub const SHORTEST: usize = 4;
const REPLACEMENT: &[u8] = b"***";

/// The known secret values; more can be added at any time.
#[derive(Debug, Default)]
pub struct Redactor {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    values: BTreeSet<String>,
    patterns: Option<Arc<Patterns>>,
}

#[derive(Debug)]
struct Patterns {
    automaton: AhoCorasick,
    all: Vec<Vec<u8>>,
    first: [bool; 256],
    longest: usize,
}

impl Redactor {
    /// With the values that are known already.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let redactor = Self::default();
        for value in values {
            redactor.add(value);
        }
        redactor
    }

    /// Adds a value; from now on it is replaced.
    pub fn add(&self, value: &str) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if value.len() < SHORTEST || !known.values.insert(value.to_owned()) {
            return;
        }
        let all: BTreeSet<Vec<u8>> = known.values.iter().flat_map(|value| forms(value)).collect();
        known.patterns = Patterns::new(all.into_iter().collect()).map(Arc::new);
    }

    fn patterns(&self) -> Option<Arc<Patterns>> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .patterns
            .clone()
    }

    /// A whole text with its secrets replaced.
    pub fn text(&self, text: &str) -> String {
        let mut out = Vec::new();
        let mut stream = RedactStream::default();
        stream.feed(self, text.as_bytes(), &mut out);
        stream.finish(self, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

impl Patterns {
    fn new(all: Vec<Vec<u8>>) -> Option<Self> {
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&all)
            .ok()?;
        let mut first = [false; 256];
        for pattern in &all {
            first[usize::from(pattern[0])] = true;
        }
        let longest = all.iter().map(Vec::len).max()?;
        Some(Self {
            automaton,
            all,
            first,
            longest,
        })
    }

    /// Where, from a position on, something begins that may become a longer secret.
    fn may_begin(&self, bytes: &[u8], from: usize) -> usize {
        let window = from.max(bytes.len().saturating_sub(self.longest - 1));
        (window..bytes.len())
            .find(|start| {
                let rest = &bytes[*start..];
                self.first[usize::from(rest[0])]
                    && self
                        .all
                        .iter()
                        .any(|pattern| pattern.len() > rest.len() && pattern.starts_with(rest))
            })
            .unwrap_or(bytes.len())
    }
}

/// The replacing of a stream that comes in pieces.
#[derive(Debug, Default)]
pub struct RedactStream {
    held: Vec<u8>,
}

impl RedactStream {
    /// Takes a piece and appends what is certain; a possible beginning of a secret is held back.
    pub fn feed(&mut self, redactor: &Redactor, piece: &[u8], out: &mut Vec<u8>) {
        self.run(redactor, piece, out, false);
    }

    /// Appends what was held back: nothing more will come.
    pub fn finish(&mut self, redactor: &Redactor, out: &mut Vec<u8>) {
        self.run(redactor, &[], out, true);
    }

    fn run(&mut self, redactor: &Redactor, piece: &[u8], out: &mut Vec<u8>, last: bool) {
        let patterns = redactor.patterns();
        let joined;
        let bytes = if self.held.is_empty() {
            piece
        } else {
            self.held.extend_from_slice(piece);
            joined = std::mem::take(&mut self.held);
            &joined
        };
        let Some(patterns) = patterns else {
            out.extend_from_slice(bytes);
            return;
        };
        let mut position = 0;
        let mut open = if last {
            bytes.len()
        } else {
            patterns.may_begin(bytes, 0)
        };
        loop {
            let found = patterns.automaton.find(Input::new(bytes).range(position..));
            match found {
                Some(found) if found.start() < open => {
                    out.extend_from_slice(&bytes[position..found.start()]);
                    out.extend_from_slice(REPLACEMENT);
                    position = found.end();
                    if open < position {
                        open = patterns.may_begin(bytes, position);
                    }
                }
                _ => break,
            }
        }
        out.extend_from_slice(&bytes[position..open]);
        self.held.extend_from_slice(&bytes[open..]);
    }
}

/// The ways in which a value is written.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let bytes = value.as_bytes();
    let mut forms = vec![bytes.to_vec()];
    for alphabet in [BASE64, BASE64_URL] {
        forms.push(base64(bytes, alphabet, true));
        for shift in 0..3usize {
            // What neighbours before and after don't change.
            let mut shifted = vec![0; shift];
            shifted.extend_from_slice(bytes);
            let mut inner = base64(&shifted, alphabet, false);
            if !shifted.len().is_multiple_of(3) {
                inner.pop();
            }
            forms.push(inner.split_off((shift * 8).div_ceil(6).min(inner.len())));
        }
    }
    let percent = percent_encode(value);
    forms.push(percent.replace("%20", "+").into_bytes());
    forms.push(lower_escapes(&percent).into_bytes());
    forms.push(percent.into_bytes());
    if let Ok(json) = serde_json::to_string(value) {
        forms.push(json.trim_matches('"').as_bytes().to_vec());
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// Everything but letters, digits and `-_.~` becomes `%XX`.
pub fn percent_encode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn lower_escapes(percent: &str) -> String {
    let mut after = 3;
    let lower = |c: char| {
        after = if c == '%' { 0 } else { after + 1 };
        if after < 3 { c.to_ascii_lowercase() } else { c }
    };
    percent.chars().map(lower).collect()
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn base64(bytes: &[u8], alphabet: &[u8; 64], padded: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |index: usize| usize::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            if place <= group.len() {
                text.push(alphabet[bits >> (18 - 6 * place) & 63]);
            } else if padded {
                text.push(b'=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(redactor: &Redactor, pieces: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let mut stream = RedactStream::default();
        for piece in pieces {
            stream.feed(redactor, piece, &mut out);
        }
        stream.finish(redactor, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn base64_as_everybody_writes_it() {
        assert_eq!(base64(b"", BASE64, true), b"");
        assert_eq!(base64(b"f", BASE64, true), b"Zg==");
        assert_eq!(base64(b"fo", BASE64, true), b"Zm8=");
        assert_eq!(base64(b"foobar", BASE64, true), b"Zm9vYmFy");
        assert_eq!(base64(&[0xfb, 0xff], BASE64_URL, false), b"-_8");
    }

    #[test]
    fn every_form() {
        let redactor = Redactor::new(["s3cr/t pä\"ss"]);
        for text in [
            "s3cr/t pä\"ss",
            "s3cr%2Ft%20p%C3%A4%22ss",
            "s3cr%2ft%20p%c3%a4%22ss",
            "s3cr%2Ft+p%C3%A4%22ss",
            "s3cr/t pä\\\"ss",
        ] {
            assert_eq!(redactor.text(&format!("<{text}>")), "<***>", "{text}");
        }
        for prefix in ["", "u", "us", "user:"] {
            let whole = base64(format!("{prefix}s3cr/t pä\"ss!").as_bytes(), BASE64, true);
            let text = redactor.text(std::str::from_utf8(&whole).unwrap());
            assert!(
                text.contains("***") && text.len() < 3 + 16,
                "{prefix}: {text}"
            );
        }
        assert_eq!(redactor.text("s3cr/t p"), "s3cr/t p");
    }

    #[test]
    fn cut_anywhere() {
        let redactor = Redactor::new(["hunter22", "hunter22-longer", "2-lo"]);
        let text = b"a hunter22 b hunter22-longer c hunter hunter22-lo hunter2";
        let expected = "a *** b *** c hunter ***-lo hunter2";
        assert_eq!(pieces(&redactor, &[text]), expected);
        for first in 0..text.len() {
            for second in first..text.len() {
                let cut: [&[u8]; 3] = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(pieces(&redactor, &cut), expected, "{first} {second}");
            }
        }
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(pieces(&redactor, &single), expected);
    }

    #[test]
    fn nothing_is_held_back_without_need() {
        let redactor = Redactor::new(["hunter22"]);
        let mut out = Vec::new();
        RedactStream::default().feed(&redactor, b"ready\n", &mut out);
        assert_eq!(out, b"ready\n");
    }

    #[test]
    fn added_later_and_too_short() {
        let redactor = Redactor::new(["abc", ""]);
        assert_eq!(redactor.text("abc"), "abc");
        redactor.add("abcd");
        assert_eq!(redactor.text("abcd"), "***");
    }
}
