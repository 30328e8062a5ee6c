//! The task that tells the core when its deadlines are due.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use futures::FutureExt;
use futures::future::BoxFuture;
use nostr_pool_core::Instant;

use crate::shared::{Shared, TimerStep};

/// Runs until the pool has ended. Sleeps until the earliest deadline, and is woken when an earlier one turns up; one
/// that moves away is noticed when the sleep is over.
///
/// Dropped before, polled or not, its runtime is gone, and so is the pool: whoever waits for it is told.
pub(crate) fn run(shared: Arc<Shared>) -> impl Future<Output = ()> + Send + 'static {
    let end = EndWithTimer(shared);
    async move {
        tick(&end.0).await;
        drop(end);
    }
}

async fn tick(shared: &Arc<Shared>) {
    let mut sleeping: Option<(Instant, BoxFuture<'static, ()>)> = None;
    poll_fn(|cx| {
        loop {
            let (step, now) = shared.enter(|state, now| (state.timer_step(now, cx.waker()), now.mono));
            let until = match step {
                TimerStep::Stop => return Poll::Ready(()),
                TimerStep::Wait(None) => return Poll::Pending,
                TimerStep::Wait(Some(until)) => until,
            };
            if sleeping.as_ref().is_none_or(|(at, _)| *at != until) {
                sleeping = Some((until, shared.engine.sleep(until.saturating_since(now))));
            }
            if sleeping.as_mut().is_some_and(|(_, sleep)| sleep.poll_unpin(cx).is_pending()) {
                return Poll::Pending;
            }
            sleeping = None;
        }
    })
    .await;
}

struct EndWithTimer(Arc<Shared>);

impl Drop for EndWithTimer {
    fn drop(&mut self) {
        self.0.end();
    }
}
