//! However short the queues, and whenever the application takes from them: every event that is kept comes once.

use nostr_pool_core::*;
use nostr_proto::Filter;
use proptest::prelude::*;

use super::world::*;

#[derive(Clone, Debug)]
enum Op {
    Push { relay: usize, ago: u64, fleeting: bool },
    Take { sub: usize, items: usize },
    Pass { ms: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..2_usize, 0..600_u64, prop::bool::weighted(0.1))
            .prop_map(|(relay, ago, fleeting)| Op::Push { relay, ago, fleeting }),
        3 => (0..3_usize, 1..6_usize).prop_map(|(sub, items)| Op::Take { sub, items }),
        1 => (1..3_000_u64).prop_map(|ms| Op::Pass { ms }),
    ]
}

/// Room for news beyond the bound of a queue.
const HEADROOM: usize = 256;

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Three subscriptions on two relays, one of them with a queue that never fills: each gets every event once, and no
    /// queue holds more than it may.
    #[test]
    fn every_event_that_is_kept_comes_once_however_short_the_queue(
        rooms in (1..9_usize, 1..9_usize),
        all in prop::sample::select(vec![2_usize, 10, 10_000]),
        cap in prop::sample::select(vec![500_usize, 12]),
        stored in 0..40_u64,
        ops in prop::collection::vec(op(), 1..80),
    ) {
        let mut w = World::new(2, Config { min_page: 10, ..bounded(all) });
        let mut kept = notes(stored);
        for relay in &mut w.relays {
            relay.cap = cap;
        }
        let half = kept.len() / 2;
        w.relays[0].stored.extend_from_slice(&kept[..half]);
        w.relays[1].stored.extend_from_slice(&kept[half / 2..]);
        let rooms = [rooms.0, rooms.1, 10_000];
        let max = w.core.config().max_queued_bytes;
        let subs: Vec<SubId> = rooms.iter().map(|room| {
            let history = History::All;
            let filters = vec![Filter::new()];
            w.subscribe(Subscribe { filters, history, queue_items: Some(*room), ..Subscribe::default() })
        }).collect();
        for (n, op) in ops.into_iter().enumerate() {
            match op {
                Op::Push { relay, ago, fleeting } => {
                    let event = event(if fleeting { 20_000 } else { 1 }, &format!("pushed {n}"), START - ago);
                    if !fleeting {
                        kept.push(event.clone());
                    }
                    w.push(relay, &event);
                }
                Op::Take { sub, items } => drop(w.take(subs[sub], items)),
                Op::Pass { ms } => w.pass(ms * MS),
            }
            for (&sub, &room) in subs.iter().zip(&rooms) {
                prop_assert!(w.untaken_events(sub) <= room);
            }
            let largest = w.queues.values().flatten().map(Item::bytes).max().unwrap_or(0);
            let untaken: usize = subs.iter().map(|sub| w.untaken_bytes(*sub)).sum();
            prop_assert!(untaken <= max + largest + subs.len() * HEADROOM * 512, "{} of {}", untaken, max);
            if all == 10_000 {
                prop_assert!(w.overflow(subs[2]).is_empty(), "the full queues are none of its business");
            }
        }
        for _ in 0..600 {
            let taken: usize = subs.iter().map(|sub| w.take(*sub, usize::MAX)).sum();
            w.pass(if taken > 0 { 600 * MS } else { 5_000 * MS });
        }
        for &sub in &subs {
            let got = w.events(sub);
            let mut once = got.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), got.len(), "each once");
            let missing: Vec<usize> = (0..kept.len()).filter(|n| !got.contains(&kept[*n].id())).collect();
            prop_assert!(missing.is_empty(), "{:?} never came, of {}: {:?}", missing, kept.len(), w.gaps(sub));
        }
    }
}
