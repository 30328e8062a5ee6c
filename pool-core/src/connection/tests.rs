//! The machine alone, under arbitrary inputs and a virtual clock.

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::call::RelayOptions;
use crate::event::PoolEvent;
use crate::input::CloseReason;
use crate::rng::Rng;
use crate::time::Now;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Now {
    Now { mono: Instant::ZERO + SECOND * u32::try_from(seconds).unwrap(), unix: Timestamp::new(1_000_000 + seconds) }
}

fn machine() -> Connection {
    Connection::new(RelayIx(3), RelayUrl::parse("wss://relay.example.com").unwrap(), Rng::new([1; 16]), [2; 16])
}

/// A machine, what it is told, and what it wants.
pub(super) struct Bench {
    pub(super) conn: Connection,
    pub(super) config: Config,
    pub(super) options: RelayOptions,
    pub(super) fx: Effects,
    pub(super) now: Now,
    pub(super) wanted: bool,
    pub(super) slot_free: bool,
    pub(super) slot_coming: bool,
}

impl Bench {
    pub(super) fn new() -> Self {
        let (config, options, fx) = (Config::default(), RelayOptions::default(), Effects::default());
        Self { conn: machine(), config, options, fx, now: at(0), wanted: true, slot_free: true, slot_coming: true }
    }

    pub(super) fn step<R>(&mut self, f: impl FnOnce(&mut Connection, &Context<'_>, &mut Effects) -> R) -> R {
        let cx = Context {
            config: &self.config,
            options: self.options,
            slot_free: self.slot_free,
            slot_coming: self.slot_coming,
            wanted: self.wanted,
            now: self.now,
        };
        f(&mut self.conn, &cx, &mut self.fx)
    }

    pub(super) fn without_slot(
        &mut self,
        coming: bool,
        f: impl FnOnce(&mut Connection, &Context<'_>, &mut Effects) -> Change,
    ) -> Option<Change> {
        (self.slot_free, self.slot_coming) = (false, coming);
        Some(self.step(f))
    }

    pub(super) fn unneeded(
        &mut self,
        f: impl FnOnce(&mut Connection, &Context<'_>, &mut Effects) -> Change,
    ) -> Option<Change> {
        self.wanted = false;
        Some(self.step(f))
    }

    pub(super) fn commands(&mut self) -> Vec<Command> {
        self.fx.commands.drain(..).collect()
    }

    pub(super) fn dialled(&mut self) -> SocketId {
        assert_eq!(self.step(Connection::want), Change::None);
        let Some(Command::Open { socket, .. }) = self.commands().pop() else { panic!("a wanted relay is dialled") };
        socket
    }

    pub(super) fn opened(&mut self) -> SocketId {
        let socket = self.dialled();
        assert_eq!(self.step(|c, cx, fx| c.opened(socket, cx, fx)), Some(Change::Up));
        socket
    }
}

#[test]
fn backoff_doubles_to_its_cap_and_starts_over_only_after_a_stable_connection() {
    let mut b = Bench::new();
    b.config.backoff_jitter = Duration::ZERO;
    let mut waits = Vec::new();
    let _ = b.step(Connection::want);
    for _ in 0..9 {
        let Some(Command::Open { socket, .. }) = b.commands().pop() else { panic!("dialled again") };
        // It opens, and is lost at once: that is a failure like any other.
        assert_eq!(b.step(|c, cx, fx| c.opened(socket, cx, fx)), Some(Change::Up));
        let reason = CloseReason::Error("reset".into());
        assert_eq!(b.step(|c, cx, fx| c.closed(socket, &reason, cx, fx)), Some(Change::Down));
        let ConnectionState::Backoff { until } = b.conn.state() else { panic!("backs off") };
        waits.push(until.saturating_since(b.now.mono).as_secs());
        b.now.mono = until;
        let _ = b.step(Connection::timeout);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    let Some(Command::Open { socket, .. }) = b.commands().pop() else { panic!("dialled again") };
    assert_eq!(b.step(|c, cx, fx| c.opened(socket, cx, fx)), Some(Change::Up));
    b.now.mono = b.now.mono + b.config.stable_after;
    let _ = b.step(|c, cx, fx| c.closed(socket, &CloseReason::Local, cx, fx));
    let ConnectionState::Backoff { until } = b.conn.state() else { panic!("backs off") };
    assert_eq!(until.saturating_since(b.now.mono), SECOND);
}

#[test]
fn two_silent_pings_close_and_any_frame_keeps_alive() {
    let mut b = Bench::new();
    let socket = b.opened();
    let tick = |b: &mut Bench, heard: bool| {
        b.now.mono = b.conn.deadline(&b.config).unwrap();
        let change = b.step(Connection::timeout);
        if heard {
            b.now.mono = b.now.mono + SECOND;
            assert!(b.conn.heard(socket, b.now));
        }
        (b.commands(), change)
    };
    for _ in 0..5 {
        assert_eq!(tick(&mut b, true).0, [Command::Ping { socket }], "no pong ever, but frames: alive");
    }
    assert_eq!(tick(&mut b, false).0, [Command::Ping { socket }]);
    assert_eq!(tick(&mut b, false).0, [Command::Ping { socket }]);
    let (commands, change) = tick(&mut b, false);
    assert!(matches!(commands[..], [Command::Close { .. }]), "{commands:?}");
    assert_eq!(change, Change::Down);
}

#[test]
fn a_pong_proves_the_oldest_unanswered_ping_and_no_more() {
    let mut b = Bench::new();
    let socket = b.opened();
    for unix in [500, 600] {
        b.now = Now { mono: b.conn.deadline(&b.config).unwrap(), unix: Timestamp::new(unix) };
        let _ = b.step(Connection::timeout);
    }
    assert!(b.conn.ponged(socket, b.now));
    assert_eq!(b.conn.proven(), Some(Timestamp::new(500)));
}

#[test]
fn switches_leave_a_relay_closed() {
    for (reason, options) in [
        (CloseReason::Error("reset".into()), RelayOptions { reconnect_on_error: false, ..RelayOptions::default() }),
        (
            CloseReason::Remote { code: 1001, reason: "bye".into() },
            RelayOptions { reconnect_on_close: false, ..RelayOptions::default() },
        ),
    ] {
        let mut b = Bench::new();
        let socket = b.opened();
        b.options = options;
        assert_eq!(b.step(|c, cx, fx| c.closed(socket, &reason, cx, fx)), Some(Change::Down));
        assert_eq!(b.conn.state(), ConnectionState::Disabled);
        let _ = b.step(|c, cx, fx| c.reconnect(false, cx, fx));
        assert_eq!(b.conn.state(), ConnectionState::Dialing, "the application may still ask for it");
    }
}

#[test]
fn the_first_wait_is_jittered_and_so_is_the_one_for_a_new_network() {
    let (mut waits, mut news) = (Vec::new(), Vec::new());
    for seed in 0..20 {
        let mut b = Bench::new();
        b.conn.backoff = Backoff::new(Rng::new([seed; 16]));
        let socket = b.dialled();
        let _ = b.step(|c, cx, fx| c.open_failed(socket, "refused", cx, fx));
        for all in [&mut waits, &mut news] {
            let ConnectionState::Backoff { until } = b.conn.state() else { panic!("backs off") };
            all.push(until.saturating_since(b.now.mono));
            let _ = b.step(Connection::network_changed);
        }
    }
    assert!(waits.iter().all(|wait| (SECOND..=2 * SECOND).contains(wait)), "{waits:?}");
    assert!(news.iter().all(|wait| *wait <= SECOND), "{news:?}");
    for mut all in [waits, news] {
        all.sort_unstable();
        all.dedup();
        assert!(all.len() > 10, "not all at once: {all:?}");
    }
}

#[test]
fn pings_are_not_sent_for_ever_to_a_sink_that_takes_nothing() {
    let mut b = Bench::new();
    b.config.send_credits = 3;
    let socket = b.opened();
    let keep = |b: &mut Bench| {
        b.now.mono = b.conn.deadline(&b.config).unwrap();
        let _ = b.step(Connection::timeout);
        b.now.mono = b.now.mono + SECOND;
        assert!(b.conn.heard(socket, b.now));
        b.commands().len()
    };
    let pings: usize = (0..40).map(|_| keep(&mut b)).sum();
    assert_eq!(pings, 3 + 8);
    assert_eq!(b.conn.sendable(&b.config), None, "pings take up credits, too");
    assert!(b.conn.sent(socket));
    assert_eq!([keep(&mut b), keep(&mut b)], [1, 0], "one was taken");
}

#[test]
fn a_record_is_kept_of_dials_and_ends() {
    let mut b = Bench::new();
    let socket = b.dialled();
    let _ = b.step(|c, cx, fx| c.open_failed(socket, "refused", cx, fx));
    assert_eq!((b.conn.dials, b.conn.opened, b.conn.last_connected), (1, 0, None));
    assert_eq!(b.conn.last_error.as_deref(), Some("refused"));
    let _ = b.step(|c, cx, fx| c.reconnect(false, cx, fx));
    let Some(Command::Open { socket, .. }) = b.commands().pop() else { panic!("dialled again") };
    let _ = b.step(|c, cx, fx| c.opened(socket, cx, fx));
    assert_eq!((b.conn.dials, b.conn.opened, b.conn.last_connected), (2, 1, Some(b.now.unix)));
    let reason = CloseReason::Remote { code: 4000, reason: "go away".into() };
    let _ = b.step(|c, cx, fx| c.closed(socket, &reason, cx, fx));
    assert_eq!(b.conn.last_close, Some((4000, "go away".into())));
    for (reason, told) in [(CloseReason::TooLarge, "larger"), (CloseReason::Error("reset".into()), "reset")] {
        let mut b = Bench::new();
        let socket = b.opened();
        let _ = b.step(|c, cx, fx| c.closed(socket, &reason, cx, fx));
        assert!(b.conn.last_error.as_ref().is_some_and(|error| error.contains(told)), "{:?}", b.conn.last_error);
    }
    let mut b = Bench::new();
    b.opened();
    for _ in 0..3 {
        b.now.mono = b.conn.deadline(&b.config).unwrap();
        let _ = b.step(Connection::timeout);
    }
    assert!(b.conn.last_error.as_ref().is_some_and(|error| error.contains("silent")), "{:?}", b.conn.last_error);
}

#[test]
fn a_stable_connection_that_we_close_ends_the_row_of_failures() {
    for stable in [true, false] {
        let mut b = Bench::new();
        let socket = b.dialled();
        let _ = b.step(|c, cx, fx| c.open_failed(socket, "refused", cx, fx));
        b.now.mono = b.conn.deadline(&b.config).unwrap();
        let _ = b.step(Connection::timeout);
        let Some(Command::Open { socket, .. }) = b.commands().pop() else { panic!("dialled again") };
        let _ = b.step(|c, cx, fx| c.opened(socket, cx, fx));
        b.now.mono = b.now.mono + b.config.stable_after - if stable { Duration::ZERO } else { SECOND };
        let _ = b.step(Connection::yield_slot);
        assert_eq!(b.conn.backoff.failures(), u32::from(!stable));
    }
}

#[test]
fn reading_is_stopped_once_and_silence_says_nothing_meanwhile() {
    let mut b = Bench::new();
    let socket = b.opened();
    b.conn.set_paused(true, &mut b.fx);
    b.conn.set_paused(true, &mut b.fx);
    assert_eq!(b.commands(), [Command::PauseRead { socket }]);
    for _ in 0..9 {
        b.now.mono = b.conn.deadline(&b.config).unwrap();
        assert_eq!(b.step(Connection::timeout), Change::None);
    }
    assert_eq!(b.conn.state(), ConnectionState::Open);
    b.commands();
    b.conn.set_paused(false, &mut b.fx);
    b.conn.set_paused(false, &mut b.fx);
    assert_eq!(b.commands(), [Command::ResumeRead { socket }]);
}

#[test]
fn a_pong_proves_the_oldest_ping_whatever_came_between() {
    let mut b = Bench::new();
    let socket = b.opened();
    for unix in [500, 600, 700] {
        b.now = Now { mono: b.conn.deadline(&b.config).unwrap(), unix: Timestamp::new(unix) };
        let _ = b.step(Connection::timeout);
        b.now.mono = b.now.mono + SECOND;
        assert!(b.conn.heard(socket, b.now));
    }
    assert!(b.conn.ponged(socket, b.now));
    assert_eq!(b.conn.proven(), Some(Timestamp::new(500)));
}

#[test]
fn an_unneeded_connection_goes_after_its_time_and_not_when_a_ping_is_due() {
    let mut b = Bench::new();
    b.config.keepalive = b.config.idle_close * 3;
    b.opened();
    let since = b.now.mono;
    let _ = b.step(Connection::unwant);
    b.now.mono = since + SECOND;
    let _ = b.step(Connection::unwant);
    assert_eq!(b.conn.idle_since(), Some(since), "since the first time that nobody needed it");
    assert_eq!(b.conn.deadline(&b.config), Some(since + b.config.idle_close));
}

#[derive(Clone, Debug)]
enum Op {
    Want,
    Unwant,
    Yield,
    Opened(i32),
    OpenFailed(i32),
    Closed(i32),
    Heard(i32),
    Pong(i32),
    Sent(i32),
    Spend,
    Disconnect,
    Release,
    Reconnect(bool),
    NetworkChanged,
    Notice(bool),
    Forged(bool),
    Slot(bool),
    Advance(u64),
    Timeout,
}

/// A socket generation relative to the current one: mostly the current.
fn generation() -> impl Strategy<Value = i32> {
    prop_oneof![6 => Just(0), 1 => Just(-1), 1 => Just(1)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => Just(Op::Want),
        1 => Just(Op::Unwant),
        1 => Just(Op::Yield),
        4 => generation().prop_map(Op::Opened),
        2 => generation().prop_map(Op::OpenFailed),
        3 => generation().prop_map(Op::Closed),
        2 => generation().prop_map(Op::Heard),
        1 => generation().prop_map(Op::Pong),
        1 => generation().prop_map(Op::Sent),
        1 => Just(Op::Spend),
        1 => Just(Op::Disconnect),
        1 => Just(Op::Release),
        1 => any::<bool>().prop_map(Op::Reconnect),
        1 => Just(Op::NetworkChanged),
        1 => any::<bool>().prop_map(Op::Notice),
        1 => any::<bool>().prop_map(Op::Forged),
        1 => any::<bool>().prop_map(Op::Slot),
        4 => prop_oneof![0..2_000_u64, 0..100_000_u64].prop_map(Op::Advance),
        4 => Just(Op::Timeout),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn one_socket_at_a_time_no_dial_without_slot_no_stale_effect_no_timer_in_the_past(
        ops in proptest::collection::vec(op(), 1..120)
    ) {
        let mut b = Bench::new();
        // What the driver holds: sockets that were asked for and are not reported gone.
        let mut current: Option<SocketId> = None;
        let mut not_before = Instant::ZERO;
        for op in ops {
            let generation = b.conn.generation;
            let socket = |d: i32| SocketId::new(3, generation.wrapping_add_signed(d));
            let before = b.conn.state();
            let mut asked = false;
            let stale = match op {
                Op::Want => { let _ = b.step(Connection::want); None }
                Op::Unwant => { b.wanted = false; let _ = b.step(Connection::unwant); b.wanted = true; None }
                Op::Yield => { let _ = b.step(Connection::yield_slot); None }
                Op::Opened(d) => { let s = socket(d); Some((d, b.step(|c, cx, fx| c.opened(s, cx, fx)).is_none())) }
                Op::OpenFailed(d) => {
                    let s = socket(d);
                    if current == Some(s) && before == ConnectionState::Dialing { current = None; }
                    Some((d, b.step(|c, cx, fx| c.open_failed(s, "refused", cx, fx)).is_none()))
                }
                Op::Closed(d) => {
                    let s = socket(d);
                    if current == Some(s) { current = None; }
                    let reason = CloseReason::Error("reset".into());
                    Some((d, b.step(|c, cx, fx| c.closed(s, &reason, cx, fx)).is_none()))
                }
                Op::Heard(d) => Some((d, !b.conn.heard(socket(d), b.now))),
                Op::Pong(d) => Some((d, !b.conn.ponged(socket(d), b.now))),
                Op::Sent(d) => Some((d, !b.conn.sent(socket(d)))),
                Op::Spend => { if b.conn.sendable(&b.config).is_some() { b.conn.spend(100); } None }
                Op::Disconnect => { let _ = b.step(|c, cx, fx| c.disconnect(1000, "x", cx, fx)); None }
                Op::Release => { asked = true; let _ = b.step(Connection::release); None }
                Op::Reconnect(keep) => { asked = true; let _ = b.step(|c, cx, fx| c.reconnect(keep, cx, fx)); None }
                Op::NetworkChanged => {
                    asked = !matches!(before, ConnectionState::Quarantined { .. });
                    let _ = b.step(Connection::network_changed);
                    None
                }
                Op::Notice(on) => { b.options.reconnect_on_notice = on; let _ = b.step(Connection::noticed); None }
                Op::Forged(on) => {
                    b.options.quarantine = on;
                    let change = b.step(Connection::forged);
                    prop_assert!(on || change == Change::None, "the relay is exempt");
                    None
                }
                Op::Slot(free) => { (b.slot_free, b.slot_coming) = (free, free); None }
                Op::Advance(ms) => { b.now.mono = b.now.mono + Duration::from_millis(ms); None }
                Op::Timeout => {
                    let _ = b.step(Connection::timeout);
                    let next = b.conn.deadline(&b.config);
                    prop_assert!(next.is_none_or(|at| at > b.now.mono), "{next:?} is not after {:?}", b.now);
                    None
                }
            };
            if let Some((d, was_stale)) = stale && d != 0 {
                prop_assert!(was_stale, "a socket of another generation is stale");
                prop_assert_eq!(b.conn.state(), before, "and changes nothing");
            }
            // `close_deadline` after its Close, a socket counts as gone even if nobody said so.
            if !b.conn.has_socket() { current = None; }
            if asked { not_before = Instant::ZERO; }
            if let ConnectionState::Backoff { until } = b.conn.state() {
                prop_assert!(until.saturating_since(b.now.mono) <= b.config.backoff_max);
                not_before = until;
            }
            if let ConnectionState::Quarantined { until } = b.conn.state() {
                not_before = until;
            }
            for command in b.commands() {
                match command {
                    Command::Open { socket, .. } => {
                        let slot = b.slot_free || matches!(before, ConnectionState::Closing | ConnectionState::Dialing | ConnectionState::Open);
                        prop_assert!(slot, "dialled without a slot");
                        // The core waits `close_deadline` for a `Closed`, then counts the socket as gone.
                        prop_assert!(current.is_none() || before == ConnectionState::Closing, "two sockets");
                        prop_assert!(b.now.mono >= not_before, "dialled before the back-off was over");
                        current = Some(socket);
                    }
                    Command::Close { socket, .. } | Command::Ping { socket } => {
                        prop_assert_eq!(socket.generation, b.conn.generation, "a command for an old socket");
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            let told = b.fx.events.drain(..).next_back();
            if let Some(PoolEvent::Relay { update: RelayUpdate::State(state), .. }) = told {
                prop_assert_eq!(state, b.conn.state(), "the last state told is the state");
            } else {
                prop_assert_eq!(before, b.conn.state(), "every change of state is told");
            }
        }
    }
}
