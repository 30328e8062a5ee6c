//! Walks every state × every input, and holds the module's own tables to what the machine does.

use core::time::Duration;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::tests::Bench;
use super::*;
use crate::input::CloseReason;

type Reach = fn(&mut Bench);

/// The states, by the heads of the tables' columns: each with how it is reached.
const STATES: [(&str, Reach); 15] = [
    ("`Idle`", |_| ()),
    ("`WaitingForSlot`", |b| {
        (b.slot_free, b.slot_coming) = (false, false);
        let _ = b.step(Connection::want);
    }),
    ("`WaitingForSlot`, promised", |b| {
        b.slot_free = false;
        let _ = b.step(Connection::want);
    }),
    ("`Backoff`", |b| {
        let socket = b.dialled();
        let _ = b.step(|c, cx, fx| c.open_failed(socket, "refused", cx, fx));
    }),
    ("`Quarantined`", |b| {
        let _ = b.step(Connection::forged);
    }),
    ("`Disabled`", |b| {
        let _ = b.step(|c, cx, fx| c.disconnect(1000, "", cx, fx));
    }),
    ("`Dialing`", |b| {
        b.dialled();
    }),
    ("`Open`", |b| {
        b.opened();
    }),
    ("`Open`, unneeded", |b| {
        b.config.keepalive = b.config.idle_close * 2;
        b.opened();
        let _ = b.step(Connection::unwant);
    }),
    ("`Open`, silent", |b| {
        b.opened();
        for _ in 0..2 {
            b.now.mono = b.conn.deadline(&b.config).unwrap();
            let _ = b.step(Connection::timeout);
        }
    }),
    ("`Closing`→`Idle`", |b| {
        b.opened();
        let _ = b.step(Connection::yield_slot);
    }),
    ("`Closing`→`Backoff`", |b| {
        b.dialled();
        b.now.mono = b.conn.deadline(&b.config).unwrap();
        let _ = b.step(Connection::timeout);
    }),
    ("`Closing`→dial", |b| {
        b.opened();
        let _ = b.step(|c, cx, fx| c.reconnect(false, cx, fx));
    }),
    ("`Closing`→`Quarantined`", |b| {
        b.opened();
        let _ = b.step(Connection::forged);
    }),
    ("`Closing`→`Disabled`", |b| {
        b.opened();
        let _ = b.step(|c, cx, fx| c.disconnect(1000, "", cx, fx));
    }),
];

type Step = fn(&mut Bench) -> Option<Change>;

/// The inputs, by the heads of the tables' rows. Unless a row says otherwise, the relay is needed, a slot is free, the
/// options are the default ones, and a socket that is named is the current one.
const INPUTS: [(&str, Step); 31] = [
    ("wanted", |b| Some(b.step(Connection::want))),
    ("wanted, no slot", |b| b.without_slot(false, Connection::want)),
    ("wanted, slot coming", |b| b.without_slot(true, Connection::want)),
    ("unwanted", |b| b.unneeded(Connection::unwant)),
    ("make room", |b| Some(b.step(Connection::yield_slot))),
    ("opened", |b| on_socket(b, 0, |c, s, cx, fx| c.opened(s, cx, fx))),
    ("opened, unneeded", |b| {
        b.wanted = false;
        on_socket(b, 0, |c, s, cx, fx| c.opened(s, cx, fx))
    }),
    ("open failed", |b| on_socket(b, 0, |c, s, cx, fx| c.open_failed(s, "refused", cx, fx))),
    ("open failed, switch off", |b| {
        b.options.reconnect_on_error = false;
        on_socket(b, 0, |c, s, cx, fx| c.open_failed(s, "refused", cx, fx))
    }),
    ("closed", |b| on_socket(b, 0, |c, s, cx, fx| c.closed(s, &bye(), cx, fx))),
    ("closed, unneeded", |b| {
        b.wanted = false;
        on_socket(b, 0, |c, s, cx, fx| c.closed(s, &bye(), cx, fx))
    }),
    ("closed, no slot", |b| {
        (b.slot_free, b.slot_coming) = (false, false);
        on_socket(b, 0, |c, s, cx, fx| c.closed(s, &bye(), cx, fx))
    }),
    ("closed, switch off", |b| {
        b.options.reconnect_on_close = false;
        on_socket(b, 0, |c, s, cx, fx| c.closed(s, &bye(), cx, fx))
    }),
    ("another socket opened", |b| on_socket(b, 1, |c, s, cx, fx| c.opened(s, cx, fx))),
    ("another socket failed", |b| on_socket(b, -1, |c, s, cx, fx| c.open_failed(s, "refused", cx, fx))),
    ("another socket closed", |b| on_socket(b, -1, |c, s, cx, fx| c.closed(s, &bye(), cx, fx))),
    ("frame, pong", |b| {
        b.now.mono = b.now.mono + Duration::from_micros(1);
        on_socket(b, 0, |c, s, cx, _| (c.heard(s, cx.now) && c.ponged(s, cx.now)).then_some(Change::None))
    }),
    ("sent", |b| on_socket(b, 0, |c, s, _, _| c.sent(s).then_some(Change::None))),
    ("NOTICE", |b| Some(b.step(Connection::noticed))),
    ("NOTICE, switch on", |b| {
        b.options.reconnect_on_notice = true;
        Some(b.step(Connection::noticed))
    }),
    ("forged", |b| Some(b.step(Connection::forged))),
    ("forged, switch off", |b| {
        b.options.quarantine = false;
        Some(b.step(Connection::forged))
    }),
    ("time, too early", |b| Some(b.step(Connection::timeout))),
    ("time", due),
    ("time, unneeded", |b| {
        b.wanted = false;
        due(b)
    }),
    ("disconnect", |b| Some(b.step(|c, cx, fx| c.disconnect(3000, "enough", cx, fx)))),
    ("release", |b| Some(b.step(Connection::release))),
    ("reconnect", |b| Some(b.step(|c, cx, fx| c.reconnect(false, cx, fx)))),
    ("reconnect, no slot", |b| b.without_slot(false, |c, cx, fx| c.reconnect(false, cx, fx))),
    ("reconnect, keep open", |b| Some(b.step(|c, cx, fx| c.reconnect(true, cx, fx)))),
    ("network changed", |b| Some(b.step(Connection::network_changed))),
];

fn bye() -> CloseReason {
    CloseReason::Remote { code: 1000, reason: "bye".into() }
}

fn due(b: &mut Bench) -> Option<Change> {
    b.now.mono = b.conn.deadline(&b.config).unwrap_or(b.now.mono + Duration::from_secs(9_999));
    Some(b.step(Connection::timeout))
}

/// An input that names the current socket, or one so many generations away from it.
fn on_socket(
    b: &mut Bench,
    away: i32,
    f: fn(&mut Connection, SocketId, &Context<'_>, &mut Effects) -> Option<Change>,
) -> Option<Change> {
    let socket = SocketId::new(3, b.conn.generation.wrapping_add_signed(away));
    b.step(|c, cx, fx| f(c, socket, cx, fx))
}

fn label(conn: &Connection) -> String {
    let then = match conn.state {
        State::Closing { then: Then::Idle, .. } => "→`Idle`",
        State::Closing { then: Then::Backoff, .. } => "→`Backoff`",
        State::Closing { then: Then::Dial, .. } => "→dial",
        State::Closing { then: Then::Quarantined { .. }, .. } => "→`Quarantined`",
        State::Closing { then: Then::Disabled, .. } => "→`Disabled`",
        State::WaitingForSlot { promised: true } => ", promised",
        State::Open(Open { idle_since: Some(_), .. }) => ", unneeded",
        State::Open(ref open) if open.is_silent() => ", silent",
        _ => "",
    };
    let state = format!("{:?}", conn.state());
    format!("`{}`{then}", state.split([' ', '{']).next().unwrap())
}

/// What a cell has to say of this state and this input.
fn cell(reach: Reach, step: Step) -> String {
    let mut b = Bench::new();
    reach(&mut b);
    (b.slot_free, b.slot_coming) = (true, true);
    b.commands();
    let before = (label(&b.conn), b.conn.state());
    let change = step(&mut b);
    let mut says = Vec::new();
    if before != (label(&b.conn), b.conn.state()) {
        says.push(label(&b.conn));
    }
    for command in b.commands() {
        says.push(match command {
            Command::Open { .. } => "+".to_string(),
            Command::Close { .. } => "×".to_string(),
            Command::Ping { .. } => "ping".to_string(),
            other => panic!("{other:?} is none of a connection's commands"),
        });
    }
    says.extend(match change {
        None => Some("stale".to_string()),
        Some(Change::None) => None,
        Some(Change::Up) => Some("▲".to_string()),
        Some(Change::Down) => Some("▼".to_string()),
        Some(Change::Unavailable) => Some("◇".to_string()),
    });
    if says.is_empty() { "–".to_string() } else { says.join(" ") }
}

/// The tables of the module's documentation: (head of the row, head of the column) → cell.
fn tables() -> Vec<(String, String, String)> {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_string()).collect()
    };
    let mut found = Vec::new();
    let mut heads = Vec::new();
    for line in include_str!("mod.rs").lines().map_while(|line| line.strip_prefix("//!")) {
        let line = line.trim();
        if !line.starts_with('|') {
            heads.clear();
        } else if heads.is_empty() {
            heads = cells(line);
        } else if !line.starts_with("|---") {
            let row = cells(line);
            assert_eq!(row.len(), heads.len(), "{line}");
            for (head, cell) in heads.iter().zip(&row).skip(1) {
                found.push((row[0].clone(), head.clone(), cell.clone()));
            }
        }
    }
    found
}

#[test]
fn the_tables_tell_of_every_state_and_every_input_what_the_machine_does() {
    let tables = tables();
    let mut wrong = Vec::new();
    let mut right = String::new();
    for columns in [&STATES[..6], &STATES[6..10], &STATES[10..]] {
        let heads: Vec<_> = columns.iter().map(|(state, _)| *state).collect();
        right += &format!("//!\n//! | input | {} |\n//! |---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
        for (input, step) in INPUTS {
            let cells: Vec<String> = columns.iter().map(|(_, reach)| cell(*reach, step)).collect();
            for (state, is) in heads.iter().zip(&cells) {
                let told: Vec<_> = tables.iter().filter(|(i, s, _)| i == input && s == state).collect();
                if !matches!(told[..], [(_, _, cell)] if cell == is) {
                    wrong.push(format!("{state}, {input}: {is}, not {told:?}"));
                }
            }
            right += &format!("//! | {input} | {} |\n", cells.join(" | "));
        }
    }
    assert!(wrong.is_empty(), "{}\n\nThe tables are:\n{right}", wrong.join("\n"));
    assert_eq!(tables.len(), STATES.len() * INPUTS.len(), "the tables tell of nothing else");
}

/// The variants of an enum in a source.
fn variants<'a>(source: &'a str, name: &str) -> Vec<&'a str> {
    let body = source.lines().skip_while(|line| !line.ends_with(&format!("enum {name} {{"))).skip(1);
    let words = body.take_while(|line| *line != "}").filter_map(|line| line.strip_prefix("    "));
    let words = words.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    words.filter_map(|line| line.split(|c: char| !c.is_alphanumeric()).next()).collect()
}

/// The methods of a source that the machine's owner can call.
fn methods(source: &str) -> Vec<&str> {
    let heads = source.lines().filter_map(|line| line.strip_prefix("    pub(crate) fn "));
    heads.filter_map(|line| line.split(['(', '<']).next()).collect()
}

/// A state or an input that is added to the machine is added here, and so to the tables.
#[test]
fn no_state_and_no_input_is_left_out() {
    let heads: Vec<_> = STATES.iter().map(|(head, _)| *head).collect();
    let states = variants(include_str!("state.rs"), "State");
    assert_eq!(states.len(), 8, "{states:?}");
    for state in states {
        assert!(heads.iter().any(|head| head.starts_with(&format!("`{state}`"))), "{state} has no column");
    }
    let ways = variants(include_str!("state.rs"), "Then");
    assert_eq!(ways.len(), 5, "{ways:?}");
    for then in ways {
        let then = if then == "Dial" { "dial".to_string() } else { format!("`{then}`") };
        assert!(heads.contains(&format!("`Closing`→{then}").as_str()), "closing for {then} has no column");
    }
    let walked = include_str!("table_tests.rs").split("\nconst INPUTS").nth(1).unwrap();
    let walked = walked.split("\nfn bye").next().unwrap();
    let inputs = [include_str!("inputs.rs"), include_str!("orders.rs")].map(methods).concat();
    assert_eq!(inputs.len(), 16, "{inputs:?}");
    // Time has rows of its own: see `due`.
    for input in inputs.into_iter().filter(|input| *input != "timeout") {
        let by_name = [format!("Connection::{input})"), format!("c.{input}(")];
        assert!(by_name.iter().any(|call| walked.contains(call)), "{input} has no row");
    }
}

/// The rows speak of a socket that the relay closed: each other reason is like it, with the switch that it goes by.
#[test]
fn why_a_socket_is_gone_matters_for_the_switches_alone() {
    let reasons = [
        (CloseReason::Local, true),
        (CloseReason::Error("reset".into()), false),
        (CloseReason::TooLarge, false),
        (bye(), true),
    ];
    for (state, reach) in STATES.iter().filter(|(state, _)| ["`D", "`O", "`C"].contains(&&state[..2])) {
        for ((reason, by_close), (on_close, on_error)) in
            reasons.iter().flat_map(|r| [(true, false), (false, true)].map(|switches| (r, switches)))
        {
            let mut ends = Vec::new();
            for like_a_row in [true, false] {
                let mut b = Bench::new();
                reach(&mut b);
                b.commands();
                let again = if *by_close { on_close } else { on_error };
                b.options.reconnect_on_close = if like_a_row { again } else { on_close };
                b.options.reconnect_on_error = if like_a_row { !again } else { on_error };
                let reason = if like_a_row { bye() } else { reason.clone() };
                let socket = SocketId::new(3, b.conn.generation);
                let change = b.step(|c, cx, fx| c.closed(socket, &reason, cx, fx));
                ends.push((label(&b.conn), change, b.commands().len()));
            }
            assert_eq!(ends[0], ends[1], "{state}, {reason:?}, again on close {on_close}, on error {on_error}");
        }
    }
}

/// What requests and those that wait for its slot are told of a relay, by the heads of the columns.
#[test]
fn a_state_tells_whether_to_wait_for_the_relay_and_for_its_slot() {
    let promising = [
        "`WaitingForSlot`, promised",
        "`Dialing`",
        "`Open`",
        "`Open`, unneeded",
        "`Open`, silent",
        "`Closing`→`Idle`",
        "`Closing`→dial",
    ];
    let dialled = [("`Open`", true), ("`Open`, unneeded", true), ("`Open`, silent", true)];
    let failed = [("`Backoff`", false), ("`Disabled`", false), ("`Closing`→`Backoff`", false)];
    for (state, reach) in STATES {
        let mut b = Bench::new();
        reach(&mut b);
        assert_eq!(b.conn.is_promising(), promising.contains(&state), "{state}");
        let leaves = state.starts_with("`Closing`") && state != "`Closing`→dial";
        assert_eq!(b.conn.is_leaving(), leaves, "{state}");
        let result = dialled.iter().chain(&failed).find(|(of, _)| *of == state).map(|(_, result)| *result);
        assert_eq!(b.conn.dial_result(), result, "{state}");
    }
}
