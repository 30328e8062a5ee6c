//! Typed views of tags, and the builders that write them.

use crate::support::{HEX64, fields, keys, string};
use nostr_proto::{
    Address, AddressError, AddressRef, EventId, EventRef, EventTemplate, Kind, Marker, PubkeyRef, PublicKey, Quote,
    QuoteTarget, RelayUrl, Timestamp, UnsignedEvent,
};
use proptest::prelude::*;

fn note(tags: &[&[&str]]) -> UnsignedEvent {
    let template = EventTemplate::text_note("", Timestamp::new(1));
    tags.iter().fold(template, |template, tag| template.tag(tag.iter().copied())).unsigned(keys(1).public_key())
}

fn id() -> EventId {
    HEX64.parse().unwrap()
}

fn user() -> PublicKey {
    HEX64.parse().unwrap()
}

#[test]
fn event_references() {
    let upper = HEX64.to_uppercase();
    let event = note(&[
        &["e", HEX64],
        &["p", HEX64],
        &["e"],
        &["e", ""],
        &["e", &upper],
        &["e", HEX64, "wss://Relay.example.com/", "reply", HEX64],
        &["e", HEX64, "not a url", "root", "not a key"],
        &["E", HEX64],
        &["e", HEX64, "", HEX64],
        &["e", HEX64, "", "Mention", "", "more"],
        &["e", HEX64, "", "mention"],
    ]);
    let plain = EventRef::new(id());
    let expected = [
        plain,
        EventRef { relay: "wss://Relay.example.com/", ..plain.marked(Marker::Reply).by(user()) },
        EventRef { relay: "not a url", ..plain.marked(Marker::Root) },
        plain.by(user()),
        plain,
        plain.marked(Marker::Mention),
    ];
    assert_eq!(event.tags().event_refs().collect::<Vec<_>>(), expected);
    assert_eq!(expected[1].relay_hint(), RelayUrl::parse("wss://relay.example.com").ok());
    assert_eq!(expected[2].relay_hint(), None);
    // Tags of another name but the same form.
    assert_eq!(event.tags().named("E").filter_map(EventRef::from_tag).collect::<Vec<_>>(), [plain]);
}

#[test]
fn user_references() {
    let event = note(&[&["p", HEX64, "wss://a.example", "alice"], &["p", "x"], &["p"], &["p", HEX64]]);
    let expected = [
        PubkeyRef { pubkey: user(), relay: "wss://a.example", petname: "alice" },
        PubkeyRef { pubkey: user(), relay: "", petname: "" },
    ];
    assert_eq!(event.tags().pubkey_refs().collect::<Vec<_>>(), expected);
    assert_eq!(expected[0].relay_hint(), RelayUrl::parse("wss://a.example").ok());
}

#[test]
fn addresses_and_quotes() {
    let text = format!("30023:{HEX64}:a:b");
    let address = Address { kind: Kind::LONG_FORM, pubkey: user(), identifier: "a:b".into() };
    let event = note(&[
        &["a", &text, "wss://a.example"],
        &["a", HEX64],
        &["a"],
        &["q", &text],
        &["q", HEX64, "wss://a.example", HEX64],
        &["q", "note1"],
        &["q", HEX64, "", "nobody"],
    ]);
    let hint = RelayUrl::parse("wss://a.example").unwrap();
    assert_eq!(event.tags().address_refs().collect::<Vec<_>>(), [AddressRef::new(address.clone()).hint(&hint)]);
    assert_eq!(
        event.tags().quotes().collect::<Vec<_>>(),
        [Quote::of_address(address.clone()), Quote::of_event(id()).hint(&hint).by(user()), Quote::of_event(id())]
    );
    assert_eq!(event.tags().quotes().next().unwrap().target, QuoteTarget::Address(address));
}

#[test]
fn bad_addresses() {
    for (text, error) in [
        (String::new(), AddressError::Parts),
        (format!("1:{HEX64}"), AddressError::Parts),
        (format!(":{HEX64}:"), AddressError::Kind),
        (format!("65536:{HEX64}:"), AddressError::Kind),
        (format!("+1:{HEX64}:"), AddressError::Kind),
        (format!("01:{HEX64}:"), AddressError::Kind),
        (format!("1 :{HEX64}:"), AddressError::Kind),
        (format!("1:{}:", HEX64.to_uppercase()), AddressError::PublicKey),
        ("1::".into(), AddressError::PublicKey),
    ] {
        assert_eq!(text.parse::<Address>(), Err(error), "{text}");
    }
    assert!(format!("0:{HEX64}:").parse::<Address>().is_ok());
    let address = format!("\"0:{HEX64}:x\"");
    let parsed: Address = serde_json::from_str(&address).unwrap();
    assert_eq!(serde_json::to_string(&parsed).unwrap(), address);
    assert!(serde_json::from_str::<Address>("\"0:x:\"").is_err());
}

#[test]
fn expiration_and_protection() {
    let at = Timestamp::new;
    for (value, expiration) in [
        ("1600000000", Some(at(1_600_000_000))),
        ("0", Some(at(0))),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("", None),
    ] {
        let event = note(&[&["expiration", value], &["expiration", "7"]]);
        assert_eq!(event.tags().expiration(), expiration, "{value}");
        assert_eq!(event.as_event().expiration(), expiration, "{value}");
    }
    let event = note(&[&["expiration", "100"]]);
    for (now, expired) in [(0, false), (99, false), (100, true), (u64::MAX, true)] {
        assert_eq!((event.tags().is_expired_at(at(now)), event.as_event().is_expired_at(at(now))), (expired, expired));
    }
    let never = note(&[&["expiration"]]);
    assert!(!never.tags().is_expired_at(Timestamp::MAX));
    for (tags, protected) in
        [(&["-"][..], true), (&["-", "x"], true), (&["--"], false), (&["x", "-"], false), (&[], false)]
    {
        let event = note(&[&["t", "-"], tags]);
        assert_eq!((event.tags().is_protected(), event.as_event().is_protected()), (protected, protected));
    }
}

#[test]
fn built_tags_have_no_empty_end() {
    let relay = RelayUrl::parse("wss://a.example").unwrap();
    let tags = EventTemplate::text_note("", Timestamp::new(1))
        .event_ref(EventRef::new(id()))
        .event_ref(EventRef::new(id()).by(user()))
        .event_ref(EventRef::new(id()).hint(&relay).marked(Marker::Reply))
        .pubkey_ref(PubkeyRef::new(user()).hint(&relay))
        .quote(&Quote::of_event(id()))
        .protected()
        .identifier("")
        .expires_at(Timestamp::new(5))
        .tags;
    let expected: [&[&str]; 8] = [
        &["e", HEX64],
        &["e", HEX64, "", "", HEX64],
        &["e", HEX64, "wss://a.example", "reply"],
        &["p", HEX64, "wss://a.example"],
        &["q", HEX64],
        &["-"],
        &["d", ""],
        &["expiration", "5"],
    ];
    assert_eq!(tags, expected);
}

fn relay() -> impl Strategy<Value = Option<RelayUrl>> {
    proptest::option::of("wss://[a-z]{1,9}\\.example(/[a-z]{1,5})?".prop_map(|url| RelayUrl::parse(&url).unwrap()))
}

proptest! {
    /// What is built is read back.
    #[test]
    fn builders_and_views_agree(
        bytes in any::<[u8; 32]>(),
        relay in relay(),
        author in any::<Option<[u8; 32]>>(),
        marker in proptest::option::of(proptest::sample::select(&[Marker::Root, Marker::Reply, Marker::Mention][..])),
        kind in any::<u16>(),
        text in string(),
        time in any::<u64>(),
    ) {
        let (id, pubkey, author) = (EventId::from_bytes(bytes), PublicKey::from_bytes(bytes), author.map(PublicKey::from_bytes));
        let hint = relay.as_ref().map_or("", RelayUrl::as_str);
        let address = Address { kind: Kind::new(kind), pubkey, identifier: text.clone() };
        prop_assert_eq!(&address.to_string().parse::<Address>().unwrap(), &address);
        let event_ref = EventRef { id, relay: hint, marker, author };
        let pubkey_ref = PubkeyRef { pubkey, relay: hint, petname: &text };
        let address_ref = AddressRef { address: address.clone(), relay: hint };
        let quotes = [
            Quote { target: QuoteTarget::Event(id), relay: hint, author },
            Quote { target: QuoteTarget::Address(address), relay: hint, author },
        ];
        let event = EventTemplate::text_note("", Timestamp::new(1))
            .event_ref(event_ref)
            .pubkey_ref(pubkey_ref)
            .address_ref(&address_ref)
            .quote(&quotes[0])
            .quote(&quotes[1])
            .reference(text.as_str())
            .hashtag(text.as_str())
            .identifier(text.as_str())
            .expires_at(Timestamp::new(time))
            .unsigned(keys(2).public_key());
        prop_assert!(event.tags().event_refs().eq([event_ref]));
        prop_assert!(event.tags().pubkey_refs().eq([pubkey_ref]));
        prop_assert!(event.tags().address_refs().eq([address_ref]));
        prop_assert!(event.tags().quotes().eq(quotes));
        prop_assert!(event.tags().references().eq([text.as_str()]));
        prop_assert!(event.tags().hashtags().eq([text.as_str()]));
        prop_assert_eq!(event.tags().identifier(), text.as_str());
        let signed = event.as_event();
        prop_assert_eq!(signed.identifier(), text.as_str());
        prop_assert_eq!(event.tags().expiration(), Some(Timestamp::new(time)));
        prop_assert_eq!(event.tags().event_refs().next().unwrap().relay_hint(), relay);
    }

    /// Whatever the tags: each view finds exactly the tags of its name whose value is of its type.
    #[test]
    fn views_skip_the_malformed(fields in fields()) {
        let event = fields.event();
        let values = |name: &str| -> Vec<&str> {
            fields.tags.iter().filter(|tag| tag.first().is_some_and(|first| first == name)).filter_map(|tag| Some(tag.get(1)?.as_str())).collect()
        };
        let is_hex = |text: &&str| text.len() == 64 && text.bytes().all(|b| b"0123456789abcdef".contains(&b));
        let ids: Vec<String> = event.tags().event_refs().map(|reference| reference.id.to_string()).collect();
        prop_assert_eq!(ids, values("e").into_iter().filter(is_hex).collect::<Vec<_>>());
        let users = event.tags().pubkey_refs().count();
        prop_assert_eq!(users, values("p").iter().filter(|text| is_hex(text)).count());
        let addresses: Vec<String> = event.tags().address_refs().map(|reference| reference.address.to_string()).collect();
        prop_assert!(addresses.iter().all(|address| values("a").contains(&address.as_str())));
        prop_assert!(event.tags().references().eq(values("r")));
        prop_assert_eq!(event.tags().value_of("d").unwrap_or(""), event.identifier());
        prop_assert_eq!(event.is_protected(), fields.tags.iter().any(|tag| tag.first().is_some_and(|name| name == "-")));
    }
}
