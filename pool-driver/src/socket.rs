//! The task of one socket, from its dial to its end.
//!
//! It drains what is ready, takes the core's lock once, feeds everything, drains the core, unlocks and acts. Nothing
//! in it waits, does I/O or computes signatures under the lock.

mod conversation;

use std::future::Future;
use std::sync::Arc;

use futures::future::{Either, select};
use nostr_pool_core::{CloseReason, Input, SocketId};

use crate::dial::{Dial, dial};
use crate::engine::OpenOrder;
use crate::info;
use crate::outbox::Outbox;
use crate::runtime::Runtime;
use crate::shared::Shared;

use conversation::Conversation;

/// Dials, talks until either side ends it, and reports that end; also when it is dropped before it is polled.
pub(crate) fn run<R: Runtime>(runtime: R, order: OpenOrder) -> impl Future<Output = ()> + Send + 'static {
    let OpenOrder { shared, socket, dial, outbox } = order;
    let report = Report { shared, socket, phase: Phase::Dialing };
    async move { live(&runtime, &dial, &outbox, report).await }
}

async fn live<R: Runtime>(runtime: &R, order: &Dial, outbox: &Outbox, mut report: Report) {
    let (shared, socket) = (report.shared.clone(), report.socket);
    let ended = {
        let dialling = Box::pin(dial(runtime, order, &shared.dial));
        match select(dialling, Box::pin(outbox.given_up())).await {
            Either::Left((Ok(ws), _)) => {
                shared.dial.failures.note(&order.url, None);
                Ok(ws)
            }
            Either::Left((Err(failure), _)) => {
                let error = failure.to_string();
                shared.dial.failures.note(&order.url, Some(failure));
                Err(Input::OpenFailed { socket, error })
            }
            Either::Right(_) => Err(Input::Closed { socket, reason: CloseReason::Local }),
        }
    };
    match ended {
        Err(input) => report.end(input),
        Ok(ws) => {
            report.opened();
            info::on_open(&shared, order);
            let reason = Conversation::new(runtime, &shared, socket, &order.url, outbox, ws).run().await;
            report.end(Input::Closed { socket, reason });
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Dialing,
    Open,
    Ended,
}

/// Tells the core of a socket's beginning and end; of the end exactly once, also when the task is dropped or panics.
struct Report {
    shared: Arc<Shared>,
    socket: SocketId,
    phase: Phase,
}

impl Report {
    fn opened(&mut self) {
        self.phase = Phase::Open;
        self.shared.feed(Input::Opened { socket: self.socket });
    }

    fn end(&mut self, input: Input<'_>) {
        self.phase = Phase::Ended;
        self.shared.enter_dropping(|state, now| {
            state.forget_socket(self.socket);
            state.core.handle_input(input, now);
        });
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let socket = self.socket;
        let error = "the task of the socket was dropped".to_owned();
        match self.phase {
            Phase::Dialing => self.end(Input::OpenFailed { socket, error }),
            Phase::Open => self.end(Input::Closed { socket, reason: CloseReason::Error(error) }),
            Phase::Ended => {}
        }
    }
}
