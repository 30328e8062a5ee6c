//! One bad event per rule, with the error and the byte it is reported at.

use nostr_proto::{Event, ParseErrorKind, Part, limits};

const TAGS: &str = "an array of arrays of strings";
const ID: &str = "\"0101010101010101010101010101010101010101010101010101010101010101\"";

/// Seven good fields in the usual order; one can be replaced or left out.
fn event_with(field: &str, value: Option<&str>) -> String {
    let sig = format!("\"{}\"", "05".repeat(64));
    let fields = [
        ("id", ID),
        ("pubkey", ID),
        ("created_at", "1"),
        ("kind", "1"),
        ("tags", "[]"),
        ("content", "\"\""),
        ("sig", sig.as_str()),
    ];
    let members: Vec<String> = fields
        .iter()
        .filter_map(|&(name, good)| {
            let value = if name == field { value? } else { good };
            Some(format!("\"{name}\":{value}"))
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

fn error(json: &str) -> (usize, ParseErrorKind) {
    let error = Event::from_json(json).expect_err(json);
    (error.offset, error.kind)
}

fn bad_field(field: &'static str, expected: &'static str) -> ParseErrorKind {
    ParseErrorKind::BadField { part: Part::Event, field: field.into(), expected }
}

#[test]
fn the_unchanged_event_is_good() {
    assert!(Event::from_json(&event_with("none", None)).is_ok());
    assert!(Event::from_json(&format!(" \n{}\t", event_with("none", None))).is_ok());
}

#[test]
fn every_field_must_be_there() {
    for field in ["id", "pubkey", "created_at", "kind", "tags", "content", "sig"] {
        let json = event_with(field, None);
        let missing = ParseErrorKind::MissingField { part: Part::Event, field };
        assert_eq!(error(&json), (json.len() - 1, missing));
    }
    assert_eq!(error("{}"), (1, ParseErrorKind::MissingField { part: Part::Event, field: "id" }));
}

#[test]
fn every_field_may_be_there_only_once() {
    let good = event_with("none", None);
    let value: serde_json::Value = serde_json::from_str(&good).unwrap();
    for (field, value) in value.as_object().unwrap() {
        for key in [format!("\"{field}\""), format!("\"\\u{:04x}{}\"", field.as_bytes()[0], &field[1..])] {
            let json = format!("{},{key}:{value}}}", good.trim_end_matches('}'));
            let duplicate = ParseErrorKind::DuplicateField { part: Part::Event, field: field.clone().into() };
            assert_eq!(error(&json), (good.len(), duplicate));
        }
    }
}

#[test]
fn unknown_fields_may_repeat() {
    let good = event_with("none", None);
    assert!(Event::from_json(&format!("{{\"x\":1,\"x\":2,{}", &good[1..])).is_ok());
}

#[test]
fn fields_of_the_wrong_form() {
    const HEX64: &str = "64 lowercase hex characters";
    const HEX128: &str = "128 lowercase hex characters";
    const TIME: &str = "an integer from 0 to 18446744073709551615";
    const KIND: &str = "an integer from 0 to 65535";
    let upper = ID.replace("01", "0A");
    let short = &format!("{}\"", &ID[..64]);
    let long = &format!("\"0{}", &ID[1..]);
    for (field, expected, values) in [
        ("id", HEX64, &["1", "null", "[]", "\"\"", &upper, short, long, "\"ééé\""][..]),
        ("pubkey", HEX64, &["1", "{}", "\"\"", &upper, short, long]),
        ("sig", HEX128, &["true", ID, "\"\""]),
        (
            "created_at",
            TIME,
            &["-1", "-0", "1.0", "1e3", "1E3", "01", "00", "\"1\"", "null", "18446744073709551616", "+1", "[1]"],
        ),
        ("kind", KIND, &["-1", "1.5", "1e1", "65536", "18446744073709551616", "\"1\"", "null", "[]"]),
        ("tags", TAGS, &["null", "{}", "\"\"", "0"]),
        ("content", "a string", &["null", "0", "[]", "{}", "false"]),
    ] {
        for value in values {
            let json = event_with(field, Some(value));
            let at = json.find(&format!("\"{field}\":")).unwrap() + field.len() + 3;
            assert_eq!(error(&json), (at, bad_field(field, expected)), "{field} = {value}");
        }
    }
}

#[test]
fn tags_must_hold_strings_only() {
    for (tags, offset) in [
        ("[1]", 1),
        ("[\"e\"]", 1),
        ("[null]", 1),
        ("[[\"e\"],{}]", 7),
        ("[[1]]", 2),
        ("[[\"e\",null]]", 6),
        ("[[\"e\",[\"x\"]]]", 6),
        ("[[\"e\", 1.5]]", 7),
    ] {
        let json = event_with("tags", Some(tags));
        let at = json.find(tags).unwrap() + offset;
        assert_eq!(error(&json), (at, bad_field("tags", TAGS)), "{tags}");
    }
}

#[test]
fn strings_must_be_json() {
    use ParseErrorKind::{BadEscape, ControlCharacter, LoneSurrogate};
    for (content, offset, kind) in [
        ("\"a\nb\"", 2, ControlCharacter),
        ("\"\\n\u{1}\"", 3, ControlCharacter),
        ("\"\u{0}\"", 1, ControlCharacter),
        ("\"\\x\"", 1, BadEscape),
        ("\"ab\\'\"", 3, BadEscape),
        ("\"\\u12g4\"", 1, BadEscape),
        ("\"\\u12\"", 1, BadEscape),
        ("\"\\u+123\"", 1, BadEscape),
        ("\"\\U0041\"", 1, BadEscape),
        ("\"\\ud800\"", 1, LoneSurrogate),
        ("\"a\\udc00\"", 2, LoneSurrogate),
        ("\"\\ud800\\ud800\"", 1, LoneSurrogate),
        ("\"\\ud800x\"", 1, LoneSurrogate),
        ("\"\\ud800\\n\"", 1, LoneSurrogate),
        ("\"\\udc00\\ud800\"", 1, LoneSurrogate),
    ] {
        let json = event_with("content", Some(content));
        let at = json.find(content).unwrap() + offset;
        assert_eq!(error(&json), (at, kind.clone()), "{content:?}");
        // The same inside a tag, and in a field that is skipped.
        let json = event_with("tags", Some(&format!("[[{content}]]")));
        assert_eq!(error(&json), (json.find(content).unwrap() + offset, kind.clone()), "{content:?}");
        let json = format!("{{\"x\":{content},{}", &event_with("none", None)[1..]);
        assert_eq!(error(&json), (5 + offset, kind), "{content:?}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| {
        let value = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        format!("{{\"x\":{value},{}", &event_with("none", None)[1..])
    };
    assert!(Event::from_json(&nested(limits::MAX_DEPTH - 1)).is_ok());
    let too_deep = ParseErrorKind::TooDeep { limit: limits::MAX_DEPTH };
    assert_eq!(error(&nested(limits::MAX_DEPTH)), (5 + limits::MAX_DEPTH - 1, too_deep.clone()));
    assert_eq!(error(&nested(100_000)), (5 + limits::MAX_DEPTH - 1, too_deep));
}

#[test]
fn size_is_bounded() {
    let sized = |bytes: usize| {
        let frame = event_with("content", Some("\"\"")).len();
        event_with("content", Some(&format!("\"{}\"", "x".repeat(bytes - frame))))
    };
    assert_eq!(sized(limits::MAX_EVENT_BYTES).len(), limits::MAX_EVENT_BYTES);
    assert!(Event::from_json(&sized(limits::MAX_EVENT_BYTES)).is_ok());
    let too_large = ParseErrorKind::TooLarge { limit: limits::MAX_EVENT_BYTES };
    assert_eq!(error(&sized(limits::MAX_EVENT_BYTES + 1)), (0, too_large));
}

#[test]
fn the_frame_of_the_object() {
    use ParseErrorKind::{BadNumber, Expected, TrailingText, UnexpectedEnd};
    let good = event_with("none", None);
    let rest = &good[1..];
    for (json, offset, kind) in [
        (String::new(), 0, UnexpectedEnd),
        ("  ".to_owned(), 2, UnexpectedEnd),
        ("[]".to_owned(), 0, Expected("an event object")),
        ("null".to_owned(), 0, Expected("an event object")),
        ("{".to_owned(), 1, UnexpectedEnd),
        ("{\"".to_owned(), 2, UnexpectedEnd),
        ("{\"id\"".to_owned(), 5, UnexpectedEnd),
        ("{\"id\":".to_owned(), 6, UnexpectedEnd),
        ("{\"x\":\"\\".to_owned(), 7, UnexpectedEnd),
        ("{id:1}".to_owned(), 1, Expected("a key in quotes")),
        ("{,}".to_owned(), 1, Expected("a key in quotes")),
        ("{\"id\" 1}".to_owned(), 6, Expected("a colon")),
        (format!("{good}x"), good.len(), TrailingText),
        (format!("{good}{good}"), good.len(), TrailingText),
        (good.replace("\"kind\":1,", "\"kind\":1,,"), good.find("\"tags\"").unwrap(), Expected("a key in quotes")),
        (
            good.replace("\"kind\":1,", "\"kind\":1 "),
            good.find("\"tags\"").unwrap(),
            Expected("a comma or the end of the object"),
        ),
        (good.replace("\"}", "\",}"), good.len(), Expected("a key in quotes")),
        (event_with("tags", Some("[,]")), good.find("[]").unwrap() + 1, bad_field("tags", TAGS)),
        (event_with("tags", Some("[[],]")), good.find("[]").unwrap() + 4, Expected("a value")),
        (format!("{{\"x\":nul,{rest}"), 5, Expected("a value")),
        (format!("{{\"x\":[1,2}},{rest}"), 9, Expected("a comma or the end of the array")),
        (format!("{{\"x\":{{\"y\":1],{rest}"), 11, Expected("a comma or the end of the object")),
        (format!("{{\"x\":-,{rest}"), 5, BadNumber),
        (format!("{{\"x\":01,{rest}"), 5, BadNumber),
        (format!("{{\"x\":1.,{rest}"), 5, BadNumber),
        (format!("{{\"x\":1e,{rest}"), 5, BadNumber),
        (format!("{{\"x\":.5,{rest}"), 5, Expected("a value")),
    ] {
        assert_eq!(error(&json), (offset, kind), "{json}");
    }
}

#[test]
fn valid_json_of_any_type_may_stand_in_unknown_fields() {
    let rest = &event_with("none", None)[1..];
    for value in ["0", "-0.5e+3", "1E-2", "null", "true", "false", "\"\\ud83e\\udd80\"", "{}", "[ ]", "{\"a\":[{}]}"] {
        assert!(Event::from_json(&format!("{{\"x\":{value},{rest}")).is_ok(), "{value}");
    }
}

#[test]
fn errors_read_as_a_sentence() {
    let json = event_with("kind", Some("-1"));
    let error = Event::from_json(&json).unwrap_err();
    let at = json.find("-1").unwrap();
    let expected = format!("at byte {at}: event field \"kind\" must be an integer from 0 to 65535");
    assert_eq!(error.to_string(), expected);
}
