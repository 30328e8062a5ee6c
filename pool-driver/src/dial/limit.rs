//! The deadlines of a dial.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};

use crate::frame::SocketError;
use crate::runtime::Runtime;

/// How long each step of a dial may take; all of them together have
/// [`Config::dial_deadline`](crate::Config::dial_deadline). Looking up whether an address may be dialled takes no time to
/// speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepDeadlines {
    /// Finding the host's addresses. Default 5 s.
    pub resolve: Duration,
    /// Connecting, to whichever address is the first. Default 10 s.
    pub connect: Duration,
    /// Having the proxy connect. Default 12 s: through Tor, that takes a while.
    pub proxy: Duration,
    /// The TLS handshake. Default 10 s.
    pub tls: Duration,
    /// The WebSocket's opening handshake. Default 10 s.
    pub upgrade: Duration,
    /// All of fetching a relay's information document: the steps above but the upgrade, and the answer to its end. Default
    /// 10 s.
    pub info: Duration,
}

impl Default for StepDeadlines {
    fn default() -> Self {
        Self {
            resolve: Duration::from_secs(5),
            connect: Duration::from_secs(10),
            proxy: Duration::from_secs(12),
            tls: Duration::from_secs(10),
            upgrade: Duration::from_secs(10),
            info: Duration::from_secs(10),
        }
    }
}

/// A step of a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Finding the host's addresses.
    Resolve,
    /// Connecting, to the relay or to its proxy.
    Connect,
    /// Having the proxy connect.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The WebSocket's opening handshake.
    Upgrade,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the host",
            Self::Connect => "connecting",
            Self::Proxy => "the proxy's connecting",
            Self::Tls => "the TLS handshake",
            Self::Upgrade => "the WebSocket upgrade",
        })
    }
}

/// The deadline of a dial, running through its steps.
pub(crate) struct Limit<'a, R> {
    runtime: &'a R,
    steps: StepDeadlines,
    whole: BoxFuture<'static, ()>,
    after: Duration,
}

impl<'a, R: Runtime> Limit<'a, R> {
    pub(crate) fn new(runtime: &'a R, steps: StepDeadlines, after: Duration) -> Self {
        Self { runtime, steps, whole: runtime.sleep(after), after }
    }

    /// Does a step in its time. `address`: with whom, asked for when it was not done.
    pub(super) async fn step<T>(
        &mut self,
        step: Step,
        address: impl Fn() -> Option<SocketAddr>,
        work: impl Future<Output = T>,
    ) -> Result<T, SocketError> {
        let after = match step {
            Step::Resolve => self.steps.resolve,
            Step::Connect => self.steps.connect,
            Step::Proxy => self.steps.proxy,
            Step::Tls => self.steps.tls,
            Step::Upgrade => self.steps.upgrade,
        };
        let own = self.runtime.sleep(after);
        match select(pin!(work), select(own, &mut self.whole)).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right((Either::Left(_), _)) => {
                Err(SocketError::TimedOut { step, address: address(), after, whole: false })
            }
            Either::Right((Either::Right(_), _)) => {
                Err(SocketError::TimedOut { step, address: address(), after: self.after, whole: true })
            }
        }
    }
    /// Does something that is no step of a dial in what is left of the whole time. `None`: it was not done.
    pub(crate) async fn rest<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        match select(pin!(work), &mut self.whole).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}
