//! What was published comes back: all of it, and by every sort of filter.

use std::collections::BTreeMap;

use nostr_pool_driver::{CountOptions, FetchOptions, Runtime};
use nostr_proto::{Event, Filter};
use serde_json::{Value, json};

use super::{Stage, fetch_all, ids_of};
use crate::oracle::Held;
use crate::raw::Raw;

/// Everything that the relay is to hold comes once, byte for byte, through whatever cap it has.
pub(super) async fn everything<R: Runtime>(stage: &Stage<'_, R>, published: &[Event], held: &Held) {
    let texts: BTreeMap<String, String> = published.iter().map(|e| (e.id().to_string(), e.to_json())).collect();
    let pool = stage.pool(None).await;
    // The tests that follow the corpora publish as others.
    let authors: Vec<Value> = held.authors().into_iter().map(Value::from).collect();
    let fetched = fetch_all(&pool, vec![filter(&json!({"authors": authors}))]).await;
    assert_eq!(ids_of(&fetched), held.matching(&[json!({})]));
    for item in &fetched.events {
        assert_eq!(item.event.to_json(), texts[&item.event.id().to_string()], "other bytes came back");
    }
}

/// Each sort of filter brings what it says.
pub(super) async fn by_filter<R: Runtime>(stage: &Stage<'_, R>, held: &Held) {
    let pool = stage.pool(None).await;
    let ids: Vec<String> = held.matching(&[json!({})]).into_iter().step_by(17).take(20).collect();
    let (authors, kinds) = (held.authors(), held.kinds());
    let dates = held.dates(&json!({}));
    let (early, late) = (dates[dates.len() * 3 / 4], dates[dates.len() / 4]);
    let mut asked = vec![
        vec![json!({"ids": ids})],
        vec![json!({"authors": authors[..3]})],
        vec![json!({"since": early, "until": late})],
        vec![json!({"kinds": kinds[..2], "since": early})],
        vec![json!({"authors": authors[..5], "kinds": kinds[..3], "until": late})],
        vec![json!({"kinds": [kinds[0]]}), json!({"authors": authors[..2]}), json!({"ids": ids[..3]})],
    ];
    asked.extend(kinds.iter().take(6).map(|kind| vec![json!({"kinds": [kind]})]));
    for tag in ["e", "p", "t", "d", "a"] {
        let values = held.values(tag);
        if let Some(first) = values.first() {
            asked.push(vec![json!({(format!("#{tag}")): [first]})]);
            asked.push(vec![json!({(format!("#{tag}")): values[..values.len().min(5)], "until": late})]);
        }
    }
    for filters in asked {
        let fetched = fetch_all(&pool, filters.iter().map(filter).collect()).await;
        assert_eq!(ids_of(&fetched), held.matching(&filters), "by {filters:?}");
    }
    for with in [
        json!({"since": 1, "limit": 10}),
        json!({"kinds": [kinds[0]], "limit": 3}),
        json!({"authors": authors[..4], "limit": 25}),
    ] {
        let fetched = pool.fetch(vec![filter(&with)], FetchOptions::default()).await.expect("the call is right");
        assert!(fetched.coverage.is_complete(), "{:?}", fetched.coverage);
        let brought: Vec<u64> = fetched.events.iter().map(|item| item.event.created_at().as_secs()).collect();
        let limit = usize::try_from(with["limit"].as_u64().expect("it has one")).expect("it is small");
        let newest: Vec<u64> = held.dates(&with).into_iter().take(limit).collect();
        assert_eq!(brought, newest, "the newest by {with}");
        assert!(ids_of(&fetched).is_subset(&held.matching(std::slice::from_ref(&with))));
    }
}

/// Where the relay counts (NIP-45), the pool has the right number, and so has a client that asks for itself; where it does
/// not, the pool has none.
pub(super) async fn count<R: Runtime>(stage: &Stage<'_, R>, held: &Held) {
    let pool = stage.pool(None).await;
    if !stage.relay.make().counts() {
        let report = pool.count([Filter::new()], CountOptions::default()).await.expect("the call is right");
        assert_eq!(report.maximum, None, "{:?}", report.relays);
        return;
    }
    let mut raw = Raw::connect(stage.relay.port()).expect("the relay is there");
    for kind in held.kinds().into_iter().take(3) {
        let wanted = json!({"kinds": [kind]});
        let report = pool.count([filter(&wanted)], CountOptions::default()).await.expect("the call is right");
        let right = held.matching(std::slice::from_ref(&wanted)).len() as u64;
        assert_eq!(report.maximum, Some(right), "{:?}", report.relays);
        let heard = raw.ask(&json!(["COUNT", "c", wanted]), |heard| heard[0] == "COUNT" || heard[0] == "CLOSED");
        let counted = heard.last().and_then(|last| last[2]["count"].as_u64().or(last[2].as_u64()));
        assert_eq!(counted, Some(right), "{heard:?}");
    }
}

fn filter(filter: &Value) -> Filter {
    Filter::from_json(&filter.to_string()).expect("it is a filter")
}
