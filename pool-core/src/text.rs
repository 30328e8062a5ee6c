//! Words of others: cut to a bound, and harmless to show.

use alloc::string::{String, ToString};

/// At most `max` bytes of a text that a peer had a say in, cut between characters.
pub(crate) fn clip(text: &str, max: usize) -> String {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_string()
}

/// What is kept of a relay's words: at most 1 KiB, control characters escaped, for they may end up on a terminal.
pub(crate) fn printable(text: &str) -> String {
    let clipped = clip(text, nostr_proto::limits::MAX_REASON_BYTES);
    let mut out = String::with_capacity(clipped.len());
    for c in clipped.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_between_characters_and_escaped() {
        assert_eq!(clip("aé", 2), "a");
        assert_eq!(clip("aé", 3), "aé");
        assert_eq!(printable("\u{1b}[31mred\n"), "\\u{1b}[31mred\\n");
        assert!(printable(&"x".repeat(5_000)).len() <= 1_024);
    }
}
