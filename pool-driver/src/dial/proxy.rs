//! SOCKS5 (RFC 1928), with or without a user name and password (RFC 1929).
//!
//! Host names go to the proxy as they are: nothing that goes through it is looked up here.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::str::FromStr;

use futures::{AsyncRead, AsyncWrite};
use nostr_proto::RelayUrl;
use tokio_socks::Error as SocksError;
use tokio_socks::io::Compat;
use tokio_socks::tcp::Socks5Stream;

use crate::frame::SocketError;

/// The longest host name, user name and password that SOCKS5 can carry, in bytes.
const MAX_FIELD: usize = 255;

/// A SOCKS5 proxy for all relays, or for those whose host ends in `.onion` alone.
///
/// ```
/// use nostr_pool_driver::Proxy;
///
/// let tor: Proxy = "socks5://127.0.0.1:9050".parse()?;
/// let tor = tor.onion_only().isolated();
/// # Ok::<(), nostr_pool_driver::ProxyUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    login: Option<(String, String)>,
    onion_only: bool,
    isolated: bool,
    hinted_names: bool,
}

impl Proxy {
    /// The proxy at this host, a name or an IP address, and port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        Self { host, port, login: None, onion_only: false, isolated: false, hinted_names: false }
    }

    /// Logs in with this user name and password.
    ///
    /// # Errors
    /// [`ProxyUrlError::Login`]: each must have 1 to 255 bytes.
    pub fn with_login(mut self, user: impl Into<String>, password: impl Into<String>) -> Result<Self, ProxyUrlError> {
        let (user, password) = (user.into(), password.into());
        if !(1..=MAX_FIELD).contains(&user.len()) || !(1..=MAX_FIELD).contains(&password.len()) {
            return Err(ProxyUrlError::Login);
        }
        self.login = Some((user, password));
        Ok(self)
    }

    /// For hosts that end in `.onion` alone; all others are dialled directly.
    #[must_use]
    pub fn onion_only(mut self) -> Self {
        self.onion_only = true;
        self
    }

    /// Logs in under another name for each relay, unless there is a login: Tor keeps those apart, so that nobody at the
    /// end of a circuit sees which relays one client uses (`IsolateSOCKSAuth`, which is Tor's default). A proxy that asks for
    /// no login keeps nothing apart.
    #[must_use]
    pub fn isolated(mut self) -> Self {
        self.isolated = true;
        self
    }

    /// Hands it the names of hosts, too, that only events named. Default: no, for the proxy looks them up, and we can't see
    /// what they stand for: a proxy that stands inside of the user's network could be sent to an address there. Say yes for
    /// one that refuses private addresses by itself, as Tor's exits do.
    #[must_use]
    pub fn with_hinted_names(mut self) -> Self {
        self.hinted_names = true;
        self
    }

    /// Whether a relay goes through it.
    pub(super) fn serves(&self, onion: bool) -> bool {
        onion || !self.onion_only
    }

    pub(super) fn takes_hinted_names(&self) -> bool {
        self.hinted_names
    }

    /// Has the proxy connect to a relay. `pool` is what this pool's names for [`isolated`](Self::isolated) begin with.
    pub(super) async fn connect<T>(&self, tcp: T, url: &RelayUrl, pool: &str) -> Result<T, ProxyFailure>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let (socket, target) = (Compat::new(tcp), (url.host(), url.port()));
        let name: String = url.authority().chars().take(MAX_FIELD).collect();
        let login = match &self.login {
            Some((user, password)) => Some((user.as_str(), password.as_str())),
            None => self.isolated.then_some((name.as_str(), pool)),
        };
        let connected = match login {
            Some((user, password)) => {
                Socks5Stream::connect_with_password_and_socket(socket, target, user, password).await
            }
            None => Socks5Stream::connect_with_socket(socket, target).await,
        };
        connected.map(|stream| stream.into_inner().into_inner()).map_err(failure)
    }
}

/// Shows neither user name nor password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("login", &self.login.is_some())
            .field("onion_only", &self.onion_only)
            .field("isolated", &self.isolated)
            .field("hinted_names", &self.hinted_names)
            .finish()
    }
}

/// `socks5://[user:password@]host:port`, user and password percent-encoded; `socks5h` means the same.
impl FromStr for Proxy {
    type Err = ProxyUrlError;

    fn from_str(text: &str) -> Result<Self, ProxyUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(ProxyUrlError::Scheme)?;
        if !["socks5", "socks5h"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(ProxyUrlError::Scheme);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let (host, port) = place.rsplit_once(':').ok_or(ProxyUrlError::Port)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(ProxyUrlError::Port)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match bracketed {
            Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
                (1..=MAX_FIELD).contains(&host.len()) && host.bytes().all(plain)
            }
        };
        if !is_host {
            return Err(ProxyUrlError::Host);
        }
        let proxy = Self::new(bracketed.unwrap_or(host), port);
        match login {
            None => Ok(proxy),
            Some(login) => {
                let (user, password) = login.split_once(':').ok_or(ProxyUrlError::Login)?;
                proxy.with_login(decoded(user)?, decoded(password)?)
            }
        }
    }
}

/// Without percent-encoding.
fn decoded(text: &str) -> Result<String, ProxyUrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(ProxyUrlError::Login) };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| ProxyUrlError::Login)?);
    }
    String::from_utf8(bytes).map_err(|_| ProxyUrlError::Login)
}

/// Why a text names no proxy. Says nothing of what was given: that may be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyUrlError {
    /// It does not begin with `socks5://`.
    Scheme,
    /// The host is neither a name nor an address.
    Host,
    /// There is no port from 1 to 65535.
    Port,
    /// User name and password are not both there, have more than 255 bytes, or are not percent-encoded right.
    Login,
}

impl fmt::Display for ProxyUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "a proxy's URL begins with socks5://",
            Self::Host => "a proxy's host is a name or an IP address",
            Self::Port => "a proxy's URL ends with a port from 1 to 65535",
            Self::Login => "a proxy's user name and password have 1 to 255 bytes each, and odd characters as %20",
        })
    }
}

impl std::error::Error for ProxyUrlError {}

/// Why there is no connection through the proxy.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyFailure {
    /// There is none to the proxy itself.
    Unreachable(Box<SocketError>),
    /// It wants a login, or another one.
    Login,
    /// It did not connect to the relay.
    Refused(Refusal),
    /// It broke the protocol, or ended the connection before it had answered.
    Protocol,
    /// The relay's host name has more than 255 bytes.
    NameTooLong,
    /// The transport failed.
    Io(io::Error),
}

/// What a proxy says why it did not connect to the relay (RFC 1928, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It failed.
    Failed,
    /// Its rules forbid it.
    NotAllowed,
    /// It can't reach the network.
    NetworkUnreachable,
    /// It can't reach the host, or does not find it.
    HostUnreachable,
    /// The relay refused the connection.
    ConnectionRefused,
    /// It took too long.
    TimedOut,
    /// It knows no connections, or none to such an address.
    NotSupported,
    /// Something that the protocol does not know.
    Other,
}

impl fmt::Display for ProxyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(e) => write!(f, "cannot reach the proxy: {e}"),
            Self::Login => f.write_str("the proxy wants a login, or another one"),
            Self::Refused(refusal) => write!(f, "the proxy did not connect to the relay: {refusal}"),
            Self::Protocol => f.write_str("the proxy does not speak SOCKS5"),
            Self::NameTooLong => f.write_str("the relay's host name is too long for the proxy"),
            Self::Io(e) => write!(f, "connection to the proxy lost: {e}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "it failed",
            Self::NotAllowed => "not allowed",
            Self::NetworkUnreachable => "network unreachable",
            Self::HostUnreachable => "host unreachable",
            Self::ConnectionRefused => "connection refused",
            Self::TimedOut => "it took too long",
            Self::NotSupported => "not supported",
            Self::Other => "no reason that is known",
        })
    }
}

impl std::error::Error for ProxyFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable(e) => Some(&**e),
            Self::Io(e) => Some(e),
            _ => None,
        }
    }
}

fn failure(error: SocksError) -> ProxyFailure {
    match error {
        SocksError::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => ProxyFailure::Protocol,
        SocksError::Io(e) => ProxyFailure::Io(e),
        SocksError::InvalidTargetAddress(_) => ProxyFailure::NameTooLong,
        SocksError::NoAcceptableAuthMethods
        | SocksError::PasswordAuthFailure(_)
        | SocksError::AuthorizationRequired
        | SocksError::InvalidAuthValues(_) => ProxyFailure::Login,
        SocksError::GeneralSocksServerFailure => ProxyFailure::Refused(Refusal::Failed),
        SocksError::ConnectionNotAllowedByRuleset => ProxyFailure::Refused(Refusal::NotAllowed),
        SocksError::NetworkUnreachable => ProxyFailure::Refused(Refusal::NetworkUnreachable),
        SocksError::HostUnreachable => ProxyFailure::Refused(Refusal::HostUnreachable),
        SocksError::ConnectionRefused => ProxyFailure::Refused(Refusal::ConnectionRefused),
        SocksError::TtlExpired => ProxyFailure::Refused(Refusal::TimedOut),
        SocksError::CommandNotSupported | SocksError::AddressTypeNotSupported => {
            ProxyFailure::Refused(Refusal::NotSupported)
        }
        // What a code says that RFC 1928 does not know, Tor's own among them.
        SocksError::UnknownAuthMethod | SocksError::UnknownError => ProxyFailure::Refused(Refusal::Other),
        _ => ProxyFailure::Protocol,
    }
}

/// Whether a host is a Tor onion service: it has no address, and must not be looked up (RFC 7686).
pub(super) fn is_onion(host: &str) -> bool {
    host.parse::<IpAddr>().is_err() && host.rsplit('.').next() == Some("onion")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_url_is_read() {
        let plain: Proxy = "socks5://localhost:9050".parse().unwrap();
        assert_eq!(plain, Proxy::new("localhost", 9050));
        assert_eq!("SOCKS5h://[::1]:1/".parse(), Ok(Proxy::new("::1", 1)));
        let login: Proxy = "socks5://me:p%40ss:w%2Fd@10.0.0.1:1080".parse().unwrap();
        assert_eq!(login, Proxy::new("10.0.0.1", 1080).with_login("me", "p@ss:w/d").unwrap());
        let shown = format!("{login:?}");
        assert!(!shown.contains("me\"") && !shown.contains("p@ss"), "{shown}");
    }

    #[test]
    fn what_is_no_proxys_url_is_told() {
        for (text, expected) in [
            ("", ProxyUrlError::Scheme),
            ("localhost:1", ProxyUrlError::Scheme),
            ("http://localhost:1", ProxyUrlError::Scheme),
            ("socks4://localhost:1", ProxyUrlError::Scheme),
            ("socks5://localhost", ProxyUrlError::Port),
            ("socks5://localhost:0", ProxyUrlError::Port),
            ("socks5://localhost:65536", ProxyUrlError::Port),
            ("socks5://localhost:1/path", ProxyUrlError::Port),
            ("socks5://:1", ProxyUrlError::Host),
            ("socks5://a b:1", ProxyUrlError::Host),
            ("socks5://::1:1", ProxyUrlError::Host),
            ("socks5://[::g]:1", ProxyUrlError::Host),
            ("socks5://me@localhost:1", ProxyUrlError::Login),
            ("socks5://:@localhost:1", ProxyUrlError::Login),
            ("socks5://me:@localhost:1", ProxyUrlError::Login),
            ("socks5://me:%4@localhost:1", ProxyUrlError::Login),
            ("socks5://me:%ff@localhost:1", ProxyUrlError::Login),
        ] {
            assert_eq!(text.parse::<Proxy>(), Err(expected), "{text}");
        }
        assert_eq!(Proxy::new("a", 1).with_login("a".repeat(256), "b"), Err(ProxyUrlError::Login));
    }

    #[test]
    fn an_onion_service_is_known_by_its_last_label() {
        for (host, expected) in
            [("abc.onion", true), ("a.abc.onion", true), ("onion", true), ("onion.example", false), ("abconion", false)]
        {
            assert_eq!(is_onion(host), expected, "{host}");
        }
    }
}
