//! Finding the end of the text in which nothing needs an escape. Strings are most of any event,
//! so that reading, writing and hashing all take their speed from here.

use super::lanes::{CHUNK, specials};

/// The number of bytes before the first quote, backslash or control character.
#[inline]
pub(crate) fn plain_length(text: &[u8]) -> usize {
    let mut length = 0;
    while let Some(chunk) = text[length..].first_chunk() {
        let found = specials(chunk);
        if found != 0 {
            return length + found.trailing_zeros() as usize;
        }
        length += CHUNK;
    }
    rest_plain_length(text, length)
}

/// [`plain_length`] where fewer bytes than a chunk are left behind `length` that are known to be plain.
fn rest_plain_length(text: &[u8], length: usize) -> usize {
    match text.last_chunk() {
        // The last chunk begins among the bytes known already.
        Some(chunk) => {
            let found = specials(chunk) >> (length + CHUNK - text.len());
            if found == 0 { text.len() } else { length + found.trailing_zeros() as usize }
        }
        None => text.iter().position(|&byte| is_special(byte)).unwrap_or(text.len()),
    }
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn finds_each_special_byte_at_each_place() {
        for length in 0..50 {
            assert_eq!(plain_length(&vec![0x7f; length]), length);
            for at in 0..length {
                for byte in 0..=255 {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                    assert_eq!(plain_length(&text), if special { at } else { length });
                }
            }
        }
    }
}
