//! What waits to be sent to one connection.

use crate::event::StoredEvent;
use std::collections::VecDeque;
use std::sync::Arc;

/// A message to a client. Events are kept by reference: an answer of a thousand events costs little until it is sent.
#[derive(Debug)]
pub(crate) enum Frame {
    Text(String),
    Event {
        /// The subscription id as JSON, quotes included.
        subscription: Arc<str>,
        event: Arc<StoredEvent>,
    },
    /// The last one: the connection ends.
    Close {
        code: u16,
        reason: String,
    },
}

const EVENT_HEAD: &str = "[\"EVENT\",";

/// `["EVENT",<subscription>,<event>]`.
pub(crate) fn event_text(subscription: &str, event: &str) -> String {
    let mut text = String::with_capacity(EVENT_HEAD.len() + subscription.len() + event.len() + 2);
    text.push_str(EVENT_HEAD);
    text.push_str(subscription);
    text.push(',');
    text.push_str(event);
    text.push(']');
    text
}

impl Frame {
    /// What a proxy that breaks off in the middle lets through.
    pub(crate) fn first_half(&self) -> Self {
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::Event { subscription, event } => event_text(subscription, &event.text),
            Self::Close { reason, .. } => reason.clone(),
        };
        let half = text.floor_char_boundary(text.len() / 2);
        Self::Text(text[..half].to_owned())
    }

    /// Bytes on the wire, without WebSocket framing.
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Event { subscription, event } => EVENT_HEAD.len() + subscription.len() + event.text.len() + 2,
            Self::Close { reason, .. } => reason.len(),
        }
    }
}

/// A queue of frames that counts its bytes.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    frames: VecDeque<Frame>,
    bytes: usize,
    closing: bool,
}

impl Outbox {
    /// Whether one frame more would break a bound.
    pub(crate) fn would_overflow(&self, frame: &Frame, max_frames: usize, max_bytes: usize) -> bool {
        self.frames.len() >= max_frames || self.bytes.saturating_add(frame.len()) > max_bytes
    }

    pub(crate) fn push(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Ends the connection behind what is queued.
    pub(crate) fn close(&mut self, code: u16, reason: String) {
        self.push(Frame::Close { code, reason });
        self.closing = true;
    }

    /// Forgets what is queued.
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
    }

    pub(crate) fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some(frame)
    }

    /// Whether the last frame has been queued.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
