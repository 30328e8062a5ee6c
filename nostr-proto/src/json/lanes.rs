//! Looking at many bytes at once: which of them are this or that, one bit each, the first byte's bit lowest.

use wide::{u8x16, u8x64};

/// The bytes in a chunk, the unit for strings that may be short.
pub(crate) const CHUNK: usize = 16;

/// The bytes in a block, the unit for going over whatever may be long.
pub(super) const BLOCK: usize = 64;

/// A chunk's quotes, backslashes and control characters: all that a JSON string may not hold as it is.
#[inline(always)]
pub(crate) fn specials(chunk: &[u8; CHUNK]) -> u32 {
    let bytes = u8x16::from(*chunk);
    let control = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
    (control | bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\'))).to_bitmask()
}

/// As [`specials`], of a block.
#[inline(always)]
pub(super) fn specials_of_block(block: &[u8; BLOCK]) -> u64 {
    let bytes = u8x64::from(*block);
    let control = bytes.simd_lt(u8x64::splat(0x20));
    (control | bytes.simd_eq(u8x64::splat(b'"')) | bytes.simd_eq(u8x64::splat(b'\\'))).to_bitmask()
}

/// A block's quotes and backslashes.
#[inline(always)]
pub(super) fn quotes_and_backslashes(block: &[u8; BLOCK]) -> (u64, u64) {
    let bytes = u8x64::from(*block);
    (equal(bytes, b'"'), equal(bytes, b'\\'))
}

/// Which bytes stand where in a block of a string.
pub(super) struct StringBytes {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    /// Control characters, which a string may not hold as they are.
    pub(super) controls: u64,
}

#[inline(always)]
pub(super) fn string_bytes(block: &[u8; BLOCK]) -> StringBytes {
    let bytes = u8x64::from(*block);
    StringBytes {
        quotes: equal(bytes, b'"'),
        backslashes: equal(bytes, b'\\'),
        controls: bytes.simd_lt(u8x64::splat(0x20)).to_bitmask(),
    }
}

/// Which quotes, backslashes and brackets stand where in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Structure {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    /// `[` and `{`.
    pub(super) opening: u64,
    /// `]` and `}`.
    pub(super) closing: u64,
}

#[inline(always)]
pub(super) fn structure(block: &[u8; BLOCK]) -> Structure {
    let bytes = u8x64::from(*block);
    // `[` and `{` differ in one bit, and so do `]` and `}`; no other byte becomes one of them by it.
    let folded = bytes | u8x64::splat(0x20);
    Structure {
        quotes: equal(bytes, b'"'),
        backslashes: equal(bytes, b'\\'),
        opening: equal(folded, b'{'),
        closing: equal(folded, b'}'),
    }
}

/// Where this byte stands in a block.
#[inline(always)]
pub(super) fn equals(block: &[u8; BLOCK], byte: u8) -> u64 {
    equal(u8x64::from(*block), byte)
}

#[inline(always)]
fn equal(bytes: u8x64, byte: u8) -> u64 {
    bytes.simd_eq(u8x64::splat(byte)).to_bitmask()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits<const N: usize>(bytes: &[u8; N], is: impl Fn(u8) -> bool) -> u64 {
        bytes.iter().enumerate().fold(0, |bits, (lane, &byte)| bits | (u64::from(is(byte)) << lane))
    }

    /// Every byte in every place, among others of a few sorts.
    #[test]
    fn every_byte_in_every_place() {
        for filler in [b'a', b'"', b'\\', b'[', b'}', 0x1f, 0x80, 0xff] {
            for place in 0..BLOCK {
                for byte in 0..=255 {
                    let mut block = [filler; BLOCK];
                    block[place] = byte;
                    let quotes = bits(&block, |byte| byte == b'"');
                    let backslashes = bits(&block, |byte| byte == b'\\');
                    let opening = bits(&block, |byte| matches!(byte, b'[' | b'{'));
                    let closing = bits(&block, |byte| matches!(byte, b']' | b'}'));
                    assert_eq!(quotes_and_backslashes(&block), (quotes, backslashes));
                    assert_eq!(structure(&block), Structure { quotes, backslashes, opening, closing });
                    let found = string_bytes(&block);
                    assert_eq!((found.quotes, found.backslashes), (quotes, backslashes));
                    assert_eq!(found.controls, bits(&block, |byte| byte < 0x20));
                    assert_eq!(equals(&block, byte), bits(&block, |other| other == byte));
                    let chunk = block.first_chunk().unwrap();
                    let special = bits(chunk, |byte| byte < 0x20 || byte == b'"' || byte == b'\\');
                    assert_eq!(u64::from(specials(chunk)), special);
                    let special = quotes | backslashes | found.controls;
                    assert_eq!(specials_of_block(&block), special);
                }
            }
        }
    }
}
