//! The same event from several relays: copies that are crowded out, and how many are remembered.

use nostr_pool_core::*;
use nostr_proto::Event;

use super::harness::*;

#[test]
fn relays_remembered_per_event_are_bounded() {
    // entry of `seen` holds more than MAX_RELAYS when copies come in flight
    let mut h = H::new(Config { max_connections: 50, ..Config::default() });
    for n in 0..40 {
        h.add(n);
    }
    h.sub(Target::All, Mode::Live);
    let e = note(1);
    for n in 0..40 {
        h.open(n);
    }
    for (s, w) in h.wires() {
        h.text(s, &ev(&w, &e));
    }
    h.verify_all();
    assert!(h.core.seen_on(&e.id()).len() <= 32, "{}", h.core.seen_on(&e.id()).len());
}

/// Four relays send forged copies of an event, of which two are parked; the honest fifth is crowded out.
fn crowd_out(config: &Config) -> (H, SubId, Event) {
    let mut h = H::new(Config { max_parked: 2, max_connections: 20, ..config.clone() });
    for n in 0..5 {
        h.add(n);
    }
    let sub = h.sub(Target::All, Mode::Live);
    for n in 0..5 {
        h.open(n);
    }
    let e = note(1);
    let good = e.to_json();
    let sig = format!("{}", e.signature());
    for (i, (s, w)) in h.wires().into_iter().enumerate() {
        let json = if i == 4 {
            good.clone()
        } else {
            let mut b: String = sig.clone();
            b.replace_range(0..4, &format!("{:04x}", i + 1));
            good.replace(&sig, &b)
        };
        h.text(s, &format!("[\"EVENT\",\"{w}\",{json}]"));
    }
    h.verify_all();
    (h, sub, e)
}

fn told(h: &H, sub: SubId, event: &Event) -> (usize, usize) {
    let items = h.items(sub);
    let events = items.iter().filter(|i| matches!(i, Item::Event(e) if e.event.id() == event.id())).count();
    (events, items.iter().filter(|i| matches!(i, Item::Gap(_))).count())
}

#[test]
fn a_copy_that_was_crowded_out_is_a_gap_where_nothing_may_be_fetched_again() {
    for config in
        [Config { max_repairs: 0, ..Config::default() }, Config { max_repairs_per_relay: 0, ..Config::default() }]
    {
        let (h, sub, e) = crowd_out(&config);
        assert_eq!((told(&h, sub, &e), h.core.stats().repairs), ((0, 2), 0), "a gap for each relay that was not heard");
    }
}

#[test]
fn a_copy_that_was_crowded_out_is_fetched_again_and_eose_waits_for_it() {
    let (mut h, sub, e) = crowd_out(&Config::default());
    assert_eq!((told(&h, sub, &e), h.core.stats().repairs), ((0, 0), 1));
    let asked: Vec<_> = h.wires().split_off(5);
    let filter = format!("{{\"ids\":[\"{}\"]}}", e.id());
    let requests = |c: &&Command| matches!(c, Command::Send { frame, .. } if frame.contains(&filter));
    assert_eq!((asked.len(), h.cmds.iter().filter(requests).count()), (2, 2), "who was crowded out is asked by id");
    let all: Vec<_> = h.wires().into_iter().take(5).collect();
    for (s, w) in &all {
        h.text(*s, &format!("[\"EOSE\",\"{w}\"]"));
    }
    let eose = |h: &H| h.items(sub).iter().position(|i| matches!(i, Item::Eose(_)));
    assert_eq!(eose(&h), None, "the EOSE of those that brought it does not overtake it");
    let (s, w) = asked.last().unwrap();
    h.text(*s, &ev(w, &e));
    h.verify_all();
    assert_eq!(told(&h, sub, &e), (1, 0), "delivered, and no gap");
    let event = h.items(sub).iter().position(|i| matches!(i, Item::Event(_)));
    assert!(event < eose(&h), "{event:?}, {:?}", eose(&h));
    // Nobody else sees it, and nobody may touch it.
    let strangers = h.evs.iter().filter(|e| matches!(e, PoolEvent::Item { sub: s, .. } if *s != sub)).count();
    assert_eq!(strangers, 0);
    assert!(h.sub(Target::All, Mode::Live).as_u64() == sub.as_u64() + 1, "the numbers of others are as they were");
    let hidden = SubId::from_u64(1 << 63);
    assert_eq!(h.call(Call::Unsubscribe { sub: hidden }), Err(CallError::UnknownSubscription(hidden)));
}

#[test]
fn what_cannot_be_fetched_again_is_a_gap_and_holds_eose_up_no_longer_than_its_deadline() {
    let (mut h, sub, e) = crowd_out(&Config::default());
    for (s, w) in h.wires().into_iter().take(5) {
        h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    }
    h.pass(11 * S);
    assert_eq!(told(&h, sub, &e), (0, 2), "a gap for each relay that was not heard");
    assert!(h.items(sub).iter().any(|i| matches!(i, Item::Eose(_))));
    assert!(h.call(Call::Unsubscribe { sub: SubId::from_u64(1 << 63) }).is_err());
    // Another try is made when it comes again.
    let (s, w) = h.wires().into_iter().nth(4).unwrap();
    h.text(s, &ev(&w, &e));
    h.verify_all();
    assert_eq!(told(&h, sub, &e), (1, 2));
}

#[test]
fn a_relay_that_is_taken_out_ends_what_is_fetched_again_there() {
    let (mut h, sub, e) = crowd_out(&Config::default());
    h.call(Call::RemoveRelay { url: url(3) }).unwrap();
    assert_eq!(told(&h, sub, &e), (0, 0), "the other is still asked");
    h.call(Call::RemoveRelay { url: url(4) }).unwrap();
    assert_eq!(told(&h, sub, &e).0, 0);
    let (mut h, ..) = crowd_out(&Config::default());
    h.call(Call::Unsubscribe { sub: SubId::from_u64(0) }).unwrap();
    h.call(Call::StartClean).unwrap();
    h.call(Call::Shutdown).unwrap();
    h.pass(100 * S);
}

#[test]
fn an_event_comes_from_somewhere_however_small_the_memory() {
    let mut h = H::new(Config { max_delivered: 1, ..Config::default() });
    h.add(0);
    h.add(1);
    let _a = h.sub(Target::All, Mode::Live);
    let _b = h.sub(Target::All, Mode::Live);
    let s0 = h.open(0);
    let s1 = h.open(1);
    let w = h.wires();
    let w0 = w.iter().find(|(s, _)| *s == s0).unwrap().1.clone();
    let w1 = w.iter().find(|(s, _)| *s == s1).unwrap().1.clone();
    h.text(s0, &ev(&w0, &note(1)));
    h.verify_all();
    h.text(s1, &ev(&w1, &note(2)));
    h.verify_all();
    let empty = h
        .evs
        .iter()
        .filter(|e| matches!(e, PoolEvent::Item { item: Item::Event(x), .. } if x.relays.is_empty()))
        .count();
    assert_eq!(empty, 0, "events from nowhere");
}
