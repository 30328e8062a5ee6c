//! How the machine sends, faults included.

use crate::connection::ConnId;
use crate::event::StoredEvent;
use crate::fault::Fault;
use crate::filter::Filter;
use crate::later::Later;
use crate::made;
use crate::message;
use crate::outbox::{Frame, event_text};
use crate::relay::Relay;
use crate::store::Answer;
use serde_json::json;
use std::sync::Arc;

/// Answers kept for [`Fault::StaleAnswers`]; what is asked beyond that is answered afresh.
const MAX_ANSWERS: usize = 1_000;

impl Relay {
    /// Pushes a new event to every open subscription that it matches.
    pub(crate) fn push_live(&mut self, event: &Arc<StoredEvent>) {
        let to_everyone = self.faults.unmatched_live();
        let mut targets: Vec<(ConnId, Arc<str>)> = Vec::new();
        let hidden = self.faults.hides_private() && event.is_private();
        for (conn, connection) in &self.connections {
            if hidden && !connection.authenticated {
                continue;
            }
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

    /// Sends what is stored, and that it is through.
    pub(crate) fn answer_req(&mut self, conn: ConnId, id: &str, subscription: &Arc<str>, filters: &[Filter]) {
        let mut answer = self.stored(filters);
        if self.faults.hides_private() && !self.is_authenticated(conn) {
            answer.events.retain(|event| !event.is_private());
        }
        self.send_ahead(conn, subscription, filters, answer.events.first());
        let is_unmatched = |event: &&Arc<StoredEvent>| !filters.iter().any(|filter| filter.matches(event));
        let per_req = self.faults.unmatched_per_req();
        let unmatched: Vec<_> = self.store.iter().filter(is_unmatched).take(per_req).cloned().collect();
        for event in &unmatched {
            self.send_event(conn, subscription, event);
        }
        let early = self.faults.eose_early().map_or(usize::MAX, |after| after.min(answer.events.len()));
        for (n, event) in answer.events.iter().enumerate() {
            if n == early {
                self.end_of_stored(conn, id, filters, answer.more);
            }
            self.send_event(conn, subscription, event);
        }
        if early >= answer.events.len() {
            self.end_of_stored(conn, id, filters, answer.more);
        }
    }

    /// What is stored and fits into an answer, or what was not long ago.
    fn stored(&mut self, filters: &[Filter]) -> Answer {
        let Some(secs) = self.faults.stale_answers() else {
            return self.look_up(filters);
        };
        let asked = format!("{filters:?}");
        let now = self.now;
        self.answered.retain(|_, (at, _)| now.saturating_sub(*at) < secs);
        if let Some((_, answer)) = self.answered.get(&asked) {
            return answer.clone();
        }
        let answer = self.look_up(filters);
        if self.answered.len() < MAX_ANSWERS {
            self.answered.insert(asked, (now, answer.clone()));
        }
        answer
    }

    /// What is stored and fits into an answer, in the order in which it goes out.
    fn look_up(&mut self, filters: &[Filter]) -> Answer {
        let cap = self.config.max_limit;
        let mut answer = if self.faults.has(&Fault::IgnoreLimit) {
            let unlimited: Vec<Filter> = filters.iter().map(Filter::unlimited).collect();
            self.store.query(&unlimited, usize::MAX, false)
        } else if self.faults.has(&Fault::OldestFirst) {
            self.store.query_oldest(filters, cap)
        } else {
            self.store.query(filters, cap, self.config.eose_hints)
        };
        if self.faults.has(&Fault::IgnoreLimit) && self.faults.has(&Fault::OldestFirst) {
            answer.events.reverse();
        }
        let fit = if self.config.max_limit_is_per_req { cap } else { usize::MAX };
        let fit = self.faults.cap_this_answer(answer.events.len().min(fit));
        answer.more |= fit < answer.events.len();
        answer.events.truncate(fit);
        answer
    }

    /// Sends what a relay makes up ahead of its answer.
    fn send_ahead(
        &mut self,
        conn: ConnId,
        subscription: &Arc<str>,
        filters: &[Filter],
        model: Option<&Arc<StoredEvent>>,
    ) {
        if let Some(bytes) = self.faults.oversize_notice() {
            self.send_text(conn, message::notice(&"x".repeat(bytes)));
        }
        if let Some(bytes) = self.faults.oversize() {
            let oversize = made::oversize(model.map(|event| &event.value), bytes);
            self.send_made(conn, subscription, &oversize);
        }
        let Some(filter) = filters.first() else {
            return;
        };
        for _ in 0..self.faults.forged_per_req() {
            let forged = made::forged(filter, self.faults.make_up(), self.now);
            self.send_made(conn, subscription, &forged);
        }
        let mut own: Vec<Option<Arc<StoredEvent>>> = Vec::new();
        if let Some((count, secs)) = self.faults.future_per_req() {
            let at = self.now.saturating_add(secs);
            own.extend((0..count).map(|n| made::signed(filter, at, &format!("from the future {n}"), &[])));
        }
        if let Some((count, secs)) = self.faults.expired_per_req() {
            let at = self.now.saturating_sub(secs);
            let tags = [["expiration", &at.to_string()]];
            own.extend((0..count).map(|n| made::signed(filter, at, &format!("expired {n}"), &tags)));
        }
        if let Some(bytes) = self.faults.long_tag() {
            own.push(made::signed(filter, self.now, "with a long tag", &[["long", &"x".repeat(bytes)]]));
        }
        for event in own.into_iter().flatten() {
            self.send_event(conn, subscription, &event);
        }
    }

    fn send_made(&mut self, conn: ConnId, subscription: &str, event: &str) {
        self.stats.events_out += 1;
        self.send_text(conn, event_text(subscription, event));
    }

    /// Ends the stored part of an answer.
    fn end_of_stored(&mut self, conn: ConnId, id: &str, filters: &[Filter], more: bool) {
        if let Some(reason) = self.faults.closed_instead_of_eose() {
            self.send_closed(conn, id, &reason);
            return;
        }
        let only_new = filters.iter().all(|filter| filter.limit == Some(0));
        if self.faults.has(&Fault::NeverEose) || (only_new && self.faults.has(&Fault::NoEoseForLimitZero)) {
            return;
        }
        if let Some(text) = self.faults.notice_instead_of_eose() {
            self.send_text(conn, message::notice(&text));
            return;
        }
        let hint = self.config.eose_hints.then_some(if more { "more" } else { "finish" });
        let times = if self.faults.has(&Fault::EoseTwice) { 2 } else { 1 };
        for _ in 0..times {
            self.send_late(conn, self.faults.eose_late().unwrap_or_default(), message::eose(id, hint));
        }
    }

    /// Answers an event.
    pub(crate) fn send_ok(&mut self, conn: ConnId, event_id: &str, accepted: bool, reason: &str) {
        if self.faults.has(&Fault::NeverOk) || self.faults.skip_this_ok() {
            return;
        }
        if self.faults.has(&Fault::NoticeInsteadOfOk) {
            self.send_text(conn, message::notice(if accepted && reason.is_empty() { "accepted" } else { reason }));
            return;
        }
        if let Some(first) = self.faults.ok_false_then_true().filter(|_| accepted) {
            self.send_answer(conn, event_id, false, &first);
        }
        self.send_answer(conn, event_id, accepted, reason);
    }

    /// Answers an event or an authentication.
    pub(crate) fn send_answer(&mut self, conn: ConnId, event_id: &str, accepted: bool, reason: &str) {
        let unknown = "0".repeat(64);
        let nameless = self.faults.has(&Fault::EmptyOkId) || (!accepted && self.faults.has(&Fault::EmptyRefusedOkId));
        let reason = self.worded(reason);
        let event_id = match event_id {
            _ if nameless => "",
            _ if self.faults.has(&Fault::OkUnknownId) => &unknown,
            id => id,
        };
        let times = if self.faults.has(&Fault::DuplicateOk) { 2 } else { 1 };
        for _ in 0..times {
            let late = self.faults.ok_late().unwrap_or_default();
            self.send_late(conn, late, message::ok(event_id, accepted, reason));
        }
    }

    /// Ends a subscription, whether it was open or is refused.
    pub(crate) fn send_closed(&mut self, conn: ConnId, id: &str, reason: &str) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.subscriptions.remove(id);
        }
        self.refuse(conn, id, reason);
    }

    /// A reason in this relay's words.
    fn worded<'a>(&self, reason: &'a str) -> &'a str {
        match reason.split_once(": ") {
            Some((_, rest)) if self.faults.has(&Fault::NoPrefix) => rest,
            _ => reason,
        }
    }

    /// Says `CLOSED`; a subscription of that id, if there is one, stays.
    pub(crate) fn refuse(&mut self, conn: ConnId, id: &str, reason: &str) {
        let reason = self.worded(reason);
        if self.faults.has(&Fault::NoticeInsteadOfClosed) {
            self.send_text(conn, message::notice(reason));
        } else if self.faults.has(&Fault::NoticeNamesClosed) {
            self.send_text(conn, message::notice(&format!("{reason} ({id})")));
        } else {
            self.send_text(conn, message::closed(id, reason));
        }
    }

    fn send_event(&mut self, conn: ConnId, subscription: &Arc<str>, event: &Arc<StoredEvent>) {
        if self.faults.misname_this_event() {
            self.send_made(conn, "\"nobody's\"", &event.text);
        }
        let (ahead, salt) = self.faults.forge_ahead();
        for n in 0..ahead {
            let forged = made::badly_signed(&event.value, n, salt);
            self.send_made(conn, subscription, &forged);
        }
        let forgery = self.faults.forge_this_event();
        let forged = (forgery.signature || forgery.content).then(|| {
            let mut value = event.value.clone();
            if forgery.signature {
                value["sig"] = made::flipped(&value["sig"]);
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
        if self.faults.truncates() && self.faults.truncate_this_frame() {
            let half = frame.first_half();
            if !connection.outbox.would_overflow(&half, max_frames, max_bytes) {
                connection.outbox.push(half);
                self.stats.frames_out += 1;
            }
        }
        connection.outbox.push(frame);
        connection.frames += 1;
        if !connection.later.is_stalled() {
            self.ready.insert(conn);
        }
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
            connection.later = Later::default();
            connection.outbox.close(code, reason);
            self.ready.insert(conn);
        }
    }
}
