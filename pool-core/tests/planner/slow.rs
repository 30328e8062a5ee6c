//! What was decided while the socket had no room holds only for as long as nothing else comes up.

use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::{Filter, Kind};

use super::bench::*;
use super::common::*;

fn is_asked(b: &Bench, kind: u16) -> bool {
    reqs(b).iter().any(|filters| filters.contains(&format!("[{kind}]")))
}

/// What relays hide from strangers waits for an authentication that begins meanwhile.
fn hidden_kinds_wait(begin: impl FnOnce(&mut Bench)) {
    let identity = Some(keys(7).public_key());
    let mut b = away_with(Config { send_credits: 1, auth: AuthPolicy::Never, identity, ..Config::default() });
    back(&mut b);
    hears(&mut b, "[\"AUTH\",\"hello\"]");
    b.slow = true;
    for filters in [kind(1), by(3), kind(1_059), by(4)] {
        asks(&mut b, filters, Group::Alone, Mode::Live);
    }
    asks(&mut b, kind(4), Group::Alone, Mode::UntilEose);
    // The second goes out, the rest stands behind it.
    b.take_one();
    assert_eq!(b.requests.len(), 2);
    begin(&mut b);
    assert_eq!(b.orders.len(), 1, "it is being signed");
    while b.take_one() {}
    assert!(b.requests.len() > 2 && !is_asked(&b, 1_059) && !is_asked(&b, 4), "{:?}", reqs(&b));
}

#[test]
fn hidden_kinds_wait_for_an_authentication_that_the_application_begins() {
    hidden_kinds_wait(|b| drop(b.call(Call::Authenticate { url: url(0), identity: Some(keys(7).public_key()) })));
}

#[test]
fn hidden_kinds_wait_for_an_authentication_that_a_policy_begins() {
    let options = RelayOptions { auth: Some(AuthPolicy::Always), ..RelayOptions::default() };
    hidden_kinds_wait(|b| drop(b.call(Call::AddRelay { url: url(0), options })));
}

/// There are more than are looked at together, and the first thousand may wait.
#[test]
fn patient_ones_hold_up_none_that_is_due() {
    let mut b = Bench::new(1, Config { send_credits: 1, ..Config::default() });
    says(&mut b, "{\"max_subscriptions\":100}");
    b.slow = true;
    let limited = |n: u32| vec![Filter::new().kind(Kind::new(1)).tag('x', format!("{n}")).limit(5)];
    for n in 0..1_020 {
        asks(&mut b, limited(n), Group::AtLeast(Duration::from_secs(4)), Mode::UntilEose);
    }
    for n in 0..12 {
        asks(&mut b, limited(10_000 + n), Group::Alone, Mode::UntilEose);
    }
    while b.take_one() {}
    assert_eq!(b.requests.len(), 12, "{:?}", reqs(&b));
}
