//! The elements of messages, in both directions.

use super::Case;
use crate::differential::Subject::{self, Client, Relay};
use nostr_proto::ParseErrorKind::{
    self, BadField, Expected, MissingField, TooDeep, TooLarge, TooManyFilters, TrailingText, UnknownMessage,
};
use nostr_proto::{Part, limits};

const OK_ID: &str = "64 lowercase hex characters, or empty";
const COUNT: &str = "an integer, or an object with an integer \"count\"";
const HEX: &str = "an even number of hex characters";

fn bad(field: &'static str, expected: &'static str) -> ParseErrorKind {
    BadField { part: Part::Message, field: field.into(), expected }
}

fn missing(field: &'static str) -> ParseErrorKind {
    MissingField { part: Part::Message, field }
}

/// Values that are no string.
const NO_TEXTS: [&str; 7] = ["1", "null", "true", "[]", "{}", "[\"s\"]", "-1.5"];

fn both_directions() -> Vec<Case> {
    let mut cases = Vec::new();
    for subject in [Relay, Client] {
        for text in ["¦{}", "¦null", "¦\"EVENT\"", "¦1", "¦]", "¦\u{feff}[]", "¦EVENT"] {
            cases.push(Case::new(subject, text, Expected("a message array")));
        }
        cases.push(Case::new(subject, "[¦]", bad("verb", "a string")));
        for value in NO_TEXTS {
            cases.push(Case::new(subject, &format!("[ ¦{value},\"s\"]"), bad("verb", "a string")));
        }
        for more in ["x", "[]", ",", "]", "}", "\0", "\u{feff}", "null"] {
            cases.push(Case::new(subject, &format!("[\"CLOSE\",\"s\"] ¦{more}"), TrailingText));
        }
        for (text, what) in [
            ("[\"CLOSE\" ¦\"s\"]", "a comma or the end of the array"),
            ("[\"CLOSE\"¦:\"s\"]", "a comma or the end of the array"),
            ("[\"CLOSE\",¦]", "a value"),
            ("[\"CLOSE\",\"s\",¦]", "a value"),
            ("[\"CLOSE\",\"s\"¦}", "a comma or the end of the array"),
        ] {
            cases.push(Case::new(subject, text, Expected(what)));
        }
        let limit = limits::MAX_MESSAGE_BYTES;
        cases.push(Case::new(subject, &format!("¦[\"CLOSE\",\"{}\"]", "s".repeat(limit - 11)), TooLarge { limit }));
        let limit = limits::MAX_FRAME_DEPTH;
        for open in ["[", "{\"a\":"] {
            // The message is the first level.
            let deep = open.repeat(limit - 1);
            cases.push(Case::new(subject, &format!("[\"CLOSE\",\"s\",{deep}¦{open}"), TooDeep { limit }));
            cases.push(Case::new(subject, &format!("[\"CLOSE\",\"s\",1,{deep}¦{open}1"), TooDeep { limit }));
        }
        cases.push(Case::new(
            subject,
            &format!("[\"CLOSE\",\"s\",{}¦{}", "[".repeat(limit - 1), "[".repeat(99_999)),
            TooDeep { limit },
        ));
    }
    cases
}

fn relay_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for verb in ["EVENT", "EOSE", "CLOSED", "COUNT", "NEG-MSG", "NEG-ERR"] {
        cases.push(Case::new(Relay, &format!("[\"{verb}\"¦]"), missing("subscription id")));
        for value in NO_TEXTS {
            cases.push(Case::new(Relay, &format!("[\"{verb}\",¦{value},1]"), bad("subscription id", "a string")));
        }
    }
    for (verb, field) in [("NOTICE", "message"), ("AUTH", "challenge")] {
        cases.push(Case::new(Relay, &format!("[\"{verb}\" ¦]"), missing(field)));
        for value in NO_TEXTS {
            cases.push(Case::new(Relay, &format!("[\"{verb}\", ¦{value}]"), bad(field, "a string")));
        }
    }
    cases.push(Case::new(Relay, r#"["EVENT","s"¦]"#, missing("event")));
    for value in ["null", "1", "\"<id>\"", "[]", "[<event>]", "true"] {
        cases.push(Case::new(Relay, &format!("[\"EVENT\",\"s\",¦{value}]"), Expected("an event object")));
    }
    // An EVENT as clients write it has its event where the subscription should be.
    cases.push(Case::new(Relay, r#"["EVENT",¦<event>]"#, bad("subscription id", "a string")));
    cases.push(Case::new(Relay, r#"["OK"¦]"#, missing("event id")));
    for value in ["1", "null", "[]", "\"0\"", "\"<sig>\"", "\" <id>\"", "\"ABCDEF\"", "true"] {
        cases.push(Case::new(Relay, &format!("[\"OK\",¦{value},true]"), bad("event id", OK_ID)));
    }
    cases.push(Case::new(Relay, r#"["OK","<id>"¦]"#, missing("accepted")));
    for value in ["1", "0", "null", "\"true\"", "[]", "{}", "True", "tru", "x"] {
        cases.push(Case::new(Relay, &format!("[\"OK\",\"<id>\", ¦{value},\"\"]"), bad("accepted", "true or false")));
    }
    cases.push(Case::new(Relay, r#"["OK","<id>",true¦x]"#, Expected("a comma or the end of the array")));
    cases.extend(counts());
    cases.extend(negentropy(Relay, "[\"NEG-MSG\",\"s\""));
    cases
}

/// COUNT, and how deep any element of a relay may nest.
fn counts() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.push(Case::new(Relay, r#"["COUNT","s"¦]"#, missing("count")));
    for value in [
        "null",
        "true",
        "\"5\"",
        "[5]",
        "[]",
        "-1",
        "1.0",
        "1e2",
        "01",
        "18446744073709551616",
        "{}",
        "{\"Count\":1}",
        "{\"hll\":\"00\"}",
    ] {
        cases.push(Case::new(Relay, &format!("[\"COUNT\",\"s\", ¦{value}]"), bad("count", COUNT)));
    }
    for value in ["null", "\"5\"", "[]", "-1", "1.0", "5e0", "18446744073709551616"] {
        cases.push(Case::new(
            Relay,
            &format!("[\"COUNT\",\"s\",{{\"x\":1,\"count\": ¦{value}}}]"),
            bad("count", COUNT),
        ));
        cases.push(Case::new(
            Relay,
            &format!("[\"COUNT\",\"s\",{{\"count\":1,\"count\":¦{value}}}]"),
            bad("count", COUNT),
        ));
    }
    let limit = limits::MAX_FRAME_DEPTH;
    for open in ["[", "{\"a\":"] {
        let deep = open.repeat(limit - 2);
        for before in [
            "[\"EOSE\",\"s\",[",
            "[\"EOSE\",\"s\",[\"more\",",
            "[\"COUNT\",\"s\",{\"x\":",
            "[\"CLOSED\",\"s\",[",
            "[\"X\",{\"a\":",
        ] {
            cases.push(Case::new(Relay, &format!("{before}{deep}¦{open}"), TooDeep { limit }));
        }
    }
    cases
}

/// The payload of NIP-77, behind these elements.
fn negentropy(subject: Subject, before: &str) -> Vec<Case> {
    let mut cases = vec![Case::new(subject, &format!("{before}¦]"), missing("message"))];
    for value in [
        "1", "null", "[]", "\"6\"", "\"616\"", "\"6g\"", "\"g6\"", "\"0x61\"", "\" 61\"", "\"61 \"", "\"é\"", "\"6/\"",
        "\"6:\"", "\"6@\"", "\"6G\"", "\"6`\"",
    ] {
        cases.push(Case::new(subject, &format!("{before}, ¦{value}]"), bad("message", HEX)));
    }
    cases
}

fn client_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for verb in ["EOSE", "OK", "CLOSED", "NOTICE", "NEG-ERR", "event", "Event", "REQ ", " REQ", "", "X", "REQ\\u0000"] {
        cases.push(Case::new(Client, &format!("[ ¦\"{verb}\",\"s\",{{}}]"), UnknownMessage));
    }
    for verb in ["REQ", "COUNT", "CLOSE", "NEG-OPEN", "NEG-MSG", "NEG-CLOSE"] {
        cases.push(Case::new(Client, &format!("[\"{verb}\"¦]"), missing("subscription id")));
        for value in NO_TEXTS.into_iter().chain(["\"\""]) {
            let expected = bad("subscription id", "a string that is not empty");
            cases.push(Case::new(Client, &format!("[\"{verb}\",¦{value},{{}}]"), expected));
        }
    }
    for verb in ["EVENT", "AUTH"] {
        cases.push(Case::new(Client, &format!("[\"{verb}\"¦]"), missing("event")));
        for value in ["null", "1", "\"s\"", "[]", "[<event>]"] {
            cases.push(Case::new(Client, &format!("[\"{verb}\",¦{value}]"), Expected("an event object")));
        }
    }
    for verb in ["REQ", "COUNT"] {
        cases.push(Case::new(Client, &format!("[\"{verb}\",\"s\"¦]"), missing("filter")));
        for value in ["null", "1", "\"s\"", "[]", "[{}]", "true"] {
            cases.push(Case::new(Client, &format!("[\"{verb}\",\"s\",¦{value}]"), Expected("a filter object")));
            cases.push(Case::new(Client, &format!("[\"{verb}\",\"s\",{{}}, ¦{value}]"), Expected("a filter object")));
        }
        let limit = limits::MAX_FILTERS;
        let filters = ",{}".repeat(limit);
        cases.push(Case::new(Client, &format!("[\"{verb}\",\"s\"{filters},¦{{}}]"), TooManyFilters { limit }));
    }
    cases.push(Case::new(Client, "[\"NEG-OPEN\",\"s\"¦]", missing("filter")));
    for value in ["null", "\"61\"", "[]"] {
        cases.push(Case::new(Client, &format!("[\"NEG-OPEN\",\"s\",¦{value},\"61\"]"), Expected("a filter object")));
    }
    cases.extend(negentropy(Client, "[\"NEG-OPEN\",\"s\",{}"));
    cases.extend(negentropy(Client, "[\"NEG-MSG\",\"s\""));
    cases
}

pub(super) fn cases() -> Vec<Case> {
    [both_directions(), relay_cases(), client_cases()].into_iter().flatten().collect()
}

pub(super) fn accepted() -> Vec<(Subject, String)> {
    let nested = |open: &str, close: &str, levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
    let mut texts = Vec::new();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let (deep, inner) =
            (nested(open, close, limits::MAX_FRAME_DEPTH - 1), nested(open, close, limits::MAX_FRAME_DEPTH - 2));
        texts.extend([Relay, Client].map(|subject| (subject, format!("[\"CLOSE\",\"s\",{deep}]"))));
        texts.push((Relay, format!("[\"EOSE\",\"s\",[{inner}]]")));
        texts.push((Relay, format!("[\"COUNT\",\"s\",{{\"x\":{inner},\"count\":1}}]")));
    }
    for text in [
        r#"["OK","",false]"#,
        r#"["OK","<id>",true,null,{}]"#,
        r#"["COUNT","s",{"count":18446744073709551615}]"#,
        r#"["COUNT","",0]"#,
        r#"["EVENT","",<event>,null]"#,
        r#"[""]"#,
        r#"["REQ",1]"#,
    ] {
        texts.push((Relay, text.to_owned()));
    }
    let filters = ",{}".repeat(limits::MAX_FILTERS);
    texts.push((Client, format!("[\"REQ\",\"s\"{filters}]")));
    texts.push((Client, "[\"CLOSE\",\" \"]".to_owned()));
    texts.push((Client, format!("[\"CLOSE\",\"{}\"]", "s".repeat(limits::MAX_MESSAGE_BYTES - 12))));
    texts
}
