//! What an EVENT is answered with.

use std::io;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::answers::{Desk, SILENCE, show};
use super::{Table, keys, now, signed};

pub(super) fn probe(desk: &Desk) -> io::Result<Table> {
    let author = keys(21);
    let at = now() - 100;
    let note = |content: &str| signed(&author, 1, at, content, &[]);
    let first = note("first");
    let mut table = vec![("an event", desk.publish(&first)?), ("the same again", desk.publish(&first)?)];
    let mut forged = note("signed");
    forged["sig"] = note("another")["sig"].clone();
    table.push(("an event with a wrong signature", desk.publish(&forged)?));
    table.push(("an event with a control character (U+001F)", desk.publish(&note("\u{1f}"))?));
    table.push(("an expired event", desk.publish(&signed(&author, 1, at, "", &[&["expiration", "1000"]]))?));
    table.push(("an event of tomorrow", desk.publish(&signed(&author, 1, now() + 86_400, "", &[]))?));
    table.push(("an event of 2021", desk.publish(&signed(&author, 1, 1_620_000_000, "", &[]))?));
    table.push(("content of 100 kB", desk.publish(&note(&"x".repeat(100_000)))?));
    table.push(("content of 1 MB", desk.publish(&note(&"x".repeat(1_000_000)))?));
    let version = |ago: u64| signed(&author, 0, now() - ago, &format!("{{\"name\":\"{ago}\"}}"), &[]);
    desk.publish(&version(10))?;
    table.push(("an older version of a replaceable event", desk.publish(&version(20))?));
    let brief = signed(&author, 20_001, now(), "brief", &[]);
    let taken = desk.publish(&brief)?;
    let kept = is_held(desk, &brief)?;
    table.push(("an ephemeral event", format!("{taken}; {}", if kept { "stored" } else { "not stored" })));
    table.push(("a deletion (NIP-09)", deletion(desk)?));
    table.push(("an event that expires, once it has", expiry(desk)?));
    Ok(table)
}

fn deletion(desk: &Desk) -> io::Result<String> {
    let author = keys(22);
    let note = signed(&author, 1, now() - 10, "to be deleted", &[]);
    desk.publish(&note)?;
    let id = note["id"].as_str().unwrap_or_default().to_owned();
    let deletion = signed(&author, 5, now(), "", &[&["e", &id], &["k", "1"]]);
    let taken = desk.publish(&deletion)?;
    let gone = if is_held(desk, &note)? { "the event stays" } else { "the event is gone" };
    let stored = if is_held(desk, &deletion)? { "the deletion is stored" } else { "the deletion is not stored" };
    let again = desk.publish(&note)?;
    Ok(format!("{taken}; {gone}; {stored}; the event again: {again}"))
}

fn expiry(desk: &Desk) -> io::Result<String> {
    let event = signed(&keys(23), 1, now(), "", &[&["expiration", &(now() + 2).to_string()]]);
    desk.publish(&event)?;
    thread::sleep(Duration::from_secs(4));
    Ok(if is_held(desk, &event)? { "still sent" } else { "not sent" }.to_owned())
}

/// Whether it comes when it is asked for by id.
fn is_held(desk: &Desk, event: &Value) -> io::Result<bool> {
    // What the relay has in a queue is stored by then.
    thread::sleep(SILENCE);
    let mut raw = desk.connect()?;
    let heard = raw.request("held", &[json!({"ids": [event["id"]]})]);
    Ok(heard.iter().any(|message| message[0] == "EVENT") && !show(&heard, None).is_empty())
}
