//! What a relay knows about one connection.

use crate::event::StoredEvent;
use crate::filter::Filter;
use crate::later::Later;
use crate::outbox::Outbox;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A connection of a client to a [`Relay`](crate::Relay). Never given out twice by the same relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub(crate) u64);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) filters: Vec<Filter>,
    /// The id as JSON, quotes included.
    pub(crate) wire_id: Arc<str>,
    /// Length of the `REQ` that opened it.
    pub(crate) bytes: usize,
    /// Which of the connection's `REQ`s opened it.
    pub(crate) number: u64,
}

impl Subscription {
    pub(crate) fn matches(&self, event: &StoredEvent) -> bool {
        self.filters.iter().any(|filter| filter.matches(event))
    }
}

/// Messages counted for a rate limit.
#[derive(Debug, Default)]
struct Window {
    started: u64,
    messages: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    pub(crate) outbox: Outbox,
    pub(crate) challenge: Option<String>,
    pub(crate) authenticated: bool,
    /// Frames ever queued.
    pub(crate) frames: u64,
    /// `REQ`s ever taken.
    pub(crate) reqs: u64,
    pub(crate) later: Later,
    window: Window,
    publishes: Window,
}

impl Window {
    /// Counts a message; whether it is within the limit. `window_secs` of 0 is one window without end.
    fn within(&mut self, messages: u64, window_secs: u64, now: u64) -> bool {
        let is_over = window_secs > 0 && now.saturating_sub(self.started) >= window_secs;
        if self.messages == 0 || is_over {
            *self = Self { started: now, messages: 0 };
        }
        self.messages += 1;
        self.messages <= messages
    }
}

impl Connection {
    /// Counts a message; whether it is within the limit. `window_secs` of 0 is one window without end.
    pub(crate) fn within_rate(&mut self, messages: u64, window_secs: u64, now: u64) -> bool {
        self.window.within(messages, window_secs, now)
    }

    /// The same of a published event, against a limit of its own.
    pub(crate) fn publishes_within(&mut self, events: u64, window_secs: u64, now: u64) -> bool {
        self.publishes.within(events, window_secs, now)
    }

    /// Forgets the oldest subscriptions but so many.
    pub(crate) fn evict_beyond(&mut self, keep: usize) {
        while self.subscriptions.len() > keep {
            let oldest = self.subscriptions.iter().min_by_key(|(_, open)| open.number).map(|(id, _)| id.clone());
            let Some(oldest) = oldest else {
                return;
            };
            self.subscriptions.remove(&oldest);
        }
    }

    /// When the window began in which messages are counted.
    pub(crate) fn window_start(&self) -> u64 {
        self.window.started
    }

    /// Bytes of the `REQ`s behind the open subscriptions, apart from the one with this id.
    pub(crate) fn subscription_bytes_without(&self, id: &str) -> usize {
        self.subscriptions.iter().filter(|(held, _)| *held != id).map(|(_, open)| open.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_with_its_first_message() {
        let mut connection = Connection::default();
        assert!(connection.within_rate(2, 10, 100));
        assert!(connection.within_rate(2, 10, 109));
        assert!(!connection.within_rate(2, 10, 109));
        assert!(connection.within_rate(2, 10, 110));
    }

    #[test]
    fn a_window_of_no_length_never_ends() {
        let mut connection = Connection::default();
        assert!(connection.within_rate(1, 0, 0));
        assert!(!connection.within_rate(1, 0, u64::MAX));
    }
}
