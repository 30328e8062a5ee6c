//! Lowercase hex, the only form that Nostr allows on the wire.

use core::fmt;

/// A text that is not the exact lowercase hex it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HexError {
    /// The text has the wrong length.
    Length {
        /// Characters needed.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A character is not one of `0-9a-f`.
    Character {
        /// Byte position of the character.
        position: usize,
    },
}

impl fmt::Display for HexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HexError::Length { expected, found } => {
                write!(f, "expected {expected} hex characters, found {found}")
            }
            HexError::Character { position } => {
                write!(f, "character {position} is not lowercase hex")
            }
        }
    }
}

impl core::error::Error for HexError {}

const BAD: u8 = 0xff;

const VALUES: [u8; 256] = {
    let mut table = [BAD; 256];
    let mut value = 0;
    while value < 16 {
        table[DIGITS[value as usize] as usize] = value;
        value += 1;
    }
    table
};

const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// Decodes exactly `2 × N` lowercase hex characters.
pub(crate) fn decode<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return Err(HexError::Length { expected: 2 * N, found: text.len() });
    }
    let mut bytes = [0; N];
    // One check at the end instead of one per character: bad values have the high bits set.
    let mut seen = 0;
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (VALUES[pair[0] as usize], VALUES[pair[1] as usize]);
        seen |= high | low;
        *byte = (high << 4) | (low & 0x0f);
    }
    if seen > 0x0f {
        let position = text.iter().position(|&c| VALUES[c as usize] == BAD).unwrap_or(0);
        return Err(HexError::Character { position });
    }
    Ok(bytes)
}

/// The longest text that [`encode`] writes: a signature's.
pub(crate) const MAX_HEX: usize = 128;

/// Writes up to 64 bytes as lowercase hex into the caller's buffer.
pub(crate) fn encode<'b>(bytes: &[u8], buffer: &'b mut [u8; MAX_HEX]) -> &'b str {
    let text = &mut buffer[..2 * bytes.len()];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[(byte >> 4) as usize];
        pair[1] = DIGITS[(byte & 0x0f) as usize];
    }
    core::str::from_utf8(text).expect("hex digits are ASCII")
}
