//! What the core wants of one socket, on its way to the socket's task.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;

use crate::frame::Outgoing;
use crate::mailbox::Mailbox;

/// One order to a socket's task.
#[derive(Debug)]
pub(crate) enum Order {
    /// Send a frame; a close frame is the last.
    Send(Outgoing),
    PauseRead,
    ResumeRead,
}

/// Orders to a socket's task. Bounded by the core: it hands out `send_credits` frames and `send_bytes` bytes before
/// it wants them back, and neither pauses nor closes twice.
pub(crate) type Outbox = Mailbox<VecDeque<Order>>;

impl Outbox {
    /// Done when the core gives up the dial. Until a socket is open, there is nothing else it could order.
    pub(crate) async fn given_up(&self) {
        poll_fn(|cx| {
            loop {
                match self.poll_pop(cx) {
                    Poll::Ready(Some(Order::Send(Outgoing::Close { .. })) | None) => return Poll::Ready(()),
                    Poll::Ready(Some(_)) => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }
}
