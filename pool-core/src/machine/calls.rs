//! What the application asks for.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::call::{Call, CallError, Origin, RelayOptions, Reply};
use crate::connection::Connection;
use crate::dedup::Dedup;
use crate::event::EndReason;
use crate::health::Vitals;
use crate::ids::{PublishId, RelayIx, SubId};
use crate::map::Map;
use crate::record::{RelayCounters, Stats};

use super::{Core, derive};

impl Core {
    pub(super) fn on_call(&mut self, call: Call) -> Result<Reply, CallError> {
        if self.closed {
            // Whoever still takes items is not at fault.
            return if matches!(call, Call::Taken { .. } | Call::Shutdown) {
                Ok(Reply::Done)
            } else {
                Err(CallError::Closed)
            };
        }
        match call {
            Call::AddRelay { url, options } => self.add_relay(&url, options)?,
            Call::RemoveRelay { url } => self.remove_relay(&url)?,
            Call::Connect { which } => self.connect(&self.resolve(&which)?),
            Call::Disconnect { which, code, reason } => {
                if !matches!(code, 1000 | 3000..=4999) {
                    return Err(CallError::CloseCode(code));
                }
                for ix in self.resolve(&which)? {
                    self.disconnect(ix, code, &reason);
                }
            }
            Call::Reconnect { which, options } => {
                for ix in self.resolve(&which)? {
                    self.reconnect(ix, options.keep_open, options.keep_backoff);
                }
            }
            Call::NetworkChanged => {
                for ix in self.all_relays() {
                    self.drive(ix, Connection::network_changed);
                }
            }
            Call::Subscribe(request) => return self.subscribe(request).map(Reply::Subscribed),
            Call::Update { sub, filters } => self.update(sub, filters)?,
            Call::Retarget { sub, target } => self.retarget(sub, &target)?,
            Call::Refill { sub, gap } => self.refill(sub, &gap)?,
            Call::Acknowledge { sub, seq } => self.acknowledge(sub, seq)?,
            Call::Checkpoint { sub } => return self.checkpoint(sub).map(|it| Reply::Checkpoint(Box::new(it))),
            Call::Unsubscribe { sub } => self.unsubscribe(sub)?,
            Call::Taken { sub, items, bytes } => self.taken(sub, items, bytes),
            Call::Publish(request) => return self.publish(request),
            Call::PublishUnsigned(request) => return self.publish_unsigned(request),
            Call::Retry { event, deadline } => return self.retry(&event, deadline),
            Call::Cancel { publish } => self.cancel(publish)?,
            Call::Count(request) => return self.start_count(request).map(Reply::Counting),
            Call::CancelCount { count } => self.cancel_count(count)?,
            Call::Authenticate { url, identity } => self.authenticate(&url, identity)?,
            Call::DenyAuth { url } => self.deny_auth(&url)?,
            Call::RelayInfo { url, info } => self.relay_info(&url, &info)?,
            Call::StartClean => self.start_clean(),
            Call::Shutdown => self.shut_down(),
        }
        Ok(Reply::Done)
    }

    fn add_relay(&mut self, url: &nostr_proto::RelayUrl, options: RelayOptions) -> Result<(), CallError> {
        self.check_origin(url, options.origin)?;
        let ix = self.ensure_relay(url, options.origin)?;
        if let Some(relay) = self.relays.get_mut(&ix) {
            relay.added = true;
            // The user's word is not taken back by an event.
            let origin = if relay.options.origin == Origin::Typed { Origin::Typed } else { options.origin };
            relay.options = RelayOptions { origin, ..options };
        }
        self.reconsider_auth(ix);
        self.spread_legs(ix);
        Ok(())
    }

    fn connect(&mut self, relays: &[RelayIx]) {
        for &ix in relays {
            if let Some(relay) = self.relays.get_mut(&ix) {
                // One that nobody added goes when nobody needs it any more.
                relay.keep = relay.added;
            }
            self.drive(ix, |conn, cx, fx| conn.reconnect(true, cx, fx));
            self.review(ix);
        }
    }

    fn start_clean(&mut self) {
        self.end_all(EndReason::StartedClean);
        self.finished.forget_all();
        self.cancel_all();
        self.cancel_counts();
        // Not before the application has had a chance to read what became of them.
        self.forget_before = Some(PublishId(self.next_publish));
        for ix in self.all_relays() {
            if let Some(relay) = self.relays.get_mut(&ix) {
                relay.keep = false;
                relay.counters = RelayCounters::default();
                relay.vitals = Vitals::default();
                relay.largest_page = 0;
                relay.conn.backoff.reset();
                relay.auth.forget();
                relay.conn.quarantine.reset();
            }
            self.drive(ix, Connection::release);
        }
        self.dedup = Dedup::new(&self.config, derive(&self.seed, b"dedup", 0));
        self.jobs = Map::new(derive(&self.seed, b"jobs", 0));
        self.stats = Stats::default();
    }

    fn shut_down(&mut self) {
        self.end_all(EndReason::Shutdown);
        self.cancel_all();
        self.cancel_counts();
        for ix in self.all_relays() {
            self.disconnect(ix, 1000, "");
        }
        self.closed = true;
    }

    fn end_all(&mut self, reason: EndReason) {
        let subs: Vec<SubId> = self.subs.keys().copied().collect();
        for sub in subs {
            self.end_sub(sub, reason);
        }
    }

    /// Forgets the publishes before this one, which have all ended.
    pub(super) fn forget_publishes(&mut self, before: PublishId) {
        let old: Vec<PublishId> = self.publishes.range(..before).map(|(&id, _)| id).collect();
        for id in old {
            self.forget_publish(id);
        }
    }

    fn all_relays(&self) -> Vec<RelayIx> {
        self.relays.keys().copied().collect()
    }
}
