//! Hex of other lengths and looser spelling than [`crate::hex`] reads: what is neither id, key nor signature.

use alloc::string::String;
use alloc::vec::Vec;

/// Decodes an even number of hex characters of either case; `None` if the text is anything else.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2).map(byte).collect()
}

/// Decodes exactly `2 × N` hex characters of either case; `None` if the text is anything else.
pub(crate) fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (target, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *target = byte(pair)?;
    }
    Some(bytes)
}

/// The value of two hex characters.
fn byte(pair: &[u8]) -> Option<u8> {
    pair.iter().try_fold(0, |value: u8, &digit| Some((value << 4) | digit_value(digit)?))
}

fn digit_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Appends bytes as lowercase hex.
pub(crate) fn push(out: &mut String, bytes: &[u8]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    out.reserve(2 * bytes.len());
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}
