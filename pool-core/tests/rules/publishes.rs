//! What becomes of publishes: retries, quorums, signers and verdicts.

use nostr_pool_core::*;
use nostr_proto::{EventTemplate, Kind, RelayInfo, Timestamp};

use super::harness::*;

#[test]
fn retry_leaves_removed_relays_alone() {
    let mut h = H::new(Config::default());
    h.add(0);
    h.add(1);
    let e = note(1);
    h.publish(&e, Target::All, Quorum::First);
    let s = h.open(0);
    h.ok(s, &e);
    h.call(Call::RemoveRelay { url: url(1) }).unwrap();
    h.cmds.clear();
    h.call(Call::Retry { event: e.id(), deadline: None }).unwrap();
    assert!(h.state(1).is_none(), "removed by the user, now {:?}: {:?}", h.state(1), h.cmds);
}

#[test]
fn retry_asks_only_who_has_not_accepted_and_keeps_the_quorum() {
    let mut h = H::new(Config::default());
    let e = note(1);
    h.publish(&e, Target::Relays(vec![url(0), url(1)]), Quorum::Named(vec![url(1)]));
    let (s0, s1) = (h.open(0), h.open(1));
    h.ok(s0, &e);
    let no = format!("[\"OK\",\"{}\",false,\"blocked: x\"]", e.id());
    h.text(s1, &no);
    // both idle out and are pruned
    for _ in 0..20 {
        h.pass(10 * S);
        for c in h.cmds() {
            if let Command::Close { socket, .. } = c {
                h.input(Input::Closed { socket, reason: CloseReason::Local });
            }
        }
    }
    assert!(h.state(0).is_none() && h.state(1).is_none());
    let Ok(Reply::Publishing(id, _)) = h.call(Call::Retry { event: e.id(), deadline: None }) else { panic!() };
    let dialled: Vec<_> = h
        .cmds
        .iter()
        .filter_map(|c| match c {
            Command::Open { url, .. } => Some(url.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(dialled, [url(1)], "r0 accepted it before");
    assert_eq!(h.core.publish_report(id).unwrap().verdict, None, "r1 is the one that is named");
    let s1 = h.open(1);
    h.ok(s1, &e);
    assert_eq!(h.core.publish_report(id).unwrap().verdict, Some(Verdict::Reached));
}

#[test]
fn a_call_that_fails_changes_nothing() {
    let mut h = H::new(Config { max_publishes: 1, ..Config::default() });
    h.add(0);
    let e = note(1);
    let id = h.publish(&e, Target::All, Quorum::First);
    let s = h.open(0);
    h.ok(s, &e);
    assert!(h.core.publish_report(id).is_some());
    let r = h.call(Call::Publish(Publish {
        event: note(2),
        target: Target::All,
        quorum: Quorum::AtLeast(9),
        deadline: None,
        link: None,
    }));
    assert!(r.is_err());
    assert!(h.core.publish_report(id).is_some(), "a call that failed ({r:?}) has forgotten publish {id}");
}

#[test]
fn a_quorum_of_relays_it_does_not_go_to_is_impossible() {
    let mut h = H::new(Config::default());
    h.add(0);
    h.add(1);
    let r = h.call(Call::Publish(Publish {
        event: note(2),
        target: one(0),
        quorum: Quorum::Named(vec![url(1)]),
        deadline: None,
        link: None,
    }));
    assert!(matches!(r, Err(CallError::ImpossibleQuorum { .. })), "{}", r.unwrap_err());
}

#[test]
fn a_silent_signer_is_named_as_the_cause() {
    let mut h = H::new(Config::default());
    h.add(0);
    let u = EventTemplate::new(Kind::TEXT_NOTE, "x".to_string(), Timestamp::new(1_700_000_000))
        .unsigned(keys().public_key());
    let Ok(Reply::Publishing(id, _)) = h.call(Call::PublishUnsigned(PublishUnsigned {
        event: u,
        target: Target::All,
        quorum: Quorum::First,
        deadline: None,
        link: None,
    })) else {
        panic!()
    };
    let _s = h.open(0);
    h.pass(601 * S);
    let r = h.core.publish_report(id).unwrap();
    assert!(!format!("{r:?}").contains("NoConnection"), "the relay was connected, the signer silent: {:?}", r.relays);
}

#[test]
fn a_verdict_that_is_due_is_not_put_off_by_what_happens_before_it_is_told() {
    let mut h = H::new(Config::default());
    h.add(0);
    let publish = h.publish(&note(1), Target::All, Quorum::All);
    let deadline = 30 * S;
    h.pass(deadline - 1);
    let verdict = |h: &H| h.core.publish_report(publish).unwrap().verdict;
    assert_eq!(verdict(&h), None);
    // The device reads its clock late, and the first thing that it does is a call.
    h.t = deadline + 5;
    let info = RelayInfo::from_json(r#"{"limitation":{"max_message_length":9999}}"#).unwrap();
    h.call(Call::RelayInfo { url: url(0), info: Box::new(info) }).unwrap();
    assert!(h.core.poll_timeout().unwrap().at <= h.now().mono, "it is due still");
    h.core.handle_timeout(h.now());
    assert_eq!(verdict(&h), Some(Verdict::Indeterminate));
}
