//! Values of arguments. Every error says in one line what was expected; clap adds the argument's name.

use std::time::Duration;

use nostr_pool_tokio::Quorum;
use nostr_proto::{EventId, Kind, PublicKey, RelayUrl, Timestamp};

/// The longest time that can be asked for, in seconds: a day.
const MAX_SECONDS: f64 = 86_400.0;

/// `--relay`.
pub(crate) fn relay(text: &str) -> Result<RelayUrl, String> {
    RelayUrl::parse(text).map_err(|e| e.to_string())
}

/// `--kind`.
pub(crate) fn kind(text: &str) -> Result<Kind, String> {
    text.parse().map(Kind::new).map_err(|_| "a kind is a number from 0 to 65535".to_owned())
}

/// `--author`.
pub(crate) fn author(text: &str) -> Result<PublicKey, String> {
    PublicKey::parse(text).map_err(|e| e.to_string())
}

/// `--id`.
pub(crate) fn id(text: &str) -> Result<EventId, String> {
    text.parse().map_err(|e| format!("an event id is 64 hex digits: {e}"))
}

/// `--limit`.
pub(crate) fn limit(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "a limit is a number from 0 to 4294967295".to_owned())
}

/// `--since` and `--until`.
pub(crate) fn timestamp(text: &str) -> Result<Timestamp, String> {
    text.parse().map(Timestamp::new).map_err(|_| "a time is a number of seconds since 1970".to_owned())
}

/// `--timeout`.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if seconds > 0.0 && seconds <= MAX_SECONDS {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("a timeout is more than 0 and at most 86400 seconds".to_owned())
    }
}

/// `--quorum`.
pub(crate) fn quorum(text: &str) -> Result<Quorum, String> {
    match text {
        "all" => Ok(Quorum::All),
        "majority" => Ok(Quorum::Majority),
        _ => match text.parse() {
            Ok(0) => Err("at least one relay must accept".to_owned()),
            Ok(n) => Ok(Quorum::AtLeast(n)),
            Err(_) => Err("a quorum is a number of relays, `all` or `majority`".to_owned()),
        },
    }
}

/// A tag to filter by: `e=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilterTag {
    /// Its one letter.
    pub(crate) letter: char,
    /// The value asked for.
    pub(crate) value: String,
}

/// `--tag` of `req`.
pub(crate) fn filter_tag(text: &str) -> Result<FilterTag, String> {
    let (name, value) = text.split_once('=').ok_or("a tag is LETTER=VALUE, such as t=nostr")?;
    let mut letters = name.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if letter.is_ascii_alphabetic() => {
            if matches!(letter, 'e' | 'p') {
                id(value).map_err(|_| format!("the value of {letter} is 64 lowercase hex digits"))?;
            }
            Ok(FilterTag { letter, value: value.to_owned() })
        }
        _ => Err("relays filter by tags of one letter only, such as t=nostr".to_owned()),
    }
}

/// A tag to put on an event: its name and values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventTag(pub(crate) Vec<String>);

/// `--tag` of `publish`.
pub(crate) fn event_tag(text: &str) -> Result<EventTag, String> {
    if text.starts_with('[') {
        let tag: Vec<String> = serde_json::from_str(text).map_err(|_| "not a JSON array of strings".to_owned())?;
        return if tag.first().is_some_and(|name| !name.is_empty()) {
            Ok(EventTag(tag))
        } else {
            Err("the first string of a tag is its name".to_owned())
        };
    }
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(EventTag(vec![name.to_owned(), value.to_owned()])),
        _ => Err("a tag is NAME=VALUE, or a JSON array of strings".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_positive_and_finite() {
        assert_eq!(seconds("0.5").unwrap(), Duration::from_millis(500));
        assert_eq!(seconds("86400").unwrap(), Duration::from_secs(86_400));
        for bad in ["0", "-1", "nan", "inf", "1e300", "86401", "", "5s"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_quorum_is_a_count_or_a_word() {
        assert_eq!(quorum("3"), Ok(Quorum::AtLeast(3)));
        assert_eq!(quorum("all"), Ok(Quorum::All));
        assert_eq!(quorum("majority"), Ok(Quorum::Majority));
        for bad in ["0", "-1", "most", "", "50%"] {
            assert!(quorum(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn filter_tags_have_one_letter() {
        let tag = filter_tag("t=a=b").unwrap();
        assert_eq!((tag.letter, tag.value.as_str()), ('t', "a=b"));
        for bad in ["t", "=x", "tt=x", "1=x", "é=x", "e=abc", "p=npub1"] {
            assert!(filter_tag(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn event_tags_are_pairs_or_whole_arrays() {
        let tag = |parts: &[&str]| Ok(EventTag(parts.iter().map(|s| (*s).to_owned()).collect()));
        assert_eq!(event_tag("title=a=b"), tag(&["title", "a=b"]));
        assert_eq!(event_tag("d="), tag(&["d", ""]));
        assert_eq!(event_tag(r#"["e","id","wss://r"]"#), tag(&["e", "id", "wss://r"]));
        for bad in ["t", "=x", "[]", "[\"\"]", "[1]", "[\"a\"", "[[]]"] {
            assert!(event_tag(bad).is_err(), "{bad}");
        }
    }
}
