//! The machine alone, under arbitrary answers and a virtual clock.

use std::vec::Vec;

use nostr_proto::{EventTemplate, Keys, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::call::Quorum;
use crate::event::{PoolEvent, PublishStatus, Rejection};

fn now(ms: u64) -> Now {
    Now { mono: Instant::from_micros(ms * 1_000), unix: Timestamp::new(1_000_000 + ms / 1_000) }
}

/// When the events that expire do: half a minute after the beginning.
const EXPIRY: Timestamp = Timestamp::new(1_000_030);

fn publication(relays: u32, quorum: &Quorum, config: &Config) -> Publication {
    publication_of(relays, quorum, EventTemplate::text_note("hello", Timestamp::new(1)), config)
}

fn publication_of(relays: u32, quorum: &Quorum, template: EventTemplate, config: &Config) -> Publication {
    let keys = Keys::from_entropy([7; 32]).unwrap();
    let event = template.unsigned(keys.public_key()).sign(&keys, [0; 32]);
    let named = (0..relays).map(|n| (RelayIx(n), RelayUrl::parse(&std::format!("wss://r{n}.example.com")).unwrap()));
    let rule = Rule::new(quorum, relays as usize, |_| None).unwrap();
    let terms = Terms { quorum: quorum.clone(), rule, patience: config.publish_deadline, link: None };
    Publication::new(PublishId(1), Body::signed(event), named, terms, config, now(0))
}

fn updates(fx: &mut Effects) -> Vec<PublishUpdate> {
    fx.events
        .drain(..)
        .filter_map(|e| match e {
            PoolEvent::Publish { update, .. } => Some(update),
            _ => None,
        })
        .collect()
}

fn refused(text: &str) -> PublishStatus {
    PublishStatus::Rejected(Rejection::Refused(Reason::parse(text)))
}

fn status(p: &Publication, relay: usize) -> PublishStatus {
    p.report().relays[relay].1.clone()
}

/// Every answer that a relay can give to an event in flight, and what becomes of it.
#[test]
fn answers() {
    let config = Config::default();
    for (accepted, text, expected) in [
        (true, "", PublishStatus::Accepted { duplicate: false }),
        (true, "duplicate: have it", PublishStatus::Accepted { duplicate: true }),
        (false, "duplicate: have it", PublishStatus::Accepted { duplicate: true }),
        (false, "rate-limited: slow down", PublishStatus::Queued),
        (false, "error: disk full", PublishStatus::Queued),
        (false, "", PublishStatus::Queued),
        (false, "no thanks", PublishStatus::Queued),
        (false, "blocked: no", refused("blocked: no")),
        (false, "invalid: no", refused("invalid: no")),
        (false, "pow: 20 bits", refused("pow: 20 bits")),
        (false, "restricted: no", refused("restricted: no")),
        (false, "replaced: have newer", refused("replaced: have newer")),
        (false, "deleted: gone", refused("deleted: gone")),
        (false, "auth-required: who are you", refused("auth-required: who are you")),
    ] {
        let mut fx = Effects::default();
        let mut p = publication(1, &Quorum::First, &config);
        assert!(p.send(RelayIx(0), &config, now(0), &mut fx).is_some());
        let _ = p.ok(RelayIx(0), accepted, &Reason::parse(text), &config, now(1), &mut fx);
        assert_eq!(status(&p, 0), expected, "OK {accepted} {text:?}");
    }
}

#[test]
fn an_ok_for_what_was_never_sent_there_counts_for_nothing() {
    let (config, mut fx) = (Config::default(), Effects::default());
    let mut p = publication(2, &Quorum::First, &config);
    assert_eq!(p.ok(RelayIx(0), true, &Reason::parse(""), &config, now(1), &mut fx), Next::Unsolicited);
    assert_eq!(p.ok(RelayIx(9), true, &Reason::parse(""), &config, now(1), &mut fx), Next::Unsolicited);
    assert_eq!(updates(&mut fx), []);
}

#[test]
fn a_late_ok_changes_the_status_and_never_the_verdict() {
    let (config, mut fx) = (Config::default(), Effects::default());
    let mut p = publication(1, &Quorum::First, &config);
    let _ = p.send(RelayIx(0), &config, now(0), &mut fx);
    let _ = p.timeout(&config, now(30_000), &mut fx);
    assert_eq!(p.verdict(), Some(&Verdict::Indeterminate));
    let _ = p.ok(RelayIx(0), true, &Reason::parse(""), &config, now(40_000), &mut fx);
    assert_eq!(status(&p, 0), PublishStatus::Accepted { duplicate: false });
    assert_eq!(p.verdict(), Some(&Verdict::Indeterminate));
}

#[test]
fn the_same_bytes_go_out_at_every_try() {
    let (config, mut fx) = (Config::default(), Effects::default());
    let mut p = publication(1, &Quorum::First, &config);
    let first = p.send(RelayIx(0), &config, now(0), &mut fx).unwrap();
    p.lost(RelayIx(0), Loss::Innocent, &config, now(1), &mut fx);
    assert_eq!(p.send(RelayIx(0), &config, now(5), &mut fx), Some(first));
}

#[test]
fn reasons_that_tell_nothing_are_tried_three_times_and_later_ones_five() {
    let config = Config::default();
    for (text, sends) in [("", 3), ("no thanks", 3), ("closed: x", 3), ("error: x", 5), ("rate-limited: x", 5)] {
        let (mut fx, mut p, mut ms) = (Effects::default(), publication(1, &Quorum::First, &config), 0);
        let reason = Reason::parse(text);
        for n in 1..=sends {
            assert!(p.send(RelayIx(0), &config, now(ms), &mut fx).is_some(), "{text:?}, try {n}");
            let _ = p.ok(RelayIx(0), false, &reason, &config, now(ms), &mut fx);
            assert_eq!(p.is_open(RelayIx(0)), n < sends, "{text:?}, try {n}");
            ms += 20_000;
            let _ = p.timeout(&config, now(ms), &mut fx);
        }
        assert_eq!(status(&p, 0), PublishStatus::Unknown(UnknownCause::Refused(reason)));
    }
}

#[test]
fn what_expires_in_flight_may_still_be_accepted_and_is_not_sent_again() {
    let (config, mut fx) = (Config::default(), Effects::default());
    let template = || EventTemplate::text_note("brief", Timestamp::new(1)).expires_at(EXPIRY);
    for accepted in [true, false] {
        let mut p = publication_of(2, &Quorum::All, template(), &config);
        assert!(p.send(RelayIx(0), &config, now(29_000), &mut fx).is_some());
        assert_eq!(p.deadline(now(29_000)), Some(now(30_000).mono));
        let _ = p.timeout(&config, now(30_000), &mut fx);
        assert_eq!(status(&p, 0), PublishStatus::InFlight);
        assert_eq!(status(&p, 1), PublishStatus::Unknown(UnknownCause::Expired));
        if accepted {
            let _ = p.ok(RelayIx(0), true, &Reason::parse(""), &config, now(31_000), &mut fx);
            assert_eq!(status(&p, 0), PublishStatus::Accepted { duplicate: false });
        } else {
            p.lost(RelayIx(0), Loss::Innocent, &config, now(31_000), &mut fx);
            assert_eq!(status(&p, 0), PublishStatus::Unknown(UnknownCause::Expired));
        }
        assert!(p.is_done());
    }
}

/// The clock went past the expiry without anyone being told.
#[test]
fn the_wall_clock_is_looked_at_before_sending() {
    let (config, mut fx) = (Config::default(), Effects::default());
    let mut p = publication_of(
        1,
        &Quorum::All,
        EventTemplate::text_note("brief", Timestamp::new(1)).expires_at(EXPIRY),
        &config,
    );
    let stepped = Now { unix: EXPIRY, ..now(0) };
    assert_eq!(p.send(RelayIx(0), &config, stepped, &mut fx), None);
    assert_eq!(status(&p, 0), PublishStatus::Unknown(UnknownCause::Expired));
}

#[test]
fn a_message_is_as_long_unsigned_as_signed() {
    let keys = Keys::from_entropy([7; 32]).unwrap();
    for content in ["", "hello", "\n\"\u{1}é😀"] {
        let event =
            EventTemplate::text_note(content, Timestamp::new(1)).tag(["t", content]).unsigned(keys.public_key());
        let signed = Body::signed(event.sign(&keys, [0; 32]));
        assert_eq!(Body::Unsigned(event).message_bytes(), signed.message_bytes());
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Send(u32),
    Ok(u32, bool, &'static str),
    Lost(u32, Loss),
    Limit(u32),
    Advance(u64),
    Step(u64),
    Cancel,
}

fn op() -> impl Strategy<Value = Op> {
    let texts = prop_oneof![
        Just(""),
        Just("duplicate: x"),
        Just("rate-limited: x"),
        Just("error: x"),
        Just("blocked: x"),
        Just("whatever")
    ];
    let losses = prop_oneof![8 => Just(Loss::Innocent), 6 => Just(Loss::RightAfter), 1 => Just(Loss::ForSize)];
    prop_oneof![
        40 => (0..5_u32).prop_map(Op::Send),
        30 => (0..5_u32, any::<bool>(), texts).prop_map(|(r, ok, t)| Op::Ok(r, ok, t)),
        10 => (0..5_u32, losses).prop_map(|(r, loss)| Op::Lost(r, loss)),
        1 => (0..5_u32).prop_map(Op::Limit),
        1 => (0..40_u64).prop_map(Op::Step),
        20 => (0..20_000_u64).prop_map(Op::Advance),
        1 => Just(Op::Cancel),
    ]
}

fn quorum() -> impl Strategy<Value = Quorum> {
    prop_oneof![
        Just(Quorum::First),
        Just(Quorum::Majority),
        Just(Quorum::All),
        (1..5_usize).prop_map(Quorum::AtLeast),
        (1..=100_u8).prop_map(Quorum::Percent)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn exactly_one_verdict_by_the_deadline_and_every_status_is_true(
        quorum in quorum(),
        expires in any::<bool>(),
        ops in proptest::collection::vec(op(), 1..120),
    ) {
        let (config, mut fx, mut model) = (Config::default(), Effects::default(), Model::default());
        let mut template = EventTemplate::text_note("hello", Timestamp::new(1));
        if expires { template = template.expires_at(EXPIRY); }
        let mut p = publication_of(5, &quorum, template, &config);
        let needed = p.report().needed;
        for op in ops.into_iter().chain([Op::Advance(700_000)]) {
            let cancelled = matches!(op, Op::Cancel);
            model.step(&mut p, op, expires, &config, &mut fx)?;
            let report = p.report();
            for update in updates(&mut fx) {
                prop_assert!(!model.done, "nothing is told after Done");
                match update {
                    PublishUpdate::Verdict(v) => {
                        let rejected = report.relays.iter().filter(|(_, s)| matches!(s, PublishStatus::Rejected(_))).count();
                        match v {
                            Verdict::Reached => prop_assert!(report.accepted() >= needed),
                            Verdict::Failed => prop_assert!(5 - rejected < needed),
                            Verdict::Indeterminate => prop_assert!(cancelled || model.now().mono >= Instant::ZERO + config.publish_deadline),
                        }
                        model.verdicts.push(v);
                    }
                    PublishUpdate::Done => model.done = true,
                    PublishUpdate::Relay { .. } => {}
                }
            }
            prop_assert!(model.verdicts.len() <= 1);
            prop_assert_eq!(report.verdict.as_ref(), model.verdicts.first());
            for (relay, (_, status)) in model.relays.iter().zip(&report.relays) {
                match status {
                    PublishStatus::Rejected(Rejection::Suspect) => prop_assert!(relay.blamed >= 2, "blamed {} times", relay.blamed),
                    PublishStatus::Rejected(Rejection::TooLarge { max, .. }) => {
 let learnt = if max.is_some() { relay.limited } else { relay.closed_for_size };
 prop_assert!(learnt);
},
                    PublishStatus::Rejected(Rejection::Refused(_)) => prop_assert!(relay.refused),
                    PublishStatus::Accepted { .. } => prop_assert!(relay.accepted),
                    PublishStatus::Unknown(UnknownCause::Expired) => prop_assert!(expires && model.expired),
                    _ => {}
                }
                prop_assert!(relay.sends <= config.max_sends);
            }
        }
        prop_assert_eq!(model.verdicts.len(), 1, "past the deadline");
        prop_assert!(model.done, "past the lifetime");
    }
}

/// What happened at one relay, in so many words.
#[derive(Debug, Default)]
struct Happened {
    sends: u32,
    in_flight: bool,
    accepted: bool,
    refused: bool,
    limited: bool,
    closed_for_size: bool,
    /// Connections that ended right after the event since the relay last answered it.
    blamed: u32,
}

/// The publish from outside.
#[derive(Debug, Default)]
struct Model {
    ms: u64,
    stepped: u64,
    expired: bool,
    relays: [Happened; 5],
    verdicts: Vec<Verdict>,
    done: bool,
}

impl Model {
    fn now(&self) -> Now {
        let now = now(self.ms);
        Now { unix: Timestamp::new(now.unix.as_secs() + self.stepped), ..now }
    }

    fn step(
        &mut self,
        p: &mut Publication,
        op: Op,
        expires: bool,
        config: &Config,
        fx: &mut Effects,
    ) -> Result<(), TestCaseError> {
        self.expired |= self.now().unix >= EXPIRY;
        let now = self.now();
        match op {
            Op::Send(r) => {
                if p.send(RelayIx(r), config, now, fx).is_some() {
                    prop_assert!(!(expires && now.unix >= EXPIRY), "it has expired");
                    let relay = &mut self.relays[r as usize];
                    relay.sends += 1;
                    relay.in_flight = true;
                }
            }
            Op::Ok(r, ok, text) => {
                let relay = &mut self.relays[r as usize];
                if relay.sends > 0 {
                    let accepts = ok || text.starts_with("duplicate");
                    relay.accepted |= accepts;
                    relay.refused |= !accepts;
                    relay.in_flight = false;
                    // What an answer undoes is a doubt, not a rejection.
                    relay.blamed = if relay.blamed >= 2 { relay.blamed } else { 0 };
                }
                let _ = p.ok(RelayIx(r), ok, &Reason::parse(text), config, now, fx);
            }
            Op::Lost(r, loss) => {
                let relay = &mut self.relays[r as usize];
                relay.blamed += u32::from(relay.in_flight && loss == Loss::RightAfter);
                relay.closed_for_size |= relay.in_flight && loss == Loss::ForSize;
                relay.in_flight = false;
                p.lost(RelayIx(r), loss, config, now, fx);
            }
            Op::Limit(r) => {
                self.relays[r as usize].limited = true;
                p.limit(RelayIx(r), 10, fx);
            }
            Op::Step(by) => self.stepped += by,
            Op::Advance(by) => {
                // As the core does: every deadline on the way is kept.
                let end = now.mono + Duration::from_millis(by);
                let mut last = now.mono;
                while let Some(at) = p.deadline(Now { mono: last, ..now }).filter(|at| *at <= end) {
                    let unix = Timestamp::new(now.unix.as_secs() + at.saturating_since(now.mono).as_secs());
                    let then = Now { mono: at, unix };
                    self.expired |= unix >= EXPIRY;
                    let _ = p.timeout(config, then, fx);
                    prop_assert!(
                        p.deadline(then).is_none_or(|next| next > at),
                        "{:?} at {at:?}: {p:?}",
                        p.deadline(then)
                    );
                    last = at;
                }
                self.ms += by;
            }
            Op::Cancel => p.cancel(fx),
        }
        Ok(())
    }
}
