//! HyperLogLog (NIP-45) against a computation on hex digits and bit strings, and against the truth.

use crate::support::{HEX64, hex};
use nostr_proto::{Address, Filter, HllOffset, HyperLogLog, Kind, PublicKey};
use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// The NIP read word by word, on strings.
fn naive_offset(value: &str) -> usize {
    let is_key = |text: &str| text.len() == 64 && text.chars().all(|c| "0123456789abcdef".contains(c));
    let parts: Vec<&str> = value.splitn(3, ':').collect();
    let text = match parts[..] {
        _ if is_key(value) => value.to_owned(),
        [kind, key, _] if kind.parse::<u16>().is_ok_and(|number| number.to_string() == kind) && is_key(key) => {
            key.to_owned()
        }
        _ => hex(&Sha256::digest(value)),
    };
    let digit = text.chars().nth(32).unwrap();
    usize::try_from(digit.to_digit(16).unwrap()).unwrap() + 8
}

/// The registers, from keys as strings of bits.
fn naive_registers(keys: &[[u8; 32]], offset: usize) -> Vec<u32> {
    let mut registers = vec![0; 256];
    for key in keys {
        let bits: String = key.iter().map(|byte| format!("{byte:08b}")).collect();
        let register = usize::from_str_radix(&bits[8 * offset..8 * (offset + 1)], 2).unwrap();
        let zeros = bits[8 * (offset + 1)..].chars().take_while(|&bit| bit == '0').count();
        registers[register] = registers[register].max(u32::try_from(zeros).unwrap() + 1);
    }
    registers
}

/// The maximum-likelihood estimate: the number of keys that makes these registers likeliest if each register sees a
/// Poisson-distributed share of them. Another estimator than ours, found by bisection.
fn likeliest_count(registers: &[u32]) -> f64 {
    // The derivative of the log-likelihood by the rate per register; it falls as the rate grows.
    let slope = |rate: f64| {
        registers
            .iter()
            .map(|&register| {
                let share = 0.5_f64.powi(i32::try_from(register).unwrap());
                // P(max = k) = e^(-rate 2^-k) (1 - e^(-rate 2^-k)); P(max = 0) = e^-rate.
                if register == 0 { -1.0 } else { share / (rate * share).exp_m1() - share }
            })
            .sum::<f64>()
    };
    let (mut low, mut high) = (1e-9_f64, 1e12_f64);
    for _ in 0..200 {
        let middle = (low * high).sqrt();
        if slope(middle) > 0.0 { low = middle } else { high = middle }
    }
    low * 256.0
}

/// The estimator of Flajolet et al. 2007 with linear counting below 2.5 × 256.
fn classic_estimate(registers: &[u32]) -> f64 {
    let sum: f64 = registers.iter().map(|&register| 0.5_f64.powi(i32::try_from(register).unwrap())).sum();
    let raw = 0.7213 / (1.0 + 1.079 / 256.0) * 256.0 * 256.0 / sum;
    let zeros = registers.iter().filter(|&&register| register == 0).count();
    if raw <= 640.0 && zeros > 0 { 256.0 * (256.0 / zeros as f64).ln() } else { raw }
}

/// Keys that are as good as random, the same in every run.
fn key(seed: u64, number: u64) -> [u8; 32] {
    Sha256::digest([seed.to_le_bytes(), number.to_le_bytes()].concat()).into()
}

fn counted(keys: &[[u8; 32]], offset: HllOffset) -> HyperLogLog {
    let mut registers = HyperLogLog::new();
    for &key in keys {
        registers.add(&PublicKey::from_bytes(key), offset);
    }
    registers
}

fn as_numbers(registers: &HyperLogLog) -> Vec<u32> {
    registers.as_bytes().iter().copied().map(u32::from).collect()
}

#[test]
fn offsets_of_filters() {
    let offset = |filter: &Filter| HllOffset::of(filter).map(HllOffset::get);
    // The 33rd character of HEX64 is a "1".
    assert_eq!(&HEX64[32..33], "1");
    assert_eq!(offset(&Filter::new().tag('e', HEX64)), Some(9));
    let address = format!("30023:{HEX64}:x:y");
    assert_eq!(offset(&Filter::new().tag('a', address)), Some(9));
    // The SHA-256 of "nostr" has a "4" there.
    assert_eq!(&hex(&Sha256::digest("nostr"))[32..33], "4");
    assert_eq!(offset(&Filter::new().tag('t', "nostr")), Some(12));
    // Not an address: one that has no third part, and one whose kind is none.
    for text in [format!("30023:{HEX64}"), format!("030023:{HEX64}:"), format!("x:{HEX64}:"), HEX64.to_uppercase()] {
        assert_eq!(offset(&Filter::new().tag('a', text.clone())), Some(u8::try_from(naive_offset(&text)).unwrap()));
    }
    // Not defined.
    assert_eq!(offset(&Filter::new().kind(Kind::CONTACTS)), None);
    let mut nothing = Filter::new().tag('p', HEX64);
    nothing.tags.insert('e', std::iter::empty::<String>().collect());
    assert_eq!(offset(&nothing), None);
}

/// First is what stands first in our JSON, however the filter was built.
#[test]
fn the_first_tag_is_the_first_on_the_wire() {
    let filter = Filter::new().tag('p', "zz").tag('t', "first?").tag('e', "b").tag('e', "a").tag('E', "upper");
    let json = filter.to_json();
    let (tag, rest) = json.split_once("\"#").unwrap().1.split_once('"').unwrap();
    let first = rest.trim_start_matches(":[\"").split_once('"').unwrap().0;
    assert_eq!((tag, first), ("E", "upper"));
    assert_eq!(usize::from(HllOffset::of(&filter).unwrap().get()), naive_offset(first));
}

#[test]
fn offsets_are_8_to_23() {
    for number in 0..=255 {
        assert_eq!(HllOffset::new(number).map(HllOffset::get), (8..=23).contains(&number).then_some(number));
    }
}

#[test]
fn registers_at_their_extremes() {
    let (first, last) = (HllOffset::new(8).unwrap(), HllOffset::new(23).unwrap());
    // All bits behind the register's byte are zero: 23 bytes at the first offset, 8 at the last.
    for (offset, rank) in [(first, 23 * 8 + 1), (last, 8 * 8 + 1)] {
        let registers = counted(&[[0; 32]], offset);
        assert_eq!(registers.as_bytes()[0], rank);
        assert_eq!(registers.estimate(), 1);
    }
    assert_eq!(HyperLogLog::new().estimate(), 0);
    assert!(HyperLogLog::new().is_empty() && !counted(&[[0; 32]], first).is_empty());
    // What no honest relay sends: every register at its highest.
    assert_eq!(HyperLogLog::from_bytes([255; 256]).estimate(), u64::MAX);
    let one = HyperLogLog::from_bytes(std::array::from_fn(|at| if at == 7 { 255 } else { 0 }));
    assert_eq!(one.estimate(), 1);
}

/// The two of the NIP. Its second one is the first with two bytes replaced, so that only the form can be checked.
#[test]
fn examples_of_the_nip() {
    let followers = "0607070505060806050508060707070706090d080b0605090607070b07090606060b0705070709050807080805080407060906080707080507070805060509040a0b06060704060405070706080607050907070b08060808080b080607090a06060805060604070908050607060805050d05060906090809080807050e0705070507060907060606070708080b0807070708080706060609080705060604060409070a0808050a0506050b0810060a0908070709080b0a07050806060508060607080606080707050806080c0a0707070a080808050608080f070506070706070a0908090c080708080806090508060606090906060d07050708080405070708";
    let reactions = "01ef070505060806050508060707070706090d080b0605090607070b07090606060b0705070709050807080805080407060906080707080507070805060509040a0b06060704060405070706080607050907070b08060808080b080607090a06060805060604070908050607060805050d05060906090809080807050e0705070507060907060606070708080b0807070708080706060609080705060604060409070a0808050a0506050b0810060a0908070709080b0a07050806060508060607080606080707050806080c0a0707070a080808050608080f070506070706070a0908090c080708080806090508060606090906060d07050708080405070708";
    let registers: HyperLogLog = followers.parse().unwrap();
    // The relay counted 16578; three standard deviations are 20 %.
    assert!((13_262..=19_894).contains(&registers.estimate()), "{}", registers.estimate());
    for text in [followers, reactions] {
        assert_eq!(HyperLogLog::from_hex(text).unwrap().to_hex(), text);
        assert_eq!(HyperLogLog::from_hex(&text.to_uppercase()).unwrap().to_hex(), text);
    }
}

#[test]
fn hex_is_strict_in_length() {
    let good = "0a".repeat(256);
    assert!(HyperLogLog::from_hex(&good).is_ok());
    for bad in ["", &good[1..], &good[2..], &format!("{good}0"), &format!("{good}00"), &format!(" {}", &good[1..])] {
        assert!(HyperLogLog::from_hex(bad).is_err(), "{}", bad.len());
    }
    assert!(HyperLogLog::from_hex(&format!("{}g0", &good[2..])).is_err());
    assert!(HyperLogLog::from_hex(&format!("{}é", &good[2..])).is_err());
    let json = serde_json::to_string(&HyperLogLog::new()).unwrap();
    assert_eq!(json, format!("\"{}\"", "0".repeat(512)));
    assert_eq!(serde_json::from_str::<HyperLogLog>(&json).unwrap(), HyperLogLog::new());
    assert!(serde_json::from_str::<HyperLogLog>("\"00\"").is_err());
}

/// Over many seeded sets: no estimate is further off than four standard deviations, and on average they are right.
#[test]
fn estimates_are_close_to_the_truth() {
    for size in [1_u64, 2, 5, 20, 100, 300, 600, 1000, 3000, 20_000] {
        let runs = (200_000 / size).clamp(30, 200);
        let offset = HllOffset::new(8 + u8::try_from(size % 16).unwrap()).unwrap();
        let (mut sum, mut squares) = (0.0, 0.0);
        for seed in 0..runs {
            let keys: Vec<_> = (0..size).map(|number| key(seed, number)).collect();
            let error = counted(&keys, offset).estimate() as f64 / size as f64 - 1.0;
            // A half for rounding.
            assert!(error.abs() < 4.0 * 0.065 + 0.5 / size as f64, "{size} keys, seed {seed}: {error}");
            sum += error;
            squares += error * error;
        }
        let (mean, deviation) = (sum / runs as f64, (squares / runs as f64).sqrt());
        assert!(deviation < 0.08 || size < 3, "{size} keys: the deviation is {deviation}");
        assert!(mean.abs() < 4.0 * 0.065 / (runs as f64).sqrt() + 0.5 / size as f64, "{size} keys: the bias is {mean}");
    }
}

/// The estimator agrees with the likeliest count everywhere, and with the classic one where that one is good: away
/// from 640, where it changes its method.
#[test]
fn other_estimators_agree() {
    for (seed, size) in [1_u64, 4, 30, 100, 200, 500, 640, 900, 3000, 30_000].into_iter().enumerate() {
        let keys: Vec<_> = (0..size).map(|number| key(seed as u64 + 1000, number)).collect();
        let registers = counted(&keys, HllOffset::new(12).unwrap());
        let (ours, numbers) = (registers.estimate() as f64, as_numbers(&registers));
        let likeliest = likeliest_count(&numbers);
        assert!((ours - likeliest).abs() <= 0.01 * likeliest + 0.6, "{size}: {ours}, likeliest {likeliest}");
        if !(200..2000).contains(&size) {
            let classic = classic_estimate(&numbers);
            assert!((ours - classic).abs() <= 0.03 * classic + 0.6, "{size}: {ours}, classic {classic}");
        }
    }
}

proptest! {
    #[test]
    fn registers_as_the_naive_computation(keys in vec(any::<[u8; 32]>(), 0..40), zeros in 0_usize..24, at in 8_u8..24) {
        // Some keys get many zeros, which random ones never have.
        let mut keys = keys;
        for (index, key) in keys.iter_mut().enumerate().filter(|(index, _)| index % 3 == 0) {
            let start = usize::from(at) + 1;
            let end = (start + (zeros + index) % 24).min(32);
            key[start..end].fill(0);
        }
        let registers = counted(&keys, HllOffset::new(at).unwrap());
        prop_assert_eq!(as_numbers(&registers), naive_registers(&keys, usize::from(at)));
    }

    #[test]
    fn offsets_as_the_naive_computation(
        letters in vec("[a-zA-Z]", 1..3),
        value in prop_oneof!["[0-9a-f]{64}", "[0-9]{1,6}:[0-9a-f]{64}:[a-z:]{0,5}", "[0-9a-fA-F]{63,65}", any::<String>()],
    ) {
        let filter = letters.iter().fold(Filter::new(), |filter, letter| {
            filter.tag(letter.chars().next().unwrap(), value.clone())
        });
        prop_assert_eq!(usize::from(HllOffset::of(&filter).unwrap().get()), naive_offset(&value));
        if let Ok(address) = Address::parse(&value) {
            prop_assert_eq!(address.to_string(), value);
        }
    }

    /// Merging gives the registers of the union, whatever the order.
    #[test]
    fn merging_is_the_union(all in vec(any::<[u8; 32]>(), 0..60), cut in 0_usize..60, overlap in 0_usize..20) {
        let offset = HllOffset::new(20).unwrap();
        let cut = cut.min(all.len());
        let (mut left, right) = (counted(&all[..cut], offset), counted(&all[cut.saturating_sub(overlap)..], offset));
        let mut reversed = right.clone();
        reversed.merge(&left);
        left.merge(&right);
        prop_assert_eq!(&left, &counted(&all, offset));
        prop_assert_eq!(&left, &reversed);
        let before = left.clone();
        left.merge(&right);
        prop_assert_eq!(left, before);
    }

    /// Whatever a relay sends: an estimate, and hex that comes back.
    #[test]
    fn any_registers(bytes in vec(any::<u8>(), 256)) {
        let registers = HyperLogLog::from_bytes(bytes.try_into().unwrap());
        prop_assert!(registers.estimate() > 0 || registers.is_empty());
        prop_assert_eq!(HyperLogLog::from_hex(&registers.to_hex()).unwrap(), registers);
    }
}
