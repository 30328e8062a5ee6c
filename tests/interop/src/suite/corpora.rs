//! Real and generated events, published.

use nostr_pool_corpus as corpus;
use nostr_pool_driver::{PublishStatus, Runtime, Verdict};
use nostr_proto::Event;

use super::{IN_THE_AIR, Plan, Stage, now, publish_all};
use crate::oracle::{has_control_characters, is_plain, is_regular};

/// Publishes them; those that the relay is to have taken, in the order in which it did. Those that it refused are noted:
/// no more than one in fifty may be.
pub(super) async fn publish<R: Runtime>(stage: &Stage<'_, R>, plan: Plan) -> Vec<Event> {
    let shared = plan.shared.then(corpus::shared).flatten().unwrap_or_default();
    let mut events: Vec<Event> = shared.iter().map(|line| Event::from_json(line).expect("it is an event")).collect();
    events.extend(corpus::generated(plan.seed, plan.events));
    // Oldest first, and of two versions of one second the one with the lower id last: so no relay has a reason to refuse.
    events.sort_by_key(|event| (event.created_at(), std::cmp::Reverse(event.id())));
    events.dedup_by_key(|event| event.id());
    let now = now();
    let any_text = stage.relay.make().hashes_control_characters_alike();
    events.retain(|event| is_plain(event, now) && (any_text || !has_control_characters(event)));
    // Versions go one at a time, or a relay that handles messages concurrently could take them in another order.
    let (regular, versions): (Vec<Event>, Vec<Event>) = events.into_iter().partition(is_regular);

    let pool = stage.pool(None).await;
    let mut reports = publish_all(&pool, &regular, IN_THE_AIR).await;
    reports.extend(publish_all(&pool, &versions, 1).await);
    let mut taken = Vec::new();
    let mut refused = 0;
    let all: Vec<Event> = regular.into_iter().chain(versions).collect();
    for (event, report) in all.iter().zip(&reports) {
        assert!(report.verdict.is_some(), "every publish has its verdict");
        match (&report.verdict, &report.relays[0].1) {
            (Some(Verdict::Reached), _) => taken.push(event.clone()),
            (Some(Verdict::Failed), PublishStatus::Rejected(why)) => {
                refused += 1;
                stage.note(format!("refuses an event of kind {}: {why:?}", event.kind().as_u16()));
            }
            other => panic!("{other:?} of {}", event.to_json()),
        }
    }
    assert!(refused * 50 < all.len(), "{refused} of {} are refused: {:?}", all.len(), stage.notes.borrow());
    assert!(pool.shutdown(super::STEP).await.is_empty(), "nothing is left to be published");
    taken
}

/// What a relay has, it accepts again, with whatever words.
pub(super) async fn publish_again<R: Runtime>(stage: &Stage<'_, R>, events: &[Event]) {
    let pool = stage.pool(None).await;
    let some: Vec<Event> = events.iter().filter(|event| is_regular(event)).step_by(29).cloned().collect();
    for report in publish_all(&pool, &some, IN_THE_AIR).await {
        assert_eq!(report.verdict, Some(Verdict::Reached), "{:?}", report.relays);
        if let PublishStatus::Accepted { duplicate: false } = report.relays[0].1 {
            stage.note("says of a duplicate that it is accepted, and no more");
        }
    }
}
