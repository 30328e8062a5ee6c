//! Counts (NIP-45) put together with connections, lanes and authentication.
//!
//! A COUNT makes its relays needed until they have answered, as a fetch does; it waits for its turn, and its name on the
//! wire comes from the counter that names REQs, so that none was ever used before. It is not closed: NIP-45 has no CLOSE.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::{Prefix, Reason};

use crate::auth::Refusal;
use crate::call::{CallError, Count};
use crate::config::Config;
use crate::connection::Connection;
use crate::count::Counting;
use crate::event::CountAnswer;
use crate::ids::{CountId, RelayIx, SocketId, WireId};
use crate::record::ConnectionState;
use crate::time::Now;
use crate::timers::TimerKey;

use super::Core;

/// After a NOTICE that seems to be in place of an answer, an answer is waited for so long.
const NOTICE_GRACE: Duration = Duration::from_secs(2);

/// A relay's counts.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// Those that want something of it.
    open: BTreeSet<CountId>,
    /// Those of them that it was asked for and has not answered, by their names on the wire: the oldest first.
    asked: BTreeMap<WireId, CountId>,
}

impl Desk {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

impl Core {
    pub(super) fn start_count(&mut self, request: Count) -> Result<CountId, CallError> {
        let Count { filters, target, deadline } = request;
        if self.counts.len() >= self.config.max_counts {
            return Err(CallError::TooManyCounts(self.config.max_counts));
        }
        self.check_filters(&filters)?;
        let (bytes, max) = (Counting::message_bytes(&filters), self.config.max_count_bytes);
        if bytes > max {
            return Err(CallError::CountTooLarge { bytes, max });
        }
        let relays = self.target(&target, None, |options| options.read)?;
        let id = CountId(self.next_count);
        self.next_count += 1;
        let counting = Counting::new(id, filters, relays, deadline, &self.config, self.now);
        let relays = counting.relays();
        self.counts.insert(id, counting);
        relays.iter().for_each(|ix| self.book_count(*ix, id, None));
        self.settle_count(id);
        for ix in relays {
            self.drive(ix, Connection::want);
            if !self.is_promising(ix) {
                self.count_unavailable(id, ix);
            }
            self.enqueue_count(ix, id);
        }
        Ok(id)
    }

    pub(super) fn cancel_count(&mut self, id: CountId) -> Result<(), CallError> {
        let relays = self.counts.get(&id).ok_or(CallError::UnknownCount(id))?.relays();
        for ix in relays {
            self.on_count(ix, id, |count, _, _| count.cancel(ix));
        }
        Ok(())
    }

    /// Ends every count.
    pub(super) fn cancel_counts(&mut self) {
        for id in self.counts.keys().copied().collect::<Vec<_>>() {
            drop(self.cancel_count(id));
        }
    }

    /// Runs one step of a relay's part in a count.
    fn on_count(&mut self, ix: RelayIx, id: CountId, step: impl FnOnce(&mut Counting, &Config, Now)) {
        let Some(count) = self.counts.get_mut(&id) else { return };
        let before = count.wire(ix);
        step(count, &self.config, self.now);
        self.book_count(ix, id, before);
        self.settle_count(id);
    }

    /// Keeps a relay's books on a count, which it was asked for by that name before.
    fn book_count(&mut self, ix: RelayIx, id: CountId, before: Option<WireId>) {
        let (Some(count), Some(relay)) = (self.counts.get(&id), self.relays.get_mut(&ix)) else { return };
        let wire = count.wire(ix);
        if let Some(gone) = before.filter(|before| wire != Some(*before)) {
            relay.counts.asked.remove(&gone);
        }
        if let Some(wire) = wire {
            relay.counts.asked.insert(wire, id);
        }
        if count.is_open(ix) {
            relay.counts.open.insert(id);
        } else if relay.counts.open.remove(&id) {
            relay.lanes.counts.remove(&id);
            // What was in its way may go now, too.
            self.review(ix);
        }
    }

    /// Re-arms its timer, or tells what came of it when all of it has.
    fn settle_count(&mut self, id: CountId) {
        let Some(count) = self.counts.get(&id) else { return };
        let due = count.due().filter(|_| !count.is_done());
        let done = count.is_done();
        self.arm(TimerKey::Count(id), due);
        if done && let Some(count) = self.counts.remove(&id) {
            // Relays of which nobody expected an answer any more.
            for (ix, wire) in count.running() {
                self.relays.get_mut(&ix).map(|relay| relay.counts.asked.remove(&wire));
            }
            self.fx.counted(count.report());
        }
    }

    pub(super) fn on_count_timer(&mut self, id: CountId) {
        for ix in self.counts.get(&id).map(|count| count.overdue(self.now)).unwrap_or_default() {
            self.on_count(ix, id, |count, _, now| count.timeout(ix, now));
            self.enqueue_count(ix, id);
        }
        self.settle_count(id);
    }

    /// A COUNT that waits is due at this relay, if there is a connection.
    fn enqueue_count(&mut self, ix: RelayIx, id: CountId) {
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        if relay.conn.open_socket().is_some() && self.counts.get(&id).is_some_and(|count| count.is_sendable(ix)) {
            relay.lanes.counts.insert(id);
            self.pump(ix);
        }
    }

    /// The next COUNT that does not have to wait for an authentication.
    pub(super) fn next_count(&mut self, ix: RelayIx) -> Option<CountId> {
        loop {
            let relay = self.relays.get(&ix).filter(|relay| !relay.auth.holds(false))?;
            let private = |id: &CountId| self.counts.get(id).is_some_and(Counting::is_private);
            let id = relay.lanes.counts.iter().copied().find(|id| !(relay.auth.holds(true) && private(id)))?;
            if !private(&id) || relay.auth.holds(true) {
                return Some(id);
            }
            // Which may well hold it.
            self.note_private(ix);
            let relay = self.relays.get(&ix)?;
            if relay.lanes.counts.contains(&id) && !relay.auth.holds(false) && !relay.auth.holds(true) {
                return Some(id);
            }
        }
    }

    /// Whether anything was sent.
    pub(super) fn send_count(&mut self, ix: RelayIx, socket: SocketId, id: CountId) -> bool {
        let wire = WireId(self.next_wire);
        let Some(count) = self.counts.get(&id).filter(|count| count.is_sendable(ix)) else { return false };
        let Some(relay) = self.relays.get(&ix) else { return false };
        let (frame, under, max) = (count.message(wire), relay.auth.epoch(), relay.plan.budget.message());
        if let Some(max) = max.filter(|max| u64::try_from(frame.len()).map_or(true, |bytes| bytes > *max)) {
            self.on_count(ix, id, |count, _, _| count.too_large(ix, frame.len(), max));
            return false;
        }
        self.next_wire += 1;
        self.on_count(ix, id, |count, _, _| count.asked(ix, wire, under));
        if let Some(relay) = self.relays.get_mut(&ix) {
            relay.trial.asked(frame.len(), self.now.mono);
        }
        self.send_frame(ix, socket, frame.into());
        true
    }

    fn asked_count(&self, ix: RelayIx, wire: WireId) -> Option<CountId> {
        self.relays.get(&ix)?.counts.asked.get(&wire).copied()
    }

    /// A relay has counted.
    pub(super) fn on_count_answer(&mut self, ix: RelayIx, subscription: &str, answer: CountAnswer) {
        let Some(id) = WireId::parse(subscription).and_then(|wire| self.asked_count(ix, wire)) else {
            self.count(ix, |c| &mut c.unsolicited);
            return;
        };
        self.on_count(ix, id, |count, _, _| count.counted(ix, answer));
        if let Some(relay) = self.relays.get_mut(&ix) {
            relay.lanes.went_well(&self.config, self.now.mono);
        }
    }

    /// A COUNT message came that can't be read.
    pub(super) fn on_bad_count(&mut self, ix: RelayIx, wire: Option<WireId>) {
        if let Some(id) = wire.and_then(|wire| self.asked_count(ix, wire)) {
            self.on_count(ix, id, |count, _, _| count.nonsense(ix));
        }
    }

    /// A CLOSED came, or an EOSE if there is no reason. False: not for a COUNT.
    pub(super) fn on_count_ending(&mut self, ix: RelayIx, wire: WireId, closed: Option<&Reason>) -> bool {
        let Some(id) = self.asked_count(ix, wire) else { return false };
        match closed {
            Some(reason) => {
                // It slows the whole relay, and at once.
                if reason.prefix == Some(Prefix::RateLimited) {
                    self.pause_lanes(ix);
                }
                self.refuse_count(ix, id, reason.clone());
            }
            // It took it for a REQ.
            None => self.on_count(ix, id, |count, _, _| count.nonsense(ix)),
        }
        true
    }

    /// A refused COUNT waits for an authentication, is asked again, or is the count's affair.
    fn refuse_count(&mut self, ix: RelayIx, id: CountId, reason: Reason) {
        let under = self.counts.get(&id).and_then(|count| count.under(ix));
        let refusal = under.and_then(|under| self.lacks_auth(ix, &reason, under));
        match refusal {
            None | Some(Refusal::Final) => {
                self.on_count(ix, id, |count, config, now| count.refused(ix, reason, config, now));
            }
            Some(Refusal::Wait) => self.on_count(ix, id, |count, _, _| count.lacks_auth(ix, reason)),
            Some(Refusal::Again) => self.on_count(ix, id, |count, _, _| count.recalled(ix)),
        }
        self.enqueue_count(ix, id);
    }

    /// Whether a NOTICE has to do with a COUNT: it names one, or the verb, or no other request is without an answer. One
    /// that names the verb is for the COUNT that was asked first, since relays read what comes in order.
    pub(super) fn is_count_notice(&mut self, ix: RelayIx, text: &str) -> bool {
        let Some(relay) = self.relays.get(&ix) else { return false };
        let waits = |(_, id): &(&WireId, &CountId)| self.counts.get(*id).is_some_and(|count| count.is_open(ix));
        let asked: BTreeMap<WireId, CountId> =
            relay.counts.asked.iter().filter(waits).map(|(wire, id)| (*wire, *id)).collect();
        let words = || text.split(|c: char| !c.is_ascii_alphanumeric());
        let named = words().filter_map(WireId::parse).find(|wire| asked.contains_key(wire));
        let verb = asked.keys().next().copied().filter(|_| words().any(|word| word == "COUNT"));
        let (alone, reason) = (asked.len() == 1 && relay.vitals.is_none_silent(), Reason::parse(text));
        let wire = named.or(verb);
        let only = asked.keys().next().copied().filter(|_| alone);
        let Some(at) = wire.or(only) else { return !asked.is_empty() };
        // Words without a prefix say nothing of another try.
        if wire.is_some() && reason.prefix.is_some() {
            return self.on_count_ending(ix, at, Some(&reason));
        }
        if reason.prefix == Some(Prefix::RateLimited) {
            self.pause_lanes(ix);
        }
        // While nothing is read, no answer can be heard.
        let heard = self.backlog.stopped_until().unwrap_or(self.now.mono).max(self.now.mono);
        let until = if named.is_some() { self.now.mono } else { heard + NOTICE_GRACE };
        if let Some(id) = self.asked_count(ix, at) {
            self.on_count(ix, id, |count, _, _| count.noticed(ix, reason, until));
        }
        true
    }

    fn counts_of(&self, ix: RelayIx) -> Vec<CountId> {
        self.relays.get(&ix).map(|relay| relay.counts.open.iter().copied().collect()).unwrap_or_default()
    }

    pub(super) fn counts_up(&mut self, ix: RelayIx) {
        for id in self.counts_of(ix) {
            self.enqueue_count(ix, id);
        }
    }

    pub(super) fn counts_down(&mut self, ix: RelayIx) {
        let cut = self.relays.get(&ix).is_some_and(|relay| relay.conn.state() == ConnectionState::Closing);
        for id in self.counts_of(ix) {
            self.on_count(ix, id, |count, _, _| if cut { count.cut(ix) } else { count.lost(ix) });
            if !self.is_promising(ix) {
                self.count_unavailable(id, ix);
            }
        }
    }

    pub(super) fn counts_unavailable(&mut self, ix: RelayIx) {
        for id in self.counts_of(ix) {
            self.count_unavailable(id, ix);
        }
    }

    fn count_unavailable(&mut self, id: CountId, ix: RelayIx) {
        let later = self.relays.get(&ix).is_some_and(|relay| {
            matches!(relay.conn.state(), ConnectionState::Backoff { .. } | ConnectionState::Closing)
        });
        self.on_count(ix, id, |count, _, _| count.unavailable(ix, later));
    }

    pub(super) fn counts_removed(&mut self, ix: RelayIx) {
        for id in self.counts_of(ix) {
            self.on_count(ix, id, |count, _, _| count.cancel(ix));
        }
    }

    /// The relay knows us: what it refused for lack of that is asked again, and so is what it may hide from strangers.
    pub(super) fn counts_granted(&mut self, ix: RelayIx) {
        if self.relays.get(&ix).is_some_and(|relay| relay.options.auth_at_once) {
            self.recall_counts(ix, |_| true);
        }
        for id in self.counts_of(ix) {
            self.on_count(ix, id, |count, _, _| count.authenticated(ix));
            self.enqueue_count(ix, id);
        }
    }

    pub(super) fn counts_denied(&mut self, ix: RelayIx) {
        for id in self.counts_of(ix) {
            self.on_count(ix, id, |count, _, _| count.not_authenticated(ix));
        }
    }

    /// What some running counts are told as a stranger does not count.
    pub(super) fn recall_counts(&mut self, ix: RelayIx, which: impl Fn(&Counting) -> bool) {
        for id in self.counts_of(ix) {
            let runs = |count: &Counting| which(count) && count.wire(ix).is_some();
            if self.counts.get(&id).is_some_and(runs) {
                self.on_count(ix, id, |count, _, _| count.recalled(ix));
                self.enqueue_count(ix, id);
            }
        }
    }
}
