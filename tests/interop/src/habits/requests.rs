//! What REQ, CLOSE, COUNT and what is none of them are answered with.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use super::answers::{Desk, SILENCE, show};
use super::{Table, keys, now, signed};
use crate::raw::Raw;

/// Requests opened on one connection, to find a limit.
const MANY: usize = 600;

pub(super) fn probe(desk: &Desk) -> io::Result<Table> {
    let nobody = json!({"ids": ["ab".repeat(32)]});
    let mut table = vec![("information document (NIP-11)", document(desk)?)];
    table.push(("a REQ with `limit: 0`", desk.ask(&json!(["REQ", "s", {"kinds": [1], "limit": 0}]))?));
    table.push(("a filter of nothing but a `limit`", desk.ask(&json!(["REQ", "s", {"limit": 1}]))?));
    table.push(("a subscription id of 65 characters", desk.ask(&json!(["REQ", "s".repeat(65), nobody]))?));
    table.push(("a subscription id of 300 characters", desk.ask(&json!(["REQ", "s".repeat(300), nobody]))?));
    table.push(("an empty subscription id", desk.ask(&json!(["REQ", "", nobody]))?));
    table.push(("a REQ without a filter", desk.ask(&json!(["REQ", "s"]))?));
    table.push(("a REQ of 11 filters", desk.ask(&Value::Array(eleven(&nobody)))?));
    table.push(("`ids` of 8 characters", desk.ask(&json!(["REQ", "s", {"ids": ["abababab"]}]))?));
    table.push(("a filter with an unknown field", desk.ask(&json!(["REQ", "s", {"ids": nobody["ids"], "odd": 1}]))?));
    table.push(("`since` and `until` of an event's own second", bounds(desk)?));
    table.push(("CLOSE of an open subscription", close(desk, &nobody)?));
    table.push(("CLOSE of an unknown one", desk.ask(&json!(["CLOSE", "nobody's"]))?));
    table.push(("COUNT (NIP-45)", desk.ask(&json!(["COUNT", "c", {"kinds": [1]}]))?));
    table.push(("an unknown verb", desk.ask(&json!(["HELLO", "x"]))?));
    table.push(("a text that is no JSON", desk.ask_text("hello".to_owned())?));
    table.push(("a JSON object", desk.ask(&json!({}))?));
    table.push(("600 REQs on one connection", many(desk)?));
    table.push(("a REQ under an id that is in use", reuse(desk)?));
    table.push(("events of one second, in which order", order(desk)?));
    Ok(table)
}

fn document(desk: &Desk) -> io::Result<String> {
    let Some(document) = desk.document()? else {
        return Ok("none".to_owned());
    };
    let mut text = format!("NIPs {}", document["supported_nips"].to_string().replace(',', " "));
    match document.get("limitation").and_then(Value::as_object) {
        Some(limits) => {
            let limits: Vec<String> =
                limits.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| format!("`{k}` {v}")).collect();
            text += &format!("; {}", limits.join(", "));
        }
        None => text += "; no `limitation`",
    }
    Ok(text)
}

fn eleven(filter: &Value) -> Vec<Value> {
    let mut message = vec![json!("REQ"), json!("s")];
    message.extend(std::iter::repeat_n(filter.clone(), 11));
    message
}

fn bounds(desk: &Desk) -> io::Result<String> {
    let author = keys(29);
    let at = now() - 50;
    desk.publish(&signed(&author, 1, at, "on the bound", &[]))?;
    std::thread::sleep(SILENCE);
    let mut raw = desk.connect()?;
    let mut has = |bound: &str| {
        let heard = raw.request(bound, &[json!({"authors": [author.public_key().to_string()], (bound): at})]);
        if heard.iter().any(|message| message[0] == "EVENT") { "has it" } else { "lacks it" }
    };
    Ok(format!("`since` {}, `until` {}", has("since"), has("until")))
}

fn close(desk: &Desk, filter: &Value) -> io::Result<String> {
    let mut raw = desk.connect()?;
    raw.request("s", std::slice::from_ref(filter));
    raw.say(&json!(["CLOSE", "s"]));
    let heard = raw.hear_all(SILENCE);
    Ok(show(&heard, raw.end()))
}

/// How many requests one connection may have, what is said to more, and which of them hear a new event.
fn many(desk: &Desk) -> io::Result<String> {
    let author = keys(24);
    let mut raw = desk.connect()?;
    let filter = json!({"authors": [author.public_key().to_string()], "since": now() - 5});
    let mut other = String::new();
    let mut opened = 0;
    for n in 1..=MANY {
        let heard = raw.request(&format!("n{n}"), std::slice::from_ref(&filter));
        if heard.last().is_some_and(|last| last[0] == "EOSE") {
            opened += 1;
        } else {
            other = format!("number {n}: {}", show(&heard, raw.end()));
            break;
        }
    }
    let mut text = if other.is_empty() { format!("{opened} get an `EOSE`") } else { other };
    let note = signed(&author, 1, now(), "to all", &[]);
    desk.publish(&note)?;
    let heard = raw.hear_all(SILENCE);
    let reached: BTreeSet<&str> = heard.iter().filter(|m| m[0] == "EVENT").filter_map(|m| m[1].as_str()).collect();
    if raw.end().is_none() {
        text += &format!("; a new event reaches {} of {opened}", reached.len());
        if reached.len() < opened && !reached.is_empty() {
            text += if reached.contains("n1") { ", the oldest among them" } else { ", the oldest not among them" };
        }
    }
    Ok(text)
}

fn reuse(desk: &Desk) -> io::Result<String> {
    let (before, after) = (keys(26), keys(27));
    let by = |keys: &nostr_proto::Keys| json!({"authors": [keys.public_key().to_string()]});
    let mut raw = desk.connect()?;
    raw.request("s", &[by(&before)]);
    raw.request("s", &[by(&after)]);
    desk.publish(&signed(&before, 1, now(), "before", &[]))?;
    desk.publish(&signed(&after, 1, now(), "after", &[]))?;
    let heard = raw.hear_all(SILENCE);
    let contents: Vec<&str> = heard.iter().filter_map(|m| m[2]["content"].as_str()).collect();
    Ok(match contents[..] {
        ["after"] => "takes its place",
        [] => "ends it: nothing comes",
        ["before"] => "is ignored",
        _ => "both are open",
    }
    .to_owned())
}

fn order(desk: &Desk) -> io::Result<String> {
    let author = keys(28);
    let mut raw: Raw = desk.connect()?;
    for n in 0..12 {
        raw.publish(&signed(&author, 1, now() - 30 - n / 4, &format!("order {n}"), &[]));
    }
    std::thread::sleep(Duration::from_millis(500));
    let heard = raw.request("s", &[json!({"authors": [author.public_key().to_string()], "limit": 20})]);
    let came: Vec<(u64, String)> = heard
        .iter()
        .filter(|message| message[0] == "EVENT")
        .map(|m| (m[2]["created_at"].as_u64().unwrap_or_default(), m[2]["id"].as_str().unwrap_or_default().to_owned()))
        .collect();
    let newest_first = came.windows(2).all(|pair| pair[0].0 >= pair[1].0);
    let lowest_first = came.windows(2).all(|pair| pair[0].0 != pair[1].0 || pair[0].1 < pair[1].1);
    let highest_first = came.windows(2).all(|pair| pair[0].0 != pair[1].0 || pair[0].1 > pair[1].1);
    Ok(match (came.len(), newest_first, lowest_first, highest_first) {
        (0, ..) => "nothing came",
        (_, false, ..) => "not newest first",
        (_, true, true, _) => "newest first, then lowest id first",
        (_, true, _, true) => "newest first, then highest id first",
        _ => "newest first, then as it comes",
    }
    .to_owned())
}
