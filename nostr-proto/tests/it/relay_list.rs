//! Relay lists (NIP-65).

use crate::support::keys;
use nostr_proto::{
    Event, EventTemplate, Kind, NotARelayList, RelayList, RelayListEntry, RelayUrl, RelayUse, Timestamp, limits,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn url(text: &str) -> RelayUrl {
    RelayUrl::parse(text).unwrap()
}

fn event(tags: &[Vec<String>]) -> Event {
    let mut template = EventTemplate::new(Kind::RELAY_LIST, "", Timestamp::new(1));
    template.tags = tags.to_vec();
    template.unsigned(keys(1).public_key()).as_event()
}

fn list(tags: &[&[&str]]) -> RelayList {
    let tags: Vec<Vec<String>> = tags.iter().map(|tag| tag.iter().map(ToString::to_string).collect()).collect();
    RelayList::from_event(&event(&tags)).unwrap()
}

#[test]
fn the_example_of_the_nip() {
    let list = list(&[
        &["r", "wss://alicerelay.example.com"],
        &["r", "wss://brando-relay.com"],
        &["r", "wss://expensive-relay.example2.com", "write"],
        &["r", "wss://nostr-relay.example.com", "read"],
    ]);
    let [alice, brando, expensive, nostr] = [
        url("wss://alicerelay.example.com"),
        url("wss://brando-relay.com"),
        url("wss://expensive-relay.example2.com"),
        url("wss://nostr-relay.example.com"),
    ];
    assert!(list.read().eq([&alice, &brando, &nostr]));
    assert!(list.write().eq([&alice, &brando, &expensive]));
    assert_eq!((list.len(), list.skipped()), (4, 0));
}

#[test]
fn duplicates_merge_and_mistakes_are_counted() {
    let list = list(&[
        &["r", "wss://A.example/", "read"],
        &["r", "wss://b.example", "write", "read"],
        &["r", "https://c.example"],
        &["r"],
        &["r", ""],
        &["r", "wss://d.example", "Read"],
        &["e", "wss://e.example"],
        &["r", "wss://a.example:443", "write"],
        &["r", "wss://b.example", "write"],
        &["r", "wss://f.example", ""],
    ]);
    let entry = |text, usage| RelayListEntry { url: url(text), usage };
    assert_eq!(
        list.entries(),
        [
            entry("wss://a.example", RelayUse::ReadWrite),
            entry("wss://b.example", RelayUse::Write),
            entry("wss://f.example", RelayUse::ReadWrite)
        ]
    );
    assert_eq!(list.skipped(), 4);
}

#[test]
fn other_kinds_are_refused() {
    let event = keys(1).sign(&EventTemplate::text_note("", Timestamp::new(1)).tag(["r", "wss://a.example"]), [0; 32]);
    assert_eq!(RelayList::from_event(&event), Err(NotARelayList { kind: Kind::TEXT_NOTE }));
}

#[test]
fn lists_are_bounded() {
    let tags: Vec<Vec<String>> =
        (0..limits::MAX_RELAY_LIST + 9).map(|number| vec!["r".into(), format!("wss://r{number}.example")]).collect();
    let full = RelayList::from_event(&event(&tags)).unwrap();
    assert_eq!((full.len(), full.skipped()), (limits::MAX_RELAY_LIST, 9));
    let mut list = full.clone();
    assert!(!list.insert(url("wss://new.example"), RelayUse::Read));
    assert!(list.insert(url("wss://r0.example"), RelayUse::Read));
    assert_eq!(list, full);
    // Serde is no way around the bound.
    let entries: Vec<_> = tags.iter().map(|tag| serde_json::json!({"url": tag[1], "use": "read"})).collect();
    let list: RelayList = serde_json::from_value(entries.into()).unwrap();
    assert_eq!((list.len(), list.skipped()), (limits::MAX_RELAY_LIST, 9));
    assert_eq!(list.write().count(), 0);
}

fn usage() -> impl Strategy<Value = RelayUse> {
    proptest::sample::select(&[RelayUse::Read, RelayUse::Write, RelayUse::ReadWrite][..])
}

proptest! {
    /// From few hosts, so that many repeat: as a map from URL to two flags, and back through an event.
    #[test]
    fn as_a_map_of_flags(relays in vec(("wss://[a-e]\\.example", usage()), 0..20)) {
        let mut list = RelayList::new();
        let mut model: BTreeMap<RelayUrl, (bool, bool)> = BTreeMap::new();
        for (text, usage) in &relays {
            list.insert(url(text), *usage);
            let (read, write) = model.entry(url(text)).or_default();
            *read |= *usage != RelayUse::Write;
            *write |= *usage != RelayUse::Read;
        }
        let sorted = |urls: Vec<&RelayUrl>| -> Vec<RelayUrl> {
            let mut urls: Vec<RelayUrl> = urls.into_iter().cloned().collect();
            urls.sort_unstable();
            urls
        };
        let expected = |flag: fn(&(bool, bool)) -> bool| -> Vec<RelayUrl> {
            model.iter().filter(|(_, flags)| flag(flags)).map(|(url, _)| url.clone()).collect()
        };
        prop_assert_eq!(sorted(list.read().collect()), expected(|flags| flags.0));
        prop_assert_eq!(sorted(list.write().collect()), expected(|flags| flags.1));
        let event = list.to_template(Timestamp::new(5)).unsigned(keys(1).public_key()).as_event();
        prop_assert_eq!(&RelayList::from_event(&event).unwrap(), &list);
        let json = serde_json::to_string(&list).unwrap();
        prop_assert_eq!(serde_json::from_str::<RelayList>(&json).unwrap(), list);
    }
}

/// A list that is full still learns of another use of a relay that it has.
#[test]
fn a_full_list_merges_what_it_has() {
    let url = |number: usize| format!("wss://relay{number}.example");
    let mut template = EventTemplate::new(Kind::RELAY_LIST, "", Timestamp::new(1));
    for number in 0..=limits::MAX_RELAY_LIST {
        template = template.tag(["r".to_owned(), url(number), "read".to_owned()]);
    }
    template = template.tag(["r".to_owned(), url(0), "write".to_owned()]);
    let list = RelayList::from_event(&keys(1).sign(&template, [0; 32])).unwrap();
    assert_eq!((list.len(), list.skipped()), (limits::MAX_RELAY_LIST, 1));
    assert!(list.write().any(|relay| relay.as_str() == url(0)));
}
