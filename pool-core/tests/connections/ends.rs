//! What ends a connection: a NOTICE where that was asked for, a new network, and the application with a code.

use nostr_pool_core::*;

use super::bench::*;

#[test]
fn a_notice_is_told_and_ends_a_connection_only_where_that_was_asked_for() {
    for on in [false, true] {
        let mut b = Bench::new(Config::default());
        b.add_with(0, RelayOptions { reconnect_on_notice: on, ..RelayOptions::default() });
        b.subscribe(Target::All, Mode::Live);
        b.open_all();
        b.text(0, "[\"NOTICE\",\"slow down\"]");
        let told = PoolEvent::Relay { relay: url(0), update: RelayUpdate::Notice("slow down".into()) };
        assert!(b.told.contains(&told));
        assert_eq!(matches!(b.state(0), ConnectionState::Backoff { .. }), on, "{:?}", b.state(0));
        assert_eq!(b.record(0).failures_in_row, u32::from(on));
        b.pass(3 * S, true);
        assert_eq!((b.state(0), b.record(0).dials), (ConnectionState::Open, 1 + u64::from(on)));
    }
}

#[test]
fn a_new_network_has_no_relay_dialled_that_nobody_needs() {
    let mut b = Bench::new(Config::default());
    b.add_with(0, RelayOptions { reconnect_on_notice: true, ..RelayOptions::default() });
    let sub = b.subscribe(Target::All, Mode::Live);
    b.open_all();
    b.call(Call::Unsubscribe { sub }).unwrap();
    let socket = b.socket(0);
    // The driver is not done with closing when the network changes.
    b.core.handle_input(Input::Text { socket, frame: "[\"NOTICE\",\"slow down\"]" }, b.now());
    assert_eq!(b.state(0), ConnectionState::Closing);
    b.core.handle_call(Call::NetworkChanged, b.now()).unwrap();
    b.settle();
    b.pass(30 * S, true);
    assert_eq!((b.state(0), b.record(0).dials), (ConnectionState::Idle, 1));
}

#[test]
fn only_close_codes_that_may_be_sent_are_taken() {
    for (code, may) in [
        (1000, true),
        (3000, true),
        (4999, true),
        (0, false),
        (999, false),
        (1001, false),
        (1005, false),
        (1006, false),
    ]
    .into_iter()
    .chain([(1015, false), (2999, false), (5000, false), (u16::MAX, false)])
    {
        let mut b = connected(1, Config::default());
        let reply = b.call(Call::Disconnect { which: Which::All, code, reason: "é".repeat(100) });
        if may {
            assert_eq!(reply, Ok(Reply::Done));
            assert!(matches!(&b.closes[..], [(_, sent, reason)] if *sent == code && reason.len() == 122));
        } else {
            assert_eq!(reply, Err(CallError::CloseCode(code)));
            assert_eq!((b.state(0), b.closes.len()), (ConnectionState::Open, 0), "nothing has changed");
        }
    }
}
