//! What comes before what, and how much of it.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::answers::{Desk, SILENCE, show};
use super::{Table, keys, now, signed};

/// Events published at once on one connection.
const BURST: usize = 100;

/// How often something is tried that may or may not happen.
const TRIES: usize = 20;

/// Of a relay as it comes.
pub(super) fn probe(desk: &Desk) -> io::Result<Table> {
    Ok(vec![
        ("a REQ again, right after a new event that it matches", stale(desk)?),
        ("100 EVENTs at once", burst(desk)?),
        ("a REQ right behind them", behind(desk)?),
    ])
}

/// Of a relay whose limits are out of the way.
pub(super) fn probe_roomy(desk: &Desk) -> io::Result<Table> {
    fill(desk)?;
    Ok(vec![
        ("a new event while stored ones are sent", overtaking(desk)?),
        ("a new event after CLOSE and the EOSE of a later REQ", crossing(desk)?),
        ("REQ, CLOSE and REQ in one go", pipelined(desk)?),
        ("stored events without a `limit`", cap(desk)?),
    ])
}

/// Whether an answer may be older than the question.
fn stale(desk: &Desk) -> io::Result<String> {
    let author = keys(31);
    let filter = json!({"authors": [author.public_key().to_string()]});
    let mut raw = desk.connect()?;
    raw.request("a", std::slice::from_ref(&filter));
    raw.say(&json!(["CLOSE", "a"]));
    raw.publish(&signed(&author, 1, now(), "new", &[]));
    let at_once = has_event(&raw.request("b", std::slice::from_ref(&filter)));
    raw.say(&json!(["CLOSE", "b"]));
    std::thread::sleep(Duration::from_secs(2));
    let later = has_event(&raw.request("c", std::slice::from_ref(&filter)));
    Ok(match (at_once, later) {
        (true, true) => "has the event",
        (false, true) => "lacks the event; two seconds later it is there",
        _ => "lacks the event",
    }
    .to_owned())
}

/// What so many are answered with, and how long that takes.
fn burst(desk: &Desk) -> io::Result<String> {
    let author = keys(32);
    let mut raw = desk.connect()?;
    let began = Instant::now();
    for n in 0..BURST {
        raw.say(&json!(["EVENT", signed(&author, 1, now(), &format!("burst {n}"), &[])]));
    }
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    let mut heard = 0;
    let mut took = Duration::ZERO;
    while heard < BURST {
        let Some(answer) = raw.hear(Duration::from_secs(3)) else { break };
        *answers.entry(show(&[answer], None)).or_default() += 1;
        heard += 1;
        took = began.elapsed();
    }
    let mut text: Vec<String> = answers.iter().map(|(answer, count)| format!("{count} × {answer}")).collect();
    if heard < BURST {
        text.push(format!("{} × nothing", BURST - heard));
    }
    if took > Duration::from_secs(3) {
        text.push(format!("within {} s", took.as_secs()));
    }
    if let Some(end) = raw.end() {
        text.push(format!("ends the connection ({end})"));
    }
    Ok(text.join(", "))
}

/// Whether a connection on which too much was published is still served.
fn behind(desk: &Desk) -> io::Result<String> {
    let author = keys(33);
    let mut raw = desk.connect()?;
    let mut wrong = signed(&author, 1, now(), "signed", &[]);
    wrong["sig"] = signed(&author, 1, now(), "another", &[])["sig"].clone();
    for n in 0..BURST {
        raw.say(&json!(["EVENT", signed(&author, 1, now(), &format!("ahead {n}"), &[])]));
    }
    // One that is refused, too: some relays slow down whoever sends such.
    raw.say(&json!(["EVENT", wrong]));
    let began = Instant::now();
    raw.say(&json!(["REQ", "behind", {"ids": ["ab".repeat(32)]}]));
    while let Some(heard) = raw.hear(Duration::from_secs(8)) {
        if heard[1] == "behind" {
            let took = began.elapsed();
            let late =
                if took > Duration::from_secs(1) { format!(" after {} s", took.as_secs()) } else { String::new() };
            return Ok(format!("{}{late}", show(&[heard], None)));
        }
    }
    Ok(format!("{} for 8 s", show(&[], raw.end())))
}

fn fill(desk: &Desk) -> io::Result<()> {
    let author = keys(34);
    let mut raw = desk.connect()?;
    for n in 0..1_100 {
        raw.say(&json!([
            "EVENT",
            signed(&author, 1, now() - 5_000 + n, &format!("filling {n} {}", "x".repeat(400)), &[])
        ]));
        if n % 50 == 49 {
            for _ in 0..50 {
                raw.hear(Duration::from_secs(5));
            }
        }
    }
    Ok(())
}

/// Whether a new event is sent between stored ones, ahead of their EOSE.
fn overtaking(desk: &Desk) -> io::Result<String> {
    let author = keys(34);
    let filter = json!({"authors": [author.public_key().to_string()], "since": 1_000});
    let mut writer = desk.connect()?;
    let mut raw = desk.connect()?;
    let (mut ahead, mut between, mut behind, mut never, mut twice) = (0, 0, 0, 0, 0);
    for n in 0..TRIES {
        let id = format!("o{n}");
        let new = signed(&author, 1, now(), &format!("overtaking {n}"), &[]);
        raw.say(&json!(["REQ", id, filter]));
        writer.say(&json!(["EVENT", new]));
        let (mut seen, mut done, mut came) = (0_usize, false, false);
        while let Some(heard) = raw.hear(if done { SILENCE } else { Duration::from_secs(3) }) {
            if heard[0] == "EOSE" {
                done = true;
            } else if heard[2]["id"] == new["id"] {
                if std::mem::replace(&mut came, true) {
                    twice += 1;
                    continue;
                }
                match (done, seen) {
                    (true, _) => behind += 1,
                    (false, 0) => ahead += 1,
                    (false, _) => between += 1,
                }
            } else if heard[0] == "EVENT" {
                seen += 1;
            }
            if done && came {
                break;
            }
        }
        never += usize::from(!came);
        raw.say(&json!(["CLOSE", id]));
        writer.hear_all(Duration::from_millis(100));
    }
    Ok(format!(
        "of {TRIES}: {ahead} as the first, {between} between stored ones, {behind} after EOSE, {never} never; {twice} come twice"
    ))
}

/// Whether events of a closed subscription come after the relay has answered what was asked later.
fn crossing(desk: &Desk) -> io::Result<String> {
    let author = keys(35);
    let mut writer = desk.connect()?;
    let mut raw = desk.connect()?;
    let mut late = 0;
    for n in 0..TRIES {
        let (id, fence) = (format!("c{n}"), format!("f{n}"));
        raw.request(&id, &[json!({"authors": [author.public_key().to_string()], "since": now() - 1})]);
        for k in 0..10 {
            writer.say(&json!(["EVENT", signed(&author, 1, now(), &format!("crossing {n} {k}"), &[])]));
        }
        raw.say(&json!(["CLOSE", id]));
        raw.request(&fence, &[json!({"ids": ["ab".repeat(32)]})]);
        let after = raw.hear_all(Duration::from_millis(200));
        late += usize::from(after.iter().any(|message| message[0] == "EVENT" && message[1] == id));
        raw.say(&json!(["CLOSE", fence]));
        writer.hear_all(Duration::from_millis(50));
    }
    Ok(format!("comes in {late} of {TRIES}"))
}

/// Whether messages are handled one after the other.
fn pipelined(desk: &Desk) -> io::Result<String> {
    let author = keys(34).public_key().to_string();
    let mut raw = desk.connect()?;
    raw.say(&json!(["REQ", "long", {"authors": [author]}]));
    raw.say(&json!(["CLOSE", "long"]));
    raw.say(&json!(["REQ", "short", {"ids": ["ab".repeat(32)]}]));
    let heard = raw.hear_all(SILENCE);
    let at = |id: &str, verb: &str| heard.iter().position(|m| m[0] == verb && m[1] == id);
    let events = heard.iter().filter(|m| m[0] == "EVENT" && m[1] == "long").count();
    let first = match (at("long", "EOSE"), at("short", "EOSE")) {
        (Some(long), Some(short)) if short < long => "the second is answered before the first is through",
        (Some(_), Some(_)) => "answered one after the other",
        (None, Some(_)) => "the first gets no EOSE",
        _ => "the second gets no EOSE",
    };
    Ok(format!("{events} events for the first; {first}"))
}

fn cap(desk: &Desk) -> io::Result<String> {
    let mut raw = desk.connect()?;
    let heard = raw.request("all", &[json!({"kinds": [1]})]);
    let events = heard.iter().filter(|message| message[0] == "EVENT").count();
    Ok(format!("{events} of more than 1,100"))
}

fn has_event(heard: &[Value]) -> bool {
    heard.iter().any(|message| message[0] == "EVENT")
}
