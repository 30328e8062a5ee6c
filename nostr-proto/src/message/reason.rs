//! Why a relay refused, or what it has to say: a word for machines, and a text for people.

use crate::limits::MAX_REASON_BYTES;
use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

/// The text of an OK, CLOSED or NEG-ERR.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reason {
    /// The machine-readable prefix, if the text begins with one that we know.
    pub prefix: Option<Prefix>,
    /// The rest, without the prefix; the whole text if there is none. At most
    /// [`MAX_REASON_BYTES`] are kept. May hold control characters: escape it when showing it.
    pub message: String,
}

/// The machine-readable prefixes in use (NIP-01, NIP-42, NIP-77, and what relays send besides).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefix {
    /// The relay has the event already.
    Duplicate,
    /// The event lacks proof of work.
    Pow,
    /// The author or the address is banned.
    Blocked,
    /// Too much in too short a time.
    RateLimited,
    /// The event or filter is malformed or unacceptable.
    Invalid,
    /// The authenticated key is not allowed this.
    Restricted,
    /// Nobody listened to an ephemeral event.
    Mute,
    /// Something went wrong at the relay.
    Error,
    /// Authenticate first.
    AuthRequired,
    /// The relay can't answer such a filter.
    Unsupported,
    /// The relay has a newer version of this replaceable event.
    Replaced,
    /// The event was deleted by its author.
    Deleted,
    /// The relay gave up a reconciliation that it had begun (NIP-77).
    Closed,
}

impl Prefix {
    const ALL: [Prefix; 13] = [
        Prefix::Duplicate,
        Prefix::Pow,
        Prefix::Blocked,
        Prefix::RateLimited,
        Prefix::Invalid,
        Prefix::Restricted,
        Prefix::Mute,
        Prefix::Error,
        Prefix::AuthRequired,
        Prefix::Unsupported,
        Prefix::Replaced,
        Prefix::Deleted,
        Prefix::Closed,
    ];

    /// The prefix as it is written, without the colon.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Prefix::Duplicate => "duplicate",
            Prefix::Pow => "pow",
            Prefix::Blocked => "blocked",
            Prefix::RateLimited => "rate-limited",
            Prefix::Invalid => "invalid",
            Prefix::Restricted => "restricted",
            Prefix::Mute => "mute",
            Prefix::Error => "error",
            Prefix::AuthRequired => "auth-required",
            Prefix::Unsupported => "unsupported",
            Prefix::Replaced => "replaced",
            Prefix::Deleted => "deleted",
            Prefix::Closed => "closed",
        }
    }

    /// The prefix that this word is, in any mix of upper and lower case.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Prefix> {
        Prefix::ALL.into_iter().find(|prefix| prefix.as_str().eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Reason {
    /// A reason to send; white space in front of the message goes, as it does when a reason is parsed.
    pub fn new(prefix: Prefix, message: &str) -> Reason {
        Reason { prefix: Some(prefix), message: shorten(message.trim_ascii_start()).to_owned() }
    }

    /// Takes a relay's text apart: a known word before the first colon, in any case, is the
    /// prefix, and spaces around the colon are dropped. Any other text has no prefix.
    #[must_use]
    pub fn parse(text: &str) -> Reason {
        let known = text
            .split_once(':')
            .and_then(|(word, message)| Some((Prefix::from_word(word.trim_ascii())?, message.trim_ascii_start())));
        let (prefix, message) = match known {
            Some((prefix, message)) => (Some(prefix), message),
            None => (None, text),
        };
        Reason { prefix, message: shorten(message).to_owned() }
    }

    /// Whether there is neither a prefix nor a message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prefix.is_none() && self.message.is_empty()
    }
}

/// `prefix: message`, as on the wire.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix {
            Some(prefix) => write!(f, "{prefix}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// As much of the text as is kept: whole characters, at most [`MAX_REASON_BYTES`].
pub(super) fn shorten(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_REASON_BYTES)]
}
