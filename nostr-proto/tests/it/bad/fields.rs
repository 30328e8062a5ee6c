//! The fields of events and filters: what each must be.

use super::{Case, good_event};
use crate::differential::Subject;
use crate::support::HEX64;
use nostr_proto::{ParseErrorKind, Part, limits};
use std::ops::Range;

const HEX_64: &str = "64 lowercase hex characters";
const HEX_128: &str = "128 lowercase hex characters";
const TIME: &str = "an integer from 0 to 18446744073709551615";
const KIND: &str = "an integer from 0 to 65535";
const TAGS: &str = "an array of arrays of strings";
const HEX_LIST: &str = "an array of 64 lowercase hex characters each";
const KINDS: &str = "an array of integers from 0 to 65535";
const LIMIT: &str = "an integer from 0 to 4294967295";
const TEXTS: &str = "an array of strings";

fn bad(part: Part, field: &str, expected: &'static str) -> ParseErrorKind {
    ParseErrorKind::BadField { part, field: field.to_owned().into(), expected }
}

const NAMES: [&str; 7] = ["id", "pubkey", "created_at", "kind", "tags", "content", "sig"];

/// Where in the good event a field stands, from its key to the end of its value.
fn member(good: &str, field: &str) -> Range<usize> {
    let start = good.find(&format!("\"{field}\":")).unwrap();
    let next = NAMES.iter().filter_map(|next| good[start..].find(&format!(",\"{next}\":"))).min();
    start..next.map_or(good.len() - 1, |length| start + length)
}

/// The good event with another value for one field.
fn event_with(field: &str, value: &str) -> String {
    let mut event = good_event();
    event.replace_range(member(&event, field), &format!("\"{field}\":{value}"));
    event
}

/// Strings that are not so many characters of lowercase hex.
fn not_hex(length: usize) -> Vec<String> {
    let good: String = HEX64.chars().cycle().take(length).collect();
    let mut bad: Vec<String> =
        [0, 1, length / 2, length - 2, length - 1].iter().map(|&length| good[..length].to_owned()).collect();
    bad.extend([
        format!("{good}0"),
        format!("{good}00"),
        format!("{good}{good}"),
        format!(" {good}"),
        format!("{good} "),
    ]);
    bad.extend([format!("0x{}", &good[2..]), good.to_uppercase(), "é".repeat(length / 2)]);
    // The characters around the digits and letters, and letters that only look like hex, at both ends and within.
    for character in ["/", ":", "`", "@", "g", "A", "F", "G", " ", "\u{7f}", "é", "０", "\\u0041", "\\n"] {
        let width =
            character.chars().count().min(if character.starts_with('\\') { 1 } else { 4 }).max(character.len() % 5);
        for at in [0, 1, length / 2 - 1, length / 2, length - width] {
            bad.push(format!("{}{character}{}", &good[..at], &good[at + width..]));
        }
    }
    bad.into_iter().map(|text| format!("\"{text}\"")).collect()
}

/// Values that are no unsigned integer. Where a number begins all the same, what follows it is at fault.
const NOT_INTEGERS: [&str; 22] = [
    "-1",
    "-0",
    "1.0",
    "0.0",
    "1.",
    "1e3",
    "1E3",
    "1e+0",
    "1e-0",
    "01",
    "00",
    "18446744073709551616",
    "99999999999999999999999",
    "\"1\"",
    "\"\"",
    "null",
    "true",
    "[1]",
    "[]",
    "{}",
    "+1",
    "NaN",
];

fn event_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut wrong = |field: &str, value: &str, expected| {
        let text = event_with(field, &format!("¦{value}"));
        cases.push(Case::new(Subject::Event, &text, bad(Part::Event, field, expected)));
        // The same where it stands in a frame, behind white space.
        let framed = format!("[\"EVENT\",\"s\",{}]", event_with(field, &format!(" \n\t\r¦{value}")));
        cases.push(Case::new(Subject::Relay, &framed, bad(Part::Event, field, expected)));
    };
    for (field, expected, length) in [("id", HEX_64, 64), ("pubkey", HEX_64, 64), ("sig", HEX_128, 128)] {
        not_hex(length).iter().for_each(|value| wrong(field, value, expected));
        for value in ["0", "null", "true", "[]", "{}", &format!("[\"{HEX64}\"]")] {
            wrong(field, value, expected);
        }
    }
    for value in NOT_INTEGERS {
        wrong("created_at", value, TIME);
        wrong("kind", value, KIND);
    }
    for value in ["65536", "65537", "4294967296", "18446744073709551615"] {
        wrong("kind", value, KIND);
    }
    for value in ["null", "{}", "\"\"", "0", "true", "{\"0\":[\"e\"]}", "-1"] {
        wrong("tags", value, TAGS);
    }
    for value in ["null", "0", "true", "false", "[]", "{}", "[\"\"]", "-1.5"] {
        wrong("content", value, "a string");
    }
    for tags in [
        "[¦1]",
        "[¦null]",
        "[¦\"e\"]",
        "[¦{}]",
        "[ ¦true]",
        "[[\"e\"],¦\"e\"]",
        "[[],¦{}]",
        "[[¦1]]",
        "[[¦null]]",
        "[[¦[]]]",
        "[[¦{}]]",
        "[[¦-1.5]]",
        "[[\"e\",¦null]]",
        "[[\"e\",¦[\"x\"]]]",
        "[[\"e\", ¦{\"x\":1}]]",
        "[[\"e\",\"x\",¦false]]",
        "[[\"e\"],[¦0]]",
    ] {
        cases.push(Case::new(Subject::Event, &event_with("tags", tags), bad(Part::Event, "tags", TAGS)));
    }
    cases.extend(commas_in_tags());
    cases.extend(duplicates_of_faulty_fields());
    cases.extend(events_of_the_wrong_fields());
    cases
}

/// Tags are read in one way where no string has an escape, and in another where one has: neither is laxer.
fn commas_in_tags() -> Vec<Case> {
    let value = || ParseErrorKind::Expected("a value");
    let shape = || bad(Part::Event, "tags", TAGS);
    let comma = || ParseErrorKind::Expected("a comma or the end of the array");
    let mut cases = Vec::new();
    for (tags, kind) in [
        ("[[\"a\",¦]]", value()),
        ("[[\"a\",\"b\",¦]]", value()),
        ("[[\"a\" , ¦]]", value()),
        ("[[¦,\"a\"]]", shape()),
        ("[[\"a\",¦,\"b\"]]", shape()),
        ("[[¦,]]", shape()),
        ("[[\"a\"],¦]", value()),
        ("[[],¦]", value()),
        ("[¦,[\"a\"]]", shape()),
        ("[[\"a\"],¦,[\"b\"]]", shape()),
        ("[¦,]", shape()),
        ("[[\"a\"¦\"b\"]]", comma()),
        ("[[\"a\"]¦[\"b\"]]", comma()),
        ("[[\"a\"¦}]", comma()),
        ("[[\"a\"]¦}", comma()),
    ] {
        // Alone, behind a tag with an escape, and before one.
        cases.push(Case::new(Subject::Event, &event_with("tags", tags), kind.clone()));
        let behind = format!("[[\"\\n\"],{}", &tags[1..]);
        cases.push(Case::new(Subject::Event, &event_with("tags", &behind), kind.clone()));
        if let Some(open) = tags.strip_suffix("]]") {
            cases.push(Case::new(Subject::Event, &event_with("tags", &format!("{open}],[\"\\n\"]]")), kind));
        }
    }
    cases
}

/// A field that is there twice is told at its second key, whatever that has for a value; what was wrong with the first
/// is told first.
fn duplicates_of_faulty_fields() -> Vec<Case> {
    let twice = |field: &str| ParseErrorKind::DuplicateField { part: Part::Event, field: field.to_owned().into() };
    let mut cases = Vec::new();
    for field in NAMES {
        for value in ["1", "\"\"", "[]", "null", "[[\"\\x\"]]", "\"\\x\""] {
            let again = format!("{},¦\"{field}\":{value}}}", good_event().trim_end_matches('}'));
            cases.push(Case::new(Subject::Event, &again, twice(field)));
        }
    }
    for faulty in [r#"{"tags":[["¦\x"]],"tags":[],"kind":1}"#, r#"{"content":"¦\x","content":"","kind":1}"#] {
        cases.push(Case::new(Subject::Event, faulty, ParseErrorKind::BadEscape));
    }
    cases
}

/// Missing, repeated, and too deep or too large in all.
fn events_of_the_wrong_fields() -> Vec<Case> {
    let good = good_event();
    let mut cases = Vec::new();
    for field in NAMES {
        let member = &good[member(&good, field)];
        let without = good.replacen(member, "", 1).replace("{,", "{").replace(",,", ",").replace(",}", "}");
        let missing = ParseErrorKind::MissingField { part: Part::Event, field };
        let marked = |text: &str| format!("{}¦}}", text.strip_suffix('}').unwrap());
        cases.push(Case::new(Subject::Event, &marked(&without), missing.clone()));
        // Another case, or another word that begins alike, is another field.
        let renamed = member.replacen(field, &field.to_uppercase(), 1);
        cases.push(Case::new(Subject::Event, &marked(&good.replacen(member, &renamed, 1)), missing.clone()));
        let renamed = member.replacen(&format!("{field}\""), &format!("{field}\\u0000\""), 1);
        cases.push(Case::new(Subject::Event, &marked(&good.replacen(member, &renamed, 1)), missing));
        let duplicate = ParseErrorKind::DuplicateField { part: Part::Event, field: field.into() };
        let again = format!("{},¦{member}}}", &good[..good.len() - 1]);
        cases.push(Case::new(Subject::Event, &again, duplicate.clone()));
        let escaped = member.replacen(&field[..1], &format!("\\u{:04x}", field.as_bytes()[0]), 1);
        cases.push(Case::new(Subject::Event, &format!("{},¦{escaped}}}", &good[..good.len() - 1]), duplicate));
    }
    let too_deep = || ParseErrorKind::TooDeep { limit: limits::MAX_DEPTH };
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        // Seven levels within the event's own are allowed.
        let value = format!("{}¦{}1{}", open.repeat(7), open, close.repeat(8));
        cases.push(Case::new(Subject::Event, &format!("{{\"x\":{value},{}", &good[1..]), too_deep()));
        cases.push(Case::new(Subject::Event, &format!("{{\"x\":[1,{}¦{open}", open.repeat(6)), too_deep()));
        cases.push(Case::new(Subject::Client, &format!("[\"EVENT\",{{\"x\":{value},{}]", &good[1..]), too_deep()));
    }
    cases.push(Case::new(Subject::Event, &format!("{{\"x\":{}¦{}", "[".repeat(7), "[".repeat(100_000)), too_deep()));
    let too_large = ParseErrorKind::TooLarge { limit: limits::MAX_EVENT_BYTES };
    let fill = |text: &str| {
        text.replacen("\"y\"", &format!("\"{}\"", "y".repeat(limits::MAX_EVENT_BYTES + 2 - good.len())), 1)
    };
    cases.push(Case::new(Subject::Event, &format!("¦{}", fill(&good)), too_large.clone()));
    cases.push(Case::new(Subject::Relay, &format!("[\"EVENT\",\"s\", ¦{}]", fill(&good)), too_large));
    for text in ["¦null", "¦[]", "¦\"{}\"", "¦1", "¦]", "¦<event>"].map(|text| text.replace("<event>", "'")) {
        cases.push(Case::new(Subject::Event, &text, ParseErrorKind::Expected("an event object")));
    }
    for more in ["x", "{}", ",", "]", "}", "\0", "\u{feff}", "null"] {
        cases.push(Case::new(Subject::Event, &format!("<event> ¦{more}"), ParseErrorKind::TrailingText));
    }
    cases
}

fn filter_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut wrong = |field: &str, value: &str, expected| {
        let text = format!("{{\"limit\":1,\"x\":[],\"{field}\": {value} }}")
            .replace("\"limit\":1,", if field == "limit" { "" } else { "\"limit\":1," });
        cases.push(Case::new(Subject::Filter, &text, bad(Part::Filter, field, expected)));
        let request = format!("[\"REQ\",\"s\",{{}},{{\"{field}\":{value}}}]");
        cases.push(Case::new(Subject::Client, &request, bad(Part::Filter, field, expected)));
    };
    for field in ["ids", "authors", "#e", "#p"] {
        for value in not_hex(64) {
            wrong(field, &format!("[¦{value}]"), HEX_LIST);
        }
        for value in [
            "¦\"<id>\"",
            "¦null",
            "¦1",
            "¦{}",
            "[¦1]",
            "[¦null]",
            "[\"<id>\",¦[]]",
            "[\"<id>\", ¦\"\"]",
            "[¦[\"<id>\"]]",
        ] {
            wrong(field, value, HEX_LIST);
        }
    }
    for field in ["#t", "#a", "#z", "#A", "#E", "#P", "#Z"] {
        for value in ["¦\"x\"", "¦null", "¦1", "¦{}", "[¦1]", "[¦null]", "[\"x\",¦[]]", "[\"x\", ¦{}]", "[¦true]"]
        {
            wrong(field, value, TEXTS);
        }
    }
    for value in NOT_INTEGERS {
        wrong("kinds", &format!("[1,¦{value}]"), KINDS);
        wrong("since", &format!("¦{value}"), TIME);
        wrong("until", &format!("¦{value}"), TIME);
        wrong("limit", &format!("¦{value}"), LIMIT);
    }
    for value in ["[¦65536]", "[0,¦4294967296]", "¦1", "¦null", "¦{}", "¦\"1\""] {
        wrong("kinds", value, KINDS);
    }
    for value in ["¦4294967296", "¦18446744073709551615"] {
        wrong("limit", value, LIMIT);
    }
    for value in ["¦null", "¦1", "¦[]", "¦{}", "¦true", "¦[\"x\"]"] {
        wrong("search", value, "a string");
    }
    cases.extend(filters_of_the_wrong_fields());
    cases
}

/// Repeated, and too deep or too large in all.
fn filters_of_the_wrong_fields() -> Vec<Case> {
    let mut cases = Vec::new();
    for (field, value) in [
        ("ids", "[]"),
        ("authors", "[\"<id>\"]"),
        ("kinds", "[1]"),
        ("since", "1"),
        ("until", "2"),
        ("limit", "3"),
        ("search", "\"\""),
        ("#e", "[]"),
        ("#t", "[]"),
        ("#T", "[\"x\"]"),
    ] {
        let duplicate = || ParseErrorKind::DuplicateField { part: Part::Filter, field: field.into() };
        let escaped = format!("\\u{:04x}{}", field.as_bytes()[0], &field[1..]);
        for again in [field, &escaped] {
            let text = format!("{{\"{field}\":{value},\"x\":1, ¦\"{again}\":{value}}}");
            cases.push(Case::new(Subject::Filter, &text, duplicate()));
        }
    }
    let too_deep = || ParseErrorKind::TooDeep { limit: limits::MAX_DEPTH };
    cases.push(Case::new(Subject::Filter, &format!("{{\"x\":{}¦[", "[".repeat(7)), too_deep()));
    cases.push(Case::new(Subject::Client, &format!("[\"REQ\",\"s\",{{\"#tt\":{}¦[", "[".repeat(7)), too_deep()));
    for text in ["¦null", "¦[]", "¦\"\"", "¦1", "¦'{}'"] {
        cases.push(Case::new(Subject::Filter, text, ParseErrorKind::Expected("a filter object")));
    }
    for more in ["x", "{}", ",", "]", "}", "\0", "\u{feff}"] {
        cases.push(Case::new(Subject::Filter, &format!("{{}} ¦{more}"), ParseErrorKind::TrailingText));
    }
    let limit = limits::MAX_MESSAGE_BYTES;
    let large = format!("¦{{\"search\":\"{}\"}}", "x".repeat(limit));
    cases.push(Case::new(Subject::Filter, &large, ParseErrorKind::TooLarge { limit }));
    cases
}

pub(super) fn cases() -> Vec<Case> {
    [event_cases(), filter_cases()].into_iter().flatten().collect()
}

pub(super) fn accepted() -> Vec<(Subject, String)> {
    let escaped: String = HEX64.chars().map(|c| format!("\\u{:04X}", c as u32)).collect();
    let mut texts = vec![
        (Subject::Event, event_with("id", &format!("\"{escaped}\""))),
        (Subject::Event, event_with("created_at", "0")),
        (Subject::Event, event_with("created_at", "18446744073709551615")),
        (Subject::Event, event_with("kind", "65535")),
        (Subject::Event, event_with("kind", "0")),
        (Subject::Event, event_with("tags", "[[],[\"\"],[ ],[\"\",\"\"]]")),
        (Subject::Event, event_with("content", "\"\\u0000\u{7f}\"")),
        (Subject::Event, format!(" \t\r\n{}\n", good_event().replacen("\"kind\"", "\"\\u006bind\"", 1))),
        (Subject::Filter, format!("{{\"ids\":[\"{escaped}\"],\"#e\":[],\"#E\":[\"x\"],\"#P\":[\"\"]}}")),
        (
            Subject::Filter,
            "{\"since\":18446744073709551615,\"until\":0,\"limit\":4294967295,\"kinds\":[0,65535,0]}".to_owned(),
        ),
        (Subject::Filter, "{\"#tt\":1,\"#\":2,\"#1\":3,\"#é\":4,\"e\":5,\"IDS\":6,\"#tt\":7,\"ids \":8}".to_owned()),
    ];
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let value = format!("{}1{}", open.repeat(7), close.repeat(7));
        texts.push((Subject::Event, format!("{{\"x\":{value},{}", &good_event()[1..])));
        texts.push((Subject::Filter, format!("{{\"x\":{value}}}")));
    }
    let good = good_event();
    let fill = "y".repeat(limits::MAX_EVENT_BYTES + 1 - good.len());
    texts.push((Subject::Event, good.replacen("\"y\"", &format!("\"{fill}\""), 1)));
    texts
}
