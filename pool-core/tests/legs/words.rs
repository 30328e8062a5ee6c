//! The words of relays, wherever they are told.

use nostr_pool_core::*;

use super::told::*;
use crate::common::*;

/// What a relay says is short and harmless wherever it is told.
#[test]
fn of_relays_are_short_and_harmless_everywhere() {
    let evil = format!("\\u001b[2J\\u0007{}\\u0000", "\\u009b".repeat(3_000));
    let harmless = |text: &str| assert!(text.len() <= 1_100 && !text.contains(char::is_control), "{text:?}");
    let mut b =
        Bench::new(1, Config { auth: AuthPolicy::Always, identity: Some(keys(1).public_key()), ..Config::default() });
    let sub = b.all();
    let (event, target, quorum) = (note("hello"), Target::All, Quorum::All);
    let publish = Publish { event, target, quorum, deadline: None, link: None };
    let Reply::Publishing(publish, id) = b.call(Call::Publish(publish)) else { panic!("publishing") };
    b.text(0, &format!("[\"OK\",\"{id}\",false,\"blocked: {evil}\"]"));
    b.text(0, &format!("[\"NOTICE\",\"{evil}\"]"));
    let name = last(&b, b.sockets[0]);
    b.text(0, &format!("[\"CLOSED\",\"{name}\",\"blocked: {evil}\"]"));
    let PublishStatus::Rejected(Rejection::Refused(reason)) = &b.core.publish_report(publish).unwrap().relays[0].1
    else {
        panic!("rejected")
    };
    harmless(&reason.to_string());
    let Some(LegState::Closed(reason)) = leg(&b, sub, 0) else { panic!("closed") };
    harmless(&reason.to_string());
    assert_eq!(coverage(&b, sub)[0].legs[0].outcome, LegOutcome::Closed(reason));
    notices(&b, sub).iter().for_each(|text| harmless(text));
    assert_eq!(notices(&b, sub).len(), 1);
    let reason = CloseReason::Remote { code: 4_000, reason: "\u{1b}[2J\u{7}".repeat(40) };
    b.core.handle_input(Input::Closed { socket: b.sockets[0], reason }, b.now());
    harmless(&b.core.relay(&url(0)).unwrap().last_close.unwrap().1);
    b.drain();
    b.pass(5);
    let error = CloseReason::Error("HTTP 500 \u{1b}[2J".repeat(400));
    b.core.handle_input(Input::Closed { socket: *b.sockets.last().unwrap(), reason: error }, b.now());
    harmless(&b.core.relay(&url(0)).unwrap().last_error.unwrap());
}
