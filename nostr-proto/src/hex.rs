//! Lowercase hex, the only form that Nostr allows on the wire.

use core::fmt;
use wide::bytemuck::cast;
use wide::{u8x16, u16x8};

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

/// Decodes exactly `2 × N` lowercase hex characters.
pub(crate) fn decode<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return Err(HexError::Length { expected: 2 * N, found: text.len() });
    }
    let mut bytes = [0; N];
    if decode_into(text, &mut bytes) {
        return Ok(bytes);
    }
    let position = text.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f')).unwrap_or(0);
    Err(HexError::Character { position })
}

/// Decodes `2 × N` characters; false if there are more or fewer, or if one is not lowercase hex.
#[inline]
pub(crate) fn decode_into<const N: usize>(text: &[u8], out: &mut [u8; N]) -> bool {
    const { assert!(N.is_multiple_of(16), "whole vectors") };
    if text.len() != 2 * N {
        return false;
    }
    // One check at the end instead of one for every vector.
    let mut bad = u8x16::ZERO;
    for (sixteen, characters) in out.as_chunks_mut::<16>().0.iter_mut().zip(text.as_chunks::<32>().0) {
        let [first, second]: [u8x16; 2] = cast(*characters);
        let (first, second) = (values(first, &mut bad), values(second, &mut bad));
        *sixteen = u8x16::narrow_i16x8(cast(join_pairs(first)), cast(join_pairs(second))).to_array();
    }
    !bad.any()
}

/// The values of sixteen hex digits; sets what is no digit in `bad`.
#[inline(always)]
fn values(characters: u8x16, bad: &mut u8x16) -> u8x16 {
    let digits = characters - u8x16::splat(b'0');
    let letters = characters - u8x16::splat(b'a');
    let is_digit = digits.simd_le(u8x16::splat(9));
    let is_letter = letters.simd_le(u8x16::splat(5));
    *bad |= !(is_digit | is_letter);
    (digits & is_digit) | ((letters + u8x16::splat(10)) & is_letter)
}

/// Joins sixteen values below 16 to eight below 256, the higher half first.
#[inline(always)]
fn join_pairs(values: u8x16) -> u16x8 {
    let pairs: u16x8 = cast(values);
    let joined = match cfg!(target_endian = "little") {
        // The value that comes first is the lower half of each number.
        true => (pairs << 4_u32) | (pairs >> 8_u32),
        false => (pairs >> 4_u32) | pairs,
    };
    joined & u16x8::splat(0xff)
}

/// The longest text that [`encode`] writes: a signature's.
pub(crate) const MAX_HEX: usize = 128;

/// Writes up to 64 bytes, a multiple of 16, as lowercase hex into the caller's buffer.
pub(crate) fn encode<'b>(bytes: &[u8], buffer: &'b mut [u8; MAX_HEX]) -> &'b str {
    let text = &mut buffer[..2 * bytes.len()];
    encode_into(bytes, text);
    core::str::from_utf8(text).expect("hex digits are ASCII")
}

/// As [`encode`], into a buffer of the right size.
#[inline(always)]
pub(crate) fn encode_into(bytes: &[u8], text: &mut [u8]) {
    let (vectors, rest) = bytes.as_chunks::<16>();
    debug_assert!(rest.is_empty() && text.len() == 2 * bytes.len(), "ids, keys and signatures are whole vectors");
    for (text, vector) in text.as_chunks_mut::<32>().0.iter_mut().zip(vectors) {
        let vector = u8x16::from(*vector);
        let (high, low) = (digits(vector >> 4_u32), digits(vector & u8x16::splat(0x0f)));
        let halves = [u8x16::unpack_low(high, low), u8x16::unpack_high(high, low)];
        *text = cast(halves);
    }
}

/// The characters of values below 16.
#[inline(always)]
fn digits(values: u8x16) -> u8x16 {
    let letters = values.simd_gt(u8x16::splat(9)) & u8x16::splat(b'a' - b'0' - 10);
    values + u8x16::splat(b'0') + letters
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::String};

    #[test]
    fn every_byte_there_and_back_in_every_place() {
        for place in 0..32 {
            for byte in 0..=255 {
                let mut bytes = [0x5a; 32];
                bytes[place] = byte;
                let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(encode(&bytes, &mut [0; MAX_HEX]), text);
                assert_eq!(decode(&text), Ok(bytes));
            }
        }
    }

    #[test]
    fn every_other_character_in_every_place_is_refused() {
        for position in 0..128 {
            for byte in 0..=255_u8 {
                let mut text = [b'c'; 128];
                text[position] = byte;
                let good = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                assert_eq!(decode_into(&text, &mut [0; 64]), good, "{byte}");
                let Ok(text) = core::str::from_utf8(&text) else { continue };
                assert_eq!(decode::<64>(text).err(), (!good).then_some(HexError::Character { position }));
            }
        }
    }
}
