//! Headers of the WebSocket upgrade.

use std::fmt;

/// The most headers of one set.
const MAX_HEADERS: usize = 32;
/// The most bytes of one set, names and values.
const MAX_BYTES: usize = 8 << 10;
/// What the upgrade itself says, or what would change how its answer is read. `Sec-` and what follows is the upgrade's, too.
const RESERVED: [&str; 11] = [
    "host",
    "connection",
    "upgrade",
    "user-agent",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "expect",
    "keep-alive",
    "http2-settings",
];

/// Headers to send with the WebSocket upgrade and the request for an information document, checked: at most 32, and 8 KiB in
/// all.
///
/// Headers for a whole pool ([`PoolBuilder::headers`](crate::PoolBuilder::headers)) go to every relay, to those that an
/// event named as well, so a secret belongs into those of one relay
/// ([`PoolBuilder::relay_headers`](crate::PoolBuilder::relay_headers)). `Debug` shows no values.
///
/// ```
/// use nostr_pool_driver::Headers;
///
/// let headers = Headers::new().with("Authorization", "Bearer 7f3a")?.with("X-Client", "example")?;
/// assert!(headers.with("Host", "elsewhere.example").is_err());
/// # Ok::<(), nostr_pool_driver::HeaderError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more, or another value for one of that name; names are the same in upper and lower case.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Result<Self, HeaderError> {
        let (name, value) = (name.into(), value.into());
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(HeaderError::Name(name));
        }
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("sec-") || RESERVED.contains(&lower.as_str()) {
            return Err(HeaderError::Reserved(name));
        }
        let visible = |b: u8| (b' '..=b'~').contains(&b) || b == b'\t';
        if !value.bytes().all(visible) || value.trim() != value {
            return Err(HeaderError::Value { name });
        }
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        self.0.push((name, value));
        let bytes: usize = self.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        if self.0.len() > MAX_HEADERS || bytes > MAX_BYTES { Err(HeaderError::TooMany) } else { Ok(self) }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These and the others, which take the place of those of the same name.
    pub(super) fn overridden_by<'a>(&'a self, others: &'a Self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let named = |name: &str| others.0.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let kept = self.0.iter().filter(move |(name, _)| !named(name));
        kept.chain(&others.0).map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A character of a header's name (RFC 9110, section 5.6.2).
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Why a header can't be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// It is no name of a header.
    Name(String),
    /// The upgrade has its own say about this one; of `User-Agent`, see
    /// [`PoolBuilder::user_agent`](crate::PoolBuilder::user_agent).
    Reserved(String),
    /// The value, which may be a secret, has more in it than visible ASCII with spaces and tabs between.
    Value {
        /// The value of which.
        name: String,
    },
    /// More than 32 headers, or 8 KiB.
    TooMany,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name:?} is no name of a header"),
            Self::Reserved(name) => write!(f, "the header {name} is not for the taking"),
            Self::Value { name } => {
                write!(f, "header {name}: only visible ASCII may be in its value, and spaces between")
            }
            Self::TooMany => f.write_str("more than 32 headers, or more than 8 KiB of them"),
        }
    }
}

impl std::error::Error for HeaderError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_header_may_not_be_is_told() {
        let of = |name: &str, value: &str| Headers::new().with(name, value);
        for name in ["", "a b", "a:b", "a\r\nb", "ä", "a\0"] {
            assert_eq!(of(name, "x"), Err(HeaderError::Name(name.to_owned())));
        }
        for name in
            ["Host", "CONNECTION", "upgrade", "User-Agent", "Sec-WebSocket-Key", "sec-fetch-mode", "Content-Length"]
        {
            assert_eq!(of(name, "x"), Err(HeaderError::Reserved(name.to_owned())));
        }
        for value in ["a\r\nb", "a\n", " a", "a ", "\ta", "ä", "a\0", "\x7f"] {
            assert_eq!(of("A", value), Err(HeaderError::Value { name: "A".to_owned() }), "{value:?}");
        }
        for value in ["", "a b\tc", "~"] {
            assert!(of("A", value).is_ok(), "{value:?}");
        }
    }

    #[test]
    fn a_set_has_bounds() {
        let full = (0..32).try_fold(Headers::new(), |set, n| set.with(format!("A{n}"), "x")).unwrap();
        assert_eq!(full.clone().with("B", "x"), Err(HeaderError::TooMany));
        assert!(full.with("a7", "y").is_ok(), "one of them has another value");
        assert!(Headers::new().with("A", "x".repeat(8191)).is_ok());
        assert_eq!(Headers::new().with("A", "x".repeat(8192)), Err(HeaderError::TooMany));
    }

    #[test]
    fn a_relays_own_go_before_the_pools() {
        let pool = Headers::new().with("A", "1").unwrap().with("B", "2").unwrap();
        let relay = Headers::new().with("b", "3").unwrap();
        assert_eq!(pool.overridden_by(&relay).collect::<Vec<_>>(), [("A", "1"), ("b", "3")]);
        assert_eq!(pool.overridden_by(&Headers::new()).count(), 2);
        assert_eq!(format!("{pool:?}"), r#"["A", "B"]"#);
    }
}
