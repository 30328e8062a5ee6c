//! Publishing.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use nostr_model_relay::{Fault, FaultPlan, Server};
use nostr_pool_driver::{
    CallError, Config, Item, KeySigner, MineError, PendingOutcome, PublishOptions, PublishStatus, PublishUnsignedError,
    PublishUpdate, Quorum, Rejection, RelayOptions, Runtime, SignError, Signer, SubscribeOptions, UnknownCause,
    Verdict,
};
use nostr_proto::{Event, Prefix, PublicKey, RelayInfo, UnsignedEvent};

use super::*;

fn all() -> PublishOptions {
    PublishOptions::default().with_quorum(Quorum::All)
}

/// The verdict comes when all have accepted, and the progress told how.
pub async fn reaches_its_quorum<R: Runtime>(runtime: R) {
    let servers = [relay(), relay(), relay()];
    let pool = pool(&runtime, &servers);
    let event = note(1);
    let publishing = pool.publish(event.clone(), all()).unwrap();
    assert_eq!(publishing.event_id(), event.id());
    let id = publishing.id();
    let (mut verdict, progress) = publishing.split();

    let report = (&mut verdict).await;
    assert_eq!(report.verdict, Some(Verdict::Reached));
    assert_eq!((report.publish, report.event, report.needed, report.accepted()), (id, event.id(), 3, 3));
    assert_eq!(verdict.await, report, "it can be awaited again");
    for server in &servers {
        assert!(server.with(|relay| relay.contains(&event.id())));
    }

    let updates: Vec<PublishUpdate> = progress.collect().await;
    let mut paths: BTreeMap<RelayUrl, Vec<PublishStatus>> = BTreeMap::new();
    for update in &updates {
        if let PublishUpdate::Relay { relay, status, .. } = update {
            paths.entry(relay.clone()).or_default().push(status.clone());
        }
    }
    for server in &servers {
        let path = &paths[&url_of(server)];
        assert!(path.ends_with(&[PublishStatus::InFlight, PublishStatus::Accepted { duplicate: false }]), "{path:?}");
    }
    let verdicts = updates.iter().filter(|u| matches!(u, PublishUpdate::Verdict(Verdict::Reached))).count();
    assert_eq!(verdicts, 1);
    assert_eq!(updates.last(), Some(&PublishUpdate::Done));
}

/// A refusal for good settles it at once, long before the deadline.
pub async fn fails_when_refused<R: Runtime>(runtime: R) {
    let servers = [relay(), relay()];
    servers[1].set_faults(Fault::OkFalse { reason: "blocked: not you".into() });
    let pool = pool(&runtime, &servers);
    let report = pool.publish(note(1), all()).unwrap().await;
    assert_eq!(report.verdict, Some(Verdict::Failed));
    let (_, status) = report.relays.iter().find(|(url, _)| *url == url_of(&servers[1])).unwrap();
    match status {
        PublishStatus::Rejected(Rejection::Refused(reason)) => {
            assert_eq!((reason.prefix, reason.message.as_str()), (Some(Prefix::Blocked), "not you"));
        }
        other => panic!("blocked is final, not {other:?}"),
    }
}

/// Nobody needs to wait for a publish.
pub async fn dropping_cancels_nothing<R: Runtime>(runtime: R) {
    let server = relay();
    let pool = pool(&runtime, [&server]);
    let event = note(1);
    drop(pool.publish(event.clone(), all()).unwrap());
    until(&runtime, "the relay has the event", || server.with(|relay| relay.contains(&event.id()))).await;
}

/// What is cancelled is indeterminate, at once.
pub async fn cancels<R: Runtime>(runtime: R) {
    let server = relay();
    server.set_faults(Fault::NeverOk);
    let pool = pool(&runtime, [&server]);
    let publishing = pool.publish(note(1), all()).unwrap();
    publishing.cancel().unwrap();
    let report = publishing.await;
    assert_eq!(report.verdict, Some(Verdict::Indeterminate));
    assert_eq!(report.relays[0].1, PublishStatus::Unknown(UnknownCause::Cancelled));
}

/// A clean start ends a publish with a verdict, and the report still names every relay.
pub async fn reports_in_full_after_a_clean_start<R: Runtime>(runtime: R) {
    let servers = [relay(), relay()];
    servers.iter().for_each(Server::kill);
    let pool = pool(&runtime, &servers);
    let (verdict, progress) = pool.publish(note(1), all()).unwrap().split();
    pool.start_clean().unwrap();
    let report = verdict.await;
    assert_eq!(report.verdict, Some(Verdict::Indeterminate));
    assert_eq!((report.event, report.needed, report.relays.len()), (note(1).id(), 2, 2), "{report:?}");
    assert!(report.relays.iter().all(|(_, status)| matches!(status, PublishStatus::Unknown(_))), "{report:?}");
    let updates: Vec<PublishUpdate> = progress.collect().await;
    assert_eq!(updates.last(), Some(&PublishUpdate::Done));
}

/// What failed can be tried again by its id.
pub async fn retries<R: Runtime>(runtime: R) {
    let server = relay();
    server.set_faults(Fault::OkFalse { reason: "blocked: not now".into() });
    let pool = pool(&runtime, [&server]);
    let event = note(1);
    let failed = pool.publish(event.clone(), all()).unwrap().await;
    assert_eq!(failed.verdict, Some(Verdict::Failed));

    server.set_faults(FaultPlan::new());
    let report = pool.retry(event.id(), Some(Duration::from_secs(10))).unwrap().await;
    assert_eq!(report.verdict, Some(Verdict::Reached));
    assert!(server.with(|relay| relay.contains(&event.id())));
    assert!(matches!(pool.retry(note(2).id(), None), Err(CallError::UnknownEvent(_))));
}

/// A relay that is not in the pool can be published to by naming it.
pub async fn takes_in_a_named_relay<R: Runtime>(runtime: R) {
    let (member, other) = (relay(), relay());
    let pool = pool(&runtime, [&member]);
    let options = all().with_relays([url_of(&other)]);
    let report = pool.publish(note(1), options).unwrap().await;
    assert_eq!(report.verdict, Some(Verdict::Reached));
    assert_eq!(other.with(|relay| relay.len()), 1);
    assert_eq!(member.with(|relay| relay.len()), 0);
    let empty = pool.publish(note(2), all().with_relays([]));
    assert!(matches!(empty, Err(CallError::NoRelays)), "{empty:?}");
}

/// A pinned relay gets everything.
pub async fn stays_pinned<R: Runtime>(runtime: R) {
    let (pinned, named) = (relay(), relay());
    let options = RelayOptions { pinned: true, ..RelayOptions::default() };
    let pool = build(&runtime, builder().relay_with(pinned.url(), options));
    let report = pool.publish(note(1), all().with_relays([url_of(&named)])).unwrap().await;
    assert_eq!((report.verdict.clone(), report.relays.len()), (Some(Verdict::Reached), 2));
    assert_eq!(pinned.with(|relay| relay.len()), 1);
}

/// Full is an error that hands the event back.
pub async fn hands_a_full_queue_back<R: Runtime>(runtime: R) {
    let server = relay();
    server.set_faults(Fault::NeverOk);
    let config = Config { max_publishes: 2, ..quick() };
    let pool = build(&runtime, builder().config(config).relay(server.url()));
    drop(pool.publish(note(1), all()).unwrap());
    drop(pool.publish(note(2), all()).unwrap());
    match pool.publish(note(3), all()) {
        Err(CallError::PublishQueueFull(event)) => assert_eq!(event, note(3)),
        other => panic!("there is no room: {other:?}"),
    }
}

/// An unsigned event is seen at once, then signed, then published.
pub async fn publishes_unsigned<R: Runtime>(runtime: R) {
    let server = relay();
    let pool = build(&runtime, builder().relay(server.url()).signer(KeySigner::new(keys(1))));
    let mut mine = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    let publishing = pool.publish_unsigned(template(1), all()).unwrap();
    let id = publishing.event_id();
    assert_eq!(id, note(1).id(), "the id is known before the signature");

    let pending = next(&mut mine, |item| match item {
        Item::Pending(pending) => Some(pending),
        Item::Event(event) => panic!("echoed before {event:?}"),
        _ => None,
    })
    .await;
    assert_eq!((pending.event.id(), pending.publish), (id, publishing.id()));
    let outcome = next(&mut mine, |item| match item {
        Item::Resolved { event, outcome, .. } => Some((event, outcome)),
        _ => None,
    })
    .await;
    assert_eq!(outcome, (id, PendingOutcome::Published(Verdict::Reached)));
    assert_eq!(publishing.await.verdict, Some(Verdict::Reached));
    assert!(server.with(|relay| relay.contains(&id)));
}

/// A signer that never wants to.
struct Unwilling(&'static str);

impl Signer for Unwilling {
    fn public_key(&self) -> PublicKey {
        keys(1).public_key()
    }

    fn sign(&self, _: UnsignedEvent) -> BoxFuture<'static, Result<Event, SignError>> {
        let reason = self.0;
        async move {
            match reason {
                "panic" => panic!("a signer that panics"),
                "forge" => Ok(keys(2).sign(&template(1), [0; 32])),
                reason => Err(SignError::new(reason)),
            }
        }
        .boxed()
    }
}

/// A signer that refuses, lies or panics gives a publish that was not signed; in the first case in its own words.
pub async fn tells_of_an_unwilling_signer<R: Runtime>(runtime: R) {
    let server = relay();
    for reason in ["no thanks", "panic", "forge"] {
        let pool = build(&runtime, builder().relay(server.url()).signer(Unwilling(reason)));
        let mut mine = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
        let report = pool.publish_unsigned(template(1), all()).unwrap().await;
        assert_ne!(report.verdict, Some(Verdict::Reached), "{reason}");
        let why = match &report.relays[0].1 {
            PublishStatus::Unknown(UnknownCause::NotSigned(why)) => why.clone(),
            other => panic!("{reason}: {other:?}"),
        };
        let told = next(&mut mine, |item| match item {
            Item::Resolved { outcome: PendingOutcome::NotSigned(why), .. } => Some(why),
            _ => None,
        })
        .await;
        assert_eq!(told, why);
        assert!(reason != "no thanks" || why == reason, "{why}");
    }
    assert_eq!(server.with(|relay| relay.stats().events_in), 0);
}

/// Without a signer there is nobody to sign.
pub async fn needs_a_signer<R: Runtime>(runtime: R) {
    let server = relay();
    let pool = pool(&runtime, [&server]);
    let refused = pool.publish_unsigned(template(1), all());
    assert!(matches!(refused, Err(PublishUnsignedError::NoSigner)), "{refused:?}");
    pool.shutdown(Duration::ZERO).await;
    let closed = pool.subscribe([notes()], SubscribeOptions::default());
    assert!(matches!(closed, Err(CallError::Closed)), "{closed:?}");
}

/// A relay that wants proof of work gets it, in an event that takes the place of the one it refused.
pub async fn mines_for_who_asks<R: Runtime>(runtime: R) {
    let server = relay();
    server.set_faults(Fault::OkFalse { reason: "pow: difficulty 3 is less than 12".into() });
    let pool = build(&runtime, builder().relay(server.url()).signer(KeySigner::new(keys(1))));
    let mut mine = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    let refused = pool.publish_unsigned(template(1), all()).unwrap().await;
    assert_eq!((refused.verdict, refused.relays[0].1.pow_asked()), (Some(Verdict::Failed), Some(12)));

    let too_hard = pool.mine(refused.publish, 11, all());
    assert!(matches!(too_hard, Err(MineError::TooHard { asked: 12 })), "{too_hard:?}");
    server.set_faults(FaultPlan::new());
    let mining = pool.mine(refused.publish, 20, all()).unwrap();
    assert_eq!((mining.difficulty(), mining.relays()), (12, &[url_of(&server)][..]));
    let report = mining.await.unwrap().await;
    assert_eq!((report.verdict, report.link), (Some(Verdict::Reached), Some(refused.publish)));
    let mined = server.with(|relay| relay.events().next().cloned()).unwrap();
    assert_eq!((mined.id(), mined.content()), (report.event, note(1).content()));
    assert!(mined.id().difficulty() >= 12 && mined.check_id().unwrap().check_pow(12).is_ok());

    let mut fates = Vec::new();
    while fates.len() < 3 {
        let fate = next(&mut mine, |item| match item {
            Item::Resolved { event, outcome, .. } => Some((event, outcome)),
            _ => None,
        });
        fates.push(fate.await);
    }
    let failed = (refused.event, PendingOutcome::Published(Verdict::Failed));
    let gone = (refused.event, PendingOutcome::NeverAccepted);
    assert_eq!(fates, [failed, gone, (report.event, PendingOutcome::Published(Verdict::Reached))]);
    let again = pool.mine(report.publish, 20, all());
    assert!(matches!(again, Err(MineError::NotAsked)), "{again:?}");
}

/// A relay that says how much it takes is not sent more.
pub async fn sends_nothing_too_large<R: Runtime>(runtime: R) {
    let server = relay();
    let pool = pool(&runtime, [&server]);
    let info = RelayInfo::from_json(r#"{"limitation":{"max_message_length":2000}}"#).unwrap();
    pool.set_relay_info(&url_of(&server), info).unwrap();
    let large = keys(1).sign(&EventTemplate::text_note("x".repeat(2_000), note(1).created_at()), [0; 32]);
    let report = pool.publish(large, all()).unwrap().await;
    assert_eq!(report.verdict, Some(Verdict::Failed));
    assert!(matches!(report.relays[0].1, PublishStatus::Rejected(Rejection::TooLarge { max: Some(2_000), .. })));
    assert_eq!(pool.publish(note(1), all()).unwrap().await.verdict, Some(Verdict::Reached));
    assert_eq!(server.with(|relay| relay.stats().events_in), 1);
}

/// A relay that hangs up on a message for its size (close code 1009) is not sent it again.
pub async fn hears_of_a_message_too_big<R: Runtime>(runtime: R) {
    let config = RelayConfig { max_message_bytes: 2_000, ..RelayConfig::default() };
    let server = nostr_model_relay::Server::start(config).unwrap();
    let pool = pool(&runtime, [&server]);
    let large = keys(1).sign(&EventTemplate::text_note("x".repeat(2_000), note(1).created_at()), [0; 32]);
    let report = pool.publish(large, all()).unwrap().await;
    assert_eq!(report.verdict, Some(Verdict::Failed));
    assert!(matches!(report.relays[0].1, PublishStatus::Rejected(Rejection::TooLarge { max: None, .. })), "{report:?}");
}
