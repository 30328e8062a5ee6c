//! The footnotes of the tables, and what they do not show.

use std::format;
use std::vec;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_answer_is_for_this_relay_this_challenge_and_this_moment() {
    let mut b = Bench::open(AuthPolicy::Always);
    assert_eq!(b.challenge("early"), Change::None, "nothing needs it");
    assert_eq!(b.challenge("latest \"\u{1}"), Change::None);
    b.pass(SECOND * 7);
    let (refusal, change) = b.refuse(Lack::Unknown);
    assert_eq!(refusal, Refusal::Wait);
    let event = to_sign(change);
    assert_eq!(event.kind(), nostr_proto::Kind::AUTH);
    assert_eq!(event.pubkey(), key(0));
    assert_eq!(event.created_at(), b.now.unix);
    assert_eq!(event.content(), "");
    assert_eq!(event.tags().value_of("relay"), Some("wss://relay.example.com/inbox"));
    assert_eq!(event.tags().value_of("challenge"), Some("latest \"\u{1}"));
    assert_eq!(b.sign(&event), Change::Ready);
    let frame = b.send().unwrap();
    assert!(frame.starts_with("[\"AUTH\",{"), "{frame}");
    assert_eq!(b.send(), None, "once");
}

#[test]
fn what_is_sent_under_an_earlier_epoch_is_repeated_and_only_that() {
    let mut b = Bench::open(AuthPolicy::Always);
    let stranger = b.auth.epoch();
    b.authenticate("c");
    let friend = b.auth.epoch();
    assert!(friend > stranger);
    for lack in [Lack::Unknown, Lack::Restricted] {
        let refused = |b: &mut Bench, under| b.step(|auth, cx, fx| auth.refused(lack, under, cx, fx));
        assert_eq!(refused(&mut b, stranger), (Refusal::Again, Change::None), "it crossed our answer");
        assert_eq!(refused(&mut b, friend), (Refusal::Final, Change::None), "it knows us, and still refuses");
    }
}

#[test]
fn a_newer_challenge_starts_over_but_only_where_it_is_needed() {
    let mut b = Bench::open(AuthPolicy::Always);
    b.authenticate("c");
    assert_eq!(b.challenge("d"), Change::None, "the session lasts as long as the connection");
    assert_eq!(b.refuse(Lack::Restricted), (Refusal::Final, Change::None), "it knows us");
    let (refusal, change) = b.refuse(Lack::Unknown);
    assert_eq!(refusal, Refusal::Wait);
    assert_eq!(to_sign(change).tags().value_of("challenge"), Some("d"));
}

#[test]
fn the_same_challenge_is_not_answered_again() {
    let mut b = Bench::open(AuthPolicy::Always);
    let _ = b.challenge("c");
    let change = b.refuse(Lack::Unknown).1;
    let id = b.answer(change);
    assert_eq!(b.ok(Some(id), false, "restricted: not you"), Some(Change::Denied));
    assert_eq!(b.auth.state(), AuthState::Failed(AuthFailure::Refused(reason("restricted: not you"))));
    assert_eq!(b.challenge("c"), Change::None);
    assert_eq!(b.refuse(Lack::Unknown), (Refusal::Final, Change::None));
    assert!(matches!(b.challenge("d"), Change::Sign(_)), "something was refused, so another is answered");
}

#[test]
fn a_relay_that_refuses_each_answer_and_challenges_anew_is_left_alone() {
    let mut b = Bench::open(AuthPolicy::Always);
    let _ = b.refuse(Lack::Unknown);
    for n in 0..MAX_REFUSALS {
        let change = b.challenge(&format!("c{n}"));
        let id = b.answer(change);
        let _ = b.ok(Some(id), false, "error: no");
    }
    assert_eq!(b.challenge("another"), Change::None);
    assert_eq!(b.auth.state(), AuthState::Challenged);
}

#[test]
fn no_ok_is_taken_as_yes_and_a_late_no_counts() {
    let mut b = Bench::open(AuthPolicy::Always);
    let _ = b.challenge("c");
    let change = b.refuse(Lack::Unknown).1;
    let id = b.answer(change);
    let before = b.now.mono;
    assert_eq!(b.wake(), Change::Granted);
    assert_eq!(b.now.mono.saturating_since(before), b.config.auth_ok_deadline);
    assert_eq!(b.auth.state(), AuthState::Authenticated { identities: vec![key(0)], confirmed: false });
    assert_eq!(b.ok(Some(id), false, "invalid: no"), Some(Change::Denied));
    assert!(matches!(b.auth.state(), AuthState::Failed(_)));
}

#[test]
fn what_came_of_an_assumed_success_needs_no_other_answer() {
    let mut b = Bench::open(AuthPolicy::Always);
    let _ = b.challenge("c");
    let change = b.refuse(Lack::Unknown).1;
    let id = b.answer(change);
    assert_eq!(b.wake(), Change::Granted);
    let _ = b.ok(Some(id), false, "invalid: no");
    assert_eq!(b.challenge("d"), Change::None, "whatever was refused was repeated, and nothing was refused since");
}

#[test]
fn an_ok_without_an_id_is_the_answer_to_what_was_sent_and_to_nothing_else() {
    let mut b = Bench::open(AuthPolicy::Always);
    assert_eq!(b.ok(None, true, ""), None);
    let _ = b.challenge("c");
    let change = b.refuse(Lack::Unknown).1;
    assert_eq!(b.ok(None, true, ""), None, "not sent yet");
    let id = b.answer(change);
    assert_eq!(b.ok(Some(EventId::from_bytes([3; 32])), true, ""), None, "another event's");
    assert_eq!(b.ok(None, true, ""), Some(Change::Granted));
    assert_eq!(b.ok(Some(id), true, ""), None, "it was answered");
    assert_eq!(b.ok(None, false, ""), None);
}

#[test]
fn a_relay_that_demanded_it_is_answered_before_requests_the_next_time() {
    let mut b = Bench::open(AuthPolicy::Always);
    assert!(!b.auth.holds(true));
    b.authenticate("c");
    b.step(|auth, _, fx| auth.lost(fx));
    b.opened();
    assert_eq!(b.auth.state(), AuthState::Expected);
    assert!(b.auth.holds(false));
    let change = b.challenge("d");
    let id = b.answer(change);
    assert!(b.auth.holds(false), "until it has said yes");
    assert_eq!(b.ok(Some(id), true, ""), Some(Change::Granted));
    assert!(!b.auth.holds(false) && !b.auth.holds(true));
}

#[test]
fn requests_are_held_for_no_longer_than_that_and_not_again_where_it_was_in_vain() {
    let mut b = Bench::open(AuthPolicy::Always);
    b.authenticate("c");
    b.step(|auth, _, fx| auth.lost(fx));
    b.opened();
    let opened = b.now.mono;
    assert_eq!(b.wake(), Change::Denied, "nothing can have been refused yet, but whatever waits does no more");
    assert_eq!(b.now.mono.saturating_since(opened), b.config.auth_wait);
    assert!(!b.auth.holds(false));
    // It sends its challenge only once it has refused something: nothing is held for that again.
    let _ = b.refuse(Lack::Unknown);
    b.authenticate("d");
    b.step(|auth, _, fx| auth.lost(fx));
    b.opened();
    assert!(!b.auth.holds(false));
    assert!(matches!(b.challenge("e"), Change::Sign(_)), "but a challenge that comes is answered at once");
}

#[test]
fn a_slow_signer_holds_nothing_beyond_the_wait() {
    let mut b = Bench::open(AuthPolicy::Always);
    b.authenticate("c");
    b.step(|auth, _, fx| auth.lost(fx));
    b.opened();
    b.pass(SECOND);
    let event = to_sign(b.challenge("d"));
    assert_eq!(b.wake(), Change::None, "the signer still has time");
    assert!(!b.auth.holds(false) && b.auth.holds(true), "only what is hidden from strangers still waits for it");
    assert_eq!(b.wake(), Change::None);
    assert!(!b.auth.holds(true), "and that not for ever");
    assert_eq!(b.wake(), Change::Denied);
    assert!(matches!(b.auth.state(), AuthState::Failed(AuthFailure::NotSigned(_))));
    assert_eq!(b.sign(&event), Change::None, "too late");
}

#[test]
fn a_flood_of_challenges_costs_one_signature_at_a_time_and_few_in_all() {
    let mut b = Bench::open(AuthPolicy::Always);
    let _ = b.refuse(Lack::Unknown);
    let mut event = to_sign(b.challenge("c0"));
    let mut signatures = 1;
    for n in 1..1_000 {
        assert_eq!(b.challenge(&format!("c{n}")), Change::None, "one is being signed already");
        if n % 100 == 0
            && let Change::Sign(next) = b.sign(&event)
        {
            assert_eq!(next.tags().value_of("challenge"), Some(&*format!("c{n}")), "the newest wins");
            event = next;
            signatures += 1;
        }
    }
    assert_eq!(signatures, b.config.max_auth_signings);
    let AuthState::Paced { until } = b.auth.state() else { panic!("paced") };
    assert_eq!(until, Instant::from_micros(1_000_000) + b.config.auth_window);
    assert!(!b.auth.holds(true), "nothing is held for as long as that");
    let next = to_sign(b.wake());
    assert_eq!(next.tags().value_of("challenge"), Some("c999"));
}

#[test]
fn one_connection_one_identity_unless_linking_is_allowed() {
    let mut b = Bench::open(AuthPolicy::Always);
    b.authenticate("c");
    assert_eq!(b.allow(1), Err(NotAllowed::Linked(key(0))));
    b.link = true;
    let change = b.allow(1).unwrap();
    let id = b.answer(change);
    assert_eq!(b.allow(2), Err(NotAllowed::UnderWay(key(1))));
    assert_eq!(b.ok(Some(id), true, ""), Some(Change::Granted));
    let mut both = vec![key(0), key(1)];
    both.sort();
    assert_eq!(b.auth.state(), AuthState::Authenticated { identities: both.clone(), confirmed: true });
    // A third one that is refused leaves the others as they are, and both are told.
    b.told();
    let change = b.allow(2).unwrap();
    let id = b.answer(change);
    assert_eq!(b.ok(Some(id), false, "blocked: no"), Some(Change::Denied));
    let after = AuthState::Authenticated { identities: both, confirmed: true };
    let told = b.told();
    assert_eq!(told[told.len() - 2..], [AuthState::Failed(AuthFailure::Refused(reason("blocked: no"))), after]);
}

#[test]
fn even_a_refused_key_has_been_seen() {
    let mut b = Bench::open(AuthPolicy::Always);
    let _ = b.challenge("c");
    let change = b.refuse(Lack::Unknown).1;
    let id = b.answer(change);
    let _ = b.ok(Some(id), false, "restricted: no");
    assert_eq!(b.allow(1), Err(NotAllowed::Linked(key(0))));
    b.step(|auth, _, fx| auth.lost(fx));
    b.opened();
    assert!(b.allow(1).is_ok(), "another connection is another matter");
}

#[test]
fn the_application_is_asked_once_and_its_no_holds_for_the_connection() {
    let mut b = Bench::open(AuthPolicy::Ask);
    let _ = b.challenge("c");
    assert_eq!(b.refuse(Lack::Unknown), (Refusal::Wait, Change::None));
    assert_eq!(b.told().last(), Some(&AuthState::Requested));
    assert_eq!(b.refuse(Lack::Unknown), (Refusal::Wait, Change::None));
    assert_eq!(b.challenge("d"), Change::None);
    assert_eq!(b.told(), [], "it is asked about the relay, not about each challenge");
    assert_eq!(b.deny(), Change::Denied);
    assert_eq!(b.challenge("e"), Change::None);
    assert_eq!(b.refuse(Lack::Unknown), (Refusal::Final, Change::None));
    assert_eq!(b.told(), [AuthState::Failed(AuthFailure::Denied)]);
    let change = b.allow(0).unwrap();
    assert_eq!(to_sign(change).tags().value_of("challenge"), Some("e"), "it may change its mind");
}

#[test]
fn an_authentication_asked_for_beforehand_holds_requests_once() {
    let mut b = Bench::new(AuthPolicy::Never);
    assert_eq!(b.allow(1), Ok(Change::None));
    b.opened();
    assert!(b.auth.holds(false));
    assert_eq!(to_sign(b.challenge("c")).pubkey(), key(1));
    b.step(|auth, _, fx| auth.lost(fx));
    b.opened();
    assert!(!b.auth.holds(false));
    assert_eq!(b.challenge("c"), Change::None, "it was for one connection");
}

#[test]
fn a_yes_is_good_for_one_attempt() {
    let mut b = Bench::open(AuthPolicy::Never);
    assert_eq!(b.refuse(Lack::Unknown), (Refusal::Final, Change::None));
    let _ = b.challenge("c");
    let change = b.allow(0).unwrap();
    let id = b.answer(change);
    assert_eq!(b.ok(Some(id), false, "error: no"), Some(Change::Denied));
    assert_eq!(b.challenge("d"), Change::None);
    assert_eq!(b.auth.state(), AuthState::Challenged);
}

#[test]
fn requests_are_not_held_for_what_is_forbidden() {
    let mut b = Bench::open(AuthPolicy::Always);
    b.authenticate("c");
    b.step(|auth, _, fx| auth.lost(fx));
    b.opened();
    b.policy = AuthPolicy::Never;
    assert_eq!(b.step(Auth::reconsider), Change::Denied);
    assert!(!b.auth.holds(false));
    b.step(|auth, _, fx| auth.lost(fx));
    b.opened();
    assert!(!b.auth.holds(false));
}

#[test]
fn private_kinds_need_it_without_a_refusal() {
    let mut b = Bench::open(AuthPolicy::Always);
    assert_eq!(b.step(Auth::private), Change::None);
    assert!(!b.auth.holds(true), "nothing is waited for where no challenge is");
    assert!(matches!(b.challenge("c"), Change::Sign(_)));
    assert!(b.auth.holds(true) && !b.auth.holds(false));
}

#[test]
fn at_once_means_the_first_challenge() {
    let mut b = Bench::open(AuthPolicy::Always);
    b.at_once = true;
    b.authenticate("c");
    assert_eq!(b.challenge("d"), Change::None);
}

#[test]
fn a_policy_that_comes_later_counts_for_what_was_refused() {
    let mut b = Bench::open(AuthPolicy::Never);
    let _ = b.challenge("c");
    assert_eq!(b.refuse(Lack::Unknown), (Refusal::Final, Change::None));
    b.policy = AuthPolicy::Ask;
    assert_eq!(b.step(Auth::reconsider), Change::None);
    assert_eq!(b.auth.state(), AuthState::Requested);
    b.policy = AuthPolicy::Always;
    assert!(matches!(b.step(Auth::reconsider), Change::Sign(_)));
}

#[test]
fn without_a_key_nothing_waits() {
    let mut b = Bench::open(AuthPolicy::Always);
    b.identity = None;
    let _ = b.challenge("c");
    assert_eq!(b.refuse(Lack::Unknown), (Refusal::Final, Change::Denied));
    assert_eq!(b.auth.state(), AuthState::Failed(AuthFailure::NoIdentity));
    assert_eq!(b.step(|auth, cx, fx| auth.allow(None, cx, fx)), Err(NotAllowed::NoIdentity));
}

#[test]
fn a_late_challenge_is_answered_for_what_was_refused_before() {
    let mut b = Bench::open(AuthPolicy::Always);
    assert_eq!(b.refuse(Lack::Unknown), (Refusal::Wait, Change::None));
    assert_eq!(b.wake(), Change::Denied);
    assert_eq!(b.auth.state(), AuthState::Unchallenged);
    b.pass(SECOND * 60);
    assert!(matches!(b.challenge("c"), Change::Sign(_)));
}

#[test]
fn a_removed_relay_is_no_news() {
    let mut b = Bench::open(AuthPolicy::Always);
    b.auth.silence();
    let _ = b.challenge("c");
    b.step(|auth, _, fx| auth.lost(fx));
    assert_eq!(b.told(), []);
}
