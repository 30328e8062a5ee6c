//! The head scan at the edges of blocks: whatever width it looks at in one step, 16, 32 or 64 bytes, quotes, runs of
//! backslashes, brackets and the head itself stand at each place of it here, and across its end.

use crate::support::{Choices, Fields, HEX64, Liberties, edits, fields, mutated, spell, spell_event, string};
use nostr_proto::{Head, RelayMessage, limits, scan_head, scan_signature};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

/// More than two of the widest blocks, so that a run can begin and end anywhere in one and cover another whole.
const SPAN: usize = 131;

/// An id that no trap holds.
const ID: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn sig() -> String {
    "4b".repeat(64)
}

/// The members that every event needs besides id, signature and the one under test.
fn rest(without: &str) -> String {
    let pubkey = "7c".repeat(32);
    let members = [
        ("pubkey", format!("\"{pubkey}\"")),
        ("created_at", "1".to_owned()),
        ("kind", "1".to_owned()),
        ("tags", "[]".to_owned()),
        ("content", "\"\"".to_owned()),
    ];
    let kept = members.iter().filter(|(name, _)| *name != without);
    kept.map(|(name, value)| format!("\"{name}\":{value},")).collect()
}

/// A valid frame in which this member stands before the id and the signature.
fn frame(name: &str, value: &str) -> String {
    format!("[\"EVENT\",\"s\",{{\"{name}\":{value},{}\"id\":\"{ID}\",\"sig\":\"{}\"}}]", rest(name), sig())
}

/// The scans must find what the parser finds.
fn assert_found(frame: &str) {
    let parsed = RelayMessage::parse(frame).unwrap_or_else(|error| panic!("{error}: {frame}"));
    let RelayMessage::Event { subscription, event } = parsed else { panic!("{frame}") };
    assert_eq!(scan_head(frame), Some(Head::Event { subscription: &subscription, id: event.id() }), "{frame}");
    assert_eq!(scan_signature(frame), Some(event.signature()), "{frame}");
}

/// Texts as they stand in a JSON string, that end in what a careless scan takes for its end, or for more than that.
fn traps() -> Vec<String> {
    let lure = format!("\\\",\\\"id\\\":\\\"{HEX64}\\\"");
    let mut traps = vec![
        lure.clone(),
        "]}".to_owned(),
        "[{".to_owned(),
        "},{".to_owned(),
        "é🦀".to_owned(),
        "\\u0022".to_owned(),
        "\\u005c".to_owned(),
        "\\/".to_owned(),
    ];
    for pairs in 0..9 {
        let backslashes = "\\\\".repeat(pairs);
        // An even run before the closing quote, and an odd one before a quote within.
        traps.push(backslashes.clone());
        traps.push(format!("{backslashes}\\\""));
        traps.push(format!("{backslashes}\\\"]}},{lure}{backslashes}"));
        traps.push(format!("{backslashes}\\\"{backslashes}\\\"\\n{backslashes}"));
    }
    traps
}

#[test]
fn strings_end_where_they_end_at_every_place_of_a_block() {
    for trap in traps() {
        for lead in 0..SPAN {
            let lead = "x".repeat(lead);
            assert_found(&frame("content", &format!("\"{lead}{trap}\"")));
            assert_found(&frame("tags", &format!("[[\"id\",\"{lead}{trap}\"],[\"{trap}\"]]")));
        }
    }
}

#[test]
fn runs_of_backslashes_of_every_length_begin_at_every_place() {
    for lead in 0..SPAN {
        for pairs in 0..70 {
            let backslashes = "\\\\".repeat(pairs);
            let lead = "x".repeat(lead);
            assert_found(&frame("content", &format!("\"{lead}{backslashes}\"")));
            assert_found(&frame("content", &format!("\"{lead}{backslashes}\\\",\\\"id\\\":\\\"{HEX64}\"")));
        }
    }
}

#[test]
fn keys_values_and_spaces_of_every_length_before_the_id() {
    for length in 0..2 * SPAN {
        let (x, space, digits) = ("x".repeat(length), " ".repeat(length), "1".repeat(length.max(1)));
        let levels = "[".repeat(length % 7) + &"]".repeat(length % 7);
        let levels = if levels.is_empty() { "[]" } else { &levels };
        for value in [
            format!("\"{x}\""),
            format!("\"{x}é\""),
            format!("{space}null{space}"),
            digits.clone(),
            format!("-{digits}.{digits}e+{digits}"),
            format!("[{}]", ["\"]\""].repeat(length).join(",")),
            format!("[{}]", ["[]"].repeat(length).join(",")),
            format!("{{\"{x}\":{{\"id\":\"{HEX64}\"}}}}"),
            format!("[\"{x}\",{levels},\"{{\",{{\"}}\":\"]\"}}]"),
            format!("{space}true"),
        ] {
            assert_found(&frame("x", &value));
        }
        assert_found(&frame(&x, "0"));
        assert_found(&frame(&format!("{x}id"), &format!("\"{HEX64}\"")).replacen("\"id\":\"d5", "\"ie\":\"d5", 1));
        assert_found(&format!("{space}{}", frame("x", "0")));
        assert_found(&frame("x", "0").replacen("\"id\":", &format!("{space}\"id\"{space}:{space}"), 1));
        assert_found(&frame("x", "0").replacen(",\"sig\"", &format!("{space},{space}\"sig\""), 1));
        let subscription = "é".repeat(length % 50) + &x;
        assert_found(&frame("x", "0").replacen("\"s\"", &format!("{space}\"{subscription}\"{space}"), 1));
        let trailing = format!("}},{space}\"{x}\\\\\",[{{\"id\":\"{HEX64}\"}}]]");
        assert_found(&frame("x", "0").replacen("}]", &trailing, 1));
    }
}

#[test]
fn values_nest_as_deep_as_the_parser_allows() {
    for (open, close) in
        [("[", "]"), ("{\"a\":", "}"), ("[\"]\",", ",\"[\"]"), ("{\"id\":", "}"), ("{\"}\":[],\"id\":", ",\"{\":{}}")]
    {
        for levels in 0..limits::MAX_DEPTH {
            for lead in 0..SPAN {
                let spaces = " ".repeat(lead);
                // An array beside the innermost value would be one level too many.
                let inner = if open.contains("[],") { levels.saturating_sub(1) } else { levels };
                assert_found(&frame("x", &format!("{spaces}{}\"{HEX64}\"{}", open.repeat(inner), close.repeat(inner))));
            }
        }
    }
}

/// The member that the scan looks for, in each of the places it can have among the seven.
#[test]
fn the_id_stands_anywhere_among_the_members() {
    let content = format!("\"content\":\"\\\"id\\\":\\\"{HEX64}\\\"\"");
    let members = [
        format!("\"id\":\"{ID}\""),
        content,
        format!("\"tags\":[[\"id\",\"{HEX64}\"],[\"sig\",\"{}\"]]", sig()),
        format!("\"pubkey\":\"{HEX64}\""),
        format!("\"sig\":\"{}\"", "5d".repeat(64)),
        "\"created_at\":1".to_owned(),
        "\"kind\":1".to_owned(),
    ];
    for rotation in 0..members.len() {
        for step in 1..members.len() {
            let order: Vec<&str> =
                (0..members.len()).map(|at| members[(rotation + at * step) % members.len()].as_str()).collect();
            assert_found(&format!("[\"EVENT\",\"s\",{{{}}}]", order.join(",")));
            assert_found(&format!("[ \"EVENT\" , \"s\" , {{ {} }} ]", order.join(" , ").replace("\":", "\" : ")));
        }
    }
}

/// A string of pieces that matter to a scan, long enough to cross blocks.
fn long_string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => (1_usize..80).prop_map(|length| "x".repeat(length)),
        2 => (1_usize..70).prop_map(|length| "\\".repeat(length)),
        2 => prop::sample::select(vec!["\"", "[", "]", "{", "}", ",", ":", "\"id\":\"", "\n", "é", "🦀", "\u{1}", "EVENT"]).prop_map(str::to_owned),
        1 => string(),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn long_fields() -> impl Strategy<Value = Fields> {
    (fields(), long_string(), vec(vec(long_string(), 0..3), 0..4)).prop_map(|(fields, content, tags)| Fields {
        content,
        tags,
        ..fields
    })
}

/// A valid EVENT frame in any spelling that leaves verb, subscription, keys, id and signature without escapes.
fn plain_frame() -> impl Strategy<Value = String> {
    (long_fields(), "[ !#-\\[\\]-~é🦀]{0,70}", Choices::any(), any::<bool>(), any::<bool>()).prop_map(
        |(fields, subscription, mut choices, escapes, extra_fields)| {
            let liberties = Liberties { escapes, extra_fields, plain_head: true };
            let event = spell_event(&fields, liberties, &mut choices);
            let mut frame = format!("[{}\"EVENT\"", " ".repeat(choices.below(70)));
            frame +=
                &format!("{}, \"{subscription}\"{},", " ".repeat(choices.below(70)), "\n".repeat(choices.below(70)));
            frame += &event;
            for _ in 0..choices.below(3) {
                frame.push(',');
                let more = json!([{"id": HEX64, "x": "]}\\"}, null, "\"id\""]);
                spell(&more, Liberties { escapes: true, ..liberties }, &mut choices, &mut frame);
            }
            frame.push(']');
            frame
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_plain_frame_has_its_head(frame in plain_frame()) {
        assert_found(&frame);
    }

    /// Whatever is changed or cut off: no panic, and no word against the parser.
    #[test]
    fn changed_frames_are_not_contradicted(frame in plain_frame(), edits in edits(), cut in any::<prop::sample::Index>()) {
        let cut = frame.floor_char_boundary(cut.index(frame.len() + 1));
        let _ = (scan_head(&frame[..cut]), scan_signature(&frame[..cut]));
        let Some(changed) = mutated(&frame, &edits) else { return Ok(()) };
        let (head, signature) = (scan_head(&changed), scan_signature(&changed));
        match RelayMessage::parse(&changed) {
            Ok(RelayMessage::Event { subscription, event }) => {
                if let Some(head) = head {
                    prop_assert_eq!(head, Head::Event { subscription: &subscription, id: event.id() });
                }
                prop_assert!(signature.is_none_or(|signature| signature == event.signature()));
            }
            Ok(_) => prop_assert_eq!((head, signature), (None, None)),
            Err(_) => {}
        }
    }
}
