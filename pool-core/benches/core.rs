//! What the core's steps cost, with everything that its driver would do left out: sockets, signatures, wake-ups.
//!
//! `cargo bench -p nostr-pool-core`. The rate is of events, copies or requests a second, as each says; what they take from
//! the heap stands below. Memory that stays is counted by `memory.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark ends where its input is not what it should be")]

#[path = "../tests/common/rig.rs"]
mod rig;

use std::sync::LazyLock;
use std::time::Duration;

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher};
use nostr_pool_core::*;
use nostr_proto::{EventTemplate, Filter, Kind, RelayInfo, Timestamp};

use rig::{Others, Rig, Signed, crowd, shared_crowd, stranger, url};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

/// Events of one batch.
const BATCH: usize = 500;

static NOTES: LazyLock<Vec<Signed>> = LazyLock::new(|| Signed::notes(BATCH));

fn main() {
    divan::main();
}

/// A batch of events that come from one relay, each of which matches ten subscriptions there, beside so many others.
/// Parsed, hashed, matched and delivered; the signatures are checked beforehand.
mod event {
    use super::*;

    const CROWDS: [usize; 3] = [10, 1_000, 10_000];

    fn batch(bencher: Bencher<'_, '_>, make: impl Fn() -> Rig) {
        bencher
            .with_inputs(|| {
                let mut rig = make();
                rig.know(&NOTES);
                let wire = rig.wire(0, 0);
                (rig, NOTES.iter().map(|note| note.frame(&wire)).collect::<Vec<_>>())
            })
            .input_counter(|_| ItemsCount::new(BATCH))
            .bench_local_refs(|(rig, frames)| {
                frames.iter().for_each(|frame| rig.text(0, frame));
                assert_eq!(rig.delivered, 10 * BATCH);
                rig.delivered = 0;
            });
    }

    fn among(bencher: Bencher<'_, '_>, others: Others, n: usize) {
        batch(bencher, || crowd(others, n));
    }

    /// Those that share a REQ, as do all that are asked for again after a lost connection.
    fn sharing(bencher: Bencher<'_, '_>, others: Others, n: usize) {
        batch(bencher, || shared_crowd(others, n));
    }

    #[divan::bench(args = CROWDS, sample_size = 1, sample_count = 10)]
    fn sharing_with_other_authors(bencher: Bencher<'_, '_>, n: usize) {
        sharing(bencher, Others::Author, n);
    }

    #[divan::bench(args = CROWDS, sample_size = 1, sample_count = 10)]
    fn sharing_with_other_tags(bencher: Bencher<'_, '_>, n: usize) {
        sharing(bencher, Others::Tag, n);
    }

    #[divan::bench(args = CROWDS, sample_size = 1, sample_count = 10)]
    fn sharing_with_other_tags_of_the_author(bencher: Bencher<'_, '_>, n: usize) {
        sharing(bencher, Others::AuthorAndTag, n);
    }

    #[divan::bench(args = CROWDS, sample_size = 1, sample_count = 10)]
    fn among_other_authors(bencher: Bencher<'_, '_>, n: usize) {
        among(bencher, Others::Author, n);
    }

    #[divan::bench(args = CROWDS, sample_size = 1, sample_count = 10)]
    fn among_other_tags(bencher: Bencher<'_, '_>, n: usize) {
        among(bencher, Others::Tag, n);
    }

    #[divan::bench(args = CROWDS, sample_size = 1, sample_count = 10)]
    fn among_other_tags_of_the_author(bencher: Bencher<'_, '_>, n: usize) {
        among(bencher, Others::AuthorAndTag, n);
    }

    #[divan::bench(args = CROWDS, sample_size = 1, sample_count = 10)]
    fn beside_the_same_at_another_relay(bencher: Bencher<'_, '_>, n: usize) {
        among(bencher, Others::Elsewhere, n);
    }

    #[divan::bench(args = CROWDS, sample_size = 1, sample_count = 10)]
    fn among_those_of_the_same_thread(bencher: Bencher<'_, '_>, n: usize) {
        among(bencher, Others::Thread, n);
    }

    /// The same for an event that a subscription with as many relays has live: cost must not grow with those, either.
    #[divan::bench(args = [1, 10, 100, 1_000], sample_size = 1, sample_count = 10)]
    fn of_one_of_so_many_relays(bencher: Bencher<'_, '_>, n: usize) {
        batch(bencher, || {
            let mut rig = Rig::new(n);
            for _ in 0..10 {
                rig.subscribe_to(Filter::new(), Target::All);
            }
            rig.eose_all();
            rig
        });
    }
}

/// One event that so many subscriptions to one relay have asked for, each of which gets a copy of its own before the
/// signature is checked: copies a second.
#[divan::bench(args = [10, 100, 1_000], sample_size = 1, sample_count = 50)]
fn a_copy_for_each_of_so_many_subscriptions(bencher: Bencher<'_, '_>, n: usize) {
    bencher
        .with_inputs(|| {
            let mut rig = Rig::new(1);
            for _ in 0..n {
                rig.subscribe(Filter::new(), &[0]);
            }
            rig.eose_all();
            rig.verifies = false;
            let wires = rig.wires.values().next().unwrap();
            let frames = wires.iter().map(|wire| NOTES[0].frame(wire)).collect::<Vec<_>>();
            (rig, frames)
        })
        .input_counter(move |_| ItemsCount::new(n))
        .bench_local_refs(|(rig, frames)| frames.iter().for_each(|frame| rig.text(0, frame)));
}

/// So many subscriptions that share nothing, which wait for each other and are then asked for, at a relay that takes as many
/// REQs: subscriptions a second.
#[divan::bench(args = [10, 100, 1_000], sample_size = 1, sample_count = 10)]
fn asking_for_so_many_that_share_nothing(bencher: Bencher<'_, '_>, n: usize) {
    bencher
        .with_inputs(|| {
            let mut rig = Rig::new(1);
            let info =
                RelayInfo::from_json(&format!("{{\"limitation\":{{\"max_subscriptions\":{}}}}}", n + 1)).unwrap();
            rig.call(Call::RelayInfo { url: url(0), info: Box::new(info) });
            rig.group = Group::AtLeast(Duration::from_secs(1));
            for n in 0..n {
                let kind = Kind::new(u16::try_from(1_000 + n).unwrap());
                rig.subscribe(Filter::new().kind(kind).author(stranger(n)), &[0]);
            }
            rig
        })
        .input_counter(move |_| ItemsCount::new(n))
        .bench_local_refs(|rig| {
            while rig.asked < n {
                assert!(rig.wait());
            }
        });
}

/// An event of 500 kB that has expired, for a REQ that so many subscriptions share, all of which ask for it: events a second.
#[divan::bench(args = [1, 10, 1_000], sample_size = 1, sample_count = 10)]
fn an_expired_event_for_so_many_that_share_a_req(bencher: Bencher<'_, '_>, n: usize) {
    let template = EventTemplate::text_note("x".repeat(500_000), Timestamp::new(1_700_000_000));
    let expired = Signed::new(template.expires_at(Timestamp::new(1)));
    bencher
        .with_inputs(|| {
            let mut rig = Rig::new(1);
            rig.group = Group::AtLeast(Duration::from_secs(1));
            for _ in 0..n {
                rig.subscribe(Filter::new().kind(Kind::TEXT_NOTE), &[0]);
            }
            while rig.asked == 0 {
                assert!(rig.wait());
            }
            let frame = expired.frame(&rig.wire(0, 0));
            (rig, frame)
        })
        .input_counter(|_| ItemsCount::new(1_usize))
        .bench_local_refs(|(rig, frame)| rig.text(0, frame));
}

/// A count that so many relays are asked for, and answer: relays a second.
#[divan::bench(args = [10, 100, 1_000], sample_size = 1, sample_count = 10)]
fn a_count_at_so_many_relays(bencher: Bencher<'_, '_>, n: usize) {
    bencher.with_inputs(|| Rig::new(n)).input_counter(move |_| ItemsCount::new(n)).bench_local_refs(|rig| {
        rig.call(Call::Count(Count { filters: vec![Filter::new()], target: Target::All, deadline: None }));
        (0..n).for_each(|relay| rig.text(relay, &format!("[\"COUNT\",\"p{relay}\",{{\"count\":{relay}}}]")));
    });
}

/// Copies of a batch of events from ten relays, for one subscription: nine of ten are duplicates.
mod duplicates {
    use super::*;

    const RELAYS: usize = 10;

    fn connected() -> (Rig, Vec<Vec<String>>) {
        let mut rig = Rig::new(RELAYS);
        rig.subscribe_to(Filter::new(), Target::All);
        rig.eose_all();
        rig.know(&NOTES);
        let frames = |n| NOTES.iter().map(|note| note.frame(&rig.wire(n, 0))).collect();
        let frames = (0..RELAYS).map(frames).collect();
        (rig, frames)
    }

    /// Relay after relay.
    #[divan::bench(sample_size = 1, sample_count = 10)]
    fn from_ten_relays_and_the_first_copies(bencher: Bencher<'_, '_>) {
        bencher.with_inputs(connected).input_counter(|_| ItemsCount::new(RELAYS * BATCH)).bench_local_refs(
            |(rig, frames)| {
                frames.iter().enumerate().for_each(|(n, frames)| frames.iter().for_each(|frame| rig.text(n, frame)));
                assert_eq!(rig.delivered, BATCH);
                rig.delivered = 0;
            },
        );
    }

    /// Those after the first alone.
    #[divan::bench(sample_size = 1, sample_count = 10)]
    fn from_nine_more_relays(bencher: Bencher<'_, '_>) {
        bencher
            .with_inputs(|| {
                let (mut rig, frames) = connected();
                frames[0].iter().for_each(|frame| rig.text(0, frame));
                (rig, frames)
            })
            .input_counter(|_| ItemsCount::new((RELAYS - 1) * BATCH))
            .bench_local_refs(|(rig, frames)| {
                let more = frames.iter().enumerate().skip(1);
                more.for_each(|(n, frames)| frames.iter().for_each(|frame| rig.text(n, frame)));
                assert_eq!(rig.delivered, BATCH);
            });
    }
}

/// A thousand relays with twenty subscriptions each, which share a REQ, lose their connections at once: subscriptions asked for
/// again until all are back.
#[divan::bench(sample_size = 1, sample_count = 3)]
fn reconnecting_1000_relays_with_20_subscriptions(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(|| {
            let mut rig = Rig::new(1_000);
            for _ in 0..20 {
                rig.subscribe_to(Filter::new().kind(Kind::TEXT_NOTE), Target::All);
            }
            rig.eose_all();
            rig
        })
        .input_counter(|_| ItemsCount::new(20_000_usize))
        .bench_local_refs(|rig| {
            rig.wires.clear();
            for socket in rig.sockets.values().copied().collect::<Vec<_>>() {
                rig.input(Input::Closed { socket, reason: CloseReason::Error("gone".into()) });
            }
            while rig.wires.len() < 1_000 {
                assert!(rig.wait());
            }
            rig.eose_all();
        });
}

/// One event to fifty relays, and their OKs: its bytes are written once.
#[divan::bench(args = [500, 100_000], sample_size = 1, sample_count = 50)]
fn publish_to_50_relays(bencher: Bencher<'_, '_>, bytes: usize) {
    let template = EventTemplate::text_note("x".repeat(bytes), Timestamp::new(1_700_000_000));
    let event = Signed::new(template).event;
    bencher
        .with_inputs(|| (Rig::new(50), event.clone()))
        .input_counter(move |_| BytesCount::new(bytes))
        .bench_local_refs(|(rig, event)| {
            let target = Target::All;
            let publish = Publish { event: event.clone(), target, quorum: Quorum::All, deadline: None, link: None };
            rig.call(Call::Publish(publish));
            assert_eq!(rig.published.len(), 50);
            let ok = format!("[\"OK\",\"{}\",true,\"\"]", event.id());
            (0..50).for_each(|n| rig.text(n, &ok));
        });
}
