//! Drivers that tell anything at any time, by any clock.

use std::collections::BTreeMap;

use nostr_pool_core::*;
use nostr_proto::Timestamp;
use proptest::prelude::*;

use super::bench::*;

#[derive(Clone, Debug)]
enum Odd {
    Opened(u32, u32),
    OpenFailed(u32, u32),
    Closed(u32, u32),
    Frame(u32, u32),
    Pong(u32, u32),
    Sent(u32, u32),
    /// The clock moves by so many microseconds, or back.
    Clock(i64),
    Timeout,
    Call(u8),
}

fn odd() -> impl Strategy<Value = Odd> {
    let socket = || (0_u32..4, 0_u32..6);
    prop_oneof![
        socket().prop_map(|(s, g)| Odd::Opened(s, g)),
        socket().prop_map(|(s, g)| Odd::OpenFailed(s, g)),
        socket().prop_map(|(s, g)| Odd::Closed(s, g)),
        socket().prop_map(|(s, g)| Odd::Frame(s, g)),
        socket().prop_map(|(s, g)| Odd::Pong(s, g)),
        socket().prop_map(|(s, g)| Odd::Sent(s, g)),
        prop_oneof![Just(0), -5_000_000_i64..90_000_000, Just(i64::MAX)].prop_map(Odd::Clock),
        Just(Odd::Timeout),
        any::<u8>().prop_map(Odd::Call),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// A driver that tells anything at any time: no command for a socket that is gone, never two for a relay, the cap
    /// held, timers later than now, what is stale counted and without effect.
    #[test]
    fn no_driver_and_no_clock_confuses_the_core(odds in proptest::collection::vec(odd(), 1..200)) {
        let config = Config { max_connections: 2, ..Config::default() };
        let mut core = Core::new(config, [3; 32], Now { mono: Instant::ZERO, unix: Timestamp::new(UNIX) });
        let mut now = Now { mono: Instant::ZERO, unix: Timestamp::new(UNIX) };
        for n in 0..3 {
            core.handle_call(Call::AddRelay { url: url(n), options: RelayOptions::default() }, now).unwrap();
        }
        let mut live: BTreeMap<u32, SocketId> = BTreeMap::new();
        let mut highest = Instant::ZERO;
        for odd in odds {
            let (before, stale) = (core.relays(), core.stats().stale_sockets);
            let mut named = None;
            let mut socket = |s: u32, g: u32| {
                named = Some(SocketId::new(s, g));
                SocketId::new(s, g)
            };
            match odd {
                Odd::Opened(s, g) => core.handle_input(Input::Opened { socket: socket(s, g) }, now),
                Odd::OpenFailed(s, g) => {
                    core.handle_input(Input::OpenFailed { socket: socket(s, g), error: "x".into() }, now);
                }
                Odd::Closed(s, g) => {
                    let reason = CloseReason::Error("x".into());
                    core.handle_input(Input::Closed { socket: socket(s, g), reason }, now);
                }
                Odd::Frame(s, g) => core.handle_input(Input::Text { socket: socket(s, g), frame: "[]" }, now),
                Odd::Pong(s, g) => core.handle_input(Input::Pong { socket: socket(s, g) }, now),
                Odd::Sent(s, g) => core.handle_input(Input::Sent { socket: socket(s, g) }, now),
                Odd::Clock(by) => now.mono = Instant::from_micros(now.mono.as_micros().saturating_add_signed(by)),
                Odd::Timeout => {
                    core.handle_timeout(now);
                    let next = core.poll_timeout().map(|d| d.at);
                    prop_assert!(next.is_none_or(|at| at > now.mono || now.mono == Instant::FAR || now.mono < highest));
                }
                Odd::Call(n) => {
                    let (which, options) = (Which::One(url(usize::from(n) % 3)), ReconnectOptions::default());
                    let call = match n % 5 {
                        0 => Call::Connect { which },
                        1 => Call::Disconnect { which, code: 1000, reason: String::new() },
                        2 => Call::Reconnect { which, options },
                        3 => Call::Reconnect { which, options: ReconnectOptions { keep_open: true, ..options } },
                        _ => Call::NetworkChanged,
                    };
                    core.handle_call(call, now).unwrap();
                }
            }
            highest = highest.max(now.mono);
            if let Some(named) = named
                && !live.values().any(|known| *known == named)
            {
                let same = core.relays().iter().zip(&before).all(|(a, b)| a.state == b.state && a.dials == b.dials);
                prop_assert!(same, "{named} is none of the sockets there are");
                prop_assert_eq!(core.stats().stale_sockets, stale + 1);
            }
            while let Some(command) = core.poll_command() {
                match command {
                    Command::Open { socket, .. } => drop(live.insert(socket.slot(), socket)),
                    Command::Close { socket, .. } | Command::Ping { socket } | Command::Send { socket, .. } => {
                        prop_assert_eq!(live.get(&socket.slot()), Some(&socket), "a command names a living socket");
                    }
                    _ => {}
                }
            }
            while core.poll_event().is_some() {}
            let held = |r: &RelayRecord| {
                matches!(r.state, ConnectionState::Dialing | ConnectionState::Open | ConnectionState::Closing)
            };
            let sockets = core.relays().iter().filter(|r| held(r)).count();
            prop_assert!(sockets <= 2, "the cap holds");
        }
    }
}
