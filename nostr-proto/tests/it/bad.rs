//! Tables of bad texts: one per rule and per way to break it, with the error and the byte it is reported at.
//!
//! In a text, `¦` marks that byte, and `<id>`, `<sig>` and `<event>` stand for good ones.

mod fields;
mod frames;
mod json;

use crate::differential::Subject;
use crate::support::HEX64;
use nostr_proto::ParseErrorKind;
use std::collections::BTreeSet;

/// A bad text of some kind.
pub(crate) struct Case {
    subject: Subject,
    text: String,
    offset: usize,
    kind: ParseErrorKind,
}

impl Case {
    fn new(subject: Subject, marked: &str, kind: ParseErrorKind) -> Case {
        let marked = marked.replace("<event>", &good_event()).replace("<id>", HEX64).replace("<sig>", &HEX64.repeat(2));
        let offset = marked.find('¦').unwrap_or_else(|| panic!("no mark in {marked}"));
        Case { subject, text: marked.replacen('¦', "", 1), offset, kind }
    }
}

/// The seven fields, in the usual order.
pub(crate) fn good_event() -> String {
    format!(
        r#"{{"id":"{HEX64}","pubkey":"{HEX64}","created_at":1,"kind":1,"tags":[["e","x"]],"content":"y","sig":"{}"}}"#,
        HEX64.repeat(2)
    )
}

fn all() -> Vec<Case> {
    [json::cases(), fields::cases(), frames::cases()].into_iter().flatten().collect()
}

#[test]
fn each_has_its_error() {
    let failures: Vec<String> = all()
        .into_iter()
        .filter_map(|Case { subject, text, offset, kind }| {
            let shown: String = text.chars().take(300).collect();
            match subject.ours(&text) {
                Ok(_) => Some(format!("{subject:?} accepted: {shown}")),
                Err(error) if (error.offset, &error.kind) == (offset, &kind) => None,
                Err(error) => Some(format!("{subject:?}: {error:?} instead of {kind:?} at {offset}: {shown}")),
            }
        })
        .collect();
    assert!(failures.is_empty(), "{} cases:\n{}", failures.len(), failures.join("\n"));
}

/// That a text is bad is not for us alone to say.
#[test]
fn the_naive_reading_refuses_each() {
    for Case { subject, text, kind, .. } in all() {
        // Sizes are not its business.
        if !matches!(kind, ParseErrorKind::TooLarge { .. }) {
            assert!(!subject.check(&text), "{text}");
        }
    }
}

/// The variants of an enum, from its source.
pub(crate) fn variants_of(source: &str, name: &str) -> BTreeSet<String> {
    let start = source.find(&format!("pub enum {name} {{")).unwrap();
    let body = &source[start..start + source[start..].find("\n}").unwrap()];
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let variants = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase())).map(variant_name);
    variants.collect()
}

/// The word that the `Debug` form of a value begins with, or a line of source.
pub(crate) fn variant_name(text: impl AsRef<str>) -> String {
    text.as_ref().chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[test]
fn every_kind_of_error_is_in_the_tables() {
    let known = variants_of(include_str!("../../src/error.rs"), "ParseErrorKind");
    assert!(known.len() >= 14, "{known:?}");
    let reached: BTreeSet<String> = all().iter().map(|case| variant_name(format!("{:?}", case.kind))).collect();
    assert_eq!(reached, known);
    // And every error is of some part of the protocol, and reads as one line.
    for case in all() {
        let shown = case.kind.to_string();
        assert!(!shown.is_empty() && !shown.contains('\n') && shown.len() < 200, "{shown}");
    }
}

#[test]
fn good_texts_beside_them_are_accepted() {
    let good = good_event();
    for (subject, text) in [json::accepted(), fields::accepted(), frames::accepted()].into_iter().flatten() {
        let text = text.replace("<event>", &good).replace("<id>", HEX64).replace("<sig>", &HEX64.repeat(2));
        assert!(subject.check(&text), "{subject:?} refused: {:?}: {text}", subject.ours(&text));
    }
}

/// Of two faults in a string, the first is told.
#[test]
fn the_first_fault_of_a_string_is_told() {
    use ParseErrorKind::{BadEscape, ControlCharacter, LoneSurrogate, UnexpectedEnd};
    for (string, kind) in [
        ("\"¦\\x \u{1}\"", BadEscape),
        ("\"¦\\ud800 \u{1}\"", LoneSurrogate),
        ("\"\\n¦\\u12 \n\"", BadEscape),
        ("\"a¦\\x", BadEscape),
        ("\"a¦\\udc00 and on", LoneSurrogate),
        ("\"¦\u{1}\\x\"", ControlCharacter),
        ("\"\\n¦\u{1}\\x\"", ControlCharacter),
        ("\"\\\\¦\u{1}\"", ControlCharacter),
        ("\"¦\\\u{1}\"", BadEscape),
        ("\"\\n¦", UnexpectedEnd),
        ("\"\\¦", UnexpectedEnd),
    ] {
        for before in ["{\"content\":", "{\"tags\":[[", "{\"x\":", "{\"tags\":[[],[\"\\n\","] {
            let Case { text, offset, .. } = Case::new(Subject::Event, &format!("{before}{string}"), kind.clone());
            let error = Subject::Event.ours(&text).expect_err(&text);
            assert_eq!((error.offset, error.kind), (offset, kind.clone()), "{text}");
        }
    }
}

/// A text that is cut off is never good, wherever it is cut.
#[test]
fn beginnings_of_good_texts_are_refused() {
    for (subject, text) in [
        (Subject::Event, "<event>"),
        (Subject::Relay, r#"["EVENT","s",<event>]"#),
        (Subject::Relay, r#"["OK","<id>",false,"x"]"#),
        (Subject::Relay, r#"["COUNT","s",{"count":12,"approximate":true,"hll":"00"}]"#),
        (Subject::Relay, r#"["EOSE","s",["finish",{"x":[null]}]]"#),
        (Subject::Relay, r#"["NEG-MSG","s","61"]"#),
        (Subject::Client, r#"["REQ","s",{"ids":["<id>"],"kinds":[1],"since":2,"search":"z"},{}]"#),
        (Subject::Client, r#"["EVENT",<event>]"#),
        (Subject::Filter, r##"{"authors":["<id>"],"#t":["a","b"],"x":[true],"until":9}"##),
    ] {
        let text = text.replace("<event>", &good_event()).replace("<id>", HEX64);
        assert!(subject.check(&text), "{text}");
        for end in 0..text.len() {
            let cut = &text[..end];
            let error = subject.ours(cut).expect_err(cut);
            // Words and elements that are cut short are something else than what should stand there.
            let ended = error.kind == ParseErrorKind::UnexpectedEnd && error.offset == end;
            let word = cut.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            assert!(ended || (error.offset == word.len() && word.len() < end), "{error:?}: {cut}");
        }
    }
}
