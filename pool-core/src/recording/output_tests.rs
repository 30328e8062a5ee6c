//! What comes out of the core goes into the digest as it did when the format got its number. A replay of a recording that
//! was made before would diverge otherwise, and nobody would know why.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use std::collections::BTreeSet;
use std::format;

use nostr_proto::{
    Event, EventId, EventTemplate, Filter, HashedEvent, HyperLogLog, Keys, Kind, Prefix, PublicKey, Reason, RelayUrl,
    Timestamp, UnsignedEvent, VerifiedEvent, verify_event,
};

use crate::auth::{AuthFailure, AuthState};
use crate::call::{CallError, Origin, Reply};
use crate::command::Command;
use crate::event::*;
use crate::ids::{CountId, PublishId, SocketId, SubId, Ticket};
use crate::record::ConnectionState;
use crate::subscription::{Checkpoint, RelayGround};
use crate::time::Instant;

use super::FORMAT;
use super::code::{Encode, Variants};
use super::recorder::Digest;

fn key(n: u8) -> PublicKey {
    PublicKey::from_bytes([n; 32])
}

fn url(n: u8) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
}

fn id(n: u8) -> EventId {
    EventId::from_bytes([n; 32])
}

fn words(text: &str) -> String {
    text.into()
}

fn reason(text: &str) -> Reason {
    Reason { prefix: Some(Prefix::Blocked), message: text.into() }
}

fn instant(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

fn draft(text: &str) -> UnsignedEvent {
    EventTemplate::new(Kind::TEXT_NOTE, text, Timestamp::new(50)).unsigned(key(3))
}

fn note(text: &str) -> Event {
    let keys = Keys::from_entropy([3; 32]).unwrap();
    keys.sign(&EventTemplate::new(Kind::TEXT_NOTE, text, Timestamp::new(51)).tag(["t", "tag"]), [0; 32])
}

fn hashed(text: &str) -> HashedEvent {
    note(text).check_id().unwrap()
}

fn verified(text: &str) -> VerifiedEvent {
    verify_event(note(text)).unwrap()
}

fn registers() -> Box<HyperLogLog> {
    Box::new(HyperLogLog::from_hex(&"0a".repeat(256)).unwrap())
}

fn commands() -> Vec<Command> {
    let socket = SocketId::new(1, 2);
    let frame = Arc::from("[\"CLOSE\",\"p0\"]");
    vec![
        Command::Open { socket, url: url(1), origin: Origin::Hinted },
        Command::Send { socket, frame },
        Command::Ping { socket },
        Command::Close { socket, code: 1_000, reason: words("bye") },
        Command::PauseRead { socket },
        Command::ResumeRead { socket },
        Command::Verify { ticket: Ticket::from_u64(3), event: hashed("checked") },
        Command::Sign { ticket: Ticket::from_u64(4), event: draft("to sign") },
        Command::SignAuth { ticket: Ticket::from_u64(5), relay: url(2), event: draft("to answer") },
    ]
}

fn outcomes() -> Vec<LegOutcome> {
    vec![
        LegOutcome::Eose { complete: Some(true) },
        LegOutcome::TimedOut,
        LegOutcome::Closed(reason("leg")),
        LegOutcome::Disconnected,
        LegOutcome::NotConnected,
    ]
}

fn whys() -> Vec<Why> {
    vec![Why::Connection, Why::Credit, Why::Pause, Why::Auth, Why::Turn, Why::Group, Why::Slot]
}

fn leg_states() -> Vec<LegState> {
    let mut states: Vec<LegState> = whys().into_iter().map(LegState::Waiting).collect();
    states.extend([LegState::Requested, LegState::Live, LegState::Closed(reason("state")), LegState::Removed]);
    states
}

fn verdicts() -> Vec<Verdict> {
    vec![Verdict::Reached, Verdict::Failed, Verdict::Indeterminate]
}

fn fates() -> Vec<PendingOutcome> {
    let mut fates: Vec<PendingOutcome> = verdicts().into_iter().map(PendingOutcome::Published).collect();
    fates.extend([
        PendingOutcome::AcceptedLate,
        PendingOutcome::NeverAccepted,
        PendingOutcome::NotSigned(words("no")),
        PendingOutcome::Superseded { by: PublishId::from_u64(6) },
    ]);
    fates
}

fn rejected() -> Vec<RejectedEvent> {
    vec![RejectedEvent::TooLong, RejectedEvent::Malformed]
}

fn ends() -> Vec<EndReason> {
    vec![EndReason::Complete, EndReason::Unsubscribed, EndReason::StartedClean, EndReason::Shutdown]
}

fn items() -> Vec<Item> {
    let delivered = |mark, future_dated| EventItem {
        event: verified("delivered"),
        mark,
        relays: vec![url(1), url(2)],
        future_dated,
        seq: 7,
    };
    let pending = PendingItem { event: draft("pending"), publish: PublishId::from_u64(8), seq: 9 };
    let legs = outcomes().into_iter().map(|outcome| LegReport { relay: url(3), outcome, events: 10 }).collect();
    let gap = Gap { relay: Some(url(4)), since: Some(Timestamp::new(11)), until: None, cause: GapCause::Budget };
    let mut items = vec![
        Item::Event(delivered(Mark::Stored, true)),
        Item::Event(delivered(Mark::Live, false)),
        Item::Pending(pending),
        Item::Eose(Coverage { generation: 12, legs }),
        Item::Gap(gap),
        Item::Notice { relay: url(5), message: words("notice") },
    ];
    items.extend(fates().into_iter().map(|outcome| {
        let back_to = outcome.is_final().then(|| verified("back to"));
        Item::Resolved { event: id(13), outcome, back_to }
    }));
    items.extend(leg_states().into_iter().map(|state| Item::Leg { relay: url(6), state }));
    items.extend(rejected().into_iter().map(|why| Item::Rejected { relay: url(7), event: id(14), why }));
    items.extend(ends().into_iter().map(Item::End));
    items
}

fn rejections() -> Vec<Rejection> {
    vec![
        Rejection::Refused(reason("event")),
        Rejection::TooLarge { bytes: 15, max: Some(16) },
        Rejection::TooLarge { bytes: 17, max: None },
        Rejection::Suspect,
    ]
}

fn causes() -> Vec<UnknownCause> {
    vec![
        UnknownCause::NoAnswer,
        UnknownCause::NoConnection,
        UnknownCause::Cancelled,
        UnknownCause::Refused(reason("later")),
        UnknownCause::NotSigned(words("never")),
        UnknownCause::Expired,
    ]
}

fn statuses() -> Vec<PublishStatus> {
    let mut statuses =
        vec![PublishStatus::Queued, PublishStatus::InFlight, PublishStatus::Accepted { duplicate: true }];
    statuses.extend(rejections().into_iter().map(PublishStatus::Rejected));
    statuses.extend(causes().into_iter().map(PublishStatus::Unknown));
    statuses
}

fn publish_updates() -> Vec<PublishUpdate> {
    let relay = |status| PublishUpdate::Relay { relay: url(8), status, accepted: 18, needed: 19 };
    let mut updates: Vec<PublishUpdate> = statuses().into_iter().map(relay).collect();
    updates.extend(verdicts().into_iter().map(PublishUpdate::Verdict));
    updates.push(PublishUpdate::Done);
    updates
}

fn connection_states() -> Vec<ConnectionState> {
    vec![
        ConnectionState::Idle,
        ConnectionState::WaitingForSlot,
        ConnectionState::Dialing,
        ConnectionState::Open,
        ConnectionState::Closing,
        ConnectionState::Backoff { until: instant(20) },
        ConnectionState::Quarantined { until: instant(21) },
        ConnectionState::Disabled,
    ]
}

fn auth_failures() -> Vec<AuthFailure> {
    vec![
        AuthFailure::Denied,
        AuthFailure::NoIdentity,
        AuthFailure::NotSigned(words("unsigned")),
        AuthFailure::Refused(reason("auth")),
        AuthFailure::ChallengeTooLong { bytes: 22 },
    ]
}

fn auth_states() -> Vec<AuthState> {
    let mut states = vec![
        AuthState::Unchallenged,
        AuthState::Expected,
        AuthState::Challenged,
        AuthState::Requested,
        AuthState::Paced { until: instant(23) },
        AuthState::Signing { identity: key(24) },
        AuthState::Sent { identity: key(25) },
        AuthState::Authenticated { identities: vec![key(26), key(27)], confirmed: true },
    ];
    states.extend(auth_failures().into_iter().map(AuthState::Failed));
    states
}

fn relay_updates() -> Vec<RelayUpdate> {
    let mut updates: Vec<RelayUpdate> = connection_states().into_iter().map(RelayUpdate::State).collect();
    updates.extend(auth_states().into_iter().map(RelayUpdate::Auth));
    updates.extend([RelayUpdate::Notice(words("said")), RelayUpdate::Removed]);
    updates
}

fn count_outcomes() -> Vec<CountOutcome> {
    vec![
        CountOutcome::Counted(CountAnswer { count: 28, approximate: true, hll: Some(registers()) }),
        CountOutcome::Refused(reason("count")),
        CountOutcome::Silent,
        CountOutcome::Nonsense,
        CountOutcome::Lost,
        CountOutcome::Unreachable,
        CountOutcome::TooLarge { bytes: 29, max: 30 },
        CountOutcome::Cancelled,
    ]
}

fn report() -> CountReport {
    CountReport {
        count: CountId::from_u64(31),
        relays: count_outcomes().into_iter().map(|outcome| (url(9), outcome)).collect(),
        maximum: Some(32),
        merged: Some(Merged { registers: registers(), relays: 33, authors: 34, estimate: 35 }),
    }
}

fn events() -> Vec<PoolEvent> {
    let mut events: Vec<PoolEvent> =
        items().into_iter().map(|item| PoolEvent::Item { sub: SubId::from_u64(36), item }).collect();
    let publish = PublishId::from_u64(37);
    events.extend(publish_updates().into_iter().map(|update| PoolEvent::Publish { publish, update }));
    events.extend(relay_updates().into_iter().map(|update| PoolEvent::Relay { relay: url(10), update }));
    events.push(PoolEvent::Counted(Box::new(report())));
    events
}

fn replies() -> Vec<Reply> {
    let ground = RelayGround {
        relay: url(11),
        keys: vec![key(38)],
        alive_until: Timestamp::new(39),
        floors: vec![Some(Timestamp::new(40))],
        proven: vec![vec![(41, 42)]],
    };
    let checkpoint = Checkpoint { filters: vec![Filter::new().kind(Kind::TEXT_NOTE)], relays: vec![ground] };
    vec![
        Reply::Done,
        Reply::Subscribed(SubId::from_u64(43)),
        Reply::Publishing(PublishId::from_u64(44), id(45)),
        Reply::Checkpoint(Box::new(checkpoint)),
        Reply::Counting(CountId::from_u64(46)),
    ]
}

fn errors() -> Vec<CallError> {
    vec![
        CallError::UnknownRelay(url(12)),
        CallError::NoRelays,
        CallError::InsecureHint(url(13)),
        CallError::TooManyRelays(47),
        CallError::TooManySubscriptions(48),
        CallError::FilterCount { given: 49, max: 50 },
        CallError::UnknownSubscription(SubId::from_u64(51)),
        CallError::NotDelivered { sub: SubId::from_u64(52), seq: 53 },
        CallError::UnknownPublish(PublishId::from_u64(54)),
        CallError::UnknownEvent(id(55)),
        CallError::PublishQueueFull(note("full")),
        CallError::UnsignedQueueFull(draft("full")),
        CallError::EventTooLarge(note("large")),
        CallError::UnsignedTooLarge(draft("large")),
        CallError::Expired(note("expired")),
        CallError::UnsignedExpired(draft("expired")),
        CallError::HasSuccessor(PublishId::from_u64(56)),
        CallError::ImpossibleQuorum { needed: 57, relays: 58 },
        CallError::NoIdentity,
        CallError::LinkedIdentities { relay: url(14), seen: key(59) },
        CallError::AuthUnderWay { relay: url(15), identity: key(60) },
        CallError::CloseCode(61),
        CallError::Closed,
        CallError::TooManyCounts(62),
        CallError::CountTooLarge { bytes: 63, max: 64 },
        CallError::UnknownCount(CountId::from_u64(65)),
    ]
}

/// Writes them all; one of each variant must be there.
fn put<T: Encode + Variants>(all: &[T], out: &mut Vec<u8>) {
    let mut seen = BTreeSet::new();
    for one in all {
        let at = out.len();
        one.encode(out);
        seen.insert(out[at]);
    }
    let variants: BTreeSet<u8> = T::FIRST.iter().copied().collect();
    assert_eq!(variants.len(), T::FIRST.len(), "{}: two have the same byte", core::any::type_name::<T>());
    assert_eq!(seen, variants, "{}: one of each", core::any::type_name::<T>());
}

/// If this fails, what is digested has changed, and [`FORMAT`] is to be raised: note what the new one comes to.
#[test]
fn what_outputs_are_digested_as_is_what_it_was() {
    let mut all = Vec::new();
    let out = &mut all;
    put(&commands(), out);
    put(&events(), out);
    put(&replies(), out);
    put(&errors(), out);
    // What is within those, so that none is missing there.
    put(&items(), out);
    put(&fates(), out);
    put(&outcomes(), out);
    put(&leg_states(), out);
    put(&whys(), out);
    put(&rejected(), out);
    put(&ends(), out);
    put(&[Mark::Stored, Mark::Live], out);
    put(&verdicts(), out);
    put(&publish_updates(), out);
    put(&statuses(), out);
    put(&rejections(), out);
    put(&causes(), out);
    put(&relay_updates(), out);
    put(&connection_states(), out);
    put(&auth_states(), out);
    put(&auth_failures(), out);
    put(&count_outcomes(), out);
    let mut digest = Digest::default();
    digest.add(out);
    assert_eq!((FORMAT, digest.long()), (1, 7_003_884_108_553_383_728));
}
