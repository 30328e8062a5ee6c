//! What JSON does not allow, at every place where a value or a string can stand.

use super::Case;
use crate::differential::Subject;
use nostr_proto::ParseErrorKind::{
    self, BadEscape, BadNumber, ControlCharacter, Expected, LoneSurrogate, UnexpectedEnd,
};

const VALUE: ParseErrorKind = Expected("a value");
const KEY: ParseErrorKind = Expected("a key in quotes");
const COLON: ParseErrorKind = Expected("a colon");
const IN_ARRAY: ParseErrorKind = Expected("a comma or the end of the array");
const IN_OBJECT: ParseErrorKind = Expected("a comma or the end of the object");

/// Where any value may stand (`@`) that is read over.
const SKIPPED: [(Subject, &str); 15] = [
    (Subject::Event, r#"{"x":@,"content":""}"#),
    (Subject::Filter, r#"{"x":@}"#),
    (Subject::Filter, r#"{"kinds":[1],"":@,"limit":1}"#),
    (Subject::Relay, r#"["X",@]"#),
    (Subject::Relay, r#"["NOTICE","x",1,@]"#),
    (Subject::Relay, r#"["EVENT","s",{"x":@,"kind":1}]"#),
    (Subject::Relay, r#"["EVENT","s",<event>,@]"#),
    (Subject::Relay, r#"["CLOSED","s",@]"#),
    (Subject::Relay, r#"["OK","<id>",true,@]"#),
    (Subject::Relay, r#"["EOSE","s",@]"#),
    (Subject::Relay, r#"["EOSE","s",["more",@]]"#),
    (Subject::Relay, r#"["COUNT","s",{"x":@,"count":1}]"#),
    (Subject::Client, r#"["CLOSE","s",@]"#),
    (Subject::Client, r#"["REQ","s",{"x":@}]"#),
    (Subject::Client, r#"["EVENT",<event>,@]"#),
];

/// Values that are none.
const BAD_VALUES: [(&str, ParseErrorKind); 72] = [
    ("¦nul", VALUE),
    ("¦Null", VALUE),
    ("¦True", VALUE),
    ("¦FALSE", VALUE),
    ("¦NaN", VALUE),
    ("¦Infinity", VALUE),
    ("¦undefined", VALUE),
    ("¦'x'", VALUE),
    ("¦`x`", VALUE),
    ("¦.5", VALUE),
    ("¦+1", VALUE),
    ("¦é", VALUE),
    ("¦１", VALUE),
    ("¦\u{feff}1", VALUE),
    ("¦/*x*/1", VALUE),
    ("¦// x\n1", VALUE),
    ("¦# x\n1", VALUE),
    ("¦\u{b}1", VALUE),
    ("¦\u{c}1", VALUE),
    ("¦\u{a0}1", VALUE),
    ("¦\u{2028}1", VALUE),
    ("¦\0", VALUE),
    ("¦\\\"x\\\"", VALUE),
    ("¦:", VALUE),
    ("¦-", BadNumber),
    ("¦--1", BadNumber),
    ("¦-x", BadNumber),
    ("¦-Infinity", BadNumber),
    ("¦- 1", BadNumber),
    ("¦-.5", BadNumber),
    ("¦00", BadNumber),
    ("¦01", BadNumber),
    ("¦-01", BadNumber),
    ("¦1.", BadNumber),
    ("¦1.e5", BadNumber),
    ("¦1. 5", BadNumber),
    ("¦1e", BadNumber),
    ("¦1e+", BadNumber),
    ("¦1E-x", BadNumber),
    ("[1e5¦.]", IN_ARRAY),
    ("[¦,]", VALUE),
    ("[¦}", VALUE),
    ("[¦:]", VALUE),
    ("[1,¦]", VALUE),
    ("[1,¦,2]", VALUE),
    ("[1,¦}", VALUE),
    ("[ 1 , ¦]", VALUE),
    ("[1¦}", IN_ARRAY),
    ("[1¦:2]", IN_ARRAY),
    ("[1 ¦2]", IN_ARRAY),
    ("[1¦\"2\"]", IN_ARRAY),
    ("[\"1\"¦\"2\"]", IN_ARRAY),
    ("[[]¦[]]", IN_ARRAY),
    ("[1¦;2]", IN_ARRAY),
    ("[0¦x10]", IN_ARRAY),
    ("[1¦_000]", IN_ARRAY),
    ("[1.2¦.3]", IN_ARRAY),
    ("[true¦r]", IN_ARRAY),
    ("[null¦null]", IN_ARRAY),
    ("[1¦\u{b}]", IN_ARRAY),
    ("[1¦\u{feff}]", IN_ARRAY),
    ("{¦1:2}", KEY),
    ("{¦a:1}", KEY),
    ("{¦'a':1}", KEY),
    ("{¦,}", KEY),
    ("{¦]", KEY),
    ("{\"a\":1,¦}", KEY),
    ("{\"a\"¦,1}", COLON),
    ("{\"a\"¦}", COLON),
    ("{\"a\":¦}", VALUE),
    ("{\"a\":1¦]", IN_OBJECT),
    ("{\"a\":1 ¦\"b\":2}", IN_OBJECT),
];

/// Where any string may stand that is read, or read over.
const STRINGS: [(Subject, &str); 24] = [
    (Subject::Event, r#"{"content":@}"#),
    (Subject::Event, r#"{"tags":[[@]]}"#),
    (Subject::Event, r#"{"tags":[[],["e","x",@,"y"]]}"#),
    (Subject::Event, r#"{@:1}"#),
    (Subject::Event, r#"{"kind":1,"x":{"y":[@]}}"#),
    (Subject::Event, r#"{"kind":1,"x":{@:1}}"#),
    (Subject::Filter, r#"{"search":@}"#),
    (Subject::Filter, r##"{"#t":["x",@]}"##),
    (Subject::Filter, r#"{@:[]}"#),
    (Subject::Relay, r#"[@,"s"]"#),
    (Subject::Relay, r#"["EVENT",@,<event>]"#),
    (Subject::Relay, r#"["EVENT","s",{"content":@}]"#),
    (Subject::Relay, r#"["EOSE",@]"#),
    (Subject::Relay, r#"["EOSE","s",[@]]"#),
    (Subject::Relay, r#"["CLOSED","s",@]"#),
    (Subject::Relay, r#"["OK","<id>",true,@]"#),
    (Subject::Relay, r#"["NOTICE",@]"#),
    (Subject::Relay, r#"["AUTH",@]"#),
    (Subject::Relay, r#"["COUNT","s",{@:1}]"#),
    (Subject::Relay, r#"["COUNT","s",{"count":1,"x":@}]"#),
    (Subject::Relay, r#"["NEG-ERR","s",@]"#),
    (Subject::Client, r#"[@,"s"]"#),
    (Subject::Client, r#"["REQ",@,{}]"#),
    (Subject::Client, r#"["CLOSE","s",@]"#),
];

/// Strings that are none.
const BAD_STRINGS: [(&str, ParseErrorKind); 41] = [
    ("\"¦\n\"", ControlCharacter),
    ("\"a¦\t\"", ControlCharacter),
    ("\"a¦\r\"", ControlCharacter),
    ("\"a\\n¦\n\"", ControlCharacter),
    ("\"é¦\0\"", ControlCharacter),
    ("\"¦\\x41\"", BadEscape),
    ("\"¦\\a\"", BadEscape),
    ("\"¦\\v\"", BadEscape),
    ("\"¦\\0\"", BadEscape),
    ("\"¦\\'\"", BadEscape),
    ("\"¦\\ \"", BadEscape),
    ("\"¦\\é\"", BadEscape),
    ("\"¦\\\n\"", BadEscape),
    ("\"¦\\N\"", BadEscape),
    ("\"¦\\U0041\"", BadEscape),
    ("\"\\\\¦\\x\"", BadEscape),
    ("\"¦\\u\"", BadEscape),
    ("\"¦\\u1\"", BadEscape),
    ("\"¦\\u12\"", BadEscape),
    ("\"¦\\u123\"", BadEscape),
    ("\"¦\\u12g4\"", BadEscape),
    ("\"¦\\u+123\"", BadEscape),
    ("\"¦\\u 123\"", BadEscape),
    ("\"¦\\u{41}\"", BadEscape),
    ("\"¦\\u00é\"", BadEscape),
    ("\"¦\\u١٢\"", BadEscape),
    ("\"¦\\ud800\"", LoneSurrogate),
    ("\"¦\\uDBFF\"", LoneSurrogate),
    ("\"¦\\udc00\"", LoneSurrogate),
    ("\"¦\\uDFFF\"", LoneSurrogate),
    ("\"a¦\\ud800b\"", LoneSurrogate),
    ("\"¦\\ud800\\n\"", LoneSurrogate),
    ("\"¦\\ud800\\\\udc00\"", LoneSurrogate),
    ("\"¦\\ud800\\u0041\"", LoneSurrogate),
    ("\"¦\\ud800\\ud800\"", LoneSurrogate),
    ("\"¦\\ud83e🦀\"", LoneSurrogate),
    ("\"¦\\udc00\\ud800\"", LoneSurrogate),
    ("\"\\ud83e\\udd80¦\\udd80\"", LoneSurrogate),
    ("\"\\ud83e\\udd80¦\\ud83e\"", LoneSurrogate),
    ("\"¦\\ud83e\\udd8\"", LoneSurrogate),
    ("\"¦\\ud83e\\udd8x\"", LoneSurrogate),
];

/// Texts that end too early, with all that may end them.
const ENDS: [&str; 18] = [
    "¦",
    " \n\t\r¦",
    "[¦",
    "[ ¦",
    "[\"¦",
    "[\"X¦",
    "[\"X\"¦",
    "[\"X\" ¦",
    "[\"X\",¦",
    "[\"X\",[¦",
    "[\"X\",[1¦",
    "[\"X\",[1,¦",
    "[\"X\",{¦",
    "[\"X\",{\"¦",
    "[\"X\",{\"a\"¦",
    "[\"X\",{\"a\":¦",
    "[\"X\",{\"a\":1¦",
    "[\"X\",{\"a\":1,¦",
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (subject, place) in SKIPPED {
        for (value, kind) in BAD_VALUES {
            cases.push(Case::new(subject, &place.replacen('@', value, 1), kind));
        }
        for (string, kind) in BAD_STRINGS {
            cases.push(Case::new(subject, &place.replacen('@', &format!("[{string}]"), 1), kind));
        }
    }
    for (subject, place) in STRINGS {
        for (string, kind) in BAD_STRINGS {
            cases.push(Case::new(subject, &place.replacen('@', string, 1), kind));
        }
        // Every control character, behind texts of every length up to two of the steps that strings are read in.
        for control in '\0'..' ' {
            let lead = "x".repeat(4 * control as usize);
            cases.push(Case::new(subject, &place.replacen('@', &format!("\"{lead}¦{control}\""), 1), ControlCharacter));
        }
    }
    cases.extend(ENDS.map(|text| Case::new(Subject::Relay, text, UnexpectedEnd)));
    // A backslash at the end of the text has nothing behind it.
    cases.push(Case::new(Subject::Relay, "[\"\\¦", UnexpectedEnd));
    cases
}

/// Values and strings that look odd and are good.
pub(super) fn accepted() -> Vec<(Subject, String)> {
    const VALUES: [&str; 20] = [
        "0",
        "-0",
        "0.0",
        "-0.5e+3",
        "1E-2",
        "1e00",
        "123456789012345678901234567890",
        "null",
        "true",
        "false",
        "{}",
        "[ ]",
        "{\"a\":[{}]}",
        "{\"a\":1,\"a\":2}",
        " \t\r\n1 \t\r\n",
        "\"\u{7f}\u{80}\u{2028}\u{fffd}\u{ffff}\u{10ffff}\"",
        "\"\\u0000\\u001F\\b\\f\\n\\r\\t\\/\\\\\\\"\"",
        "\"\\uD83E\\uDD80\\ud83e\\udd80\"",
        "\"\\uE000\\ud7ff\"",
        "\"\"",
    ];
    let good = |&(_, place): &(Subject, &str)| !place.contains(r#""x":@,"kind""#) && !place.contains("content");
    let mut texts = Vec::new();
    for (subject, place) in SKIPPED.iter().filter(|place| good(place)) {
        texts.extend(VALUES.iter().map(|value| (*subject, place.replacen('@', value, 1))));
    }
    let event = |place: &str| format!("{{{place},{}", &super::good_event()[1..]);
    texts.extend(VALUES.iter().map(|value| (Subject::Event, event(&format!("\"x\":{value}")))));
    texts
}
