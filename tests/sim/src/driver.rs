//! The driver of a run: what the core wants is done, and what it tells is shown.

use nostr_pool_core::{Call, CloseReason, Command, Gap, GapCause, Item, PoolEvent, SocketId, SubId, Ticket};
use nostr_pool_corpus::rng::Rng;
use nostr_proto::{EventTemplate, HashedEvent, RelayUrl, UnsignedEvent};

use super::bounds::Untaken;
use super::links::Outgoing;
use super::net::Arrival;
use super::phases::few;
use super::step::{Dialling, Signer, Sink};
use super::world::World;

impl World {
    pub(super) fn carry_out(&mut self, command: Command) {
        if let Err(rule) = self.oracle.command(&command, self.now()) {
            self.check(false, &format!("{rule}: {command:?}"));
        }
        match command {
            Command::Open { socket, url, .. } => {
                let relay = self.sites.iter().position(|s| s.url == url).expect("the pool dials relays of this world");
                self.dial(socket, relay);
            }
            Command::Send { socket, frame } => self.send(socket, Outgoing::Text(frame.to_string())),
            Command::Ping { socket } => self.send(socket, Outgoing::Ping),
            Command::Close { socket, .. } => self.close(socket),
            Command::PauseRead { socket } => {
                if let Some(link) = self.links.get_mut(&socket) {
                    link.paused = true;
                }
            }
            Command::ResumeRead { socket } => {
                let Some(link) = self.links.get_mut(&socket) else { return };
                link.paused = false;
                self.net.depart(self.clock.micros(), Arrival::ReadOn { socket });
            }
            Command::Verify { ticket, event } => self.verify(ticket, &event),
            Command::Sign { ticket, event } | Command::SignAuth { ticket, event, .. } => self.sign(ticket, &event),
        }
    }

    fn dial(&mut self, socket: SocketId, relay: usize) {
        self.ways.insert(socket, relay);
        let (line, rate) = (&mut self.lines[relay], self.plan.rates.hung);
        let mut at = self.clock.micros() + line.latency();
        match line.dialling {
            Dialling::Works | Dialling::Refused => {}
            Dialling::Slow(millis) => {
                at += u64::from(millis) * 1_000;
                self.totals.fault("dial slow");
            }
            Dialling::Hangs => {
                self.totals.fault("dial hanging");
                return;
            }
        }
        if self.faulty && line.fails(rate) {
            at += line.late();
            self.totals.fault("dial late");
        }
        self.net.depart(at, Arrival::Dialled { socket, relay });
    }

    fn close(&mut self, socket: SocketId) {
        let relay = self.ways.get(&socket).copied().unwrap_or_default();
        self.drop_link(socket);
        let (line, rate) = (&mut self.lines[relay], self.plan.rates.hung);
        let mut at = self.clock.micros() + line.latency();
        if self.faulty && line.fails(rate) {
            at += line.late();
            self.totals.fault("closing handshake late");
        }
        self.net.depart(at, Arrival::Gone { socket, reason: CloseReason::Local });
    }

    /// A frame goes to the sink, which takes it in its own time.
    pub(super) fn send(&mut self, socket: SocketId, what: Outgoing) {
        let Some(link) = self.links.get_mut(&socket) else { return };
        let line = &mut self.lines[link.relay];
        let now = self.clock.micros();
        let taken = match line.sink {
            Sink::Prompt => now,
            Sink::Late(millis) => now + u64::from(millis) * 1_000,
            Sink::Bursts(millis) => now.next_multiple_of(u64::from(millis.max(1)) * 1_000),
            Sink::Stuck => {
                self.totals.fault("send credit withheld");
                link.sink.push_back(what);
                return;
            }
        };
        if taken > now {
            self.totals.fault("send credit late");
        }
        link.to_relay_at = (taken + line.latency()).max(link.to_relay_at + 1);
        let at = link.to_relay_at;
        match what {
            Outgoing::Text(text) => self.net.depart(at, Arrival::ToRelay { socket, text }),
            Outgoing::Ping => {
                // The pong comes after all that the relay had sent before.
                link.to_pool_at = (at + 1_000).max(link.to_pool_at + 1);
                let at = link.to_pool_at;
                self.net.depart(at, Arrival::Pong { socket });
            }
        }
        let at = taken + line.latency();
        self.net.depart(at, Arrival::Sent { socket });
    }

    /// How long the verifier takes depends on the event alone, so that other relays' events do not change it.
    fn verify(&mut self, ticket: Ticket, event: &HashedEvent) {
        let outcome = nostr_proto::verify(event);
        let id = event.id();
        let (head, _) = id.as_bytes().split_at(8);
        let mut draw = Rng::new(head.iter().fold(self.plan.seed, |all, byte| all << 8 ^ all >> 56 ^ u64::from(*byte)));
        if self.verifier > 1_000 {
            self.totals.fault("verifier slow");
        }
        let at = self.after(draw.between(1, usize::from(self.verifier) * 1_000) as u64);
        self.net.depart(at, Arrival::Verified { ticket, outcome });
    }

    fn sign(&mut self, ticket: Ticket, event: &UnsignedEvent) {
        let keys = self.keys.iter().find(|k| k.public_key() == event.pubkey()).cloned();
        let keys = keys.unwrap_or_else(|| self.plan.identity());
        let rate = usize::from(self.plan.rates.unsigned);
        let refuses = self.faulty && rate > 0 && self.signer_rng.one_in(rate);
        let outcome = match self.signer {
            Signer::Silent => {
                self.totals.fault("signer silent");
                return;
            }
            Signer::Wrong => {
                self.totals.fault("signer wrong");
                let other = EventTemplate::new(event.kind(), "not what was to be signed", event.created_at());
                Ok(other.unsigned(keys.public_key()).sign(&keys, [0; 32]))
            }
            Signer::Signs if !refuses => {
                let event = event.sign(&keys, [0; 32]);
                self.oracle.answers.made(&event);
                Ok(event)
            }
            Signer::Signs | Signer::Refuses => {
                self.totals.fault("signer refused");
                Err("the user said no".to_owned())
            }
        };
        let at = {
            let wait = self.signer_rng.between(500, 80_000) as u64;
            self.after(wait)
        };
        self.net.depart(at, Arrival::Signed { ticket, outcome });
    }

    pub(super) fn show(&mut self, event: &PoolEvent) {
        self.oracle.true_time(self.clock.micros());
        if let Err(rule) = self.oracle.event(event, self.now(), self.called) {
            self.check(false, &format!("{rule}: {event:?}"));
        }
        if let PoolEvent::Item { sub, item } = event {
            if let Item::Gap(Gap { relay: Some(relay), cause: GapCause::CaughtUp { .. }, .. }) = item {
                self.check_caught_up(*sub, relay);
            }
            self.take(*sub, item);
        }
    }

    /// Whoever has caught up has all that the relay had taken when it was last asked.
    fn check_caught_up(&self, id: SubId, relay: &RelayUrl) {
        let (Some(site), Some(sub)) = (self.sites.iter().find(|site| site.url == *relay), self.oracle.sub(id)) else {
            return;
        };
        if site.misleads {
            return;
        }
        let by = sub.asked_at.get(relay).copied().unwrap_or_default();
        let missing = self.oracle.missing_of(id, site, by, self.now().unix.as_secs());
        self.check(missing.is_empty(), &format!("whoever has caught up has everything; missing: {}", few(&missing)));
    }

    /// The application takes each item at once, unless it is slow.
    fn take(&mut self, sub: SubId, item: &Item) {
        if matches!(item, Item::End(_)) {
            self.untaken.remove(&sub);
        }
        let is_event = matches!(item, Item::Event(_) | Item::Pending(_));
        self.check(!is_event || !self.is_beyond(), "no event is added to queues that hold more than they may");
        self.untaken.entry(sub).or_default().add(item);
        self.note_crowd();
        self.note_full(sub);
        self.progress.entry(sub).or_default().shown(item);
        self.check_queue(sub);
        if !self.faulty || !self.slow.contains_key(&sub) {
            self.take_some(sub, usize::MAX);
        }
    }

    /// Whether the queues together hold more than they may.
    fn is_beyond(&self) -> bool {
        self.untaken.values().map(Untaken::bytes).sum::<usize>() > self.core.config().max_queued_bytes
    }

    /// While they do, what comes is skipped, also for who has only just subscribed.
    pub(super) fn note_crowd(&mut self) {
        if self.is_beyond() {
            self.oracle.is_crowded();
        }
    }

    /// The application takes so many items of what is there for a subscription.
    pub(super) fn take_some(&mut self, sub: SubId, items: usize) {
        let Some(untaken) = self.untaken.get_mut(&sub) else { return };
        let (items, bytes) = untaken.take(items);
        if items > 0 {
            self.progress.entry(sub).or_default().taken(items);
            let taken = Call::Taken { sub, items, bytes };
            self.core.handle_call(taken, self.clock.read()).expect("items can always be taken");
        }
    }

    /// The slow application catches up, by so many items each.
    pub(super) fn catch_up(&mut self, items: usize) {
        for sub in self.slow.keys().copied().collect::<Vec<_>>() {
            self.take_some(sub, items);
            self.settle();
        }
        // What was skipped, if anything was, is told by now where there is room again.
        let roomy = !self.is_beyond();
        for sub in self.oracle.open_subscriptions() {
            if roomy && self.untaken.get(&sub).is_none_or(Untaken::is_empty) {
                self.oracle.has_room(sub);
            }
        }
    }
}
