//! What the machine does with a message.

use crate::auth;
use crate::connection::{ConnId, Subscription};
use crate::event::{StoredEvent, is_hex};
use crate::fault::{Fault, Unsolicited};
use crate::filter::Filter;
use crate::message::{self, Message};
use crate::relay::Relay;
use crate::store::Insertion;
use nostr_proto::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

impl Relay {
    /// Takes a text message of a client. Never panics, whatever the text; a message for a connection that is
    /// unknown or closing is counted and ignored.
    pub fn handle(&mut self, conn: ConnId, text: &str, now: Timestamp) {
        self.wake(now);
        if !self.is_open(conn) {
            self.stats.ignored += 1;
            return;
        }
        self.read(conn, text);
    }

    /// Reads a message of an open connection, unless that is stalled.
    pub(crate) fn read(&mut self, conn: ConnId, text: &str) {
        let now = Timestamp::new(self.now);
        if self.is_stalled(conn) && self.stalls(conn, text) {
            return;
        }
        if text.len() > self.config.max_message_bytes {
            self.stats.messages_in += 1;
            self.stats.malformed += 1;
            self.close(conn, 1009, "message too big".to_owned());
            return;
        }
        let message = Message::parse(text);
        let counts = matches!(message, Ok(Message::Event(_) | Message::Req { .. } | Message::Count { .. }));
        if counts && self.stalls(conn, text) {
            return;
        }
        self.stats.messages_in += 1;
        if let Some((code, reason)) = self.faults.close_on_unknown().filter(|_| !self.knows(conn, &message)) {
            self.close(conn, code, reason);
            return;
        }
        let reads_or_writes = matches!(message, Ok(Message::Event(_) | Message::Req { .. } | Message::Count { .. }));
        self.dispatch(conn, message, text.len(), now);
        if reads_or_writes && self.owes_challenge(conn) {
            self.challenge(conn);
        }
        for (what, frames) in self.faults.unsolicited() {
            (0..frames).for_each(|_| self.say_unasked(conn, what));
        }
    }

    fn dispatch(&mut self, conn: ConnId, message: Result<Message, String>, bytes: usize, now: Timestamp) {
        match message {
            Err(reason) => {
                self.stats.malformed += 1;
                self.send_text(conn, message::notice(&reason));
            }
            Ok(Message::Event(_) | Message::Req { .. } | Message::Count { .. })
                if let Some(text) = self.faults.notice_only() =>
            {
                self.send_text(conn, message::notice(&text));
            }
            Ok(Message::Event(event)) => match self.faults.close_on_event(bytes) {
                Some((code, reason)) => self.close(conn, code, reason),
                None => self.on_event(conn, event, now),
            },
            Ok(Message::Auth(event)) => self.on_auth(conn, event, now),
            Ok(Message::Req { subscription, filters }) => {
                self.stats.reqs += 1;
                if self.faults.ignore_this_req() {
                    return;
                }
                match self.accept_filters(conn, &filters, now) {
                    Err(reason) => self.send_closed(conn, &subscription, &reason),
                    Ok(filters) => self.on_req(conn, &subscription, &filters, bytes),
                }
            }
            Ok(Message::Count { subscription, filters }) => {
                self.stats.counts += 1;
                if let Some((code, reason)) = self.faults.close_on_count() {
                    self.close(conn, code, reason);
                    return;
                }
                match self.accept_filters(conn, &filters, now) {
                    Err(reason) => self.refuse(conn, &subscription, &reason),
                    Ok(filters) => self.on_count(conn, &subscription, &filters),
                }
            }
            Ok(Message::Close { subscription }) => self.on_close(conn, &subscription),
        }
    }

    /// Whether a message is one that every relay knows, or answers a challenge.
    fn knows(&self, conn: ConnId, message: &Result<Message, String>) -> bool {
        match message {
            Err(_) | Ok(Message::Count { .. }) => false,
            Ok(Message::Auth(_)) => self.connections.get(&conn).is_some_and(|held| held.challenge.is_some()),
            Ok(Message::Event(_) | Message::Req { .. } | Message::Close { .. }) => true,
        }
    }

    fn on_event(&mut self, conn: ConnId, raw: Value, now: Timestamp) {
        self.stats.events_in += 1;
        let Some(id) = own_id(&raw) else {
            self.stats.rejected += 1;
            self.send_text(conn, message::notice("invalid: an EVENT message must hold an event with an id"));
            return;
        };
        match self.accept_event(conn, raw, now) {
            Err(reason) => {
                self.stats.rejected += 1;
                self.send_ok(conn, &id, false, &reason);
            }
            Ok(_) if self.faults.lose_this_event() => self.send_ok(conn, &id, true, ""),
            Ok(event) => match self.take(&event) {
                Insertion::Held => {
                    if !(event.is_ephemeral() && self.faults.has(&Fault::NeverOkEphemeral)) {
                        self.send_ok(conn, &id, true, "");
                    }
                    self.push_live(&event);
                }
                Insertion::Duplicate => {
                    let accepted = !self.faults.has(&Fault::DuplicateFalse);
                    self.send_ok(conn, &id, accepted, "duplicate: already have this event");
                }
                Insertion::Replaced => self.send_ok(conn, &id, false, "replaced: have a newer version of this event"),
                Insertion::NoRoom => {
                    self.send_ok(conn, &id, false, "blocked: older than all that this full relay keeps");
                }
            },
        }
    }

    /// The event, if nothing speaks against it; else the reason.
    fn accept_event(&mut self, conn: ConnId, raw: Value, now: Timestamp) -> Result<Arc<StoredEvent>, String> {
        self.check_rate(conn, now)?;
        self.check_publish_limit(conn, now)?;
        if self.faults.auth_for_writes() {
            self.check_auth(conn)?;
        }
        if let Some(reason) = self.faults.ok_false() {
            return Err(reason);
        }
        let event = StoredEvent::from_value(raw).map_err(|reason| format!("invalid: {reason}"))?;
        if self.config.verify {
            auth::verify(&event)?;
        }
        if event.kind() == auth::KIND {
            return Err("invalid: authentication events are not for publishing".to_owned());
        }
        let latest = self.config.max_future_secs.map(|secs| now.as_secs().saturating_add(secs));
        if latest.is_some_and(|latest| event.created_at >= latest) {
            return Err("invalid: created_at is too far in the future".to_owned());
        }
        Ok(Arc::new(event))
    }

    fn on_auth(&mut self, conn: ConnId, raw: Value, now: Timestamp) {
        self.stats.auths += 1;
        let Some(id) = own_id(&raw) else {
            self.send_text(conn, message::notice("invalid: an AUTH message must hold an event with an id"));
            return;
        };
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        let outcome = StoredEvent::from_value(raw).map_err(|reason| format!("invalid: {reason}")).and_then(|event| {
            if self.config.verify {
                auth::verify(&event)?;
            }
            auth::check(&event, connection.challenge.as_deref(), self.config.url.as_deref(), now.as_secs())
        });
        let outcome = self.faults.refuse_auth().map_or(outcome, Err);
        connection.authenticated |= outcome.is_ok();
        if self.faults.has(&Fault::NeverOkAuth) {
            return;
        }
        match outcome {
            Ok(()) => self.send_answer(conn, &id, true, ""),
            Err(reason) => self.send_answer(conn, &id, false, &reason),
        }
    }

    /// The filters of a `REQ` or `COUNT`, if nothing speaks against it; else the reason.
    fn accept_filters(&mut self, conn: ConnId, filters: &[Value], now: Timestamp) -> Result<Vec<Filter>, String> {
        self.check_rate(conn, now)?;
        if self.faults.auth_for_reads() {
            self.check_auth(conn)?;
        }
        if let Some(reason) = self.faults.refuse_req() {
            return Err(reason);
        }
        if filters.is_empty() {
            return Err("invalid: no filter".to_owned());
        }
        if filters.len() > self.config.max_filters {
            return Err(format!("invalid: more than {} filters", self.config.max_filters));
        }
        let exclusive = self.faults.has(&Fault::ExclusiveUntil);
        let read = |filter: Filter| if exclusive { filter.until_exclusive() } else { filter };
        filters.iter().map(|filter| Filter::from_value(filter).map(read)).collect()
    }

    fn check_rate(&mut self, conn: ConnId, now: Timestamp) -> Result<(), String> {
        let (Some((messages, window)), Some(connection)) = (self.faults.rate_limit(), self.connections.get_mut(&conn))
        else {
            return Ok(());
        };
        if connection.within_rate(messages, window, now.as_secs()) {
            Ok(())
        } else {
            Err("rate-limited: slow down".to_owned())
        }
    }

    fn check_publish_limit(&mut self, conn: ConnId, now: Timestamp) -> Result<(), String> {
        let (Some((events, window)), Some(connection)) = (self.faults.publish_limit(), self.connections.get_mut(&conn))
        else {
            return Ok(());
        };
        if connection.publishes_within(events, window, now.as_secs()) {
            Ok(())
        } else {
            Err("rate-limited: slow down".to_owned())
        }
    }

    fn check_auth(&mut self, conn: ConnId) -> Result<(), String> {
        let Some(connection) = self.connections.get(&conn) else {
            return Ok(());
        };
        if connection.authenticated {
            return Ok(());
        }
        if connection.challenge.is_none() && !self.faults.has(&Fault::ChallengeBehind) {
            self.challenge(conn);
        }
        Err("auth-required: authenticate first".to_owned())
    }

    /// Whether a connection was refused something for lack of authentication, and can't know how to authenticate.
    fn owes_challenge(&self, conn: ConnId) -> bool {
        let waits = self.connections.get(&conn).is_some_and(|held| held.challenge.is_none() && !held.authenticated);
        waits
            && self.faults.has(&Fault::ChallengeBehind)
            && (self.faults.auth_for_reads() || self.faults.auth_for_writes())
    }

    pub(crate) fn is_authenticated(&self, conn: ConnId) -> bool {
        self.connections.get(&conn).is_some_and(|connection| connection.authenticated)
    }

    /// Sends the connection its challenge. It is no secret: what tells one connection from the other is enough for a test.
    pub(crate) fn challenge(&mut self, conn: ConnId) {
        self.challenge_with(conn, &format!("challenge-of-connection-{conn}"));
    }

    fn challenge_with(&mut self, conn: ConnId, challenge: &str) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.challenge = Some(challenge.to_owned());
        }
        self.send_text(conn, message::challenge(challenge));
    }

    fn on_req(&mut self, conn: ConnId, id: &str, filters: &[Filter], bytes: usize) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        let others = connection.subscriptions.len() - usize::from(connection.subscriptions.contains_key(id));
        if others >= self.config.max_subscriptions_per_connection {
            self.send_closed(conn, id, "error: too many open subscriptions");
            return;
        }
        let held = connection.subscription_bytes_without(id);
        if held.saturating_add(bytes) > self.config.max_subscription_bytes_per_connection {
            self.send_closed(conn, id, "error: the open subscriptions are too big together");
            return;
        }
        let wire_id: Arc<str> = json!(id).to_string().into();
        connection.reqs += 1;
        let number = connection.reqs;
        let subscription = Subscription { filters: filters.to_vec(), wire_id: Arc::clone(&wire_id), bytes, number };
        connection.subscriptions.insert(id.to_owned(), subscription);
        if let Some(keep) = self.faults.evict_beyond() {
            connection.evict_beyond(keep);
        }
        if self.faults.hides_private() && connection.challenge.is_none() {
            self.challenge(conn);
        }
        self.answer_req(conn, id, &wire_id, filters);
    }

    /// Says what nobody asked for.
    fn say_unasked(&mut self, conn: ConnId, what: Unsolicited) {
        let n = self.faults.make_up();
        let nobody = format!("nobody's {n}");
        let text = match what {
            Unsolicited::Closed => message::closed(&nobody, "error: nobody asked"),
            Unsolicited::Eose => message::eose(&nobody, None),
            Unsolicited::Ok => message::ok(&format!("{n:064x}"), n.is_multiple_of(2), ""),
            Unsolicited::Challenge => return self.challenge_with(conn, &format!("challenge-{n}-of-connection-{conn}")),
            Unsolicited::Notice => message::notice(&nobody),
            Unsolicited::Count => message::count(&nobody, &json!({ "count": 1 })),
        };
        self.send_text(conn, text);
    }

    fn on_close(&mut self, conn: ConnId, id: &str) {
        self.stats.closes += 1;
        if self.faults.has(&Fault::IgnoreClose) {
            return;
        }
        let Some(number) =
            self.connections.get(&conn).and_then(|held| held.subscriptions.get(id)).map(|open| open.number)
        else {
            return;
        };
        self.close_later(conn, self.faults.close_late().unwrap_or_default(), id, number);
    }

    /// Ends the subscription that this `REQ` opened, unless another has taken its place.
    pub(crate) fn end_subscription(&mut self, conn: ConnId, id: &str, number: u64) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        if connection.subscriptions.get(id).is_none_or(|open| open.number != number) {
            return;
        }
        let held = connection.subscriptions.remove(id);
        if held.is_some() && self.faults.has(&Fault::AnswerClose) {
            self.send_closed(conn, id, "");
        }
    }
}

/// The id that an event goes by, right or wrong.
fn own_id(event: &Value) -> Option<String> {
    event["id"].as_str().filter(|id| is_hex(id, 64)).map(str::to_owned)
}
