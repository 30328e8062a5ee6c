//! Proof of work (NIP-13), against ids computed from the JSON of each attempt.

use crate::support::{HEX64, fields, hex, keys, string};
use nostr_proto::{
    Event, EventId, EventTemplate, Kind, Miner, Mining, PowError, PowNonce, PublicKey, Timestamp, UnsignedEvent,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::num::NonZeroU64;

fn template(content: &str) -> EventTemplate {
    EventTemplate::text_note(content, Timestamp::new(1_700_000_000))
}

fn author() -> PublicKey {
    keys(3).public_key()
}

/// The zero bits at the front, counted on the digits of the hex.
fn naive_difficulty(id: &str) -> u32 {
    let bits: String = id.chars().map(|digit| format!("{:04b}", digit.to_digit(16).unwrap())).collect();
    u32::try_from(bits.find('1').unwrap_or(bits.len())).unwrap()
}

/// The id of a template with this nonce, by serde_json and a hash of the whole.
fn naive_id(template: &EventTemplate, target: u8, nonce: u64) -> String {
    let mut tags: Vec<Vec<String>> = template.tags.clone();
    tags.retain(|tag| tag.first().map(String::as_str) != Some("nonce"));
    tags.push(vec!["nonce".into(), nonce.to_string(), target.to_string()]);
    let author = author().to_string();
    let form = json!([0, author, template.created_at.as_secs(), template.kind.as_u16(), tags, template.content]);
    hex(&Sha256::digest(form.to_string()))
}

fn mine(miner: &mut Miner, slice: u64) -> UnsignedEvent {
    for _ in 0..1_000_000 {
        if let Mining::Found(event) = miner.mine(slice) {
            return event;
        }
    }
    panic!("found nothing");
}

const NIP_EXAMPLE: &str = r#"{
  "id": "000006d8c378af1779d2feebc7603a125d99eca0ccf1085959b307f64e5dd358",
  "pubkey": "a48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243",
  "created_at": 1651794653,
  "kind": 1,
  "tags": [["nonce", "776797", "20"]],
  "content": "It's just me mining my own business",
  "sig": "284622fc0a3f4f1303455d5175f7ba962a3300d136085b9566801bc2e0699de0c7e31e44c81fb40ad9049173742e904713c3594a1da0fc5d2382a25c11aba977"
}"#;

#[test]
fn the_example_of_the_nip() {
    let event = Event::from_json(NIP_EXAMPLE).unwrap();
    assert_eq!(event.id().difficulty(), 21);
    assert_eq!(event.tags().pow_nonce(), Some(PowNonce { nonce: "776797", target: Some(20) }));
    assert_eq!(event.check_pow(20), Ok(()));
    assert_eq!(event.check_pow(21), Err(PowError::LowTarget { target: 20 }));
    assert_eq!(event.check_pow(22), Err(PowError::TooEasy { difficulty: 21 }));
    // Also where the id can't be a lie.
    assert_eq!(event.check_id().unwrap().check_pow(20), Ok(()));
}

#[test]
fn difficulties_of_the_nip() {
    for (start, bits) in [("000000000e9d97a1ab09fc381030b346cdd7a142ad57e6df0b46dc9bef6c7e2d", 36), ("002f", 10)] {
        let id: EventId = format!("{start:f<64}").parse().unwrap();
        assert_eq!(id.difficulty(), bits);
    }
    let with_one_bit = |at: usize| {
        let mut bytes = [0; 32];
        bytes[at / 8] = 0x80 >> (at % 8);
        EventId::from_bytes(bytes)
    };
    for at in 0..256 {
        assert_eq!(usize::from(with_one_bit(at).difficulty()), at);
    }
    assert_eq!(EventId::from_bytes([0; 32]).difficulty(), 255);
}

#[test]
fn what_a_nonce_tag_says() {
    let nonce = |tags: &[&[&str]]| {
        let template = tags.iter().fold(template(""), |template, tag| template.tag(tag.iter().copied()));
        let event = template.unsigned(author());
        event.tags().pow_nonce().map(|tag| (tag.nonce.to_owned(), tag.target))
    };
    assert_eq!(nonce(&[]), None);
    assert_eq!(nonce(&[&["x"], &["nonce", "7", "20"], &["nonce", "8", "30"]]), Some(("7".into(), Some(20))));
    assert_eq!(nonce(&[&["nonce"]]), Some((String::new(), None)));
    assert_eq!(nonce(&[&["nonce", "7"]]), Some(("7".into(), None)));
    for (target, read) in
        [("0", Some(0)), ("255", Some(255)), ("256", Some(255)), ("+1", None), ("1.0", None), ("", None)]
    {
        assert_eq!(nonce(&[&["nonce", "7", target]]), Some(("7".into(), read)), "{target}");
    }
}

#[test]
fn what_an_event_without_commitment_meets() {
    let easy = |id: &str| {
        Event::from_json(&NIP_EXAMPLE.replace("[[\"nonce\", \"776797\", \"20\"]]", "[]").replace("000006", id)).unwrap()
    };
    assert_eq!(easy("000006").check_pow(0), Ok(()));
    assert_eq!(easy("000006").check_pow(1), Err(PowError::NoTarget));
    assert_eq!(easy("800006").check_pow(0), Ok(()));
    assert_eq!(easy("800006").check_pow(1), Err(PowError::TooEasy { difficulty: 0 }));
}

#[test]
fn a_nonce_tag_is_replaced() {
    let template = template("x").tag(["nonce", "5", "30"]).tag(["t", "a"]).tag(Vec::<String>::new());
    let event = mine(&mut Miner::new(template, author(), 4), 10);
    let tags: Vec<Vec<&str>> = event.tags().map(|tag| tag.iter().collect()).collect();
    assert_eq!(tags[..2], [vec!["t", "a"], vec![]]);
    assert_eq!((tags.len(), tags[2][0], tags[2][1].len(), tags[2][2]), (3, "nonce", 19, "4"));
}

#[test]
fn the_nonces_end() {
    let stride = NonZeroU64::new(1_000_000_000_000_000_000).unwrap();
    let mut miner = Miner::new(template("x"), author(), 255).lane(3, stride);
    // From 10^18 + 3 in steps of 10^18, up to 2^63.
    assert_eq!(miner.mine(9), Mining::NotYet);
    assert_eq!((miner.mine(1), miner.attempts()), (Mining::Exhausted, 9));
    assert_eq!(miner.mine(0), Mining::NotYet);
    for start in [8_300_000_000_000_000_000, 10_000_000_000_000_000_000, u64::MAX] {
        assert_eq!(miner.lane(start, NonZeroU64::MIN).mine(1), Mining::Exhausted);
    }
    let mut last = miner.lane(8_223_372_036_854_775_807, NonZeroU64::new(u64::MAX).unwrap());
    assert_eq!((last.mine(1), last.mine(1)), (Mining::NotYet, Mining::Exhausted));
}

#[test]
fn zero_bits_take_one_attempt_and_mining_goes_on() {
    let mut miner = Miner::new(template("x"), author(), 0);
    let (first, second) = (mine(&mut miner, 5), mine(&mut miner, 5));
    assert_eq!(miner.attempts(), 2);
    assert_ne!(first.id(), second.id());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The first nonce that succeeds when all are tried one by one, for contents and tags of every length: the nonce
    /// crosses the borders of the hash's blocks.
    #[test]
    fn as_the_naive_miner(fields in fields(), padding in 0_usize..200, target in 0_u8..8, slice in 1_u64..50) {
        // The oracle's JSON writes the rare control characters as ours does.
        let mut template = EventTemplate::new(Kind::new(fields.kind), fields.content, Timestamp::new(fields.created_at));
        template.tags = fields.tags;
        template = template.tag(["p", &"é".repeat(padding / 2), &"x".repeat(padding % 2)]);
        let mut miner = Miner::new(template.clone(), author(), target);
        let found = mine(&mut miner, slice);

        let first = 10_u64.pow(18);
        let nonce = (first..).find(|&nonce| naive_difficulty(&naive_id(&template, target, nonce)) >= target.into()).unwrap();
        prop_assert_eq!(found.id().to_string(), naive_id(&template, target, nonce));
        prop_assert_eq!(u32::from(found.id().difficulty()), naive_difficulty(&found.id().to_string()));
        prop_assert_eq!(miner.attempts(), nonce - first + 1);
        prop_assert_eq!(found.check_pow(target), Ok(()));
        let nonce = nonce.to_string();
        prop_assert_eq!(found.tags().pow_nonce(), Some(PowNonce { nonce: &nonce, target: Some(target) }));
        let event = found.sign(&keys(3), [0; 32]);
        prop_assert!(nostr_proto::verify_event(event).is_ok());
    }

    /// Lanes try what one miner tries, each nonce once.
    #[test]
    fn lanes_share_the_work(lanes in 1_u64..6, start in prop_oneof![Just(0), Just(999_999_999_990_u64), any::<u32>().prop_map(u64::from)], text in string()) {
        let whole = Miner::new(template(&text), author(), 0);
        let stride = NonZeroU64::new(lanes).unwrap();
        let nonces = |mut miner: Miner, count: u64| -> Vec<String> {
            (0..count).map(|_| mine(&mut miner, 1).tags().pow_nonce().unwrap().nonce.to_owned()).collect()
        };
        let mut shared: Vec<String> =
            (0..lanes).flat_map(|lane| nonces(whole.lane(start + lane, stride), 20)).collect();
        shared.sort_unstable();
        let expected: Vec<String> =
            (0..20 * lanes).map(|index| (10_u64.pow(18) + start + index).to_string()).collect();
        prop_assert_eq!(shared, expected);
    }

    #[test]
    fn lanes_of_any_stride(start in any::<u64>(), stride in 1_u64..=u64::MAX, steps in 1_usize..5) {
        let mut lane = Miner::new(template(HEX64), author(), 0).lane(start, NonZeroU64::new(stride).unwrap());
        let mut expected = u128::from(start) + 10_u128.pow(18);
        for _ in 0..steps {
            match lane.mine(1) {
                Mining::Found(event) => {
                    let text = expected.to_string();
                    prop_assert_eq!(event.tags().pow_nonce().unwrap().nonce, text.as_str());
                }
                Mining::Exhausted => prop_assert!(expected > i64::MAX as u128),
                Mining::NotYet => prop_assert!(false, "every id has 0 bits"),
            }
            expected += u128::from(stride);
        }
    }

    /// What is hashed is the nonce that the event gets, also where a step carries over many digits.
    #[test]
    fn lanes_find_what_the_naive_miner_finds(
        start in prop_oneof![Just(999_999_999_999_999_u64), 0..10_u64.pow(15)],
        stride in prop_oneof![1..20_u64, 1..10_u64.pow(15), Just(999_999_999_999_999)],
        text in string(),
    ) {
        const TARGET: u8 = 4;
        let mut lane = Miner::new(template(&text), author(), TARGET).lane(start, NonZeroU64::new(stride).unwrap());
        let nonces = (0..).map(|step| 10_u64.pow(18) + start + step * stride);
        let good = nonces.filter(|&nonce| naive_difficulty(&naive_id(&template(&text), TARGET, nonce)) >= TARGET.into());
        for nonce in good.take(3) {
            let found = mine(&mut lane, 7);
            prop_assert_eq!(found.id().to_string(), naive_id(&template(&text), TARGET, nonce));
        }
    }

    #[test]
    fn difficulty_counts_bits(zeros in 0_usize..32, bytes in vec(any::<u8>(), 32)) {
        let mut bytes: [u8; 32] = bytes.try_into().unwrap();
        bytes[..zeros].fill(0);
        let id = EventId::from_bytes(bytes);
        prop_assert_eq!(u32::from(id.difficulty()), naive_difficulty(&id.to_string()).min(255));
    }
}
