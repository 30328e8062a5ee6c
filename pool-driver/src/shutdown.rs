//! Ending a pool with grace.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::select;

use crate::connect::Watch;
use crate::pool::UnfinishedPublish;
use crate::shared::{Shared, State};

/// Sockets get a second for their closing handshakes; their tasks a little more to say so.
const CLOSE_TIME: Duration = Duration::from_millis(1_500);

/// What the core was fed is written by then, unless the disk hangs.
const WRITE_TIME: Duration = Duration::from_secs(5);

/// Flushes, ends, and waits for the sockets, and for the recording if there is one.
pub(crate) async fn run(shared: Arc<Shared>, deadline: Duration) -> Vec<UnfinishedPublish> {
    let watch = Watch::new(&shared);
    wait_until(&watch, deadline, |state| state.has_ended() || !state.has_unfinished_publishes()).await;
    let unfinished = shared.enter(|state, now| {
        if state.has_ended() {
            return Vec::new();
        }
        let unfinished = state.core.unfinished();
        state.end(now);
        unfinished
    });
    wait_until(&watch, CLOSE_TIME, State::has_wound_down).await;
    if let Some(recording) = shared.recording.get() {
        shared.enter(|state, _| state.core.end_recording());
        select(recording.written(), shared.engine.sleep(WRITE_TIME)).await;
    }
    unfinished.into_iter().map(|(report, event)| UnfinishedPublish { report, event }).collect()
}

/// Waits for something that shows in the state, or for the time to be over.
async fn wait_until(watch: &Watch, time: Duration, done: impl Fn(&State) -> bool) {
    let shared = &watch.shared;
    let mut limit = shared.engine.sleep(time);
    poll_fn(|cx| {
        loop {
            if shared.look(|state| done(state)) || limit.poll_unpin(cx).is_ready() {
                return std::task::Poll::Ready(());
            }
            std::task::ready!(watch.poll(cx));
        }
    })
    .await;
}
