//! What the application does, step by step, and what the oracles have to know of it.

use std::time::Duration;

use nostr_pool_core::{
    Call, CallError, Publish, PublishId, PublishUnsigned, Quorum, ReconnectOptions, RelayOptions, Reply, SubId, Target,
    Which,
};
use nostr_proto::{EventId, Filter, RelayInfo, RelayUrl};

use super::quorum::Asked;
use super::step::{App, Note, Reader, Reading, Terms, Votes, What, Where};
use super::takes::Takes;
use super::world::World;

impl World {
    pub(super) fn app(&mut self, app: App) {
        match app {
            App::Publish { target, votes, note, terms } => self.publish(target, votes, note, terms),
            App::PublishUnsigned { target, note, terms } => self.publish_unsigned(target, note, terms),
            App::Impatient { relay, times, millis } => self.impatient(relay, times, millis),
            App::RelayInfo { relay, max } => self.relay_info(self.nth(relay), max),
            App::Retry { publish, patience } => self.retry(publish, patience),
            App::Cancel { publish } => self.cancel(publish),
            App::Subscribe { what, target, reader, reading, patience } => {
                self.subscribe(what, target, reader, reading, patience);
            }
            App::Fetch { what, target, all, patience } => self.fetch(what, target, all, patience),
            App::Count { what, tagged, target, patience } => self.count(what, tagged, target, patience),
            App::CancelCount => self.cancel_count(),
            App::Update { sub, what } => self.update(sub, what),
            App::Unsubscribe { sub } => self.unsubscribe(sub),
            App::Retarget { sub, target } => self.retarget(sub, target),
            App::Refill { sub, gap } => self.refill(sub, gap),
            App::Acknowledge { sub, but } => self.acknowledge(sub, but),
            App::Checkpoint { sub } => self.checkpoint(sub),
            App::Resume { sub } => self.resume(sub),
            App::Crash => self.crash(),
            App::CatchUp => self.catch_up(usize::MAX),
            App::TakeSome { items } => self.catch_up(items.into()),
            App::AddRelay { relay, options } => self.add_relay(self.nth(relay), options),
            App::RemoveRelay { relay } => self.remove_relay(self.nth(relay)),
            App::Connect { relay } => self.connect(relay),
            App::Disconnect { relay, code } => {
                let reason = "é".repeat(100);
                let which = self.which(relay);
                self.try_call(Call::Disconnect { which, code, reason });
            }
            App::Reconnect { relay, keep_open, keep_backoff } => {
                let options = ReconnectOptions { keep_open, keep_backoff };
                self.reconnect(self.nth(relay), options);
            }
            App::NetworkChanged => {
                self.oracle.dials.user_wants(None, false);
                self.try_call(Call::NetworkChanged);
            }
            App::StartClean => {
                self.start_clean();
                self.subscribe(What::All, Where::All, Reader::Prompt, Reading::default(), 0);
            }
            App::Shutdown => {
                self.oracle.counts.may_end();
                self.try_call(Call::Shutdown);
                self.shut = true;
            }
            App::Unknown { call } => self.unknown(call),
        }
    }

    /// A call that the core may refuse for a reason that holds.
    pub(super) fn try_call(&mut self, call: Call) -> Option<Reply> {
        let told = format!("{call:?}");
        match self.call(call) {
            Ok(reply) => Some(reply),
            Err(error) => {
                let right = match &error {
                    CallError::Closed => self.shut,
                    CallError::UnknownRelay(url) => self.core.relay(url).is_none(),
                    CallError::TooManyCounts(_) => self.oracle.counts.untold().len() >= self.core.config().max_counts,
                    CallError::NoRelays | CallError::UnknownEvent(_) | CallError::UnknownPublish(_) => true,
                    CallError::Expired(event) => event.is_expired_at(self.now().unix),
                    CallError::UnsignedExpired(event) => event.tags().is_expired_at(self.now().unix),
                    CallError::HasSuccessor(by) => self.core.publish_report(*by).is_some_and(|r| r.link.is_some()),
                    _ => false,
                };
                self.check(right, &format!("a call is refused for a reason that holds: {error:?}, {told}"));
                None
            }
        }
    }

    /// Whether the pool has the nth relay.
    pub fn knows(&self, relay: usize) -> bool {
        self.core.relay(&self.sites[relay].url).is_some()
    }

    pub(super) fn url(&self, relay: usize) -> RelayUrl {
        self.sites[relay].url.clone()
    }

    fn which(&self, relay: Option<u8>) -> Which {
        relay.map_or(Which::All, |relay| Which::One(self.url(self.nth(relay))))
    }

    /// Another client publishes to some of the relays, and more to one that is flooded.
    pub(super) fn note_elsewhere(&mut self, relays: u8) {
        let event = self.note_of_others();
        for n in 0..self.sites.len() {
            if relays >> (n % 8) & 1 == 1 {
                self.store(n, &event);
            }
            if self.sites[n].floods {
                for _ in 0..self.rng.between(10, 30) {
                    let event = self.note();
                    self.store(n, &event);
                }
            }
        }
    }

    pub(super) fn store(&mut self, relay: usize, event: &nostr_proto::Event) {
        let (micros, date) = (self.clock.micros(), self.clock.date().as_secs());
        let site = &mut self.sites[relay];
        if site.relay.store(event.clone()) {
            site.accepted.took(event, &site.relay, micros, date);
        }
        self.drain_relay(relay);
    }

    /// What a call names, and which relays that means by now.
    pub(super) fn target(&self, target: Where, takes: impl Fn(&RelayOptions) -> bool) -> (Target, Vec<RelayUrl>) {
        let named = |urls: Vec<RelayUrl>| (Target::Relays(urls.clone()), urls);
        match target {
            Where::All => {
                let taken = self.members.iter().filter(|(_, options)| takes(options));
                (Target::All, taken.map(|(&n, _)| self.url(n)).collect())
            }
            Where::One(n) => named(vec![self.url(self.nth(n))]),
            Where::Twice(n) => {
                let url = self.url(self.nth(n));
                named(vec![url.clone(), self.url(0), url])
            }
        }
    }

    fn publish(&mut self, target: Where, votes: Votes, note: Note, terms: Terms) {
        let keys = self.rng.pick(&self.keys).clone();
        let event = self.template_of(note).unsigned(keys.public_key()).sign(&keys, [0; 32]);
        self.oracle.answers.made(&event);
        let quorum = match votes {
            Votes::First => Quorum::First,
            Votes::Majority => Quorum::Majority,
            Votes::All => Quorum::All,
            Votes::Third => Quorum::Percent(30),
        };
        let (target, asked) = self.asked(target, &quorum, false);
        let (deadline, link) = (seconds(terms.patience), self.linked(terms));
        let call = Call::Publish(Publish { event, target, quorum, deadline, link });
        let reply = self.try_call(call);
        self.published(reply, asked, deadline);
    }

    fn linked(&self, terms: Terms) -> Option<PublishId> {
        self.oracle.publishes.nth(terms.follows?).map(|(_, publish, _)| publish)
    }

    fn publish_unsigned(&mut self, target: Where, note: Note, terms: Terms) {
        let author = self.keys[0].public_key();
        let event = self.template_of(note).unsigned(author);
        let quorum = Quorum::First;
        let (target, asked) = self.asked(target, &quorum, true);
        let (deadline, link) = (seconds(terms.patience), self.linked(terms));
        let call = Call::PublishUnsigned(PublishUnsigned { event, target, quorum, deadline, link });
        let reply = self.try_call(call);
        self.published(reply, asked, deadline);
    }

    /// The connection ends right after the event, by the application's own doing.
    fn impatient(&mut self, relay: u8, times: u8, millis: u16) {
        self.publish(Where::One(relay), Votes::First, Note::Plain, Terms { patience: 0, follows: None });
        for _ in 0..times {
            self.pass(u64::from(millis) * 1_000);
            self.totals.fault("reconnected right after an event");
            self.reconnect(self.nth(relay), ReconnectOptions::default());
        }
    }

    fn reconnect(&mut self, relay: usize, options: ReconnectOptions) {
        let url = self.url(relay);
        self.oracle.dials.user_wants(Some(&url), !options.keep_backoff);
        self.oracle.slots.kept(Some(&url));
        let now = self.now().mono;
        self.oracle.watch.wanted(Some(&url), now);
        self.try_call(Call::Reconnect { which: Which::One(url), options });
    }

    pub(super) fn relay_info(&mut self, relay: usize, max: u16) {
        let url = self.url(relay);
        let takes = self.sites[relay].takes.filter(|(_, says)| *says).map(|(takes, _)| takes).unwrap_or_default();
        let Takes { requests, filters, .. } = takes;
        let json = format!(
            "{{\"limitation\":{{\"max_message_length\":{max},\"max_subscriptions\":{requests},\"max_filters\":{filters}}}}}"
        );
        let info = Box::new(RelayInfo::from_json(&json).expect("a document"));
        if self.knows(relay) && !self.shut {
            self.oracle.sending.takes(&url, usize::from(max));
            let bytes = if max < 1_024 { 0 } else { usize::from(max) };
            self.oracle.takes.takes(&url, Takes { bytes, ..takes });
        }
        self.try_call(Call::RelayInfo { url, info });
    }

    fn retry(&mut self, publish: u8, patience: u8) {
        if let Some((event, _, mut asked)) = self.oracle.publishes.nth(publish) {
            let deadline = seconds(patience);
            let reply = self.try_call(Call::Retry { event, deadline });
            if let Some(Reply::Publishing(publish, _)) = reply {
                // Relays that were taken out of the pool meanwhile are not asked again.
                let report = self.core.publish_report(publish);
                asked.relays = report.into_iter().flat_map(|r| r.relays).map(|(url, _)| url).collect();
            }
            self.published(reply, asked, deadline);
        }
    }

    fn cancel(&mut self, publish: u8) {
        if let Some((_, publish, _)) = self.oracle.publishes.nth(publish) {
            self.try_call(Call::Cancel { publish });
        }
    }

    /// What the oracle is told: relays count once, and the pinned ones are among them.
    fn asked(&self, target: Where, quorum: &Quorum, unsigned: bool) -> (Target, Asked) {
        let (target, urls) = self.target(target, |options| options.write);
        let pinned = self.members.iter().filter(|(_, options)| options.pinned).map(|(&n, _)| self.url(n));
        let relays = urls.into_iter().chain(pinned).collect();
        (target, Asked { relays, quorum: quorum.clone(), unsigned })
    }

    #[expect(clippy::needless_pass_by_value, reason = "the reply ends here")]
    fn published(&mut self, reply: Option<Reply>, asked: Asked, patience: Option<Duration>) {
        let Some(Reply::Publishing(publish, event)) = reply else { return };
        let deadline = self.now().mono + patience.unwrap_or(self.core.config().publish_deadline);
        if let Err(rule) = self.oracle.publishes.published(publish, event, asked, deadline) {
            self.check(false, rule);
        }
    }

    pub(super) fn add_relay(&mut self, relay: usize, options: u8) {
        let is_set = |n: u8| options >> n & 1 == 1;
        let options = RelayOptions {
            read: !is_set(0),
            write: !is_set(1),
            pinned: is_set(2),
            reconnect_on_close: !is_set(3),
            reconnect_on_error: !is_set(4),
            reconnect_on_notice: is_set(5),
            quarantine: !is_set(6),
            ..RelayOptions::default()
        };
        if self.shut {
            return;
        }
        let url = self.url(relay);
        self.members.insert(relay, options);
        self.oracle.reads(&url, options.read);
        self.oracle.watch.added(&url, options, self.now().mono);
        self.call(Call::AddRelay { url, options }).expect("there is room");
    }

    fn remove_relay(&mut self, relay: usize) {
        let url = self.url(relay);
        // A relay that is taken in again is a new one.
        let now = self.now().mono;
        self.oracle.removed(&url, now);
        if self.try_call(Call::RemoveRelay { url }).is_some() {
            self.totals.fault("relay removed");
            self.members.remove(&relay);
        }
    }

    fn connect(&mut self, relay: Option<u8>) {
        let url = relay.map(|relay| self.url(self.nth(relay)));
        self.oracle.dials.user_wants(url.as_ref(), false);
        self.oracle.slots.kept(url.as_ref());
        let now = self.now().mono;
        self.oracle.watch.wanted(url.as_ref(), now);
        let which = self.which(relay);
        self.try_call(Call::Connect { which });
    }

    /// The pool forgets everything, and the application with it.
    pub(super) fn start_clean(&mut self) {
        if self.shut {
            return;
        }
        let stats = self.core.stats();
        self.totals.duplicates += stats.duplicates;
        self.totals.forged += stats.forged;
        self.oracle.dials.user_wants(None, true);
        self.oracle.counts.may_end();
        let now = self.now().mono;
        self.oracle.watch.start_clean(now);
        self.oracle.slots.start_clean();
        self.call(Call::StartClean).expect("the pool is open");
        let open = self.oracle.open_subscriptions();
        self.check(open.is_empty(), &format!("every subscription has ended; left: {open:?}"));
    }

    /// What never was is refused by its name, and changes nothing.
    fn unknown(&mut self, call: u8) {
        let (sub, publish) = (SubId::from_u64(u64::MAX), PublishId::from_u64(u64::MAX));
        let url = RelayUrl::parse("wss://never.example.com").expect("a valid URL");
        let event = EventId::from_bytes([7; 32]);
        let which = Which::One(url.clone());
        let (call, expected) = match call % 8 {
            0 => (Call::Unsubscribe { sub }, CallError::UnknownSubscription(sub)),
            1 => (Call::Update { sub, filters: vec![Filter::new()] }, CallError::UnknownSubscription(sub)),
            2 => (Call::Cancel { publish }, CallError::UnknownPublish(publish)),
            3 => (Call::Retry { event, deadline: None }, CallError::UnknownEvent(event)),
            4 => (Call::RemoveRelay { url: url.clone() }, CallError::UnknownRelay(url)),
            5 => (Call::Connect { which }, CallError::UnknownRelay(url)),
            6 => (Call::Reconnect { which, options: ReconnectOptions::default() }, CallError::UnknownRelay(url)),
            _ => (Call::Disconnect { which, code: 1000, reason: String::new() }, CallError::UnknownRelay(url)),
        };
        self.totals.fault("call of what never was");
        let expected = if self.shut { CallError::Closed } else { expected };
        let reply = self.quietly(|world| world.core.handle_call(call, world.clock.read()));
        self.check(reply == Err(expected.clone()), &format!("what never was is refused: {expected:?}, not {reply:?}"));
        let taken = Call::Taken { sub, items: 3, bytes: 3 };
        let reply = self.quietly(|world| world.core.handle_call(taken, world.clock.read()));
        self.check(reply == Ok(Reply::Done), "items can always be taken");
    }
}

/// A deadline of its own; `None`: the default.
pub(super) fn seconds(patience: u8) -> Option<Duration> {
    (patience > 0).then(|| Duration::from_secs(patience.into()))
}
