//! Words of others: cut to a bound, and harmless to show.

use alloc::string::{String, ToString};

use nostr_proto::Reason;
use nostr_proto::limits::MAX_REASON_BYTES;

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
    shown(text, MAX_REASON_BYTES)
}

/// The same of another length: no more than `max` bytes as they are shown.
pub(crate) fn shown(text: &str, max: usize) -> String {
    let clipped = clip(text, max);
    if !clipped.contains(char::is_control) {
        return clipped;
    }
    let mut out = String::with_capacity(clipped.len());
    for c in clipped.chars() {
        let bytes = if c.is_control() { c.escape_default().count() } else { c.len_utf8() };
        if out.len() + bytes > max {
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A relay's reason, as far as it is kept: its prefix, and its text as [`printable`] has it.
pub(crate) fn harmless(mut reason: Reason) -> Reason {
    if reason.message.contains(char::is_control) || reason.message.len() > MAX_REASON_BYTES {
        reason.message = printable(&reason.message);
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_between_characters_and_escaped() {
        assert_eq!(clip("aé", 2), "a");
        assert_eq!(clip("aé", 3), "aé");
        assert_eq!(printable("\u{1b}[31mred\n"), "\\u{1b}[31mred\\n");
        assert_eq!(printable(&"x".repeat(5_000)).len(), 1_024);
        assert_eq!(printable(&"\u{1b}".repeat(5_000)).len(), 1_020, "as it is shown");
        assert_eq!(shown("ab\u{7}", 6), "ab");
        assert_eq!(harmless(Reason::parse("error: a\u{1b}b")), Reason::parse("error: a\\u{1b}b"));
    }
}
