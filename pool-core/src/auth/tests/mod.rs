//! The machine alone: its tables, walked; and arbitrary inputs against a naive model.

mod model;
mod rules;
mod table;

use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use nostr_proto::{Event, Keys, PublicKey, Reason, RelayUrl, Timestamp, UnsignedEvent};

use super::*;
use crate::config::Config;
use crate::event::PoolEvent;
use crate::time::Now;

/// A machine and all that it needs.
struct Bench {
    auth: Auth,
    config: Config,
    fx: Effects,
    policy: AuthPolicy,
    identity: Option<PublicKey>,
    link: bool,
    at_once: bool,
    now: Now,
}

fn url() -> RelayUrl {
    RelayUrl::parse("wss://relay.example.com/inbox").unwrap()
}

/// One of three people.
fn keys(n: u8) -> Keys {
    Keys::from_entropy([n + 1; 32]).unwrap()
}

fn key(n: u8) -> PublicKey {
    keys(n).public_key()
}

fn reason(text: &str) -> Reason {
    Reason::parse(text)
}

impl Bench {
    fn new(policy: AuthPolicy) -> Self {
        Self {
            auth: Auth::new(url()),
            config: Config::default(),
            fx: Effects::default(),
            policy,
            identity: Some(key(0)),
            link: false,
            at_once: false,
            now: Now { mono: Instant::from_micros(1_000_000), unix: Timestamp::new(1_700_000_000) },
        }
    }

    /// One that is connected.
    fn open(policy: AuthPolicy) -> Self {
        let mut b = Self::new(policy);
        b.opened();
        b
    }

    fn step<R>(&mut self, step: impl FnOnce(&mut Auth, &Context<'_>, &mut Effects) -> R) -> R {
        let cx = Context {
            config: &self.config,
            policy: self.policy,
            identity: self.identity,
            at_once: self.at_once,
            link: self.link,
            now: self.now,
            #[cfg(feature = "planted-bugs")]
            other: None,
        };
        step(&mut self.auth, &cx, &mut self.fx)
    }

    fn pass(&mut self, by: Duration) {
        self.now.mono = self.now.mono + by;
        self.now.unix = Timestamp::new(self.now.unix.as_secs() + by.as_secs());
    }

    /// Time passes until the machine wants to be woken.
    fn wake(&mut self) -> Change {
        let at = self.auth.deadline().expect("something is due");
        self.pass(at.saturating_since(self.now.mono));
        self.step(Auth::timeout)
    }

    fn opened(&mut self) {
        self.step(Auth::opened);
    }

    fn challenge(&mut self, text: &str) -> Change {
        self.step(|auth, cx, fx| auth.challenged(text, cx, fx))
    }

    fn refuse(&mut self, lack: Lack) -> (Refusal, Change) {
        let under = self.auth.epoch();
        self.step(|auth, cx, fx| auth.refused(lack, under, cx, fx))
    }

    fn allow(&mut self, n: u8) -> Result<Change, NotAllowed> {
        self.step(|auth, cx, fx| auth.allow(Some(key(n)), cx, fx))
    }

    fn deny(&mut self) -> Change {
        self.step(|auth, _, fx| auth.deny(fx))
    }

    fn sign(&mut self, event: &UnsignedEvent) -> Change {
        let signer = (0..3).map(keys).find(|k| k.public_key() == event.pubkey()).expect("a key of ours");
        let signed = event.sign(&signer, [0; 32]);
        self.signed(event, Ok(signed))
    }

    fn signed(&mut self, event: &UnsignedEvent, outcome: Result<Event, &str>) -> Change {
        self.step(|auth, cx, fx| auth.signed(event.id(), outcome, cx, fx))
    }

    fn send(&mut self) -> Option<String> {
        self.step(Auth::send).map(|frame| String::from(&*frame))
    }

    fn ok(&mut self, event: Option<EventId>, accepted: bool, text: &str) -> Option<Change> {
        self.step(|auth, cx, fx| auth.ok(event, accepted, &reason(text), cx, fx))
    }

    /// Signs and sends what is to be signed, and returns its id.
    fn answer(&mut self, change: Change) -> EventId {
        let event = to_sign(change);
        assert_eq!(self.sign(&event), Change::Ready);
        assert!(self.send().is_some());
        event.id()
    }

    /// Answers a challenge, and has the relay say yes.
    fn authenticate(&mut self, challenge: &str) -> EventId {
        let change = self.challenge(challenge);
        let change = if change == Change::None { self.refuse(Lack::Unknown).1 } else { change };
        let id = self.answer(change);
        assert_eq!(self.ok(Some(id), true, ""), Some(Change::Granted));
        id
    }

    fn told(&mut self) -> Vec<AuthState> {
        let told = self.fx.events.drain(..).map(|event| match event {
            PoolEvent::Relay { relay, update: RelayUpdate::Auth(state) } if relay == url() => state,
            other => panic!("not of this machine: {other:?}"),
        });
        told.collect()
    }
}

fn to_sign(change: Change) -> UnsignedEvent {
    match change {
        Change::Sign(event) => event,
        other => panic!("something to sign, not {other:?}"),
    }
}
