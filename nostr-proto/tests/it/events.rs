//! Events: parsing, encoding, hashing and verifying, against `serde_json` and naive code.

use crate::support::{Choices, Fields, HEX64, Liberties, fields, hex, keys, signed, spell_event, string};
use nostr_proto::{
    Event, EventError, EventTemplate, HashedEvent, Kind, Signature, Timestamp, VerifiedEvent, verify, verify_event,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn assert_same(event: &Event, fields: &Fields) {
    assert_eq!(event.id().as_bytes(), &fields.id);
    assert_eq!(event.pubkey().as_bytes(), &fields.pubkey);
    assert_eq!(event.created_at().as_secs(), fields.created_at);
    assert_eq!(event.kind().as_u16(), fields.kind);
    assert_eq!(event.content(), fields.content);
    assert_eq!(event.signature().as_bytes(), &fields.sig);
    let tags: Vec<Vec<&str>> = event.tags().map(|tag| tag.iter().collect()).collect();
    assert_eq!(tags, fields.tags);
}

/// The id by the letter of NIP-01, through a document tree.
fn naive_id(fields: &Fields) -> [u8; 32] {
    let pubkey = hex(&fields.pubkey);
    let canonical = json!([0, pubkey, fields.created_at, fields.kind, fields.tags, fields.content]);
    Sha256::digest(canonical.to_string()).into()
}

/// The id of the canonical form in which each `\u00xx` was replaced by what `write` makes of it and its place in order.
fn id_rewritten(fields: &Fields, mut write: impl FnMut(usize, &str) -> String) -> [u8; 32] {
    let canonical = json!([0, hex(&fields.pubkey), fields.created_at, fields.kind, fields.tags, fields.content]);
    let mut rewritten = String::new();
    let mut seen = 0;
    let text = canonical.to_string();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('\\') {
        rewritten.push_str(&rest[..at]);
        let length = if rest[at..].starts_with("\\u00") { 6 } else { 2 };
        let escape = &rest[at..at + length];
        if length == 6 {
            rewritten.push_str(&write(seen, escape));
            seen += 1;
        } else {
            rewritten.push_str(escape);
        }
        rest = &rest[at + length..];
    }
    rewritten.push_str(rest);
    Sha256::digest(rewritten).into()
}

fn bare(escape: &str) -> String {
    char::from(u8::from_str_radix(&escape[4..], 16).unwrap()).to_string()
}

/// The id with rare control characters left bare, by replacing their escapes in the text.
fn naive_bare_id(fields: &Fields) -> [u8; 32] {
    id_rewritten(fields, |_, escape| bare(escape))
}

const ANY_SPELLING: Liberties = Liberties { escapes: true, extra_fields: true, plain_head: false };

proptest! {
    #[test]
    fn any_spelling_parses_to_the_same_event(fields in fields(), mut choices in Choices::any()) {
        let json = spell_event(&fields, ANY_SPELLING, &mut choices);
        let event = Event::from_json(&json).unwrap();
        assert_same(&event, &fields);
        prop_assert_eq!(event, fields.event());
    }

    #[test]
    fn encoding_is_what_serde_reads_and_parses_back(fields in fields()) {
        let event = fields.event();
        let json = event.to_json();
        prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), fields.value());
        prop_assert_eq!(event.size(), json.len());
        let again = Event::from_json(&json).unwrap();
        prop_assert_eq!(&again, &event);
        prop_assert_eq!(again.to_json(), json);
    }

    #[test]
    fn serde_goes_both_ways(fields in fields()) {
        let event = fields.event();
        prop_assert_eq!(serde_json::to_value(&event).unwrap(), fields.value());
        prop_assert_eq!(serde_json::from_value::<Event>(fields.value()).unwrap(), event);
    }

    #[test]
    fn id_is_the_naive_hash(fields in fields()) {
        prop_assert_eq!(*fields.event().compute_id().as_bytes(), naive_id(&fields));
    }

    #[test]
    fn long_strings_hash_right_across_the_stage(lengths in proptest::collection::vec(0_usize..3000, 1..4), escape in 0_usize..3000) {
        let mut fields = sample();
        fields.content = lengths.iter().map(|&length| "x".repeat(length) + "\n").collect();
        fields.content.insert(escape.min(fields.content.len()), '"');
        fields.tags = lengths.iter().map(|&length| vec!["t".to_owned(), "y".repeat(length)]).collect();
        prop_assert_eq!(*fields.event().compute_id().as_bytes(), naive_id(&fields));
    }

    #[test]
    fn both_ways_to_escape_control_characters_are_accepted(fields in fields()) {
        for id in [naive_id(&fields), naive_bare_id(&fields)] {
            let event = Fields { id, ..fields.clone() }.event();
            prop_assert!(event.check_id().is_ok());
        }
    }

    #[test]
    fn a_mix_of_the_two_ways_is_refused(
        fields in fields(), which in proptest::collection::vec(any::<bool>(), 2..20), controls in "[\u{1}\u{2}\u{b}\u{1f}]{2,5}", in_tags: bool,
    ) {
        // At least two rare control characters, here or there, and not all treated alike.
        let mut fields = fields;
        if in_tags {
            fields.tags.push(vec!["x".to_owned(), controls]);
        } else {
            fields.content.push_str(&controls);
        }
        let mut treated = Vec::new();
        let id = id_rewritten(&fields, |index, escape| {
            let leave_bare = which[index % which.len()];
            treated.push(leave_bare);
            if leave_bare { bare(escape) } else { escape.to_owned() }
        });
        let mixed = treated.contains(&true) && treated.contains(&false);
        prop_assert_eq!(Fields { id, ..fields.clone() }.event().check_id().is_err(), mixed);
        // Nor are other escapes of the same characters, though JSON knows them.
        let upper = id_rewritten(&fields, |_, escape| escape.to_uppercase().replacen("\\U", "\\u", 1));
        let has_letters = upper != naive_id(&fields);
        prop_assert_eq!(Fields { id: upper, ..fields.clone() }.event().check_id().is_err(), has_letters);
    }

    #[test]
    fn any_other_id_is_refused_with_both_ids_named(fields in fields(), bit in 0_usize..256) {
        let mut id = naive_id(&fields);
        id[bit / 8] ^= 1 << (bit % 8);
        let mismatch = Fields { id, ..fields.clone() }.event().check_id().unwrap_err();
        prop_assert_eq!(*mismatch.claimed.as_bytes(), id);
        prop_assert_eq!(*mismatch.computed.as_bytes(), naive_id(&fields));
    }

    #[test]
    fn changing_any_field_changes_the_id(fields in fields(), text in string()) {
        let id = fields.event().compute_id();
        let changed = [
            Fields { created_at: fields.created_at ^ 1, ..fields.clone() },
            Fields { kind: fields.kind ^ 1, ..fields.clone() },
            Fields { content: format!("{}{text}!", fields.content), ..fields.clone() },
            Fields { tags: [fields.tags.clone(), vec![vec![text]]].concat(), ..fields },
        ];
        for fields in changed {
            prop_assert_ne!(fields.event().compute_id(), id);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in string(), cut in 0_usize..600) {
        let _ = Event::from_json(&text);
        let json = sample().value().to_string();
        let cut = json.floor_char_boundary(cut.min(json.len()));
        let _ = Event::from_json(&format!("{}{text}{}", &json[..cut], &json[cut..]));
        if cut < json.len() {
            prop_assert!(Event::from_json(&json[..cut]).is_err());
        }
    }
}

fn sample() -> Fields {
    Fields {
        id: [1; 32],
        pubkey: [2; 32],
        created_at: 3,
        kind: 4,
        tags: vec![vec!["d".to_owned(), "house".to_owned()]],
        content: "é\n".to_owned(),
        sig: [5; 64],
    }
}

#[test]
fn encoding_to_the_letter() {
    let mut fields = sample();
    fields.content = "a\u{1}\u{1f}\u{7f}\"/\\\u{8}\u{c}".to_owned();
    let (two, five, one) = ("02".repeat(32), "05".repeat(64), "01".repeat(32));
    let expected = format!(
        "{{\"id\":\"{one}\",\"pubkey\":\"{two}\",\"created_at\":3,\"kind\":4,\"tags\":[[\"d\",\"house\"]],\
         \"content\":\"a\\u0001\\u001f\u{7f}\\\"/\\\\\\b\\f\",\"sig\":\"{five}\"}}"
    );
    assert_eq!(fields.event().to_json(), expected);
    assert_eq!(fields.event().to_string(), expected);
}

#[test]
fn signing_and_verifying() {
    let event = signed("hello");
    let verified = verify_event(event.clone()).unwrap();
    assert_eq!(verified.id(), event.id());
    assert_eq!(verified.to_string(), event.to_json());
    assert_eq!(serde_json::to_string(&verified).unwrap(), event.to_json());
    assert_eq!(verified.into_event(), event);
}

#[test]
fn signing_is_deterministic_in_its_entropy() {
    let unsigned = EventTemplate::text_note("x", Timestamp::new(1)).tag(["t", "y"]).unsigned(keys(1).public_key());
    assert_eq!(unsigned.sign(&keys(1), [7; 32]), unsigned.sign(&keys(1), [7; 32]));
    assert_ne!(unsigned.sign(&keys(1), [7; 32]), unsigned.sign(&keys(1), [8; 32]));
    assert_eq!(unsigned.id(), unsigned.sign(&keys(1), [7; 32]).compute_id());
    assert_eq!(unsigned.as_event().content(), "x");
    assert_eq!(unsigned.tags().next().unwrap().value(), Some("y"));
}

#[test]
fn another_key_s_signature_does_not_verify() {
    let unsigned = EventTemplate::text_note("x", Timestamp::new(1)).unsigned(keys(1).public_key());
    let id = unsigned.id();
    match verify_event(unsigned.sign(&keys(2), [0; 32])) {
        Err(EventError::Signature(error)) => assert_eq!(error.id, id),
        other => panic!("{other:?}"),
    }
    assert!(matches!(verify_event(unsigned.as_event()), Err(EventError::Signature(_))));
}

#[test]
fn an_author_who_is_no_point_of_the_curve_is_a_bad_signature() {
    let template = EventTemplate::text_note("x", Timestamp::new(1));
    let nobody = template.unsigned(nostr_proto::PublicKey::from_bytes([0xff; 32]));
    assert!(matches!(verify_event(nobody.sign(&keys(1), [0; 32])), Err(EventError::Signature(_))));
}

#[test]
fn a_proof_fits_its_event_and_signature_only() {
    let unsigned = EventTemplate::text_note("x", Timestamp::new(1)).unsigned(keys(1).public_key());
    let first = unsigned.sign(&keys(1), [1; 32]).check_id().unwrap();
    let second = unsigned.sign(&keys(1), [2; 32]).check_id().unwrap();
    let proof = verify(&first).unwrap();
    assert_eq!((proof.id(), proof.signature()), (first.id(), first.signature()));
    assert!(VerifiedEvent::new(second.clone(), proof).is_err());
    assert!(VerifiedEvent::new(signed("other").check_id().unwrap(), proof).is_err());
    let stolen = signed("other").check_id().unwrap().with_signature(first.signature());
    assert!(VerifiedEvent::new(stolen, proof).is_err());
    assert_eq!(VerifiedEvent::new(first.clone(), proof).unwrap().id(), first.id());

    // A copy that only differs in the signature is rebuilt from the held one.
    let rebuilt: HashedEvent = first.clone().with_signature(second.signature());
    assert_eq!(rebuilt, second);
    assert_ne!(rebuilt, first);
    assert!(verify(&first.with_signature(Signature::from_bytes([1; 64]))).is_err());
}

#[test]
fn unsigned_events_take_foreign_signatures() {
    let unsigned = EventTemplate::text_note("x", Timestamp::new(1)).unsigned(keys(1).public_key());
    let signed = unsigned.sign(&keys(1), [1; 32]);
    assert_eq!(unsigned.with_signature(signed.signature()), signed);
}

fn with_tags(kind: u16, tags: &[&[&str]]) -> Event {
    let tags = tags.iter().map(|tag| tag.iter().map(|&value| value.to_owned()).collect()).collect();
    Fields { kind, tags, ..sample() }.event()
}

#[test]
fn identifier_and_address() {
    let pubkey = hex(&[2; 32]);
    for (kind, tags, identifier, address) in [
        (30_023, &[&["d", "a"][..], &["d", "b"]][..], "a", Some(format!("30023:{pubkey}:a"))),
        (30_023, &[&["d"]], "", Some(format!("30023:{pubkey}:"))),
        (30_023, &[], "", Some(format!("30023:{pubkey}:"))),
        (10_002, &[&["d", "a"]], "a", Some(format!("10002:{pubkey}:"))),
        (0, &[], "", Some(format!("0:{pubkey}:"))),
        (1, &[&["d", "a"]], "a", None),
        (20_001, &[&["d", "a"]], "a", None),
    ] {
        let event = with_tags(kind, tags);
        assert_eq!(event.identifier(), identifier);
        assert_eq!(event.address().map(|address| address.to_string()), address, "kind {kind}");
    }
}

#[test]
fn expiration() {
    let expires = |value: &str| with_tags(1, &[&["expiration", value]]).expiration();
    assert_eq!(expires("1600000000"), Some(Timestamp::new(1_600_000_000)));
    for bad in ["", "+5", "-5", "1e3", " 5", "5.0", "99999999999999999999999"] {
        assert_eq!(expires(bad), None, "{bad:?}");
    }
    assert_eq!(with_tags(1, &[&["expiration"]]).expiration(), None);
    assert_eq!(with_tags(1, &[]).expiration(), None);
}

#[test]
fn empty_tags_and_tags_of_odd_shapes() {
    let event = with_tags(1, &[&[], &[""], &["x"], &["p", HEX64, "", "wss://x"]]);
    let tags: Vec<_> = event.tags().collect();
    assert_eq!(event.tags().len(), 4);
    assert!(tags[0].is_empty() && !tags[1].is_empty());
    assert_eq!((tags[0].name(), tags[0].value(), tags[0].len()), ("", None, 0));
    assert_eq!((tags[1].name(), tags[1].value(), tags[1].len()), ("", None, 1));
    assert_eq!((tags[2].name(), tags[2].value(), tags[2].len()), ("x", None, 1));
    assert_eq!((tags[3].get(1), tags[3].get(2), tags[3].get(3)), (Some(HEX64), Some(""), Some("wss://x")));
    assert_eq!(tags[3].get(4), None);
}

#[test]
fn heap_is_two_blocks_of_about_the_strings() {
    let event = Fields { content: "x".repeat(1000), ..sample() }.event();
    assert!(event.heap_bytes() >= 1000);
    assert!(event.heap_bytes() <= event.size(), "{}", event.heap_bytes());
    let odd = with_tags(1, &[&[][..], &[""]].repeat(1000));
    assert!(odd.heap_bytes() <= odd.size() + 300, "{} of {}", odd.heap_bytes(), odd.size());
}

#[test]
fn auth_events_name_relay_and_challenge() {
    let relay = "wss://relay.example.com/".parse().unwrap();
    let event = EventTemplate::auth(&relay, "c\"h", Timestamp::new(9)).unsigned(keys(1).public_key());
    assert_eq!(event.kind(), Kind::AUTH);
    let tags: Vec<Vec<&str>> = event.tags().map(|tag| tag.iter().collect()).collect();
    assert_eq!(tags, [["relay", "wss://relay.example.com"], ["challenge", "c\"h"]]);
}
