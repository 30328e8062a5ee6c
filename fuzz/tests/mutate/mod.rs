//! Mutations of seeds: seeded, so that a failure is found again.

use nostr_pool_corpus::Rng;

/// Pieces that matter to parsers of this protocol.
const TOKENS: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\",
    "\\u0000",
    "\\ud83d",
    "\\ud83e\\udd19",
    "\\/",
    "null",
    "true",
    "-1",
    "1.0",
    "1e9",
    "65535",
    "65536",
    "18446744073709551615",
    "18446744073709551616",
    "0",
    "00",
    "\"id\"",
    "\"sig\":\"\",",
    "\"tags\":[[]],",
    "[[]]",
    "[[[[[[[[[]]]]]]]]]",
    "\"EVENT\"",
    "\"OK\"",
    "\"EOSE\"",
    "#e",
    "\u{0}",
    "\u{7f}",
    "🤙",
    " ",
    "\n",
    "@",
    "://",
    "auth-required: ",
];

/// An endless source of inputs made from some seeds.
pub(crate) struct Mutator<'a> {
    rng: Rng,
    seeds: &'a [Vec<u8>],
}

impl<'a> Mutator<'a> {
    pub(crate) fn new(seed: u64, seeds: &'a [Vec<u8>]) -> Self {
        Self { rng: Rng::new(seed), seeds }
    }

    /// One of the seeds, changed in one to four places.
    pub(crate) fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.rng.pick(self.seeds).clone();
        for _ in 0..self.rng.between(1, 4) {
            self.change(&mut input);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let rng = &mut self.rng;
        let at = rng.below(input.len() + 1);
        // A stretch of the input: often short, now and then most of it.
        let longest = if rng.one_in(4) { input.len() } else { 8 };
        let end = (at + rng.below(longest + 1)).min(input.len());
        match rng.below(9) {
            0 => drop(input.splice(at..at, rng.pick(&TOKENS).bytes())),
            1 => drop(input.splice(at..end, rng.pick(&TOKENS).bytes())),
            2 => drop(input.drain(at..end)),
            3 => {
                let again = input[at..end].to_vec();
                drop(input.splice(end..end, again));
            }
            4 => input.truncate(at),
            5 => {
                let other = rng.pick(self.seeds);
                let from = rng.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            6 => {
                let to = rng.below(input.len() + 1 - (end - at));
                let piece: Vec<u8> = input.drain(at..end).collect();
                drop(input.splice(to..to, piece));
            }
            7 => flip_case(input, at),
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << rng.below(8);
                }
            }
        }
    }
}

fn flip_case(input: &mut [u8], at: usize) {
    if let Some(letter) = input.iter_mut().skip(at).find(|b| b.is_ascii_alphabetic()) {
        *letter ^= 0x20;
    }
}
