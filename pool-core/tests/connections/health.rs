//! What a relay's record tells of its health.

use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::Timestamp;

use super::bench::*;

#[test]
fn a_record_tells_how_long_things_take_and_what_is_under_way() {
    let mut b = Bench::new(Config::default());
    b.add(0);
    b.subscribe(Target::All, Mode::Live);
    b.pass(2 * S, false);
    b.open_all();
    b.publish(&note(1), Target::All);
    let record = b.record(0);
    assert_eq!((record.active_requests, record.pending_publishes, record.state), (1, 1, ConnectionState::Open));
    assert_eq!(record.last_connected, Some(Timestamp::new(UNIX + 2)));
    b.pass(4 * S, false);
    let wire = b.wire(0);
    b.text(0, &format!("[\"EOSE\",\"{wire}\"]"));
    b.text(0, &format!("[\"EOSE\",\"{wire}\"]"));
    b.pass(S, false);
    b.text(0, &format!("[\"OK\",\"{}\",true,\"\"]", note(1).id()));
    let health = b.record(0).health;
    let about = |latency: Latency, seconds: u64| {
        let (is, exact) = (latency.p50, Duration::from_secs(seconds));
        latency.samples == 1 && is >= exact && is <= exact + exact / 8 && latency.p99 == is
    };
    assert!(about(health.dial, 2) && about(health.eose, 4) && about(health.ok, 5), "{health:?}");
    assert_eq!((health.dial_success, health.violations), (Some(100), 0));
    let socket = b.socket(0);
    b.sockets.remove(&socket);
    let reason = CloseReason::Remote { code: 4001, reason: "maintenance".into() };
    b.input(Input::Closed { socket, reason });
    let record = b.record(0);
    assert_eq!((record.last_close, record.failures_in_row), (Some((4001, "maintenance".into())), 1));
    b.pass(3 * S, false);
    let (socket, _) = b.dials.pop().unwrap();
    b.sockets.remove(&socket);
    b.input(Input::OpenFailed { socket, error: "refused".into() });
    assert_eq!(b.record(0).health.dial_success, Some(50));
    b.pass(20 * S, true);
    let socket = b.socket(0);
    b.sockets.remove(&socket);
    b.input(Input::Closed { socket, reason: CloseReason::TooLarge });
    assert_eq!(b.record(0).health.violations, 1);
}
