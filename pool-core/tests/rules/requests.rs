//! What becomes of requests: refusals, lost connections, EOSE, and what is missed.

use nostr_pool_core::*;
use nostr_proto::{Filter, Kind};

use super::harness::*;

#[test]
fn a_refused_leg_does_not_pretend_to_wait_and_is_asked_again_on_the_next_connection() {
    let mut h = H::new(Config::default());
    h.add(0);
    let sub = h.sub(Target::All, Mode::Live);
    let s = h.open(0);
    for _ in 0..5 {
        let (_, w) = h.wires().pop().unwrap();
        h.text(s, &format!("[\"CLOSED\",\"{w}\",\"error: busy\"]"));
        h.sent_all(s);
        h.pass(20 * S);
        h.input(Input::Pong { socket: s });
    }
    assert!(matches!(h.items(sub).last(), Some(Item::Leg { state: LegState::Closed(_), .. })));
    h.closed(s);
    h.evs.clear();
    h.cmds.clear();
    h.pass(3_600 * S);
    assert_eq!((h.items(sub), h.cmds.len(), h.state(0)), (vec![], 0, Some(ConnectionState::Idle)));
    h.call(Call::Connect { which: Which::All }).unwrap();
    let s = h.open(0);
    assert_eq!(h.wires().pop().unwrap().0, s, "asked again");
}

#[test]
fn a_lost_connection_does_not_lose_what_came_before_it() {
    let mut h = H::new(Config::default());
    h.add(0);
    let sub = h.sub(Target::All, Mode::UntilEose);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    for n in 0..5 {
        h.text(s, &ev(&w, &note(n)));
    }
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    h.input(Input::Closed { socket: s, reason: CloseReason::Remote { code: 1000, reason: "bye".into() } });
    h.verify_all();
    let items = h.items(sub);
    let n = items.iter().filter(|i| matches!(i, Item::Event(_))).count();
    assert!(n == 5, "{n} of 5 events; {items:?}");
}

#[test]
fn eose_before_closed_counts_however_slow_verification_is() {
    for slow in [false, true] {
        let mut h = H::new(Config::default());
        h.add(0);
        let sub = h.sub(Target::All, Mode::UntilEose);
        let s = h.open(0);
        let (_, w) = h.wires().pop().unwrap();
        h.text(s, &ev(&w, &note(1)));
        if !slow {
            h.verify_all();
        }
        h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
        h.text(s, &format!("[\"CLOSED\",\"{w}\",\"\"]"));
        h.verify_all();
        let items = h.items(sub);
        assert!(items.iter().any(|i| matches!(i, Item::Eose(c) if c.is_complete())), "slow={slow} {items:?}");
    }
}

#[test]
fn new_filters_wait_for_a_relay_that_is_being_dialled() {
    let mut h = H::new(Config::default());
    h.add(0);
    let sub = h.sub(Target::All, Mode::Live);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &format!("[\"CLOSED\",\"{w}\",\"blocked: no\"]"));
    h.input(Input::Closed { socket: s, reason: CloseReason::Remote { code: 1000, reason: "".into() } });
    h.evs.clear();
    h.call(Call::Update { sub, filters: vec![Filter::new().kind(Kind::TEXT_NOTE)] }).unwrap();
    let items = h.items(sub);
    assert!(!items.iter().any(|i| matches!(i, Item::Eose(_))), "state {:?}, but {items:?}", h.state(0));
}

#[test]
fn a_corrected_wall_clock_does_not_make_us_ask_from_the_future() {
    let mut h = H::new(Config::default());
    h.add(0);
    h.skew = 86_400;
    let _sub = h.sub(Target::All, Mode::Live);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    h.skew = 0;
    h.pass(5 * S);
    h.closed(s);
    h.cmds.clear();
    h.pass(10 * S);
    let _s = h.open(0);
    let req = h
        .cmds
        .iter()
        .find_map(|c| match c {
            Command::Send { frame, .. } => Some(frame.to_string()),
            _ => None,
        })
        .unwrap();
    let since: u64 = req
        .split("\"since\":")
        .nth(1)
        .unwrap()
        .chars()
        .take_while(|c| c.is_ascii_digit())
        .collect::<String>()
        .parse()
        .unwrap();
    let now = h.now().unix.as_secs();
    assert!(since <= now, "asks since {} s in the future: {req}", since - now);
}

#[test]
fn what_was_dropped_is_told_when_the_relay_is_removed() {
    let mut h = H::new(Config { max_in_flight: 1, max_in_flight_per_relay: 1, ..Config::default() });
    h.add(0);
    h.add(1);
    let sub = h.sub(Target::All, Mode::Live);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    for n in 0..5 {
        h.text(s, &ev(&w, &note(n)));
    }
    h.call(Call::RemoveRelay { url: url(0) }).unwrap();
    h.verify_all();
    let items = h.items(sub);
    assert!(items.iter().any(|i| matches!(i, Item::Gap(_))), "4 dropped, nothing said: {items:?}");
}

#[test]
fn a_relay_named_twice_is_one_relay() {
    let mut h = H::new(Config { max_relays: 1, ..Config::default() });
    let r = h.call(Call::Subscribe(Subscribe {
        filters: vec![Filter::new()],
        target: Target::Relays(vec![url(0), url(0)]),
        mode: Mode::Live,
        versions: Versions::Latest,
        ..Subscribe::default()
    }));
    assert!(r.is_ok(), "{r:?}");
}

#[test]
fn a_subscription_has_its_named_relay_back() {
    let mut h = H::new(Config::default());
    let sub = h.sub(one(0), Mode::Live);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    h.evs.clear();
    h.call(Call::RemoveRelay { url: url(0) }).unwrap();
    h.add(0);
    assert!(
        !h.items(sub).is_empty() || h.core.relay(&url(0)).unwrap().state != ConnectionState::Idle,
        "the live subscription has no relay left, nobody was told, and re-adding the relay does not bring it back"
    );
}

#[test]
fn a_deadline_waits_for_what_is_being_verified() {
    let mut h = H::new(Config::default());
    h.add(0);
    let sub = h.sub(Target::All, Mode::UntilEose);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &ev(&w, &note(1)));
    h.pass(11 * S);
    h.verify_all();
    let items = h.items(sub);
    assert!(items.iter().any(|i| matches!(i, Item::Event(_))), "{items:?}");
}

#[test]
fn what_is_missed_after_an_eose_that_waited_is_a_gap_from_the_loss_to_the_catch_up() {
    let mut h = H::new(Config::default());
    h.add(0);
    let sub = h.sub(Target::All, Mode::Live);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &ev(&w, &note(1)));
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    h.closed(s);
    h.verify_all();
    h.pass(5 * S);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    let gaps: Vec<GapCause> =
        h.items(sub).into_iter().filter_map(|i| if let Item::Gap(gap) = i { Some(gap.cause) } else { None }).collect();
    assert_eq!(gaps, [GapCause::Disconnected, GapCause::CaughtUp { events: 0 }]);
}

#[test]
fn a_request_for_everything_is_not_cut_short_by_the_eose_of_the_one_before() {
    let mut h = H::new(Config::default());
    h.add(0);
    let sub = h.sub(Target::All, Mode::Live);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &ev(&w, &note(1)));
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    h.closed(s);
    h.pass(5 * S);
    // Asked for everything, before it is known what came of the first request; and lost once more.
    let s = h.open(0);
    h.verify_all();
    h.closed(s);
    h.pass(5 * S);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    let gaps = h.items(sub).iter().filter(|i| matches!(i, Item::Gap(_))).count();
    assert_eq!(gaps, 0, "no gap is closed that was never told");
}
