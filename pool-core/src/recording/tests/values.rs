//! One of every kind of value that is written.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use std::format;

use nostr_proto::{
    Event, EventId, EventTemplate, Fee, Fees, Filter, Keys, Kind, Limitation, PublicKey, RelayInfo, RelayUrl,
    Retention, Timestamp,
};

use crate::call::*;
use crate::event::{Gap, GapCause};
use crate::recording::*;
use crate::subscription::{Checkpoint, RelayGround};
use crate::{AuthPolicy, CloseReason, CountId, PublishId, SocketId, SubId, Ticket};

pub(super) fn keys() -> Keys {
    Keys::from_entropy([3; 32]).unwrap()
}

pub(super) fn url(n: u8) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com/path?token=x")).unwrap()
}

pub(super) fn note(content: &str) -> Event {
    let template = EventTemplate::new(Kind::TEXT_NOTE, content, Timestamp::new(50)).tag(["t", "tag"]).tag([""; 0]);
    template.unsigned(keys().public_key()).sign(&keys(), [0; 32])
}

pub(super) fn filter() -> Filter {
    let filter =
        Filter::new().id(EventId::from_bytes([1; 32])).author(keys().public_key()).kinds([Kind::new(0), Kind::AUTH]);
    let filter = filter.since(Timestamp::new(1)).until(Timestamp::MAX).limit(0).search("what\nis");
    // Relays would refuse it, and it has no JSON that is read back.
    filter.tag('e', "no id").tag('Z', "")
}

pub(super) fn checkpoint() -> Checkpoint {
    let ground = |n| RelayGround {
        relay: url(n),
        keys: vec![keys().public_key()],
        alive_until: Timestamp::new(9),
        floors: vec![None, Some(Timestamp::new(3))],
        proven: vec![vec![(1, 2), (4, 4)], vec![]],
    };
    Checkpoint { filters: vec![filter(), Filter::new()], relays: vec![ground(1), ground(2)] }
}

pub(super) fn info() -> RelayInfo {
    let text = || Some(String::from("text"));
    RelayInfo {
        name: text(),
        description: text(),
        banner: text(),
        icon: text(),
        pubkey: Some(PublicKey::from_bytes([9; 32])),
        self_pubkey: None,
        contact: text(),
        supported_nips: vec![1, 65_535],
        software: text(),
        version: text(),
        terms_of_service: text(),
        limitation: Limitation {
            max_message_length: Some(u64::MAX),
            auth_required: Some(true),
            ..Limitation::default()
        },
        payments_url: text(),
        fees: Fees {
            admission: vec![Fee { amount: 3, unit: "msats".into(), period: Some(4), kinds: vec![Kind::new(5)] }],
            ..Fees::default()
        },
        posting_policy: text(),
        privacy_policy: text(),
        relay_countries: vec!["DE".into()],
        language_tags: vec!["*".into()],
        tags: vec!["sfw-only".into()],
        retention: vec![Retention { kinds: vec![(Kind::new(1), Kind::new(9))], time: None, count: Some(7) }],
        ignored: 3,
    }
}

pub(super) fn gaps() -> Vec<GapCause> {
    vec![
        GapCause::Disconnected,
        GapCause::CaughtUp { events: 1 },
        GapCause::QueueFull { skipped: 2, lost: u64::MAX },
        GapCause::Flooded { dropped: 3 },
        GapCause::Budget,
        GapCause::DenseSecond,
        GapCause::Unprovable,
        GapCause::OverDelivered { dropped: 4 },
        GapCause::TooLarge,
        GapCause::NotAnswered,
    ]
}

#[expect(clippy::too_many_lines, reason = "one of every kind")]
pub(super) fn calls() -> Vec<Call> {
    let (sub, publish) = (SubId::from_u64(7), PublishId::from_u64(u64::MAX));
    let odd = RelayOptions {
        auth: Some(AuthPolicy::Ask),
        identity: Some(keys().public_key()),
        origin: Origin::Hinted,
        pinned: true,
        ..RelayOptions::default()
    };
    let unsigned = EventTemplate::new(Kind::TEXT_NOTE, "draft\u{1}", Timestamp::new(5)).unsigned(keys().public_key());
    let subscribe = Subscribe {
        filters: vec![filter()],
        target: Target::Hinted(vec![url(1), url(2)]),
        mode: Mode::UntilEose,
        eose_deadline: Some(Duration::new(3, 999_999_999)),
        queue_items: Some(usize::MAX),
        versions: Versions::All,
        history: History::All,
        acknowledge: Acknowledge::ByHand,
        resume: Some(checkpoint()),
        group: Group::AtLeast(Duration::from_millis(7)),
    };
    let quorums = [
        Quorum::First,
        Quorum::AtLeast(3),
        Quorum::Percent(255),
        Quorum::Majority,
        Quorum::All,
        Quorum::Named(vec![url(3)]),
    ];
    let publishes = quorums.into_iter().map(|quorum| {
        let (event, target) = (note("a"), Target::Relays(vec![url(1)]));
        Call::Publish(Publish { event, target, quorum, deadline: None, link: Some(publish) })
    });
    let policies = [AuthPolicy::Never, AuthPolicy::Ask, AuthPolicy::Always].map(|policy| Call::AddRelay {
        url: url(4),
        options: RelayOptions { auth: Some(policy), ..RelayOptions::default() },
    });
    let refills = gaps().into_iter().map(|cause| {
        let gap = Gap { relay: Some(url(1)), since: None, until: Some(Timestamp::new(5)), cause };
        Call::Refill { sub, gap }
    });
    let mut calls = vec![
        Call::AddRelay { url: url(1), options: odd },
        Call::RemoveRelay { url: url(1) },
        Call::Connect { which: Which::All },
        Call::Connect { which: Which::One(url(2)) },
        Call::Disconnect { which: Which::All, code: 4_999, reason: "ß".into() },
        Call::Reconnect { which: Which::All, options: ReconnectOptions { keep_open: true, keep_backoff: false } },
        Call::NetworkChanged,
        Call::Subscribe(Subscribe::default()),
        Call::Subscribe(subscribe),
        Call::Update { sub, filters: vec![filter(), Filter::new()] },
        Call::Retarget { sub, target: Target::All },
        Call::Acknowledge { sub, seq: 1 << 40 },
        Call::Checkpoint { sub },
        Call::Unsubscribe { sub },
        Call::Taken { sub, items: 0, bytes: 5 },
        Call::PublishUnsigned(PublishUnsigned {
            event: unsigned,
            target: Target::All,
            quorum: Quorum::All,
            deadline: Some(Duration::MAX),
            link: None,
        }),
        Call::Retry { event: EventId::from_bytes([4; 32]), deadline: None },
        Call::Cancel { publish },
        Call::Authenticate { url: url(1), identity: None },
        Call::DenyAuth { url: url(1) },
        Call::RelayInfo { url: url(1), info: Box::new(info()) },
        Call::StartClean,
        Call::Shutdown,
        Call::Count(Count { filters: vec![filter()], target: Target::All, deadline: Some(Duration::from_millis(1)) }),
        Call::CancelCount { count: CountId::from_u64(9) },
    ];
    calls.extend(publishes.chain(policies).chain(refills));
    calls
}

pub(super) fn reasons() -> Vec<CloseReason> {
    vec![
        CloseReason::Remote { code: 1_006, reason: "bye".into() },
        CloseReason::Local,
        CloseReason::Error("reset".into()),
        CloseReason::TooLarge,
    ]
}

pub(super) fn feds() -> Vec<Fed<'static>> {
    let (socket, ticket) = (SocketId::new(u32::MAX, 0), Ticket::from_u64(3));
    let mut feds = vec![
        Fed::Opened { socket },
        Fed::OpenFailed { socket, error: "no route".into() },
        Fed::Text { socket, frame: "[\"NOTICE\",\"ü\"]" },
        Fed::Binary { socket },
        Fed::Ping { socket },
        Fed::Pong { socket },
        Fed::Sent { socket },
        Fed::Verified { ticket, answer: Answer { good: true, mark: [5; 8] } },
        Fed::Signed { ticket, outcome: Ok(note("signed")) },
        Fed::Signed { ticket, outcome: Err("no".into()) },
        Fed::Timeout,
    ];
    feds.extend(reasons().into_iter().map(|reason| Fed::Closed { socket, reason }));
    feds.extend(calls().into_iter().map(|call| Fed::Call(Arc::new(call))));
    feds
}
