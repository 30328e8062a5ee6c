//! How much proof of work a relay asked for (NIP-13). Relays say it in words.

use nostr_proto::{Prefix, Reason};

/// The difficulty in a refusal: the largest whole number from 1 to 255 that stands alone in its text. It is the larger of
/// two where a relay tells what there is, too: it would not have refused otherwise. A number does not stand alone next to
/// a letter, or in a word or fraction, as in "NIP-13" and "1.5".
pub(crate) fn asked(reason: &Reason) -> Option<u8> {
    if reason.prefix != Some(Prefix::Pow) {
        return None;
    }
    let text = reason.message.as_str();
    let mut best = None;
    let mut rest = text.char_indices().peekable();
    let mut before = [None; 2];
    while let Some((start, c)) = rest.next() {
        if !c.is_ascii_digit() {
            before = [before[1], Some(c)];
            continue;
        }
        let mut end = start + 1;
        while let Some((at, _)) = rest.next_if(|(_, c)| c.is_ascii_digit()) {
            end = at + 1;
        }
        let mut after = text[end..].chars();
        let alone = starts_alone(before) && ends_alone(after.next(), after.next());
        if alone && let Ok(bits @ 1..) = text[start..end].parse::<u8>() {
            best = best.max(Some(bits));
        }
        before = [None, Some('0')];
    }
    best
}

/// By the two characters before it.
fn starts_alone(before: [Option<char>; 2]) -> bool {
    match before {
        [_, Some(c)] if c.is_alphanumeric() || c == '_' => false,
        [Some(word), Some('-' | '.' | ',')] => !word.is_alphanumeric(),
        _ => true,
    }
}

/// By the two characters behind it.
fn ends_alone(next: Option<char>, then: Option<char>) -> bool {
    match (next, then) {
        (None, _) => true,
        (Some('.' | ','), Some(c)) => !c.is_ascii_digit(),
        (Some(c), _) => !(c.is_alphanumeric() || c == '_' || c == '%'),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::format;

    use super::*;

    fn pow(text: &str) -> Option<u8> {
        asked(&Reason::parse(text))
    }

    #[test]
    fn what_relays_say() {
        for (text, bits) in [
            ("pow: difficulty 26 is less than 30", Some(30)),
            ("pow: 28 bits needed", Some(28)),
            ("PoW: 28 bits needed", Some(28)),
            ("pow: required difficulty 20, got 15", Some(20)),
            ("pow: 20", Some(20)),
            ("pow: 25>=24", Some(25)),
            ("pow: need (21).", Some(21)),
            ("pow: kind 1059 needs 16 bits, see NIP-13 or nip13", Some(16)),
            ("pow: at least 24-bit", Some(24)),
            ("pow: 8, see NIP-13", Some(8)),
            ("pow: proof of work, please", None),
            ("pow: 0 bits", None),
            ("pow: 256 bits", None),
            ("pow: 99999999999999999999", None),
            ("pow: 1.5 or 0x20 or 12b or 50%", None),
            ("pow:", None),
            ("blocked: 28 bits needed", None),
            ("28 bits needed", None),
            ("", None),
        ] {
            assert_eq!(pow(text), bits, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC*") {
            let _ = pow(&format!("pow: {text}"));
        }

        #[test]
        fn the_larger_one_is_asked_for(has in 0..255_u8, lacks in 1..=40_u8, words in "[ a-z]*") {
            let needs = has.saturating_add(lacks);
            prop_assert_eq!(pow(&format!("pow: {words} {has} < {needs} {words}")), Some(needs));
            prop_assert_eq!(pow(&format!("pow: {needs} bits, {words} {has}")), Some(needs));
        }

        #[test]
        fn words_without_digits_ask_for_nothing(text in "[^0-9]*") {
            prop_assert_eq!(pow(&format!("pow: {text}")), None);
        }
    }
}
