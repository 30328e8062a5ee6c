//! Dialling, the same for every runtime: resolve, check, connect, proxy, TLS, upgrade, each step under its own deadline and
//! all of them under one. A relay's information document is fetched by the same steps but the last ([`reach`]).
//!
//! Which way a relay is dialled is decided before anything is sent:
//!
//! | relay | no proxy, or for `.onion` only | a proxy for all |
//! |---|---|---|
//! | an IP address | directly | proxy |
//! | a name | looked up, directly | proxy, by its name |
//! | `.onion` | only through a proxy | proxy, by its name |
//! | an IP address, hinted | checked, directly | checked, proxy |
//! | a name, hinted | looked up, checked, directly | only if [`Proxy::with_hinted_names`] says so |
//! | `.onion`, hinted | only through a proxy | proxy: it stands for no address |
//!
//! *Hinted*: only events named it ([`Origin::Hinted`]). Of the addresses that a hinted name has, those that are not public
//! are left out and counted, and the others dialled: whoever mixes them in gains nothing by it, and an honest relay that
//! has a private address beside its public ones is still reached. Where none is left, that is the error.
//!
//! Never looks a name up twice in a dial: what was checked is what is dialled. Never looks `.onion` up, never follows a
//! redirect, never shows what a peer said.

mod eyeballs;
mod headers;
mod limit;
mod lookups;
mod proxy;
mod resolver;
mod special;
mod tls;
mod upgrade;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::FutureExt;
use futures_rustls::TlsConnector;
use nostr_pool_core::Origin;
use nostr_proto::RelayUrl;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::frame::SocketError;
use crate::runtime::{FrameLimits, Runtime};
use crate::shared::UNPOISONED;
use crate::transport::{Transport, Turns};

pub use headers::{HeaderError, Headers};
pub use limit::{Step, StepDeadlines};
pub use proxy::{Proxy, ProxyFailure, ProxyUrlError, Refusal};
pub use resolver::Resolver;
pub use tls::{BadCertificate, Roots, RootsError};
pub use upgrade::UpgradeFault;

pub(crate) use limit::Limit;
pub(crate) use tls::config as tls_config;
pub(crate) use upgrade::read_head;

use eyeballs::Race;
use lookups::Lookups;

/// Addresses of an answer of the resolver that are looked at.
const MAX_ANSWER: usize = 64;
/// Relays whose last failure is remembered.
const MAX_FAILURES: usize = 256;

/// What every dial of a pool has in common.
pub(crate) struct DialSettings {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) deadline: Duration,
    pub(crate) steps: StepDeadlines,
    pub(crate) user_agent: String,
    pub(crate) headers: Headers,
    /// Each relay's own, as far as it has any.
    pub(crate) relay_headers: Mutex<BTreeMap<RelayUrl, Headers>>,
    pub(crate) limits: FrameLimits,
    /// `None`: the runtime's.
    pub(crate) resolver: Option<Box<dyn Resolver>>,
    pub(crate) lookups: Lookups,
    pub(crate) proxy: Option<Proxy>,
    /// Tells this pool from others at the proxy.
    pub(crate) token: String,
    /// Addresses that were not dialled because they are not public.
    pub(crate) left_out: AtomicU64,
    pub(crate) failures: Failures,
}

/// Why the last dial of a relay failed, of those that failed last.
#[derive(Default)]
pub(crate) struct Failures(Mutex<VecDeque<(RelayUrl, Arc<SocketError>)>>);

impl Failures {
    /// A dial was over: forgets what the one before came to.
    pub(crate) fn note(&self, url: &RelayUrl, failure: Option<SocketError>) {
        let mut all = self.0.lock().expect(UNPOISONED);
        all.retain(|(known, _)| known != url);
        if let Some(failure) = failure {
            all.push_back((url.clone(), Arc::new(failure)));
        }
        if all.len() > MAX_FAILURES {
            all.pop_front();
        }
    }

    pub(crate) fn of(&self, url: &RelayUrl) -> Option<Arc<SocketError>> {
        let all = self.0.lock().expect(UNPOISONED);
        all.iter().find(|(known, _)| known == url).map(|(_, failure)| failure.clone())
    }
}

impl DialSettings {
    pub(crate) fn relay_headers(&self) -> MutexGuard<'_, BTreeMap<RelayUrl, Headers>> {
        self.relay_headers.lock().expect(UNPOISONED)
    }

    /// What a relay is sent, `own` being what is said for it alone.
    pub(crate) fn headers_with<'a>(&'a self, own: &'a Headers) -> impl Iterator<Item = (&'a str, &'a str)> {
        [("User-Agent", self.user_agent.as_str())].into_iter().chain(self.headers.overridden_by(own))
    }
}

/// A relay to dial.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    pub(crate) url: RelayUrl,
    pub(crate) origin: Origin,
}

/// Opens a WebSocket to a relay.
pub(crate) async fn dial<R: Runtime>(
    runtime: &R,
    order: &Dial,
    settings: &DialSettings,
) -> Result<R::Socket, SocketError> {
    let mut limit = Limit::new(runtime, settings.steps, settings.deadline);
    let (address, io) = reach(&mut limit, runtime, order, settings).await?;
    let own = settings.relay_headers().get(&order.url).cloned().unwrap_or_default();
    let headers = settings.headers_with(&own);
    let upgraded =
        async { Ok(runtime.websocket(upgrade::upgrade(io, &order.url, headers).await?, settings.limits).await) };
    limit.step(Step::Upgrade, || Some(address), upgraded).await?
}

/// Opens a byte stream to a relay, under TLS where its URL says so: the steps that a dial for a WebSocket and one for a
/// document have in common.
pub(crate) async fn reach<R: Runtime>(
    limit: &mut Limit<'_, R>,
    runtime: &R,
    order: &Dial,
    settings: &DialSettings,
) -> Result<(SocketAddr, Transport<R::Tcp>), SocketError> {
    let url = &order.url;
    let (address, tcp) = match route(order, settings)? {
        Route::Direct => {
            let addresses = resolve(limit, settings, runtime, url.host(), url.port()).await?;
            connect(limit, runtime, allowed(addresses, order.origin, settings)?).await?
        }
        Route::Proxy(proxy) => {
            let near = |e| SocketError::Proxy(ProxyFailure::Unreachable(Box::new(e)));
            let addresses = resolve(limit, settings, runtime, &proxy.host, proxy.port).await.map_err(near)?;
            let (address, tcp) = connect(limit, runtime, addresses).await.map_err(near)?;
            let through = proxy.connect(tcp, url, &settings.token);
            (address, limit.step(Step::Proxy, || Some(address), through).await?.map_err(SocketError::Proxy)?)
        }
    };
    if !url.is_secure() {
        return Ok((address, Transport::plain(tcp)));
    }
    let bad_name = |_| SocketError::Tls(io::Error::other("no certificate can be for such a host"));
    let name = ServerName::try_from(url.host().to_owned()).map_err(bad_name)?;
    let handshake = TlsConnector::from(settings.tls.clone()).connect(name, Turns::new(tcp));
    let tls = limit.step(Step::Tls, || Some(address), handshake).await?;
    let failed = |e| tls::bad_certificate(&e).map_or(SocketError::Tls(e), SocketError::Certificate);
    Ok((address, Transport::tls(tls.map_err(failed)?)))
}

/// The way to a relay.
enum Route<'a> {
    Direct,
    Proxy(&'a Proxy),
}

/// See the module's table.
fn route<'a>(order: &Dial, settings: &'a DialSettings) -> Result<Route<'a>, SocketError> {
    let (ip, onion) = (order.url.ip(), proxy::is_onion(order.url.host()));
    let hinted = order.origin == Origin::Hinted;
    if hinted && !order.url.is_secure() {
        // The core lets none of them in; nor do we.
        return Err(SocketError::InsecureHint);
    }
    match settings.proxy.as_ref().filter(|proxy| proxy.serves(onion)) {
        None if onion => Err(SocketError::OnionWithoutProxy),
        None => Ok(Route::Direct),
        Some(proxy) => match ip {
            Some(ip) => allowed(vec![SocketAddr::new(ip, 0)], order.origin, settings).map(|_| Route::Proxy(proxy)),
            None if hinted && !onion && !proxy.takes_hinted_names() => Err(SocketError::HintThroughProxy),
            None => Ok(Route::Proxy(proxy)),
        },
    }
}

/// Those that may be dialled.
fn allowed(
    addresses: Vec<SocketAddr>,
    origin: Origin,
    settings: &DialSettings,
) -> Result<Vec<SocketAddr>, SocketError> {
    if origin == Origin::Typed {
        return Ok(addresses);
    }
    let (mut public, mut first, mut others) = (Vec::new(), None, 0_u64);
    for address in addresses {
        match (special::special(address.ip()), first) {
            (None, _) => public.push(address),
            (Some(range), None) => first = Some((address.ip(), range)),
            (Some(_), Some(_)) => others += 1,
        }
    }
    let Some((address, range)) = first else { return Ok(public) };
    settings.left_out.fetch_add(others + 1, Ordering::Relaxed);
    if public.is_empty() { Err(SocketError::NotPublic { address, range, others }) } else { Ok(public) }
}

/// Every address of a host; of an IP address, itself.
async fn resolve<R: Runtime>(
    limit: &mut Limit<'_, R>,
    settings: &DialSettings,
    runtime: &R,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, SocketError> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let looked_up = match &settings.resolver {
        Some(resolver) => resolver.resolve(host.to_owned(), port),
        None => {
            let lookup = runtime.resolve(host.to_owned(), port);
            settings.lookups.run(lookup, |running| runtime.spawn(running)).boxed()
        }
    };
    let mut addresses = limit.step(Step::Resolve, || None, looked_up).await?.map_err(SocketError::Resolve)?;
    addresses.truncate(MAX_ANSWER);
    Ok(addresses)
}

/// The first address that connects.
async fn connect<R: Runtime>(
    limit: &mut Limit<'_, R>,
    runtime: &R,
    addresses: Vec<SocketAddr>,
) -> Result<(SocketAddr, R::Tcp), SocketError> {
    let race = Race::new(addresses);
    limit.step(Step::Connect, || race.last(), race.run(runtime)).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_relays_that_failed_last_the_last_failure_is_remembered() {
        let failures = Failures::default();
        let url = |n: usize| RelayUrl::parse(&format!("ws://r{n}.example.com")).unwrap();
        for n in 0..=MAX_FAILURES {
            failures.note(&url(n), Some(SocketError::Upgrade { status: 403 }));
        }
        assert!(failures.of(&url(0)).is_none(), "there is a bound");
        failures.note(&url(1), Some(SocketError::OnionWithoutProxy));
        failures.note(&url(2), None);
        assert!(matches!(failures.of(&url(1)).as_deref(), Some(SocketError::OnionWithoutProxy)));
        assert!(failures.of(&url(2)).is_none(), "it went well");
        failures.note(&url(0), Some(SocketError::OnionWithoutProxy));
        assert!(failures.of(&url(3)).is_some(), "one had gone");
        failures.note(&url(2), Some(SocketError::OnionWithoutProxy));
        assert!(failures.of(&url(3)).is_none() && failures.of(&url(1)).is_some());
    }
}
