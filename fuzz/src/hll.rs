//! The registers of a COUNT.

use nostr_proto::{Filter, HllOffset, HyperLogLog, PublicKey, RelayMessage};

const REGISTERS: usize = 256;
const KEY: usize = 32;

/// Registers merge in any order and any number of times to the same, count an author once, arrive as they were sent, and
/// their estimate is a number that no merge makes smaller. What they do with a key is what a naive reading of NIP-45 does.
///
/// The input is an offset, two times 256 registers (zeros follow the last byte), and keys.
pub fn count_hll(data: &[u8]) {
    let (&first, rest) = data.split_first().unwrap_or((&0, &[]));
    let (one, rest) = registers(rest);
    let (other, keys) = registers(rest);
    let Some(offset) = HllOffset::new(8 + first % 16) else { unreachable!("offsets go from 8 to 23") };
    assert_merges(&one, &other);
    assert_travels(&one, first);
    let mut counted = one.clone();
    for key in keys.chunks_exact(KEY).take(64) {
        let author = PublicKey::from_bytes(std::array::from_fn(|at| key[at]));
        let mut expected = *counted.as_bytes();
        let (register, rank) = naive_rank(key, usize::from(offset.get()));
        expected[register] = expected[register].max(rank);
        let before = counted.estimate();
        counted.add(&author, offset);
        assert_eq!(counted.as_bytes(), &expected, "key {author} at {}", offset.get());
        assert!(counted.estimate() >= before, "one author more made it fewer");
        let after = counted.clone();
        counted.add(&author, offset);
        assert_eq!(counted, after, "an author counts once");
        assert_offset(&author);
    }
    assert_eq!(merged(&counted, &one), counted, "what was added to is in what came of it");
}

fn registers(data: &[u8]) -> (HyperLogLog, &[u8]) {
    let (registers, rest) = data.split_at(data.len().min(REGISTERS));
    (HyperLogLog::from_bytes(std::array::from_fn(|at| registers.get(at).copied().unwrap_or(0))), rest)
}

fn merged(one: &HyperLogLog, other: &HyperLogLog) -> HyperLogLog {
    let mut both = one.clone();
    both.merge(other);
    both
}

fn assert_merges(one: &HyperLogLog, other: &HyperLogLog) {
    let both = merged(one, other);
    assert_eq!(both, merged(other, one), "the order of relays");
    assert_eq!(both, merged(&both, one), "a relay that is asked twice");
    assert_eq!(*one, merged(one, &HyperLogLog::new()), "a relay that knows nobody");
    let naive: Vec<u8> = one.as_bytes().iter().zip(other.as_bytes()).map(|(a, b)| *a.max(b)).collect();
    assert_eq!(both.as_bytes().as_slice(), naive);
    assert!(both.estimate() >= one.estimate().max(other.estimate()), "a union smaller than its parts");
    assert_eq!(one.estimate() == 0, one.is_empty(), "nobody, and only nobody, is estimated as 0");
}

/// Registers as a relay sends them, in hex of either case.
fn assert_travels(registers: &HyperLogLog, count: u8) {
    let hex = registers.to_hex();
    assert_eq!(hex.len(), 2 * REGISTERS);
    for hex in [hex.to_uppercase(), hex] {
        assert_eq!(HyperLogLog::from_hex(&hex).as_ref(), Ok(registers));
        let frame = format!(r#"["COUNT","s",{{"count":{count},"hll":"{hex}"}}]"#);
        let Ok(RelayMessage::Count { hll: Some(hll), .. }) = RelayMessage::parse(&frame) else {
            unreachable!("a COUNT with registers: {frame}")
        };
        assert_eq!(*hll, *registers);
        assert!(HyperLogLog::from_hex(&hex[1..]).is_err() && HyperLogLog::from_hex(&format!("{hex}0")).is_err());
    }
}

/// The register that a key counts in, and its number: the byte at the offset, and one more than the zero bits behind it.
fn naive_rank(key: &[u8], offset: usize) -> (usize, u8) {
    let bits: String = key[offset + 1..].iter().map(|byte| format!("{byte:08b}")).collect();
    let zeros = bits.find('1').unwrap_or(bits.len());
    (usize::from(key[offset]), u8::try_from(zeros + 1).unwrap_or(u8::MAX))
}

/// A filter on a key reads at what the 33rd character of its hex says.
fn assert_offset(author: &PublicKey) {
    let hex = author.to_string();
    let digit = hex.chars().nth(32).and_then(|digit| digit.to_digit(16));
    let address = format!("30023:{hex}:x");
    for filter in [Filter::new().tag('p', hex), Filter::new().tag('a', address)] {
        let offset = HllOffset::of(&filter).map(|offset| u32::from(offset.get()));
        assert_eq!(offset, digit.map(|digit| digit + 8), "{}", filter.to_json());
    }
}
