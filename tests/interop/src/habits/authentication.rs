//! NIP-42, where a relay can be set up for it.

use std::io;
use std::time::Duration;

use nostr_proto::Keys;
use serde_json::{Value, json};

use super::answers::{Desk, SILENCE, show};
use super::{Table, now, signed};
use crate::raw::Raw;
use crate::suite::members;

pub(super) fn probe(desk: &Desk) -> io::Result<Table> {
    let [member, reader] = members();
    let mut raw = desk.connect()?;
    let greeting = raw.hear_all(SILENCE);
    let note = || signed(&member, 1, now(), "by a member", &[]);
    let mut table = vec![("on connecting, with NIP-42 switched on", show(&greeting, raw.end()))];
    table.push(("an EVENT before AUTH", answer_after_challenge(desk, &json!(["EVENT", note()]))?));
    table.push(("a REQ before AUTH", answer_after_challenge(desk, &json!(["REQ", "s", {"ids": ["ab".repeat(32)]}]))?));
    table.push(("a REQ for kind 4 before AUTH", answer_after_challenge(desk, &json!(["REQ", "s", {"kinds": [4]}]))?));
    let wrong = |challenge: &str| auth(&member, &desk.url, &format!("not {challenge}"));
    table.push(("AUTH with a wrong challenge", after_challenge(desk, wrong)?));
    table.push(("AUTH for another relay", after_challenge(desk, |c| auth(&member, "wss://elsewhere.example.com", c))?));
    let forge = |challenge: &str| {
        let mut event = auth(&member, &desk.url, challenge);
        event["sig"] = auth(&reader, &desk.url, challenge)["sig"].clone();
        event
    };
    table.push(("AUTH with a wrong signature", after_challenge(desk, forge)?));
    table.push(("AUTH", after_challenge(desk, |challenge| auth(&member, &desk.url, challenge))?));
    table.push(("an EVENT after it", member_publishes(desk, &member)?));
    table.push(("kind 4 to whom it is for, and to another", private(desk, &member, &reader)?));
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

fn private(desk: &Desk, writer: &Keys, reader: &Keys) -> io::Result<String> {
    let to = reader.public_key().to_string();
    let letter = signed(writer, 4, now(), "c2VjcmV0?iv=AAAA", &[&["p", &to]]);
    authenticated(desk, writer)?.publish(&letter);
    let by_author = json!({"kinds": [4], "authors": [letter["pubkey"]]});
    let mut texts = Vec::new();
    for who in [reader, &super::keys(41)] {
        let heard = authenticated(desk, who)?.request("letters", std::slice::from_ref(&by_author));
        let sent = heard.iter().any(|message| message[0] == "EVENT");
        texts.push(if sent { "sent".to_owned() } else { format!("not sent: {}", show(&heard, None)) });
    }
    Ok(texts.join("; "))
}
