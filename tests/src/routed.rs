//! A runtime whose network is this test's: addresses of the internet lead to loopback ports.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use nostr_pool_driver::Runtime;

use crate::around::as_inner;

/// Where an address leads.
#[derive(Clone, Copy, Debug)]
pub enum Leads {
    /// To a loopback port.
    To(SocketAddr),
    /// Nowhere, and nobody says so.
    Nowhere,
}

/// The runtime. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Routed<R> {
    inner: R,
    routes: Arc<BTreeMap<IpAddr, Leads>>,
    dialled: Arc<Mutex<Vec<IpAddr>>>,
    looked_up: Arc<AtomicUsize>,
}

impl<R> Routed<R> {
    /// A runtime where these addresses lead somewhere, and all others refuse.
    ///
    /// # Panics
    /// When one of them is none.
    pub fn new<const N: usize>(inner: R, routes: [(&str, Leads); N]) -> Self {
        let routes = routes.into_iter().map(|(ip, leads)| (ip.parse().expect("an address"), leads));
        Self { inner, routes: Arc::new(routes.collect()), dialled: Arc::default(), looked_up: Arc::default() }
    }

    /// Every address that was dialled.
    pub fn dialled(&self) -> Vec<String> {
        self.dialled.lock().unwrap_or_else(PoisonError::into_inner).iter().map(ToString::to_string).collect()
    }

    /// How many names the runtime was asked for.
    pub fn looked_up(&self) -> usize {
        self.looked_up.load(Ordering::SeqCst)
    }
}

impl<R: Runtime> Runtime for Routed<R> {
    as_inner!(now, sleep, yield_now, spawn, websocket);

    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        self.looked_up.fetch_add(1, Ordering::SeqCst);
        self.inner.resolve(host, port)
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<R::Tcp>> {
        self.dialled.lock().unwrap_or_else(PoisonError::into_inner).push(address.ip());
        match self.routes.get(&address.ip()) {
            Some(Leads::To(there)) => self.inner.connect(*there),
            Some(Leads::Nowhere) => pending().boxed(),
            None => std::future::ready(Err(io::ErrorKind::ConnectionRefused.into())).boxed(),
        }
    }
}
