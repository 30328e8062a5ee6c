//! Finding the end of the text in which nothing needs an escape. Strings are most of any event,
//! so that reading, writing and hashing all take their speed from here.

/// How many bytes are looked at in one step: what the compiler turns into one vector operation.
const STEP: usize = 16;

/// The number of bytes before the first quote, backslash or control character.
pub(super) fn plain_length(text: &[u8]) -> usize {
    let mut length = 0;
    for step in text.chunks_exact(STEP) {
        // No early way out within a step: that is what allows the vector operation.
        if step.iter().fold(false, |found, &byte| found | is_special(byte)) {
            break;
        }
        length += STEP;
    }
    let rest = &text[length..];
    length + rest.iter().position(|&byte| is_special(byte)).unwrap_or(rest.len())
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
