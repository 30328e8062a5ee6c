//! Where addresses come from.

use std::io;
use std::net::SocketAddr;

use futures::future::BoxFuture;

/// Gives the addresses of a host, in place of the runtime's resolver: for DNS of one's own make, or for tests.
///
/// Asked once for each dial, and only for names: never for IP addresses, never for `.onion` (RFC 7686), never for what goes
/// through a proxy. Of an answer, 64 addresses are looked at and 8 dialled at most. What only events named is dialled only
/// at those addresses of the answer that are public.
///
/// A function will do:
///
/// ```no_run
/// use futures::FutureExt;
/// use nostr_pool_driver::Pool;
///
/// let pinned = |_host: String, port: u16| async move { Ok(vec![([203, 0, 113, 7], port).into()]) }.boxed();
/// let builder = Pool::builder().resolver(pinned);
/// ```
pub trait Resolver: Send + Sync + 'static {
    /// Every address of a host, the one to try first in front. `port` is the one that is to be in them. No deadline of its
    /// own: that step of the dial has one.
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

impl<F> Resolver for F
where
    F: Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync + 'static,
{
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        self(host, port)
    }
}
