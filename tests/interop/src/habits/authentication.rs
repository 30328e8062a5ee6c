//! NIP-42, where a relay can be set up for it: what it answers to those who do as it says, and nothing of how well it checks.

use std::io;
use std::time::Duration;

use nostr_proto::Keys;
use serde_json::{Value, json};

use super::answers::{Desk, SILENCE, show};
use super::{Table, now, signed};
use crate::raw::Raw;
use crate::suite::members;

pub(super) fn probe(desk: &Desk) -> io::Result<Table> {
    let [member, _] = members();
    let mut raw = desk.connect()?;
    let greeting = raw.hear_all(SILENCE);
    let note = || signed(&member, 1, now(), "by a member", &[]);
    let mut table = vec![("on connecting, with NIP-42 switched on", show(&greeting, raw.end()))];
    table.push(("an EVENT before AUTH", answer_after_challenge(desk, &json!(["EVENT", note()]))?));
    table.push(("a REQ before AUTH", answer_after_challenge(desk, &json!(["REQ", "s", {"ids": ["ab".repeat(32)]}]))?));
    table.push(("a REQ for kind 4 before AUTH", answer_after_challenge(desk, &json!(["REQ", "s", {"kinds": [4]}]))?));
    table.push(("AUTH", after_challenge(desk, |challenge| auth(&member, &desk.url, challenge))?));
    table.push(("an EVENT after it", member_publishes(desk, &member)?));
    Ok(table)
}

fn auth(keys: &Keys, url: &str, challenge: &str) -> Value {
    signed(keys, 22_242, now(), "", &[&["relay", url], &["challenge", challenge]])
}

/// Connects and gets a challenge, by asking for what is private if it does not come by itself.
fn challenged(desk: &Desk) -> io::Result<(Raw, String)> {
    let mut raw = desk.connect()?;
    let mut heard = raw.hear_all(Duration::from_millis(300));
    let challenge_in =
        |heard: &[Value]| heard.iter().rev().find(|m| m[0] == "AUTH").and_then(|m| m[1].as_str()).map(str::to_owned);
    if challenge_in(&heard).is_none() {
        raw.say(&json!(["REQ", "private", {"kinds": [4]}]));
        heard = raw.hear_all(SILENCE);
    }
    let challenge = challenge_in(&heard).unwrap_or_else(|| "none".to_owned());
    Ok((raw, challenge))
}

fn answer_after_challenge(desk: &Desk, message: &Value) -> io::Result<String> {
    let mut raw = desk.connect()?;
    raw.hear_all(Duration::from_millis(300));
    raw.say(message);
    let heard = raw.hear_all(Duration::from_secs(3));
    Ok(show(&heard, raw.end()))
}

fn after_challenge(desk: &Desk, event: impl FnOnce(&str) -> Value) -> io::Result<String> {
    let (mut raw, challenge) = challenged(desk)?;
    raw.say(&json!(["AUTH", event(&challenge)]));
    let heard = raw.hear_all(SILENCE);
    Ok(show(&heard, raw.end()))
}

fn authenticated(desk: &Desk, keys: &Keys) -> io::Result<Raw> {
    let (mut raw, challenge) = challenged(desk)?;
    raw.say(&json!(["AUTH", auth(keys, &desk.url, &challenge)]));
    raw.hear_all(SILENCE);
    Ok(raw)
}

fn member_publishes(desk: &Desk, member: &Keys) -> io::Result<String> {
    let mut raw = authenticated(desk, member)?;
    let answer = raw.publish(&signed(member, 1, now(), "after AUTH", &[]));
    Ok(show(answer.as_slice(), raw.end()))
}
