//! What a relay shows to a stranger proves nothing for whom it knows, and is asked for again.

use nostr_pool_core::*;
use nostr_proto::{EventTemplate, Filter, Kind, Timestamp};

use super::bench::*;

#[test]
fn what_relays_hide_from_strangers_is_asked_again() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    let (hidden, open) = (b.subscribe(gift_wraps(), Mode::Live), b.subscribe(notes(), Mode::Live));
    let names = b.requests();
    b.text(socket, &format!("[\"EOSE\",\"{}\"]", names[0]));
    b.text(socket, &format!("[\"EOSE\",\"{}\"]", names[1]));
    assert_eq!((b.leg(hidden), b.leg(open)), (LegState::Live, LegState::Live));
    b.text(socket, "[\"AUTH\",\"c\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    let sent = b.sent();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!(sent[0], format!("[\"CLOSE\",\"{}\"]", names[0]));
    assert!(sent[1].starts_with("[\"REQ\"") && sent[1].contains("[1059]") && !sent[1].contains("since"), "{sent:?}");
    assert_eq!((b.leg(hidden), b.leg(open)), (LegState::Requested, LegState::Live));
}

#[test]
fn what_was_shown_to_a_stranger_is_no_ground_to_catch_up_from() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Ask), RelayOptions::default());
    let (hidden, open) = (b.subscribe(gift_wraps(), Mode::Live), b.subscribe(notes(), Mode::Live));
    for name in b.requests() {
        b.text(socket, &format!("[\"EOSE\",\"{name}\"]"));
    }
    b.lose(socket);
    b.call(Call::Authenticate { url: url(0), identity: None }).unwrap();
    b.pass(SECOND * 3);
    let socket = b.open(0);
    b.text(socket, "[\"AUTH\",\"c\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    let sent = b.sent();
    assert!(sent[0].contains("[1059]") && !sent[0].contains("since"), "{sent:?}");
    assert!(sent[1].contains("[1]") && sent[1].contains("since"), "{sent:?}");
    assert_eq!((b.leg(hidden), b.leg(open)), (LegState::Requested, LegState::Requested));
}

/// The REQs that went out since the last look, as they are.
fn asked(b: &mut Bench) -> Vec<String> {
    b.sent().into_iter().filter(|frame| frame.starts_with("[\"REQ\"")).collect()
}

fn name(frame: &str) -> String {
    frame.split('"').nth(3).unwrap().to_owned()
}

#[test]
fn what_a_stranger_is_shown_proves_nothing_for_whom_the_relay_knew_before() {
    let direct = Filter::new().kind(Kind::new(4)).limit(1);
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let sub = b.subscribe(direct, Mode::Live);
    let id = b.sign();
    b.ok(socket, id, true, "");
    let live = b.requests();
    b.text(socket, &format!("[\"EOSE\",\"{}\"]", live[0]));
    let since = 1_700_000_000 - 1_020;
    b.lose(socket);
    b.advance(Instant::from_micros(20_000_000_000));
    b.core.handle_timeout(b.now);
    b.drain();
    let socket = b.open(0);
    b.pass(b.core.config().auth_wait);
    let stranger = asked(&mut b);
    assert!(stranger[0].contains(&format!("\"since\":{since}")), "{stranger:?}");
    b.text(socket, &format!("[\"EOSE\",\"{}\"]", name(&stranger[0])));
    assert_eq!(b.leg(sub), LegState::Live);
    let Ok(Reply::Checkpoint(checkpoint)) = b.call(Call::Checkpoint { sub }) else { panic!("a checkpoint") };
    let text = checkpoint.to_json();
    assert!(text.contains("\"alive_until\":1700000000") && text.contains(&keys().public_key().to_string()), "{text}");
    b.text(socket, "[\"AUTH\",\"d\"]");
    let id = b.sign_among();
    b.ok(socket, id, true, "");
    let whole = asked(&mut b);
    assert!(whole[0].contains("\"limit\":1") && !whole[0].contains("since"), "{whole:?}");
    // It has more than the limit allows.
    let event = EventTemplate::new(Kind::new(4), "x", Timestamp::new(1_700_019_000)).unsigned(keys().public_key());
    let event = event.sign(&keys(), [0; 32]).to_json();
    b.text(socket, &format!("[\"EVENT\",\"{}\",{event}]", name(&whole[0])));
    b.text(socket, &format!("[\"EOSE\",\"{}\"]", name(&whole[0])));
    let page = asked(&mut b);
    assert!(page[0].contains(&format!("\"since\":{since}")) && !page[0].contains("limit"), "{page:?}");
}

#[test]
fn a_checkpoint_of_other_keys_loses_nothing() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    let filters = vec![Filter::new().kind(Kind::TEXT_NOTE).limit(1)];
    let text = format!(
        "{{\"version\":1,\"filters\":[{{\"kinds\":[1],\"limit\":1}}],\"relays\":[{{\"relay\":\"{}\",\"keys\":[\"{}\"],\"alive_until\":1699990000,\"floors\":[1699980000],\"proven\":[[[1699980000,1699990000]]]}}]}}",
        url(0),
        keys().public_key()
    );
    let resume = Some(Checkpoint::from_json(&text).unwrap());
    let call = Call::Subscribe(Subscribe { filters, resume, ..Subscribe::default() });
    b.call(call).unwrap();
    let whole = asked(&mut b);
    assert!(whole[0].contains("limit") && !whole[0].contains("since"), "as at the beginning: {whole:?}");
    let event = EventTemplate::text_note("x", Timestamp::new(1_699_999_000)).unsigned(keys().public_key());
    let event = event.sign(&keys(), [0; 32]).to_json();
    b.text(socket, &format!("[\"EVENT\",\"{}\",{event}]", name(&whole[0])));
    b.text(socket, &format!("[\"EOSE\",\"{}\"]", name(&whole[0])));
    let page = asked(&mut b);
    assert!(page[0].contains("\"since\":1699988980") && !page[0].contains("limit"), "{page:?}");
}

#[test]
fn who_is_refused_for_good_is_not_caught_up() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Ask), RelayOptions::default());
    let sub = b.subscribe(notes(), Mode::Live);
    let names = b.requests();
    b.text(socket, &format!("[\"EOSE\",\"{}\"]", names[0]));
    b.text(socket, "[\"AUTH\",\"c\"]");
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    assert_eq!(b.leg(sub), LegState::Waiting(Why::Auth));
    b.call(Call::DenyAuth { url: url(0) }).unwrap();
    assert!(matches!(b.leg(sub), LegState::Closed(_)));
    let gap = |event: &PoolEvent| match event {
        PoolEvent::Item { item: Item::Gap(gap), .. } => Some(gap.cause.clone()),
        _ => None,
    };
    let gaps: Vec<GapCause> = b.events.iter().filter_map(gap).collect();
    assert_eq!(gaps, [GapCause::Disconnected], "what comes from now on is missed");
}

#[test]
fn a_fetch_of_private_kinds_waits_for_an_authentication_that_can_be_had() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let sub = b.subscribe(gift_wraps(), Mode::UntilEose);
    let public = b.subscribe(notes(), Mode::UntilEose);
    assert_eq!(b.leg(sub), LegState::Waiting(Why::Auth));
    assert_eq!(b.leg(public), LegState::Requested, "others do not wait");
    assert_eq!(b.requests().len(), 1);
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!(b.requests().len(), 1);
    assert_eq!(b.leg(sub), LegState::Requested);
}

#[test]
fn a_fetch_of_private_kinds_that_was_under_way_is_made_after_the_authentication() {
    for yes in [true, false] {
        let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
        let sub = b.subscribe(gift_wraps(), Mode::UntilEose);
        let first = b.requests();
        b.text(socket, "[\"AUTH\",\"c\"]");
        assert_eq!(b.leg(sub), LegState::Waiting(Why::Auth));
        assert_eq!(b.sent(), [format!("[\"CLOSE\",\"{}\"]", first[0])]);
        b.text(socket, &format!("[\"EOSE\",\"{}\"]", first[0]));
        assert_eq!(b.coverage(sub), None, "that was for a stranger");
        let id = b.sign();
        b.ok(socket, id, yes, "");
        let second = b.requests();
        b.text(socket, &format!("[\"EOSE\",\"{}\"]", second[0]));
        assert_eq!(b.coverage(sub), Some(LegOutcome::Eose { complete: None }));
    }
}

#[test]
fn ground_that_was_shown_to_a_key_which_the_relay_refused_later_is_asked_for_again() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), private());
    b.text(socket, "[\"AUTH\",\"c\"]");
    b.subscribe(gift_wraps(), Mode::Live);
    let id = b.sign();
    b.pass(b.core.config().auth_ok_deadline);
    // Asked as one whom the relay knows, as it seemed.
    let names = b.requests();
    b.text(socket, &eose(names.last().unwrap()));
    b.ok(socket, id, false, "error: database");
    b.sent();
    b.lose(socket);
    b.pass(SECOND * 3);
    let socket = b.open(0);
    b.text(socket, "[\"AUTH\",\"d\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    let sent = b.sent();
    assert!(sent.last().unwrap().contains("[1059]") && !sent.last().unwrap().contains("since"), "{sent:?}");
}

#[test]
fn where_the_relay_is_said_to_hide_things_everything_that_a_stranger_asked_is_asked_again() {
    let (mut b, socket) =
        Bench::connected(config(AuthPolicy::Always), RelayOptions { auth_at_once: true, ..private() });
    let sub = b.subscribe(notes(), Mode::Live);
    let names = b.requests();
    b.text(socket, &eose(&names[0]));
    b.text(socket, "[\"AUTH\",\"c\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    let sent = b.sent();
    assert_eq!(sent[0], format!("[\"CLOSE\",\"{}\"]", names[0]));
    assert!(sent[1].starts_with("[\"REQ\"") && !sent[1].contains("since"), "{sent:?}");
    assert_eq!(b.leg(sub), LegState::Requested);
}
