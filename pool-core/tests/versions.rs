//! Versions, dates and expirations, in the whole core.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

mod common;

use common::*;
use nostr_pool_core::*;
use nostr_proto::{EventTemplate, Filter, Kind, Timestamp};

fn bench() -> Bench {
    Bench::new(3, Config::default())
}

#[test]
fn an_older_version_that_comes_later_is_counted_and_not_delivered() {
    let mut b = bench();
    let sub = b.all();
    let (old, new) = (version("d", -20, "old"), version("d", -10, "new"));
    b.send(0, sub, &new);
    b.send(1, sub, &old);
    b.send(2, sub, &version("other", -30, "another address"));
    assert_eq!(b.texts(sub), ["new", "another address"]);
    let counted = |b: &Bench, n: usize| b.core.relay(&url(n)).unwrap().counters.outdated;
    assert_eq!((b.core.stats().outdated, counted(&b, 0), counted(&b, 1)), (1, 0, 1));
    assert_eq!(b.core.stats().verified, 3, "it was verified all the same");
    assert_eq!(b.core.seen_on(&old.id()), [url(1)], "and is known");
    b.send(0, sub, &version("d", -5, "newest"));
    assert_eq!(b.texts(sub).last().unwrap(), "newest");
}

#[test]
fn in_the_same_second_the_lowest_id_wins() {
    let mut versions: Vec<_> = (0..4).map(|n| version("d", 0, &format!("{n}"))).collect();
    versions.sort_by_key(nostr_proto::Event::id);
    let mut b = bench();
    let sub = b.all();
    for n in [1, 2, 3, 0] {
        b.send(0, sub, &versions[n]);
    }
    assert_eq!(b.texts(sub), [versions[1].content(), versions[0].content()]);
}

#[test]
fn kinds_without_versions_and_replaceable_ones_with_a_d_tag() {
    let event = |kind: u16, at: i64, d: &str| {
        sign(EventTemplate::new(Kind::new(kind), format!("{kind} {d} {at}"), second(at)).tag(["d", d]))
    };
    let mut b = bench();
    let sub = b.all();
    for kind in [1, 9_999, 20_000, 29_999, 40_000] {
        b.send(0, sub, &event(kind, -1, "a"));
        b.send(0, sub, &event(kind, -2, "a"));
    }
    assert_eq!(b.events(sub).len(), 10);
    for kind in [0, 3, 10_000, 19_999] {
        b.send(0, sub, &event(kind, -1, "a"));
        b.send(0, sub, &event(kind, -2, "b"));
    }
    assert_eq!(b.events(sub).len(), 14, "of a replaceable kind, the `d` does not count");
    for kind in [30_000, 39_999] {
        b.send(0, sub, &event(kind, -1, ""));
        let without = sign(EventTemplate::new(Kind::new(kind), "no d", second(-2)));
        b.send(0, sub, &without);
        b.send(0, sub, &event(kind, -3, "b"));
    }
    assert_eq!(b.events(sub).len(), 18, "no `d` is the empty one");
}

#[test]
fn who_wants_all_versions_or_names_the_id_gets_them() {
    let mut b = bench();
    let (old, new) = (version("d", -20, "old"), version("d", -10, "new"));
    let latest = b.all();
    let every = b.subscribe(vec![Filter::new()], Target::All, Versions::All);
    let by_id = b.subscribe(vec![Filter::new().id(old.id())], Target::All, Versions::Latest);
    let kind = Filter::new().kind(Kind::TEXT_NOTE);
    let mixed = b.subscribe(vec![kind.id(old.id()), Filter::new()], Target::All, Versions::Latest);
    b.send(0, latest, &new);
    b.send(0, latest, &old);
    assert_eq!(b.texts(latest), ["new"]);
    assert_eq!(b.texts(every), ["new", "old"]);
    assert_eq!(b.texts(by_id), ["old"]);
    assert_eq!(b.texts(mixed), ["new"], "the filter with the id does not match it");
}

#[test]
fn an_older_version_at_hand_is_not_handed_out_and_a_forgotten_one_not_checked_again() {
    for held_bytes in [4 << 20, 0] {
        let mut b = Bench::new(3, Config { held_bytes, ..Config::default() });
        let first = b.all();
        let (old, new) = (version("d", -20, "old"), version("d", -10, "new"));
        b.send(0, first, &old);
        b.send(0, first, &new);
        let second = b.all();
        b.copy(1, second, &old.to_json());
        assert_eq!((b.texts(second).len(), b.checks.len()), (0, 0));
        b.copy(1, second, &new.to_json());
        assert_eq!((b.texts(second), b.checks.len()), (vec!["new".to_owned()], 0), "the very signature is known");
        let by_id = b.subscribe(vec![Filter::new().id(old.id())], Target::All, Versions::Latest);
        b.copy(1, by_id, &old.to_json());
        assert_eq!((b.texts(by_id), b.checks.len()), (vec!["old".to_owned()], 0));
        let every = b.subscribe(vec![Filter::new()], Target::All, Versions::All);
        b.copy(1, every, &forged(&old, 1));
        assert_eq!(b.checks.len(), usize::from(held_bytes == 0), "another signature is checked");
        b.decide_all();
        assert_eq!(b.texts(every).len(), usize::from(held_bytes > 0));
        assert_eq!(b.core.stats().duplicates + b.core.stats().forged, 4);
    }
}

#[test]
fn a_future_dated_version_is_flagged_and_wins_nothing_until_it_is_due() {
    let mut b = bench();
    let sub = b.all();
    b.send(0, sub, &version("d", 901, "ahead"));
    b.send(0, sub, &version("d", 0, "now"));
    b.send(0, sub, &version("d", 1, "soon"));
    b.send(0, sub, &version("e", 900, "within the window"));
    b.send(0, sub, &version("e", 899, "older"));
    assert_eq!(b.texts(sub), ["ahead", "now", "soon", "within the window"]);
    let flags: Vec<bool> = b.events(sub).iter().map(|e| e.future_dated).collect();
    assert_eq!(flags, [true, false, false, false]);
    b.unix += 1;
    b.send(0, sub, &version("d", 2, "too late"));
    assert_eq!(b.events(sub).len(), 4, "it is due, and counts");
}

#[test]
fn the_wall_clock_may_step_either_way() {
    let mut b = bench();
    let sub = b.all();
    b.send(0, sub, &version("d", 0, "first"));
    b.unix += 10_000;
    b.send(0, sub, &version("d", 10_000, "by the wrong clock"));
    b.send(0, sub, &version("d", 1, "outdated by it"));
    assert_eq!(b.events(sub).len(), 2);
    b.unix -= 10_000;
    b.send(0, sub, &version("d", 2, "again"));
    b.send(0, sub, &version("d", 1, "between"));
    assert_eq!(b.texts(sub), ["first", "by the wrong clock", "again"], "what is not due any more wins no more");
    b.unix += 9_100;
    b.send(0, sub, &version("d", 9_000, "older"));
    assert_eq!(b.events(sub).len(), 3, "and wins once it is due");
    assert!(!b.events(sub)[1].future_dated);
}

fn expiring(text: &str, value: &str) -> nostr_proto::Event {
    sign(EventTemplate::text_note(text, second(-100)).tag(["expiration", value]))
}

#[test]
fn an_expired_event_is_dropped_unverified_and_one_that_expires_meanwhile_is_not_handed_out() {
    let mut b = bench();
    let first = b.all();
    let at = |n: i64| second(n).to_string();
    b.copy(0, first, &expiring("over", &at(0)).to_json());
    assert!(b.checks.is_empty(), "no signature is paid for");
    b.copy(0, first, &expiring("tampered", &at(0)).to_json().replace("tampered", "tampered with"));
    assert_eq!((b.core.stats().expired, b.core.stats().forged), (1, 1), "the hash is checked before");
    b.send(0, first, &expiring("soon over", &at(10)));
    b.copy(0, first, &expiring("over while it is checked", &at(5)).to_json());
    b.unix += 10;
    b.decide_all();
    assert_eq!(b.texts(first), ["soon over"]);
    let second = b.all();
    b.copy(1, second, &expiring("soon over", &at(10)).to_json());
    assert!(b.texts(second).is_empty(), "it is at hand, and has expired");
    b.unix -= 1;
    b.copy(2, second, &expiring("soon over", &at(10)).to_json());
    assert_eq!(b.texts(second), ["soon over"], "the clock was set back");
    let c = b.core.relay(&url(0)).unwrap().counters;
    assert_eq!((c.expired, c.events), (1, 4));
}

#[test]
fn a_malformed_expiration_says_nothing() {
    let mut b = bench();
    let sub = b.all();
    for value in ["", "soon", "-1", "1.5", "0x10", " 1", "99999999999999999999999"] {
        b.send(0, sub, &expiring(value, value));
    }
    assert_eq!(b.events(sub).len(), 7);
    b.send(0, sub, &expiring("at the beginning of time", "0"));
    assert_eq!((b.events(sub).len(), b.core.stats().expired), (7, 1));
}

#[test]
fn expired_events_are_delivered_to_who_wants_them() {
    let mut b = Bench::new(1, Config { deliver_expired: true, ..Config::default() });
    let sub = b.all();
    b.send(0, sub, &expiring("over", "1"));
    assert_eq!((b.events(sub).len(), b.core.stats().expired), (1, 0));
}

#[test]
fn the_next_version_is_dated_after_the_newest_known() {
    let mut b = bench();
    let sub = b.all();
    let author = keys(1).public_key();
    let next = |b: &Bench, d: &str| b.core.next_created_at(Kind::new(30_000), author, d, b.now());
    assert_eq!(next(&b, "d"), second(0));
    b.send(0, sub, &version("d", -50, "long ago"));
    assert_eq!(next(&b, "d"), second(0));
    b.send(0, sub, &version("d", 0, "just now"));
    assert_eq!((next(&b, "d"), next(&b, "e")), (second(1), second(0)));
    b.send(0, sub, &version("d", 900, "at the edge"));
    assert_eq!(next(&b, "d"), second(901));
    b.send(0, sub, &version("e", 901, "beyond it"));
    assert_eq!(next(&b, "e"), second(0), "a second after that would be refused");
    assert_eq!(b.core.next_created_at(Kind::new(30_000), keys(2).public_key(), "d", b.now()), second(0));
    assert_eq!(b.core.next_created_at(Kind::TEXT_NOTE, author, "d", b.now()), second(0));
    // What the pool publishes itself counts before any relay sends it back.
    let publish = |event| Publish { event, target: Target::All, quorum: Quorum::First, deadline: None, link: None };
    let mine = sign(EventTemplate::new(Kind::METADATA, "me", second(7)).tag(["d", "ignored"]));
    b.call(Call::Publish(publish(mine)));
    assert_eq!(b.core.next_created_at(Kind::METADATA, author, "", b.now()), second(8));
    let later = Now { unix: Timestamp::new(START + 60), ..b.now() };
    assert_eq!(b.core.next_created_at(Kind::METADATA, author, "any", later), second(60));
}

#[test]
fn one_relay_is_asked_for_so_many_events_again_and_no_more() {
    let config = Config { max_parked: 0, max_repairs: 3, max_repairs_per_relay: 2, ..Config::default() };
    let mut b = Bench::new(4, config);
    let sub = b.all();
    let lost = |b: &mut Bench, n: usize, relay: usize| {
        let event = note(&format!("lost {n}"));
        b.copy(0, sub, &forged(&event, 1));
        b.copy(relay, sub, &event.to_json());
        b.decide_all();
        (b.core.stats().repairs, b.gaps(sub))
    };
    assert_eq!(lost(&mut b, 1, 1), (1, 0));
    assert_eq!(lost(&mut b, 2, 1), (2, 0));
    assert_eq!(lost(&mut b, 3, 1), (2, 1), "this relay is asked for as many as it may be");
    assert_eq!(lost(&mut b, 4, 2), (3, 1), "another is not");
    assert_eq!(lost(&mut b, 5, 3), (3, 2), "but all of them together are");
    b.pass(61);
    assert_eq!(b.gaps(sub), 5, "none of them answered");
    assert_eq!(lost(&mut b, 6, 1), (4, 5), "there is room again");
}

#[test]
fn the_core_s_own_requests_take_nobody_s_place() {
    let config = Config { max_parked: 0, max_subscriptions: 2, ..Config::default() };
    let mut b = Bench::new(2, config);
    let sub = b.all();
    let event = note("lost");
    b.copy(0, sub, &forged(&event, 1));
    b.copy(1, sub, &event.to_json());
    b.decide_all();
    assert_eq!(b.core.stats().repairs, 1);
    assert_eq!(b.all().as_u64(), 1, "there is room for the second");
    assert_eq!(b.core.relay(&url(1)).unwrap().active_requests, 3);
}

#[test]
fn a_known_signature_does_not_wait_behind_a_forged_one() {
    let mut b = Bench::new(3, Config { max_parked: 0, held_bytes: 0, ..Config::default() });
    let all = b.all();
    let one = b.subscribe(vec![Filter::new()], Target::Relays(vec![url(0)]), Versions::Latest);
    let event = note("crowded out");
    b.copy(2, all, &forged(&event, 1));
    b.copy(2, all, &forged(&event, 2));
    b.copy(0, one, &event.to_json());
    b.decide_all();
    // Another relay brings it meanwhile, which is none of the second subscription's.
    b.send(1, all, &event);
    assert_eq!((b.events(all).len(), b.events(one).len()), (1, 0));
    let by_id = |b: &Bench, relay: usize| {
        let of = |(socket, frame): &&(SocketId, String)| *socket == b.sockets[relay] && frame.contains("\"ids\"");
        b.requests.iter().find(of).unwrap().1.split('"').nth(3).unwrap().to_owned()
    };
    let (forger, honest) = (by_id(&b, 2), by_id(&b, 0));
    b.text(2, &format!("[\"EVENT\",\"{forger}\",{}]", forged(&event, 3)));
    assert_eq!(b.checks.len(), 1, "the forged copy of an event that is not at hand is being checked");
    b.text(0, &format!("[\"EVENT\",\"{honest}\",{}]", event.to_json()));
    assert_eq!((b.events(one).len(), b.gaps(one)), (1, 0));
}

#[test]
fn forgers_cannot_keep_an_event_in_flight_for_ever() {
    let mut b = Bench::new(4, Config { max_parked: 2, ..Config::default() });
    let sub = b.all();
    let event = note("the real one");
    for forger in 0..3_u8 {
        b.copy(forger.into(), sub, &forged(&event, forger + 1));
    }
    b.copy(3, sub, &event.to_json());
    let mut checks = 0;
    // Whenever a forged copy has been checked, the relay that brought it brings another.
    for round in 3..200_u8 {
        checks += 1;
        b.decide(0);
        if b.core.stats().repairs > 0 {
            break;
        }
        b.copy(usize::from(round % 3), sub, &forged(&event, round + 1));
    }
    assert_eq!((checks, b.core.stats().repairs), (3, 1), "each of them delays it by one check");
    let of = |(socket, frame): &&(SocketId, String)| *socket == b.sockets[3] && frame.contains("\"ids\"");
    let by_id = b.requests.iter().find(of).unwrap().1.split('"').nth(3).unwrap().to_owned();
    b.text(3, &format!("[\"EVENT\",\"{by_id}\",{}]", event.to_json()));
    b.decide_all();
    assert_eq!((b.events(sub).len(), b.gaps(sub)), (1, 0));
}

#[test]
fn nothing_is_fetched_again_for_nobody() {
    let mut b = Bench::new(2, Config { max_parked: 0, ..Config::default() });
    let sub = b.all();
    let event = note("lost");
    b.copy(0, sub, &forged(&event, 1));
    b.copy(1, sub, &event.to_json());
    b.call(Call::Unsubscribe { sub });
    let asked = b.requests.len();
    b.decide_all();
    assert_eq!((b.core.stats().repairs, b.requests.len()), (0, asked));
}
