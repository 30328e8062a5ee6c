//! What the report says, against naive sums; and that it comes whatever happens.

use std::string::ToString;
use std::vec::Vec;

use nostr_proto::{HllOffset, HyperLogLog, Kind, PublicKey};
use proptest::prelude::*;

use super::part::State;
use super::*;
use crate::event::{CountOutcome, CountReport};

fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&std::format!("wss://r{n}.example.com")).unwrap()
}

fn now(secs: u64) -> Now {
    Now { mono: Instant::from_micros(secs * 1_000_000), unix: nostr_proto::Timestamp::new(1_000_000) }
}

fn reactions() -> Filter {
    Filter::new().kind(Kind::REACTION).tag('e', "ab".repeat(32))
}

/// A count that each of these relays has answered.
fn answered(filters: &[Filter], answers: &[Option<CountAnswer>]) -> CountReport {
    let relays = (0..answers.len()).map(|n| (RelayIx(u32::try_from(n).unwrap()), url(n)));
    let mut count = Counting::new(CountId(1), filters.to_vec(), relays, None, &Config::default(), now(0));
    for (n, answer) in answers.iter().enumerate() {
        let ix = RelayIx(u32::try_from(n).unwrap());
        count.asked(ix, WireId(n as u64), Epoch::default());
        match answer {
            Some(answer) => count.counted(ix, answer.clone()),
            None => count.nonsense(ix),
        }
    }
    count.report()
}

fn registers(authors: impl IntoIterator<Item = u8>) -> HyperLogLog {
    let offset = HllOffset::of(&reactions()).unwrap();
    let mut registers = HyperLogLog::new();
    for n in authors {
        // Spread well enough: what is compared is registers with registers.
        let mut x = u64::from(n) + 1;
        let key = core::array::from_fn(|_| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            x.to_be_bytes()[0]
        });
        registers.add(&PublicKey::from_bytes(key), offset);
    }
    registers
}

fn with(count: u64, approximate: bool, hll: Option<HyperLogLog>) -> Option<CountAnswer> {
    Some(CountAnswer { count, approximate, hll: hll.map(std::boxed::Box::new) })
}

proptest! {
    #[test]
    fn the_report_is_what_naive_sums_say(
        answers in proptest::collection::vec(
            proptest::option::of((0_u64..300, any::<bool>(), proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)))),
            0..6,
        ),
        spread in 1_u64..4,
    ) {
        let given: Vec<Option<CountAnswer>> = answers
            .iter()
            .map(|answer| answer.clone().and_then(|(n, rough, authors)| with(n * spread, rough, authors.map(registers))))
            .collect();
        let report = answered(&[reactions()], &given);
        let counts: Vec<u64> = given.iter().flatten().map(|answer| answer.count).collect();
        prop_assert_eq!(report.maximum, counts.iter().copied().max());
        let all: Vec<u8> = answers.iter().flatten().filter_map(|(_, _, authors)| authors.clone()).flatten().collect();
        let sent = answers.iter().flatten().filter(|(_, _, authors)| authors.is_some()).count();
        match report.merged {
            None => prop_assert_eq!(sent, 0),
            Some(merged) => {
                prop_assert_eq!(merged.relays, sent);
                prop_assert_eq!(&*merged.registers, &registers(all), "registers of the union");
                prop_assert_eq!(merged.authors, merged.registers.estimate());
                let exact = given.iter().flatten().filter(|answer| !answer.approximate || answer.hll.is_none()).map(|answer| answer.count);
                let (least, most) = (exact.max().unwrap_or(0), counts.iter().sum());
                prop_assert!((least..=most).contains(&merged.estimate), "{} in {least}..={most}", merged.estimate);
                prop_assert!(!(least..=most).contains(&merged.authors) || merged.estimate == merged.authors);
            }
        }
        prop_assert_eq!(report.relays.len(), given.len());
    }

    /// Whatever happens, in whatever order: after its deadline nothing is open, and a part that is settled stays so.
    #[test]
    fn it_always_comes_to_an_end(inputs in proptest::collection::vec((0_usize..3, 0_u8..17), 0..60)) {
        let config = Config::default();
        let relays = (0..3).map(|n| (RelayIx(n), url(n as usize)));
        let mut count = Counting::new(CountId(1), [reactions()].into(), relays, Some(Duration::from_secs(100)), &config, now(0));
        for (n, (relay, input)) in inputs.into_iter().enumerate() {
            let ix = RelayIx(u32::try_from(relay).unwrap());
            let before = count.parts[&ix].clone();
            let reason = |text: &str| Reason::parse(text);
            match input {
                0..3 => count.asked(ix, WireId(n as u64), Epoch::default()),
                3 => count.counted(ix, CountAnswer { count: 1, approximate: false, hll: None }),
                4 => count.nonsense(ix),
                5 => count.refused(ix, reason("error: busy"), &config, now(n as u64)),
                6 => count.refused(ix, reason("rate-limited: slowly"), &config, now(n as u64)),
                7 => count.refused(ix, reason(""), &config, now(n as u64)),
                8 => count.lacks_auth(ix, reason("auth-required: who?")),
                9 => count.noticed(ix, reason("what?"), now(n as u64 + 2).mono),
                10 => count.authenticated(ix),
                11 => count.lost(ix),
                12 => count.unavailable(ix, true),
                13 => count.recalled(ix),
                14 => count.cancel(ix),
                15 => count.cut(ix),
                _ => all_due(&mut count, now(n as u64)),
            }
            if matches!(before.state, State::Done(_)) {
                prop_assert_eq!(&count.parts[&ix], &before);
            }
            let open = count.parts.values().filter(|part| !part.is_settled()).count();
            prop_assert_eq!(count.is_done(), open == 0);
            let dues = count.parts.iter().filter_map(|(ix, part)| Some((part.due_at()?, *ix)));
            prop_assert_eq!(&count.dues, &dues.collect());
            prop_assert!(count.is_done() || count.due().is_some_and(|due| due <= now(100).mono));
        }
        all_due(&mut count, now(100));
        prop_assert!(count.is_done());
        let report = count.report();
        prop_assert_eq!(report.relays.iter().map(|(url, _)| url.to_string()).collect::<Vec<_>>().len(), 3);
    }
}

fn all_due(count: &mut Counting, now: Now) {
    for ix in count.overdue(now) {
        count.timeout(ix, now);
    }
}

#[test]
fn registers_are_merged_only_where_they_mean_the_same_everywhere() {
    let tagged = |values: &[&str]| values.iter().fold(Filter::new(), |filter, value| filter.tag('e', *value));
    let mergeable = [reactions()];
    let others: [&[Filter]; 5] = [
        &[Filter::new().kind(Kind::REACTION)],
        &[reactions(), reactions()],
        &[tagged(&["a", "b"])],
        &[tagged(&["a"]).tag('p', "b")],
        &[],
    ];
    let answers = [with(2, false, Some(registers(0..2)))];
    assert!(answered(&mergeable, &answers).merged.is_some());
    for filters in others {
        let report = answered(filters, &answers);
        assert_eq!((report.merged.clone(), report.maximum, report.best()), (None, Some(2), Some(2)), "{filters:?}");
        assert!(
            matches!(&report.relays[0].1, CountOutcome::Counted(answer) if answer.hll.is_some()),
            "told all the same"
        );
    }
}

#[test]
fn made_up_registers_carry_no_further_than_a_made_up_count() {
    let lie = HyperLogLog::from_bytes([255; 256]);
    let report = answered(&[reactions()], &[with(5, false, Some(lie)), with(40, true, None)]);
    let merged = report.merged.clone().unwrap();
    assert_eq!((merged.authors, merged.estimate, report.maximum), (u64::MAX, 45, Some(40)));
}

#[test]
fn the_estimate_is_no_less_than_what_one_relay_counted() {
    // One author wrote all hundred.
    let report =
        answered(&[reactions()], &[with(100, false, Some(registers([7]))), with(3, false, Some(registers([7])))]);
    let merged = report.merged.unwrap();
    assert_eq!((merged.authors, merged.estimate), (1, 100));
}

#[test]
fn registers_of_one_relay_do_not_hide_the_number_of_another() {
    let report = answered(&[reactions()], &[with(1_000_000, true, None), with(10, false, Some(registers(0..10)))]);
    assert_eq!((report.merged.clone().unwrap().estimate, report.best()), (1_000_000, Some(1_000_000)));
}
