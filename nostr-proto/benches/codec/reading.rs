//! From a frame to an event that is proven.

use std::cell::RefCell;
use std::collections::HashSet;

use divan::Bencher;
use nostr_pool_corpus::{Class, Rng};
use nostr_proto::{Event, EventId, Head, RelayMessage, Verifier, scan_head, verify};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::sets::{Case, OwnedEvent, classes, events, over_texts, passes};

/// A relay's EVENT frame to an event.
#[divan::bench(args = Case::all())]
fn parse(bencher: Bencher<'_, '_>, case: &Case) {
    over_texts(bencher, &case.frames(), |frame| drop(divan::black_box(RelayMessage::parse(frame).unwrap())));
}

/// The same by serde_json, into strings and vectors.
#[divan::bench(args = Case::all())]
fn parse_by_serde_json(bencher: Bencher<'_, '_>, case: &Case) {
    over_texts(bencher, &case.frames(), |frame| {
        serde_json::from_str::<(String, String, OwnedEvent)>(frame).unwrap().2.id
    });
}

/// A relay's EVENT frame to "already seen", with 100,000 ids seen.
#[divan::bench(args = Case::all())]
fn recognise(bencher: Bencher<'_, '_>, case: &Case) {
    let mut rng = Rng::new(1);
    let mut seen: HashSet<EventId> = events(case.class).iter().map(Event::id).collect();
    while seen.len() < 100_000 {
        seen.insert(EventId::from_bytes(rng.bytes32()));
    }
    over_texts(bencher, &case.frames(), |frame| match scan_head(frame) {
        Some(Head::Event { id, .. }) => assert!(seen.contains(&id)),
        other => panic!("{other:?}: {frame}"),
    });
}

/// The array that an id is the hash of, as NIP-01 has it.
fn canonical(event: &Event) -> String {
    let value: Value = serde_json::from_str(&event.to_json()).unwrap();
    let fields = ["pubkey", "created_at", "kind", "tags", "content"].map(|name| value[name].to_string());
    format!("[0,{}]", fields.join(","))
}

/// The id from an event's fields; bytes are those of the canonical form.
#[divan::bench(args = classes())]
fn id(bencher: Bencher<'_, '_>, class: &Class) {
    let events = events(*class);
    let bytes = events.iter().map(|event| canonical(event).len()).sum();
    passes(bencher, &events, bytes, Event::compute_id);
}

/// SHA-256 over the canonical forms, made before.
#[divan::bench(args = classes())]
fn id_sha_256_alone(bencher: Bencher<'_, '_>, class: &Class) {
    let texts: Vec<String> = events(*class).iter().map(canonical).collect();
    over_texts(bencher, &texts, |text| Sha256::digest(text));
}

/// The signature over an id, by a verifier that has met the author.
#[divan::bench]
fn verify_signature_of_known_key(bencher: Bencher<'_, '_>) {
    let notes = events(Class::Note);
    let hashed: Vec<_> = notes.into_iter().take(200).map(|event| event.check_id().unwrap()).collect();
    let verifier = RefCell::new(Verifier::new());
    let bytes = hashed.iter().map(|event| event.size()).sum();
    passes(bencher, &hashed, bytes, |event| verifier.borrow_mut().verify(event).unwrap());
}

/// The signature over an id. Faster with the feature `std`.
#[divan::bench]
fn verify_signature(bencher: Bencher<'_, '_>) {
    let notes = events(Class::Note);
    let hashed: Vec<_> = notes.into_iter().take(200).map(|event| event.check_id().unwrap()).collect();
    passes(bencher, &hashed, hashed.iter().map(|event| event.size()).sum(), |event| verify(event).unwrap());
}
