//! What must not be shown, for it may have been typed where something else belongs.

/// As many hex digits in a row may be a secret key, or most of one.
const HEX_DIGITS: usize = 60;

/// The text without secret keys in the form `nsec1…`.
pub(crate) fn without_nsec(text: &str) -> String {
    const MARK: &str = "nsec1";
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    // Lower-casing ASCII keeps every byte's place.
    while let Some(at) = rest.to_ascii_lowercase().find(MARK) {
        shown.push_str(&rest[..at]);
        shown.push_str("nsec1…");
        rest = rest[at + MARK.len()..].trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        // Where it was left out or cut off before, that is said already.
        rest = rest.strip_prefix('…').unwrap_or(rest);
    }
    shown.push_str(rest);
    shown
}

/// The text with long runs of hex digits counted instead of shown.
pub(crate) fn without_hex(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, run) = rest.split_at(start);
        let length = run.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(run.len());
        let (run, after) = run.split_at(length);
        shown.push_str(before);
        if length < HEX_DIGITS {
            shown.push_str(run);
        } else {
            shown.push_str(&format!("<{length} hex digits>"));
        }
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// The text without what stands before the `@` of a URL: a user's name and password.
pub(crate) fn without_passwords(text: &str) -> String {
    text.split_inclusive(|c: char| c.is_whitespace() || matches!(c, '\'' | '"')).map(without_password).collect()
}

/// The same for a text that is one URL, whatever characters it holds.
pub(crate) fn without_password(word: &str) -> String {
    // A password may hold any of the characters that structure a URL, so all up to the last `@` may be one.
    let Some(at) = word.rfind('@').filter(|at| word[..*at].contains(':')) else { return word.to_owned() };
    let start = match word[..at].split_once("://") {
        Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => format!("{scheme}://"),
        _ => String::new(),
    };
    format!("{start}…{}", &word[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_key_is_left_out_wherever_it_was_typed() {
        assert_eq!(without_nsec("unexpected 'nsec1qqqq' found"), "unexpected 'nsec1…' found");
        assert_eq!(without_nsec("NSEC1AB and é nsec1cd"), "nsec1… and é nsec1…");
        assert_eq!(without_nsec("nothing here"), "nothing here");
        for cut in ["nsec1abc…", "nsec1…"] {
            assert_eq!(without_nsec(cut), "nsec1…");
        }
    }

    #[test]
    fn long_runs_of_hex_digits_are_counted() {
        let (short, long) = ("a".repeat(59), "F0".repeat(30));
        assert_eq!(without_hex(&format!("é/{short}/x")), format!("é/{short}/x"));
        assert_eq!(without_hex(&format!("é/{long}/x {long}0")), "é/<60 hex digits>/x <61 hex digits>");
    }

    #[test]
    fn passwords_are_left_out_of_urls() {
        let table = [
            ("ws://user:secret@relay.example/", "ws://…@relay.example/"),
            ("'wss://u:se@c/r?et@relay' found", "'wss://…@relay' found"),
            ("--relays=ws://user:secret@relay", "…@relay"),
            ("user:secret@relay", "…@relay"),
            ("ws:/user:secret@relay", "…@relay"),
            ("wss://relay.example/ and me@example.com", "wss://relay.example/ and me@example.com"),
        ];
        for (given, shown) in table {
            assert_eq!(without_passwords(given), shown);
        }
        assert_eq!(without_password("ws://user:a secret'@relay"), "ws://…@relay");
    }
}
