//! As much of DER as it takes to find a certificate's subject and to write it in the form whose
//! hash OpenSSL looks for: strings in UTF-8, in lower case, with single spaces.

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const T61_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const VISIBLE_STRING: u8 = 0x1a;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;
/// `[0]`, where a certificate has its version.
const VERSION: u8 = 0xa0;

/// A value with its tag.
#[derive(Debug, Clone, Copy)]
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// Takes one element off the beginning.
fn take<'a>(rest: &mut &'a [u8]) -> Option<Element<'a>> {
    let bytes = *rest;
    let (tag, first) = (*bytes.first()?, usize::from(*bytes.get(1)?));
    let (begin, length) = if first < 0x80 {
        (2, first)
    } else {
        let count = first - 0x80;
        if count == 0 || count > 4 {
            return None;
        }
        let digits = bytes.get(2..2 + count)?;
        let length = digits
            .iter()
            .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        (2 + count, length)
    };
    let end = begin.checked_add(length)?;
    let element = Element {
        tag,
        content: bytes.get(begin..end)?,
        whole: &bytes[..end],
    };
    *rest = &bytes[end..];
    Some(element)
}

fn take_tagged<'a>(rest: &mut &'a [u8], tag: u8) -> Option<Element<'a>> {
    take(rest).filter(|element| element.tag == tag)
}

/// The content of a certificate's subject: its relative distinguished names.
pub(super) fn subject(certificate: &[u8]) -> Option<&[u8]> {
    let mut rest = certificate;
    let mut rest = take_tagged(&mut rest, SEQUENCE)?.content;
    let mut fields = take_tagged(&mut rest, SEQUENCE)?.content;
    let first = take(&mut fields)?;
    if first.tag == VERSION {
        // The serial number.
        take(&mut fields)?;
    }
    // Algorithm, issuer and validity.
    for _ in 0..3 {
        take_tagged(&mut fields, SEQUENCE)?;
    }
    Some(take_tagged(&mut fields, SEQUENCE)?.content)
}

/// A subject in the form that is hashed.
pub(super) fn canonical(subject: &[u8]) -> Option<Vec<u8>> {
    let mut rest = subject;
    let mut canonical = Vec::new();
    while !rest.is_empty() {
        let mut inside = take_tagged(&mut rest, SET)?.content;
        let mut pairs = Vec::new();
        while !inside.is_empty() {
            let mut pair = take_tagged(&mut inside, SEQUENCE)?.content;
            let name = take_tagged(&mut pair, OBJECT_IDENTIFIER)?;
            let mut content = name.whole.to_vec();
            content.extend(value(take(&mut pair)?)?);
            pairs.push(wrapped(SEQUENCE, &content));
        }
        // A set has the order of what it is written as.
        pairs.sort();
        canonical.extend(wrapped(SET, &pairs.concat()));
    }
    Some(canonical)
}

fn value(element: Element<'_>) -> Option<Vec<u8>> {
    let latin = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect();
    let text: String = match element.tag {
        UTF8_STRING => String::from_utf8(element.content.to_vec()).ok()?,
        PRINTABLE_STRING | T61_STRING | IA5_STRING | VISIBLE_STRING => latin(element.content),
        BMP_STRING => wide(element.content, 2)?,
        UNIVERSAL_STRING => wide(element.content, 4)?,
        // No text.
        _ => return Some(element.whole.to_vec()),
    };
    let is_space = |letter: char| matches!(letter, ' ' | '\t'..='\r');
    let words: Vec<&str> = text
        .split(is_space)
        .filter(|word| !word.is_empty())
        .collect();
    let lower = words.join(" ").to_ascii_lowercase();
    Some(wrapped(UTF8_STRING, lower.as_bytes()))
}

/// Text whose letters have so many bytes, the highest first.
fn wide(bytes: &[u8], width: usize) -> Option<String> {
    if !bytes.len().is_multiple_of(width) {
        return None;
    }
    let letters = bytes.chunks(width).map(|letter| {
        let number = letter
            .iter()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        char::from_u32(number)
    });
    letters.collect()
}

fn wrapped(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut whole = vec![tag];
    if length < 0x80 {
        whole.push(u8::try_from(length).unwrap_or(0));
    } else {
        let digits = length.to_be_bytes();
        let digits: Vec<u8> = digits
            .iter()
            .copied()
            .skip_while(|digit| *digit == 0)
            .collect();
        whole.push(0x80 + u8::try_from(digits.len()).unwrap_or(0));
        whole.extend(digits);
    }
    whole.extend(content);
    whole
}
