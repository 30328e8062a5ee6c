//! Several addresses of one host: the first that connects (RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;

use crate::frame::SocketError;
use crate::runtime::Runtime;

/// The next address is tried when the one before has neither connected nor failed after this (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of one host that are tried at most.
const MAX_ADDRESSES: usize = 8;

/// Addresses on their way to one connection.
pub(super) struct Race {
    addresses: Vec<SocketAddr>,
    started: AtomicUsize,
}

impl Race {
    pub(super) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self { addresses: in_turns(addresses), started: AtomicUsize::new(0) }
    }

    /// The address that was tried last.
    pub(super) fn last(&self) -> Option<SocketAddr> {
        self.addresses.get(self.started.load(Ordering::Relaxed).checked_sub(1)?).copied()
    }

    /// The first address that connects. The next one starts when one fails, or when one takes long.
    pub(super) async fn run<R: Runtime>(&self, runtime: &R) -> Result<(SocketAddr, R::Tcp), SocketError> {
        let mut waiting = self.addresses.iter().copied();
        let mut running = FuturesUnordered::new();
        let mut failed = SocketError::Resolve(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
        loop {
            if let Some(address) = waiting.next() {
                self.started.fetch_add(1, Ordering::Relaxed);
                let attempt = runtime.connect(address);
                running.push(async move {
                    let tcp = attempt.await.map_err(|error| SocketError::Connect { address, error })?;
                    Ok((address, tcp))
                });
            }
            let stagger = async {
                match waiting.len() {
                    0 => std::future::pending().await,
                    _ => runtime.sleep(STAGGER).await,
                }
            };
            match select(running.next(), pin!(stagger)).await {
                Either::Left((Some(Ok(first)), _)) => return Ok(first),
                Either::Left((Some(Err(e)), _)) => failed = e,
                Either::Left((None, _)) => return Err(failed),
                Either::Right(_) => {}
            }
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
}
