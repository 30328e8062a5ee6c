//! What a relay does late: answers held back, and connections that it does not serve for a while.

use crate::connection::{ConnId, Connection};
use crate::relay::Relay;
use nostr_proto::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// Answers held back for one connection; one more goes out at once.
const MAX_HELD: usize = 10_000;

/// What waits for a time to come, of one connection.
#[derive(Debug, Default)]
pub(crate) struct Later {
    /// Answers, by second and order.
    answers: BTreeMap<(u64, u64), String>,
    /// Subscriptions that a client has closed, by second and order: id, and which `REQ` opened it.
    closings: BTreeMap<(u64, u64), (String, u64)>,
    number: u64,
    stall: Option<Stall>,
}

/// The relay neither reads from the connection nor writes to it.
#[derive(Debug)]
struct Stall {
    until: u64,
    /// What came meanwhile, and its bytes.
    unread: VecDeque<String>,
    bytes: usize,
}

impl Later {
    fn due(&self) -> Option<u64> {
        let first = [self.answers.keys().next(), self.closings.keys().next()];
        match &self.stall {
            Some(stall) => Some(stall.until),
            None => first.into_iter().flatten().map(|(at, _)| *at).min(),
        }
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.stall.is_some()
    }
}

impl Relay {
    /// When [`wake`](Self::wake) has something to do; `None` without faults that delay.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.connections.values().filter_map(|connection| connection.later.due()).min().map(Timestamp::new)
    }

    /// Does what is due by now: late answers go out, and stalled connections are served again. Only a relay with a fault
    /// that delays ever has something to do ([`next_wake`](Self::next_wake)); [`handle`](Self::handle) wakes it, too.
    pub fn wake(&mut self, now: Timestamp) {
        self.now = self.now.max(now.as_secs());
        let due = |(conn, connection): (&ConnId, &Connection)| {
            connection.later.due().is_some_and(|at| at <= self.now).then_some(*conn)
        };
        let due: Vec<ConnId> = self.connections.iter().filter_map(due).collect();
        for conn in due {
            self.serve_on(conn);
            self.answer_late(conn);
            self.end_late(conn);
        }
    }

    /// Whether a connection is not served for now: nothing that it sends is read, pings included.
    pub fn is_stalled(&self, conn: ConnId) -> bool {
        self.connections.get(&conn).is_some_and(|connection| connection.later.is_stalled())
    }

    /// Sends a text so many seconds from now.
    pub(crate) fn send_late(&mut self, conn: ConnId, secs: u64, text: String) {
        let at = self.now.saturating_add(secs);
        match self.connections.get_mut(&conn) {
            Some(connection) if secs > 0 && connection.later.answers.len() < MAX_HELD => {
                let later = &mut connection.later;
                later.number += 1;
                later.answers.insert((at, later.number), text);
            }
            _ => self.send_text(conn, text),
        }
    }

    /// Ends a subscription so many seconds from now.
    pub(crate) fn close_later(&mut self, conn: ConnId, secs: u64, id: &str, opened_by: u64) {
        let at = self.now.saturating_add(secs);
        match self.connections.get_mut(&conn) {
            Some(connection) if secs > 0 && connection.later.closings.len() < MAX_HELD => {
                let later = &mut connection.later;
                later.number += 1;
                later.closings.insert((at, later.number), (id.to_owned(), opened_by));
            }
            _ => self.end_subscription(conn, id, opened_by),
        }
    }

    /// Counts a message against a limit that stalls. Whether it has to wait, together with what comes after it.
    pub(crate) fn stalls(&mut self, conn: ConnId, text: &str) -> bool {
        let (limit, now) = (self.faults.stall_over(), self.now);
        let (max_messages, max_bytes) = (self.config.max_queued_messages, self.config.max_queued_bytes);
        let Some(connection) = self.connections.get_mut(&conn) else {
            return false;
        };
        if connection.later.stall.is_none() {
            let Some((messages, window)) = limit else {
                return false;
            };
            if connection.within_rate(messages, window, now) {
                return false;
            }
            let until = connection.window_start().saturating_add(window).max(now.saturating_add(1));
            connection.later.stall = Some(Stall { until, unread: VecDeque::new(), bytes: 0 });
        }
        let Some(stall) = &mut connection.later.stall else {
            return false;
        };
        if stall.unread.len() >= max_messages || stall.bytes.saturating_add(text.len()) > max_bytes {
            connection.later = Later::default();
            self.close(conn, 1008, "too much was left unread".to_owned());
            return true;
        }
        stall.bytes += text.len();
        stall.unread.push_back(text.to_owned());
        true
    }

    /// Reads what a stalled connection sent meanwhile, which may stall it again.
    fn serve_on(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        if connection.later.stall.as_ref().is_none_or(|stall| stall.until > self.now) {
            return;
        }
        let unread = connection.later.stall.take().map(|stall| stall.unread).unwrap_or_default();
        if !connection.outbox.is_empty() {
            self.ready.insert(conn);
        }
        for text in unread {
            self.read(conn, &text);
        }
    }

    /// Sends the answers that are due, unless the connection is stalled.
    fn answer_late(&mut self, conn: ConnId) {
        while let Some(connection) = self.connections.get_mut(&conn).filter(|c| !c.later.is_stalled()) {
            let due = connection.later.answers.first_entry().filter(|entry| entry.key().0 <= self.now);
            let Some(entry) = due else {
                return;
            };
            let text = entry.remove();
            self.send_text(conn, text);
        }
    }

    /// Ends the subscriptions whose time has come, unless the connection is stalled.
    fn end_late(&mut self, conn: ConnId) {
        while let Some(connection) = self.connections.get_mut(&conn).filter(|c| !c.later.is_stalled()) {
            let due = connection.later.closings.first_entry().filter(|entry| entry.key().0 <= self.now);
            let Some(entry) = due else {
                return;
            };
            let (id, opened_by) = entry.remove();
            self.end_subscription(conn, &id, opened_by);
        }
    }
}
