//! NIP-42, where a relay offers it.

use std::time::Duration;

use nostr_pool_driver::{
    AuthState, FetchOptions, Item, Pool, PublishOptions, Quorum, Runtime, SubscribeOptions, Subscription, Verdict,
};
use nostr_proto::{Filter, Kind};

use super::live::{take, until_eose};
use super::{Stage, event, fetch_all, ids, ids_of, members, now, publish_well};

/// A relay that wants to know who writes and reads: whoever says nothing gets nothing, members get everything, and they
/// still do after it was killed.
pub(super) async fn on_demand<R: Runtime>(stage: &mut Stage<'_, R>) {
    let [writer, reader] = members();
    let notes = Filter::new().author(writer.public_key());
    let first = event(&writer, 1, now(), "first", &[]);
    let stranger = stage.pool(None).await;
    let options = PublishOptions::default().with_quorum(Quorum::All).with_deadline(Duration::from_secs(4));
    let report = stranger.publish(first.clone(), options).expect("there is room").await;
    assert_ne!(report.verdict, Some(Verdict::Reached), "{report:?}");
    stage.note(format!("to a stranger's EVENT: {:?}", report.relays[0].1));

    let writing = stage.pool(Some(writer.clone())).await;
    publish_well(&writing, &first).await;
    stage.note(format!("after AUTH: {}", authenticated(stage, &writing)));

    let patience = FetchOptions::default().with_timeout(Duration::from_secs(3));
    let fetched = stranger.fetch(vec![notes.clone()], patience).await.expect("the call is right");
    assert!(fetched.events.is_empty() && !fetched.coverage.is_complete(), "{fetched:?}");
    stage.note(format!("to a stranger's REQ: {:?}", fetched.coverage.legs[0].outcome));

    let reading = stage.pool(Some(reader)).await;
    assert_eq!(ids_of(&fetch_all(&reading, vec![notes.clone()]).await), ids([&first]));
    let mut subscription = reading.subscribe([notes], SubscribeOptions::default()).expect("the call is right");
    stage.soon("EOSE", until_eose_with(&mut subscription, 1)).await;
    let second = event(&writer, 1, now(), "second", &[]);
    publish_well(&writing, &second).await;
    let came = stage.soon("a live event", take(&mut subscription, 1)).await;
    assert_eq!(came[0].event.id(), second.id());

    stage.relay.kill();
    stage.relay.revive().expect("it starts again");
    let third = event(&writer, 1, now(), "third", &[]);
    publish_well(&writing, &third).await;
    let next = async {
        loop {
            if let Item::Event(item) = subscription.next().await.expect("the subscription goes on") {
                return item;
            }
        }
    };
    assert_eq!(stage.soon("an event after the restart", next).await.event.id(), third.id());
}

/// A relay that keeps private kinds from strangers: what is for the reader comes, once it is known who that is; nobody
/// else gets it.
pub(super) async fn for_private_kinds<R: Runtime>(stage: &Stage<'_, R>) {
    let [writer, reader] = members();
    let to = reader.public_key().to_string();
    let letter = event(&writer, 4, now(), "c2VjcmV0?iv=AAAA", &[&["p", &to]]);
    let note = event(&writer, 1, now(), "for all", &[&["p", &to]]);
    let writing = stage.pool(Some(writer.clone())).await;
    publish_well(&writing, &letter).await;
    publish_well(&writing, &note).await;

    let private = Filter::new().kind(Kind::new(4)).tag('p', to.as_str());
    let reading = stage.pool(Some(reader)).await;
    assert_eq!(ids_of(&fetch_all(&reading, vec![private.clone()]).await), ids([&letter]));
    stage.note(format!("after AUTH: {}", authenticated(stage, &reading)));
    let all = Filter::new().author(writer.public_key());
    assert_eq!(ids_of(&fetch_all(&reading, vec![all.clone()]).await), ids([&letter, &note]));

    let stranger = stage.pool(None).await;
    let patience = FetchOptions::default().with_timeout(Duration::from_secs(3));
    let fetched = stranger.fetch(vec![private], patience.clone()).await.expect("the call is right");
    assert!(fetched.events.is_empty(), "{fetched:?}");
    stage.note(format!("to a stranger's REQ for kind 4: {:?}", fetched.coverage.legs[0].outcome));
    let fetched = stranger.fetch(vec![all], patience).await.expect("the call is right");
    assert_eq!(ids_of(&fetched), ids([&note]), "what is for all is for strangers, too");
}

fn authenticated<R: Runtime>(stage: &Stage<'_, R>, pool: &Pool) -> &'static str {
    match &pool.relays()[0].auth {
        AuthState::Authenticated { confirmed: true, .. } => "OK",
        AuthState::Authenticated { confirmed: false, .. } => "no OK",
        other => panic!("{:?}: {other:?}", stage.relay.make()),
    }
}

async fn until_eose_with(subscription: &mut Subscription, count: usize) {
    assert_eq!(take(subscription, count).await.len(), count);
    until_eose(subscription).await;
}
