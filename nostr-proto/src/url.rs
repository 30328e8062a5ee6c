//! Relay URLs in one canonical form, so that one relay has one name.

use crate::limits::MAX_URL_BYTES;
use ::url::{Host, ParseError, Url};
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// A relay's URL in canonical form: `ws` or `wss`, read by the WHATWG rules, host in lower case
/// (internationalised names in punycode) and without a final dot, default port, empty query and
/// bare `/` path left out. Two spellings of the same URL compare equal. Cheap to clone.
///
/// Paths stay distinct beyond that: `wss://a/b` and `wss://a/b/` are different relays.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayUrl(Arc<str>);

impl RelayUrl {
    /// Parses a URL and brings it into canonical form.
    ///
    /// # Errors
    ///
    /// [`RelayUrlError`]; no spelling above [`MAX_URL_BYTES`] is accepted, user names, passwords
    /// and fragments are refused.
    pub fn parse(text: &str) -> Result<RelayUrl, RelayUrlError> {
        if text.len() > MAX_URL_BYTES {
            return Err(RelayUrlError::TooLong);
        }
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(ParseError::RelativeUrlWithoutBase) => return Err(RelayUrlError::NoScheme),
            Err(ParseError::InvalidPort) => return Err(RelayUrlError::BadPort),
            Err(ParseError::Overflow) => return Err(RelayUrlError::TooLong),
            Err(_) => return Err(RelayUrlError::BadHost),
        };
        let scheme = url.scheme();
        if !matches!(scheme, "ws" | "wss") {
            // "relay.example.com:80" reads as a scheme followed by a path.
            return Err(match text.contains("://") {
                true => RelayUrlError::WrongScheme,
                false => RelayUrlError::NoScheme,
            });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RelayUrlError::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(RelayUrlError::Fragment);
        }
        if url.port() == Some(0) {
            return Err(RelayUrlError::BadPort);
        }
        let canonical = canonical(&url)?;
        if canonical.len() > MAX_URL_BYTES {
            return Err(RelayUrlError::TooLong);
        }
        Ok(RelayUrl(canonical.into()))
    }

    /// The canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the scheme is `wss`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.starts_with("wss:")
    }

    /// The host, a name or an IP address; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.authority();
        match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None => authority.split(':').next().unwrap_or(authority),
        }
    }

    /// The host as an IP address, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host().parse().ok()
    }

    /// The port: the one in the URL, else 443 for `wss` and 80 for `ws`.
    #[must_use]
    pub fn port(&self) -> u16 {
        let authority = self.authority();
        let behind_host = authority.rsplit(']').next().unwrap_or(authority);
        match behind_host.rsplit_once(':').map(|(_, port)| port.parse()) {
            Some(Ok(port)) => port,
            _ if self.is_secure() => 443,
            _ => 80,
        }
    }

    /// Host and port as in an HTTP `Host` header: an IPv6 address in brackets, a port only where
    /// it is not the default.
    #[must_use]
    pub fn authority(&self) -> &str {
        let rest = self.behind_scheme();
        rest.split('/').next().unwrap_or(rest)
    }

    /// The path and query to request, beginning with `/`.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        let rest = self.behind_scheme();
        match rest.find('/') {
            Some(at) => &rest[at..],
            None => "/",
        }
    }

    fn behind_scheme(&self) -> &str {
        let scheme = if self.is_secure() { "wss://" } else { "ws://" };
        &self.0[scheme.len()..]
    }
}

fn canonical(url: &Url) -> Result<String, RelayUrlError> {
    let mut out = String::with_capacity(url.as_str().len());
    out.push_str(url.scheme());
    out.push_str("://");
    let host = url.host_str().ok_or(RelayUrlError::BadHost)?;
    match url.host() {
        Some(Host::Domain(_)) => {
            let name = host.strip_suffix('.').unwrap_or(host);
            if name.split('.').any(str::is_empty) {
                return Err(RelayUrlError::BadHost);
            }
            out.push_str(name);
        }
        _ => out.push_str(host),
    }
    if let Some(port) = url.port() {
        out.push(':');
        crate::json::write_integer(&mut out, port.into());
    }
    let query = url.query().filter(|query| !query.is_empty());
    if url.path() != "/" || query.is_some() {
        out.push_str(url.path());
    }
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
    Ok(out)
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl AsRef<str> for RelayUrl {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for RelayUrl {
    type Err = RelayUrlError;

    fn from_str(text: &str) -> Result<RelayUrl, RelayUrlError> {
        RelayUrl::parse(text)
    }
}

impl TryFrom<&str> for RelayUrl {
    type Error = RelayUrlError;

    fn try_from(text: &str) -> Result<RelayUrl, RelayUrlError> {
        RelayUrl::parse(text)
    }
}

impl Serialize for RelayUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RelayUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RelayUrl, D::Error> {
        let text = String::deserialize(deserializer)?;
        RelayUrl::parse(&text).map_err(D::Error::custom)
    }
}

/// Why a text is no relay URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayUrlError {
    /// Longer than [`MAX_URL_BYTES`].
    TooLong,
    /// No scheme: `relay.example.com` instead of `wss://relay.example.com`.
    NoScheme,
    /// A scheme other than `ws` and `wss`.
    WrongScheme,
    /// No host, or one that is neither a name nor an address.
    BadHost,
    /// The port is not a number from 1 to 65535.
    BadPort,
    /// A user name or password.
    UserInfo,
    /// A `#fragment`.
    Fragment,
}

impl fmt::Display for RelayUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RelayUrlError::TooLong => "a relay URL may have at most 1024 bytes",
            RelayUrlError::NoScheme => "a relay URL begins with wss:// or ws://",
            RelayUrlError::WrongScheme => "the scheme of a relay URL must be wss or ws",
            RelayUrlError::BadHost => "the host is neither a name nor an IP address",
            RelayUrlError::BadPort => "the port must be a number from 1 to 65535",
            RelayUrlError::UserInfo => "a relay URL may not contain a user name or password",
            RelayUrlError::Fragment => "a relay URL may not contain a #fragment",
        })
    }
}

impl core::error::Error for RelayUrlError {}
