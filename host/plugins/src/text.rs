//! Text from guests: capped, and with control characters made visible.

/// Escapes control characters, so that a guest's text cannot move a terminal's cursor.
///
/// Line feeds stay where `lines` says so.
pub(crate) fn printable(text: &str, lines: bool) -> String {
    if !text.chars().any(|c| is_control(c) && !(lines && c == '\n')) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' if lines => clean.push(c),
            '\t' => clean.push(' '),
            c if is_control(c) => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    clean
}

/// Control characters, and those that reorder the text around them.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first characters of a text, for a message.
pub(crate) fn shortened(text: &str) -> String {
    const KEPT: usize = 80;
    let mut short: String = printable(
        text.get(..text.floor_char_boundary(KEPT * 4))
            .unwrap_or(text),
        false,
    )
    .chars()
    .take(KEPT)
    .collect();
    if text.chars().nth(KEPT).is_some() {
        short.push('…');
    }
    short
}

/// The last bytes of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
    capacity: usize,
}

impl Tail {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            bytes: Vec::new(),
            capacity,
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(self.capacity)..];
        let excess = (self.bytes.len() + kept.len()).saturating_sub(self.capacity);
        self.bytes.drain(..excess.min(self.bytes.len()));
        self.bytes.extend_from_slice(kept);
    }

    /// Its lines, readable.
    pub(crate) fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.bytes)
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| printable(line, false))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_shown() {
        assert_eq!(printable("a\u{1b}[2Jb\nc", true), "a\\u{1b}[2Jb\nc");
        assert_eq!(printable("a\nb", false), "a\\nb");
        assert_eq!(printable("über", false), "über");
        assert_eq!(shortened(&"x".repeat(500)).chars().count(), 81);
        assert_eq!(shortened("ü"), "ü");
    }

    #[test]
    fn tail_keeps_the_end() {
        let mut tail = Tail::new(8);
        tail.write(b"0123456789");
        tail.write(b"ab");
        assert_eq!(tail.lines(), ["456789ab"]);
        tail.write(b"\n\nz");
        assert_eq!(tail.lines(), ["789ab", "z"]);
    }
}
