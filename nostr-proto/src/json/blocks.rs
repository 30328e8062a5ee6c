//! Going over JSON values without looking into them, 64 bytes in a step: what lets a frame's head be read at the
//! speed of memory.
//!
//! Nothing is validated here. Where a text is valid JSON, the ends that are found are the true ones; of any other text
//! the answer means nothing, but there is one.

use super::lanes::{BLOCK, equals, quotes_and_backslashes, specials_of_block, string_bytes, structure};

/// The position of the quote that closes a string, of which `at` is the first byte behind the opening quote.
#[inline]
pub(crate) fn string_end(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    let mut escapes = Escapes::default();
    while at < text.len() {
        let (quotes, backslashes) = quotes_and_backslashes(&block_at(text, at));
        let quotes = quotes & !escapes.next(backslashes);
        if quotes != 0 {
            return Some(at + quotes.trailing_zeros() as usize);
        }
        at += BLOCK;
    }
    None
}

/// The position behind the bracket that closes an array or object, of which `at` is the first byte behind the opening
/// one.
pub(crate) fn nested_end(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    let mut escapes = Escapes::default();
    // All ones while a block begins within a string.
    let mut within = 0_u64;
    let mut depth = 1_u32;
    while at < text.len() {
        let found = structure(&block_at(text, at));
        let quotes = found.quotes & !escapes.next(found.backslashes);
        let strings = running_parity(quotes) ^ within;
        within = 0_u64.wrapping_sub(strings >> (BLOCK - 1));
        let (opening, closing) = (found.opening & !strings, found.closing & !strings);
        let closed = closing.count_ones();
        if closed >= depth
            && let Some(end) = last_closing(depth, opening, closing)
        {
            return Some(at + end + 1);
        }
        depth = depth + opening.count_ones() - closed;
        at += BLOCK;
    }
    None
}

/// What [`escaped_string`] found.
pub(super) enum EscapedString {
    /// The string ends with the quote at this position.
    Ends {
        end: usize,
        /// How many escapes begin before.
        escapes: usize,
        /// Whether one of them is a `\u`.
        unicode: bool,
    },
    /// The string does not end before this position, where a control character stands or the text is over.
    Fails { at: usize },
}

/// As [`string_end`], and tells what is on the way. What follows the backslashes is not checked.
pub(super) fn escaped_string(text: &[u8], at: usize) -> EscapedString {
    let mut at = at;
    let mut escapes = Escapes::default();
    let (mut count, mut unicode) = (0, 0);
    while at < text.len() {
        let block = block_at(text, at);
        let found = string_bytes(&block);
        let escaped = escapes.next(found.backslashes);
        let quotes = found.quotes & !escaped;
        // Everything from the closing quote on is another's business.
        let inside = !u64::MAX.checked_shl(quotes.trailing_zeros()).unwrap_or(0);
        if found.controls & inside != 0 {
            return EscapedString::Fails { at: at + found.controls.trailing_zeros() as usize };
        }
        if escaped & inside != 0 {
            count += (escaped & inside).count_ones() as usize;
            unicode |= equals(&block, b'u') & escaped & inside;
        }
        if quotes != 0 {
            let end = at + quotes.trailing_zeros() as usize;
            return EscapedString::Ends { end, escapes: count, unicode: unicode != 0 };
        }
        at += BLOCK;
    }
    EscapedString::Fails { at: text.len() }
}

/// Calls `each` with the position of every escaped character of a string that ends where the text does.
#[inline]
pub(super) fn each_escaped<E>(text: &[u8], mut each: impl FnMut(usize) -> Result<(), E>) -> Result<(), E> {
    let mut at = 0;
    let mut escapes = Escapes::default();
    while at < text.len() {
        let (_, backslashes) = quotes_and_backslashes(&block_at(text, at));
        let mut escaped = escapes.next(backslashes);
        while escaped != 0 {
            each(at + escaped.trailing_zeros() as usize)?;
            escaped &= escaped - 1;
        }
        at += BLOCK;
    }
    Ok(())
}

/// Calls `each` with the position of every quote, backslash and control character.
#[inline(always)]
pub(super) fn each_special(text: &[u8], mut each: impl FnMut(usize)) {
    let mut at = 0;
    while at < text.len() {
        let mut found = specials_of_block(&block_at(text, at));
        while found != 0 {
            each(at + found.trailing_zeros() as usize);
            found &= found - 1;
        }
        at += BLOCK;
    }
}

/// Which of a block's closing brackets is the one that nothing is open behind.
fn last_closing(depth: u32, opening: u64, closing: u64) -> Option<usize> {
    let mut rest = closing;
    let mut closed = 0;
    while rest != 0 {
        let at = rest.trailing_zeros();
        closed += 1;
        let opened = (opening & !(u64::MAX << at)).count_ones();
        if depth + opened == closed {
            return Some(at as usize);
        }
        rest &= rest - 1;
    }
    None
}

/// Which characters a backslash takes the meaning from, block after block.
#[derive(Default)]
struct Escapes {
    /// 1 if the last character of the block before was a backslash with its own meaning.
    carried: u64,
}

impl Escapes {
    /// The escaped characters of the next block, given its backslashes.
    #[inline(always)]
    fn next(&mut self, backslashes: u64) -> u64 {
        if backslashes == 0 {
            return core::mem::take(&mut self.carried);
        }
        const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
        // A backslash that is itself escaped begins nothing.
        let active = backslashes & !self.carried;
        // In every run of active backslashes, the characters at odd distance from its first are escaped, one behind
        // its end included. Subtracting a run from the odd positions flips these up to the run's end.
        let behind = active << 1;
        let flipped = (behind | ODD).wrapping_sub(active) ^ ODD;
        let escaped = flipped ^ (backslashes | self.carried);
        self.carried = (flipped & backslashes) >> (BLOCK - 1);
        escaped
    }
}

/// For every bit: whether an odd number of bits is set up to it, itself included.
#[inline(always)]
fn running_parity(bits: u64) -> u64 {
    let bits = bits ^ (bits << 1);
    let bits = bits ^ (bits << 2);
    let bits = bits ^ (bits << 4);
    let bits = bits ^ (bits << 8);
    let bits = bits ^ (bits << 16);
    bits ^ (bits << 32)
}

/// The block that begins here, filled up with spaces behind the text's end.
#[inline(always)]
fn block_at(text: &[u8], at: usize) -> [u8; BLOCK] {
    match text[at..].first_chunk() {
        Some(block) => *block,
        None => last_block(&text[at..]),
    }
}

#[cold]
fn last_block(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [b' '; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// The same two answers, one character at a time.
    fn naive_string_end(text: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        while at < text.len() {
            match text[at] {
                b'"' => return Some(at),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        None
    }

    fn naive_nested_end(text: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        let mut depth = 1;
        while at < text.len() {
            match text[at] {
                b'"' => at = naive_string_end(text, at + 1)?,
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                return Some(at);
            }
        }
        None
    }

    /// Bytes in runs, so that runs of backslashes of all lengths lie across the borders of blocks.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            3 => Just(b'a'),
            3 => Just(b'\\'),
            2 => Just(b'"'),
            1 => proptest::sample::select(b"[]{}".to_vec()),
            1 => any::<u8>(),
        ];
        let length = prop_oneof![4 => 1..4_usize, 2 => 1..20_usize, 1 => 50..70_usize];
        vec((byte, length), 0..60)
            .prop_map(|runs| runs.into_iter().flat_map(|(byte, length)| core::iter::repeat_n(byte, length)).collect())
    }

    proptest! {
        #[test]
        fn strings_end_where_they_do_byte_by_byte(text in text(), from in 0..70_usize) {
            let from = from.min(text.len());
            prop_assert_eq!(string_end(&text, from), naive_string_end(&text, from));
        }

        /// Outside of strings a backslash means nothing here and escapes there; valid JSON has none.
        #[test]
        fn nested_values_end_where_they_do_byte_by_byte(runs in vec((text(), "[\\[\\]{} a,]{0,70}"), 0..9)) {
            let mut text = Vec::new();
            for (mut string, between) in runs {
                text.extend_from_slice(between.as_bytes());
                text.push(b'"');
                // Ends where the first quote without a backslash is, or is given one.
                match naive_string_end(&string, 0) {
                    Some(end) => string.truncate(end),
                    None if string.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1 => string.push(b'x'),
                    None => {}
                }
                text.extend_from_slice(&string);
                text.push(b'"');
            }
            prop_assert_eq!(nested_end(&text, 0), naive_nested_end(&text, 0));
        }
    }
}
