//! Whatever a relay does about authentication, and the application with it: nothing waits for what will not come, a key
//! is shown only while the application names it, and in the end, with a relay that has come to its senses, every
//! subscription is live and every publish settled.

use std::collections::{BTreeMap, BTreeSet};

use nostr_pool_core::*;
use nostr_proto::{Event, EventId, Keys, PublicKey, UnsignedEvent};
use proptest::prelude::*;

use super::bench::*;

#[derive(Clone, Debug)]
enum Op {
    Challenge(u8),
    TooLong,
    /// The nth running request, or the nth EVENT that was sent, is refused.
    Close(usize, &'static str),
    Refuse(usize, &'static str),
    Eose(usize),
    Accept(usize),
    /// The answer to an AUTH: to the nth that was sent, or to one that never was.
    Ok(usize, bool),
    OkOfNothing(bool),
    Sign(bool),
    Subscribe(bool),
    Publish(u8),
    Options(Option<AuthPolicy>, Option<u8>, bool),
    Authenticate,
    Deny,
    Lose,
    Pass(u64),
}

const LACKS: [&str; 4] = ["auth-required: x", "restricted: x", "auth-required:", "Auth-Required : who"];

fn op() -> impl Strategy<Value = Op> {
    let lack = || (0..LACKS.len()).prop_map(|n| LACKS[n]);
    let nth = || 0..4_usize;
    let policy = prop_oneof![
        1 => Just(Some(AuthPolicy::Never)), 1 => Just(Some(AuthPolicy::Ask)), 3 => Just(Some(AuthPolicy::Always))
    ];
    prop_oneof![
        6 => (0..4_u8).prop_map(Op::Challenge),
        1 => Just(Op::TooLong),
        6 => (nth(), lack()).prop_map(|(n, lack)| Op::Close(n, lack)),
        4 => (nth(), lack()).prop_map(|(n, lack)| Op::Refuse(n, lack)),
        3 => nth().prop_map(Op::Eose),
        2 => nth().prop_map(Op::Accept),
        6 => (nth(), any::<bool>()).prop_map(|(n, yes)| Op::Ok(n, yes)),
        1 => any::<bool>().prop_map(Op::OkOfNothing),
        6 => prop_oneof![5 => Just(true), 1 => Just(false)].prop_map(Op::Sign),
        3 => any::<bool>().prop_map(Op::Subscribe),
        3 => any::<u8>().prop_map(Op::Publish),
        2 => (policy, prop::option::weighted(0.8, 0..2_u8), any::<bool>())
            .prop_map(|(policy, who, at_once)| Op::Options(policy, who, at_once)),
        1 => Just(Op::Authenticate),
        1 => Just(Op::Deny),
        2 => Just(Op::Lose),
        4 => prop_oneof![0..3_u64, 0..20_u64].prop_map(Op::Pass),
    ]
}

fn person(n: u8) -> Keys {
    Keys::from_entropy([20 + n; 32]).unwrap()
}

/// What the relay and the application know.
struct Scene {
    b: Bench,
    socket: SocketId,
    running: Vec<String>,
    sent: Vec<EventId>,
    auths: Vec<EventId>,
    accepted: Vec<EventId>,
    order: Vec<(Ticket, UnsignedEvent)>,
    options: RelayOptions,
    allowed: bool,
    shown: Option<PublicKey>,
    opened_at: Instant,
    subs: Vec<SubId>,
    publishes: Vec<PublishId>,
    /// Events that the application published more than once.
    twice: BTreeMap<EventId, u32>,
}

impl Scene {
    fn new() -> Self {
        let config = Config { max_refusals: 1_000, ..config(AuthPolicy::Always) };
        let options = RelayOptions { identity: Some(person(0).public_key()), ..private() };
        let (b, socket) = Bench::connected(Config { identity: None, ..config }, options);
        Self {
            b,
            socket,
            running: vec![],
            sent: vec![],
            auths: vec![],
            accepted: vec![],
            order: vec![],
            options,
            allowed: false,
            shown: None,
            opened_at: Instant::ZERO,
            subs: vec![],
            publishes: vec![],
            twice: BTreeMap::new(),
        }
    }

    /// What went out; the key of an AUTH is one that is named.
    fn look(&mut self) -> Result<(), TestCaseError> {
        self.order.extend(self.b.orders().into_iter().map(|(ticket, _, event)| (ticket, event)));
        for frame in self.b.sent() {
            let name = frame.split('"').nth(3).unwrap_or_default().to_owned();
            if frame.starts_with("[\"REQ\"") {
                self.running.push(name);
            } else if frame.starts_with("[\"CLOSE\"") {
                self.running.retain(|other| *other != name);
            } else {
                let json = &frame[frame.find('{').unwrap()..frame.len() - 1];
                let event = Event::from_json(json).unwrap();
                if frame.starts_with("[\"AUTH\"") {
                    let named = self.shown.or(self.options.identity);
                    prop_assert!(self.allowed || named == Some(event.pubkey()), "shown is who is named");
                    let may = self.options.auth == Some(AuthPolicy::Always) || self.allowed;
                    prop_assert!(may, "shown with consent");
                    self.shown.get_or_insert(event.pubkey());
                    self.auths.push(event.id());
                } else {
                    let again = self.twice.get(&event.id()).is_some_and(|n| *n > 1);
                    prop_assert!(again || !self.accepted.contains(&event.id()), "what was accepted is not sent again");
                    self.sent.push(event.id());
                }
            }
        }
        let state = self.b.auth();
        let under_way = !matches!(
            state,
            AuthState::Unchallenged | AuthState::Challenged | AuthState::Authenticated { .. } | AuthState::Failed(_)
        );
        for sub in &self.subs {
            if self.b.leg(*sub) == LegState::Waiting(Why::Auth) {
                // A challenge may be waited for, while a connection is new.
                let new = self.b.now.mono <= self.opened_at + self.b.core.config().auth_wait;
                prop_assert!(under_way || new, "{sub} waits for what will not come: {state:?}");
            }
        }
        Ok(())
    }

    fn step(&mut self, op: &Op) -> Result<(), TestCaseError> {
        let socket = self.socket;
        match op {
            Op::Challenge(n) => self.b.text(socket, &format!("[\"AUTH\",\"c{n}\"]")),
            Op::TooLong => self.b.text(socket, &format!("[\"AUTH\",\"{}\"]", "x".repeat(5_000))),
            Op::Close(n, lack) if !self.running.is_empty() => {
                let name = self.running.remove(n % self.running.len());
                self.b.text(socket, &closed(&name, lack));
            }
            Op::Eose(n) if !self.running.is_empty() => {
                let name = self.running[n % self.running.len()].clone();
                self.b.text(socket, &eose(&name));
            }
            Op::Refuse(n, lack) if !self.sent.is_empty() => {
                let id = self.sent[n % self.sent.len()];
                self.b.ok(socket, id, false, lack);
            }
            Op::Accept(n) if !self.sent.is_empty() => {
                let id = self.sent[n % self.sent.len()];
                self.accepted.push(id);
                self.b.ok(socket, id, true, "");
            }
            Op::Ok(n, yes) if !self.auths.is_empty() => {
                let id = self.auths[n % self.auths.len()];
                self.b.ok(socket, id, *yes, "error: hm");
            }
            Op::OkOfNothing(yes) => self.b.text(socket, &format!("[\"OK\",\"\",{yes},\"\"]")),
            Op::Sign(yes) => self.sign(*yes),
            Op::Subscribe(hidden) => {
                let filter = if *hidden { gift_wraps() } else { notes() };
                let sub = self.b.subscribe(filter, Mode::Live);
                self.subs.push(sub);
            }
            Op::Publish(n) => {
                let event = note(&format!("{n}"));
                *self.twice.entry(event.id()).or_default() += 1;
                let publish = self.b.publish(&event);
                self.publishes.push(publish);
            }
            Op::Options(auth, who, auth_at_once) => {
                let identity = who.map(|n| person(n).public_key());
                self.options = RelayOptions { auth: *auth, identity, auth_at_once: *auth_at_once, ..private() };
                self.b.call(Call::AddRelay { url: url(0), options: self.options }).unwrap();
            }
            Op::Authenticate => {
                let done = self.b.call(Call::Authenticate { url: url(0), identity: None });
                self.allowed |= done.is_ok();
            }
            Op::Deny => {
                self.b.call(Call::DenyAuth { url: url(0) }).unwrap();
            }
            Op::Lose => self.reconnect(),
            Op::Pass(seconds) => (0..*seconds).for_each(|_| self.pass()),
            _ => {}
        }
        self.look()
    }

    fn sign(&mut self, yes: bool) {
        let Some((ticket, event)) = self.order.pop() else { return };
        let signer = (0..2).map(person).find(|keys| keys.public_key() == event.pubkey()).unwrap();
        let outcome = if yes { Ok(event.sign(&signer, [0; 32])) } else { Err("no".to_owned()) };
        self.b.input(Input::Signed { ticket, outcome });
    }

    fn reconnect(&mut self) {
        // What had gone out by then was seen.
        self.look().unwrap();
        self.b.lose(self.socket);
        self.running.clear();
        self.auths.clear();
        (self.shown, self.allowed) = (None, false);
        self.b.call(Call::Reconnect { which: Which::All, options: ReconnectOptions::default() }).unwrap();
        self.opened_at = self.b.now.mono;
        self.socket = self.b.open(0);
    }

    /// The relay does what NIP-42 says from now on.
    fn heal(&mut self) -> Result<(), TestCaseError> {
        let identity = Some(person(0).public_key());
        self.options = RelayOptions { identity, auth_at_once: true, ..private() };
        self.b.call(Call::AddRelay { url: url(0), options: self.options }).unwrap();
        self.reconnect();
        let (socket, mut known, mut answered) = (self.socket, false, BTreeSet::new());
        self.b.text(socket, "[\"AUTH\",\"fresh\"]");
        for _ in 0..400 {
            let (sent, auths) = (self.sent.len(), self.auths.len());
            self.look()?;
            while !self.order.is_empty() {
                self.sign(true);
                self.look()?;
            }
            for id in self.auths.clone().drain(auths..) {
                known = true;
                self.b.ok(socket, id, true, "");
            }
            for id in self.sent.clone().drain(sent..) {
                self.b.ok(socket, id, known, "auth-required: x");
            }
            for name in self.running.clone().into_iter().filter(|name| answered.insert(name.clone())) {
                let answer = if known { eose(&name) } else { closed(&name, "auth-required: x") };
                if !known {
                    self.running.retain(|other| *other != name);
                }
                self.b.text(socket, &answer);
            }
            self.pass();
        }
        Ok(())
    }

    /// A second, in which the relay is alive.
    fn pass(&mut self) {
        self.b.input(Input::Ping { socket: self.socket });
        self.b.pass(SECOND);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_waits_for_ever(ops in prop::collection::vec(op(), 1..80)) {
        let mut scene = Scene::new();
        for op in &ops {
            scene.step(op)?;
        }
        scene.heal()?;
        for sub in scene.subs.clone() {
            prop_assert_eq!(scene.b.leg(sub), LegState::Live, "{}", sub);
        }
        for publish in scene.publishes.clone() {
            let status = scene.b.core.publish_report(publish).map(|report| report.relays[0].1.clone());
            let open = matches!(status, Some(PublishStatus::Queued | PublishStatus::InFlight));
            prop_assert!(!open, "{:?} is {:?}", publish, status);
        }
    }
}

/// What they shared was refused for lack of an authentication: each was asked alone, for which there were too few places.
#[test]
fn many_that_shared_what_was_refused_all_live_in_the_end() {
    let some = |n: usize| core::iter::repeat_n(Op::Subscribe(false), n);
    let ops = [Op::Subscribe(false), Op::Subscribe(true), Op::Challenge(0), Op::Deny].into_iter();
    let ops = ops.chain(some(3)).chain([Op::Authenticate, Op::Challenge(1), Op::Sign(true), Op::Sign(true)]);
    let ops = ops.chain(some(7)).chain([Op::Ok(0, false)]).chain(some(2)).chain([Op::Authenticate]);
    let mut scene = Scene::new();
    ops.for_each(|op| scene.step(&op).unwrap());
    scene.heal().unwrap();
    for sub in &scene.subs {
        assert_eq!(scene.b.leg(*sub), LegState::Live, "{sub}");
    }
}
