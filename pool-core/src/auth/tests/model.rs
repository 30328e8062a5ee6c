//! Arbitrary inputs, and what a bystander can say of what comes of them.

use std::format;
use std::string::ToString;
use std::vec;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Opened,
    Lost,
    Challenge(u8),
    TooLong,
    /// What was refused was sent now, or so many epochs ago.
    Refused(Lack, u64),
    Private,
    Allow(u8),
    Deny,
    Signed(bool),
    Send,
    Ok(Named, bool),
    Advance(u64),
    Policy(AuthPolicy),
    Identity(Option<u8>),
    Link(bool),
    AtOnce(bool),
}

#[derive(Clone, Copy, Debug)]
enum Named {
    Ours,
    Nothing,
    Another,
}

fn op() -> impl Strategy<Value = Op> {
    let policy = prop_oneof![
        1 => Just(AuthPolicy::Never), 2 => Just(AuthPolicy::Ask), 6 => Just(AuthPolicy::Always)
    ];
    let named = prop_oneof![8 => Just(Named::Ours), 1 => Just(Named::Nothing), 1 => Just(Named::Another)];
    let lack = prop_oneof![3 => Just(Lack::Unknown), 1 => Just(Lack::Restricted)];
    prop_oneof![
        3 => Just(Op::Opened),
        2 => Just(Op::Lost),
        12 => (0..4_u8).prop_map(Op::Challenge),
        1 => Just(Op::TooLong),
        12 => (lack, 0..2_u64).prop_map(|(lack, ago)| Op::Refused(lack, ago)),
        2 => Just(Op::Private),
        2 => (0..3_u8).prop_map(Op::Allow),
        2 => Just(Op::Deny),
        12 => prop_oneof![9 => Just(true), 1 => Just(false)].prop_map(Op::Signed),
        14 => Just(Op::Send),
        14 => (named, any::<bool>()).prop_map(|(named, yes)| Op::Ok(named, yes)),
        10 => prop_oneof![0..2_000_u64, 0..70_000_u64].prop_map(Op::Advance),
        2 => policy.prop_map(Op::Policy),
        2 => proptest::option::of(0..3_u8).prop_map(Op::Identity),
        1 => any::<bool>().prop_map(Op::Link),
        1 => any::<bool>().prop_map(Op::AtOnce),
    ]
}

/// What a bystander has seen.
struct Bystander {
    up: bool,
    opened_at: Instant,
    latest: Option<String>,
    /// The application said yes, and nothing has come of it yet.
    said_yes: bool,
    order: Option<UnsignedEvent>,
    signed: Vec<Instant>,
    /// Answers on this connection, with whom they name.
    sent: Vec<(EventId, PublicKey)>,
    sent_at: Instant,
    /// Who was shown the latest challenge's answer already.
    answered: Vec<PublicKey>,
    waiting: bool,
    linked: bool,
}

impl Bystander {
    fn new(now: Now) -> Self {
        Self {
            up: false,
            opened_at: now.mono,
            latest: None,
            said_yes: false,
            order: None,
            signed: Vec::new(),
            sent: Vec::new(),
            sent_at: now.mono,
            answered: Vec::new(),
            waiting: false,
            linked: false,
        }
    }

    fn down(&mut self) {
        self.latest = None;
        self.order = None;
        self.sent.clear();
        self.answered.clear();
        self.waiting = false;
        self.linked = false;
    }

    /// A challenge is about to be signed.
    fn signing(&mut self, b: &Bench, event: UnsignedEvent) -> Result<(), String> {
        let rules = [
            (self.up, "nothing is signed without a connection"),
            (event.tags().value_of("relay") == Some(url().as_str()), "signed for the dialled relay"),
            (event.tags().value_of("challenge") == self.latest.as_deref(), "signed for the latest challenge"),
            (event.created_at() == b.now.unix, "signed as of now"),
            (self.order.is_none(), "one signature at a time"),
            (b.policy == AuthPolicy::Always || self.said_yes, "nothing is signed without consent"),
            (!self.answered.contains(&event.pubkey()), "the same challenge is not answered again"),
        ];
        if let Some((_, rule)) = rules.iter().find(|(holds, _)| !holds) {
            return Err(format!("{rule}: {event:?}, {:?}", b.auth));
        }
        self.signed.retain(|at| *at + b.config.auth_window > b.now.mono);
        self.signed.push(b.now.mono);
        self.order = Some(event);
        if self.signed.len() > b.config.max_auth_signings { Err("too many signatures".into()) } else { Ok(()) }
    }

    /// An AUTH goes out.
    fn send(&mut self, b: &Bench, frame: &str) -> Result<(), String> {
        let json = frame.strip_prefix("[\"AUTH\",").and_then(|f| f.strip_suffix(']')).ok_or("no AUTH")?;
        let event = Event::from_json(json).map_err(|e| e.to_string())?;
        let stranger = self.sent.iter().any(|(_, who)| *who != event.pubkey());
        if stranger && !self.linked {
            return Err("one connection, one identity".into());
        }
        if !self.said_yes && self.sent.is_empty() && b.identity != Some(event.pubkey()) {
            return Err("nobody is shown whom the application does not name".into());
        }
        if event.tags().value_of("challenge") != self.latest.as_deref() {
            return Err("sent for the latest challenge".into());
        }
        self.sent.push((event.id(), event.pubkey()));
        self.sent_at = b.now.mono;
        self.answered.push(event.pubkey());
        Ok(())
    }

    fn granted(&mut self, b: &Bench, said: Option<bool>) -> Result<(), String> {
        self.waiting = false;
        let assumed = b.now.mono >= self.sent_at + b.config.auth_ok_deadline;
        if said == Some(true) || (said.is_none() && assumed) { Ok(()) } else { Err(format!("no grounds: {said:?}")) }
    }
}

fn check(b: &mut Bench, w: &mut Bystander) -> Result<(), String> {
    let state = b.auth.state();
    let told = b.told();
    if let Some(last) = told.last()
        && *last != state
    {
        return Err(format!("told {last:?}, not {state:?}"));
    }
    let under_way = matches!(
        state,
        AuthState::Expected
            | AuthState::Requested
            | AuthState::Paced { .. }
            | AuthState::Signing { .. }
            | AuthState::Sent { .. }
    );
    if w.waiting && !under_way {
        return Err(format!("something waits for what will not come: {state:?}"));
    }
    if b.auth.holds(false) && b.now.mono > w.opened_at + b.config.auth_wait {
        return Err("requests are held beyond the wait".into());
    }
    if b.auth.holds(true) && !b.auth.holds(false) && !under_way {
        return Err(format!("private kinds are held for nothing: {state:?}"));
    }
    if let AuthState::Authenticated { identities, .. } = &state
        && !identities.iter().all(|who| w.sent.iter().any(|(_, sent)| sent == who))
    {
        return Err(format!("known by what was never sent: {identities:?}"));
    }
    Ok(())
}

/// One input, and the bystander's view of it.
fn step(b: &mut Bench, w: &mut Bystander, op: &Op) -> Result<(), String> {
    let (change, said) = match op {
        Op::Ok(named, yes) => {
            let id = match named {
                Named::Ours => w.sent.last().map(|(id, _)| *id),
                Named::Nothing => None,
                Named::Another => Some(EventId::from_bytes([3; 32])),
            };
            (b.ok(id, *yes, "").unwrap_or(Change::None), Some(*yes && !w.sent.is_empty()))
        }
        Op::Opened | Op::Lost | Op::Challenge(_) | Op::TooLong | Op::Refused(..) => (theirs(b, w, op)?, None),
        _ => (ours(b, w, op)?, None),
    };
    w.linked |= b.link;
    match change {
        Change::None | Change::Ready => {}
        Change::Sign(event) => w.signing(b, event)?,
        Change::Granted => w.granted(b, said)?,
        Change::Denied => {
            w.waiting = false;
            // A yes is good for one attempt; but a challenge that is late still finds it.
            w.said_yes &= b.auth.state() == AuthState::Unchallenged;
        }
    }
    check(b, w)
}

/// What the relay and the wire do.
fn theirs(b: &mut Bench, w: &mut Bystander, op: &Op) -> Result<Change, String> {
    Ok(match op {
        Op::Opened | Op::Lost => {
            // As the core does: a connection ends before the next one begins.
            b.step(|auth, _, fx| auth.lost(fx));
            w.said_yes &= !w.up;
            w.down();
            w.up = matches!(op, Op::Opened);
            if w.up {
                b.opened();
                w.opened_at = b.now.mono;
            }
            Change::None
        }
        Op::Challenge(n) => {
            let text = format!("c{n}");
            if w.up && w.latest.as_ref() != Some(&text) {
                w.answered.clear();
                w.latest = Some(text.clone());
            }
            b.challenge(&text)
        }
        Op::Refused(lack, ago) => {
            let now = b.auth.epoch();
            let under = Epoch(now.0.saturating_sub(*ago));
            let (refusal, change) = b.step(|auth, cx, fx| auth.refused(*lack, under, cx, fx));
            w.waiting |= refusal == Refusal::Wait;
            if refusal == Refusal::Again && under == now {
                return Err("repeated though nothing has changed".into());
            }
            change
        }
        _ => {
            w.latest = None;
            w.answered.clear();
            w.order = None;
            // That uses up a yes, even where nothing waits that could be denied.
            let idle = matches!(b.auth.state(), AuthState::Unchallenged | AuthState::Challenged);
            w.said_yes &= !(w.up && idle);
            b.challenge(&"x".repeat(5_000))
        }
    })
}

/// What we do.
fn ours(b: &mut Bench, w: &mut Bystander, op: &Op) -> Result<Change, String> {
    Ok(match op {
        Op::Private => b.step(Auth::private),
        Op::Allow(n) => match b.allow(*n) {
            Ok(change) => {
                w.said_yes = true;
                w.answered.clear();
                change
            }
            Err(_) => Change::None,
        },
        Op::Deny => {
            (w.said_yes, w.order) = (false, None);
            b.deny()
        }
        Op::Signed(yes) => match w.order.take() {
            Some(event) if *yes => b.sign(&event),
            Some(event) => b.signed(&event, Err("no")),
            None => Change::None,
        },
        Op::Send => {
            if let Some(frame) = b.send() {
                w.send(b, &frame)?;
            }
            Change::None
        }
        Op::Advance(ms) => {
            b.pass(Duration::from_millis(*ms));
            let change = b.step(Auth::timeout);
            if b.auth.deadline().is_some_and(|at| at <= b.now.mono) {
                return Err("a timer in the past".into());
            }
            if b.auth.awaited().is_none() {
                w.order = None;
            }
            change
        }
        Op::Policy(policy) => {
            b.policy = *policy;
            if *policy != AuthPolicy::Always && !w.said_yes {
                w.order = None;
            }
            b.step(Auth::reconsider)
        }
        Op::Identity(n) => {
            b.identity = n.map(key);
            let change = b.step(Auth::reconsider);
            if matches!(change, Change::Sign(_)) || b.auth.awaited().is_none() {
                w.order = None;
            }
            change
        }
        Op::Link(link) => {
            b.link = *link;
            Change::None
        }
        Op::AtOnce(at_once) => {
            b.at_once = *at_once;
            Change::None
        }
        theirs => return Err(format!("{theirs:?} is none of ours")),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_048, ..ProptestConfig::default() })]

    #[test]
    fn what_a_bystander_sees_is_right(ops in proptest::collection::vec(op(), 1..150)) {
        let mut b = Bench::new(AuthPolicy::Always);
        let mut w = Bystander::new(b.now);
        for op in ops {
            step(&mut b, &mut w, &op).map_err(|rule| TestCaseError::fail(format!("{op:?}: {rule}")))?;
        }
        // Left alone, with a socket that takes what is sent, nothing waits for ever but the application's own word.
        for _ in 0..20 {
            let _ = step(&mut b, &mut w, &Op::Send);
            let Some(at) = b.auth.deadline() else { break };
            let ms = at.saturating_since(b.now.mono).as_millis() + 1;
            let ms = u64::try_from(ms).unwrap();
            step(&mut b, &mut w, &Op::Advance(ms)).map_err(TestCaseError::fail)?;
        }
        prop_assert!(b.auth.deadline().is_none(), "{:?}", b.auth);
        prop_assert!(!w.waiting || b.auth.state() == AuthState::Requested, "{:?}", b.auth);
    }
}
