//! The machine alone, under arbitrary answers and a virtual clock.

use std::vec::Vec;

use nostr_proto::{EventTemplate, Keys, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::call::Quorum;
use crate::event::PoolEvent;

fn now(ms: u64) -> Now {
    Now { mono: Instant::from_micros(ms * 1_000), unix: Timestamp::new(1_000_000 + ms / 1_000) }
}

fn publication(relays: u32, quorum: &Quorum, config: &Config) -> Publication {
    let keys = Keys::from_entropy([7; 32]).unwrap();
    let event = EventTemplate::text_note("hello", Timestamp::new(1)).unsigned(keys.public_key()).sign(&keys, [0; 32]);
    let named = (0..relays).map(|n| (RelayIx(n), RelayUrl::parse(&std::format!("wss://r{n}.example.com")).unwrap()));
    let rule = Rule::new(quorum, relays as usize, |_| None).unwrap();
    let quorum = (quorum.clone(), rule);
    Publication::new(PublishId(1), Body::signed(event), named, quorum, config.publish_deadline, config, now(0))
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
        (false, "blocked: no", PublishStatus::Rejected(Reason::parse("blocked: no"))),
        (false, "invalid: no", PublishStatus::Rejected(Reason::parse("invalid: no"))),
        (false, "pow: 20 bits", PublishStatus::Rejected(Reason::parse("pow: 20 bits"))),
        (false, "restricted: no", PublishStatus::Rejected(Reason::parse("restricted: no"))),
        (false, "replaced: have newer", PublishStatus::Rejected(Reason::parse("replaced: have newer"))),
        (false, "deleted: gone", PublishStatus::Rejected(Reason::parse("deleted: gone"))),
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
    p.disconnected(RelayIx(0), &config, &mut fx);
    assert_eq!(p.send(RelayIx(0), &config, now(5), &mut fx), Some(first));
}

#[derive(Clone, Debug)]
enum Op {
    Send(u32),
    Ok(u32, bool, &'static str),
    Disconnect(u32),
    Advance(u64),
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
    prop_oneof![
        40 => (0..5_u32).prop_map(Op::Send),
        30 => (0..5_u32, any::<bool>(), texts).prop_map(|(r, ok, t)| Op::Ok(r, ok, t)),
        10 => (0..5_u32).prop_map(Op::Disconnect),
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
    fn exactly_one_verdict_by_the_deadline_and_it_is_true(quorum in quorum(), ops in proptest::collection::vec(op(), 1..120)) {
        let (config, mut fx, mut ms) = (Config::default(), Effects::default(), 0);
        let mut p = publication(5, &quorum, &config);
        let needed = p.report().needed;
        let mut sends = [0; 5];
        let mut verdicts = Vec::new();
        let mut done = false;
        for op in ops.into_iter().chain([Op::Advance(700_000)]) {
            let cancelled = matches!(op, Op::Cancel);
            match op {
                Op::Send(r) => {
                    if p.send(RelayIx(r), &config, now(ms), &mut fx).is_some() { sends[r as usize] += 1; }
                }
                Op::Ok(r, ok, text) => { let _ = p.ok(RelayIx(r), ok, &Reason::parse(text), &config, now(ms), &mut fx); }
                Op::Disconnect(r) => p.disconnected(RelayIx(r), &config, &mut fx),
                Op::Advance(by) => {
                    // As the core does: every deadline on the way is kept.
                    let end = now(ms + by).mono;
                    while let Some(at) = p.deadline().filter(|at| *at <= end) {
                        let _ = p.timeout(&config, Now { mono: at, ..now(ms) }, &mut fx);
                        prop_assert!(p.deadline().is_none_or(|next| next > at));
                    }
                    ms += by;
                }
                Op::Cancel => p.cancel(&mut fx),
            }
            let report = p.report();
            for update in updates(&mut fx) {
                prop_assert!(!done, "nothing is told after Done");
                match update {
                    PublishUpdate::Verdict(v) => {
                        let rejected = report.relays.iter().filter(|(_, s)| matches!(s, PublishStatus::Rejected(_))).count();
                        match v {
                            Verdict::Reached => prop_assert!(report.accepted() >= needed),
                            Verdict::Failed => prop_assert!(5 - rejected < needed),
                            Verdict::Indeterminate => prop_assert!(cancelled || now(ms).mono >= Instant::ZERO + config.publish_deadline),
                        }
                        verdicts.push(v);
                    }
                    PublishUpdate::Done => done = true,
                    PublishUpdate::Relay { .. } => {}
                }
            }
            prop_assert!(verdicts.len() <= 1);
            prop_assert_eq!(report.verdict.as_ref(), verdicts.first());
        }
        prop_assert_eq!(verdicts.len(), 1, "past the deadline");
        prop_assert!(done, "past the lifetime");
        prop_assert!(sends.iter().all(|n| *n <= config.max_sends));
    }
}
