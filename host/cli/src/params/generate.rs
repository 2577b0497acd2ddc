//! Passwords made up by the host (reference/aspire.md 1.9).
//!
//! Knows alphabets and classes. Doesn't know what the password is for.

use aspire_model::annotation::Generate;
use rand::Rng as _;
use rand::rngs::ThreadRng;
use rand::seq::SliceRandom as _;

/// Shortest password.
const MINIMUM: usize = 22;
/// Letters that are not mistaken for each other.
const LOWER: &[u8] = b"abcdefghjkmnpqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHJKMNPQRSTUVWXYZ";
const DIGITS: &[u8] = b"0123456789";
const SPECIAL: &[u8] = b"-_.{}~()*+!";

/// Makes one up, with at least one character of every class, from the operating system's
/// cryptographic source.
pub(crate) fn password(wanted: Generate) -> String {
    let mut random: ThreadRng = rand::rng();
    let classes: &[&[u8]] = if wanted.special {
        &[LOWER, UPPER, DIGITS, SPECIAL]
    } else {
        &[LOWER, UPPER, DIGITS]
    };
    let all: Vec<u8> = classes.concat();
    let length = usize::try_from(wanted.length)
        .unwrap_or(MINIMUM)
        .max(MINIMUM);
    let mut characters: Vec<u8> = classes
        .iter()
        .copied()
        .chain(std::iter::repeat(all.as_slice()))
        .take(length)
        .map(|alphabet| alphabet[random.random_range(0..alphabet.len())])
        .collect();
    characters.shuffle(&mut random);
    characters.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_and_classes() {
        for special in [false, true] {
            let text = password(Generate { length: 5, special });
            assert_eq!(text.len(), MINIMUM);
            for class in [LOWER, UPPER, DIGITS] {
                assert!(text.bytes().any(|b| class.contains(&b)), "{special}");
            }
            assert_eq!(text.bytes().any(|b| SPECIAL.contains(&b)), special);
        }
        let long = Generate {
            length: 40,
            special: false,
        };
        assert_eq!(password(long).len(), 40);
        assert_ne!(password(long), password(long));
    }
}
