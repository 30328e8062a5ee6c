//! What relays do where NIP-01 leaves room: asked past the pool, of relays as they come.

mod answers;
mod authentication;
mod events;
mod requests;
mod timing;

use std::fs;
use std::io;
use std::path::Path;

use nostr_proto::{Event, EventTemplate, Keys, Kind, Timestamp};
use serde_json::Value;

use crate::make::{Make, Profile};
use answers::Desk;

/// What was asked, and what the relay did.
pub type Table = Vec<(&'static str, String)>;

/// Where the table begins and ends in the file that it is written into.
const BEGIN: &str = "<!-- measured by `interop --habits --write`: begin -->";
const END: &str = "<!-- measured by `interop --habits --write`: end -->";

/// Asks one relay everything.
///
/// # Errors
/// If it does not start, or stops taking connections.
pub fn of(make: Make, home: &Path) -> io::Result<Table> {
    let mut table = Table::new();
    {
        let relay = make.start(home, Profile::Stock)?;
        let desk = Desk::new(&relay);
        table.extend(events::probe(&desk)?);
        table.extend(requests::probe(&desk)?);
        table.extend(timing::probe(&desk)?);
    }
    {
        // Of as many events as it takes to see an order.
        let relay = make.start(home, Profile::Roomy)?;
        table.extend(timing::probe_roomy(&Desk::new(&relay))?);
    }
    let relay = make.start(home, Profile::Auth)?;
    table.extend(authentication::probe(&Desk::new(&relay))?);
    Ok(table)
}

/// One table, a column per relay.
pub fn markdown(tables: &[(Make, Table)]) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut text = String::from("| what it is asked |");
    for (make, _) in tables {
        text += &format!(" {} |", make.package());
    }
    text += "\n|---|";
    text += &"---|".repeat(tables.len());
    text.push('\n');
    let Some((_, first)) = tables.first() else { return text };
    for (question, _) in first {
        text += &format!("| {} |", cell(question));
        for (_, table) in tables {
            let answer = table.iter().find(|(asked, _)| asked == question).map_or("", |(_, answer)| answer.as_str());
            text += &format!(" {} |", cell(answer));
        }
        text.push('\n');
    }
    text
}

/// Puts the table between its marks.
///
/// # Errors
/// If the file can't be read or written, or has no marks.
pub fn write(path: &Path, table: &str) -> io::Result<()> {
    let text = fs::read_to_string(path)?;
    let (Some(begin), Some(end)) = (text.find(BEGIN), text.find(END)) else {
        return Err(io::Error::other("the marks around the table are missing"));
    };
    let (before, after) = (&text[..begin + BEGIN.len()], &text[end..]);
    fs::write(path, format!("{before}\n\n{table}\n{after}"))
}

fn keys(n: u8) -> Keys {
    Keys::from_entropy([n; 32]).expect("small numbers are secret keys")
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().expect("it is past 1970").as_secs()
}

fn signed(author: &Keys, kind: u16, created_at: u64, content: &str, tags: &[&[&str]]) -> Value {
    let mut template = EventTemplate::new(Kind::new(kind), content, Timestamp::new(created_at));
    for tag in tags {
        template = template.tag(tag.iter().copied());
    }
    value(&author.sign(&template, [0; 32]))
}

fn value(event: &Event) -> Value {
    serde_json::from_str(&event.to_json()).expect("an event is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_column_per_relay() {
        let tables = [
            (Make::Builder, vec![("a", "x|y".to_owned()), ("b", String::new())]),
            (Make::Node, vec![("b", "2".to_owned()), ("a", "1".to_owned())]),
        ];
        let text = markdown(&tables);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1..], ["|---|---|---|", "| a | x\\|y | 1 |", "| b |  | 2 |"]);
    }
}
