//! Counting (NIP-45).

use std::time::Duration;

use nostr_model_relay::Fault;
use nostr_pool_driver::{
    AuthPolicy, CallError, CountOptions, CountOutcome, CountReport, KeySigner, Runtime, SubscribeOptions,
};
use nostr_proto::{Filter, Kind};

use super::*;

/// Reactions to one note, each of another author.
fn reactions(authors: std::ops::Range<u8>) -> Vec<Event> {
    let template = EventTemplate::new(Kind::REACTION, "+", Timestamp::new(1_700_000_000)).tag(["e", &"ab".repeat(32)]);
    authors.map(|n| keys(n).sign(&template, [0; 32])).collect()
}

fn about_reactions() -> Filter {
    Filter::new().kind(Kind::REACTION).tag('e', "ab".repeat(32))
}

/// What came of a count at a relay.
fn of<'a>(report: &'a CountReport, server: &Server) -> &'a CountOutcome {
    let url = url_of(server);
    &report.relays.iter().find(|(relay, _)| *relay == url).expect("every relay has a part").1
}

/// Each relay's number, the largest, and what their registers say together.
pub async fn merges_what_relays_count<R: Runtime>(runtime: R) {
    let servers = [relay(), relay(), relay()];
    store(&servers[0], reactions(1..100));
    store(&servers[1], reactions(60..160));
    store(&servers[2], reactions(150..200));
    servers[..2].iter().for_each(|server| server.set_faults(Fault::CountRegisters));
    let pool = pool(&runtime, &servers);
    let report = pool.count([about_reactions()], CountOptions::default()).await.unwrap();
    let counts = servers.each_ref().map(|server| of(&report, server).count());
    assert_eq!((counts, report.maximum), ([Some(99), Some(100), Some(50)], Some(100)));
    let merged = report.merged.clone().unwrap();
    assert_eq!(merged.relays, 2);
    assert!((127..191).contains(&merged.estimate), "159 authors are about {}", merged.estimate);
    assert_eq!(report.best(), Some(merged.estimate));

    // Nobody knows what registers mean without a tag.
    let report = pool.count([Filter::new()], CountOptions::default()).await.unwrap();
    assert_eq!((report.merged.clone(), report.best()), (None, Some(100)));
    let few = CountOptions::default().with_relays([url_of(&servers[2])]);
    assert_eq!(pool.count([Filter::new()], few).await.unwrap().maximum, Some(50));
}

/// Refusal, silence, nonsense and a lost connection are told apart.
pub async fn tells_why_a_relay_does_not_count<R: Runtime>(runtime: R) {
    let servers = [relay(), relay(), relay(), relay(), relay()];
    servers[0].set_faults(Fault::RefuseCount { reason: "unsupported: no COUNT".to_owned() });
    servers[1].set_faults(Fault::IgnoreCount);
    servers[2].set_faults(Fault::NonsenseCount);
    servers[3].set_faults(Fault::CloseOnCount { code: 1008, reason: "what?".to_owned() });
    servers[4].set_faults(Fault::NoticeOnCount { text: "could not parse command".to_owned() });
    let pool = pool(&runtime, &servers);
    let report = pool.count([notes()], CountOptions::default().with_timeout(Duration::from_secs(4))).await.unwrap();
    assert!(
        matches!(of(&report, &servers[0]), CountOutcome::Refused(reason) if reason.to_string() == "unsupported: no COUNT")
    );
    assert_eq!(*of(&report, &servers[1]), CountOutcome::Silent);
    assert_eq!(*of(&report, &servers[2]), CountOutcome::Nonsense);
    assert_eq!(*of(&report, &servers[3]), CountOutcome::Lost);
    assert_eq!(servers[3].with(|relay| relay.stats().counts), 2, "asked twice, and no more");
    assert!(
        matches!(of(&report, &servers[4]), CountOutcome::Refused(reason) if reason.to_string() == "could not parse command")
    );
    assert_eq!((report.maximum, report.merged), (None, None));
}

/// A count that nobody waits for ends, and leaves the pool as it was.
pub async fn ends_when_dropped<R: Runtime>(runtime: R) {
    let server = relay();
    store(&server, (1..=3).map(note));
    server.set_faults(Fault::IgnoreCount);
    let pool = pool(&runtime, [&server]);
    for _ in 0..2 * pool.config().max_counts {
        drop(pool.count([notes()], CountOptions::default()));
    }
    let mut subscription = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    next_event(&mut subscription).await;
    server.set_faults(nostr_model_relay::FaultPlan::new());
    assert_eq!(pool.count([notes()], CountOptions::default()).await.unwrap().maximum, Some(3));
    assert_eq!(
        pool.count(Vec::new(), CountOptions::default()).await,
        Err(CallError::FilterCount { given: 0, max: 10 })
    );

    server.set_faults(Fault::IgnoreCount);
    let open = pool.count([notes()], CountOptions::default());
    pool.shutdown(Duration::from_secs(1)).await;
    assert_eq!(open.await.unwrap().relays, [(url_of(&server), CountOutcome::Cancelled)]);
    assert_eq!(pool.count([notes()], CountOptions::default()).await, Err(CallError::Closed));
}

/// A relay that wants to know who counts is told, and asked again.
pub async fn counts_after_authenticating<R: Runtime>(runtime: R) {
    let server = relay();
    store(&server, (1..=3).map(note));
    server.set_faults(Fault::AuthRequired { reads: true, writes: false, challenge_on_connect: true });
    let known = builder().relay(server.url()).signer(KeySigner::new(keys(3))).auth_policy(AuthPolicy::Always);
    let report = build(&runtime, known).count([notes()], CountOptions::default()).await.unwrap();
    assert_eq!((report.maximum, server.with(|relay| relay.stats().auths)), (Some(3), 1));
    let stranger = pool(&runtime, [&server]);
    let report = stranger.count([notes()], CountOptions::default()).await.unwrap();
    assert!(matches!(of(&report, &server), CountOutcome::Refused(_)));
}
