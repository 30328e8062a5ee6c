//! Which ground is asked for again, and what gaps and checkpoints say of it.

use nostr_pool_core::*;
use nostr_proto::{EventTemplate, Filter, Kind};

use super::stage::*;
use crate::common::*;

#[test]
fn a_filter_whose_window_is_over_is_never_asked_for_backwards() {
    let mut s = Stage::new(vec![notes().until(second(-2_000)), notes().since(second(-10))], Config::default());
    s.serve();
    s.store = many(1, 40);
    s.offline(5_000);
    s.serve();
    assert!(s.has_all() && s.is_caught_up());
    let backwards = |filter: &Filter| filter.since > filter.until && filter.until.is_some();
    assert!(!s.asked.iter().any(|(_, filters)| filters.iter().any(backwards)), "{:?}", s.asked);
}

#[test]
fn gift_wraps_are_asked_for_two_days_back() {
    let mut s = Stage::new(vec![Filter::new().kind(Kind::new(1059))], Config::default());
    s.serve();
    s.store =
        (0..40).map(|n| sign(EventTemplate::new(Kind::new(1059), format!("{n}"), second(-172_000 + n)))).collect();
    s.offline(100);
    let main = s.take();
    assert_eq!(main[0].1[0].since, Some(second(-176_400 - 120)));
    s.answer(&main[0]);
    s.serve();
    assert!(s.has_all());
}

#[test]
fn one_relay_owes_nothing_for_another() {
    let mut b = Bench::new(2, Config::default());
    let sub = b.all();
    let eose = |b: &mut Bench, relay: usize| {
        let wire = b.wires[&(b.sockets[relay], 0)].clone();
        b.text(relay, &format!("[\"EOSE\",\"{wire}\"]"));
    };
    (0..2).for_each(|relay| eose(&mut b, relay));
    b.requests.clear();
    let socket = b.sockets[0];
    let now = b.now();
    b.core.handle_input(Input::Closed { socket, reason: CloseReason::Error("gone".into()) }, now);
    b.drain();
    b.send(1, sub, &at(1, "meanwhile"));
    b.sockets.swap_remove(0);
    b.pass(5);
    assert_eq!(b.requests.len(), 1, "only that one is asked again");
    assert_eq!(b.requests[0].0, b.sockets[1]);
    eose(&mut b, 1);
    let gaps = b.items[&sub].iter().filter_map(|item| if let Item::Gap(gap) = item { gap.relay.clone() } else { None });
    assert_eq!(gaps.collect::<Vec<_>>(), [url(0), url(0)]);
}

#[test]
fn a_checkpoint_brings_what_was_not_proven_and_no_more() {
    let mut s = Stage::behind(60, 100, Config { max_pages: 1, ..Config::default() });
    s.serve();
    assert!(!s.has_all());
    s.b.call(Call::Taken { sub: s.sub, items: 0, bytes: 0 });
    let Reply::Checkpoint(kept) = s.b.call(Call::Checkpoint { sub: s.sub }) else { panic!("it is one") };
    let kept = Checkpoint::from_json(&kept.to_json()).unwrap();
    for (filters, resumed) in [(vec![notes()], true), (vec![notes().limit(1)], false)] {
        let request = Subscribe { filters, resume: Some(kept.clone()), ..Subscribe::default() };
        let mut later = Stage::with(request, s.store.clone(), Config::default());
        let main = later.take();
        assert_eq!(main[0].1[0].since.is_some(), resumed, "other filters begin anew");
        later.answer(&main[0]);
        later.serve();
        assert!(!resumed || later.store.iter().all(|event| s.has(event) || later.has(event)));
    }
}

#[test]
fn what_a_relay_owes_that_is_taken_out_is_a_gap() {
    for removed in [true, false] {
        let mut s = Stage::behind(50, 100, Config::default());
        let main = s.take();
        s.answer(&main[0]);
        assert_eq!(s.take().len(), 1, "a page runs");
        s.b.call(match removed {
            true => Call::RemoveRelay { url: url(0) },
            false => Call::Retarget { sub: s.sub, target: Target::Relays(vec![url(1)]) },
        });
        let gap = s.gaps().into_iter().find(|gap| gap.cause == GapCause::NotAnswered).expect("a gap");
        assert_eq!((gap.relay, gap.since, gap.until), (Some(url(0)), Some(second(-1_020)), None));
        let items = &s.b.items[&s.sub];
        let told = items.iter().position(|it| matches!(it, Item::Gap(Gap { cause: GapCause::NotAnswered, .. })));
        let gone = items.iter().position(|it| matches!(it, Item::Leg { state: LegState::Removed, .. }));
        assert!(told < gone, "its last words");
    }
}

#[test]
fn a_relay_that_owes_nothing_is_taken_out_without_a_gap() {
    let mut s = Stage::new(vec![notes()], Config::default());
    s.serve();
    s.b.call(Call::RemoveRelay { url: url(0) });
    assert_eq!(s.gaps(), []);
}

/// Nor is a gap shorter than what is asked for again after a restart.
#[test]
fn a_gap_names_what_a_checkpoint_left_open() {
    let mut s = Stage::new(vec![notes()], Config::default());
    s.serve();
    s.b.call(Call::Taken { sub: s.sub, items: 0, bytes: 0 });
    let Reply::Checkpoint(kept) = s.b.call(Call::Checkpoint { sub: s.sub }) else { panic!("it is one") };
    let (then, before) = (second(0).as_secs().to_string(), second(-5_000).as_secs().to_string());
    let kept = Checkpoint::from_json(&kept.to_json().replace(&then, &before)).unwrap();
    let request = Subscribe { filters: vec![notes()], resume: Some(kept), ..Subscribe::default() };
    let mut later = Stage::with(request, many(-5_500, 60), Config::default());
    let main = later.take().remove(0);
    assert_eq!(main.1[0].since, Some(second(-5_000 - 900 - 120)));
    later.answer(&main);
    later.offline(10);
    let gap = later.gaps().pop().unwrap();
    assert_eq!((gap.cause, gap.since), (GapCause::Disconnected, Some(second(-5_000 - 900 - 120))));
}

/// A gap names all the ground that it is about, and one that is still open does not shrink when the next one opens.
#[test]
fn a_gap_begins_where_events_may_be_late_and_does_not_shrink_while_it_is_open() {
    let filters = vec![notes().since(second(-500)), Filter::new().kind(Kind::new(7)).since(second(-700))];
    let mut s = Stage::new(filters, Config::default());
    s.serve();
    let since = |s: &Stage| s.gaps().last().and_then(|gap| gap.since);
    s.offline(2_000);
    // Longer ago than is asked for again was not asked for at all.
    assert_eq!(since(&s), Some(second(-700)));
    s.store = many(1, 60);
    let main = s.take().remove(0);
    s.answer(&main);
    assert!(!s.is_caught_up(), "pages are to come");
    s.b.pass(1_000);
    s.offline(2_000);
    assert_eq!((s.causes().last(), since(&s)), (Some(&GapCause::Disconnected), Some(second(-700))));
    s.serve();
    assert!(s.has_all() && s.is_caught_up());
    assert_eq!(since(&s), Some(second(-700)));
    let alive = s.b.unix;
    s.offline(100);
    assert_eq!(since(&s), Some(nostr_proto::Timestamp::new(alive - 900 - 120)), "that one is over");
}
