//! Lookups by the runtime's resolver, and how many there may be.
//!
//! The system's resolver can't be told to stop: a lookup that its dial has given up goes on, on a thread of its own, until
//! the system gives up as well. So each is counted until it is over, and not only for as long as somebody waits for it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;

/// Lookups of one pool at once. With ten connections, each given up after 5 s and made again after 1 s at the soonest, no
/// system that gives up within half a minute gets there.
const MAX_LOOKUPS: usize = 64;

type Answer = io::Result<Vec<SocketAddr>>;

/// The lookups of a pool that are not over.
#[derive(Default)]
pub(crate) struct Lookups(Arc<()>);

impl Lookups {
    /// Waits for a lookup, which `spawn` runs to its end also when this future is dropped before. Fails at once if there are
    /// too many already.
    pub(super) async fn run(
        &self,
        lookup: BoxFuture<'static, Answer>,
        spawn: impl FnOnce(BoxFuture<'static, ()>),
    ) -> Answer {
        // The one that is kept here is no lookup.
        if Arc::strong_count(&self.0) > MAX_LOOKUPS {
            return Err(io::Error::other(format!("{MAX_LOOKUPS} earlier lookups have not come to an end")));
        }
        let (tell, told) = oneshot::channel();
        let place = self.0.clone();
        let running = async move {
            let answer = lookup.await;
            drop(place);
            // Whoever asked may have given up.
            let _ = tell.send(answer);
        };
        spawn(running.boxed());
        told.await.unwrap_or_else(|_| Err(io::Error::other("the runtime dropped the lookup")))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::executor::block_on;
    use futures::future::{pending, ready};

    use super::*;

    #[test]
    fn lookups_that_are_given_up_count_until_they_are_over() {
        let lookups = Lookups::default();
        let spawned = Mutex::new(Vec::new());
        let spawn = |future| spawned.lock().unwrap().push(future);
        for _ in 0..MAX_LOOKUPS {
            assert!(lookups.run(pending().boxed(), spawn).now_or_never().is_none(), "it hangs, and is given up");
        }
        let none = || ready(Ok(Vec::new())).boxed();
        let refused = lookups.run(none(), spawn).now_or_never().expect("it is refused at once").unwrap_err();
        assert_eq!(refused.to_string(), "64 earlier lookups have not come to an end");
        assert_eq!(spawned.lock().unwrap().len(), MAX_LOOKUPS, "and not begun");
        drop(spawned.lock().unwrap().pop());
        let at_once = |future: BoxFuture<'static, ()>| future.now_or_never().expect("it is ready");
        assert_eq!(block_on(lookups.run(none(), at_once)).expect("there is room again"), []);
        assert!(block_on(lookups.run(none(), drop)).is_err(), "a runtime that has ended drops it");
        assert_eq!(block_on(lookups.run(none(), at_once)).expect("which leaves room"), []);
    }
}
