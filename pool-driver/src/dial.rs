//! Dialling, the same for every runtime: resolve, connect, TLS, upgrade, all under one deadline.

mod upgrade;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{BoxFuture, Either, select};
use futures::stream::FuturesUnordered;
use futures_rustls::TlsConnector;
use nostr_proto::RelayUrl;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::frame::SocketError;
use crate::runtime::{FrameLimits, Runtime};
use crate::transport::Transport;

pub use upgrade::UpgradeFault;

/// The next address is tried when the one before has neither connected nor failed after this (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of one host that are tried at most.
const MAX_ADDRESSES: usize = 8;

/// What every dial of a pool has in common.
pub(crate) struct DialSettings {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) deadline: Duration,
    pub(crate) user_agent: String,
    pub(crate) limits: FrameLimits,
}

/// Opens a WebSocket to a relay.
pub(crate) async fn dial<R: Runtime>(
    runtime: &R,
    url: &RelayUrl,
    settings: &DialSettings,
) -> Result<R::Socket, SocketError> {
    let mut limit = Limit { sleep: runtime.sleep(settings.deadline), after: settings.deadline };
    let host = bare(url.host());

    let addresses = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, url.port())],
        Err(_) => {
            limit.step("resolve", runtime.resolve(host.to_owned(), url.port())).await?.map_err(SocketError::Resolve)?
        }
    };
    let tcp = limit.step("connect", connect_any(runtime, in_turns(addresses))).await??;
    let io = if url.is_secure() {
        let name = ServerName::try_from(host.to_owned()).map_err(|e| SocketError::Tls(io::Error::other(e)))?;
        let handshake = TlsConnector::from(settings.tls.clone()).connect(name, tcp);
        Transport::tls(limit.step("tls", handshake).await?.map_err(SocketError::Tls)?)
    } else {
        Transport::plain(tcp)
    };
    let headers = [("User-Agent", settings.user_agent.as_str())];
    let io = limit.step("upgrade", upgrade::upgrade(io, url, headers)).await??;
    Ok(runtime.websocket(io, settings.limits).await)
}

/// The deadline of a dial, running through its steps.
struct Limit {
    sleep: BoxFuture<'static, ()>,
    after: Duration,
}

impl Limit {
    async fn step<T>(&mut self, step: &'static str, work: impl Future<Output = T>) -> Result<T, SocketError> {
        match select(pin!(work), &mut self.sleep).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right(_) => Err(SocketError::TimedOut { step, after: self.after }),
        }
    }
}

/// The first address that connects. The next one starts when one fails, or when one takes long.
async fn connect_any<R: Runtime>(runtime: &R, addresses: Vec<SocketAddr>) -> Result<R::Tcp, SocketError> {
    let mut waiting = addresses.into_iter();
    let mut running = FuturesUnordered::new();
    let mut failed = SocketError::Resolve(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    loop {
        if let Some(address) = waiting.next() {
            let attempt = runtime.connect(address);
            running.push(async move { attempt.await.map_err(|error| SocketError::Connect { address, error }) });
        }
        let stagger = async {
            match waiting.len() {
                0 => std::future::pending().await,
                _ => runtime.sleep(STAGGER).await,
            }
        };
        match select(running.next(), pin!(stagger)).await {
            Either::Left((Some(Ok(tcp)), _)) => return Ok(tcp),
            Either::Left((Some(Err(e)), _)) => failed = e,
            Either::Left((None, _)) => return Err(failed),
            Either::Right(_) => {}
        }
    }
}

/// Address families take turns, the resolver's first choice first, so that one broken family costs one stagger.
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == first_is_v6);
    let mut other = other.into_iter();
    let mut turns = Vec::new();
    for address in preferred {
        turns.push(address);
        turns.extend(other.next());
    }
    turns.extend(other);
    turns.truncate(MAX_ADDRESSES);
    turns
}

/// A host without the brackets that an IPv6 address has in a URL.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|a| a.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_the_list_is_cut() {
        let mixed = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]);
        assert_eq!(in_turns(mixed), addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]));
        let four_first = addresses(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]);
        assert_eq!(in_turns(four_first), addresses(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]));
        let many = (0..20).map(|i| SocketAddr::from(([10, 0, 0, i], 1))).collect();
        assert_eq!(in_turns(many).len(), MAX_ADDRESSES);
        assert!(in_turns(Vec::new()).is_empty());
    }

    #[test]
    fn brackets_are_no_part_of_an_address() {
        assert_eq!(bare("[::1]"), "::1");
        assert_eq!(bare("relay.example.com"), "relay.example.com");
    }
}
