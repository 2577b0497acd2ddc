//! A stream of bytes cut into records, and how a record is written into a file.
//!
//! `2026-01-02T03:04:05.123456Z O text`: the time at which the bytes were read, `O`, `E` or `S`
//! for the stream, in lower case where the line goes on in the next record of that stream, and the
//! bytes as they came. One record for each line of a file, so people and `grep` can read it too.

use bytes::Bytes;
use memchr::memchr;

use crate::clock::{Timestamp, WIDTH};
use crate::runtime::OutputStream;

/// A line that is longer is cut into pieces of this many bytes.
pub(super) const LONGEST: usize = 64 << 10;
/// What precedes the bytes of a line in a file.
const HEAD: usize = WIDTH + 3;

/// A line of output, or a piece of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// When it was read.
    pub time: Timestamp,
    /// Where it was written to.
    pub stream: OutputStream,
    /// The line goes on in the next record of this stream.
    pub continues: bool,
    /// The line without its end, as it came: any bytes.
    pub text: Bytes,
}

/// A line that is not complete yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    open: Vec<u8>,
}

impl Lines {
    /// Takes bytes, gives the lines that they complete: text, and whether it goes on.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8], bool)) {
        while let Some(end) = memchr(b'\n', bytes) {
            if self.open.is_empty() {
                pieces(&bytes[..end], &mut line);
            } else {
                self.add(&bytes[..end], &mut line);
                line(&self.open, false);
                self.open.clear();
                self.open.shrink_to(1024);
            }
            bytes = &bytes[end + 1..];
        }
        if !bytes.is_empty() {
            self.add(bytes, &mut line);
        }
    }

    /// Gives what is left: the stream ended.
    pub(super) fn finish(&mut self, mut line: impl FnMut(&[u8], bool)) {
        if !self.open.is_empty() {
            line(&self.open, false);
            self.open = Vec::new();
        }
    }

    fn add(&mut self, mut bytes: &[u8], line: &mut impl FnMut(&[u8], bool)) {
        while self.open.len() + bytes.len() > LONGEST {
            let (now, later) = bytes.split_at(LONGEST - self.open.len());
            self.open.extend_from_slice(now);
            line(&self.open, true);
            self.open.clear();
            bytes = later;
        }
        self.open.extend_from_slice(bytes);
    }
}

fn pieces(text: &[u8], line: &mut impl FnMut(&[u8], bool)) {
    let mut rest = text;
    while rest.len() > LONGEST {
        let (now, later) = rest.split_at(LONGEST);
        line(now, true);
        rest = later;
    }
    line(rest, false);
}

/// Appends the written form of a record.
pub(super) fn write(
    out: &mut Vec<u8>,
    time: &[u8; WIDTH],
    stream: OutputStream,
    continues: bool,
    text: &[u8],
) {
    let letter = match stream {
        OutputStream::Stdout => b'O',
        OutputStream::Stderr => b'E',
        OutputStream::System => b'S',
    };
    let letter = if continues {
        letter.to_ascii_lowercase()
    } else {
        letter
    };
    out.reserve(HEAD + text.len() + 1);
    out.extend_from_slice(time);
    out.extend_from_slice(&[b' ', letter, b' ']);
    out.extend_from_slice(text);
    out.push(b'\n');
}

/// Reads the written form, without its line end.
pub(super) fn read(line: &Bytes) -> Option<LogRecord> {
    let (head, _) = line.split_at_checked(HEAD)?;
    let stream = match head[WIDTH + 1].to_ascii_uppercase() {
        b'O' => OutputStream::Stdout,
        b'E' => OutputStream::Stderr,
        b'S' => OutputStream::System,
        _ => return None,
    };
    Some(LogRecord {
        time: Timestamp::read(&head[..WIDTH])?,
        stream,
        continues: head[WIDTH + 1].is_ascii_lowercase(),
        text: line.slice(HEAD..),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for piece in pieces {
            lines.feed(piece, |text, continues| {
                found.push((text.to_vec(), continues));
            });
        }
        lines.finish(|text, continues| found.push((text.to_vec(), continues)));
        found
    }

    #[test]
    fn any_bytes_in_any_pieces() {
        let text = b"one\n\nthr\0ee\xff\r\nrest";
        let expected = [
            (b"one".to_vec(), false),
            (Vec::new(), false),
            (b"thr\0ee\xff\r".to_vec(), false),
            (b"rest".to_vec(), false),
        ];
        for cut in 0..=text.len() {
            assert_eq!(lines(&[&text[..cut], &text[cut..]]), expected);
        }
    }

    #[test]
    fn long_lines_are_cut() {
        let long = vec![b'x'; LONGEST * 2 + 5];
        let whole = [&long[..], b"\n"].concat();
        let expected: Vec<(usize, bool)> = vec![(LONGEST, true), (LONGEST, true), (5, false)];
        let sizes = |found: Vec<(Vec<u8>, bool)>| -> Vec<(usize, bool)> {
            found
                .into_iter()
                .map(|(text, continues)| (text.len(), continues))
                .collect()
        };
        assert_eq!(sizes(lines(&[&whole])), expected);
        assert_eq!(
            sizes(lines(&whole.chunks(1000).collect::<Vec<_>>())),
            expected
        );
        let exact = [&long[..LONGEST], b"\n"].concat();
        assert_eq!(
            sizes(lines(&exact.chunks(7).collect::<Vec<_>>())),
            [(LONGEST, false)]
        );
    }

    #[test]
    fn written_and_read() {
        let record = LogRecord {
            time: Timestamp(1_767_323_045_123_456),
            stream: OutputStream::Stderr,
            continues: true,
            text: Bytes::from_static(b"a\0b\xff"),
        };
        let mut out = Vec::new();
        write(
            &mut out,
            &record.time.write(),
            record.stream,
            record.continues,
            &record.text,
        );
        assert_eq!(out, b"2026-01-02T03:04:05.123456Z e a\0b\xff\n");
        assert_eq!(read(&Bytes::from(out).slice(..34)), Some(record));
        assert_eq!(read(&Bytes::from_static(b"garbage")), None);
    }
}
