//! How the machine sends, faults included.

use crate::connection::ConnId;
use crate::event::StoredEvent;
use crate::fault::Fault;
use crate::filter::Filter;
use crate::id::canonical_id;
use crate::message;
use crate::outbox::{Frame, event_text};
use crate::relay::Relay;
use serde_json::{Value, json};
use std::sync::Arc;

impl Relay {
    /// Pushes a new event to every open subscription that it matches.
    pub(crate) fn push_live(&mut self, event: &Arc<StoredEvent>) {
        let to_everyone = self.faults.unmatched_live();
        let mut targets: Vec<(ConnId, Arc<str>)> = Vec::new();
        for (conn, connection) in &self.connections {
            for subscription in connection.subscriptions.values() {
                if to_everyone || subscription.matches(event) {
                    targets.push((*conn, Arc::clone(&subscription.wire_id)));
                }
            }
        }
        for (conn, subscription) in targets {
            self.send_event(conn, &subscription, event);
        }
    }

    /// Sends what is stored; whether more would have matched, if hints want that known.
    pub(crate) fn send_stored(&mut self, conn: ConnId, subscription: &Arc<str>, filters: &[Filter]) -> bool {
        let mut answer = if self.faults.has(&Fault::IgnoreLimit) {
            let unlimited: Vec<Filter> = filters.iter().map(Filter::unlimited).collect();
            self.store.query(&unlimited, usize::MAX, false)
        } else {
            self.store.query(filters, self.config.max_limit, self.config.eose_hints)
        };
        if self.faults.has(&Fault::OldestFirst) {
            answer.events.reverse();
        }
        if let Some(bytes) = self.faults.oversize() {
            let oversize = oversize_event(answer.events.first().map(|event| &event.value), bytes);
            self.stats.events_out += 1;
            self.send_text(conn, event_text(subscription, &oversize));
        }
        let is_unmatched = |event: &&Arc<StoredEvent>| !filters.iter().any(|filter| filter.matches(event));
        let per_req = self.faults.unmatched_per_req();
        let unmatched: Vec<_> = self.store.iter().filter(is_unmatched).take(per_req).cloned().collect();
        for event in unmatched.iter().chain(&answer.events) {
            self.send_event(conn, subscription, event);
        }
        answer.more
    }

    /// Ends the stored part of an answer.
    pub(crate) fn end_of_stored(&mut self, conn: ConnId, id: &str, filters: &[Filter], more: bool) {
        if let Some(reason) = self.faults.closed_instead_of_eose() {
            self.send_closed(conn, id, &reason);
            return;
        }
        let only_new = filters.iter().all(|filter| filter.limit == Some(0));
        if self.faults.has(&Fault::NeverEose) || (only_new && self.faults.has(&Fault::NoEoseForLimitZero)) {
            return;
        }
        let hint = self.config.eose_hints.then_some(if more { "more" } else { "finish" });
        let times = if self.faults.has(&Fault::EoseTwice) { 2 } else { 1 };
        for _ in 0..times {
            self.send_text(conn, message::eose(id, hint));
        }
    }

    /// Answers an event.
    pub(crate) fn send_ok(&mut self, conn: ConnId, event_id: &str, accepted: bool, reason: &str) {
        if !self.faults.has(&Fault::NeverOk) {
            self.send_answer(conn, event_id, accepted, reason);
        }
    }

    /// Answers an event or an authentication.
    pub(crate) fn send_answer(&mut self, conn: ConnId, event_id: &str, accepted: bool, reason: &str) {
        let event_id = if self.faults.has(&Fault::EmptyOkId) { "" } else { event_id };
        let times = if self.faults.has(&Fault::DuplicateOk) { 2 } else { 1 };
        for _ in 0..times {
            self.send_text(conn, message::ok(event_id, accepted, reason));
        }
    }

    /// Ends a subscription, whether it was open or is refused.
    pub(crate) fn send_closed(&mut self, conn: ConnId, id: &str, reason: &str) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.subscriptions.remove(id);
        }
        self.refuse(conn, id, reason);
    }

    /// Says `CLOSED`; a subscription of that id, if there is one, stays.
    pub(crate) fn refuse(&mut self, conn: ConnId, id: &str, reason: &str) {
        if self.faults.has(&Fault::NoticeInsteadOfClosed) {
            self.send_text(conn, message::notice(reason));
        } else {
            self.send_text(conn, message::closed(id, reason));
        }
    }

    fn send_event(&mut self, conn: ConnId, subscription: &Arc<str>, event: &Arc<StoredEvent>) {
        let forgery = self.faults.forge_this_event();
        let forged = (forgery.signature || forgery.content).then(|| {
            let mut value = event.value.clone();
            if forgery.signature {
                value["sig"] = flipped(&value["sig"]);
            }
            if forgery.content {
                value["content"] = json!(format!("{} (forged)", value["content"].as_str().unwrap_or_default()));
            }
            value.to_string()
        });
        for _ in 0..self.faults.copies() {
            self.stats.events_out += 1;
            let frame = match &forged {
                Some(forged) => Frame::Text(event_text(subscription, forged)),
                None => Frame::Event { subscription: Arc::clone(subscription), event: Arc::clone(event) },
            };
            self.send(conn, frame);
        }
    }

    pub(crate) fn send_text(&mut self, conn: ConnId, text: String) {
        self.send(conn, Frame::Text(text));
    }

    /// Queues a frame. A connection whose queue is full is ended instead: what it missed can't be made up for later.
    fn send(&mut self, conn: ConnId, frame: Frame) {
        let (max_frames, max_bytes) = (self.config.max_queued_messages, self.config.max_queued_bytes);
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        if connection.outbox.is_closing() {
            return;
        }
        if connection.outbox.would_overflow(&frame, max_frames, max_bytes) {
            connection.outbox.clear();
            self.stats.slow_consumers += 1;
            self.close(conn, 1008, "slow consumer".to_owned());
            return;
        }
        connection.outbox.push(frame);
        connection.frames += 1;
        self.ready.insert(conn);
        self.stats.frames_out += 1;
        if let Some(garbage) = self.faults.garbage_after_this_frame() {
            let garbage = Frame::Text(garbage.to_owned());
            if !connection.outbox.would_overflow(&garbage, max_frames, max_bytes) {
                connection.outbox.push(garbage);
                self.stats.frames_out += 1;
            }
        }
        if let Some((code, reason)) = self.faults.disconnect_after(connection.frames) {
            self.close(conn, code, reason);
        }
    }

    /// Ends a connection behind what is queued for it.
    pub(crate) fn close(&mut self, conn: ConnId, code: u16, reason: String) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.subscriptions.clear();
            connection.outbox.close(code, reason);
            self.ready.insert(conn);
        }
    }
}

/// A signature with the lowest bit of its last byte flipped.
fn flipped(signature: &Value) -> Value {
    let text = signature.as_str().unwrap_or_default();
    let (head, last) = text.split_at(text.len().saturating_sub(2));
    let last = u8::from_str_radix(last, 16).unwrap_or_default();
    json!(format!("{head}{:02x}", last ^ 1))
}

/// An event like `model`, if there is one, with that much content and the id that belongs to it.
fn oversize_event(model: Option<&Value>, bytes: usize) -> String {
    let mut event = model.cloned().unwrap_or_else(
        || json!({"pubkey": "1".repeat(64), "created_at": 1, "kind": 1, "tags": [], "sig": "2".repeat(128)}),
    );
    event["content"] = json!("x".repeat(bytes));
    event["id"] = json!(canonical_id(&event));
    event.to_string()
}
